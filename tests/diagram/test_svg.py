"""The SVG: valid and self-contained, legible in light and dark, and nothing in it overlaps or sticks out."""
from __future__ import annotations

import re
from itertools import combinations, pairwise
from xml.etree import ElementTree

import pytest
from gallery import HOSTILE, pictures

from caplex.compiler.tools.diagram.layout import draw
from caplex.compiler.tools.diagram.measure import fit, width, wrap
from caplex.compiler.tools.diagram.shapes import Box, Drawing, Line, Words
from caplex.compiler.tools.diagram.svg import COLOURS, TONES, write

SVG = "{http://www.w3.org/2000/svg}"
NAMES = sorted(pictures())
ALLOWED = {"svg", "title", "desc", "style", "rect", "g", "text", "path", "polygon"}


@pytest.mark.parametrize("name", NAMES)
def test_it_is_valid_and_needs_nothing_from_outside(name):
    text = pictures()[name].svg()
    root = ElementTree.fromstring(text)
    assert {element.tag.removeprefix(SVG) for element in root.iter()} == ALLOWED & {element.tag.removeprefix(SVG) for element in root.iter()}
    assert root.get("role") == "img"
    _, _, wide, tall = map(int, (root.get("viewBox") or "").split())
    assert (str(wide), str(tall)) == (root.get("width"), root.get("height"))
    assert root.find(f"{SVG}title") is not None
    assert root.findtext(f"{SVG}title") == pictures()[name].summary
    assert root.findtext(f"{SVG}desc")
    assert "prefers-color-scheme: dark" in text
    assert not re.search(r"\b(href|url\(|on\w+=|<script|@import|<foreignObject|<image)", re.sub(r">[^<]*<", "><", text))
    assert text.count("http") == 1  # the name of the namespace


@pytest.mark.parametrize("name", NAMES)
def test_every_rule_can_be_found_in_it(name):
    root = ElementTree.fromstring(pictures()[name].svg())
    words = "\n".join(element.text or "" for element in root.iter())
    for row in pictures()[name].rows():
        assert row.id in words
    for switch in pictures()[name].machines():
        assert f"{switch.id} " in words


@pytest.mark.parametrize("name", NAMES)
def test_nothing_overlaps_and_nothing_sticks_out(name):
    drawing = draw(pictures()[name])
    words = [shape for shape in drawing.flat() if isinstance(shape, Words)]
    for one in words:
        left, top, right, bottom = one.extent
        assert left >= 0, one
        assert top >= 0, one
        assert right <= drawing.width, one
        assert bottom <= drawing.height, one
    found = sorted(((*one.extent, one) for one in words), key=lambda each: each[1])
    clashes = [(one[4].text, other[4].text) for one, other in combinations(found, 2)
               if other[1] < one[3] and one[0] < other[2] and other[0] < one[2]]
    assert clashes == []


@pytest.mark.parametrize("name", NAMES)
def test_text_stays_inside_the_box_that_it_begins_in(name):
    drawing = draw(pictures()[name])
    boxes = [shape for shape in drawing.flat() if isinstance(shape, Box)]
    for one in (shape for shape in drawing.flat() if isinstance(shape, Words)):
        left, top, right, bottom = one.extent
        around = [box for box in boxes if box.y <= top and bottom <= box.y + box.height and box.x <= one.x <= box.x + box.width]
        for box in around:
            assert box.x <= left, (one, box)
            assert right <= box.x + box.width, (one, box)


@pytest.mark.parametrize("name", NAMES)
def test_no_line_runs_through_a_text(name):
    drawing = draw(pictures()[name])
    lines = [shape for shape in drawing.flat() if isinstance(shape, Line)]
    for one in (shape for shape in drawing.flat() if isinstance(shape, Words)):
        left, top, right, bottom = one.extent
        for line in lines:
            for (x, y), (to_x, to_y) in pairwise(line.points):
                beside = max(x, to_x) <= left or right <= min(x, to_x)
                assert beside or max(y, to_y) <= top or bottom <= min(y, to_y), (one, line)


@pytest.mark.parametrize("name", NAMES)
def test_boxes_lie_apart_or_in_each_other(name):
    boxes = [shape for shape in draw(pictures()[name]).flat() if isinstance(shape, Box)]
    edges = [(box.x, box.y, box.x + box.width, box.y + box.height) for box in boxes]
    for one, other in combinations(edges, 2):
        apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
        inside = one[0] <= other[0] and one[1] <= other[1] and other[2] <= one[2] and other[3] <= one[3]
        around = other[0] <= one[0] and other[1] <= one[1] and one[2] <= other[2] and one[3] <= other[3]
        assert apart or inside or around, (one, other)


@pytest.mark.parametrize("name", NAMES)
def test_cards_lie_below_each_other(name):
    boxes = [shape for shape in draw(pictures()[name]).flat() if isinstance(shape, Box) and shape.kind.endswith("card")]
    assert all(one.y + one.height < other.y for one, other in pairwise(boxes))


def test_150_rules_fit_on_a_sane_page():
    for name in ("many", "many decided"):
        drawing = draw(pictures()[name])
        assert drawing.width <= 1400
        assert drawing.height <= 2200


def test_what_decides_is_an_edge_from_its_rule_to_the_outcome():
    def edges(drawing: Drawing) -> list[Line]:
        return [shape for shape in drawing.flat() if isinstance(shape, Line) and shape.kind.endswith("-line strong") and len(shape.points) == 4]

    drawing = draw(pictures()["4-loss-stop"])
    line, = edges(drawing)
    home = next(shape for shape in drawing.flat() if isinstance(shape, Words) and shape.text == "LOSS-010")
    end = next(shape for shape in drawing.flat() if isinstance(shape, Words) and shape.text.startswith("DENY"))
    assert abs(line.points[0][1] - home.y) < 12
    assert abs(line.points[-1][1] - end.y) < 30
    assert any(isinstance(shape, Words) and shape.text == "decides" for shape in drawing.flat())
    assert edges(draw(pictures()["1-allowed"])) == []
    assert edges(draw(pictures()["quickstart"])) == []


def test_trips_are_dashed_and_thick_where_they_happen():
    kinds = [shape.kind for shape in draw(pictures()["many decided"]).flat() if isinstance(shape, Line) and "trip-line" in shape.kind]
    assert sorted(kinds) == [*["trip-line dash"] * 3, "trip-line dash strong"]


def test_each_switch_that_is_tripped_by_rules_has_a_lane():
    lanes = {shape.points[1][0] for shape in draw(pictures()["many"]).flat() if isinstance(shape, Line) and "trip-line" in shape.kind}
    assert len(lanes) == 2


def test_hostile_texts_are_texts():
    root = ElementTree.fromstring(pictures()["hostile"].svg())
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert texts.count(HOSTILE) == 2
    assert '<b>' not in pictures()["hostile"].svg()
    decided = pictures()["hostile decided"].svg()
    assert "\u202e" not in decided
    assert "\x07" not in decided
    assert any("X<U+202E>\"<&><U+0007>" in (element.text or "") for element in ElementTree.fromstring(decided).iter(f"{SVG}text"))


def test_an_empty_drawing_is_still_a_picture():
    assert ElementTree.fromstring(write(Drawing("t", "d", 10, 10))).get("viewBox") == "0 0 10 10"


# ── legible ───────────────────────────────────────────────────────────────────────────────────────────


def luminance(colour: str) -> float:
    parts = [int(colour[index:index + 2], 16) / 255 for index in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("which", [0, 1], ids=["light", "dark"])
def test_text_can_be_read_on_what_it_stands_on(which):
    colour = {name: pair[which] for name, pair in COLOURS.items()}
    pairs = [(ink, ground) for ink in ("ink", "soft", *TONES) for ground in ("page", "card")]
    pairs += [(tone, f"{tone}-tint") for tone in TONES] + [(ink, f"{tone}-tint") for tone in TONES for ink in ("ink", "soft")]
    pairs += [("on-full", f"{tone}-full") for tone in ("good", "bad", "warn", "soft")]
    poor = {pair: round(contrast(colour[pair[0]], colour[pair[1]]), 2) for pair in pairs if contrast(colour[pair[0]], colour[pair[1]]) < 4.5}
    assert poor == {}


def test_marks_say_what_colours_say():
    texts = {element.text for element in ElementTree.fromstring(pictures()["2-trimmed"].svg()).iter(f"{SVG}text")}
    assert {"✓", "≈"} <= texts
    assert any((text or "").startswith("✓ kept") for text in texts)


# ── widths ────────────────────────────────────────────────────────────────────────────────────────────


def test_widths_are_on_the_wide_side():
    assert width("", 13) == 0
    assert width("iiii", 10) < width("mmmm", 10) < width("漢字漢字", 10)
    assert width("EXP-010", 13) < width("EXP-010", 13, bold=True)
    assert width("e\u0301", 10) == width("e", 10)
    assert width("0" * 10, 10) >= 64  # DejaVu Sans and Verdana: 0.636 each
    assert width("m" * 10, 10) >= 98


@pytest.mark.parametrize("text", ["a", "a word or two", "W" * 50, "漢字" * 30, HOSTILE * 3])
@pytest.mark.parametrize("room", [20, 60, 200])
def test_what_is_fitted_fits(text, room):
    said = fit(text, room, 11)
    assert width(said, 11) <= room
    assert said == text or said.endswith("…")
    lines = wrap(text, room, 11, 3)
    assert 1 <= len(lines) <= 3
    assert all(width(line, 11) <= room for line in lines)


def test_nothing_is_lost_where_there_is_room():
    assert wrap("one two three four", 60, 11, 9) == ["one two", "three four"]
    assert " ".join(wrap("one two three four", 60, 11, 9)) == "one two three four"
    assert wrap("one two three four five six", 60, 11, 2)[-1].endswith("…")
