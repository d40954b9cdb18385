"""The strategy governor's calls, answered by `policy.cap` and the engine.

Reads one JSON object a line, ``{"id", "kind": "ops", "input"}``, and writes one result a line, in the same order. It translates
and decides nothing: limits become settings of the policy, an evaluation an intent, and what is executed or closed an event. The
engine counts.

    python adapter.py < cases.jsonl
    python adapter.py cases.jsonl
"""
from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any

import caplex
from caplex.compiler.importing.policygate import quoted

HERE = Path(__file__).resolve().parent
Document = Mapping[str, Any]

AT = "2026-01-05T15:00:00Z"  # the governor knows no time: all that it is told happens in one instant
SIDES = {"LONG": "buy", "SHORT": "sell"}
NUMBERS = re.compile(r"(?:  set for strategy [^\n]+\n)+")


class Refused(Exception):
    """What was given is not one of the governor's documents."""


def policy_text(limits: Document) -> str:
    """`policy.cap` with the desk's numbers in the place of its own."""
    lines = "".join(f"  set for strategy {quoted(name)} = {limit['max_trades']}\n" for name, limit in limits.items())
    text = (HERE / "policy.cap").read_text(encoding="utf-8")
    return NUMBERS.sub(lambda found: lines or found.group(), text, count=1)


@lru_cache(maxsize=256)
def _load(text: str, strategies: tuple[str, ...]) -> caplex.Policy:
    return caplex.loads(text, name="strategy_governor.cap", settings={"strategies": list(strategies)})


class Governor:
    """One run: the engine, and the trades that the venue would list."""

    def __init__(self, policy: caplex.Policy) -> None:
        self.engine = caplex.Engine(policy)
        self.numbers, self.log = count(1), list[str]()
        self.trades: dict[str, dict[str, str]] = {}
        self.approved: dict[str, Document] = {}  # the last intent that was approved, until its order is filled
        self._tell_trades()

    def evaluate(self, given: Document) -> bool:
        intent = {
            "id": f"i-{next(self.numbers)}", "at": AT, "action": "open", "symbol": given["symbol"], "quantity": "1",
            "side": SIDES.get(given["direction"], given["direction"]),
            "strategy": given["trader_type"], "strategy_as_listed": given["trader_type"]}
        decision = self.engine.submit(intent)
        self.log += decision.emitted
        self.approved = {"last": intent} if decision.permits else {}
        return decision.permits

    def execute_last(self, given: Document) -> None:
        for intent in self.approved.values():
            self.trades[intent["id"]] = {"trade": intent["id"], "strategy": intent["strategy"], "symbol": intent["symbol"]}
            self._tell_trades()
            self.engine.apply({"type": "fill", "id": f"f-{intent['id']}", "at": AT, "intent_id": intent["id"], "symbol": intent["symbol"],
                               "side": intent["side"], "quantity": intent["quantity"], "price": "1"})
        self.approved = {}

    def register(self, given: Document) -> None:
        name = f"t-{next(self.numbers)}"
        self.trades[name] = {"trade": name, "strategy": given["trader_type"], "symbol": given["symbol"]}
        self._tell_trades()

    def unregister(self, given: Document) -> None:
        """One trade is closed: the oldest of that symbol and strategy."""
        closed = (given["symbol"], given["trader_type"])
        name = next((name for name, row in self.trades.items() if (row["symbol"], row["strategy"]) == closed), None)
        self.trades.pop(str(name), None)
        self._tell_trades()

    def _tell_trades(self) -> None:
        self.engine.apply({"type": "input", "at": AT, "name": "trades", "values": list(self.trades.values())})


def ops(given: Document) -> dict[str, Any]:
    with _translating():
        text, strategies = policy_text(given["limits"]), tuple(given["limits"])
    governor = Governor(_load(text, strategies))
    calls: dict[str, Callable[[Document], bool | None]] = {
        "evaluate": governor.evaluate, "execute_last": governor.execute_last, "register": governor.register, "unregister": governor.unregister}
    with governor.engine, _translating():
        allowed = [calls[each["op"]](each) for each in given["ops"]]
    return {"allowed": allowed, "log": governor.log}


ANSWERS: dict[str, Callable[[Document], dict[str, Any]]] = {"ops": ops}


def answer(line: str) -> dict[str, Any]:
    try:
        with _translating():
            case = json.loads(line, parse_float=Decimal)
            kind, given = case["kind"], case["input"]
        if kind not in ANSWERS:
            raise Refused(f"kind {kind!r} is not answered")
        return ANSWERS[kind](given)
    except caplex.PolicyError as error:
        return {"refused": True, "error": "; ".join(diagnostic.message for diagnostic in error.diagnostics)}
    except Refused as error:
        return {"refused": True, "error": str(error)}


@contextmanager
def _translating() -> Iterator[None]:
    """What goes wrong while a document is read is the document's fault."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Refused(f"not a document of the strategy governor: {error!r}") from error


def main(arguments: list[str], lines: Iterable[str]) -> int:
    for line in Path(arguments[0]).read_text(encoding="utf-8").splitlines() if arguments else lines:
        if line.strip():
            print(json.dumps(answer(line), ensure_ascii=False), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:], sys.stdin))
