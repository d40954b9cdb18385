"""A frame that is only asked about is answered in one pass, exactly as its rows are when they are submitted, and nothing is kept."""
from __future__ import annotations

from collections import Counter
from random import Random

import pandas as pd
import pyarrow as pa
import pytest
from frames import told

import caplex
from caplex.runtime.clock import SECOND, format_instant
from caplex.runtime.engine import meeting, rehearsal, rings, strides
from caplex.runtime.engine.engine import Engine
from caplex.runtime.engine.frames import rehearse
from engine.streams import Shape, Stream
from engine.support import FACES, HEADER, SKIPS

RULES = (
    'throttle EXEC-010 "Orders" {{ deny beyond {few} orders in any {span}s for each {key} }}',
    'throttle EXEC-011 "All orders" {{ deny beyond {many} orders in any {span}s }}',
    'throttle EXEC-012 "Day" {{ deny beyond {many} orders per day }}',
    'cooldown EXEC-020 "Pause" {{ deny during {short}s after last order for each {key} }}',
    'limit EXEC-030 "Sent" {{ sum(o.quantity else 0 units for o in order_events in last {span}s) at most {sum} units else deny }}',
    'limit EXEC-031 "Filled" {{ sum(f.quantity else 0 units for f in fills in last 5min where f.symbol == intent.symbol) at most {sum} units else deny }}',
    'limit EXEC-032 "Turnover" {{ sum(o.notional else 0 USD for o in order_events in last {span}s where (o.side else buy) == intent.side) + intent.notional at most {book} USD else reduce }}',
    'limit EXEC-033 "Large" {{ count(o for o in order_events in last {span}s where (o.quantity else 0 units) > 4 units) at most {few} else deny }}',
    'limit EXEC-034 "Odd" {{ sum(2 * (o.quantity else 0 units) for o in order_events in last {span}s where (o.strategy else "s") == "s") at most {sum} units else deny }}',
    'rule EXP-015 "Large" {{ hold when intent.quantity > 15 units for approval by role "risk" within 5min }}',
    'input intent {{ confidence : ratio? }}\nlimit EXEC-040 "Sure" {{ (intent.confidence else 100%) at least 60% else deny }}\n'
    'limit EXP-095 "Scaled" {{ abs(after.position.notional) at most {book} USD * (intent.confidence else 100%) else reduce }}',
    'limit EXP-010 "Position" {{ abs(after.position.notional) at most {money} USD else reduce }}',
    'limit EXP-020 "Book" {{ after.portfolio.gross at most {book} USD else deny }}',
    'limit EXP-025 "Net" {{ abs(after.portfolio.net) at most {money} USD else reduce }}',
    'limit EXP-026 "Order" {{ intent.notional at most {money} USD else deny }}',
    'limit EXP-050 "Held" {{ count(p for p in positions where p.quantity > 4) at most {few} else deny }}',
    'limit EXP-060 "Money" {{ sum(p.notional for p in positions) at most {book} USD else deny }}',
    'limit LOSS-010 "Day" {{ account.day_loss below 30% of account.day_start_equity else deny }}',
    'kill switch KILL-010 "Equity" for account {{ trip when account.equity < 20_000 USD  while tripped deny opening  rearm 1min after trip }}',
    'setting span : duration = {span}s within 1s..2min higher is safer "Span" {{ tighten for strategy "t" = 90s }}\n'
    'throttle EXEC-015 "Span" {{ deny beyond {few} orders in any span for each symbol }}',
    'setting most : money = 3_000 USD within 0 USD..90_000 USD lower is safer "Knob" {{ tighten for symbol "Y" = 900 USD }}\n'
    'limit EXP-090 "Knob" {{ abs(after.position.notional) at most most else reduce }}',
)
SHAPE = Shape(accounts=("a", "b"), strategies=("s", "t"), symbols=("X", "Y"), prices=("9", "10", "11", "10.25"),
              weights={"intent": 20, "fill": 40, "operator": 0, "stop": 0, "approve": 0})
STEPS = (0, 0, 0, 1, SECOND // 2, SECOND, SECOND, 2 * SECOND, 3 * SECOND, 5 * SECOND, 5 * SECOND - 1, 10 * SECOND, 30 * SECOND, 300 * SECOND)


def drawn_policy(rng):
    numbers = {"few": rng.randrange(1, 4), "many": rng.randrange(4, 12), "span": rng.choice((5, 10, 60)), "short": rng.choice((1, 3, 5)),
               "key": rng.choice(("strategy", "symbol", "strategy, symbol")), "sum": rng.choice((20, 60, 300)), "money": rng.choice((300, 900, 4000)),
               "book": rng.choice((1500, 6000))}
    rules = [rule.format(**numbers) for rule in rng.sample(RULES, rng.randrange(2, 7))]
    header = HEADER.replace("CLOSING", rng.choice((SKIPS, FACES))).replace("MORE", rng.choice(("", "idempotency keep 2min")))
    header = header.replace(" fresh always", rng.choice((" fresh always", " fresh within 30min")))
    return caplex.loads(header.replace("lot 1", rng.choice(("lot 1", "lot 0.5"))) + "\n".join(rules))


def drawn_frame(rng, start, rows, odd, policy):
    """Intents at the edges of windows; some of them not plain: an id twice, a size that is none, a close of too much, a day that begins."""
    now, times = start, []
    for _ in range(rows):
        now += rng.choice(STEPS) + (rng.choice((3600, 40_000)) * SECOND if rng.random() < 0.01 else 0)
        times.append(now)
    moments = pd.to_datetime(times, utc=True)
    columns = {
        "now": moments, "intent.id": [f"row-{row}" if rng.random() > odd / 40 else "row-0" for row in range(rows)],
        "intent.account": [rng.choice(("a", "a", "a", "b", "nobody" if rng.random() < odd else "a")) for _ in range(rows)],
        "intent.symbol": [rng.choice(("X", "Y") if rng.random() > odd else ("W",)) for _ in range(rows)],
        "intent.side": [rng.choice(("buy", "buy", "sell")) for _ in range(rows)],
        "intent.action": [rng.choice(("open", "open", "open", "open", "open", "open", "close")) for _ in range(rows)],
        "intent.strategy": [rng.choice(("s", "t")) for _ in range(rows)],
        "intent.quantity": [rng.choice((1.0, 2.0, 5.0, 12.0, 2.5, 40.0, 0.25, float("nan") if rng.random() < odd else 3.0)) for _ in range(rows)]}
    if rng.random() < 0.4:
        columns["intent.limit_price"] = pd.array([rng.choice((None, 9.5, 10.5, 11)) for _ in range(rows)], dtype="Float64")
    if rng.random() < 0.5:
        columns["market.price"] = [rng.choice((9.0, 10.0, 10.5, 11.0, 12.25)) for _ in range(rows)]
    if policy.plan.schema.field("intent", "confidence") is not None and rng.random() < 0.9:
        columns["intent.confidence"] = [rng.choice((round(rng.random(), 3), 0.6, 1.0, 1.5 if rng.random() < odd else 0.75)) for _ in range(rows)]
    return pd.DataFrame(columns)


def engine_of(policy, seed, events=60, **options):
    made = Engine(policy, trust_operators=True, **options)
    for event in Stream(policy, seed, SHAPE).run(events).taken:
        (made.submit if event["type"] == "intent" else made.apply)(event)
    at = format_instant(made._machine.state.now_ns // 1000 * 1000)
    for symbol, price in (("X", "10"), ("Y", "9.99")):
        made.apply({"type": "quote", "at": at, "symbol": symbol, "price": price})
    for account in ("a", "b"):
        made.apply({"type": "position", "at": at, "account": account, "symbol": "X", "quantity": "30", "average_price": "10"})
    return made


def answers(frame):
    return [list(map(str, frame[name])) for name in ("verdict", "decided_by", "reason")] + [list(frame["quantity"])]


def compared(seed, odd, rows=60):
    rng = Random(seed)
    policy = drawn_policy(rng)
    engine = engine_of(policy, seed)
    frame = drawn_frame(rng, engine._machine.state.now_ns + SECOND, rows, odd, policy)
    before = engine.digest
    answered, report = rehearse(engine, frame)
    assert engine.digest == before
    submitted = engine.decide_frame(frame)
    found, meant = told(answered), told(submitted)
    wrong = [(seed, row, one, other) for row, (one, other) in enumerate(zip(found, meant, strict=True)) if one != other]
    return wrong or [seed] * (answers(answered) != answers(submitted)), found, report


@pytest.mark.parametrize("odd", [0, 0.03])
def test_every_row_is_answered_as_if_it_were_submitted(odd):
    wrong, verdicts, whys, rows, late = [], Counter(), Counter(), 0, 0
    for seed in range(12, 22):
        differing, found, report = compared(seed, odd)
        wrong += differing
        verdicts.update(verdict for verdict, *_ in found)
        whys[report.why] += 1
        if not report.why:
            rows, late = rows + report.rows, late + report.fell_back
    assert wrong == []
    assert {"ALLOW", "MODIFY", "DENY", "HOLD"} <= set(verdicts)
    if not odd:
        assert set(whys) <= {"", "`market.price` is told before each row"}
        assert late < rows * 2 / 3


DESK = """throttle EXEC-010 "Rate" { deny beyond 2 orders in any 10s for each strategy }
limit EXP-010 "Position" { abs(after.position.notional) at most 900 USD else reduce }
"""
BOOK = DESK + """limit EXP-020 "Book" { after.portfolio.gross at most 1_200 USD else reduce }
limit EXP-025 "Net" { abs(after.portfolio.net) at most 1_100 USD else reduce }
limit EXEC-032 "Turnover" { sum(o.notional else 0 USD for o in order_events in last 25s) + intent.notional at most 700 USD else reduce }
"""


def desk(more="", events=0, rules=DESK, **options):
    return engine_of(caplex.compile_text(HEADER.replace("CLOSING", SKIPS).replace("MORE", "") + rules + more, name="t.cap"), 1, events, **options)


def plain_frame(engine, rows=30, **more):
    start = pd.Timestamp(engine._machine.state.now_ns + SECOND, tz="UTC")
    return pd.DataFrame({
        "now": [start + pd.Timedelta(seconds=row) for row in range(rows)], "intent.id": [f"row-{row}" for row in range(rows)], "intent.account": "a",
        "intent.symbol": ["X", "Y"] * (rows // 2), "intent.side": "sell", "intent.action": "open", "intent.strategy": "s", "intent.quantity": 2.0, **more})


def test_the_engine_stays_as_it_was_and_then_answers_the_same():
    engine = desk(events=20)
    frame, before = plain_frame(engine), engine.digest
    asked = engine.decide_frame(frame, keep=False)
    assert engine.digest == before
    assert answers(engine.decide_frame(frame)) == answers(asked)
    assert engine.digest != before
    assert {"ALLOW", "DENY"} <= {verdict for verdict, *_ in told(asked)}


@pytest.mark.parametrize("store", [True, None])
def test_a_journal_is_not_written_and_ids_of_before_are_known(tmp_path, store):
    engine = desk(journal=tmp_path / "desk.journal", store=store)
    frame = plain_frame(engine)
    engine.decide_frame(frame.iloc[:3])
    engine._checkpoint()
    size = (tmp_path / "desk.journal").stat().st_size
    answered, report = rehearse(engine, frame)
    assert (tmp_path / "desk.journal").stat().st_size == size
    assert report.why == ""
    assert list(answered["fell_back"][:3]) == [True] * 3
    assert answers(answered) == answers(engine.decide_frame(frame))


def test_nearly_all_rows_go_in_the_pass():
    engine = desk(events=20, rules=BOOK)
    frame = plain_frame(engine, 200, **{"intent.side": ["sell", "sell", "buy", "buy", "buy"] * 40, "intent.quantity": [3.0, 20.0, 7.0, 45.0] * 50})
    answered, report = rehearse(engine, frame)
    assert (report.why, report.groups) == ("", 4)
    assert report.fell_back <= 2
    assert answers(answered) == answers(engine.decide_frame(frame))


@pytest.mark.parametrize("rules", [DESK, DESK + 'limit EXEC-040 "Sure" { (intent.confidence else 100%) at least 60% else deny }'])
def test_a_number_of_the_intent_makes_no_kinds(rules):
    """Whether the policy reads it or not; one that is none is for the machine."""
    engine = desk(rules=rules)
    frame = plain_frame(engine, 60, **{"intent.confidence": [round(0.4 + row / 100, 3) for row in range(60)], "intent.side": "buy"})
    frame.loc[50, "intent.confidence"] = float("nan")
    answered, report = rehearse(engine, frame)
    assert (report.why, report.groups, list(answered.index[answered["fell_back"]])) == ("", 2, [50])
    assert answers(answered) == answers(engine.decide_frame(frame))
    assert ("EXEC-040" in set(answered["decided_by"])) == (rules != DESK)


def test_prices_of_rows_go_in_the_pass():
    engine = desk(rules=DESK + TURNOVER)
    frame = plain_frame(engine, 60, **{"intent.side": "buy", "market.price": [9 + row % 7 / 4 for row in range(60)]})
    frame.loc[40, "intent.quantity"] = float("nan")
    answered, report = rehearse(engine, frame)
    assert (report.why, report.groups, list(answered.index[answered["fell_back"]])) == ("", 2, [40])
    assert answers(answered) == answers(engine.decide_frame(frame))
    assert {"MODIFY", "DENY", "ALLOW"} == set(answered["verdict"])


def test_an_id_that_comes_twice_and_a_size_that_is_none_are_for_the_machine():
    engine = desk()
    frame = plain_frame(engine)
    frame.loc[20, "intent.id"] = "row-2"
    frame.loc[21, ["intent.id", "now"]] = frame.loc[20, ["intent.id", "now"]]
    frame.loc[25, "intent.quantity"] = float("nan")
    answered, report = rehearse(engine, frame)
    assert (report.why, list(answered.index[answered["fell_back"]])) == ("", [2, 20, 21, 25])
    assert answers(answered) == answers(engine.decide_frame(frame))


@pytest.mark.parametrize("dictionary", [["b", "a", "a"], ["b", "b", "b", "a", "c", "unused", "a"]])
def test_ids_in_a_dictionary_that_holds_one_twice(dictionary):
    engine = desk()
    frame = plain_frame(engine, len(dictionary) // 2 * 2 + 2)
    codes = [row % len(dictionary) for row in range(len(frame))]
    table = pa.Table.from_pandas(frame.drop(columns="intent.id")).append_column(
        "intent.id", pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(dictionary)))
    frame["intent.id"] = [dictionary[code] for code in codes]
    frame[["intent.quantity", "now"]] = [2.0, frame["now"].iloc[0]]
    table = table.set_column(table.column_names.index("now"), "now", pa.Array.from_pandas(frame["now"]))
    assert told(engine.decide_frame(table, keep=False)) == told(engine.decide_frame(frame, keep=False)) == told(engine.decide_frame(frame))


def test_a_reservation_of_before_the_frame_lapses_once():
    """Row 0 is for the machine, and what it approves lapses before the row's room is looked at again."""
    engine = desk(rules=BOOK)
    frame = plain_frame(engine, 60, **{"intent.side": "sell"})
    frame.loc[0, ["intent.action", "intent.quantity"]] = ["close", 40.0]
    frame.loc[1:31, "intent.symbol"] = "Y"
    frame.loc[32:, "intent.quantity"] = 40.0
    assert answers(engine.decide_frame(frame, keep=False)) == answers(engine.decide_frame(frame))


@pytest.mark.parametrize(("more", "columns", "why"), [
    ("", {"account.equity": 10.0}, "`account.equity` is told before each row"),
    ('limit EXP-020 "Book" { after.portfolio.gross at most 1_200 USD else reduce }', {"market.price": 10.0}, "`market.price` is told before each row"),
    ("", {"intent.id": "some id"}, "not every id is a text of letters, digits, `_`, `.` and `-`"),
    ('kill switch KILL-011 "Violations" for account { trip when 60 violations in any 1min  while tripped deny opening  rearm 1min after trip }', {}, "denials are counted"),
    ('kill switch KILL-011 "Busy" for account { trip when portfolio.gross > 90_000 USD  while tripped deny opening  rearm 1min after trip }', {},
     "KILL-011 may trip as time passes, or by what is approved"),
    ('throttle EXEC-012 "Denied" { deny beyond 20 denials in any 1min }', {}, "denials are counted"),
])
def test_what_the_pass_does_not_know_goes_row_by_row(more, columns, why):
    engine = desk(more)
    frame = plain_frame(engine, **columns)
    if "some" in str(columns):
        with pytest.raises(caplex.CaplexError, match="row 0: "):
            rehearse(engine, frame)
        return
    answered, report = rehearse(engine, frame)
    assert (report.why, report.fell_back) == (why, len(frame))
    assert answers(answered) == answers(engine.decide_frame(frame))


# ── each part is needed ───────────────────────────────────────────────────────────────────────────────


def open_edge(monkeypatch):
    written = strides.Writer.source
    monkeypatch.setattr(strides.Writer, "source", lambda self: written(self).replace("[0] <= begin", "[0] < begin"))


def endless(monkeypatch):
    monkeypatch.setattr(rings.Sum, "forget", lambda *_: None)


def no_lapse(monkeypatch):
    written = strides.Writer.source
    monkeypatch.setattr(strides.Writer, "source", lambda self: written(self).replace("room[0] -= size", "pass").replace("room[1] += size", "pass"))


def no_totals(monkeypatch):
    monkeypatch.setattr(strides, "_AGAIN", [])


def deaf(monkeypatch):
    monkeypatch.setattr(rehearsal.Pass, "_tell", lambda *_: None)


def late_ring(monkeypatch):
    monkeypatch.setattr(meeting.Known, "_catch_up", lambda *_: None)


def old_price(monkeypatch):
    written = strides.Writer.source
    monkeypatch.setattr(strides.Writer, "source", lambda self: written(self).replace("value = more0 * factor", "value = 10**9"))


RATE = 'throttle EXEC-010 "Rate" { deny beyond 2 orders in any 10s for each strategy }'
TURNOVER = 'limit EXEC-032 "Turnover" { sum(o.notional else 0 USD for o in order_events in last 25s) + intent.notional at most 70 USD else reduce }'
GROSS = 'limit EXP-020 "Book" { after.portfolio.gross at most 700 USD else reduce }'
SPAN = """setting span : duration = 5s within 1s..1min higher is safer "Span" { tighten for strategy "t" = 20s }
throttle EXEC-011 "All" { deny beyond 2 orders in any span for each symbol }"""


@pytest.mark.parametrize(("damage", "rules", "columns"), [
    (open_edge, RATE, {}), (endless, TURNOVER, {}), (no_lapse, DESK, {"intent.quantity": 30.0}), (no_totals, GROSS, {"intent.quantity": 30.0}),
    (deaf, RATE, {"intent.id": [f"row-{min(row, 58)}" if row > 1 else f"row-{row * 58}" for row in range(60)]}),
    (old_price, DESK, {"intent.quantity": 50.0, "market.price": [9 + row % 7 / 4 for row in range(60)]}),
    (late_ring, SPAN, {"intent.symbol": "X", "intent.strategy": ["s"] * 3 + ["t"] * 57}),
])
def test_what_is_left_out_is_noticed(monkeypatch, damage, rules, columns):
    engine = desk(rules=rules)
    frame = plain_frame(engine, 60, **{"intent.side": "buy", **columns})
    meant = answers(engine.decide_frame(frame, keep=False))
    assert meant == answers(desk_again(engine, frame))
    damage(monkeypatch)
    assert answers(engine.decide_frame(frame, keep=False)) != meant


def desk_again(engine, frame):
    """The answers of the engine row by row, on a state of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rehearsal.Pass, "_look", nothing_known)
        return engine.decide_frame(frame, keep=False)


def nothing_known(_):
    raise rehearsal.NotInOnePass("asked to")
