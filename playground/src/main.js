// The page: what is typed goes to Python, what comes back is shown.
import examples from "../build/examples.json";
import { editor, link } from "./editor.js";
import { Link } from "./link.js";
import { drawPicture, showDecision, showFacts, showFound, showPage, tabs } from "./panes.js";
import { fromHash, toHash } from "./share.js";

const $ = (id) => document.getElementById(id);
const PAUSE = 220; // milliseconds without a key before Python is asked
const state = { name: "policy.cap", example: null, edition: 0, quiet: true, pause: 0, theme: "" };

// ── Python ──

const python = new Link({
  onProgress({ done, of, text }) { $("progress").value = done; $("progress").max = of; $("loading-text").textContent = text; },
  onReady({ caplex, python: version }) {
    trouble("");
    $("loading-text").textContent = "the first decision is being made";
    $("about").textContent = `caplex ${caplex} on Python ${version}, in this browser. Nothing leaves this machine.`;
    for (const id of ["decide", "format"]) $(id).disabled = false;
    document.documentElement.dataset.ready = "yes";
    look();
  },
  onTrouble(text, again) {
    delete document.documentElement.dataset.ready;
    for (const id of ["decide", "format"]) $(id).disabled = true;
    trouble(`Python has stopped (${text}). ${again ? "It is starting again; your text is safe." : "Load the page again; copy your text first."}`);
  },
});

async function ask(name, ...given) {
  try {
    return await python.ask(name, ...given);
  } catch (error) {
    trouble(`This is a mistake of caplex, not yours: ${error.message}`);
    return null;
  }
}

function trouble(text) {
  $("trouble").textContent = text;
  $("trouble").hidden = !text;
}

// ── the editors ──

const keys = [
  { key: "Mod-Enter", run: () => { look(); return true; } },
  { key: "Shift-Alt-f", run: () => { format(); return true; } },
];
const policy = editor($("policy"), { language: "cap", label: "Policy", onChange: changed, keys });
const facts = editor($("facts"), { language: "json", label: "Facts, JSON", onChange: changed, keys });

function changed() {
  if (state.quiet) return;
  state.edition += 1;
  document.documentElement.dataset.settled = "no";
  clearTimeout(state.pause);
  state.pause = setTimeout(look, PAUSE);
}

async function page(code) {
  const found = await ask("page", code);
  if (found?.markdown) showPage(found);
}

// Check and decide what stands there now. An answer to a text that is gone is not shown.
async function look() {
  clearTimeout(state.pause);
  if (!python.ready) return;
  const edition = ++state.edition;
  document.documentElement.dataset.settled = "no";
  const [text, document_, name] = [policy.text(), facts.text(), state.name];
  const checked = await ask("check", text, name);
  if (!checked || edition !== state.edition) return;
  policy.show(checked.found, page);
  showFound(checked.found, { onGo: (found) => policy.go(found.from, found.to), onPage: page, link });
  const answer = await ask("decide", text, document_, name);
  if (!answer || edition !== state.edition) return;
  $("loading").hidden = true;
  facts.show(answer.in === "facts" ? answer.found : [], page);
  showFacts(answer.in === "facts" ? answer.found[0]?.labels[0]?.text || answer.problem : null);
  if (answer.decision) {
    showDecision(answer, tryOut);
    stale("");
    paths(document_);
    $("what-told").replaceChildren();
  } else {
    stale(answer.in === "facts" ? `The facts cannot be read: ${answer.problem}.` : "The policy does not compile.");
  }
  document.documentElement.dataset.settled = "yes";
}

function stale(why) {
  const shown = Boolean($("decision-id").textContent);
  $("result").hidden = false;
  $("result").classList.toggle("old", Boolean(why));
  $("stale").hidden = !why;
  $("stale").textContent = why && (shown ? `${why} What stands below was decided before.` : why);
  if (why && !shown) { $("verdict").className = "verdict broken"; $("badge").textContent = "–"; }
}

async function format() {
  const before = policy.text();
  const answer = await ask("format", before, state.name);
  if (answer?.text !== undefined && policy.text() === before) policy.replace(answer.text);
}

// ── what if ──

function addChange(path = "", value = "") {
  const row = document.createElement("div");
  row.className = "change";
  const [left, right, away] = ["input", "input", "button"].map((each) => document.createElement(each));
  left.setAttribute("list", "paths");
  Object.assign(left, { value: path, placeholder: "account.equity", ariaLabel: "Path of a fact" });
  Object.assign(right, { value, placeholder: "900000", ariaLabel: "Its value instead" });
  Object.assign(away, { type: "button", textContent: "✕", ariaLabel: "Remove this change", onclick: () => { row.remove(); if (!$("changes").children.length) addChange(); } });
  row.append(left, "=", right, away);
  $("changes").append(row);
}

function tryOut(changes) {
  $("changes").replaceChildren();
  for (const [path, value] of changes) addChange(path, value);
  whatIf();
}

async function whatIf() {
  const changes = [...$("changes").children].map((row) => [...row.querySelectorAll("input")].map((each) => each.value)).filter(([path]) => path.trim());
  if (!changes.length) return;
  const answer = await ask("what_if", policy.text(), facts.text(), changes.map(([path, value]) => [path.trim(), value]), state.name);
  if (!answer) return;
  if (answer.told) $("what-told").innerHTML = answer.told;
  else $("what-told").textContent = answer.problem;
}

// The facts that can be changed, by their paths.
function paths(text) {
  const found = [];
  const walk = (value, path) => {
    if (found.length > 400) return;
    if (value !== null && typeof value === "object" && !Array.isArray(value)) {
      for (const [key, inner] of Object.entries(value)) walk(inner, /^[A-Za-z_]\w*$/.test(key) ? (path ? `${path}.${key}` : key) : `${path}["${key}"]`);
    } else if (!Array.isArray(value)) found.push(path);
  };
  try { walk(JSON.parse(text), ""); } catch { return; }
  $("paths").replaceChildren(...found.map((path) => Object.assign(document.createElement("option"), { value: path })));
}

// ── examples, sharing ──

function open(name, text, given) {
  state.quiet = true;
  state.name = name;
  $("policy-name").textContent = name;
  $("decision-id").textContent = "";
  policy.open(text);
  facts.open(given);
  state.quiet = false;
  look();
}

function openExample(name, which) {
  const example = examples.find((each) => each.name === name) ?? examples[0];
  const given = example.facts.find((each) => each.name === which) ?? example.facts.find((each) => each.name === example.first);
  state.example = example;
  $("example").value = example.name;
  $("facts-of").hidden = false;
  $("facts-of").replaceChildren(...example.facts.map((each) => new Option(each.title, each.name)));
  $("facts-of").value = given.name;
  open(example.file, example.text, given.text);
}

async function share() {
  const hash = await toHash({ policy: policy.text(), facts: facts.text(), name: state.name });
  history.replaceState(null, "", hash);
  let told = "In the address";
  try { await navigator.clipboard.writeText(location.href); told = "Copied"; } catch { /* no clipboard here: the address bar has it */ }
  $("share").textContent = told;
  setTimeout(() => ($("share").textContent = "Share"), 1800);
}

async function openShared() {
  try {
    const shared = await fromHash(location.hash);
    if (!shared) return false;
    state.example = null;
    $("example").value = "";
    $("facts-of").hidden = true;
    open(shared.name, shared.policy, shared.facts);
    return true;
  } catch {
    trouble("The link is damaged: what was shared cannot be read from it. An example stands here instead.");
    return false;
  }
}

// ── the rest ──

function theme(next) {
  const root = document.documentElement;
  if (next) root.dataset.theme = next; else delete root.dataset.theme;
  try { if (next) localStorage.setItem("theme", next); } catch { /* a browser that keeps nothing */ }
  drawPicture();
}

tabs();
addChange();
const unlisted = Object.assign(new Option("shared with you", ""), { hidden: true });
$("example").append(unlisted, ...examples.map((each) => new Option(each.title, each.name)));
$("example").onchange = ({ target }) => { history.replaceState(null, "", location.pathname); openExample(target.value); };
$("facts-of").onchange = ({ target }) => {
  state.quiet = true;
  facts.open(state.example.facts.find((each) => each.name === target.value).text);
  state.quiet = false;
  look();
};
$("decide").onclick = look;
$("format").onclick = format;
$("share").onclick = share;
$("more").onclick = () => addChange();
$("what-form").onsubmit = (event) => { event.preventDefault(); whatIf(); };
$("page-close").onclick = () => $("page").close();
$("page").onclick = ({ target }) => target === $("page") && $("page").close();
$("theme").onclick = () => {
  const dark = document.documentElement.dataset.theme ? document.documentElement.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  theme(dark ? "light" : "dark");
};
addEventListener("hashchange", openShared);
addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key === "Enter" && !event.defaultPrevented) { event.preventDefault(); look(); }
});
try { theme(localStorage.getItem("theme") ?? ""); } catch { theme(""); }
if (!(await openShared())) openExample(examples[0].name);
