// Python, away from the page: whatever it does, typing goes on.
import { loadPyodide } from "./pyodide/pyodide.mjs";

const tell = (message) => self.postMessage(message);
const step = (done, text) => tell({ kind: "progress", done, of: 5, text });

async function fetched(url) {
  const answer = await fetch(new URL(url, self.location));
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${answer.statusText}`);
  return answer;
}

async function start() {
  step(0, "Python is loading");
  const pyodide = await loadPyodide({
    indexURL: new URL("pyodide/", self.location).href, env: { CAPLEX_NO_CACHE: "1", HOME: "/home/pyodide" }, stdout: () => {}, stderr: () => {},
  });
  step(2, "caplex is loading");
  const names = await (await fetched("python/wheels.json")).json();
  const [bridge, ...wheels] = await Promise.all([
    fetched("python/bridge.py").then((answer) => answer.text()), ...names.map((name) => fetched(`python/${name}`).then((answer) => answer.arrayBuffer())),
  ]);
  for (const wheel of wheels) pyodide.unpackArchive(wheel, "wheel");
  pyodide.FS.writeFile("bridge.py", bridge);
  step(3, "the parser is being built");
  const call = pyodide.pyimport("bridge").call;
  step(4, "almost there");
  const about = JSON.parse(call("about", "[]"));
  tell({ kind: "ready", about });
  return call;
}

const started = start();
started.catch((error) => tell({ kind: "failed", text: String(error?.message ?? error) }));

self.onmessage = async ({ data: { id, name, given } }) => {
  const call = await started;
  try {
    tell({ kind: "answer", id, value: JSON.parse(call(name, JSON.stringify(given))) });
  } catch (error) {
    // Bad input is answered; what comes here is a mistake of ours, or Python itself has ended.
    tell({ kind: "bug", id, text: String(error?.message ?? error).trim().split("\n").at(-1), fatal: error?.pyodide_fatal_error === true });
  }
};
