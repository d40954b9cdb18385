"""What the exchange answers, and what it is worth: verification, pauses after a failure, forced cancels."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bench import Bench, Recording, closing, opening, short

from caplex.runtime.actuator import BrokerExchange
from caplex.runtime.brokers.protocol import BrokerRejected, BrokerUnknown
from caplex.runtime.brokers.sim import SimBroker


def raising(error: Exception) -> Callable[[Any], Any]:
    def answer(acknowledgement: Any) -> Any:
        raise error
    return answer


LIES: list[tuple[str, Callable[[Any], Any], str]] = [
    ("refuses", raising(BrokerRejected("no_margin")), "EXCHANGE_REJECTED"),
    ("says rejected", lambda a: {**a, "status": "rejected", "message": "no"}, "EXCHANGE_REJECTED"),
    ("does not answer", raising(BrokerUnknown()), "EXCHANGE_TIMEOUT"),
    ("times out", raising(TimeoutError()), "EXCHANGE_TIMEOUT"),
    ("breaks", raising(ValueError("boom")), "EXCHANGE_ERROR"),
    ("says nothing", lambda a: None, "EXCHANGE_AMBIGUOUS"),
    ("is not sure", lambda a: {**a, "status": "unknown"}, "EXCHANGE_AMBIGUOUS"),
    ("has only taken note", lambda a: {**a, "status": "sent"}, "EXCHANGE_AMBIGUOUS"),
    ("does not say of what", lambda a: {"status": "open"}, "EXCHANGE_AMBIGUOUS"),
    ("means another order", lambda a: {**a, "client_order_id": "z"}, "EXCHANGE_MISMATCH"),
    ("means another symbol", lambda a: {**a, "symbol": "ETH"}, "EXCHANGE_MISMATCH"),
    ("means the other side", lambda a: {**a, "side": "sell"}, "EXCHANGE_MISMATCH"),
    ("has another size", lambda a: {**a, "quantity": "1.5"}, "EXCHANGE_MISMATCH"),
    ("has filled too much", lambda a: {**a, "filled_quantity": "1.01"}, "EXCHANGE_MISMATCH"),
    ("has filled a riddle", lambda a: {**a, "filled_quantity": "nan"}, "EXCHANGE_MISMATCH"),
]


@pytest.mark.parametrize(("answer", "code"), [each[1:] for each in LIES], ids=[each[0] for each in LIES])
def test_what_is_no_acknowledgement_fails_safe(tmp_path: Path, answer: Callable[[Any], Any], code: str) -> None:
    bench = Bench(tmp_path / "x.journal", Recording(answer))
    result = bench.do(opening())
    assert short(result) == ("FAILED_SAFE", code)
    assert result.exchange_response is not None
    assert len(bench.exchange.calls) == 1
    # A refusal frees the room; anything else may be alive, and keeps it.
    rooms = [(room.intent_id, room.state) for room in bench.engine.reservations]
    assert rooms == ([] if code == "EXCHANGE_REJECTED" else [("a-1", "unknown")])


def test_an_acknowledgement_in_other_digits_is_one(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "x.journal", Recording(lambda a: {**a, "quantity": "1.000", "filled_quantity": "0.0"}))
    assert short(bench.do(opening())) == ("SUCCESS", "OK")


@pytest.mark.parametrize("answer", [lambda a: {**a, "status": "open"}, lambda a: {}, lambda a: {**a, "client_order_id": "z"}])
def test_a_cancel_is_verified_too(tmp_path: Path, answer: Any) -> None:
    bench = Bench(tmp_path / "x.journal", Recording(answer))
    assert bench.do({"action_id": "k", "kind": "cancel"}).result == "FAILED_SAFE"


def test_what_a_cancel_took_back_is_told(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "x.journal")
    bench.do(opening())
    bench.exchange.answer = lambda a: {**a, "cancelled": [{"type": "cancel", "id": "v-c", "at": bench.at, "order_id": "v-1", "account": "a"}]}
    assert bench.later(5).do({"action_id": "k", "kind": "cancel"}).result == "SUCCESS"
    assert list(bench.engine.reservations) == []


class TestPauses:
    def test_between_actions(self, tmp_path: Path) -> None:
        bench = Bench(tmp_path / "x.journal")
        assert bench.do(opening("a-1")).result == "SUCCESS"
        assert short(bench.do(opening("a-2"))) == ("FAILED_SAFE", "MIN_GAP")
        assert bench.later(1).do(opening("a-3")).result == "SUCCESS"

    def test_after_a_failure_closing_too(self, tmp_path: Path) -> None:
        bench = Bench(tmp_path / "x.journal", Recording(lambda a: None)).hold("5")
        bench.do(opening("a-1"))
        bench.exchange.answer = lambda a: a
        assert short(bench.later(30).do(opening("a-2"))) == ("FAILED_SAFE", "FAILED_SAFE_COOLDOWN")
        assert short(bench.later(29).do(closing("a-3", "1"))) == ("FAILED_SAFE", "FAILED_SAFE_COOLDOWN")
        # What the pause itself refuses does not prolong it: sixty seconds after the failure it is over.
        assert bench.later(1).do(opening("a-4")).result == "SUCCESS"
        assert len(bench.exchange.calls) == 2

    def test_a_failure_asks_for_a_fresh_authorisation(self, tmp_path: Path) -> None:
        bench = Bench(tmp_path / "x.journal", Recording(lambda a: None))
        before = bench.at
        bench.later(1).do(opening("a-1"), authorised_at=before)
        bench.exchange.answer = lambda a: a
        assert short(bench.later(61).do(opening("a-2"), authorised_at=before)) == ("NOOP", "STALE_AUTHORISATION")
        assert short(bench.do({"action_id": "k", "kind": "cancel"}, authorised_at=before)) == ("SUCCESS", "OK")
        assert short(bench.later(2).do(opening("a-3"), authorised_at=bench.at)) == ("SUCCESS", "OK")

    def test_a_cancel_does_not_wait(self, tmp_path: Path) -> None:
        bench = Bench(tmp_path / "x.journal", Recording(lambda a: None))
        bench.do(opening("a-1"))
        bench.exchange.answer = lambda a: a
        assert bench.do({"action_id": "k", "kind": "cancel"}).result == "SUCCESS"

    def test_actions_in_a_minute(self, tmp_path: Path) -> None:
        bench = Bench(tmp_path / "x.journal")
        results = [bench.later(2).do(opening(f"a-{number}", "0.01")).result for number in range(11)]
        assert results == 10 * ["SUCCESS"] + ["FAILED_SAFE"]


class TestForcedCancel:
    @pytest.mark.parametrize(("choice", "verbs"), [("never", ["place"]), ("reached", ["place", "cancel"]), ("always", ["place", "cancel"])])
    def test_after_a_failure_at_the_exchange(self, tmp_path: Path, choice: Any, verbs: list[str]) -> None:
        bench = Bench(tmp_path / "x.journal", cancel_after=choice)
        bench.exchange.answer = lambda a: a if a["status"] == "cancelled" else None
        result = bench.do(opening())
        assert result.result == "FAILED_SAFE"
        assert [verb for verb, _, _ in bench.exchange.calls] == verbs
        assert (result.followed_by and result.followed_by.result) == (None if choice == "never" else "SUCCESS")

    @pytest.mark.parametrize(("choice", "verbs"), [("reached", []), ("always", ["cancel"])])
    def test_after_a_failure_at_a_gate(self, tmp_path: Path, choice: Any, verbs: list[str]) -> None:
        bench = Bench(tmp_path / "x.journal", cancel_after=choice)
        assert bench.do(opening(quantity="11")).result == "FAILED_SAFE"
        assert [verb for verb, _, _ in bench.exchange.calls] == verbs

    def test_its_own_failure_forces_nothing(self, tmp_path: Path) -> None:
        bench = Bench(tmp_path / "x.journal", Recording(lambda a: None), cancel_after="always")
        result = bench.do(opening())
        assert result.followed_by is not None
        assert (result.followed_by.result, result.followed_by.followed_by) == ("FAILED_SAFE", None)
        assert len(bench.exchange.calls) == 2


    def test_nor_does_the_failure_of_a_cancel_that_was_asked_for(self, tmp_path: Path) -> None:
        bench = Bench(tmp_path / "x.journal", Recording(lambda a: None), cancel_after="always")
        assert bench.do({"action_id": "k", "kind": "cancel"}).followed_by is None
        assert len(bench.exchange.calls) == 1


class TestABroker:
    """The simulated venue is an exchange as well."""

    @staticmethod
    def bench(tmp_path: Path, **options: Any) -> tuple[Bench, SimBroker]:
        broker = SimBroker(1, fill="none", **options)
        bench = Bench(tmp_path / "x.journal", BrokerExchange(broker))  # type: ignore[arg-type]
        broker.observe({"type": "quote", "at": bench.at, "symbol": "BTC", "price": "1000"})
        return bench, broker

    def test_it_places_and_cancels(self, tmp_path: Path) -> None:
        bench, broker = self.bench(tmp_path)
        assert short(bench.do(opening())) == ("SUCCESS", "OK")
        assert len(broker.snapshot().orders) == 1
        assert short(bench.later(2).do({"action_id": "k", "kind": "cancel", "symbol": "BTC"})) == ("SUCCESS", "OK")
        assert list(broker.snapshot().orders) == []
        assert list(bench.engine.reservations) == []

    def test_it_refuses(self, tmp_path: Path) -> None:
        bench, _ = self.bench(tmp_path, reject_rate=1)
        assert short(bench.do(opening())) == ("FAILED_SAFE", "EXCHANGE_REJECTED")

    def test_it_says_what_it_took_back_and_what_not(self, tmp_path: Path) -> None:
        bench, broker = self.bench(tmp_path)
        for number in range(3):
            bench.later(2).do(opening(f"a-{number}"))
        cancel, lost = broker.cancel, iter([False, True, False])

        def sometimes(order_id: str) -> Any:
            if next(lost):
                raise BrokerUnknown
            return cancel(order_id)

        broker.cancel = sometimes  # type: ignore[method-assign]
        assert short(bench.later(2).do({"action_id": "k", "kind": "cancel"})) == ("FAILED_SAFE", "EXCHANGE_AMBIGUOUS")
        assert [room.intent_id for room in bench.engine.reservations] == ["a-1"]

    def test_a_cancel_that_came_too_late_settles_nothing(self, tmp_path: Path) -> None:
        bench, _ = self.bench(tmp_path, cancel_reject_rate=1)
        bench.do(opening())
        assert short(bench.later(2).do({"action_id": "k", "kind": "cancel"})) == ("FAILED_SAFE", "EXCHANGE_AMBIGUOUS")
