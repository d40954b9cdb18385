// Both editors, and findings drawn into them.
import { autocompletion, closeBrackets, closeBracketsKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { json } from "@codemirror/lang-json";
import { bracketMatching, indentOnInput, indentUnit } from "@codemirror/language";
import { lintGutter, lintKeymap, setDiagnostics } from "@codemirror/lint";
import { highlightSelectionMatches, searchKeymap } from "@codemirror/search";
import { EditorState } from "@codemirror/state";
import {
  EditorView, drawSelection, highlightActiveLine, highlightActiveLineGutter, highlightSpecialChars, keymap, lineNumbers,
} from "@codemirror/view";
import { cap, colours } from "./language.js";

const LANGUAGES = { cap: [cap], json: [json()] };

export function editor(parent, { language, label, onChange, keys = [] }) {
  const extensions = [
    lineNumbers(), highlightActiveLineGutter(), highlightSpecialChars(), history(), drawSelection(), indentOnInput(), bracketMatching(), closeBrackets(),
    highlightActiveLine(), highlightSelectionMatches(), lintGutter(), autocompletion({ override: [] }), EditorState.tabSize.of(2), indentUnit.of("  "),
    keymap.of([...keys, ...closeBracketsKeymap, ...defaultKeymap, ...searchKeymap, ...historyKeymap, ...lintKeymap, indentWithTab]),
    ...LANGUAGES[language], colours, EditorView.contentAttributes.of({ "aria-label": label, spellcheck: "false" }),
    EditorView.updateListener.of((update) => update.docChanged && onChange()),
  ];
  const view = new EditorView({ parent, state: EditorState.create({ extensions }) });
  return {
    view,
    text: () => view.state.doc.toString().toWellFormed(),
    // Another document: nothing of the old one can be undone into it.
    open(text) { view.setState(EditorState.create({ doc: text, extensions })); onChange(); },
    // The same document, changed by a tool: one step of undo.
    replace(text) {
      const old = view.state.doc.toString();
      if (old !== text) view.dispatch({ changes: { from: 0, to: old.length, insert: text }, selection: { anchor: Math.min(view.state.selection.main.head, text.length) } });
    },
    show(found, onPage) { view.dispatch(setDiagnostics(view.state, found.filter((each) => each.line !== null).map((each) => drawn(each, view, onPage)))); },
    go(from, to = from) {
      const end = view.state.doc.length;
      view.dispatch({ selection: { anchor: Math.min(from, end), head: Math.min(to, end) }, effects: EditorView.scrollIntoView(Math.min(from, end), { y: "center" }) });
      view.focus();
    },
  };
}

function drawn(found, view, onPage) {
  const end = view.state.doc.length;
  const from = Math.min(found.from, end);
  // What has no width is drawn at the character before it.
  const to = Math.min(Math.max(found.to, from), end);
  const wide = to > from ? [from, to] : [Math.max(0, from - 1), from];
  return {
    from: wide[0], to: wide[1], severity: found.level === "note" ? "info" : found.level, message: found.message,
    renderMessage: () => message(found, onPage),
    actions: found.fix ? [{ name: found.fix.title, apply: (target) => target.dispatch({ changes: found.fix.edits.map(({ from, to, text }) => ({ from, to, insert: text })) }) }] : [],
  };
}

export function message(found, onPage) {
  const box = document.createElement("div");
  box.className = "message";
  const line = document.createElement("span");
  line.append(link(found.code, onPage), " ", ...words(found.message));
  box.append(line);
  for (const label of found.labels) if (label.primary && label.text) box.append(small(label.text));
  for (const note of found.notes) box.append(small(note));
  if (found.help) box.append(small(`help: ${found.help}`));
  return box;
}

export function link(code, onPage) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "link";
  button.textContent = code;
  button.title = `What ${code} is, and its cure`;
  button.onclick = () => onPage(code);
  return button;
}

// Names stand in back-quotes.
export function words(text) {
  return text.split("`").map((part, index) => {
    if (index % 2 === 0) return document.createTextNode(part);
    const code = document.createElement("code");
    code.textContent = part;
    return code;
  });
}

function small(text) {
  const line = document.createElement("span");
  line.className = "help";
  line.append(...words(text));
  return line;
}
