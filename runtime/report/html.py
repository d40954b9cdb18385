"""An explanation as HTML: a page that stands alone, and a fragment for notebooks."""
from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from caplex.runtime.report.view import Line, View

if TYPE_CHECKING:
    from caplex.runtime.report.changes import Changes

TONES: Final = {"ALLOW": "#2e8b57", "MODIFY": "#b8860b", "HOLD": "#b8860b", "DENY": "#d9434f"}
"""Readable on white and on black."""
_MARKS: Final = {"kept": "#2e8b57", "reduced": "#b8860b", "held": "#b8860b", "warned": "#b8860b", "broken": "#d9434f", "unknown": "#d9434f"}
_CELL: Final = "text-align:left;font:inherit;color:inherit;padding:.15em 1em .15em 0;vertical-align:top;background:transparent;border:0"
_TABLE: Final = "border-collapse:collapse;margin:.4em 0;font:inherit;color:inherit;background:transparent;border:0"
_SOFT: Final = "opacity:.7"


def page(view: View, changes: Changes | None = None) -> str:
    """Needs jinja2; everything that comes from facts or policy is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(loader=PackageLoader("caplex.runtime.report"), autoescape=True, undefined=StrictUndefined,
                              trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
    return environment.get_template("explanation.html.j2").render(view=view, changes=changes)


def fragment(view: View, changes: Changes | None = None) -> str:
    """For a notebook: styles stay inside, the colours of text and background are the notebook's own. Needs the standard library alone."""
    parts = [_flip(changes)] if changes is not None else []
    verdict = _tag("strong", escape(view.verdict), f"color:{TONES.get(view.verdict, 'inherit')}")
    parts.append(_tag("div", f"{verdict} {escape(view.headline)}", "font-size:1.1em"))
    if view.answer:
        parts.append(_tag("div", escape(view.answer)))
    for line in view.spoke:
        if line.decided:
            parts.append(_first(line))
    parts += [_tag("div", escape(f"{'to be allowed' if number == 0 else 'or'}: {offer}"), "margin:.3em 0") for number, offer in enumerate(view.offers)]
    parts += [_tag("div", escape(f"in the way: {text}"), _SOFT) for text in view.unmet]
    if view.missing:
        parts.append(_tag("div", "The facts have none of these, which this policy reads: " + "; ".join(map(escape, view.missing))))
    rows = [line for line in view.lines if not line.decided]
    if rows:
        parts.append(_table(rows))
    parts += [_tag("div", escape(f"{words}: {', '.join(names)}"), _SOFT) for words, names in view.quiet]
    for title, entries in (("emitted", view.emitted), ("obligations", view.duties)):
        if entries:
            parts.append(_tag("div", escape(f"{title}: {'; '.join(entries)}")))
    if not view.whole:
        parts.append(_tag("div", "Read back from its document: only what that holds can be told, not every rule.", _SOFT))
    parts.append(_tag("div", escape(view.policy) + (f" (sha256 {escape(view.digest)}…)" if view.digest else ""), _SOFT))
    return _tag("div", "\n".join(parts), "line-height:1.45;overflow-x:auto") + "\n"


def _tag(name: str, inner: str, style: str = "", more: str = "") -> str:
    return f"<{name}{more}" + (f' style="{style}"' if style else "") + f">{inner}</{name}>"


def _flip(changes: Changes) -> str:
    told = f"{_tag('strong', escape(changes.headline))} with {' and '.join(map(escape, changes.with_))}"
    rows = "".join(_row([escape(f"{rule.id} {rule.title}"), escape(" → ".join(rule.marks)), escape(rule.text)]) for rule in changes.rules)
    return _tag("div", told) + (_tag("table", _tag("tbody", rows), _TABLE) if rows else "")


def _first(line: Line) -> str:
    tone = _MARKS.get(line.state, "inherit")
    inner = f"{_tag('strong', escape(line.id))} {escape(line.title)}: {escape(line.sentence)}"
    if line.message and line.numbers:
        inner += _tag("div", escape(line.numbers), _SOFT)
    inner += "".join(_tag("div", escape(text), _SOFT) for text in (f"limit: {line.origin}" if line.origin else "", *line.more) if text)
    if line.cited is not None:
        rows = "\n".join(f"{number:>4}  {escape(text)}" for number, text in enumerate(line.cited.text, start=line.cited.line))
        inner += _tag("pre", rows, "margin:.4em 0 0;background:transparent;color:inherit;white-space:pre")
        inner += _tag("div", escape(line.place), _SOFT)
    return _tag("div", inner, f"border-left:3px solid {tone};padding:.2em .8em;margin:.5em 0")


def _table(lines: list[Line]) -> str:
    head = "".join(_tag("th", name, _CELL + ";" + _SOFT, ' scope="col"') for name in ("answer", "rule", "saw", "allows", "used", "place"))
    rows = "".join(_row([
        _tag("span", f"{line.mark} {escape(line.word)}", f"color:{_MARKS.get(line.state, 'inherit')}"), f"{_tag('strong', escape(line.id))} {escape(line.title)}",
        escape(line.saw) + (_tag("div", escape(line.message), _SOFT) if line.message else ""), escape(line.allows),
        f"{line.used}%" if line.used is not None and line.state == "kept" else "", escape(line.place)]) for line in lines)
    return _tag("table", _tag("thead", _tag("tr", head, "background:transparent")) + _tag("tbody", rows), _TABLE)


def _row(cells: list[str]) -> str:
    return _tag("tr", "".join(_tag("td", cell, _CELL) for cell in cells), "background:transparent")
