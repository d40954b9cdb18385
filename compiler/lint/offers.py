"""Fixes for findings of `check`: the finding stays where it is made, what to do about it stands here."""
from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from caplex.compiler.diagnostics import codes_lint, codes_names
from caplex.compiler.diagnostics.diagnostic import Diagnostic, Edit, Fix
from caplex.compiler.lint.layout import whole
from caplex.compiler.lint.mending import replaced
from caplex.compiler.lint.model import Subject
from caplex.compiler.semantics.coherence.wording import plain
from caplex.compiler.source import Span
from caplex.compiler.syntax import ast

Offer = Callable[[Subject, Diagnostic, Span], Fix | None]


def offered(subject: Subject, found: Diagnostic) -> Diagnostic:
    """*found* with a fix, if there is one and it lies in the file of *subject*."""
    offer = OFFERS.get(found.code.id)
    if offer is None or found.fix is not None or found.span is None or found.span.source is not subject.source:
        return found
    return replaced(found, offer(subject, found, found.span))


def _times(subject: Subject, found: Diagnostic, span: Span) -> Fix | None:
    """`500%` is `5x`."""
    if not span.text.endswith("%"):
        return None
    text = f"{plain(Fraction(span.text[:-1].replace('_', '')) / 100)}x"
    return Fix(f"write {text}", True, (Edit(span, text),))


def _parentheses(subject: Subject, found: Diagnostic, span: Span) -> Fix | None:
    return Fix("show what `of` takes", True, (Edit(span, f"({span.text})"),))


def _take_out(subject: Subject, found: Diagnostic, span: Span, kind: type[ast.Item], what: str, *, safe: bool) -> Fix | None:
    """The item of *kind* in which *span* lies, taken out."""
    item = next((item for item in subject.module.items if isinstance(item, kind) and item.span.start <= span.start and span.end <= item.span.end), None)
    return None if item is None else Fix(f"take the {what} out", safe, (Edit(whole(item, subject.source.text), ""),))


def _import(subject: Subject, found: Diagnostic, span: Span) -> Fix | None:
    return _take_out(subject, found, span, ast.Use, "import", safe=True)


def _setting(subject: Subject, found: Diagnostic, span: Span) -> Fix | None:
    """Not safe: whoever still sets it from outside would be refused."""
    return _take_out(subject, found, span, ast.Setting, "setting", safe=False)


def _ended(subject: Subject, found: Diagnostic, span: Span) -> Fix | None:
    """Not safe: a replay of the days before it ended would differ."""
    return _take_out(subject, found, span, ast.Waiver, "waiver", safe=False)


def _idle_words(subject: Subject, found: Diagnostic, span: Span) -> Fix | None:
    text, words = subject.source.text, "including kill switches"
    item = next((item for item in subject.module.items if isinstance(item, ast.Waiver) and item.span.start <= span.start < item.span.end), None)
    place = text.find(words, span.end, item.span.end) if item is not None else -1
    return None if place < 0 else Fix("leave the words out", True, (Edit(_with_space(span, text, place, place + len(words)), ""),))


def _monitored(subject: Subject, found: Diagnostic, span: Span) -> Fix | None:
    """Not safe: the rule is in force once the mode changes."""
    rule = next((rule for rule in subject.rules() if rule.node.attributes.span == span), None)
    mark = rule.node.attributes.monitor if rule is not None else None
    if mark is None:
        return None
    text, start = span.source.text, span.source.text.find("monitor", span.start, span.end)
    end = mark.span.end if isinstance(mark, ast.Date) else text.find("always", start) + len("always")
    return None if start < 0 else Fix("leave `monitor` out", False, (Edit(_with_space(span, text, start, end), ""),))


def _with_space(span: Span, text: str, start: int, end: int) -> Span:
    """With the spaces before it, so that none are doubled."""
    while start > 0 and text[start - 1] == " ":
        start -= 1
    return Span(span.source, start, end)


def _skips(subject: Subject, found: Diagnostic, span: Span) -> Fix | None:
    """Not safe: closing orders pass from then on. Offered only for the clause that makes them face every rule."""
    if found.help is None or "`closing skips" not in found.help or not span.text.startswith("closing"):
        return None
    clause = found.help.split("`")[1]
    return Fix(f"write {clause}", False, (Edit(span, clause),))


def _fresh(subject: Subject, found: Diagnostic, span: Span) -> Fix | None:
    """Not safe: an older price denies from then on."""
    section = subject.checked.schema.sections.get(found.message.partition("`")[2].partition(".")[0])
    if section is None or "as_of" not in section.fields:
        return None
    return Fix("bound its age", False, (Edit(Span(span.source, span.end, span.end), " fresh within 5s"),))


OFFERS: dict[str, Offer] = {
    codes_lint.ABOVE_WHOLE.id: _times,
    codes_lint.SHARE_OF_SUM.id: _parentheses,
    codes_lint.IDLE_WORDS.id: _idle_words,
    codes_lint.MONITORED_TWICE.id: _monitored,
    codes_lint.UNUSED_SETTING.id: _setting,
    codes_lint.PAST_ITS_DATE.id: _ended,
    codes_lint.TRAPPED.id: _skips,
    codes_lint.NO_FRESHNESS.id: _fresh,
    codes_names.UNUSED_IMPORT.id: _import,
}
