// Colours of `.cap`, from the terminals of the grammar: the build writes them, this only tries one after the other.
import { HighlightStyle, StreamLanguage, syntaxHighlighting } from "@codemirror/language";
import { tags } from "@lezer/highlight";
import terms from "../build/terms.json";

const COLOURS = {
  rule: tags.className, number: tags.number, time: tags.number, unit: tags.unit, function: tags.standard(tags.name), type: tags.typeName,
  declaration: tags.definitionKeyword, operator: tags.operatorKeyword, constant: tags.bool, effect: tags.controlKeyword, clause: tags.keyword,
  path: tags.propertyName, family: tags.namespace, sign: tags.operator, name: tags.variableName,
  comment: tags.lineComment, told: tags.docComment, text: tags.string, escape: tags.escape, hole: tags.special(tags.brace),
};
// Sticky and on the whole line, so that a pattern may look behind itself.
const RULES = terms.rules.map(([pattern, colour]) => [new RegExp(pattern, "y"), colour]);
const ESCAPE = /\\u\{[0-9A-Fa-f]{1,6}\}|\\./y;
const PLAIN = /[^"\\{]+/y;
const PLAIN_OF_TEXT = /[^"\\]+/y;
const FORM = /:[^{}"]*(?=\})/y;

function at(pattern, stream) {
  pattern.lastIndex = stream.pos;
  const hit = pattern.exec(stream.string);
  if (!hit || !hit[0]) return null;
  stream.pos += hit[0].length;
  return hit[0];
}

// `where` is a stack: code, a text, or a message whose holes hold code again.
function token(stream, state) {
  if (stream.sol()) state.where = ["code"];
  const here = state.where.at(-1);
  if (here === "text" || here === "message") {
    if (at(ESCAPE, stream)) return "escape";
    if (stream.eat('"')) { state.where.pop(); return "text"; }
    if (here === "message" && stream.eat("{")) { state.where.push("hole"); return "hole"; }
    at(here === "message" ? PLAIN : PLAIN_OF_TEXT, stream) ?? stream.next();
    return "text";
  }
  if (stream.eatSpace()) return null;
  if (here === "hole") {
    if (stream.eat("}")) { state.where.pop(); return "hole"; }
    if (at(FORM, stream)) return "escape";
  }
  if (stream.match("##")) { stream.skipToEnd(); return "told"; }
  if (stream.peek() === "#") { stream.skipToEnd(); return "comment"; }
  if (stream.eat('"')) {
    state.where.push(/\b(because|always)\s*"$/.test(stream.string.slice(0, stream.pos)) ? "message" : "text");
    return "text";
  }
  for (const [pattern, colour] of RULES) if (at(pattern, stream)) return colour;
  stream.next();
  return null;
}

export const cap = StreamLanguage.define({
  name: "caplex",
  startState: () => ({ where: ["code"] }),
  copyState: (state) => ({ where: [...state.where] }),
  token,
  tokenTable: COLOURS,
  languageData: { commentTokens: { line: "#" }, closeBrackets: { brackets: ["(", "[", "{", '"'] } },
});

const colour = (name) => `var(--${name})`;
export const colours = syntaxHighlighting(HighlightStyle.define([
  { tag: tags.keyword, color: colour("code-word") },
  { tag: tags.definitionKeyword, color: colour("code-word"), fontWeight: "700" },
  { tag: tags.controlKeyword, color: colour("code-effect"), fontWeight: "600" },
  { tag: tags.operatorKeyword, color: colour("code-word") },
  { tag: [tags.className, tags.namespace], color: colour("code-rule"), fontWeight: "600" },
  { tag: [tags.number, tags.bool, tags.unit, tags.null], color: colour("code-number") },
  { tag: [tags.string, tags.special(tags.string)], color: colour("code-text") },
  { tag: [tags.escape, tags.special(tags.brace)], color: colour("code-effect") },
  { tag: [tags.propertyName, tags.variableName], color: colour("code-name") },
  { tag: [tags.standard(tags.name), tags.typeName], color: colour("code-type") },
  { tag: tags.operator, color: colour("soft") },
  { tag: tags.lineComment, color: colour("code-comment"), fontStyle: "italic" },
  { tag: tags.docComment, color: colour("code-doc"), fontStyle: "italic" },
]));
