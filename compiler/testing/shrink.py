"""From a counterexample to one that a person can read: parts are left out and numbers made round, as long as it stays one."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import Any, Final

from caplex.runtime.canonical import plain
from caplex.runtime.reading import Unreadable, number

Document = dict[str, Any]
Path = tuple[str | int, ...]
Fails = Callable[[Document], bool]
MOST: Final = 600
"""Tries; each is a decision."""
_KEPT: Final = frozenset({("now",), ("intent",), ("intent", "id"), ("intent", "action"), ("intent", "symbol"), ("account",), ("positions",), ("orders",), ("market",),
                          ("history",), ("history", "complete_from"), ("history", "events")})
_WHOLE: Final[dict[Any, int]] = {"switches": 2, "orders": 2, "history": 3}
"""Rows that are left out as a whole or not at all, by the length of their path."""
_MILD: Final = {"state": "armed", "action": "open", "side": "buy"}
_ROUND: Final = tuple(map(Fraction, (0, 1, 2, 5, 10, 100, 1000, 10_000, 100_000, 1_000_000)))


def shrink(document: Document, fails: Fails, *, neutral: Mapping[Path, str] | None = None, most: int = MOST) -> Document:
    """A smaller document on which *fails* is still true. The same document gives the same one.

    Args:
        neutral: What stands at a place where nothing is out of the ordinary; nothing is simpler there.
    """
    tries = 0
    best = document
    plainest = dict(neutral or {})
    changed = True
    while changed and tries < most:
        changed = False
        for candidate in _candidates(best, plainest):
            tries += 1
            if tries > most:
                break
            if fails(candidate):
                best, changed = candidate, True
                break
    return _rounded(best, fails, plainest)


def _candidates(document: Document, plainest: Mapping[Path, str]) -> Iterator[Document]:
    """Simpler ones, those that leave out most first."""
    intent = document["intent"]
    if intent.get("action") == "adjust" and "delta" in intent:
        rest = {name: value for name, value in intent.items() if name != "delta"}
        side = "sell" if intent["delta"].startswith("-") else "buy"
        yield {**document, "intent": {**rest, "action": "open", "side": side, "quantity": intent["delta"].removeprefix("-")}}
    for path in sorted(_paths(document), key=lambda path: (len(path), str(path))):
        if path not in _KEPT and path[-1] != "as_of" and len(path) <= _WHOLE.get(path[0], len(path)):
            yield put(document, path, _GONE)
    for path in _paths(document):
        value = get(document, path)
        mild = plainest.get(path, _MILD.get(str(path[-1])))
        if isinstance(value, bool):
            if value:
                yield put(document, path, False)
        elif isinstance(value, str) and mild is not None and value != mild:
            yield put(document, path, mild)
            if path in plainest:
                yield from (put(document, path, text) for text in _simpler(value))
        elif isinstance(value, str) and value != mild:
            yield from (put(document, path, text) for text in _simpler(value))


def _simpler(text: str) -> Iterator[str]:
    """Rounder numbers that are not further from nought: each is shorter to write than what it replaces."""
    try:
        value = number(text)
    except Unreadable:
        return
    sign = -1 if value < 0 else 1
    if sign < 0:
        yield plain(-value)
    for round_ in _ROUND:
        if round_ < abs(value) and (_weight(round_) < _weight(value) or round_ < abs(value) / 2):
            yield plain(sign * round_)
    for digits in (1, 2, 3):
        shorter = _significant(abs(value), digits)
        if _weight(shorter) < _weight(value):
            yield plain(sign * shorter)


def _rounded(document: Document, fails: Fails, plainest: Mapping[Path, str]) -> Document:
    """Numbers that are larger, and shorter: 1_000_000 for 999_873.21."""
    for path in _paths(document):
        value = get(document, path)
        if not isinstance(value, str) or value == plainest.get(path):
            continue
        try:
            exact = number(value)
        except Unreadable:
            continue
        for round_ in (*_ROUND, _significant(abs(exact), 1) + 10 ** (len(str(int(abs(exact)))) - 1)):
            if _weight(round_) < _weight(exact) and exact > 0:
                candidate = put(document, path, plain(Fraction(round_)))
                if fails(candidate):
                    document = candidate
                    break
    return document


def _weight(value: Fraction) -> int:
    """Digits that are not noughts at the end: what a person has to read."""
    text = plain(abs(value))
    return len(text.replace(".", "").strip("0")) or 1


def _significant(value: Fraction, digits: int) -> Fraction:
    """*value* cut to so many digits."""
    if value == 0:
        return value
    places = 0
    while value * Fraction(10) ** places >= 10**digits:
        places -= 1
    while value * Fraction(10) ** places < 10 ** (digits - 1):
        places += 1
    return Fraction(int(value * Fraction(10) ** places)) / Fraction(10) ** places


# ── places in a document ──────────────────────────────────────────────────────────────────────────────

_GONE: Any = object()


def get(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


def put(value: Any, path: Path, new: Any) -> Any:
    """A copy in which *path* holds *new*, or no longer is."""
    first, rest = path[0], path[1:]
    if isinstance(value, list):
        return [put(item, rest, new) if index == first and rest else new if index == first else item
                for index, item in enumerate(value) if not (index == first and not rest and new is _GONE)]
    if not rest and new is _GONE:
        return {key: item for key, item in value.items() if key != first}
    return {**value, first: put(value[first], rest, new) if rest else new}


def _paths(value: Any, here: Path = ()) -> list[Path]:
    found = [here] if here else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found += _paths(item, (*here, key))
    return found
