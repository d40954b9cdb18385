"""Programs that must parse, what they mean as trees, and that every node knows its place."""
from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from decimal import Decimal
from itertools import count
from pathlib import Path

import pytest

from caplex.compiler.source import Source
from caplex.compiler.syntax import ast
from caplex.compiler.syntax.parser import parse, parse_expression
from caplex.compiler.syntax.printer import print_module, show

TEXT = (Path(__file__).parent / "programs.txt").read_text(encoding="utf-8")
PROGRAMS = dict(chunk.split("\n", 1) for chunk in re.split(r"^=== ", TEXT, flags=re.M)[1:])


def tree(text: str) -> ast.Module:
    source = Source("t.cap", text)
    module, problems = parse(source)
    assert not problems, [(p.message, p.help, p.span and p.span.text) for p in problems]
    assert module is not None
    return module


def item(text: str) -> ast.Item:
    [only] = tree(text).items
    return only


def expression(text: str) -> ast.Expr:
    found, problems = parse_expression(Source("t.cap", text))
    assert not problems, problems
    assert found is not None
    return found


def nodes(value: object) -> Iterator[ast.Node]:
    if isinstance(value, ast.Node):
        yield value
        for each in fields(value):
            yield from nodes(getattr(value, each.name))
    elif isinstance(value, tuple):
        for part in value:
            yield from nodes(part)


@pytest.mark.parametrize("name", PROGRAMS)
def test_program_parses_and_prints_to_itself(name: str) -> None:
    module = tree(PROGRAMS[name])
    text = print_module(module)
    again = tree(text)
    assert again == module
    assert print_module(again) == text


@pytest.mark.parametrize("name", PROGRAMS)
def test_ids_are_unique_and_children_lie_inside(name: str) -> None:
    module = tree(PROGRAMS[name])
    found = list(nodes(module))
    assert len({node.id for node in found}) == len(found)
    for node in found:
        assert 0 <= node.span.start <= node.span.end <= len(PROGRAMS[name])
        for each in fields(node):
            for child in nodes(getattr(node, each.name)):
                assert node.span.start <= child.span.start, (node, child)
                assert child.span.end <= node.span.end, (node, child)


def test_ids_run_on_over_modules() -> None:
    ids = count(7)
    first, _ = parse(Source("a.cap", "let a = 1"), ids=ids)
    second, _ = parse(Source("b.cap", "let a = 1"), ids=ids)
    taken = [node.id for module in (first, second) for node in nodes(module)]
    assert min(taken) == 7
    assert len(set(taken)) == len(taken)


def test_spans_also_inside_texts() -> None:
    text = 'rule A-1 {\n  deny when (a + b) * 2 > market["SPY"].price\n  because "é {x.y} {(a else 0) + 1:.2} {p:%}"\n}'
    spans = {node.span.text for node in nodes(item(text))}
    assert {"(a + b) * 2", "(a + b)", 'market["SPY"].price', '["SPY"]', ".price", "x.y", ".y", "{x.y}", "(a else 0) + 1",
            "{(a else 0) + 1:.2}", "a else 0", "{p:%}"} - {"a else 0"} <= spans
    rule = item(text)
    assert isinstance(rule, ast.Rule)
    assert rule.because is not None
    holes = [part for part in rule.because.parts if isinstance(part, ast.Hole)]
    assert [hole.format for hole in holes] == [None, ".2", "%"]
    assert [part for part in rule.because.parts if isinstance(part, str)] == ["é ", " ", " "]
    assert holes[1].span.begin.line == 3


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("a + b * c", "a + (b * c)"),
        ("20% of a * 2", "(20% of a) * 2"),
        ("20% of a + b", "(20% of a) + b"),
        ("10% of 20% of a", "10% of (20% of a)"),
        ("-a of b", "-(a of b)"),
        ("a - b - c", "(a - b) - c"),
        ("x.n else 0 >= 3", "(x.n else 0) >= 3"),
        ("x else y else 0", "x else (y else 0)"),
        ("x else -y", "x else (-y)"),
        ("not a and b", "(not a) and b"),
        ("a or b and c", "a or (b and c)"),
        ("if a then b + 1 else c > 3 and d", "if a then (b + 1) else ((c > 3) and d)"),
        ("a * 2 is multiple of 3 * b", "(a * 2) is multiple of (3 * b)"),
        ("a + 1 within 0..b and c", "((a + 1) within 0..b) and c"),
        ("a in [1] and b not in c", "(a in [1]) and (b not in c)"),
        ("fills in last 1d", "(fills) in last (1d)"),
    ],
)
def test_binding(text: str, meant: str) -> None:
    assert expression(text) == expression(meant)
    assert show(expression(meant)) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5_000.25 USD", ast.Money(id=0, span=None, amount=Decimal("5000.25"), currency="USD")),  # type: ignore[arg-type]
        ("$5", ast.Money(id=0, span=None, amount=Decimal(5), currency=None)),  # type: ignore[arg-type]
        ("1h30min", ast.Duration(id=0, span=None, nanoseconds=5_400_000_000_000)),  # type: ignore[arg-type]
        ("09:30", ast.TimeOfDay(id=0, span=None, nanoseconds=34_200_000_000_000)),  # type: ignore[arg-type]
        ("1970-01-02T00:00:00.5Z", ast.Instant(id=0, span=None, nanoseconds=86_400_500_000_000)),  # type: ignore[arg-type]
        ('"a\\u{41}\\n\\""', ast.Text(id=0, span=None, value='aA\n"')),  # type: ignore[arg-type]
        ("20%", ast.Percent(id=0, span=None, value=Decimal(20))),  # type: ignore[arg-type]
    ],
    ids=repr,
)
def test_literals(text: str, value: ast.Expr) -> None:
    assert expression(text) == value
    assert expression(show(value)) == value


def test_aggregates() -> None:
    each = expression("sum(f.notional for f in fills in last 1d where f.symbol == s)")
    assert isinstance(each, ast.Aggregate)
    assert each.variable is not None
    assert show(each.source) == "fills"
    assert each.last is not None
    assert not each.today
    assert each.where is not None
    bare = expression('count(fills today where event.side == "buy")')
    assert isinstance(bare, ast.Aggregate)
    assert bare.variable is None
    assert bare.today
    assert show(bare.source) == "fills"
    assert isinstance(expression("count(entries)"), ast.Aggregate)
    assert isinstance(expression("max(a, b)"), ast.Call)
    clamp = expression("clamp(x, 0..1)")
    assert isinstance(clamp, ast.Call)
    assert isinstance(clamp.arguments[1], ast.Interval)


def test_doc_comments_belong_to_what_is_below() -> None:
    module = tree(
        "## The header.\n## Two lines.\n#### not this\n# nor this\npolicy p { }\n## lost\n\n## An input.\ninput i {\n  ## The price,\n"
        "  ## last.\n  price : price  ## not for the next\n  size : quantity\n}\nlet a = 1 ## behind\nlet b = 2\n##bare\nlet c = 3\n"
    )
    assert module.header is not None
    assert module.header.doc.startswith("The header.\nTwo lines.")
    record, a, b, c = module.items
    assert isinstance(record, ast.InputRecord)
    assert record.doc == "An input."
    assert [field.doc for field in record.fields] == ["The price,\nlast.", ""]
    assert isinstance(a, ast.Let)
    assert isinstance(b, ast.Let)
    assert isinstance(c, ast.Let)
    assert (a.doc, b.doc, c.doc) == ("", "", "bare")


def test_fields() -> None:
    record = item(
        "input market { price : price? fresh always above 0 neutral 100 supplied by venue\n"
        "delta : quantity within -5..5 neutral -1 state : one of open, halted neutral halted }"
    )
    assert isinstance(record, ast.InputRecord)
    price, delta, state = record.fields
    assert (price.fresh, price.supplier, price.type.optional) == ("always", "venue", True)
    assert isinstance(delta.low, ast.Negate)
    assert isinstance(delta.neutral, ast.Negate)
    assert isinstance(state.neutral, ast.Read)
    assert state.neutral.name == "halted"


def test_repeated_attributes_are_named_in_the_tree() -> None:
    rule = item("rule A-1 severity low severity high monitor always { deny when a }")
    assert isinstance(rule, ast.Rule)
    assert rule.attributes.repeated == ("severity",)
    assert rule.attributes.severity == "low"


def test_white_space_means_nothing() -> None:
    for name in ("page 1", "kill", "tests"):
        text = PROGRAMS[name]
        if "#" not in text:
            assert tree(" ".join(text.split())) == tree(text)


def test_cached_tables_are_whole_or_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from caplex.compiler.syntax import tables

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("CAPLEX_NO_CACHE", raising=False)
    path = tables.cache_file()
    assert path is not None
    assert path.is_relative_to(tmp_path)
    tables.Tables(None)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    whole = path.read_bytes()
    loaded = tables.Tables(None)
    assert loaded.keywords
    assert loaded.lark.parse("let policycore = 1", start="module")
    path.write_bytes(whole[:-1])
    assert tables.Tables(None).keywords == loaded.keywords
    monkeypatch.setenv("CAPLEX_NO_CACHE", "1")
    assert tables.cache_file() is None
    monkeypatch.delenv("CAPLEX_NO_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    assert tables.Tables(None).keywords
