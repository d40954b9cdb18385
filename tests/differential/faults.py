"""Faults: what hosts get wrong in a document, one at a time."""

from __future__ import annotations

from collections.abc import Callable

from differential.documents import SECOND, Document, Path, drop, iso, knob_of, paths, put, symbol_of
from differential.facts import Facts


def broken(facts: Facts, document: Document) -> Document:
    """*document* with one fault."""
    fault: Callable[[Facts, Document], Document] = facts.pick(FAULTS)
    return fault(facts, document)


def lose(facts: Facts, document: Document) -> Document:
    """Lose any field, or null it."""
    path = facts.pick(paths(document))
    return put(document, path, None) if facts.chance(0.3) else drop(document, path)


def lose_section(facts: Facts, document: Document) -> Document:
    return drop(document, (facts.pick([name for name in document if name != "now"]),))


def lose_key_field(facts: Facts, document: Document) -> Document:
    path: Path = facts.pick(
        (
            ("account", "equity"),
            ("account", "available"),
            ("market", symbol_of(document), "price"),
            ("intent", "side"),
            ("intent", "symbol"),
            ("intent", "strategy"),
            ("market", symbol_of(document), "as_of"),
            knob_of(document),
        )
    )
    return drop(document, path) if path[-1] in document[path[0]] or len(path) == 3 else document


def spoil(facts: Facts, document: Document) -> Document:
    """Put something unreadable where something readable was."""
    path = facts.pick([path for path in paths(document) if path[0] not in ("switches",) or len(path) < 3])
    return put(document, path, facts.pick(("NaN", "Infinity", "1,000", True, "ten", [], {}, 1.5, "1e999999999", "")))


def spoil_number(facts: Facts, document: Document) -> Document:
    bad = facts.pick(("NaN", "-Infinity", "1,000", "abc", True, "1e500", "0x10", "--5"))
    return put(document, number(facts, document), bad)


def number(facts: Facts, document: Document) -> Path:
    symbol = symbol_of(document)
    options: list[Path] = [
        ("account", "equity"),
        ("account", "available"),
        ("account", "day_start_equity"),
        ("market", symbol, "price"),
        knob_of(document),
        ("instruments", symbol, "lot"),
    ]
    options += [("positions", each, "quantity") for each in document["positions"]]
    options += [("orders", number, "leaves_quantity") for number in range(len(document["orders"]))]
    path: Path = facts.pick(options)
    return path


def out_of_range(facts: Facts, document: Document) -> Document:
    symbol = symbol_of(document)
    path: Path = facts.pick(
        (
            ("market", symbol, "price"),
            ("account", "day_start_equity"),
            ("account", "peak_equity"),
            knob_of(document),
            ("instruments", symbol, "lot"),
            ("market", symbol, "bid"),
        )
    )
    return put(document, path, facts.pick(("0", "-1", "-0.5")))


def old(facts: Facts, document: Document) -> Document:
    symbol = symbol_of(document)
    late = facts.pick((5 * SECOND, 5 * SECOND + 1, 5 * SECOND + 1, 15 * SECOND, 15 * SECOND + 1, 3600 * SECOND))
    path: Path = (
        ("inputs", "guard", "as_of")
        if "guard" in facts.policy.inputs and facts.chance(0.4)
        else ("market", symbol, "as_of")
    )
    return put(document, path, iso(facts.now - late))


def ahead(facts: Facts, document: Document) -> Document:
    ahead = facts.pick((SECOND // 2, SECOND // 2 + 1, SECOND // 2 + 1, SECOND))
    if document["history"]["events"] and facts.chance(0.3):
        return put(document, ("history", "events", 0, "at"), iso(facts.now + ahead))
    return put(document, ("market", symbol_of(document), "as_of"), iso(facts.now + ahead))


def divisor(facts: Facts, document: Document) -> Document:
    path: Path = facts.pick(
        (("account", "equity"), ("account", "equity"), ("account", "available"), ("inputs", "guard", "level"))
    )
    if path[0] == "inputs" and "guard" not in facts.policy.inputs:
        path = ("account", "equity")
    return put(document, path, facts.pick(("0", "-100")) if path[0] == "account" else "0")


def forget(facts: Facts, document: Document) -> Document:
    """A history that does not reach back as far as a window."""
    if facts.chance(0.25):
        return drop(document, ("history", "complete_from"))
    length = facts.pick(facts.policy.windows or [60])
    return put(
        document, ("history", "complete_from"), iso(facts.now - length * SECOND + facts.pick((0, 1, SECOND, -1)))
    )


def switch(facts: Facts, document: Document) -> Document:
    if not facts.policy.switches or facts.chance(0.3):
        return drop(document, ("switches",))
    switch, _ = facts.pick(facts.policy.switches)
    row = facts.pick(({"state": "maybe"}, {}, "tripped", {"state": None}, {"state": "armed", "since": "x"}))
    if facts.chance(0.3):
        return put(
            document,
            ("switches",),
            [{"id": switch, "scope": {"strategy": "S1"}, **(row if isinstance(row, dict) else {})}],
        )
    return put(document, ("switches", switch), row)


def currency(facts: Facts, document: Document) -> Document:
    where: Path = facts.pick((("account",), ("instruments", symbol_of(document)), ("instruments", facts.pick("ABC"))))
    changed = put(document, (*where, "currency"), facts.pick(("EUR", "JPY", "JPY", "CHF")))
    return put(changed, ("fx",), {"USDEUR": {"rate": "0.5"}}) if facts.chance(0.3) else changed


def finer(facts: Facts, document: Document) -> Document:
    """More decimal places than the fast form keeps."""
    return put(
        document,
        number(facts, document),
        facts.pick(("1.0000000001", "10.123456789012", "0.3333333333333333", "99.99999999999", 0.1, 7)),
    )


def stranger(facts: Facts, document: Document) -> Document:
    path: Path = facts.pick(
        (
            ("colour",),
            ("intent", "colour"),
            ("account", "eqity"),
            ("x_note",),
            ("intent", "x_note"),
            ("inputs", "colour"),
        )
    )
    return put(document, path, facts.pick(("1", {"a": 1})))


def full_form(facts: Facts, document: Document) -> Document:
    """The same facts with several accounts and rows as lists."""
    full = drop(document, ("account",)) | {"accounts": {"main": document["account"], "other": {"equity": "1"}}}
    full["positions"] = [{"account": "main", "symbol": symbol, **row} for symbol, row in document["positions"].items()]
    full["positions"].append({"account": "other", "symbol": "A", "quantity": "999"})
    full["market"] = [{"symbol": symbol, **row} for symbol, row in document["market"].items()]
    return full


def hedged(facts: Facts, document: Document) -> Document:
    hedged = put(document, ("intent", "position_side"), facts.pick(("long", "short", "net")))
    rows = [{"symbol": symbol, "position_side": "long", **row} for symbol, row in document["positions"].items()]
    return put(hedged, ("positions",), [*rows, {"symbol": "A", "position_side": "short", "quantity": "-5"}])


def whole(facts: Facts, document: Document) -> Document:
    return put(
        document,
        facts.pick((("now",), ("intent",), ("market",), ("history", "events"), ("intent", "action"))),
        facts.pick((None, "x", 5, [])),
    )


FAULTS: tuple[Callable[[Facts, Document], Document], ...] = (
    lose,
    lose,
    lose,
    lose_section,
    lose_key_field,
    lose_key_field,
    spoil,
    spoil_number,
    out_of_range,
    old,
    old,
    old,
    ahead,
    ahead,
    divisor,
    divisor,
    forget,
    forget,
    forget,
    switch,
    switch,
    switch,
    currency,
    currency,
    currency,
    finer,
    finer,
    stranger,
    full_form,
    hedged,
    whole,
)
