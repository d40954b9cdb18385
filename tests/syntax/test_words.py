"""The grammar has no conflicts, the word lists say what the parse table says, and no word is lost as a field."""
from __future__ import annotations

import re

import pytest

from caplex.compiler.source import Source
from caplex.compiler.syntax.parser import front, parse
from caplex.compiler.syntax.tables import KEYWORD_PRIORITY, Tables
from caplex.compiler.syntax.words import EVENT_WORDS, HARD, ITEM_WORDS, RESERVED, SEVERITY_WORDS, VERDICT_WORDS

TABLES = front()[0]
CLASS_WORDS = {"SEVERITY": SEVERITY_WORDS, "VERDICT": VERDICT_WORDS, "EVENT": EVENT_WORDS,
               "NORM": ["trim", "upper", "lower", "nfc"], "SUPPLIER": ["host", "venue", "engine", "derived"]}
EVERY_WORD = sorted({*TABLES.keywords, *(word for words in CLASS_WORDS.values() for word in words), "unless", "worse", "list"})
# Where these stand, a step of a test begins, or a number goes on.
HALVES = (EVERY_WORD[:90], EVERY_WORD[90:])  # a sum, and a path, has at most a hundred parts
STEP_WORDS = {*EVENT_WORDS, "after", "at", "each", "expect", "given", "rearm", "trip", "buy", "sell", "units"}


def well_formed(text: str) -> None:
    source = Source("words.cap", text)
    module, problems = parse(source)
    assert not problems, [(p.message, p.help, source.position(p.span.start) if p.span else None) for p in problems]
    assert module is not None


def test_grammar_has_no_conflicts_and_no_colliding_terminals() -> None:
    import interegular  # the test extra brings it: without it `strict` would check nothing

    assert interegular
    Tables(None, strict=True)


def beside_names() -> set[str]:
    """Words whose keyword is lexed in some state that also takes a bare name."""
    priorities = {terminal.name: terminal.priority for terminal in TABLES.lark.terminals}
    spelt = {name: [word] for word, name in TABLES.keywords.items() if priorities[name] == KEYWORD_PRIORITY} | CLASS_WORDS
    states = TABLES.lark.parser.parser._parse_table.states  # type: ignore[attr-defined]
    return {word for actions in states.values() if "NAME" in actions for name in actions for word in spelt.get(name, [])}


def test_reserved_words_are_what_the_parse_table_says() -> None:
    assert beside_names() | HARD == RESERVED


def test_words_of_items_are_keywords() -> None:
    assert set(ITEM_WORDS) <= set(TABLES.keywords)
    assert set(TABLES.keywords) >= HARD


@pytest.mark.parametrize(
    "text",
    [
        "input i { " + " ".join(f"{w} : quantity" for w in EVERY_WORD) + " }",
        "input i { " + " ".join(f"{w} : quantity?" for w in EVERY_WORD) + " }",
        "input i { " + " ".join(f"{w} : quantity within 0..5" for w in EVERY_WORD) + " }",
        "input i { " + " ".join(f"{w} : quantity above -5" for w in EVERY_WORD) + " }",
        "input i { " + " ".join(f"{w} : price fresh within 5s" for w in EVERY_WORD) + " }",
        "input i { " + " ".join(f"{w} : price fresh always" for w in EVERY_WORD) + " }",
        "input i { " + " ".join(f"{w} : one of a, b" for w in EVERY_WORD) + " }",
        "input i { " + " ".join(f"{w} : one of a, b neutral {w if w not in ('true', 'false', 'unlimited') else 'a'}" for w in EVERY_WORD) + " }",
        "input i { " + " ".join(f"{w} : count neutral 5" for w in EVERY_WORD) + " }",
        "input i { " + " ".join(f"{w} : money(USD) supplied by host" for w in EVERY_WORD) + " }",
        "input i { " + " ".join(f"{w} : text attested normalised trim, upper" for w in EVERY_WORD) + " }",
        "input i { " + " ".join(f'{w} : text? "t"' for w in EVERY_WORD) + " }",
        "input i { f : one of " + ", ".join(EVERY_WORD) + " }",
        "use x.y (" + ", ".join(f"{w} = 1" for w in EVERY_WORD) + ")",
        *("let a = " + " + ".join(f"a.{w}" for w in half) for half in HALVES),
        *("let a = " + " + ".join(f"a . {w}" for w in half) for half in HALVES),
        *("let a = b[1]." + ".".join(half) for half in HALVES),
        *("let a = after." + ".".join(half) for half in HALVES),
        'test "t" { intent buy 1 "X" ' + " ".join(f".{w} 3" for w in EVERY_WORD) + " }",
        'test "t" { intent buy 1 "X" ' + " ".join(f"{w} 3" for w in EVERY_WORD if w not in STEP_WORDS) + " }",
        'test "t" { ' + " ".join(f"given a.{w} = 3" for w in EVERY_WORD) + " }",
        'rule A-1 { deny when a because "' + " ".join(f"{{a.{w}}}" for w in EVERY_WORD) + '" }',
    ],
    ids=lambda text: text[:60],
)
def test_every_word_is_a_field(text: str) -> None:
    well_formed(text)


FREE = [word for word in EVERY_WORD if word not in RESERVED]
PLACES = """
setting {w} : count = {w} within {w}..{w}
limit A-1 {{ when 5 > {w} {w} + {w} at most {w} else reduce }}
limit A-2 {{ {w} at most {w} * {w} else deny }}
limit A-3 {{ when y {w} at most 3 else deny }}
limit A-4 {{ when {w}, ({w}) below {w} else warn }}
throttle A-2 {{ deny beyond {w} orders in any {w} for each {w} where {w} > 1 reserve {w} for closing }}
cooldown A-3 {{ when {w} deny during {w} after last fill }}
kill switch K-1 for {w} {{
  trip when {w} fills in any {w} trip when {w} > 1 for {w}
  rearm {w} after trip and by {w} of "x" and when ({w} > 1) on rearm rebase {w} to {w}
}}
size S-1 for unsized orders {{ start {w} times {w} at most {w} at least {w} else deny }}
allocate a across b {{ score {w} floor {w} ceiling {w} scale by {w} freeze when {w} }}
property "p" {{ if {w} then {w} == {w} }}
rule A-5 {{ deny when {w} because "{{{w}}} {{{w} + 1}}" }}
"""


def test_words_that_should_be_free_are() -> None:
    assert {"score", "floor", "ceiling", "open", "start", "times", "today", "readings", "reserve"} <= set(FREE)


def test_every_free_word_is_a_name() -> None:
    for word in FREE:
        well_formed(PLACES.format(w=word))


def test_a_keyword_is_not_the_beginning_of_a_name() -> None:
    well_formed("let policycore = min_confidence + letter let ifx = notional + ordering.today_x + today_y")


@pytest.mark.parametrize("word", sorted(RESERVED))
def test_reserved_words_cannot_be_declared(word: str) -> None:
    _, problems = parse(Source("words.cap", f"setting {word} : count = 3"))
    assert [p.code.id for p in problems] in (["CAP114"], ["CAP101"]), problems
    assert not re.search(r"[A-Z]{4,}", problems[0].message)
