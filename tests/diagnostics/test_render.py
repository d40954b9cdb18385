"""The form of a rendered diagnostic is a contract: three examples byte for byte, and what bad sources do to it."""
from __future__ import annotations

import re

import pytest

from caplex.compiler.diagnostics.diagnostic import Code, Diagnostic, Label, Level
from caplex.compiler.diagnostics.render import render, summary
from caplex.compiler.source import Source, Span


def code(number: str, level: Level = Level.ERROR) -> Code:
    return Code(number, "some-name", level, "title", "why")


def span(source: Source, text: str) -> Span:
    start = source.text.index(text)
    return Span(source, start, start + len(text))


def unknown_field() -> Diagnostic:
    source = Source("desk.cap", "\n" * 30 + "  deny when portfolio.gros > 5_000 USD\n")
    place = span(source, "portfolio.gros")
    return Diagnostic(
        code("CAP203"), "no field is named `portfolio.gros`", place, (Label(place, "unknown field", primary=True),),
        help="did you mean `portfolio.gross`?")


def percent_of_what() -> Diagnostic:
    source = Source("desk.cap", "\n" * 30 + "  portfolio.gross at most 60%\n")
    money = span(source, "portfolio.gross")
    return Diagnostic(
        code("CAP310"), "money cannot be compared with a percentage", money,
        (Label(money), Label(span(source, "60%"), "percent of what?", primary=True)),
        help="write `60% of account.equity`")


def ambiguous_overrides() -> Diagnostic:
    source = Source("desk.cap", "\n" * 21 + '  set for symbol "ETHUSDT" = 8%\n  set for strategy "SCALPER" = 6%\n')
    symbol, strategy = span(source, 'symbol "ETHUSDT"'), span(source, 'strategy "SCALPER"')
    return Diagnostic(
        code("CAP412"), "two overrides match and neither outranks the other", symbol,
        (Label(symbol, "matches ETHUSDT with any strategy"), Label(strategy, "matches SCALPER with any symbol")),
        notes=("both apply to (ETHUSDT, SCALPER)",),
        help="declare `overrides by symbol > strategy > default`")


EXAMPLES = [
    (unknown_field, """\
error[CAP203]: no field is named `portfolio.gros`
  --> desk.cap:31:13
   |
31 |   deny when portfolio.gros > 5_000 USD
   |             ^^^^^^^^^^^^^^ unknown field
   = help: did you mean `portfolio.gross`?"""),
    (percent_of_what, """\
error[CAP310]: money cannot be compared with a percentage
  --> desk.cap:31:3
   |
31 |   portfolio.gross at most 60%
   |   ---------------         ^^^ percent of what?
   = help: write `60% of account.equity`"""),
    (ambiguous_overrides, """\
error[CAP412]: two overrides match and neither outranks the other
  --> desk.cap:22:11
   |
22 |   set for symbol "ETHUSDT" = 8%
   |           ---------------- matches ETHUSDT with any strategy
23 |   set for strategy "SCALPER" = 6%
   |           ------------------ matches SCALPER with any symbol
   = note: both apply to (ETHUSDT, SCALPER)
   = help: declare `overrides by symbol > strategy > default`"""),
]


@pytest.mark.parametrize(("make", "expected"), EXAMPLES, ids=lambda item: getattr(item, "__name__", ""))
def test_the_examples_of_the_language_come_out_byte_for_byte(make, expected):
    assert render(make()) == expected


@pytest.mark.parametrize("make", [make for make, _ in EXAMPLES])
def test_colour_adds_nothing_but_colour(make):
    coloured = render(make(), colour=True)
    assert "\x1b[1;31m" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == render(make())


def drawn(text: str, *labels: tuple[int, int, str, bool], width: int = 100) -> list[str]:
    """The lines under ``|`` of a diagnostic on *text*."""
    source = Source("x.cap", text)
    marks = tuple(Label(Span(source, start, end), words, primary) for start, end, words, primary in labels)
    return render(Diagnostic(code("CAP101"), "m", marks[0].span, marks), width=width).splitlines()[3:]


def test_several_texts_on_one_line_hang_under_their_marks():
    assert drawn("alpha beta gamma", (0, 5, "first", False), (6, 10, "second", True), (11, 16, "third", False)) == [
        "1 | alpha beta gamma",
        "  | ----- ^^^^ ----- third",
        "  | |     |",
        "  | |     second",
        "  | first",
    ]


def test_marks_that_cover_each_other_keep_both_texts():
    rows = drawn("account.equity", (0, 14, "whole", False), (8, 14, "part", True))
    assert rows[1] == "  | --------^^^^^^ part"
    assert rows[-1] == "  | whole"


def test_a_tab_and_wide_characters_keep_the_marks_under_their_text():
    tabbed = drawn("\tdeny", (1, 5, "here", True))
    assert tabbed == ["1 |     deny", "  |     ^^^^ here"]
    wide = drawn('"日本" x', (5, 6, "here", True))
    assert wide == ['1 | "日本" x', "  |        ^ here"]
    combined = drawn("e\u0301x", (2, 3, "here", True))
    assert combined[1] == "  |  ^ here"


def test_characters_that_turn_the_line_round_are_written_as_numbers():
    rows = drawn("a\u202eb\x1b[31m", (2, 3, "here", True))
    assert rows[0] == "1 | a<U+202E>b<U+001B>[31m"
    assert rows[1] == "  |          ^ here"
    source = Source("x\x1b[2J.cap", "a")
    text = render(Diagnostic(code("CAP101"), "say \x1b[31m", Span(source, 0, 1), help="\u202e"), colour=False)
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_a_span_over_lines_is_marked_at_both_ends():
    assert drawn("rule A {\n  deny\n  when x\n}\n", (5, 26, "this rule", True)) == [
        "1 | rule A {",
        "  |      ^^^",
        "...",
        "4 | }",
        "  | ^ this rule",
    ]


def test_one_line_between_is_shown_and_more_are_not():
    rows = drawn("a\nb\nc\n", (0, 1, "", True), (4, 5, "", False))
    assert rows == ["1 | a", "  | ^", "2 | b", "3 | c", "  | -"]


@pytest.mark.parametrize(("text", "at"), [("", 0), ("abc", 3), ("abc\n", 4), ("abc\n", 3), ("\n", 0)])
def test_a_place_without_width_gets_one_caret(text, at):
    source = Source("x.cap", text)
    out = render(Diagnostic(code("CAP102"), "unexpected end", Span(source, at, at)))
    assert out.count("^") == (1 if text else 0)
    assert out.splitlines()[0] == "error[CAP102]: unexpected end"


def test_a_very_long_line_is_cut_around_what_is_marked():
    text = "x" * 50_000 + "HERE" + "y" * 50_000
    line, marks = drawn(text, (50_000, 50_004, "this", True), width=80)
    assert len(line) <= 80
    assert line.count("…") == 2
    assert line[marks.index("^") : marks.index("^") + 4] == "HERE"


def test_a_mark_that_is_cut_off_stands_under_the_ellipsis():
    text = "left" + " " * 400 + "right"
    rows = drawn(text, (0, 4, "cut", False), (404, 409, "seen", True), width=60)
    assert rows[0][4] == "…"
    assert rows[1][4] == "-"
    assert rows[1].endswith("^^^^^ seen")
    assert rows[-1] == "  | cut"


def test_places_in_another_file_get_a_section_of_their_own():
    here, there = Source("a.cap", "one"), Source("b.cap", "\ntwo")
    out = render(Diagnostic(code("CAP210"), "m", Span(here, 0, 3), (
        Label(Span(here, 0, 3), "here", primary=True), Label(Span(there, 1, 4), "there"))))
    assert out.splitlines() == [
        "error[CAP210]: m", " --> a.cap:1:1", "  |", "1 | one", "  | ^^^ here",
        " ::: b.cap:2:1", "  |", "2 | two", "  | --- there"]


def test_no_source_names_where():
    out = render(Diagnostic(code("CAP140"), "no such file", where="missing.cap", help="check the path"))
    assert out == "error[CAP140]: no such file\n  --> missing.cap\n   = help: check the path"


def test_many_labels_are_bounded_and_counted():
    labels = [(index, index + 1, "t", False) for index in range(40)]
    rows = drawn("z" * 40, *labels)
    assert rows[-1] == "  = note: 28 more places are not shown"


def test_a_note_of_several_lines_stays_under_its_first():
    source = Source("x.cap", "a")
    out = render(Diagnostic(code("CAP101"), "m", Span(source, 0, 1), notes=("first\nsecond",)))
    assert out.splitlines()[-2:] == ["  = note: first", "          second"]


def test_the_summary_counts_levels():
    error, warning = Diagnostic(code("CAP101"), "m"), Diagnostic(code("CAP701", Level.WARNING), "m")
    assert summary([error, warning, error]) == "2 errors, 1 warning"
    assert summary([]) == "no problems"
    assert summary([Diagnostic(code("CAP701", Level.WARNING), "m", level=Level.NOTE)]) == "1 note"
