"""The simulated broker by itself, and what the engine makes of one that lies or breaks."""
from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from run_streams import DESK, START, at, stream

import caplex
from caplex.runtime.brokers.chance import Chance
from caplex.runtime.brokers.protocol import BrokerRejected, BrokerUnknown
from caplex.runtime.brokers.sim import SimBroker
from caplex.runtime.stream import BrokerFailed, Stream

ORDER = {"account": "acct-1", "symbol": "AAPL", "side": "buy", "quantity": "10", "order_type": "market"}


def quote(second: int, price: str, **more: str) -> dict[str, Any]:
    return {"type": "quote", "at": at(second), "symbol": "AAPL", "price": price, **more}


def fills(broker: SimBroker) -> list[tuple[str, str]]:
    return [(event["quantity"], event["price"]) for _, event in broker.events(None) if event["type"] == "fill"]


def test_market_orders_fill_at_the_side_of_the_quote_that_they_meet():
    broker = SimBroker()
    broker.observe(quote(0, "100", bid="99", ask="101"))
    broker.place(ORDER, client_order_id="a")
    broker.place({**ORDER, "side": "sell"}, client_order_id="b")
    assert fills(broker) == [("10", "101"), ("10", "99")]


def test_limits_rest_until_a_quote_crosses_them():
    broker = SimBroker()
    broker.observe(quote(0, "100"))
    assert broker.place({**ORDER, "order_type": "limit", "limit_price": "95"}, client_order_id="a")["status"] == "open"
    broker.observe(quote(1, "96"))
    assert fills(broker) == []
    broker.observe(quote(2, "95"))
    assert fills(broker) == [("10", "95")]
    with pytest.raises(BrokerRejected, match="limit price"):
        broker.place({**ORDER, "order_type": "limit"}, client_order_id="b")


def test_where_nothing_rests_the_rest_expires():
    broker = SimBroker(rest=False)
    broker.observe(quote(0, "100"))
    broker.place({**ORDER, "order_type": "limit", "limit_price": "95"}, client_order_id="a")
    assert [event["type"] for _, event in broker.events(None)] == ["expire"]
    broker.observe(quote(1, "90"))
    assert fills(broker) == []


def test_pieces_add_up_and_reports_take_their_time():
    broker = SimBroker(3, fill="partial", delay_s="2.5")
    broker.observe(quote(0, "100"))
    broker.place(ORDER, client_order_id="a")
    assert fills(broker) == []
    for second in range(1, 60):
        broker.observe(quote(second, "100"))
    sizes = [Fraction(size) for size, _ in fills(broker)]
    assert len(sizes) > 1
    assert sum(sizes) == 10
    first = next(event for _, event in broker.events(None) if event["type"] == "fill")
    assert (first["venue_at"], first["at"]) == ("2026-01-05T15:00:00.000000Z", "2026-01-05T15:00:02.500000Z")


def test_placing_again_is_placing_once():
    broker = SimBroker()
    broker.observe(quote(0, "100"))
    first = broker.place(ORDER, client_order_id="a")
    assert broker.place(ORDER, client_order_id="a")["order_id"] == first["order_id"]
    assert len(fills(broker)) == 1
    assert broker.find("b") is None


def test_cancelling_ends_what_is_left():
    broker = SimBroker(fill="none")
    broker.observe(quote(0, "100"))
    placed = broker.place(ORDER, client_order_id="a")
    assert broker.cancel(placed["order_id"])["canceled_quantity"] == "10"
    with pytest.raises(BrokerRejected, match="over"):
        broker.cancel(placed["order_id"])
    with pytest.raises(BrokerRejected, match="knows no order"):
        broker.cancel("nothing")


def test_replacing_moves_the_order():
    broker = SimBroker()
    broker.observe(quote(0, "100"))
    placed = broker.place({**ORDER, "order_type": "limit", "limit_price": "95"}, client_order_id="a")
    told = broker.replace(placed["order_id"], {"quantity": "4", "limit_price": "100"}, client_order_id="b")
    assert (told["order_id"], told["quantity"]) == (placed["order_id"], "4")
    assert fills(broker) == [("4", "100")]


def test_of_the_lost_answers_some_orders_exist():
    broker = SimBroker(1, unknown_rate=1)
    broker.observe(quote(0, "100"))
    for number in range(20):
        with pytest.raises(BrokerUnknown):
            broker.place(ORDER, client_order_id=str(number))
    there = [broker.find(str(number)) is not None for number in range(20)]
    assert {True, False} == set(there)


def test_chance_depends_on_the_seed_and_the_name_alone():
    one, two = Chance(1), Chance(2)
    assert one.share("a", 1) == Chance("1").share("a", 1) != two.share("a", 1)
    assert all(0 <= one.share(number) < 1 for number in range(200))
    assert 30 < sum(one.happens(Fraction(1, 4), number) for number in range(200)) < 70


def test_an_unknown_lie_is_no_lie():
    with pytest.raises(ValueError, match="greed"):
        SimBroker(lies={"greed": 1})


def test_a_snapshot_tells_what_is_held_and_open():
    broker = SimBroker()
    broker.observe(quote(0, "100"))
    broker.place(ORDER, client_order_id="a")
    broker.place({**ORDER, "order_type": "limit", "limit_price": "95"}, client_order_id="b")
    found = broker.snapshot()
    assert [(row["symbol"], row["quantity"]) for row in found.positions] == [("AAPL", "10")]
    assert [row["client_order_id"] for row in found.orders] == ["b"]
    wrong = SimBroker(lies={"wrong_snapshot": 1})
    wrong.observe({"type": "position", "at": at(0), "account": "acct-1", "symbol": "AAPL", "quantity": "5"})
    assert wrong.snapshot().positions[0]["quantity"] == "6"


# ── in the loop ───────────────────────────────────────────────────────────────────────────────────────


def ran(broker: SimBroker, events: list[dict[str, Any]]) -> tuple[Stream, list[tuple[str, Any]]]:
    told: list[tuple[str, Any]] = []
    engine = caplex.Engine(caplex.loads(DESK, name="desk.cap"))
    running = Stream(engine, broker, tell=lambda kind, said: told.append((kind, said)))
    for event in events:
        running.take(event)
    running.finish()
    return running, told


@pytest.mark.parametrize(("lie", "problem"), [("overfill", "overfill"), ("unknown_order", "unknown_order"), ("fill_after_cancel", "late_fill")])
def test_what_a_liar_says_counts_and_is_flagged(lie, problem):
    running, told = ran(SimBroker(4, fill="partial", lies={lie: 1}), stream(6, 80, crash_at=40))
    assert problem in {said["problem"] for kind, said in told if kind == "discrepancy"}
    held = {row["symbol"]: row["quantity"] for row in running.tally.to_dict(running.engine, None)["positions"]}
    assert isinstance(running.broker, SimBroker)
    assert {row["symbol"]: row["quantity"] for row in running.broker.snapshot().positions} == held


def test_an_order_whose_answer_was_lost_is_alive_until_the_venue_is_asked():
    intent = {"type": "intent", "id": "i-1", "at": at(1), "account": "acct-1", "symbol": "AAPL", "side": "buy", "action": "open", "quantity": "50",
              "order_type": "market"}
    for seed in range(20):
        broker = SimBroker(seed, unknown_rate=1)
        running, told = ran(broker, [*START, quote(0, "100"), intent, {"type": "tick", "at": at(3)}])
        if broker.find("i-1") is None:
            break
    events = [said["event"] for kind, said in told if kind == "execution"]
    assert events == ["ORDER_UNKNOWN", "ORDER_REJECTED"]
    assert running.engine.reservations == ()


def test_a_broker_that_breaks_is_told_after_it_was_written_down(tmp_path):
    class Broken(SimBroker):
        def place(self, order: Any, *, client_order_id: str) -> Any:
            raise ConnectionError("gone")

    intent = {"type": "intent", "id": "i-1", "at": at(1), "account": "acct-1", "symbol": "AAPL", "side": "buy", "action": "open", "quantity": "50",
              "order_type": "market"}
    engine = caplex.Engine(caplex.loads(DESK, name="desk.cap"), tmp_path / "j")
    running = Stream(engine, Broken())
    for event in [*START, quote(0, "100")]:
        running.take(event)
    with pytest.raises(BrokerFailed, match="i-1"):
        running.take(intent)
    engine.close()
    text = (tmp_path / "j").read_text(encoding="utf-8")
    assert text.index('"kind":"decision"') < text.index('"status":"sent"') < text.index('"status":"unknown"')
    assert "ConnectionError: gone" in text
    assert [each.state for each in caplex.Engine(caplex.loads(DESK, name="desk.cap"), tmp_path / "j").reservations] == ["unknown"]


def test_the_decision_is_written_before_the_broker_is_called(tmp_path):
    journal = tmp_path / "j"

    class Looking(SimBroker):
        seen: list[str] = []

        def place(self, order: Any, *, client_order_id: str) -> Any:
            self.seen.append(journal.read_text(encoding="utf-8").splitlines()[-2:][0])
            return super().place(order, client_order_id=client_order_id)

    with caplex.Engine(caplex.loads(DESK, name="desk.cap"), journal) as engine:
        running = Stream(engine, Looking())
        for event in stream(3, 30):
            running.take(event)
    assert Looking.seen
    for line in Looking.seen:
        assert '"kind":"decision"' in line or '"status":"sent"' in line


@pytest.mark.parametrize("seed", range(6))
def test_no_limit_is_exceeded_however_reports_come(seed):
    """At the prices of the last decision, whatever is filled late, twice or in pieces."""
    broker = SimBroker(seed, fill="partial", delay_s="4", late_rate="0.3", duplicate_rate="0.3", unknown_rate="0.2", reject_rate="0.1")
    engine = caplex.Engine(caplex.loads(DESK.replace("deny beyond 4 orders", "deny beyond 400 orders"), name="desk.cap"))
    running = Stream(engine, broker)
    prices = {}
    for event in stream(100 + seed, 150):
        if event["type"] == "quote":
            event = {**event, "price": "100"}
            prices[event["symbol"]] = 100
        running.take(event)
        for row in running.tally.to_dict(engine, None)["positions"]:
            assert abs(Fraction(row["quantity"])) * 100 <= 10_000, (seed, event)
    assert running.tally.orders["ORDER_FILLED"] > 5


# ── the engine beside the venue ───────────────────────────────────────────────────────────────────────


def test_after_a_stream_the_books_fit_the_venues():
    broker = SimBroker(11, fill="partial")
    engine = ran(broker, stream(11, 60))[0].engine
    assert engine.reservations
    assert engine.reconcile(broker.snapshot()) == []
    assert engine.health.unreconciled == {}


def test_books_that_do_not_fit_leave_closing_alone_until_the_venues_are_adopted():
    broker = SimBroker(11, lies={"wrong_snapshot": 1})
    engine = ran(broker, stream(11, 60))[0].engine
    found = engine.reconcile(broker.snapshot())
    assert {each.problem for each in found} == {"position"}
    asked = {"id": "i-after", "at": at(4000), "account": "acct-1", "symbol": "KO", "side": "buy", "action": "open", "quantity": "1", "order_type": "market"}
    engine.apply({**quote(4000, "100"), "symbol": "KO"})
    assert "SYS-014" in [reason.rule for reason in engine.peek(asked).reasons]
    engine.reconcile(broker.snapshot(), adopt=True)
    assert "SYS-014" not in [reason.rule for reason in engine.peek(asked).reasons]
