"""What the language promises of every policy (docs/spec.md, CAP-IDEA-6), held on generated ones.

Each property is a sentence about two rulings of one policy, or of two policies that differ in one thing. The compiled
form is asked alone: that the reference says the same is what tests/differential shows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from functools import cache, lru_cache
from random import Random

from caplex.runtime.ruling import Ruling, Verdict
from differential.documents import Document, Path, drop, knob_of, plain, put, symbol_of
from differential.harness import Subject, compiled, explore, subject
from differential.policies import Policy

SEEDS = range(200_000, 201_200)


policy_of = lru_cache(maxsize=None)(subject)


@cache
def cases(seed: int) -> tuple[tuple[Document, Ruling], ...]:
    """Documents for the policy of this seed, and what it says to them."""
    return tuple(
        (pair.document, pair.found.ruling) for pair in explore(policy_of(seed), seed, 1, ask=policy_of(seed).alone)
    )


def every_case() -> Iterator[tuple[Subject, Document, Ruling]]:
    for seed in SEEDS:
        for document, ruling in cases(seed):
            yield policy_of(seed), document, ruling


def lets_through(ruling: Ruling) -> Fraction:
    """What may go ahead, at the latest after an approval."""
    return ruling.quantity if ruling.if_approved is None else ruling.if_approved


def told(policy: Subject, *documents: Document) -> str:
    return "\n".join([policy.policy.text, *map(str, documents)])


# ── order ─────────────────────────────────────────────────────────────────────────────────────────────


def test_the_order_of_items_and_numbers_never_changes_verdict_or_quantity() -> None:
    for seed in SEEDS[::2]:
        other = compiled(shuffled(policy_of(seed).policy))
        for document, ruling in cases(seed):
            again = other.find(document).ruling
            assert (again.verdict, again.quantity, again.if_approved) == (
                ruling.verdict,
                ruling.quantity,
                ruling.if_approved,
            ), told(other, document)


def shuffled(policy: Policy) -> Policy:
    """*policy* with its items in another order and its rules, but for switches, numbered anew in their families."""
    rng = Random(policy.seed)
    ids = sorted(set(re.findall(r"\b(?:EXP|ORD|LOSS|EXEC)-[0-9]{3}\b", policy.text)))
    numbers = rng.sample(range(100, 1000), len(ids))
    fresh = {old: f"{old.rpartition('-')[0]}-{number}" for old, number in zip(ids, numbers, strict=True)}
    items = [re.sub("|".join(ids), lambda found: fresh[found[0]], item) if ids else item for item in policy.items]
    rng.shuffle(items)
    return replace(policy, items=items)


# ── MODIFY ────────────────────────────────────────────────────────────────────────────────────────────


def test_modify_never_enlarges_and_its_result_is_allowed() -> None:
    seen = 0
    for policy, document, ruling in every_case():
        if ruling.verdict is not Verdict.MODIFY:
            continue
        seen += 1
        assert ruling.requested is not None
        assert 0 < ruling.quantity < ruling.requested
        knob = knob_of(document)
        negative = knob[-1] == "delta" and ruling.side == "sell"
        smaller = put(document, knob, plain(-ruling.quantity if negative else ruling.quantity))
        again = policy.find(smaller).ruling
        assert (again.verdict, again.quantity, again.side) == (Verdict.ALLOW, ruling.quantity, ruling.side), told(
            policy, document, smaller
        )
    print(f"\n{seen} results of MODIFY")
    assert seen >= 200


# ── lost facts ────────────────────────────────────────────────────────────────────────────────────────

REQUIRED: tuple[Path, ...] = (
    ("now",),
    ("intent",),
    ("positions",),
    ("orders",),
    ("history",),
    ("switches",),
    ("counters",),
    ("history", "complete_from"),
    ("intent", "symbol"),
    ("intent", "strategy"),
    ("account", "equity"),
    ("account", "day_start_equity"),
    ("account", "peak_equity"),
    ("account", "available"),
    ("inputs", "mood"),
    ("inputs", "halted"),
    ("inputs", "temper"),
    ("inputs", "sector"),
    ("inputs", "banned"),
    ("inputs", "fee"),
    ("inputs", "bell"),
    ("inputs", "entries"),
    ("inputs", "watch"),
    ("inputs", "guard", "level"),
    ("inputs", "guard", "at"),
    ("inputs", "guard", "step"),
    ("inputs", "guard", "age"),
    ("inputs", "guard", "pulse"),
    ("intent", "confidence"),
    ("account",),
    ("market",),
    ("inputs", "guard"),
)
"""Required fields, and sections that no rule may take as empty because they are not there."""


def test_losing_a_required_fact_never_permits_more() -> None:
    """But under `rounding never`, which denies an odd size whole and lets its closing leg pass once a cap made it even."""
    seen = 0
    rng = Random(1)
    for policy, document, ruling in every_case():
        header = policy.policy.header
        if ruling.requested is None or decided_trip(ruling) or "rounding never" in header:
            continue
        for path in rng.sample(required(document), 3):
            poorer = drop(document, path)
            seen += 1
            assert lets_through(policy.find(poorer).ruling) <= lets_through(ruling), told(policy, document, poorer)
    print(f"\n{seen} lost facts")
    assert seen >= 8_000


def decided_trip(ruling: Ruling) -> bool:
    """A switch trips now: undecided it would leave the closing leg, decided under `deny all` it does not (§8)."""
    return any(trip.cause == "expression" for trip in ruling.tripped)


def required(document: Document) -> list[Path]:
    """What this document holds of `REQUIRED`, the price, and the quantity of each position."""
    options: list[Path] = [*REQUIRED, ("market", symbol_of(document), "price")]
    if isinstance(document.get("positions"), dict):
        options += [("positions", symbol, "quantity") for symbol in document["positions"]]
    return [path for path in options if holds(document, path)]


def holds(document: Document, path: Path) -> bool:
    here = document
    for step in path:
        if not isinstance(here, dict) or step not in here:
            return False
        here = here[step]
    return here is not None


# ── tighter limits, smaller orders ────────────────────────────────────────────────────────────────────

LITERAL = re.compile(r"(at most|below) ([0-9]+)( USD| units|)( else (?:deny|reduce))")


def test_tightening_a_literal_limit_never_permits_more() -> None:
    seen = 0
    for seed in SEEDS:
        policy = policy_of(seed).policy
        if LITERAL.search(policy.text) is None or "rounding never" in policy.text:
            continue
        tighter = compiled(
            replace(
                policy,
                items=[LITERAL.sub(lambda m: f"{m[1]} {int(m[2]) // 2}{m[3]}{m[4]}", item) for item in policy.items],
            )
        )
        for document, ruling in cases(seed):
            seen += 1
            again = tighter.find(document).ruling
            assert lets_through(again) <= lets_through(ruling), told(tighter, document)
    print(f"\n{seen} tightened")
    assert seen >= 500


GROWING = ("abs(after.position.notional)", "abs(after.position.quantity)", "after.portfolio.gross")
"""Measures that never fall as an order grows beyond its closing leg; those of the intent itself do not either."""
FLOORS = (
    "at least",
    " above ",
    "intent.quantity >=",
    "intent.closing",
    "unless worse",
    "faces",
    "rounding never",
    "abs(intent",
    "after.",
)


def only_upper_bounds(policy: Policy) -> bool:
    """Closing skips every stage of its rules, and no rule or ticket has a lower edge."""
    text = policy.text
    for measure in GROWING:
        text = text.replace(measure, "")
    stages = set(re.findall(r"^(?:rule|limit|throttle|cooldown) ([A-Z]+)-", text, re.MULTILINE))
    skipped = re.search(r"closing skips ([A-Z, ]+)", text)
    return not any(floor in text for floor in FLOORS) and skipped is not None and stages <= set(skipped[1].split(", "))


def test_where_closing_is_skipped_a_smaller_order_is_never_judged_worse() -> None:
    seen = 0
    for seed in SEEDS:
        policy = policy_of(seed)
        for pair in explore(policy, seed, 4, ask=policy.alone) if only_upper_bounds(policy.policy) else ():
            document, ruling = pair.document, pair.found.ruling
            if ruling.action != "open" or ruling.lot is None or ruling.requested is None:
                continue
            minimums = document.get("instruments", {}).get(symbol_of(document)) or {}
            if "min_quantity" in minimums or "min_notional" in minimums:
                continue
            passes = lets_through(ruling)
            for part in (2, 3, 10):
                smaller = (passes or ruling.requested or Fraction(0)) / part // ruling.lot * ruling.lot
                if smaller > 0:
                    seen += 1
                    less = put(document, ("intent", "quantity"), plain(smaller))
                    again = policy.find(less).ruling
                    assert lets_through(again) >= min(smaller, passes), told(policy, document, less)
                    assert again.verdict is not Verdict.HOLD or ruling.verdict is Verdict.HOLD or passes == 0, told(
                        policy, document, less
                    )
    print(f"\n{seen} smaller orders")
    assert seen >= 200
