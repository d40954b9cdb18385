// Drives the playground in a real browser and prints what it saw, as JSON. Every host but this machine is refused.
import { createRequire } from "node:module";

const [modules, chromium, url, pictures] = process.argv.slice(2);
const { chromium: engine } = createRequire(modules + "/")("playwright-core");
process.on("uncaughtException", (error) => { process.stderr.write(String(error.message).slice(0, 400)); process.exit(1); });
const browser = await engine.launch({ executablePath: chromium, args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"] });
const seen = { elsewhere: [], complaints: [], decisions: {} };

async function fresh(address, viewport = { width: 1280, height: 860 }) {
  const context = await browser.newContext({ viewport });
  await context.route("**/*", (route) => {
    if (new URL(route.request().url()).hostname === "127.0.0.1") return route.continue();
    seen.elsewhere.push(route.request().url());
    return route.abort();
  });
  const page = await context.newPage();
  page.on("console", (message) => message.type() === "error" && seen.complaints.push(`${message.text()} ${message.location().url}`));
  page.on("pageerror", (error) => seen.complaints.push(error.message));
  await page.goto(address);
  return [page, context];
}
const settled = (page) => page.waitForSelector("html[data-ready=yes][data-settled=yes]", { timeout: 90_000 });
const decision = (page) => page.evaluate(() => JSON.parse(document.querySelector("#json pre").textContent));
const shown = (page) => page.evaluate(() => ({
  found: document.getElementById("found").textContent, badge: document.getElementById("badge").textContent,
  quantity: document.getElementById("quantity").textContent, by: document.getElementById("by").textContent,
  old: document.getElementById("result").classList.contains("old"), stale: document.getElementById("stale").textContent,
  problems: [...document.querySelectorAll("#problems li")].map((each) => ({
    code: each.querySelector(".link").textContent, place: each.querySelector(".place").textContent, text: each.querySelector(".go").textContent })),
  underlined: [...document.querySelectorAll("#policy .cm-lintRange-error")].map((each) => each.textContent).join(""),
  gutter: document.querySelectorAll("#policy .cm-lint-marker-error").length,
}));
// As a person does: click, go to the end of the n-th line, type.
async function typeAt(page, editor, line, text) {
  await page.focus(`#${editor} .cm-content`);
  await page.keyboard.press("Control+Home");
  for (let at = 1; at < line; at += 1) await page.keyboard.press("ArrowDown");
  await page.keyboard.press("End");
  await page.keyboard.type(text);
}
async function after(page, act) {
  await page.evaluate(() => (document.documentElement.dataset.settled = "no"));
  await act();
  await settled(page);
}

const [page, context] = await fresh(url);
await settled(page);
seen.first = await shown(page);
await page.screenshot({ path: `${pictures}/light.png` });
seen.about = await page.textContent("#about");

// Every example; of the first, each of its facts.
for (const example of await page.$$eval("#example option", (all) => all.map((each) => each.value).filter(Boolean))) {
  await after(page, () => page.selectOption("#example", example));
  const chosen = await page.$eval("#facts-of", (each) => each.value);
  for (const facts of await page.$$eval("#facts-of option", (all) => all.map((each) => each.value))) {
    if (example !== "quickstart" && facts !== chosen) continue;
    if (facts !== chosen || example === "quickstart") await after(page, () => page.selectOption("#facts-of", facts));
    seen.decisions[`${example}/${facts}`] = await decision(page);
  }
}

// The network goes; nothing of what follows needs it.
await after(page, () => page.selectOption("#example", "quickstart"));
await context.setOffline(true);
await after(page, () => typeAt(page, "policy", 39, "\nrule EXP-040 { deny when portfolio.gros > 5_000 USD }"));
seen.mistake = await shown(page);
await page.click("#problems .link");
await page.waitForSelector("#page[open]");
seen.page = await page.textContent("#page");
await page.keyboard.press("Escape");
await after(page, async () => {
  await page.focus("#policy .cm-content");
  for (let times = 0; times < 6; times += 1) await page.keyboard.press("Control+z");
});
seen.mended = await shown(page);

await after(page, () => typeAt(page, "policy", 6, "      "));
await page.click("#format");
await page.waitForFunction(() => !/ $/.test(document.querySelectorAll("#policy .cm-line")[5].textContent));
seen.formatted = await page.evaluate(() => document.querySelectorAll("#policy .cm-line")[5].textContent);
await settled(page);

await page.click("#tab-what");
await page.click("#offers button");
await page.waitForSelector("#what-told strong");
seen.what = await page.evaluate(() => document.getElementById("what-told").textContent);
await page.focus("#tab-what");
await page.keyboard.press("ArrowRight");
seen.picture = await page.evaluate(() => ({ chosen: document.querySelector('[aria-selected="true"]').id, title: document.getElementById("picture").shadowRoot.querySelector("svg title").textContent }));

await after(page, () => typeAt(page, "facts", 1, " oops"));
seen.facts = { ...(await shown(page)), said: await page.textContent("#facts-found") };
await after(page, () => page.keyboard.press("Control+z"));

// Ctrl-Enter asks again, and gets the same.
const before = await decision(page);
await after(page, () => page.keyboard.press("Control+Enter"));
seen.same = JSON.stringify(before) === JSON.stringify(await decision(page));

await page.click("#share");
await page.waitForFunction(() => location.hash.startsWith("#1."));
const hash = await page.evaluate(() => location.hash);
await context.setOffline(false);

// A worker that dies is replaced, and the text stays.
await after(page, async () => {
  await page.workers()[0].evaluate(() => { setTimeout(() => { throw new Error("out of memory"); }); });
  await page.waitForFunction(() => !document.getElementById("trouble").hidden);
  seen.trouble = await page.textContent("#trouble");
});
seen.revived = { same: JSON.stringify(before) === JSON.stringify(await decision(page)), trouble: await page.isVisible("#trouble") };
seen.complaints = seen.complaints.filter((each) => !each.includes("out of memory"));
await context.close();

// Somebody else opens the link, on a small screen, in the dark.
const [other, small] = await fresh(url + hash, { width: 500, height: 900 });
await other.emulateMedia({ colorScheme: "dark" });
await settled(other);
seen.shared = JSON.stringify(before) === JSON.stringify(await decision(other));
seen.wide = await other.evaluate(() => document.documentElement.scrollWidth - innerWidth);
seen.unnamed = await other.evaluate(() => [...document.querySelectorAll("button, select, input, [role=textbox]")].filter((each) =>
  !(each.textContent.trim() && each.tagName === "BUTTON") && !each.ariaLabel && !each.labels?.length).map((each) => each.outerHTML.slice(0, 80)));
await other.screenshot({ path: `${pictures}/small-dark.png` });
await other.evaluate(() => { location.hash = "#1.damaged"; });
await other.waitForFunction(() => !document.getElementById("trouble").hidden);
seen.damaged = await other.textContent("#trouble");
await small.close();

await browser.close();
process.stdout.write(JSON.stringify(seen));
