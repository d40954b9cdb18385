"""Events that cannot be taken: a sentence that names the place, and no trace; whatever is taken never fails afterwards."""
from __future__ import annotations

import json
from copy import deepcopy
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from caplex.runtime.document import read_json
from caplex.runtime.engine.events import OPTIONAL, REQUIRED
from caplex.runtime.errors import EventError
from engine.support import START, Desk, policy, problems, verdict

ROOM = 'limit EXP-010 "Position" { abs(after.position.notional) at most 1_000 USD else reduce }'
AT = {"at": START}
BAD = {
    "no object": ([1], "an event is an object, not a list"),
    "no type": ({**AT}, "/type is missing"),
    "unknown type": ({"type": "fil", **AT}, "no event is called fil; did you mean `fill`?"),
    "type is no text": ({"type": 3, **AT}, "/type: no event is called 3"),
    "time is none": ({"type": "tick", "at": "noon"}, "tick: /at is noon"),
    "time without zone": ({"type": "tick", "at": "2026-01-05T15:00:00"}, "a zone"),
    "time is a number": ({"type": "tick", "at": 5}, "tick: /at is 5"),
    "field missing": ({"type": "fill", "id": "f", "side": "buy", "quantity": "1", "price": "1", **AT}, "fill: /symbol is missing"),
    "field null": ({"type": "cash", "id": "c", "account": None, "amount": "1", "currency": "USD", **AT}, "cash: /account is missing"),
    "unknown field": ({"type": "cancel", "ordr_id": "o", **AT}, "/ordr_id is unknown; did you mean /order_id?"),
    "unknown status": ({"type": "order", "order_id": "o", "status": "opened", **AT}, "/status is opened; did you mean `open`?"),
    "side": ({"type": "fill", "id": "f", "symbol": "X", "side": "long", "quantity": "1", "price": "1", **AT}, "/side is long; one of buy, sell"),
    "quantity is no number": ({"type": "position", "symbol": "X", "quantity": "many", **AT}, "/quantity is many"),
    "quantity is a bool": ({"type": "position", "symbol": "X", "quantity": True, **AT}, "/quantity is true"),
    "not finite": ({"type": "position", "symbol": "X", "quantity": float("nan"), **AT}, "/quantity is"),
    "thousands": ({"type": "cash", "id": "c", "account": "a", "amount": "1,000", "currency": "USD", **AT}, "/amount is 1,000"),
    "fill of nothing": ({"type": "fill", "id": "f", "symbol": "X", "side": "buy", "quantity": "0", "price": "1", **AT}, "above 0 is wanted"),
    "fill of less": ({"type": "fill", "id": "f", "symbol": "X", "side": "buy", "quantity": "-1", "price": "1", **AT}, "above 0 is wanted"),
    "negative order": ({"type": "order", "order_id": "o", "status": "open", "quantity": "-5", **AT}, "order: /quantity is -5; 0 or more"),
    "negative cancel": ({"type": "cancel", "order_id": "o", "canceled_quantity": "-5", **AT}, "/canceled_quantity is -5; 0 or more"),
    "values are a list": ({"type": "venue", "venue": "v", "values": [1], **AT}, "venue: /values is a list; an object"),
    "counters are a list": ({"type": "counters", "values": ["a"], **AT}, "counters: /values is a list; an object"),
    "session values": ({"type": "session", "account": "a", "act": "phase", "values": [1], **AT}, "session: /values is a list"),
    "history without time": ({"type": "history", "account": "a", "complete_from": START, "events": [{"type": "fill"}], **AT}, "/events/0/at is missing"),
    "history of texts": ({"type": "history", "account": "a", "complete_from": START, "events": ["x"], **AT}, "/events/0 is x; an object"),
    "history at noon": ({"type": "history", "account": "a", "complete_from": START, "events": [{"type": "fill", "at": "noon"}], **AT}, "/events/0/at is noon"),
    "complete from": ({"type": "history", "account": "a", "complete_from": "long ago", **AT}, "/complete_from is long ago"),
    "reconcile with a text": ({"type": "reconcile", "account": "a", "positions": "none", **AT}, "/positions is none; a list"),
    "reconcile nameless": ({"type": "reconcile", "account": "a", "positions": [{"quantity": "1"}], **AT}, "/positions/0/symbol is missing"),
    "reconcile countless": ({"type": "reconcile", "account": "a", "positions": [{"symbol": "X"}], **AT}, "/positions/0/quantity is"),
    "reconcile order": ({"type": "reconcile", "account": "a", "orders": [{"id": "o"}], **AT}, "/orders/0/leaves_quantity is"),
    "policy as an event": ({"type": "policy", "act": "activate", **AT}, "activate"),
    "unknown input": ({"type": "input", "name": "regime", "values": {}, **AT}, "input: /name is `regime`"),
    "unknown account field": ({"type": "account", "account": "a", "equty": "1", **AT}, "account: /equty is unknown; did you mean /equity?"),
    "unknown quote field": ({"type": "quote", "symbol": "X", "pric": "1", **AT}, "quote: /pric is unknown; did you mean /price?"),
    "quote at noon": ({"type": "quote", "symbol": "X", "price": "1", "venue_at": "noon", **AT}, "/venue_at is noon"),
    "nested too deeply": ({"type": "tick", "tags": json.loads("[" * 40 + "]" * 40), **AT}, "nested too deeply"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_malformed_event_leaves_a_sentence_and_nothing_else(name: str, tmp_path: Path) -> None:
    desk = Desk(policy(ROOM), tmp_path / "j")
    before, size = desk.engine.digest, (tmp_path / "j").stat().st_size
    event, sentence = BAD[name]
    with pytest.raises(EventError) as caught:
        desk.engine.apply(event)  # type: ignore[arg-type]
    assert sentence in str(caught.value)
    assert "Traceback" not in str(caught.value)
    assert (desk.engine.digest, (tmp_path / "j").stat().st_size) == (before, size)


@pytest.mark.parametrize(("given", "sentence"), [
    (None, "an intent is an object"), ([], "an intent is an object"), ({"type": "fill", "id": "i"}, "a fill is applied"),
    ({"at": START}, "/id is"), ({"id": "", **AT}, "/id is"), ({"id": "a b", **AT}, "letters, digits"), ({"id": "i" * 37, **AT}, "at most 36"),
    ({"id": "i", "at": "noon"}, "/at is noon"), ({"id": "i", "symbol": "", **AT}, "/symbol"),
])
def test_an_intent_without_identity_or_time_is_no_intent(given: Any, sentence: str) -> None:
    desk = Desk(policy(ROOM))
    before = desk.engine.digest
    with pytest.raises(EventError) as caught:
        desk.engine.submit(given)
    assert sentence in str(caught.value)
    assert desk.engine.digest == before


def test_a_key_that_stands_twice_is_refused_and_not_chosen_from(tmp_path: Path) -> None:
    desk = Desk(policy(ROOM))
    given = read_json(b'{"id": "i-1", "at": "2026-01-05T15:00:00Z", "quantity": "1", "quantity": "100"}', "x")
    with pytest.raises(EventError, match="/quantity stands there twice"):
        desk.engine.submit(given)


def test_an_intent_that_says_nonsense_is_denied_by_name() -> None:
    desk = Desk(policy(ROOM))
    desk.quote("X", "10")
    for change, path in (({"quantity": "many"}, "quantity"), ({"quantity": "-5"}, "quantity"), ({"quantty": "5"}, "quantty"), ({"side": "long"}, "side")):
        decision = desk.engine.submit({**desk.intent("buy", "5", id=f"i-{path}-{len(str(change))}"), **change})
        assert (decision.verdict.value, str(decision.decided_by)[:4]) == ("DENY", "SYS-"), change
    assert desk.rooms() == []


@pytest.mark.parametrize("at", ["2026-01-05 15:00:01Z", "2026-01-05t15:00:01z", "2026-01-05T10:00:01-05:00", "2026-01-05T15:00:01.000000000000Z"])
def test_every_form_of_a_time_can_be_written_down(at: str, tmp_path: Path) -> None:
    desk = Desk(policy(ROOM), tmp_path / "j")
    desk.quote("X", "10")
    assert verdict(desk.submit("buy", "5", at=at)) == ("ALLOW", "5", None)
    desk.engine.apply({"type": "tick", "at": at})
    before = desk.engine.digest
    assert desk.restart().engine.digest == before


def test_a_negative_price_is_a_price() -> None:
    """Oil had one. It is applied; a policy that wants prices above 0 finds it unusable."""
    desk = Desk(policy(ROOM))
    desk.quote("X", "-10")
    assert problems(desk.fill("buy", "5", price="-10")) == ["unknown_order"]
    assert desk.position() == "5"
    assert verdict(desk.submit("buy", "5"))[0] == "DENY"


# ── whatever is taken is taken for good ───────────────────────────────────────────────────────────────

JUNK: tuple[Any, ...] = (None, "", "x", "5", "-5", "0", 7, True, [], ["x"], [{}], {}, {"x": 1}, {"switch": "KILL-010"}, START, float("inf"), Decimal("1e3"), "1/3", "NaN")
TAKEN: list[dict[str, Any]] = [
    {"type": "quote", "symbol": "X", "price": "10"}, {"type": "account", "account": "a", "equity": "100"},
    {"type": "cash", "account": "a", "amount": "5", "currency": "USD"}, {"type": "session", "account": "a", "act": "day_start", "equity": "100"},
    {"type": "instrument", "symbol": "X", "lot": "1"}, {"type": "position", "account": "a", "symbol": "X", "quantity": "5", "ratio": "2"},
    {"type": "strategy", "strategy": "s", "values": {"open_trades": 1}}, {"type": "venue", "venue": "v", "values": {"status": "up"}},
    {"type": "fx", "pair": "EURUSD", "rate": "1.1"}, {"type": "counters", "values": {"n": 1}}, {"type": "stop", "symbol": "X", "account": "a"},
    {"type": "order", "order_id": "o-1", "symbol": "X", "side": "buy", "status": "open", "quantity": "5", "account": "a"},
    {"type": "fill", "symbol": "X", "side": "buy", "quantity": "1", "price": "10", "order_id": "o-1", "account": "a"},
    {"type": "fill", "corrects": "f-1", "symbol": "X", "side": "buy", "quantity": "0", "price": "10", "account": "a"},
    {"type": "replace", "order_id": "o-1", "new_order_id": "o-2", "quantity": "5"}, {"type": "cancel", "order_id": "o-1"},
    {"type": "reject", "order_id": "o-1"}, {"type": "expire", "order_id": "o-1", "leaves_quantity": "3"}, {"type": "result", "result": "win", "account": "a"},
    {"type": "history", "account": "a", "complete_from": START, "events": [{"type": "fill", "at": START}]},
    {"type": "obligation", "obligation_id": "ob-1-1", "status": "done"}, {"type": "decline", "hold_id": "h-1"}, {"type": "release", "intent_id": "i-1"},
    {"type": "reconcile", "account": "a", "positions": [{"symbol": "X", "quantity": "1"}], "orders": [{"id": "o-1", "leaves_quantity": "1"}], "adopt": True},
    {"type": "operator", "act": "trip", "target": {"switch": "KILL-010"}, "by": "risk-1"}, {"type": "operator", "act": "rearm", "target": {"switch": "KILL-010"}, "by": "risk-1"},
    {"type": "operator", "act": "approve", "target": {"request_id": "e-1"}, "by": "risk-2"}, {"type": "operator", "act": "reconcile", "target": {"account": "a"}, "by": "risk-2"},
    {"type": "tick"},
]
LIVELY = ROOM + """
rule EXP-020 "Large" { hold when intent.quantity > 50 units for approval by role "r" within 1h }
throttle EXEC-010 "Rate" { deny beyond 3 orders in any 1min for each strategy }
kill switch KILL-010 "Stop" for account {
  trip when account.equity < 50% of account.peak_equity
  while tripped deny opening
  on trip cancel opening orders, flatten, notify "desk"
  rearm by 2 of "r" and when (account.equity > 60% of account.peak_equity)
  on rearm rebase account.peak_equity to account.equity
}"""


def junked(rng: Random, event: dict[str, Any]) -> dict[str, Any]:
    """*event* with one or two fields of it, or of its kind, replaced by something else."""
    found = deepcopy(event)
    names = [*found, *REQUIRED[event["type"]], *(OPTIONAL[event["type"]] or ("equity", "price", "lot", "as_of", "mode"))]
    for _ in range(rng.choice((0, 1, 1, 1, 2))):
        name = rng.choice([name for name in names if name != "type"])
        found[name] = deepcopy(rng.choice(JUNK))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_an_event_is_refused_at_the_door_or_taken_and_taken_again(seed: int, tmp_path: Path) -> None:
    """What was written down must never fail to be folded: the journal could not be opened any more."""
    rng = Random(seed)
    desk = Desk(policy(LIVELY), tmp_path / "j", durability="os")
    desk.quote("X", "10")
    refused = taken = 0
    for number in range(250):
        desk.later(rng.choice((0, 0, 1, 20)))
        event = {"id": f"n-{number}", "at": desk.at, **rng.choice(TAKEN)}
        if rng.random() < 0.2:
            desk.submit(rng.choice(("buy", "sell")), rng.choice(("5", "60", "x")), id=f"i-{number}")
        before = desk.engine.digest
        given = junked(rng, event)
        try:
            desk.engine.apply(given)
        except EventError:
            refused += 1
        else:
            taken, before = taken + 1, desk.engine.digest
        assert desk.engine.digest == before, (seed, number, given)
    assert min(refused - 40, taken - 60) > 0, (seed, refused, taken)
    digest = desk.engine.digest
    assert desk.restart().engine.digest == digest, seed
