"""Journals of several accounts: drawn ones, and a plain one."""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import caplex
from caplex.compiler.recorded import compile_recorded
from caplex.runtime.clock import format_instant, parse_instant
from caplex.runtime.errors import EventError
from caplex.runtime.parallel.gathering import gathered, ties
from caplex.runtime.parallel.parting import Parted, part
from caplex.runtime.parallel.working import Task, perform
from caplex.runtime.policy import Policy
from caplex.runtime.replay import Replayed
from engine.desks import WRITTEN, text
from engine.streams import Stream

DESK = """policy desk {
  version "1" language 1 mode enforce currency USD timezone "UTC" stages KILL, EXEC, EXP
  closing skips EXEC, EXP
  overrides tightest wins
  lot 1
  idempotency keep 1h
}
input market { price : price above 0 fresh within 1h }
setting max_position : ratio = 10% within 0%..50% lower is safer "Position"
let drawdown = (account.peak_equity - account.equity) / account.peak_equity
throttle EXEC-010 "Order rate" { deny beyond 8 orders in any 1min }
limit EXP-010 "Position size" { abs(after.position.notional) at most max_position of account.equity else reduce }
kill switch KILL-010 "Drawdown stop" SCOPE {
  trip when drawdown >= 10%
  while tripped deny opening
  on trip notify "risk-desk"
  rearm by 2 of "risk-officer" and 30min after trip and when (drawdown < 8%)
}
"""
POLICY = DESK.replace("SCOPE", "for account")
GLOBAL = DESK.replace("SCOPE", "for each strategy")
START = parse_instant("2026-01-05T15:00:00Z")


def at(seconds: float) -> str:
    return format_instant(START + int(seconds * 10) * 10**8)


def events(accounts: int, rounds: int) -> Iterator[dict[str, Any]]:
    """Each round a quote, and of each account an intent, its order and a fill."""
    for a in range(accounts):
        yield {"type": "account", "id": f"a-{a}", "at": at(0), "account": f"acct-{a}", "equity": "100000", "available": "100000"}
        yield {"type": "history", "id": f"h-{a}", "at": at(0), "account": f"acct-{a}", "complete_from": "2020-01-01T00:00:00Z"}
    for i in range(rounds):
        now, symbol = at(4 * i + 1), f"S{i % 3}"
        yield {"type": "quote", "at": now, "symbol": symbol, "price": str(90 + i % 21)}
        for a in range(accounts):
            about = {"at": now, "symbol": symbol, "side": "buy" if i // 6 % 2 == 0 else "sell", "account": f"acct-{a}"}
            yield {"type": "intent", "id": f"i-{a}-{i}", "action": "open", "quantity": str(5 + (i * 7 + a) % 60), "strategy": "s", **about}
            yield {"type": "order", "id": f"o-{a}-{i}", "at": now, "order_id": f"v-{a}-{i}", "intent_id": f"i-{a}-{i}", "status": "open"}
            yield {"type": "fill", "id": f"f-{a}-{i}", "quantity": "5", "price": "100", "order_id": f"v-{a}-{i}", **about}


def written(path: Path, given: Iterable[dict[str, Any]], policy: Policy | str = POLICY, **options: Any) -> Path:
    """An engine takes *given*, and keeps its journal at *path*."""
    compiled = caplex.loads(policy, name="desk.cap") if isinstance(policy, str) else policy
    with caplex.Engine(compiled, path, durability="os", store=False, trust_operators=True, **options) as engine:
        for event in given:
            try:
                (engine.submit if event["type"] == "intent" else engine.apply)(event)
            except EventError:
                continue
    return path


def source(name: str) -> str:
    """A desk of tests/engine. Two of them forget ids before the day is over; one that lifts holds too would be in one piece then."""
    found = text(name).replace("idempotency keep 10min", "")
    return found.replace("lot 1", "idempotency keep 2min lot 1", 1) if name in ("limits", "rates") else found


def drawn(path: Path, name: str, seed: int, count: int, accounts: tuple[str, ...] = ("a", "b", "c")) -> Path:
    """The journal of a drawn stream under one of the desks of tests/engine."""
    shape = replace(WRITTEN[name][3], accounts=accounts)
    policy = caplex.loads(source(name), name="desk.cap")
    return written(path, Stream(policy, seed, shape).run(count).taken, policy)


def in_parts(path: Path, most: int, others: list[Policy]) -> tuple[Parted, list[list[int]], Replayed, list[Replayed]] | None:
    """What the parts come to, put together, without the second look that a difference would get; None where it cannot be cut."""
    from caplex.runtime.engine.rebuilding import policy_record

    parted = part(path, load=compile_recorded, others=others)
    bodies = tuple(policy_record(each) for each in others)
    while parted.joined is None:
        groups = parted.groups(most)
        if len(groups) < 2:
            return None
        done = [perform(Task(str(path), compile_recorded, bodies, tuple(parted.index[each] for each in group), frozenset(group), parted.shared,
                             parted.end, parted.second, place == 0)) for place, group in enumerate(groups)]
        if not ties(parted, groups, done):
            return parted, groups, *gathered(str(path), parted, groups, done)
    return None
