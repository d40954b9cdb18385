"""Windows of a policy that takes over, read back from the journal: as if it had kept them all along."""
from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import caplex
from caplex.compiler.recorded import compile_recorded
from caplex.runtime.clock import SECOND, format_instant, parse_instant
from caplex.runtime.engine import refilling
from caplex.runtime.engine.engine import Engine
from caplex.runtime.engine.machine import Machine
from caplex.runtime.journal import JournalTrouble, read
from caplex.runtime.policy import Policy
from caplex.runtime.replay import fold, replay
from engine import desks
from engine.streams import Stream
from engine.support import Desk, policy, verdict
from engine.test_fold import give

WANTED = """throttle EXEC-910 "Orders" { deny beyond 10_000 orders in any SPAN }
throttle EXEC-920 "Fills" { deny beyond 10_000 fills in any SPAN }
throttle EXEC-930 "Rejects" { deny beyond 10_000 rejects in any SPAN }
throttle EXEC-940 "Cancels" { deny beyond 10_000 cancels in any SPAN }
cooldown EXEC-950 "Stops" { deny during SPAN after last stop }
cooldown EXEC-960 "Results" { deny during SPAN after last result }
kill switch KILL-910 "Denials" for account {
  trip when 10_000 denials in any SPAN
  trip when 10_000 violations in any SPAN
  while tripped deny opening
  rearm by 1 of "risk"
}
"""
HISTORIES = {"order_events", "fills", "rejects", "cancels", "stops", "results", "denials", "violations"}
ROOM = 'limit EXP-010 "Position" { abs(after.position.notional) at most 1_000 USD else reduce }\n'
RATE = ROOM + 'throttle EXEC-010 "Rate" { deny beyond 2 orders in any 1min }\n'
LOOSE, RATED = policy(ROOM), policy(RATE)


def compiled(name: str, more: str = "", keep: dict[str, int | None] | None = None) -> Policy:
    """A desk, with *more* rules; *keep* is how long its histories are, whatever its rules read."""
    found = caplex.compile_text(desks.text(name) + more, name=f"{name}.cap")
    found.plan.keep_ns.update(keep or {})
    return found


def rows(machine: Machine, keep: dict[str, int | None]) -> dict[tuple[str, str], list[tuple[int, dict[str, Any]]]]:
    """The histories that *keep* names, as far back."""
    found = {}
    for account, held in machine.state.accounts.items():
        for section, reach in keep.items():
            past = machine.state.histories.get(account, {}).get(section, ())
            found[account, section] = [(each.at_ns, dict(each.row)) for each in past if reach is None or held.last_ns - each.at_ns <= reach]
    return found


@pytest.mark.parametrize("span", ["30s", "7min", "1d"])
@pytest.mark.parametrize("name", ["limits", "rates", "holds", "switches", "venues", "fresh"])
def test_what_is_read_back_is_what_would_have_been_kept(name: str, span: str, tmp_path: Path) -> None:
    before, after = compiled(name), compiled(name, WANTED.replace("SPAN", span))
    keep = refilling.deeper(before, after)
    wide = compiled(name, keep=after.plan.keep_ns)
    drawn = desks.desk(name)[1]
    shape = replace(drawn, weights={**drawn.weights, "stop": 4, "reject": 6, "cancel": 6, "more": 4}, more=lambda rng: {
        "type": "result", "result": rng.choice(("win", "loss")), "symbol": rng.choice("XYZ"), **({"account": rng.choice("ab")} if rng.random() < 0.8 else {})})
    events, met = [], set()
    for seed in range(3):
        events = Stream(before, seed, shape).run(250).taken
        if name == "holds":  # what waits stands in the way
            later = format_instant(max(parse_instant(event["at"]) for event in events) + 3600 * SECOND)
            events = [*events, {"type": "tick", "at": later}]
        path = tmp_path / f"{seed}"
        with Engine(before, path, trust_operators=True, recorded=compile_recorded, durability="os") as engine:
            kept = Machine(wide, trust=True)
            for event in events:
                give(engine, event)
                kept.step(kept.read(event))
            whole = {account: held.complete_from_ns for account, held in engine._machine.state.accounts.items()}
            engine.activate(after, by="desk-1", at=events[-1]["at"])
            wanted, found = rows(kept, keep), rows(engine._machine, keep)
            assert found == wanted, seed
            assert {account: held.complete_from_ns for account, held in engine._machine.state.accounts.items()} == whole
            met |= {section for (_, section), each in found.items() if each}
            digest = engine.digest
        assert Engine(after, path, trust_operators=True, recorded=compile_recorded, durability="os", store=None).digest == digest
        assert replay(path, load=compile_recorded).digest == digest
    assert met or span == "30s" or name == "holds"
    if span == "1d":
        assert len(met) >= 4, met


def rated(journal: Path | None, **options: Any) -> Desk:
    """Two orders went, under a policy that keeps no windows."""
    desk = Desk(LOOSE, journal, recorded=compile_recorded, **options)
    desk.quote("X", "10")
    assert [verdict(desk.submit("buy", "1"))[0], verdict(desk.later(10).submit("buy", "1"))[0]] == ["ALLOW", "ALLOW"]
    return desk


def test_a_window_counts_what_happened_before_its_rule_came(tmp_path: Path) -> None:
    desk = rated(tmp_path / "j")
    desk.engine.activate(RATED, by="desk-1", at=desk.later(10).at)
    assert verdict(desk.submit("buy", "1")) == ("DENY", "0", "EXEC-010")
    assert verdict(desk.later(40).submit("buy", "1"))[0] == "ALLOW", "a minute after the first"
    (windows,) = [record.body["windows"] for record in read(tmp_path / "j") if record.kind == "policy" and record.body.get("act")]
    assert windows["complete_from"] is None
    assert replay(tmp_path / "j", load=compile_recorded).identical


def test_without_a_journal_the_rule_waits_until_its_window_is_whole() -> None:
    desk = rated(None)
    desk.engine.activate(RATED, by="desk-1", at=desk.later(10).at)
    assert verdict(desk.submit("buy", "1"))[2] == "SYS-007"
    assert verdict(desk.later(49).submit("buy", "1"))[2] == "SYS-007"
    assert verdict(desk.later(1.001).submit("buy", "1"))[0] == "ALLOW"


def test_where_nobody_says_what_was_before_the_journal_the_rule_waits(tmp_path: Path) -> None:
    """The journal begins with the engine; what an account did before that, only the host can attest."""
    desk = Desk(LOOSE, tmp_path / "j", recorded=compile_recorded, equity=None)
    desk.account(equity="100000", available="100000")
    desk.quote("X", "10")
    desk.apply("history", account="a", complete_from=desk.at)
    desk.engine.activate(RATED, by="desk-1", at=desk.later(30).at)
    assert verdict(desk.submit("buy", "1"))[2] == "SYS-007"
    assert verdict(desk.later(30).submit("buy", "1"))[0] == "ALLOW"


@pytest.mark.parametrize("store", [True, None])
def test_a_crash_and_an_opening_come_to_the_same(store: bool | None, tmp_path: Path) -> None:
    desk = rated(tmp_path / "j", store=store)
    desk.engine.activate(RATED, by="desk-1", at=desk.later(10).at)
    digest, desk.policy = desk.engine.digest, RATED
    assert desk.restart().engine.digest == digest
    (tmp_path / "j.db").unlink(missing_ok=True)
    assert desk.restart().engine.digest == digest == fold(tmp_path / "j", load=compile_recorded).digest()
    assert verdict(desk.submit("buy", "1"))[2] == "EXEC-010"


def test_another_policy_at_opening_reads_back_too(tmp_path: Path) -> None:
    desk = rated(tmp_path / "j")
    desk.policy = RATED
    desk.restart(on_policy_change="keep_state").later(10)
    assert verdict(desk.submit("buy", "1"))[2] == "EXEC-010"
    digest = desk.engine.digest
    assert desk.restart(on_policy_change="refuse").engine.digest == digest
    assert replay(tmp_path / "j", load=compile_recorded).identical


COUNTED = ROOM + 'limit EXP-020 "Small" severity high { abs(after.position.quantity) at most 3 units else reduce }\n'
TRIPS = """kill switch KILL-010 "Often" for account {
  trip when 2 violations of severity high in any 1h
  while tripped deny opening
  rearm by 1 of "risk"
}
"""


@pytest.mark.parametrize(("loads", "reads"), [(True, True), (False, False)])
def test_how_grave_a_violation_was_stands_in_the_policy_of_its_time(loads: bool, reads: bool, tmp_path: Path) -> None:
    """Where that cannot be compiled anew, histories begin with the present one: what came before is not known."""
    first, second, third = policy(COUNTED), policy(COUNTED.replace("3 units", "2 units")), policy(COUNTED + TRIPS)
    desk = Desk(first, tmp_path / "j", recorded=compile_recorded if loads else None)
    desk.quote("X", "10")
    desk.submit("buy", "9")
    desk.engine.activate(second, by="desk-1", at=desk.later(10).at)
    desk.later(10).submit("buy", "9")
    desk.engine.activate(third, by="desk-1", at=desk.later(10).at)
    machine = desk.engine._machine
    assert [each.row["rule"] for each in machine.state.past("a", "violations")] == ["EXP-020"] * (2 if reads else 1)
    whole = machine.state.account("a").complete_from_ns
    assert (whole == parse_instant("2020-01-01T00:00:00Z")) is reads
    found = replay(tmp_path / "j", load=compile_recorded)
    assert (found.identical, found.digest) == (True, desk.engine.digest)


def test_a_journal_that_was_changed_meanwhile_is_not_read_back(tmp_path: Path) -> None:
    """The engine goes on as without one; whoever folds such a journal is told where it is broken."""
    desk = rated(tmp_path / "j")
    data = (tmp_path / "j").read_bytes()
    (tmp_path / "j").write_bytes(data.replace(b'"quantity":"1"', b'"quantity":"2"', 1))
    desk.engine.activate(RATED, by="desk-1", at=desk.later(10).at)
    assert verdict(desk.submit("buy", "1"))[2] == "SYS-007"
    with pytest.raises(JournalTrouble, match="changed"):
        fold(tmp_path / "j", load=compile_recorded)


def test_only_as_much_is_read_as_a_window_reaches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(LOOSE, tmp_path / "j", recorded=compile_recorded)
    for _ in range(50):
        desk.later(60).quote("X", "10")
    desk.submit("buy", "1")
    parsed: list[int] = []
    whole = refilling._record
    monkeypatch.setattr(refilling, "_record", lambda raw, number: parsed.append(number) or whole(raw, number))
    desk.engine.activate(RATED, by="desk-1", at=desk.later(10).at)
    assert len(parsed) <= 5
    assert parsed[-2:] == [len(list(read(tmp_path / "j"))) - 3, len(list(read(tmp_path / "j"))) - 2]


def test_what_counted_for_no_account_counts_for_none(tmp_path: Path) -> None:
    """By then there were two; where the reading begins, none of them has been named yet."""
    desk = Desk(LOOSE, tmp_path / "j", recorded=compile_recorded)
    desk.account(account="b", equity="100000")
    desk.later(600).quote("X", "10")
    desk.apply("fill", side="buy", quantity="1", symbol="X", price="10")
    desk.account(account="b", equity="100001")
    desk.fill("buy", "1")
    desk.engine.activate(policy(ROOM + 'throttle EXEC-010 "Fills" { deny beyond 5 fills in any 1min }\n'), by="desk-1", at=desk.later(10).at)
    histories = desk.engine._machine.state.histories
    assert [len(histories.get(name, {}).get("fills", ())) for name in ("a", "b")] == [1, 0]
