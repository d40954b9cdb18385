// What is shown of an answer. Markup comes from Python, which escapes what policy and facts hold; all else is text.
import { words } from "./editor.js";

const $ = (id) => document.getElementById(id);

export function showFound(found, { onGo, onPage, link }) {
  const errors = found.filter((each) => each.level === "error").length;
  const others = found.length - errors;
  const badge = $("found");
  badge.textContent = errors ? count(errors, "error") + (others ? `, ${count(others, "more finding")}` : "") : others ? `compiles, ${count(others, "finding")}` : "compiles";
  badge.className = "found " + (errors ? "bad" : others ? "warn" : "good");
  const list = $("problems");
  list.hidden = !found.length;
  list.replaceChildren(...found.map((each) => problem(each, { onGo, onPage, link })));
}

function problem(found, { onGo, onPage, link }) {
  const item = document.createElement("li");
  item.className = found.level;
  const go = document.createElement("button");
  go.type = "button";
  go.className = "go";
  const what = document.createElement("span");
  what.className = "what";
  what.append(...words(found.message));
  go.append(what);
  if (found.help) {
    const help = document.createElement("span");
    help.className = "help";
    help.append(...words(found.help));
    go.append(help);
  }
  go.onclick = () => found.line !== null && onGo(found);
  const place = document.createElement("span");
  place.className = "place";
  place.textContent = found.line !== null ? `${found.line}:${found.column}` : found.where ?? "";
  item.append(link(found.code, onPage), go, place);
  return item;
}

export function showFacts(problem) {
  const badge = $("facts-found");
  badge.textContent = problem ?? "";
  badge.title = problem ?? "";
  badge.className = "found " + (problem ? "bad" : "");
}

export function showDecision({ decision, told, picture, remedies }, onTry) {
  $("verdict").className = `verdict ${decision.verdict.toLowerCase()}`;
  $("badge").textContent = decision.verdict;
  $("quantity").textContent = amount(decision);
  const first = decision.reasons[0];
  $("by").textContent = first ? `${first.rule}${first.title ? ` ${first.title}` : ""}: ${first.message}` : "within every rule";
  $("decision-id").textContent = decision.decision_id ?? "";
  $("told").innerHTML = told;
  $("json").firstElementChild.innerHTML = coloured(JSON.stringify(decision, null, 2));
  $("picture").dataset.svg = picture;
  drawPicture();
  const offers = remedies.filter((each) => each.changes.length);
  $("offers").hidden = !offers.length;
  $("offers").replaceChildren(...(offers.length ? ["Try: ", ...offers.map((each) => offer(each, onTry))] : []));
}

function amount({ verdict, quantity, requested, side, symbol }) {
  const grouped = (text) => text.replace(/^(-?)(\d+)/, (_, sign, digits) => sign + digits.replace(/\B(?=(\d{3})+$)/g, "_"));
  const size = requested === null || requested === undefined ? grouped(quantity) : requested === quantity ? grouped(quantity) : `${grouped(quantity)} of ${grouped(requested)}`;
  return [verdict === "HOLD" ? "waits:" : "", side, size, symbol].filter(Boolean).join(" ");
}

function offer(remedy, onTry) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = `${remedy.changes.map(([path, value]) => `${path} = ${value}`).join(" and ")} → ${remedy.then.verdict} ${remedy.then.quantity}`;
  button.onclick = () => onTry(remedy.changes);
  return button;
}

// In a shadow, so that its style stays its own; its light and dark follow the page's.
export function drawPicture() {
  const host = $("picture");
  const root = host.shadowRoot ?? host.attachShadow({ mode: "open" });
  const chosen = document.documentElement.dataset.theme;
  const query = chosen === "dark" ? "all" : chosen === "light" ? "not all" : "(prefers-color-scheme: dark)";
  root.innerHTML = `<style>svg{max-width:100%;height:auto}</style>${(host.dataset.svg ?? "").replaceAll("(prefers-color-scheme: dark)", query)}`;
}

function coloured(text) {
  const escaped = text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  return escaped.replace(/("(?:[^"\\]|\\.)*")(\s*:)?|\b(?:true|false|null|-?\d[\d.]*)\b/g, (hit, string, colon) =>
    string ? `<span class="${colon ? "k" : "s"}">${string}</span>${colon ?? ""}` : `<span class="n">${hit}</span>`);
}

// The little Markdown that pages of codes are written in.
export function showPage({ title, markdown }) {
  $("page-title").textContent = title;
  const nodes = [];
  for (const [index, part] of markdown.split(/^```.*$/m).entries()) {
    if (index % 2) { nodes.push(element("pre", [part.replace(/^\n|\n$/g, "")])); continue; }
    for (const block of part.split(/\n{2,}/).map((each) => each.trim()).filter(Boolean)) {
      if (block.startsWith("# ")) continue;
      if (block.startsWith("#")) nodes.push(element("h3", words(block.replace(/^#+\s*/, ""))));
      else if (/^[-*] /.test(block)) nodes.push(element("ul", block.split(/\n(?=[-*] )/).map((each) => element("li", words(each.slice(2))))));
      else nodes.push(element("p", words(block.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1"))));
    }
  }
  $("page-text").replaceChildren(...nodes);
  $("page").showModal();
}

function element(name, children) {
  const made = document.createElement(name);
  made.append(...children);
  return made;
}

function count(number, word) {
  return `${number} ${word}${number === 1 ? "" : "s"}`;
}

export function tabs() {
  const all = [...document.querySelectorAll('[role="tab"]')];
  const choose = (tab, focus = false) => {
    for (const each of all) {
      const on = each === tab;
      each.setAttribute("aria-selected", String(on));
      each.tabIndex = on ? 0 : -1;
      $(each.getAttribute("aria-controls")).hidden = !on;
    }
    if (focus) tab.focus();
  };
  for (const [index, tab] of all.entries()) {
    tab.onclick = () => choose(tab);
    tab.onkeydown = ({ key }) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
      if (step) choose(all.at((index + step) % all.length), true);
    };
  }
  return choose;
}
