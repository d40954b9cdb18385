"""Every trap is answered with a sentence that helps, at its place; many mistakes give as many errors, and no more."""
from __future__ import annotations

import re

import pytest

from caplex.compiler.diagnostics.codes_syntax import CODES
from caplex.compiler.diagnostics.diagnostic import Diagnostic
from caplex.compiler.source import Source
from caplex.compiler.syntax.parser import front, parse, parse_expression

TOKEN_NAME = re.compile(r"\b(?:[A-Z]+_[A-Z_0-9]+|LBRACE|RBRACE|LPAR|RPAR|LSQB|RSQB|CMP|NAME|FIELD|STRING|NUMBER|PLUS|EQUAL|DOT)\b|\$END|__ANON")


def problems(text: str, *, limit: int = 50) -> list[Diagnostic]:
    module, found = parse(Source("t.cap", text), limit=limit)
    assert (module is None) == bool(found)
    for problem in found:
        assert not TOKEN_NAME.search(f"{problem.message} {problem.help}"), problem
        assert problem.code in CODES
        if problem.span is not None:
            assert 0 <= problem.span.start <= problem.span.end <= len(text)
    return found


def when(condition: str) -> str:
    return f"rule A-1 {{ deny when {condition} }}"


# text, code, text under the caret, part of the message, part of the help
TRAPS = [
    (when("a > 5000USD"), "CAP108", "5000USD", "no space before its currency", "write `5000 USD`"),
    (when("a > 5usd"), "CAP108", "5usd", "is not an amount of money", "`5 USD`"),
    (when("a > 5 usd"), "CAP108", "usd", "is not a currency", "write `USD`"),
    (when("a > 20%3"), "CAP107", "20%3", "it ends at its `%`", "write `20%`"),
    (when("a > 20 %"), "CAP107", "%", "stands apart from its number", "as in `20%`"),
    (when("a > 20%%"), "CAP107", "20%%", "it ends at its `%`", "write `20%`"),
    (when("a > 50 percent"), "CAP107", "percent", "is not a unit", "`20%`"),
    ("cooldown A-1 { deny during 5m after last fill }", "CAP106", "5m", "minutes or millions", "write `5min`"),
    (when("a > 1.5h"), "CAP106", "1.5h", "its parts are whole", "`1h30min`"),
    (when("a > 5sec"), "CAP106", "5sec", "is not a duration", "`ms`, `s`, `min`"),
    (when("a > .5"), "CAP105", ".5", "no digit before its point", "write `0.5`"),
    (when("a > 5. and b"), "CAP105", ".", "ends with a point", "digits behind it"),
    (when("a > 1e5"), "CAP105", "1e5", "no exponent", "in full"),
    (when("a > 1__0"), "CAP105", "1__0", "is not a number", "between two digits"),
    (when("a > 5_"), "CAP105", "5_", "is not a number", "between two digits"),
    (when("a > 05"), "CAP105", "05", "begins with a zero", "without it"),
    (when("a > 1.2.3"), "CAP105", "1.2.3", "is not a number", "at most one point"),
    (when("a > 5k"), "CAP105", "5k", "is not a number", "in full"),
    (when("a > 25bps"), "CAP105", "25bps", "basis points", "write `25bp`"),
    (when("a > 5 bp"), "CAP105", "bp", "apart from its number", "`5bp`"),
    (when("a > 5 min"), "CAP105", "min", "apart from its number", "`5min`"),
    (when("a > 1,5"), "CAP105", ",", "not a decimal point", "`1.5`"),
    (when("a > $5,000"), "CAP108", "$5,000", "with a comma", "`$5_000`"),
    (when("a > 5,000 USD"), "CAP108", ",", "not parted by commas", "`5_000`"),
    (when("max(5,000 USD, a) > 3"), "CAP108", "000", "not parted by commas", "`5_000`"),
    (when("a > €5"), "CAP108", "€", "does not name a currency", "`5_000 EUR`"),
    (when("a\u00a0> 3"), "CAP110", "\u00a0", "looks like a space", "plain space"),
    (when("a > \u22123"), "CAP110", "\u2212", "looks like a minus", "write `-`"),
    (when("a == 'x'"), "CAP110", "'", "does not open a text", "double quotes"),
    (when("a == \u201cx\u201d"), "CAP110", "\u201c", "does not open a text", "double quotes"),
    (when("na\u00efve"), "CAP110", "na\u00efve", "is not a name", "letters a to z"),
    (when("a;"), "CAP110", ";", "means nothing", "delete it"),
    ("// x\n" + when("a"), "CAP110", "//", "does not open a comment", "`#`"),
    (when("a && b"), "CAP109", "&&", "not an operator here", "write `and`"),
    (when("a || b"), "CAP109", "||", "not an operator here", "write `or`"),
    (when("!a"), "CAP109", "!", "not an operator here", "write `not`"),
    (when("a = 3"), "CAP109", "=", "does not compare", "write `==`"),
    (when("a => 3"), "CAP109", "=>", "not an operator here", "write `>=`"),
    (when("a <> 3"), "CAP109", "<>", "not an operator here", "write `!=`"),
    (when("a \u2265 3"), "CAP109", "\u2265", "not an operator here", "`>=`"),
    ('test "t" { given a == 3 }', "CAP109", "==", "does not give a value", "write `=`"),
    (when("a < b < c"), "CAP120", "<", "do not chain", "a < b and b < c"),
    ("let a = b + c else 0", "CAP119", "else", "one reading only", "(x else 0)"),
    ("limit A-1 { when a (b + c) at most 5 else deny }", "CAP118", "at", "guard has no end", "comma"),
    ("limit A-1 { when a > 3 -b at most 5 else deny }", "CAP118", "at", "guard has no end", "comma"),
    ("limit A-1 { when count(x) (b) at most 5 else deny }", "CAP118", "(", "guard has no end", "comma"),
    (when("a > 2026-02-30"), "CAP117", "2026-02-30", "not a day of the calendar", ""),
    (when("a > 2026-01-05T15:00:00+01:00"), "CAP117", "2026-01-05T15:00:00+01:00", "not a date or an instant", "in UTC"),
    (when("a > 25:00"), "CAP117", "25:00", "not a time of day", ""),
    ("setting limit : ratio = 5%", "CAP114", "limit", "word of the language", "another name"),
    ("setting when : ratio = 5%", "CAP114", "when", "word of the language", "another name"),
    ("setting Max : ratio = 5%", "CAP115", "Max", "small letter", "write `max`"),
    ("setting a : ratio = 5% hard hard", "CAP116", "hard", "stands twice", "keep one"),
    ('rule A-1 { hold when a for approval by role "x" quorum 2.5 }', "CAP121", "2.5", "whole number", ""),
    ('rule A-1 "abc { deny when a }', "CAP111", '"abc { deny when a }', "not closed on its line", "closing"),
    ('rule A-1 { deny when a because "x {b} {a" }', "CAP112", "{", "`}` is missing", "plain brace"),
    ('rule A-1 { deny when a because "x {}" }', "CAP112", "{}", "hole is empty", "plain brace"),
    ('rule A-1 { deny when a because "x {a +}" }', "CAP112", "+", "ends too early", "a value"),
    ('rule A-1 { deny when a because "x {5m}" }', "CAP106", "5m", "minutes or millions", "5min"),
    ('rule A-1 "a\\tb" { deny when a }', "CAP113", "\\t", "not an escape", "known are"),
    ('rule A-1 "\\u{d800}" { deny when a }', "CAP113", "\\u{d800}", "not a character", "known are"),
    ("rule A-1 { deny whenn a }", "CAP104", "whenn", "not a word that can stand here", "`when`"),
    ("rule A-1 severity hgih { deny when a }", "CAP104", "hgih", "not a word", "`high`"),
    ("poilcy p { }", "CAP104", "poilcy", "not a word", "`policy`"),
    ("limit A-1 { a at mots 5 else deny }", "CAP104", "mots", "not a word", "`most`"),
    ("rule A-1 { deny if a }", "CAP101", "if", "cannot stand here", "write `when`"),
    ("kill switch K-1 { trip when a whlie tripped deny all }", "CAP101", "tripped", "cannot stand", "`while`"),
    ("rule A1 { deny when a }", "CAP101", "A1", "cannot stand here", "`EXP-010`"),
    (when(""), "CAP101", "}", "cannot stand here", "a value"),
    ("rule A-1 { deny when a ", "CAP102", "a", "ends in the middle", "`}`"),
    (when("a.b\nrule A-2 { deny when c }")[:-2], "CAP103", "rule", "is not finished", "`}`"),
]


@pytest.mark.parametrize(("text", "code", "caret", "message", "cure"), TRAPS, ids=[repr(row[0])[:70] for row in TRAPS])
def test_trap(text: str, code: str, caret: str, message: str, cure: str) -> None:
    found = problems(text)
    assert len(found) == 1, [(p.code.id, p.message) for p in found]
    problem = found[0]
    assert problem.span is not None
    assert (problem.code.id, problem.span.text) == (code, caret), problem
    assert message in problem.message
    assert cure in (problem.help or "")


def test_an_open_brace_is_shown() -> None:
    [problem] = problems("rule A-1 { deny when (a ")
    assert [label.text for label in problem.labels] == ["", "this `(` is still open"]
    assert problem.labels[1].span.text == "("


MANY = """policy p {
  mode enfroce
  currency USD
}
setting a : ratio = 10%% within 0..1
setting b : ratio = 20% within 0%..100%

rule A-1 { deny when x > }
rule A-2 { deny when y > 3
rule A-3 { deny if y > 3 }
limit A-4 { x at most 5000USD else reduce }
ruel A-5 { deny when y }
throttle A-6 { at most 10 per 1min }
kill switch K-1 for account {
  trip when x >= 10%
  whlie tripped deny all
  rearm never
}
let z = (1 + 2
test "a { rule } b" { expect deny by A1 }
size order { start 20% at mots 3 }
rule A-9 { deny when ok because "fine" }
property "p" { a implies }
"""


def test_many_mistakes_are_as_many_errors() -> None:
    found = [(p.span.begin.line if p.span else 0, p.code.id) for p in problems(MANY)]
    lines = [2, 5, 8, 10, 10, 11, 12, 13, 16, 20, 20, 21, 23]
    assert [line for line, _ in found] == lines


def test_limit_of_diagnostics_and_no_cascades() -> None:
    assert len(problems("rule A-1 { deny if a }\n" * 200)) == 50
    assert len(problems("rule A-1 { deny if a }\n" * 200, limit=3)) == 3
    assert len(problems("{ }\n" * 200)) == 1
    assert len(problems("x " * 500)) == 1
    assert len(problems("rule A-1 { deny when (a + b { c } ) } rule A-2 { deny when d }")) == 1


def test_good_items_behind_a_broken_one_are_not_accused() -> None:
    good = 'rule B-1 { deny when a because "x {y}" }\n' * 20
    assert len(problems("limit A-1 { a at mots 5 }\n" + good)) == 1


def test_a_lone_expression() -> None:
    tree, found = parse_expression(Source("--set", "5_000 USD"))
    assert tree is not None
    assert not found
    for text in ("", "5m", "5 5", "a b", "rule", "(", "5,000"):
        tree, found = parse_expression(Source("--set", text))
        assert tree is None, text
        assert len(found) == 1, text


def test_codes_are_complete_and_their_examples_hold() -> None:
    assert len({code.id for code in CODES}) == len(CODES) == len({code.name for code in CODES})
    for code in CODES:
        assert code.id.startswith("CAP1")
        assert code.title
        assert code.why
        if code.example:
            assert code.id in [p.code.id for p in problems(code.example)], code.id
            assert not problems(code.cure), code.id


def test_reductions_are_all_built() -> None:
    """A form of the grammar without its method would end up as a raw parse tree."""
    tables, builder = front()
    for rule in tables.lark.rules:
        name = rule.alias or rule.options.template_source or rule.origin.name
        expands = rule.options.expand1 and not rule.alias
        if not name.startswith("_") and not expands:
            assert callable(getattr(builder, name, None)), name
