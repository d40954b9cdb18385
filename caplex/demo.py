"""`caplex demo`: a desk policy decides real days of the crash of 2020, offline, and tells what it did and why.

The data lie in ``_demo``, which is `examples/quickstart` of the checkout: closing prices, the policy, seven intents. The
book is bought on the last day of January, forty thousand dollars of each stock, and held; equity, its peak and the
day's first equity are computed from the prices. Every verdict that is told is decided while it is told.
"""
from __future__ import annotations

import csv
import json
import os
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from caplex.compiler.tools.story import Teller
    from caplex.runtime.policy import Policy

_HERE = Path(__file__).resolve().parent
# A link in a checkout, a folder in a wheel; where links do not survive the checkout, the folder itself.
DATA = _HERE / "_demo" if (_HERE / "_demo" / "desk.cap").is_file() else _HERE.parent / "examples" / "quickstart"
CASH = Decimal(1_000_000)
TICKET = Decimal(40_000)
CLOSE, READ = "21:00:00Z", "21:05:00Z"
ARMED = {"KILL-010": {"state": "armed"}}
ASKED = ("AAPL", "GE", "JNJ", "JPM", "KO", "MSFT", "RRC", "XOM")  # of these the replay asks for more, every day
IN_FULL = "6-kill-switch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """The desk at the close of one day. Money in USD."""

    day: str
    prices: dict[str, Decimal]
    quantities: dict[str, Decimal]
    cash: Decimal
    equity: Decimal
    day_start_equity: Decimal
    peak_equity: Decimal


def books(prices: Path = DATA / "prices.csv") -> Iterator[Book]:
    """The desk at every close, from the day after it was bought."""
    with prices.open(encoding="ascii", newline="") as file:
        rows = [(row.pop("date"), {symbol: Decimal(price) for symbol, price in row.items()}) for row in csv.DictReader(file)]
    opening = rows[0][1]
    quantities = {symbol: TICKET // price for symbol, price in opening.items()}
    cash = CASH - _worth(quantities, opening)
    before = peak = CASH
    for day, closes in rows[1:]:
        equity = cash + _worth(quantities, closes)
        peak = max(peak, equity)
        yield Book(day=day, prices=closes, quantities=quantities, cash=cash, equity=equity, day_start_equity=before, peak_equity=peak)
        before = equity


def _worth(quantities: dict[str, Decimal], prices: dict[str, Decimal]) -> Decimal:
    return sum((quantity * prices[symbol] for symbol, quantity in quantities.items()), Decimal(0))


def facts(book: Book, intent: dict[str, str], switches: dict[str, dict[str, str]] = ARMED) -> dict[str, Any]:
    """The facts document for *intent*, five minutes after the close of the book's day."""
    return {
        "now": f"{book.day}T{READ}",
        "intent": {"id": f"{book.day}-{intent['symbol']}", "action": "open", "strategy": "long_book", "order_type": "market", **intent},
        "account": {
            "equity": str(book.equity), "day_start_equity": str(book.day_start_equity), "peak_equity": str(book.peak_equity),
            "available": str(book.cash), "as_of": f"{book.day}T{CLOSE}"},
        "positions": {symbol: {"quantity": str(quantity)} for symbol, quantity in book.quantities.items()},
        "orders": [],
        "market": {symbol: {"price": str(price), "as_of": f"{book.day}T{CLOSE}"} for symbol, price in book.prices.items()},
        "history": {"complete_from": f"{book.day}T00:00:00Z", "events": []},
        "switches": switches,
    }


def cases() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Pairs of what is told about an intent, and its facts."""
    by_day = {book.day: book for book in books()}
    for case in json.loads((DATA / "intents.json").read_text(encoding="utf-8")):
        yield case, facts(by_day[case["day"]], case["intent"])


# ── the replay ────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one buy of the replay got, and what it would have got from a switch that forgets.

    Attributes:
        verdict, by: The decision and the rule that decided it.
        lossy: Whether the daily loss stop was broken, whoever decided. Looked at once a day: the loss is the account's.
        unlatched: Units permitted with the switch armed anew; None where it was not tripped before, or trips again that day.
    """

    day: str
    symbol: str
    verdict: str
    by: str | None
    lossy: bool
    trips: dict[str, Any] | None
    unlatched: Decimal | None


def replay(policy: Policy) -> list[Answer]:
    """The same buys every day: of each stock as much as the desk holds. What trips stays tripped, as a host would keep it."""
    switches, found, again = ARMED, [], ""
    for book in books():
        for symbol in ASKED:
            intent = {"symbol": symbol, "side": "buy", "quantity": str(book.quantities[symbol])}
            given = facts(book, intent, switches)
            decision = policy.decide(given)
            trips = unlatched = None
            if switches is ARMED:  # this switch looks at the account alone, so whatever trips it is itself denied by it
                trips = next(iter(decision.tripped), None) if decision.decided_by in ARMED else None
            elif again != book.day:  # what trips once on a day trips for each intent of it
                other = policy.decide({**given, "switches": ARMED})
                unlatched = other.quantity if other.permits else Decimal(0)
                again = book.day if other.tripped else ""
            if trips is not None:
                switches = {trips["switch"]: {"state": "tripped", "since": given["now"]}}
            found.append(Answer(
                day=book.day, symbol=symbol, verdict=str(decision.verdict), by=decision.decided_by, lossy=symbol == ASKED[0] and "LOSS-010" in decision.violated,
                trips=None if trips is None else dict(trips), unlatched=unlatched))
    return found


# ── the story ─────────────────────────────────────────────────────────────────────────────────────────


def run(out: TextIO, *, width: int = 100, colour: bool = False, program: str = "caplex") -> int:
    """Tell the whole story on *out*; the exit status. *program* is how `caplex` is called in commands to copy."""
    import caplex
    from caplex.compiler.tools.chart import plainer
    from caplex.compiler.tools.story import Teller

    teller = Teller(max(width, 40), colour)
    policy = caplex.load(DATA / "desk.cap")
    desk, answers = list(books()), replay(policy)
    told = list(cases())
    parts = [
        _opening(teller, policy), _equity(teller, desk, told, answers),
        *(_case(teller, policy, number, case, given, program) for number, (case, given) in enumerate(told, start=1)),
        _replay(teller, desk, answers), _closing(teller, program),
    ]
    text = "\n\n".join("\n".join(part) for part in parts) + "\n"
    try:
        text.encode(out.encoding or "utf-8")
    except UnicodeEncodeError:
        text = plainer(text)
    out.write(text)
    return 0


def _opening(teller: Teller, policy: Policy) -> list[str]:
    """What is held, and what the policy says of itself in its first lines."""
    source = (DATA / "desk.cap").read_text(encoding="utf-8").splitlines()
    paragraphs = "\n".join(line[2:].strip() for line in takewhile(lambda line: line.startswith("##"), source)).split("\n\n")
    book = f"{_whole(TICKET)} USD of each of twenty stocks, bought on 31 January 2020 and held."
    head, *rest = teller.wrapped(f"{policy.name}  {book} {paragraphs[-1]}", "")
    return [teller.paint(policy.name, "1") + head.removeprefix(policy.name), *rest]


def _equity(teller: Teller, desk: Sequence[Book], told: Sequence[tuple[dict[str, Any], Any]], answers: Sequence[Answer]) -> list[str]:
    """The picture: equity, the line of the switch, the seven intents; and what the desk might do on which day."""
    from caplex.compiler.tools.chart import BAD, GOOD, WARN, Picture, chart, day_text

    trip = next(answer for answer in answers if answer.trips is not None)
    share = Fraction(trip.trips["cause"]["limit"]) if trip.trips else Fraction(0)
    lossy = {answer.day for answer in answers if answer.lossy}
    place = {book.day: position for position, book in enumerate(desk)}
    signs: dict[int, str] = {}
    for number, (case, _) in enumerate(told):
        signs[place[case["day"]]] = signs.get(place[case["day"]], "") + chr(ord("①") + number)
    tripped = place[trip.day]
    picture = Picture(
        days=[book.day for book in desk], values=[Fraction(book.equity) for book in desk],
        tones=[BAD if book.day >= trip.day else WARN if book.day in lossy else GOOD for book in desk],
        bar=[Fraction(book.peak_equity) * (1 - share) for book in desk], signs=signs,
        below=[("loss stop", {place[day]: ("▼", WARN) for day in sorted(lossy)}),
               ("switch", {0: ("armed", GOOD), tripped: ("tripped", BAD)} if teller.width < 60 else
                {0: ("armed", GOOD), tripped: (f"tripped on {day_text(trip.day)}, stays so", BAD)})])
    title = f"Equity, thousand USD  ┄ {_percent(share)} off the peak  ▼ day's loss too large  ①-{chr(ord('①') + len(told) - 1)} the intents"
    return [*teller.wrapped(title, ""), *chart(picture, width=teller.width, colour=teller.colour)]


def _whole(money: Decimal) -> str:
    return f"{money:,.0f}".replace(",", "_")


def _percent(share: Fraction) -> str:
    from caplex.runtime.canonical import plain

    return f"{plain(share * 100)}%"


def _case(teller: Teller, policy: Policy, number: int, case: dict[str, Any], given: dict[str, Any], program: str) -> list[str]:
    from caplex.compiler.tools.chart import DIM, day_text

    intent, account = case["intent"], given["account"]
    equity, start, peak = (Decimal(account[name]) for name in ("equity", "day_start_equity", "peak_equity"))
    decision = policy.decide(given)
    lines = [
        teller.rule(f"{chr(ord('①') + number - 1)} {day_text(case['day'])}: {intent['side']} {int(intent['quantity']):_} {intent['symbol']}"),
        *teller.wrapped(case["told"]),
        *(teller.paint(line, DIM) for line in teller.wrapped(
            f"equity {_whole(equity)} USD, today {(equity - start) / start:+.2%}, from the peak {(equity - peak) / peak:+.2%}")),
        "", *teller.decision(decision, policy)]
    if case["file"] == IN_FULL:
        command = f"{program} explain {_shown('desk.cap')} --facts {_shown('facts', case['file'] + '.json')}"
        lines += ["", *teller.wrapped("In full, every rule, as this command prints it:"), f"{' ' * 3}$ {command}", ""]
        lines += decision.explain().text(width=teller.width, colour=teller.colour).rstrip("\n").split("\n")
    return lines


def _replay(teller: Teller, desk: Sequence[Book], answers: Sequence[Answer]) -> list[str]:
    """Days across, stocks down, one sign for each answer; then the counts, and what the latch was worth."""
    from caplex.compiler.tools.chart import BAD, DIM, GOOD, STRONG, WARN, day_text, weeks

    looks = {"ALLOW": ("✓", GOOD), "MODIFY": ("≈", WARN), "HOLD": ("‖", WARN), "DENY": ("✗", BAD), "KILL-010": ("█", BAD)}
    kinds = [answer.by if answer.by == "KILL-010" else answer.verdict for answer in answers]
    at = {(answer.symbol, answer.day): kind for answer, kind in zip(answers, kinds, strict=True)}
    days = [book.day for book in desk]
    lines = [teller.rule("Every day: twice as much, please"), *teller.wrapped(
        "The desk asks every day to buy of eight stocks as much again as it holds. Nothing is bought, so that each day is judged alike; "
        "but what trips stays tripped. One sign is one decision:")]
    names = {"ALLOW": "allowed", "MODIFY": "trimmed", "HOLD": "held for approval", "DENY": "denied", "KILL-010": "denied by the switch"}
    counts = Counter(kinds)
    legend = [f"{looks[kind][0]} {counts[kind]} {names[kind]}" for kind in looks]
    lines += [*teller.wrapped(", ".join(legend)), ""]
    groups = weeks(days)
    each = (teller.width - 6) // 6
    for start in range(0, len(groups), each):
        part = groups[start : start + each]
        head = "".join(day_text(days[week.start]).replace(" ", "").ljust(6) for week in part)
        lines.append(teller.paint(f"{'':7}{head}".rstrip(), DIM))
        for symbol in ASKED:
            cells = [[looks[at[symbol, days[position]]] for position in week] for week in part]
            body = " ".join("".join(teller.paint(sign, tone) for sign, tone in week) + " " * (5 - len(week)) for week in cells)
            lines.append(f"{' ' * 2}{symbol:<5}{body}".rstrip())
        lines.append("")
    return [*lines, *(teller.paint(line, STRONG) for line in teller.wrapped(_latch(desk, answers)))]


def _latch(desk: Sequence[Book], answers: Sequence[Answer]) -> str:
    """What a limit that forgets would have let through, and where those stocks stood at the lowest close."""
    from caplex.compiler.tools.chart import day_text

    by_day = {book.day: book for book in desk}
    passed = [(answer, answer.unlatched) for answer in answers if answer.unlatched]
    low = min(desk, key=lambda book: book.equity)
    paid = sum((size * by_day[answer.day].prices[answer.symbol] for answer, size in passed), Decimal(0))
    worth = sum((size * low.prices[answer.symbol] for answer, size in passed), Decimal(0))
    lower = sum(low.prices[answer.symbol] < by_day[answer.day].prices[answer.symbol] for answer, _ in passed)
    *days, last = [day_text(day) for day in sorted({answer.day for answer, _ in passed})]
    share = "all" if lower == len(passed) else f"{lower} of the"
    return (f"A limit that forgets would have let {len(passed)} of these buys through after the trip, on {', '.join(days)} and {last}, when the "
            f"book stood a little higher. On {day_text(low.day)} {share} {len(passed)} stood lower, at {worth / paid:.0%} of what they would have cost "
            "on average. What has tripped stays tripped until people re-arm it.")


def _closing(teller: Teller, program: str) -> list[str]:
    from caplex.compiler.tools.chart import DIM

    policy, trimmed = _shown("desk.cap"), _shown("facts", "2-trimmed.json")
    return [
        teller.rule("Now you"),
        *teller.wrapped("The policy, the prices and the facts of each intent lie in:"), f"{' ' * 3}{_shown()}",
        *teller.wrapped(f"and `{program} demo --copy DIR` puts them where you can change them."), "",
        *(line for why, command in (
            ("tighten the position limit and see it trim more", f"decide {policy} --facts {trimmed} --set max_position=6%"),
            ("what if the desk had lost 3% that day?", f"explain {policy} --facts {trimmed} --what-if account.equity=1005000"),
            ("see what is wrong before anything trades on it", f"check {policy}"),
        ) for line in (*(teller.paint(text, DIM) for text in teller.wrapped(f"# {why}")), f"{' ' * 3}{program} {command}"))]


def _shown(*parts: str) -> str:
    """A place in the data folder, as short as it is right from the current folder, and ready for a shell."""
    here = Path.cwd()
    known = here / "examples" / "quickstart"  # who stands in the checkout and runs a wheel has the same files at hand
    same = all((known / name).is_file() and (known / name).read_bytes() == (DATA / name).read_bytes() for name in ("desk.cap", "prices.csv"))
    path = (known if same else DATA.resolve()).joinpath(*parts)
    text = str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
    return f'"{text}"' if os.name == "nt" and " " in text else shlex.quote(text)


def copy(to: Path) -> None:
    """The data folder, for whoever wants to change it. Raises OSError, FileExistsError where *to* is there already."""
    import shutil

    shutil.copytree(DATA, to, ignore=shutil.ignore_patterns("__pycache__"), symlinks=False)
