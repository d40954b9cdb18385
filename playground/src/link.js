// The line to Python: one question at a time, the newest of its kind first; a worker that dies is replaced.
const PATIENCE = 30_000; // milliseconds for one answer
const STARTING = 120_000;

export class Link {
  constructor({ onProgress, onReady, onTrouble }) {
    Object.assign(this, { onProgress, onReady, onTrouble });
    this.waiting = []; // {name, given, resolve, reject}
    this.number = 0;
    this.deaths = 0;
    this.start();
  }

  start() {
    this.ready = false;
    this.current = null;
    const worker = (this.worker = new Worker("worker.js", { type: "module", name: "python" }));
    worker.onmessage = ({ data }) => worker === this.worker && this.hear(data);
    worker.onerror = (event) => { event.preventDefault(); if (worker === this.worker) this.died(event.message || "the worker could not be loaded"); };
    this.watch(STARTING, "Python did not start");
  }

  // A later question of the same name replaces one that has not been put yet: its answer would be old.
  ask(name, ...given) {
    const older = this.waiting.findIndex((each) => each.name === name);
    if (older >= 0) this.waiting.splice(older, 1)[0].resolve(null);
    return new Promise((resolve, reject) => {
      this.waiting.push({ name, given, resolve, reject });
      this.next();
    });
  }

  next() {
    if (!this.ready || this.current || !this.waiting.length) return;
    this.current = { id: ++this.number, ...this.waiting.shift() };
    this.worker.postMessage({ id: this.current.id, name: this.current.name, given: this.current.given });
    this.watch(PATIENCE, "no answer within half a minute");
  }

  hear(data) {
    if (data.kind === "progress") return this.onProgress(data);
    if (data.kind === "failed") return this.died(data.text, true);
    if (data.kind === "ready") {
      clearTimeout(this.clock);
      this.ready = true;
      this.onReady(data.about);
      return this.next();
    }
    if (data.id !== this.current?.id) return undefined;
    if (data.kind === "bug" && data.fatal) return this.died(data.text);
    clearTimeout(this.clock);
    const { resolve, reject } = this.current;
    this.current = null;
    if (data.kind === "answer") { this.deaths = 0; resolve(data.value); }
    else reject(new Error(data.text));
    return this.next();
  }

  died(text, atStart = false) {
    clearTimeout(this.clock);
    this.worker.terminate();
    const lost = this.current;
    this.ready = false;
    this.current = null;
    this.deaths += 1;
    const again = !atStart && this.deaths < 4;
    this.onTrouble(text, again);
    lost?.resolve(null);
    for (const each of this.waiting.splice(0)) each.resolve(null);
    if (again) this.start();
  }

  watch(milliseconds, text) {
    clearTimeout(this.clock);
    this.clock = setTimeout(() => this.died(text), milliseconds);
  }
}
