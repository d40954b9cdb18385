"""Money that an approved transfer will take: from the approval until the venue says that it went, or that it never will.

Until then it counts as gone from `available` and `cash`, so that two transfers never spend the same money.
"""
from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from caplex.runtime.canonical import plain
from caplex.runtime.engine.events import Event

if TYPE_CHECKING:
    from caplex.runtime.engine.fold import Applied
    from caplex.runtime.engine.state import Account, State

REDUCED: Final = ("available", "cash")
"""Fields of an account from which approved transfers are taken."""
_NEVER: Final = frozenset({"cancelled", "rejected", "expired"})


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A transfer that was approved. *expires_ns*: when it lapses if nobody sends it; None once it was sent."""

    intent_id: str
    reservation: str
    amount: Fraction
    expires_ns: int | None

    @property
    def state(self) -> str:
        """As of a reservation."""
        return "working" if self.expires_ns is None else "held"

    def stored(self) -> list[Any]:
        return [self.intent_id, self.reservation, str(self.amount), self.expires_ns]


def restored(stored: list[Any]) -> Outgoing:
    intent_id, reservation, amount, expires_ns = stored
    return Outgoing(intent_id, reservation, Fraction(amount), expires_ns)


def find(state: State, intent_id: str | None) -> tuple[str, Outgoing] | None:
    """The transfer that *intent_id* asked for, and whose account it leaves."""
    if intent_id is None:
        return None
    return next(((name, held.outgoing[intent_id]) for name, held in state.accounts.items() if intent_id in held.outgoing), None)


def lapse(held: Account, now: int, applied: Applied) -> None:
    """Those that nobody sent in time."""
    for each in [each for each in held.outgoing.values() if each.expires_ns is not None and now >= each.expires_ns]:
        _end(held, each, "released", applied)


def confirm(held: Account, event: Event, applied: Applied) -> None:
    """`cash` that names the intent: the money has moved, and the account's own figures say so from now on."""
    name = event.text("intent_id")
    going = held.outgoing.get(name) if name is not None else None
    if name is None:
        return
    if going is None:
        applied.flag("unknown_intent", f"no transfer of {name} is waiting; the money counts all the same", intent_id=name)
        return
    moved = -(event.number("amount") or Fraction(0))
    if moved > going.amount:
        applied.flag("larger_than_approved", f"{name}: {plain(moved)} went, {plain(going.amount)} were approved", intent_id=name)
    _end(held, going, "spent", applied)


def on_word(state: State, event: Event, applied: Applied) -> bool:
    """Whether an `order`, `cancel`, `reject`, `expire` or `release` speaks of a transfer; then that is done."""
    found = find(state, event.text("intent_id") or event.text("client_order_id"))
    if found is None:
        return False
    held, going = state.account(found[0]), found[1]
    if event.type == "release" and going.expires_ns is None:
        applied.flag("already_sent", f"{going.intent_id} was sent; only the venue's word ends it", intent_id=going.intent_id)
    elif event.type != "order" or event.data["status"] in _NEVER:
        _end(held, going, "released", applied)
    elif event.data["status"] != "reserved":
        sent = held.outgoing[going.intent_id] = replace(going, expires_ns=None)
        _tell(sent, sent.state, applied)
    return True


def _end(held: Account, going: Outgoing, state: str, applied: Applied) -> None:
    del held.outgoing[going.intent_id]
    _tell(going, state, applied)
    applied.sections.add("account")


def _tell(going: Outgoing, state: str, applied: Applied) -> None:
    amount = plain(going.amount if state in ("held", "working") else Fraction(0))
    applied.reservations.append({"id": going.reservation, "intent_id": going.intent_id, "state": state, "quantity": amount})
