"""The short way to an approval says what the long way says, to the byte, and running counts are what the rows add up to."""
from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

import caplex
from caplex.runtime.engine import live, quick
from caplex.runtime.engine.machine import Step
from engine import desks
from engine.streams import Stream
from engine.support import FACES, HEADER, SKIPS, Desk

EVENTS = 150
GAUGES = """limit EXP-010 "Position" { abs(after.position.notional) at most 1_000 USD else reduce }
limit EXP-020 "Held" { count(p for p in positions where p.quantity > 4) at most 2 else deny }
limit EXP-030 "Money" { sum(p.notional for p in positions) at most 1_500 USD else deny }
rule EXP-040 "Prices" { require all(p.price > 0 for p in positions where p.quantity != 0) }
rule EXP-050 "Shorts" { deny when any(p.quantity < -6 for p in positions) }
throttle EXEC-010 "Buys" { deny beyond 4 orders in any 1min for each strategy }
limit EXEC-020 "Volume" { sum((f.quantity else 0 units) for f in fills in last 1min where f.symbol == intent.symbol and (f.side else sell) == buy) at most 30 units else deny }
"""


def streams(name: str) -> tuple[Stream, Stream]:
    policy, shape = desks.desk(name)
    return Stream(policy, 77, shape), Stream(policy, 77, shape)


@pytest.mark.parametrize("name", desks.ALL)
def test_the_short_way_tells_what_the_long_way_tells(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    short, long = streams(name)
    short.run(EVENTS)
    monkeypatch.setattr(quick, "is_plain", lambda plan: False)
    monkeypatch.setattr(live, "is_plain", lambda plan: False)
    long = streams(name)[1]
    long.run(EVENTS)
    assert [step.told for step in short.steps] == [step.told for step in long.steps]
    for mine, theirs in zip(short.steps, long.steps, strict=True):
        if mine.decision is not None and theirs.decision is not None and isinstance(mine.decision, quick.Kept) and mine.told["repeat_of"] is None:
            assert mine.decision.ruling == theirs.decision.ruling
            assert mine.decision.explain().to_dict() == theirs.decision.explain().to_dict()


def test_the_short_way_is_taken() -> None:
    kept = Counter[str]()
    for name in desks.ALL:
        stream = streams(name)[0].run(EVENTS)
        kept[name] = sum(isinstance(step.decision, quick.Kept) for step in stream.steps)
    assert sum(count > 0 for count in kept.values()) >= 6, kept
    assert kept["knobs"] == 0, "a monitored rule has something to say also when it is kept"


@pytest.mark.parametrize("name", ["rates", "venues", "switches", "policygate", "fresh", "gauges"])
def test_running_counts_are_what_the_rows_add_up_to(name: str) -> None:
    if name == "gauges":
        policy, shape = caplex.compile_text(HEADER.replace("CLOSING", FACES).replace("MORE", "") + GAUGES, name="gauges.cap"), desks.BUSY
        assert len(policy.plan.windows) + len(policy.plan.by_symbol) == len(policy.plan.folds) == 6
    else:
        policy, shape = desks.desk(name)
    stream, seen = Stream(policy, 31, shape), Counter[str]()

    def before(intent: dict[str, Any]) -> Any:
        machine = stream.machine
        if intent["id"] in machine.state.seen:
            return
        _, named, account, now = machine.ahead(machine.read(intent))
        mine = live.bind(policy, machine.state, machine.desk, named, account, now, "")
        if mine.document:
            return
        for number, fold in policy.plan.folds.items():
            walked = fold(mine.world, mine.slots)
            assert repr(mine.slots[number]) == repr(walked), (name, intent, number)
            seen[f"{type(walked).__name__}"] += 1

    stream.before, stream.after = before, lambda intent, step, seen: None
    stream.run(EVENTS)
    assert not policy.plan.folds or seen.total() > 30, seen


def test_a_correction_is_counted_anew() -> None:
    desk = Desk(caplex.compile_text(HEADER.replace("CLOSING", SKIPS).replace("MORE", "") + GAUGES, name="gauges.cap"))
    desk.quote("X", "10")
    desk.account(equity="100000")
    desk.apply("history", account=desk.name, complete_from="2020-01-01T00:00:00Z", events=[])
    desk.apply("fill", account=desk.name, side="buy", quantity="31", symbol="X", price="10")
    first = f"e-{desk.count}"
    assert desk.submit("buy", "1").decided_by == "EXEC-020"
    desk.apply("fill", account=desk.name, side="buy", quantity="3", symbol="X", price="10", corrects=first)
    assert desk.submit("buy", "1").verdict.value == "ALLOW"


def test_an_approval_explains_itself_later() -> None:
    policy, shape = desks.desk("rates")
    steps: list[Step] = Stream(policy, 3, shape).run(60).steps
    kept = [step.decision for step in steps if isinstance(step.decision, quick.Kept)]
    assert kept
    told = kept[0].explain().to_dict()
    assert {rule["rule"] for rule in told["rules"]} == set(policy.names) if "rules" in told else told
