"""What events do to the state. Venue facts are applied as they come, flagged where they surprise, and never dropped."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from heapq import heappop
from typing import Any, Final

from caplex.runtime.canonical import plain
from caplex.runtime.clock import HOUR, day_start_ns, parse_instant
from caplex.runtime.engine import trades, transfers
from caplex.runtime.engine.events import Event
from caplex.runtime.engine.reconciling import on_reconcile
from caplex.runtime.engine.state import ZERO, Account, Key, Past, Position, State
from caplex.runtime.plan import Plan
from caplex.runtime.reading import Unreadable, number
from caplex.runtime.schema import Schema

SHARED: Final = frozenset({"quote", "instrument", "fx", "venue", "strategy", "input", "counters", "obligation"})
"""Events that are nobody's: they concern every account."""
_LAST_HOUR: Final = parse_instant("9999-12-31T00:00:00Z")
_ENVELOPE: Final = frozenset({"type", "id", "at", "venue_at", "tags", "mode"})


@dataclass(slots=True)
class Applied:
    """What one event changed.

    Attributes:
        sections: Of the facts; a switch that reads none of them cannot have moved.
        discrepancies: What does not fit what the engine knew, in sentences with a code.
    """

    sections: set[str] = field(default_factory=set)
    schema: Schema | None = None
    discrepancies: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[dict[str, Any]] = field(default_factory=list)
    reservations: list[dict[str, Any]] = field(default_factory=list)
    late: bool = False
    repeat: bool = False
    account: str | None = None
    now_ns: int = 0
    """Whom the event concerned, None for all, and when it counted as known."""

    def flag(self, problem: str, message: str, **more: Any) -> None:
        self.discrepancies.append({"problem": problem, "message": message, **more})


def at_of(state: State, event: Event, account: str) -> tuple[int, bool]:
    """When the event counts as known in its account, and whether it came late: time does not run backwards.

    What was heard before it, a quote as well, was known by then, whatever the clock of the one who tells it says. A quote from
    further ahead than clocks lie apart moves nobody's time: it is from the future, and rules that read it say so.
    """
    last = state.accounts[account].last_ns if account in state.accounts else -(2**63)
    if state.shared_ns - event.at_ns <= trades.SKEW_NS:
        last = max(last, state.shared_ns)
    return (event.at_ns, False) if event.at_ns >= last else (last, True)


def apply(plan: Plan, state: State, event: Event) -> Applied:
    """Fold a fact into *state*. Intents, operator acts and policies are not facts; see `runtime.engine.machine`."""
    applied = Applied(schema=plan.schema)
    if event.id is not None and event.type != "tick":
        known = (event.type, event.id)
        before = state.known_event(known)
        if before is not None:
            applied.repeat = True
            if before != event.hash:
                applied.flag("id_reused", f"{event.type} {event.id} came before with other content; the first one counts")
            return applied
        state.event_ids[known] = event.hash
    account = account_of(state, event)
    if account is None:
        now, applied.late = max(event.at_ns, state.shared_ns), event.at_ns < state.shared_ns
        state.now_ns, state.shared_ns = max(state.now_ns, now), now
        _FOLDS[event.type](state, event, "", now, applied)
        if event.type == "tick":
            for name in list(state.accounts):
                _pass(plan, state, name, now, applied)
    else:
        now, applied.late = at_of(state, event, account)
        if not account and state.named_accounts:
            applied.flag("unknown_account", f"{event.type} {event.id or ''} names no account and there are several; it counts for none of them")
        _pass(plan, state, account, now, applied)
        _FOLDS[event.type](state, event, account, now, applied)
    applied.account, applied.now_ns = account, now
    return applied


def _pass(plan: Plan, state: State, account: str, now: int, applied: Applied) -> None:
    """It is *now* in *account*, if it was not later already."""
    now = max(now, state.account(account).last_ns)
    advance(plan, state, account, now, applied)
    state.account(account).last_ns = now


def advance(plan: Plan, state: State, account: str, now: int, applied: Applied) -> None:
    """Time passes in *account*: days begin, held reservations lapse, histories forget what no window reaches."""
    state.now_ns = max(state.now_ns, now)
    held = state.account(account)
    start = day_of(now, plan.header.timezone, plan.header.day_start_ns)
    if held.day_ns is not None and start > held.day_ns:
        _new_day(held)
        applied.sections |= {"account"}
    held.day_ns = start if held.day_ns is None else max(held.day_ns, start)
    lapses = state.lapses.get(account, [])
    while lapses and now >= lapses[0][0]:
        order = state.orders.get(heappop(lapses)[1])
        if order is not None and order.account == account and order.status == "reserved" and order.expires_ns is not None and now >= order.expires_ns:
            trades.close(state, order, "expired", applied)
    transfers.lapse(held, now, applied)
    for section, events in state.histories.get(account, {}).items():
        keep = plan.keep_ns.get(section, 0)
        while keep is not None and events and now - events[0].at_ns > keep:
            events.popleft()


_days: dict[tuple[str, int], tuple[int, int, int]] = {}  # by zone and start of day: from when to when a day is known to last, and its start


def day_of(now: int, timezone: str, offset_ns: int) -> int:
    """`day_start_ns`, which is looked up once an hour: it never runs backwards, so that what holds at both ends holds between."""
    begin, end, start = _days.get((timezone, offset_ns), (0, -1, 0))
    if not begin <= now <= end:
        start = day_start_ns(now, timezone, offset_ns)
        later = now + HOUR if now < _LAST_HOUR else now
        _days[timezone, offset_ns] = now, later if day_start_ns(later, timezone, offset_ns) == start else now, start
    return start


def _new_day(held: Account) -> None:
    equity = _money(held, "equity")
    if equity is not None and equity > 0:
        held.day_start = equity
    balance = held.fields.get("balance")
    held.fields = {k: v for k, v in held.fields.items() if k not in ("realised_pnl_today", "day_start_balance")}
    if balance is not None:
        held.fields["day_start_balance"] = balance
    held.flows = held.fees = ZERO


def account_of(state: State, event: Event) -> str | None:
    """Whom *event* concerns; None: all accounts. One that does not say is of the order that it speaks of, else of the only account."""
    said = event.text("account")
    if event.type in SHARED or (event.type == "tick" and said is None):
        return None
    if said is not None:
        return said
    order = state.find_order(event.text("order_id"), event.text("client_order_id"), event.text("intent_id"))
    return order.account if order is not None else state.only_account


def _money(held: Account, name: str) -> Fraction | None:
    try:
        return None if held.fields.get(name) is None else number(held.fields[name])
    except Unreadable:
        return None


# ── accounts ──────────────────────────────────────────────────────────────────────────────────────────


def _on_account(state: State, event: Event, account: str, now: int, applied: Applied) -> None:
    held = state.account(account)
    told = {k: v for k, v in event.data.items() if k not in _ENVELOPE and k != "account" and not k.startswith("x_")}
    fields = dict(told) if event.data.get("mode") == "replace" else {**held.fields, **told}
    fields["as_of"] = event.text("as_of") or event.data["at"]
    # The engine keeps these itself; what the first account event says of them begins them.
    for name, attribute in (("peak_equity", "peak"), ("day_start_equity", "day_start")):
        given = fields.pop(name, None)
        if given is not None and getattr(held, attribute) is None:
            setattr(held, attribute, _readable(given))
    given = fields.pop("net_flows_today", None)
    if given is not None and not held.fields:
        held.flows = _readable(given) or ZERO
    held.fields = fields
    equity = _money(held, "equity")
    if equity is not None:
        held.peak = equity if held.peak is None else max(held.peak, equity)
        if held.day_start is None and equity > 0:
            held.day_start = equity
    if held.day_ns is None:
        held.day_ns = now
    applied.sections.add("account")


def _readable(value: Any) -> Fraction | None:
    try:
        return number(value)
    except Unreadable:
        return None


def _on_cash(state: State, event: Event, account: str, now: int, applied: Applied) -> None:
    """Money came or went: equity and its high-water mark move with it, so that a deposit is no profit and a withdrawal no loss."""
    held, amount = state.account(account), event.number("amount")
    assert amount is not None
    transfers.confirm(held, event, applied)
    held.flows += amount
    if held.peak is not None:
        held.peak = max(ZERO, held.peak + amount)
    for name in ("equity", "available", "balance", "cash"):
        before = _money(held, name)
        if before is not None:
            held.fields = {**held.fields, name: plain(before + amount)}
    applied.sections.add("account")


def _on_session(state: State, event: Event, account: str, now: int, applied: Applied) -> None:
    held = state.account(account)
    if event.data["act"] == "day_start":
        _new_day(held)
        equity = _readable(event.data.get("equity")) if event.data.get("equity") is not None else None
        if equity is not None and equity > 0:
            held.day_start = equity
            held.fields.setdefault("equity", event.data["equity"])
            held.fields.setdefault("as_of", event.data["at"])
            held.peak = equity if held.peak is None else max(held.peak, equity)
        if event.data.get("balance") is not None:
            held.fields["day_start_balance"] = event.data["balance"]
    values = event.data.get("values")
    if isinstance(values, Mapping):
        state.session = {**state.session, **values}
    if event.data.get("phase") is not None:
        state.session = {**state.session, "phase": event.data["phase"]}
    applied.sections |= {"account", "session"}


# ── what the venue publishes ──────────────────────────────────────────────────────────────────────────


def _on_quote(state: State, event: Event, account: str, now: int, applied: Applied) -> None:
    key = event.text("venue") or "", event.data["symbol"]
    row = {k: v for k, v in event.data.items() if k not in _ENVELOPE and k not in ("venue", "symbol", "account") and not k.startswith("x_")}
    row["as_of"] = event.text("as_of") or event.text("venue_at") or event.data["at"]
    before = state.market.get(key)
    if before is not None and parse_instant(str(before["as_of"])) > parse_instant(row["as_of"]):
        applied.flag("older_quote", f"a quote of {key[1]} from {row['as_of']} came behind one from {before['as_of']}; the newer one stays")
        return
    state.set_quote(*key, row)
    applied.sections.add("market")


def _on_instrument(state: State, event: Event, account: str, now: int, applied: Applied) -> None:
    key = event.text("venue") or "", event.data["symbol"]
    told = {k: v for k, v in event.data.items() if k not in _ENVELOPE and k not in ("venue", "symbol", "account") and not k.startswith("x_")}
    state.set_instrument(*key, {**state.instruments.get(key, {}), **told})
    applied.sections.add("instrument")


def _on_row(table: str, key: str, section: str) -> Callable[[State, Event, str, int, Applied], None]:
    def fold(state: State, event: Event, account: str, now: int, applied: Applied) -> None:
        rows: dict[str, Any] = getattr(state, table)
        values = event.data.get("values", {"rate": event.data.get("rate")})
        # A new table, and not a row in the old one: whoever has laid out the old one goes by whether it is the same.
        setattr(state, table, {**rows, event.data[key]: {**rows.get(event.data[key], {}), **values, "as_of": event.data["at"]}})
        applied.sections.add(section)

    return fold


def _on_input(state: State, event: Event, account: str, now: int, applied: Applied) -> None:
    """Each row says when it was read; one that does not was read when the event came."""
    name, values, key = event.data["name"], event.data["values"], event.text("key")
    at = event.text("as_of") or event.data["at"]
    section = applied.schema.sections[name] if applied.schema is not None else None
    keyed = section is not None and key is None and (section.shape == "row" or (section.shape == "list" and section.key is not None))
    if keyed and isinstance(values, Mapping):
        values = {each: _dated(row, at) for each, row in values.items()}
    else:
        values = _dated(values, at)
    table = state.inputs.get(name) if key is not None else None
    state.inputs = {**state.inputs, name: values if key is None else {**(table if isinstance(table, dict) else {}), key: values}}
    applied.sections.add(name)


def _dated(row: Any, at: str) -> Any:
    if isinstance(row, list):
        return [_dated(each, at) for each in row]
    return {"as_of": at, **row} if isinstance(row, Mapping) else row


def _on_counters(state: State, event: Event, account: str, now: int, applied: Applied) -> None:
    state.counters = {**state.counters, **event.data["values"]}
    applied.sections.add("counter")


# ── positions ─────────────────────────────────────────────────────────────────────────────────────────


def _on_position(state: State, event: Event, account: str, now: int, applied: Applied) -> None:
    """A snapshot is compared with what the engine knew; an adjustment (a split, an assignment) is not.

    A snapshot that says when the venue counted is as of then: fills up to that time are in it, later ones that came first are
    added. One that does not say is as of now, and every fill that comes counts on top.
    """
    key = account, event.text("venue") or "", event.data["symbol"], event.text("position_side") or ""
    quantity, before = event.number("quantity"), state.positions.get(key)
    assert quantity is not None
    known = before.quantity if before is not None else ZERO
    counted = trades.said_ns(event) if event.data.get("mode", "snapshot") == "snapshot" else None
    if counted is not None:
        if counted < state.counted.get(key, counted):
            applied.flag("older_snapshot", f"{key[2]}: a newer snapshot of the position is known; this one is left aside", account=account, symbol=key[2])
            return
        state.counted[key] = counted
        quantity += trades.filled_since(state, key, counted)
    first = before is None and not any(past.row.get("symbol") == key[2] for past in state.past(account, "fills"))
    if event.data.get("mode", "snapshot") == "snapshot" and known != quantity and not first:
        applied.flag("position", f"{key[2]}: the venue holds {plain(quantity)}, the engine knew {plain(known)}; the venue's counts",
                     account=account, symbol=key[2], venue_holds=plain(quantity), engine_knew=plain(known))
    price = event.number("average_price")
    if price is None and before is not None and before.average_price is not None:
        ratio = event.number("ratio")
        price = before.average_price / ratio if ratio else before.average_price
    more = {**(before.more if before else {}), **{k: v for k, v in event.data.items() if k in trades.POSITION_FIELDS}}
    state.set_position(key, Position(quantity, price, now, more))
    applied.sections |= {"positions", "position"}
    if event.data.get("mode") == "adjust" and event.number("ratio") is not None:
        _unscaled(state, key, applied)


def _unscaled(state: State, key: Key, applied: Applied) -> None:
    """Whether the venue rescales, keeps or cancels orders at a split is for the venue to say: they stay as they are, and that is told."""
    names = [order.id for order in state.working.get(key[0], {}).get(key[2], {}).values()]
    if names:
        applied.flag("orders_unscaled", f"orders in {key[2]} stand at pre-split sizes until the venue says otherwise: {', '.join(names)}",
                     account=key[0], symbol=key[2], orders=names)


# ── histories ─────────────────────────────────────────────────────────────────────────────────────────


def _on_stop(state: State, event: Event, account: str, now: int, applied: Applied) -> None:
    remember(state, account, "stops", now, event)
    applied.sections.add("stops")


def _on_result(state: State, event: Event, account: str, now: int, applied: Applied) -> None:
    remember(state, account, "results", now, event)
    applied.sections.add("results")


def remember(state: State, account: str, section: str, now: int, event: Event) -> None:
    """Put the event into the history that windows read."""
    row = {k: v for k, v in event.data.items() if k not in ("type", "at", "venue_at", "x_")}
    order = state.find_order(event.text("order_id"), None, event.text("intent_id"))
    if row.get("strategy") is None and order is not None and order.strategy is not None:
        row["strategy"] = order.strategy
    state.past(account, section).append(Past(section, now, row))


def _on_history(state: State, event: Event, account: str, now: int, applied: Applied) -> None:
    """What had happened before the engine began, as the host attests it."""
    from caplex.runtime.layout import EVENT_TYPES

    held = state.account(account)
    start = parse_instant(event.data["complete_from"])
    held.complete_from_ns = start if held.complete_from_ns is None else min(start, held.complete_from_ns)
    for row in event.data.get("events") or ():
        section = EVENT_TYPES.get(str(row.get("type")))
        if section is None:
            applied.flag("history", f"no history is called {row.get('type')}; this event was left out")
            continue
        past = state.past(account, section)
        past.append(Past(section, parse_instant(row["at"]), {k: v for k, v in row.items() if k not in ("type", "at")}))
        applied.sections.add(section)
    for section, events in state.histories.get(account, {}).items():
        state.histories[account][section] = type(events)(sorted(events, key=lambda each: each.at_ns))


def _on_obligation(state: State, event: Event, account: str, now: int, applied: Applied) -> None:
    name = event.data["obligation_id"]
    if name not in state.obligations:
        applied.flag("obligation", f"no obligation {name} is pending")
    elif event.data["status"] == "done":
        del state.obligations[name]
    else:
        state.obligations[name] = {**state.obligations[name], "status": event.data["status"]}


def _on_tick(state: State, event: Event, account: str, now: int, applied: Applied) -> None:
    applied.sections.add("now")


_FOLDS: Final[dict[str, Callable[[State, Event, str, int, Applied], None]]] = {
    "account": _on_account, "cash": _on_cash, "session": _on_session, "quote": _on_quote, "instrument": _on_instrument,
    "strategy": _on_row("strategies", "strategy", "strategy"), "venue": _on_row("venues", "venue", "venue"), "fx": _on_row("fx", "pair", "fx"),
    "input": _on_input, "counters": _on_counters, "position": _on_position, "stop": _on_stop, "result": _on_result, "history": _on_history,
    "obligation": _on_obligation, "tick": _on_tick,
    "order": trades.on_order, "fill": trades.on_fill, "replace": trades.on_replace, "cancel": trades.on_cancel, "reject": trades.on_reject,
    "expire": trades.on_expire, "reconcile": on_reconcile, "release": trades.on_release,
}
FACTS: Final = frozenset(_FOLDS)
