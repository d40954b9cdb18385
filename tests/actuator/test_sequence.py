"""The strict sequence: the first gate that stops decides, and only what passed them all reaches the exchange, once."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from bench import Bench, Recording, closing, opening, short

from caplex.runtime.actuator import Actuator, EngineDesk
from caplex.runtime.errors import JournalError


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "x.journal")


class TestTheFiveActions:
    def test_open(self, bench: Bench) -> None:
        result = bench.do(opening(order_type="limit", limit_price="999.9", direction="short"))
        assert short(result) == ("SUCCESS", "OK")
        [(verb, order, name)] = bench.exchange.calls
        assert (verb, name) == ("place", "a-1")
        assert order == {"client_order_id": "a-1", "symbol": "BTC", "side": "sell", "quantity": "1", "order_type": "limit", "limit_price": "999.9",
                         "time_in_force": "gtc"}

    @pytest.mark.parametrize(("held", "asked", "side", "sent"), [("2", None, "sell", "2"), ("-2", None, "buy", "2"), ("2", "0.5", "sell", "0.5")])
    def test_close(self, bench: Bench, held: str, asked: Any, side: str, sent: str) -> None:
        assert short(bench.hold(held).do(closing(quantity=asked))) == ("SUCCESS", "OK")
        [(_, order, _)] = bench.exchange.calls
        assert (order["side"], order["quantity"], order["reduce_only"]) == (side, sent, True)

    @pytest.mark.parametrize(("delta", "side"), [("0.25", "buy"), ("-0.25", "sell")])
    def test_adjust(self, bench: Bench, delta: str, side: str) -> None:
        assert short(bench.do({"action_id": "d", "kind": "adjust", "symbol": "BTC", "delta": delta})) == ("SUCCESS", "OK")
        [(_, order, _)] = bench.exchange.calls
        assert (order["side"], order["quantity"]) == (side, "0.25")

    @pytest.mark.parametrize("symbol", ["BTC", None])
    def test_cancel(self, bench: Bench, symbol: Any) -> None:
        assert short(bench.do({"action_id": "k", "kind": "cancel", "symbol": symbol})) == ("SUCCESS", "OK")
        assert bench.exchange.calls == [("cancel", symbol, "k")]

    def test_noop_reaches_nobody_and_always_succeeds(self, bench: Bench) -> None:
        bench.apply("input", name="counted", values={"actions": "not a number"})
        assert short(bench.do({"action_id": "n", "kind": "noop"})) == ("SUCCESS", "OK")
        assert bench.exchange.calls == []


class TestTheFirstThatStopsDecides:
    """Each action breaks its own gate and every later one."""

    def test_authorisation_before_form(self, bench: Bench) -> None:
        assert short(bench.do(opening(quantity="nan"), code="REJECTED_ACTION")) == ("NOOP", "NOT_AUTHORIZED")

    def test_nothing_authorised_is_no_action(self, bench: Bench) -> None:
        assert short(bench.do(None, code="NO_ACTION")) == ("NOOP", "NOT_AUTHORIZED")

    def test_form_before_gates(self, bench: Bench) -> None:
        assert short(bench.do(opening(quantity="1000.005", time_in_force="fok"))) == ("REJECTED", "BAD_TIME_IN_FORCE")

    def test_gates_before_constraints(self, bench: Bench) -> None:
        assert short(bench.do(opening(quantity="10.005"))) == ("FAILED_SAFE", "MAX_POSITION")

    def test_constraints_before_the_call(self, bench: Bench) -> None:
        assert short(bench.do(opening(quantity="1.005"))) == ("FAILED_SAFE", "STEP")

    def test_steps_tell_how_far_it_came(self, bench: Bench) -> None:
        assert bench.do(opening(quantity="-1")).steps == ("form",)
        assert bench.do(opening(quantity="11")).steps == ("form", "gates")
        assert bench.do(opening("a-2")).steps == ("form", "gates", "sent", "verified")

    @pytest.mark.parametrize(("change", "code"), [
        ({"action_id": ""}, "NO_ACTION_ID"), ({"action_id": None}, "NO_ACTION_ID"), ({"action_id": 7}, "NO_ACTION_ID"), ({"kind": "explode"}, "UNKNOWN_ACTION"),
        ({"kind": None}, "UNKNOWN_ACTION"), ({"symbol": ""}, "NO_SYMBOL"), ({"symbol": None}, "NO_SYMBOL"), ({"direction": "UP"}, "BAD_SIDE"),
        ({"quantity": "0"}, "BAD_QUANTITY"), ({"quantity": None}, "BAD_QUANTITY"), ({"quantity": "inf"}, "BAD_QUANTITY"), ({"quantity": True}, "BAD_QUANTITY"),
        ({"order_type": "stop"}, "BAD_ORDER_TYPE"), ({"order_type": "limit"}, "BAD_LIMIT_PRICE"), ({"limit_price": "5"}, "BAD_LIMIT_PRICE"),
        ({"order_type": "limit", "limit_price": "-100"}, "BAD_LIMIT_PRICE"), ({"order_type": "limit", "limit_price": "nan"}, "BAD_LIMIT_PRICE"),
        ({"reduce_only": True}, "BAD_REDUCE_ONLY"), ({"symbol": 7}, "NO_SYMBOL"), ({"kind": 1}, "UNKNOWN_ACTION"), ({"time_in_force": None}, "BAD_TIME_IN_FORCE"),
    ])
    def test_nothing_is_fixed_up(self, bench: Bench, change: dict[str, Any], code: str) -> None:
        assert short(bench.do(opening() | change)) == ("REJECTED", code)
        assert bench.exchange.calls == []

    def test_a_rejected_id_is_not_spent(self, bench: Bench) -> None:
        assert bench.do(opening(quantity="-1")).result == "REJECTED"
        assert bench.do(opening()).result == "SUCCESS"


class TestOnceOnly:
    def test_a_duplicate_is_a_noop(self, bench: Bench) -> None:
        assert [short(bench.later(5).do(opening())) for _ in range(3)] == [("SUCCESS", "OK")] + 2 * [("NOOP", "DUPLICATE_ACTION")]
        assert len(bench.exchange.calls) == 1

    def test_other_content_under_the_same_id_is_one_too(self, bench: Bench) -> None:
        bench.do(opening())
        assert short(bench.later(5).do(opening(quantity="2"))) == ("NOOP", "DUPLICATE_ACTION")

    def test_a_failure_is_not_tried_again(self, tmp_path: Path) -> None:
        bench = Bench(tmp_path / "x.journal", Recording(lambda acknowledgement: None))
        assert bench.do(opening()).result == "FAILED_SAFE"
        assert short(bench.later(3600).do(opening())) == ("NOOP", "DUPLICATE_ACTION")
        assert len(bench.exchange.calls) == 1

    def test_an_id_that_no_intent_may_have_is_as_good(self, bench: Bench) -> None:
        strange = opening("ordre n°7: " + "x" * 40)
        assert [bench.later(5).do(strange).result for _ in range(2)] == ["SUCCESS", "NOOP"]
        assert len(bench.exchange.calls) == 1

    def test_it_is_written_down_before_the_exchange_hears_of_it(self, bench: Bench) -> None:
        seen: list[Any] = []
        bench.exchange.watch = lambda: seen.append((
            [each["result"] for each in bench.told("result")], [each["status"] for each in bench.told("order")]))
        bench.do(opening())
        assert seen == [(["SENT"], ["sent"])]
        assert [each["result"] for each in bench.told("result")] == ["SENT", "SUCCESS"]
        assert [each["status"] for each in bench.told("order")] == ["sent", "open"]


class TestFailedSafeNeverPlaces:
    @pytest.mark.parametrize("broken", ["journal", "quote", "config"])
    def test_what_is_missing(self, bench: Bench, broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
        if broken == "journal":
            def full(event: Any) -> None:
                raise JournalError("the disk is full", retryable=True)
            desk = EngineDesk(bench.engine)
            monkeypatch.setattr(EngineDesk, "tell", lambda self, event: full(event))
            bench.actuator = Actuator(desk, bench.exchange)
        elif broken == "quote":
            bench.apply("quote", symbol="BTC", price="-1")
        else:
            bench.apply("input", name="config", values={"max_position": "10"})
        assert bench.do(opening()).result == "FAILED_SAFE"
        assert bench.exchange.calls == []

    def test_no_time_no_act(self, bench: Bench) -> None:
        result = bench.actuator.execute(opening(), {"decision_code": "AUTHORIZED_ACTION"}, at="yesterday")
        assert (result.result, result.reason_code) == ("FAILED_SAFE", "UNREADABLE")
        assert bench.exchange.calls == []

    def test_a_policy_that_names_no_outcome_fails_safe(self, bench: Bench) -> None:
        assert short(bench.do(closing())) == ("FAILED_SAFE", "SYS-004")  # there is nothing to close
        assert bench.exchange.calls == []

    def test_an_unknown_choice_is_refused(self, bench: Bench) -> None:
        with pytest.raises(ValueError, match="never, reached or always"):
            Actuator(EngineDesk(bench.engine), bench.exchange, cancel_after="sometimes")  # type: ignore[arg-type]


def test_every_result_says_whose_it_was(bench: Bench) -> None:
    told = bench.do(opening()).to_dict()
    assert told["trace_id"] == "T-1"
    assert told["policy_decision_id"] == "D-1"
    assert told["decision_id"].startswith("d-")
    assert (told["timestamp"], told["execution_result"], told["reason_code"]) == (bench.at, "SUCCESS", "OK")
    assert told["exchange_response"]["order_id"] == "v-1"
    [sent, done] = bench.told("result")
    assert (done["x_trace_id"], done["x_policy_decision_id"], done["x_decision_id"]) == ("T-1", "D-1", told["decision_id"])
    assert sent["reached_exchange"] is True


def test_same_actions_same_journal(tmp_path: Path) -> None:
    digests = []
    for name in ("one", "two"):
        bench = Bench(tmp_path / name)
        bench.do(opening())
        bench.later(5).do(opening("a-2", quantity="20"))
        bench.later(5).do({"action_id": "k", "kind": "cancel"})
        digests.append((bench.engine.digest, (tmp_path / name).read_bytes()))
    assert digests[0] == digests[1]
