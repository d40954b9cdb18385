"""Offsets, positions in code units, and what edits do to both."""
from __future__ import annotations

import random

import pytest

from caplex.compiler.lsp.document import Analysis, Document
from caplex.compiler.lsp.text import Edit, Lines, backward, difference, forward
from caplex.compiler.source import Source

TEXT = "let a = 1\r\n# \U0001d54f emoji \U0001f680 é\rlast \u20ac"


@pytest.mark.parametrize(("encoding", "column"), [("utf-16", 5), ("utf-8", 7), ("utf-32", 4)])
def test_a_column_counts_code_units(encoding, column):
    lines = Lines(TEXT, encoding)
    at = TEXT.index(" emoji") + 1
    assert lines.position(at) == (1, column)
    assert lines.offset(1, column) == at


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
def test_every_offset_comes_back(encoding):
    lines = Lines(TEXT, encoding)
    inside_line_ends = {TEXT.index("\r\n") + 1}
    for offset in range(len(TEXT) + 1):
        line, column = lines.position(offset)
        if offset not in inside_line_ends:
            assert lines.offset(line, column) == offset


def test_places_that_are_not_there_are_the_nearest():
    lines = Lines("ab\ncd")
    assert lines.offset(0, 99) == 2
    assert lines.offset(7, 0) == 5
    assert lines.offset(-1, 3) == 0
    assert Lines("\U0001f680").offset(0, 1) == 0, "inside a character is before it"


def test_offsets_move_with_edits_and_back():
    edits = [Edit(4, 4, 3), Edit(10, 12, 0)]
    assert forward(3, edits) == 3
    assert forward(4, edits) == 7
    assert forward(9, edits) == 10
    assert backward(forward(20, edits), edits) == 20


def test_words_that_no_edit_touched_are_found_again():
    chance = random.Random(7)
    for _ in range(200):
        text = "".join(chance.choice("abc \n") for _ in range(60))
        document = Document(path=None, text=text)
        document.settle(Analysis(None, Source("x", text)), document.mark)
        kept = [True] * len(text)
        for _ in range(4):
            start = chance.randrange(len(document.text) + 1)
            end = min(len(document.text), start + chance.randrange(5))
            for place in range(len(text)):
                if start <= document.now(place) < end:
                    kept[place] = False
            document.change(None, start, end, chance.choice(["", "XY", "Z"]))
        for place, still in enumerate(kept):
            if still:
                assert document.text[document.now(place)] == text[place]
                assert document.then(document.now(place)) == place


@pytest.mark.parametrize(("old", "new"), [("abc", "abXc"), ("abc", "c"), ("", "x"), ("aaa", "aa"), ("same", "same")])
def test_the_difference_makes_the_new_text(old, new):
    edit = difference(old, new)
    assert old[: edit.start] + new[edit.start : edit.start + edit.length] + old[edit.end :] == new
