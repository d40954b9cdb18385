"""What a replay proved, account by account: a hash of the decisions made again and one of the state that they left.

Accounts share no room, so that these hashes are the same whether one machine folded the whole journal or several a part of it
each (docs/journal.md, "The proof of a replay").
"""
from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from caplex.runtime.canonical import sha256
from caplex.runtime.engine import facts
from caplex.runtime.engine.machine import Machine

SCHEMA: Final = "caplex.proof/1"


@dataclass(frozen=True, slots=True, order=True)
class Proved:
    """One account of one journal. *answers*: hash of its decisions in their order; *state*: of what is known of it at the end."""

    account: str
    decisions: int
    answers: str
    state: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def digest(accounts: Iterable[Proved]) -> str:
    """One hash over all *accounts*, of however many journals, in the order of their names."""
    return sha256([SCHEMA, *(each.to_dict() for each in sorted(accounts))])


class Proof:
    """Takes decisions as they are made again."""

    def __init__(self) -> None:
        self._answers: dict[str, Any] = {}
        self._counts: dict[str, int] = {}

    def take(self, told: Mapping[str, Any], text: str) -> None:
        """The decision *told*, whose canonical JSON is *text*."""
        account = told.get("account") or ""
        found = self._answers.get(account)
        if found is None:
            found = self._answers[account] = hashlib.sha256()
            self._counts[account] = 0
        found.update(text.encode("ascii") + b"\n")
        self._counts[account] += 1

    def close(self, machine: Machine | None) -> list[Proved]:
        """By account, with the state of each in *machine*."""
        named = machine.state.accounts if machine is not None else {}
        names = sorted({*self._answers, *(name for name, held in named.items() if name or held.fields)})
        states = _states(machine, names) if machine is not None else {}
        return [Proved(name, self._counts.get(name, 0), "sha256:" + self._answers.get(name, hashlib.sha256()).hexdigest(), states.get(name, ""))
                for name in names]


def _states(machine: Machine, names: Iterable[str]) -> dict[str, str]:
    """A hash of what the state holds of each account. An account that only waited for a name holds nothing and is like any other."""
    state = machine.state
    found: dict[str, dict[str, Any]] = {name: {"orders": [], "positions": [], "switches": [], "obligations": [], "holds": {}, "seen": {}} for name in names}
    empty: dict[str, Any] = {"orders": [], "positions": [], "switches": [], "obligations": [], "holds": {}, "seen": {}}
    owner: dict[str, str] = {}
    for key, row in sorted(state.positions.items()):
        found.get(key[0], empty)["positions"].append(facts.position_row(key, row))
    for order in state.every("orders").values():
        found.get(order.account, empty)["orders"].append(facts.order_row(order))
    for intent, seen in state.every("seen").items():
        owner[intent] = seen.told.get("account") or ""
        found.get(owner[intent], empty)["seen"][intent] = seen.decision_id
    for name, hold in state.every("holds").items():
        found.get(owner.get(hold.intent_id, ""), empty)["holds"][name] = hold.stored()
    for switch in machine.latches().to_dict(max(state.now_ns, 0)):
        # What stands in no account's scope is everybody's; such a journal is in one piece, and the row with the first.
        found.get(switch["scope"].get("account", ""), empty)["switches"].append(switch)
    for name, duty in sorted(state.obligations.items()):
        found.get(duty["scope"].get("account", ""), empty)["obligations"].append(name)
    hashes = {}
    for name, book in found.items():
        held = state.accounts.get(name)
        history = {section: len(events) for section, events in sorted(state.histories.get(name, {}).items()) if events}
        hashes[name] = sha256({"schema": SCHEMA, "account": facts.account_row(held) if held is not None else None, "history": history, **book})
    return hashes
