"""Rules alike are rows of tables: the same answers as a line for each rule gives, and as the judge gives; and fewer lines."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

import caplex
from caplex.compiler.codegen import tables
from caplex.compiler.codegen.assemble import Assembler
from caplex.compiler.codegen.scalar import Fused
from caplex.compiler.codegen.tables import shown
from caplex.compiler.driver import check_source
from caplex.compiler.graph import families
from caplex.compiler.graph.build import build
from caplex.compiler.source import Source
from caplex.runtime.operators import Unusable
from differential.harness import Subject
from differential.same_shapes import Writer, document
from differential.test_mutants import Mutant, mutate

HEAD = """policy desk {
  version "1" language 1 mode enforce currency USD stages DATA, EXP closing faces every rule unlimited loss unlimited exposure lot 1
}
input market { price : price above 0 fresh always }
rule DATA-001 { require market.price > 0 }
"""
FACTS: dict[str, Any] = {
    "now": "2026-01-05T15:00:00Z",
    "intent": {"id": "i", "action": "open", "symbol": "S3", "side": "buy", "quantity": "5", "strategy": "T1"},
    "account": {"equity": "1000", "day_start_equity": "1000", "peak_equity": "1000"},
    "positions": {},
    "orders": [],
    "market": {"S3": {"price": "10"}},
}


class Linear(Fused):
    """A line for each rule, as before there were tables."""

    indexed = False


def compiled(text: str, emitter: type[Fused] = Fused) -> Subject:
    checked, problems = check_source(Source("alike.cap", text))
    assert checked is not None, f"{[f'{p.code.id} {p.message}' for p in problems]}\n{text}"
    assembler = Assembler(build(checked), emitter)
    return Subject(None, checked, assembler.plan(assembler.generate()))  # type: ignore[arg-type]


def fused(text: str, emitter: type[Fused] = Fused) -> str:
    return compiled(text, emitter).plan.python.partition("# The traced form")[0]


def answer(subject: Subject, ints: tuple[Any, ...] | None) -> Any:
    if ints is None or subject.plan.fused is None:
        return "not fused"
    try:
        return subject.plan.fused(*ints)
    except Unusable:
        return "unusable"


def first(found: tuple[int, int, int]) -> tuple[int, int]:
    """Quantity and first broken rule: lines end at the first rule that denies, tables are gone through."""
    permitted, broken, failing = found
    mask = broken | failing
    return permitted, mask & -mask


def compare(seed: int, documents: int) -> Counter[str]:
    """Tables against lines and both against the judge, on facts around the thresholds."""
    text, rng, seen = Writer(seed).text(), random.Random(seed), Counter[str]()
    rows, lines = compiled(text), compiled(text, Linear)
    for _ in range(documents):
        given = document(rng)
        pair = rows.pair(given)
        assert pair.disagreement(rows.plan) is None, f"seed {seed}\n{text}\n{given}\n{pair.disagreement(rows.plan)}"
        one, other = pair.found.fused, lines.pair(given).found.fused
        if one is not None and other is not None:
            assert first(one) == first(other), f"seed {seed}\n{text}\n{given}\n{one} is not {other}"
        seen.update({"pairs": 1, "answered": one is not None, "lines answered": other is not None, pair.expected.verdict.value: 1})
    seen["tables"] += "ROWS_0" in rows.plan.python
    return seen


@pytest.fixture(scope="module")
def seen() -> Counter[str]:
    total = Counter[str]()
    for seed in range(60):
        total += compare(seed, 12)
    return total


def test_tables_lines_and_judge_agree(seen: Counter[str]) -> None:
    assert seen["tables"] >= 45, seen
    assert min(seen["ALLOW"], seen["MODIFY"], seen["DENY"], seen["HOLD"]) > 4, seen


def test_tables_answer_as_often_as_lines(seen: Counter[str]) -> None:
    assert seen["answered"] >= 0.98 * seen["lines answered"] > 150, seen


def test_a_table_for_every_rule_agrees_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rare shapes of the other generator, each as a table of its own."""
    from differential.test_agreement import explore_seeds

    for name in ("FEWEST", "FEWEST_KEYED", "FEWEST_SORTED"):
        monkeypatch.setattr(families, name, 1)
    tally = explore_seeds(range(25))
    assert not tally.disagreements, tally.disagreements[0]
    assert tally.counts["fused"] > 60


@pytest.mark.parametrize(
    "mutant",
    [
        Mutant("thresholds the other way round", families, "_order", 'op in ("gt", "ge")', 'op in ("lt", "le")'),
        Mutant("only the first text of a list", tables, "by_key", "product(*row.keys)", "(tuple(k[0] for k in row.keys),)"),
        Mutant("a column has the scale of none", families, "_hole", "max(scale, twos, fives)", "scale"),
    ],
    ids=lambda mutant: mutant.title,
)
def test_mistakes_in_tables_are_noticed(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    mutate(monkeypatch, mutant)
    for seed in range(60):
        try:
            compare(seed, 6)
        except Exception:  # an assertion, or generated code that breaks
            return
    pytest.fail("survives every pair")


# ── what is written ───────────────────────────────────────────────────────────────────────────────────


def rules(count: int, rule: str) -> str:
    return HEAD + "\n".join(rule.replace("@", f"{n:03d}").replace("#", str(n)) for n in range(count))


@pytest.mark.parametrize(
    ("rule", "looked_up"),
    [
        ('limit EXP-@ { when intent.symbol == "S#", intent.quantity at most 1# else deny }', "ROWS_0.get(s"),
        ('limit EXP-@ { when intent.symbol in ["S#", "R#"], intent.quantity at most 1# else reduce }', "ROWS_0.get(s"),
        ('rule EXP-@ { deny when intent.symbol == "S#" and intent.strategy == "T#" and intent.quantity > 1# }', "ROWS_0.get((s"),
        ('rule EXP-@ { require intent.symbol != "S#" or intent.quantity <= 1# }', "ROWS_0.get(s"),
        ("limit EXP-@ { account.day_loss below 1# USD else deny }", "in ROWS_0"),
        ("limit EXP-@ { account.day_loss below 1#% of account.peak_equity else deny }", "in ROWS_0"),
    ],
    ids=["symbol", "symbols", "pair", "require", "tiers", "shares"],
)
def test_the_code_does_not_grow_with_rules_alike(rule: str, looked_up: str) -> None:
    few, many = fused(rules(20, rule)), fused(rules(200, rule))
    assert looked_up in few
    assert len(many.splitlines()) - len(few.splitlines()) <= 2  # masks of so many bits are constants
    assert len(fused(rules(200, rule), Linear).splitlines()) > len(many.splitlines()) + 170


def test_three_rules_alike_have_lines_of_their_own() -> None:
    assert "ROWS" not in fused(rules(3, 'limit EXP-@ { when intent.symbol == "S#", intent.quantity at most 1# else deny }'))


def test_sorted_thresholds_end_at_the_first_that_is_kept() -> None:
    policy = caplex.loads(rules(50, "limit EXP-@ { account.day_loss below 1# USD else deny }").replace("1000 USD", "1 USD"))
    looked: list[int] = []

    class Row(tuple):  # type: ignore[type-arg]
        def __iter__(self) -> Any:
            looked.append(self[0])
            return super().__iter__()

    scope = policy.plan.fused.__globals__  # type: ignore[union-attr]
    scope["ROWS_0"] = tuple(map(Row, scope["ROWS_0"]))
    assert policy.decide(FACTS).verdict == "ALLOW"
    assert len(looked) == 1
    given = {**FACTS, "account": {"equity": "979.5", "day_start_equity": "1000", "peak_equity": "1000"}}
    decision = policy.decide(given)
    assert decision.decided_by == "EXP-000"
    assert {reason.rule for reason in decision.reasons} == {"EXP-000", *(f"EXP-{n:03d}" for n in range(1, 50) if int(f"1{n}") <= 20)}


def test_the_order_of_rules_is_that_of_the_policy_and_not_of_the_table() -> None:
    """Thresholds that fall while ids rise: the table is the other way round, the first reason is not."""
    text = HEAD + "\n".join(f"limit EXP-{n:03d} {{ account.day_loss below {100 - n} USD else deny }}" for n in range(20))
    given = {**FACTS, "account": {"equity": "900", "day_start_equity": "1000", "peak_equity": "1000"}}
    decision = caplex.loads(text).decide(given)
    assert decision._core is not None
    assert decision.decided_by == "EXP-000"
    assert [reason.rule for reason in decision.reasons] == [f"EXP-{n:03d}" for n in range(20)]


def test_more_rules_than_python_prints_digits() -> None:
    """A mask of so many bits has no decimal literal; the rule behind all others still denies."""
    text = rules(100, 'rule EXP-@ { deny when intent.symbol == "S#" and intent.quantity > 1# }')
    policy = caplex.loads(text)
    position = policy.names.index("EXP-099")
    given = {**FACTS, "intent": {**FACTS["intent"], "symbol": "S99", "quantity": "500"}, "market": {"S99": {"price": "1"}}}
    decision = policy.decide(given)
    assert decision._core == (0, 1 << position, 0)
    assert "bits of 100 rules" in policy.python  # the first ends the search where it stands


def test_a_text_that_cannot_be_read_is_never_looked_up() -> None:
    policy = caplex.loads(rules(20, 'rule EXP-@ { deny when intent.strategy == "S#" and intent.quantity > 1# }'))
    for strategy in (7, None, ["S1"]):
        given = {**FACTS, "intent": {**FACTS["intent"], "quantity": "500", "strategy": strategy}}
        assert policy.decide(given).verdict == "DENY"
    assert policy.decide(FACTS).verdict == "ALLOW"


def test_what_one_table_worked_out_is_not_taken_for_granted_by_another() -> None:
    """Both measure the same, and the first has no row for this symbol."""
    limit = "abs(after.position.notional) at most 1# USD else"
    texts = (f'limit EXP-1@ {{ when intent.symbol == "R#", {limit} reduce }}', f'limit EXP-2@ {{ when intent.strategy == "T#", {limit} deny }}')
    subject = compiled(rules(6, texts[0]) + "\n" + rules(6, texts[1]).removeprefix(HEAD))
    assert "ROWS_1.get" in subject.plan.python
    pair = subject.pair(FACTS)
    assert pair.found.fused == (0, 1 << [rule.id for rule in subject.plan.rules].index("EXP-2001"), 0)
    assert pair.disagreement(subject.plan) is None


def test_a_listing_shows_the_first_rows() -> None:
    assert shown({f"S{n}": ((n, 5),) for n in range(9)}) == "{'S0': ((0, 5),), 'S1': ((1, 5),), 'S2': ((2, 5),), … 6 more}"
    assert shown(tuple(range(5))) == "(0, 1, 2, … 2 more)"
    assert shown((1 << 5_000) - 1) == "bits of 5000 rules"
