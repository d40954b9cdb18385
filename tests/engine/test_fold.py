"""The state is a fold of events: the same events give the same state and the same bytes, wherever and however often it was opened.

`CAPLEX_ENGINE_ROUNDS=5` draws five times as many streams.
"""
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest

from caplex.runtime.canonical import sha256
from caplex.runtime.engine import snapshot
from caplex.runtime.engine.engine import Engine
from caplex.runtime.engine.machine import Machine
from caplex.runtime.journal import verify
from engine import desks
from engine.streams import Event, Stream

ROUNDS = int(os.environ.get("CAPLEX_ENGINE_ROUNDS", "1"))
LIVELY = ("switches", "holds", "venues", "quickstart")


def give(engine: Engine, event: Event) -> None:
    engine.submit(event) if event["type"] == "intent" else engine.apply(event)


def whole(machine: Machine) -> str:
    """A hash of all of the state, also of what no document shows, and wherever it lies."""
    return sha256(snapshot.whole(machine.state))


def written(name: str, seed: int, events: int) -> list[Event]:
    policy, shape = desks.desk(name)
    return Stream(policy, seed, shape).run(events).taken


@pytest.mark.parametrize("name", desks.ALL)
def test_folding_again_gives_the_same_state(name: str) -> None:
    policy, shape = desks.desk(name)
    stream = Stream(policy, 77, shape).run(150)
    again = Machine(policy, trust=True)
    told = [again.step(again.read(event)).told for event in stream.taken]
    assert sha256(told) == sha256([step.told for step in stream.steps])
    assert (again.digest(), whole(again), again.chain) == (stream.machine.digest(), whole(stream.machine), stream.machine.chain)


@pytest.mark.parametrize("name", LIVELY)
def test_a_restart_at_any_point_changes_nothing(name: str, tmp_path: Path) -> None:
    """Every prefix is opened once, by one engine that is closed after each event."""
    policy, _ = desks.desk(name)
    events = written(name, 11, 45 * ROUNDS)
    straight, broken, digest = tmp_path / "straight", tmp_path / "broken", None
    with Engine(policy, straight, durability="os", trust_operators=True) as one:
        for event in events:
            give(one, event)
            with Engine(policy, broken, durability="os", trust_operators=True) as other:
                assert digest in (None, whole(other._machine)), f"{name}: before {event}"
                give(other, event)
                digest = whole(other._machine)
            assert other.digest == one.digest, f"{name}: after {event}"
        assert digest == whole(one._machine)
    assert straight.read_bytes() == broken.read_bytes()


@pytest.mark.parametrize("name", LIVELY)
@pytest.mark.parametrize("seed", range(2 * ROUNDS))
def test_a_snapshot_goes_on_as_the_state_would(name: str, seed: int) -> None:
    policy, shape = desks.desk(name)
    stream = Stream(policy, seed, shape).run(80)
    cut = Random(seed).randrange(10, len(stream.taken) - 10)
    first = Machine(policy, trust=True)
    for event in stream.taken[:cut]:
        first.step(first.read(event))
    loaded = snapshot.load(snapshot.dump(first.state))
    assert loaded is not None
    assert sha256(snapshot.dump(loaded)) == sha256(snapshot.dump(first.state))
    second = Machine(policy, trust=True)
    second.state, second.chain = loaded, first.chain
    told = [second.step(second.read(event)).told for event in stream.taken[cut:]]
    assert sha256(told) == sha256([step.told for step in stream.steps[cut:]])
    assert whole(second) == whole(stream.machine)


SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
from engine import desks
from engine.streams import Stream
from engine.test_fold import give
from caplex.runtime.engine.engine import Engine
policy, shape = desks.desk(sys.argv[2])
events = Stream(policy, 3, shape).run(80).taken
with Engine(policy, sys.argv[3], durability="os", trust_operators=True) as engine:
    for event in events:
        give(engine, event)
    print(engine.digest)
"""


@pytest.mark.parametrize("name", ["switches", "quickstart"])
def test_hash_seeds_leave_no_trace_in_the_journal(name: str, tmp_path: Path) -> None:
    found = []
    for seed in ("0", "4242"):
        path = tmp_path / seed
        done = subprocess.run([sys.executable, "-c", SCRIPT, str(Path(__file__).resolve().parents[1]), name, str(path)],
                              env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        assert verify(path).ok
        found.append((done.stdout, path.read_bytes()))
    assert found[0] == found[1]


# ── accounts are apart ────────────────────────────────────────────────────────────────────────────────


def shuffled(rng: Random, events: list[Event], accounts: tuple[str, ...]) -> list[Event]:
    """The same events, those of each account and those of nobody in their order; accounts interleave differently between the latter."""
    found: list[Event] = []
    queues: dict[Any, list[Event]] = {account: [] for account in accounts}
    for event in [*events, None]:
        account = event.get("account") if event is not None else None
        if account in queues:
            queues[account].append(event)  # type: ignore[arg-type]
            continue
        while any(queues.values()):
            found.append(queues[rng.choice([name for name in accounts if queues[name]])].pop(0))
        if event is not None:
            found.append(event)
    return found


@pytest.mark.parametrize("name", ["limits", "rates", "knobs", "fresh"])
@pytest.mark.parametrize("seed", range(4 * ROUNDS))
def test_how_accounts_interleave_does_not_change_their_decisions(name: str, seed: int) -> None:
    policy, shape = desks.desk(name)
    events = []
    for event in Stream(policy, seed, shape).run(120).taken:
        if event["type"] in ("operator", "release", "tick") or ("intent_id" in event and "account" not in event) or "order_id" in event:
            continue  # these speak of orders, whose account is not told
        events.append(event)

    def decided(order: list[Event]) -> dict[str, list[Any]]:
        machine = Machine(policy, trust=True)
        found: dict[str, list[Any]] = {}
        for event in order:
            step = machine.step(machine.read(event))
            if step.kind == "decision":
                told = step.told
                found.setdefault(event.get("account", ""), []).append(
                    (event["id"], told["verdict"], told["quantity"], told["at"], [reason["rule"] for reason in told["reasons"]], told["tripped"]))
        return found

    order = shuffled(Random(seed), events, shape.accounts)
    assert order != events
    assert decided(order) == decided(events), f"{name}, seed {seed}"
