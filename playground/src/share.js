// Policy and facts in the part of the address that a browser never sends anywhere.
const MARK = "1.";

async function through(bytes, stream) {
  return new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(stream)).arrayBuffer());
}

export async function toHash(state) {
  const packed = await through(new TextEncoder().encode(JSON.stringify(state)), new CompressionStream("deflate-raw"));
  let text = "";
  for (const byte of packed) text += String.fromCharCode(byte);
  return "#" + MARK + btoa(text).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

// What was shared; null if nothing was. Throws if it is damaged.
export async function fromHash(hash) {
  if (!hash.startsWith("#" + MARK)) return null;
  const text = atob(hash.slice(1 + MARK.length).replaceAll("-", "+").replaceAll("_", "/"));
  const bytes = await through(Uint8Array.from(text, (each) => each.charCodeAt(0)), new DecompressionStream("deflate-raw"));
  const state = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  if (typeof state.policy !== "string" || typeof state.facts !== "string") throw new Error("no policy in it");
  return { policy: state.policy, facts: state.facts, name: typeof state.name === "string" ? state.name : "policy.cap" };
}
