"""Policies and streams that the tests of `caplex run` share; a stream follows from its seed."""
from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from caplex.runtime.brokers.chance import Chance

ROOT = Path(__file__).resolve().parents[2]

DESK = """policy desk {
  version "1" language 1 mode enforce currency USD timezone "UTC" stages KILL, LOSS, EXEC, EXP
  closing skips LOSS, EXEC, EXP
  overrides tightest wins
  lot 1
}
input market { price : price above 0 fresh within 1h }
let drawdown = (account.peak_equity - account.equity) / account.peak_equity
limit LOSS-010 "Daily loss" { account.day_loss below 20% of account.day_start_equity else deny }
throttle EXEC-010 "Order rate" { deny beyond 4 orders in any 10s }
limit EXP-010 "Position size" { abs(after.position.notional) at most 10% of account.equity else reduce }
kill switch KILL-010 "Drawdown stop" for account {
  trip when drawdown >= 10%
  while tripped deny opening
  on trip cancel opening orders, notify "risk-desk"
  rearm by 2 of "risk-officer" and 30min after trip and when (drawdown < 8%)
  on rearm rebase account.peak_equity to account.equity
}
"""
TIGHT = DESK.replace("at most 10%", "at most 4%")
START = [
    {"type": "session", "id": "e-1", "at": "2026-01-05T14:00:00Z", "account": "acct-1", "act": "day_start", "equity": "100000"},
    {"type": "history", "id": "e-2", "at": "2026-01-05T14:00:00Z", "account": "acct-1", "complete_from": "2026-01-01T00:00:00Z"},
    {"type": "account", "id": "e-3", "at": "2026-01-05T14:00:01Z", "account": "acct-1", "equity": "100000", "available": "100000"},
]


def at(second: int) -> str:
    """So many seconds after three in the afternoon."""
    minutes, rest = divmod(second, 60)
    return f"2026-01-05T{15 + minutes // 60:02}:{minutes % 60:02}:{rest:02}Z"


def stream(seed: int, steps: int, *, crash_at: int | None = None) -> list[dict[str, Any]]:
    """Quotes without ids, orders of three symbols, repeats, ticks, and perhaps a fall in equity that trips the switch."""
    chance = Chance(seed)

    def pick(what: str, step: int, count: int) -> int:
        return int(chance.share(what, step) * count)

    events = list(START)
    for step in range(steps):
        symbol = ("AAPL", "MSFT", "KO")[pick("symbol", step, 3)]
        kind = pick("kind", step, 10)
        if kind < 4 or step < 3:
            price = str(90 + pick("price", step, 21))
            events.append({"type": "quote", "at": at(step), "symbol": ("AAPL", "MSFT", "KO")[step] if step < 3 else symbol, "price": price})
        elif kind < 9:
            intent = {"type": "intent", "id": f"i-{step}", "at": at(step), "account": "acct-1", "symbol": symbol, "action": "open",
                      "side": ("buy", "buy", "sell")[pick("side", step, 3)], "quantity": str(1 + pick("size", step, 120)), "order_type": "market"}
            if pick("limit", step, 2):
                intent |= {"order_type": "limit", "limit_price": str(90 + pick("level", step, 21))}
            events.append(intent)
            if pick("again", step, 6) == 0:
                events.append(dict(intent))
        else:
            events.append({"type": "tick", "at": at(step)})
        if step == crash_at:
            events.append({"type": "account", "id": f"a-{step}", "at": at(step), "account": "acct-1", "equity": "85000"})
    return events


def write(path: Path, events: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")
    return path


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "caplex", *arguments]


def environment() -> dict[str, str]:
    """That of a process of its own, which finds the package where this test has it."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}


def caplex(*arguments: str, cwd: Path, given: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), cwd=cwd, env=environment(), input=given, capture_output=True, text=True, check=False, timeout=300)
