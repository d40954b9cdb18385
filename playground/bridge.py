"""What the page of the playground asks of caplex: texts in, plain data out. Runs in the browser, and under any Python.

Every function is pure: the same texts give the same answer, which is the one of the command line. What is remembered of
the last policy saves its compilation and nothing else.
"""
from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import caplex
from caplex.compiler.cli.documents import parse_object
from caplex.compiler.cli.output import Stop
from caplex.compiler.lint.run import Asked, lint_source
from caplex.compiler.source import Source
from caplex.compiler.tools.pages import page_of
from caplex.runtime.errors import PolicyError
from caplex.runtime.paths import BadPath

if TYPE_CHECKING:
    from caplex.compiler.diagnostics.diagnostic import Diagnostic
    from caplex.runtime.policy import Policy

FACTS = "facts.json"
NOWHERE = Path("/playground")
"""No folder: the configuration of a project does not reach in here."""

Answer = dict[str, Any]


def check(text: str, name: str = "policy.cap") -> Answer:
    """What `caplex check` finds in the policy; where it finds no error, what `caplex lint` finds as well."""
    found = caplex.check_text(text, name=name)
    if not any(each.is_error for each in found):
        known = {(each.code.id, each.span and (each.span.start, each.span.end)) for each in found}
        linted = lint_source(Source(name, text), NOWHERE / name, Asked()).found
        found = [*found, *(each for each in linted if (each.code.id, each.span and (each.span.start, each.span.end)) not in known)]
    return {"found": [_diagnostic(each, text, name) for each in found], "errors": sum(each.is_error for each in found)}


def decide(text: str, facts: str, name: str = "policy.cap") -> Answer:
    """The decision on *facts*, told in full, with its picture."""
    return _answered(text, facts, name, _decided)


def what_if(text: str, facts: str, changes: Sequence[Sequence[str]], name: str = "policy.cap") -> Answer:
    """Both decisions, if each path of *changes* had its value: ``[["account.equity", "90000"]]``."""

    def asked(policy: Policy, document: dict[str, Any]) -> Answer:
        try:
            found = policy.what_if(document, {path: _value(value) for path, value in changes})
        except BadPath as error:
            return {"problem": f"{error}"}
        return {"told": found._repr_html_(), "flips": found.flips, "document": found.to_dict()}

    return _answered(text, facts, name, asked)


def format_policy(text: str, name: str = "policy.cap") -> Answer:
    """The policy in its canonical layout, as `caplex fmt` writes it."""
    try:
        return {"text": caplex.format_text(text, name=name)}
    except PolicyError as error:
        return {"problem": "a policy with an error of syntax has no layout: mend it first", "found": _all(error.diagnostics, text, name)}


def page(code: str) -> Answer:
    """The page of a code or a name, Markdown; as `caplex explain` prints it."""
    found = page_of(code)
    return {"problem": f"nothing is called `{code}`"} if found is None else found.to_dict()


def about() -> Answer:
    """What runs here; the parser is made ready on the way."""
    import platform

    caplex.check_text("")
    return {"caplex": caplex.__version__, "python": platform.python_version()}


CALLS: dict[str, Callable[..., Answer]] = {
    "check": check, "decide": decide, "what_if": what_if, "format": format_policy, "page": page, "about": about}


def call(name: str, arguments: str) -> str:
    """One question of the page, JSON in and out."""
    return json.dumps(CALLS[name](*json.loads(arguments)), ensure_ascii=False)


# ── inside ────────────────────────────────────────────────────────────────────────────────────────────


@lru_cache(maxsize=4)
def _policy(text: str, name: str) -> Policy:
    return caplex.loads(text, name=name)


def _answered(text: str, facts: str, name: str, answer: Callable[[Policy, dict[str, Any]], Answer]) -> Answer:
    """What *answer* makes of both, or what is wrong with one of them."""
    try:
        document = parse_object(Source(FACTS, facts))
    except Stop as stop:
        return {"problem": str(stop), "in": "facts", "found": _all(stop.diagnostics, facts, FACTS)}
    if document.get("schema") == "caplex.decision/1":
        return {"problem": "this is a decision, not facts: give the facts document that it was decided on", "in": "facts", "found": []}
    try:
        policy = _policy(text, name)
    except PolicyError as error:
        return {"problem": "the policy does not compile", "in": "policy", "found": _all(error.diagnostics, text, name)}
    return answer(policy, document)


def _decided(policy: Policy, document: dict[str, Any]) -> Answer:
    decision = policy.decide(document)
    explanation = decision.explain()
    told = explanation.to_dict()
    return {
        "decision": decision.to_dict(), "told": explanation._repr_html_(), "headline": explanation.view().headline,
        "picture": caplex.graph(policy, document).svg(), "remedies": [_remedy(each) for each in told["remedies"]],
    }


def _remedy(remedy: Mapping[str, Any]) -> Answer:
    """One way to be allowed: its words, and the changes of the facts if that is all it takes."""
    changes = [change for step in remedy["steps"] for change in step.get("changes") or [None]]
    tried = all(change is not None and change.get("where") == "facts" for change in changes)
    return {"text": remedy["text"], "then": remedy["then"],
            "changes": [[change["path"], _written(change["value"])] for change in changes if change is not None] if tried else []}


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _value(text: str) -> Any:
    """As `caplex explain --what-if` reads what stands behind `=`."""
    text = text.strip()
    if text in {"true", "false", "null"} or text[:1] in {"{", "[", '"'}:
        try:
            return parse_object(Source("what if", f'{{"value": {text}}}'))["value"]
        except Stop as stop:
            raise BadPath(f"`{text}` is no value: {stop}") from None
    return text


def _all(found: Sequence[Diagnostic], text: str, name: str) -> list[Answer]:
    return [_diagnostic(each, text, name) for each in found]


def _diagnostic(found: Diagnostic, text: str, name: str) -> Answer:
    """One finding, with offsets as a browser counts: in units of UTF-16."""
    told: Answer = {"code": found.code.id, "title": found.code.title, "level": str(found.severity), "message": found.message,
            "help": found.help, "notes": list(found.notes), "line": None, "column": None, "from": 0, "to": 0, "labels": [], "fix": None}
    span = found.span
    if span is None or span.source.name != name:
        return told | {"where": span.source.name if span is not None else found.where}
    begin = span.begin
    marks = [label for label in found.labels if label.span.source.name == name]
    primary = next((label.span for label in marks if label.primary), span)
    told |= {"line": begin.line, "column": begin.column, "from": _units(text, primary.start), "to": _units(text, primary.end),
             "labels": [{"from": _units(text, label.span.start), "to": _units(text, label.span.end), "text": label.text, "primary": label.primary}
                        for label in marks]}
    fix = found.fix
    if fix is not None and all(edit.span.source.name == name for edit in fix.edits):
        told["fix"] = {"title": fix.title, "safe": fix.safe, "edits": [
            {"from": _units(text, edit.span.start), "to": _units(text, edit.span.end), "text": edit.text} for edit in fix.edits]}
    return told


def _units(text: str, offset: int) -> int:
    return offset + sum(character > "\uffff" for character in text[:offset])
