"""An allocation as a document, and as text: a table of the shares, and how each came about."""
from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from caplex.runtime.allocation.ruling import PLACES, Cut, Infeasible, Lost, Named, Term
from caplex.runtime.allocation.shares import ZERO
from caplex.runtime.canonical import exact_text, floor_text, printed
from caplex.runtime.canonical import plain as plain_of
from caplex.runtime.messages import tell_leaf
from caplex.runtime.report.cells import bar, cells, cut, padded, visible, wrapped
from caplex.runtime.report.text import paint
from caplex.runtime.texts import human

if TYPE_CHECKING:
    from caplex.runtime.allocation.result import Allocation

LEAST_WIDTH: Final = 40
_TONES: Final = {"rebalance": "1;32", "keep": "1;36", "frozen": "1;33", "refused": "1;31"}
_BAR: Final = 12
_NAMES: Final = 24
_WORDS: Final = {"rebalance": "a new plan", "keep": "the plan in force stays", "frozen": "frozen", "refused": "no plan can be made"}


# ── the document ──────────────────────────────────────────────────────────────────────────────────────


def tell(made: Allocation) -> dict[str, Any]:
    """The document ``caplex.allocation/1``: shares have 12 decimals, everything else is exact or says that it is rounded."""
    ruled, policy = made.ruled, made.policy
    return {
        "schema": "caplex.allocation/1", "name": made.plan.name, "across": made.plan.across, "state": made.state, "timestamp": made.at,
        "source": {"policy": policy.name, "version": policy.version, "hash": policy.hash, "settings_hash": policy.settings_hash,
                   "place": made.plan.source, "facts_hash": made.facts_hash},
        "shares": _plain(made.shares), "unallocated": _text(made.unallocated),
        "previous": None if made.previous is None else _plain(made.previous),
        "proposed": None if made.proposed is None else _plain(made.proposed), "changes": _plain(made.changes),
        "largest_change": None if ruled.largest is None else plain_of(ruled.largest),
        "threshold": None if ruled.threshold is None else plain_of(ruled.threshold),
        "scale": None if ruled.scale is None else printed(ruled.scale, ratio=True).text,
        "bounds": bounds(made), "infeasible": None if ruled.infeasible is None else _infeasible(ruled.infeasible),
        "reasons": [_lost(each) for each in ruled.lost], "warnings": [_cut(each, made) for each in ruled.cuts],
        "names": {each.name: _named(each) for each in ruled.names},
    }


def bounds(made: Allocation) -> dict[str, str | None]:
    """Floor and ceiling, where they are the same for every name that has a score."""
    scored = [each for each in made.ruled.names if each.score is not None]
    floors, ceilings = ({getattr(each, side) for each in scored} for side in ("floor", "ceiling"))
    return {"floor": _only(floors), "ceiling": _only(ceilings)}


def _only(values: set[Fraction | None]) -> str | None:
    value = next(iter(values)) if len(values) == 1 else None
    return None if value is None else printed(value, ratio=True).text


def _plain(shares: dict[str, Decimal]) -> dict[str, str]:
    return {name: _text(share) for name, share in sorted(shares.items())}


def _text(value: Decimal) -> str:
    return plain_of(Fraction(value))


def _number(key: str, value: Fraction | None) -> dict[str, str | None]:
    """*value* under *key*; with its exact form beside it where no decimal writes it."""
    if value is None:
        return {key: None}
    exact = exact_text(value)
    return {key: floor_text(value, PLACES), f"{key}_exact": exact} if "/" in exact else {key: exact}


def _named(each: Named) -> dict[str, Any]:
    return {**_number("score", each.score), **_number("before_scale", each.share), "bound": each.bound,
            **_number("floor", each.floor), **_number("ceiling", each.ceiling), "terms": [_term(term) for term in each.terms]}


def _term(term: Term) -> dict[str, Any]:
    return {"text": term.text, **_number("weight", term.weight), **_number("value", term.value), **_number("contribution", term.contribution)}


def _infeasible(found: Infeasible) -> dict[str, Any]:
    return {"bound": found.bound, "name": found.name, "count": found.count, **_number("total", found.total), **_number("room", found.room),
            "message": why(found)}


def _lost(lost: Lost) -> dict[str, Any]:
    leaf = lost.leaf
    return {"rule": leaf.sys, "name": lost.name, "path": leaf.path, "problem": leaf.problem, "message": message(lost)}


def _cut(each: Cut, made: Allocation) -> dict[str, Any]:
    return {"name": each.name, "field": each.field, **_number("value", each.value), **_number("used", each.used), "message": told_cut(each, made)}


# ── sentences ─────────────────────────────────────────────────────────────────────────────────────────


def message(lost: Lost) -> str:
    """Why there is no plan, or why it is frozen."""
    if lost.leaf.problem == "not-in-effect":
        return "the policy is not in effect"
    return tell_leaf(lost.leaf)


def why(found: Infeasible) -> str:
    """Which bounds no shares can meet, and what became of it."""
    total, room, names = percent(found.total), percent(found.room), _counted(found.count)
    if found.name is not None and found.bound == "floor":
        return f"the floor of {found.name}, {total}, lies above its ceiling, {room}: there is no plan"
    if found.name is not None:
        return f"the fixed share of {found.name} is {total}: there is no plan"
    match found.bound:
        case "ceiling":
            return f"{names} at {'its ceiling' if found.count == 1 else 'their ceilings'} take {total} of {room}: the rest stays in cash"
        case "floor":
            return f"the floors of {names} take {total} of {room}: there is no plan"
    return f"the fixed shares take {total} of 100%: there is no plan"


def _counted(count: int) -> str:
    return "1 name" if count == 1 else f"{count} names"


def told_cut(each: Cut, made: Allocation) -> str:
    """``B: strategy.winrate_30d is 65, cut to 1; was 65% meant?``"""
    whose = f"{each.name}: " if each.name is not None else ""
    hint = f"; was {human(each.value)}% meant?" if 1 < each.value <= 100 and each.used == 1 else ""
    return f"{whose}{each.field} is {human(each.value)}, cut to {human(each.used)}{hint}"


def percent(value: Fraction, places: int = 2) -> str:
    """A share for people: ``12.34%``, rounded to the nearest."""
    return human(Fraction(round(value * 100 * 10**places), 10**places)) + "%"


def points(change: Fraction) -> str:
    """A change for people: ``+12.34``; one that is too small to be seen says so."""
    if not change:
        return "·"
    rounded = Fraction(round(change * 10_000), 100)
    if not rounded:
        return "+0.00" if change > 0 else "-0.00"
    return f"{'+' if change > 0 else '-'}{_fixed(abs(rounded), 2)}"


def _fixed(value: Fraction, places: int) -> str:
    whole, _, part = floor_text(value, places).partition(".")
    return f"{whole}.{part.ljust(places, '0')}"


def _share(value: Fraction) -> str:
    return _fixed(Fraction(round(value * 10_000), 100), 2) + "%"


# ── text ──────────────────────────────────────────────────────────────────────────────────────────────


class Explanation:
    """Made by `Allocation.explain`."""

    __slots__ = ("made",)

    def __init__(self, made: Allocation) -> None:
        self.made = made

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"<Explanation of {self.made!r}>"

    def to_dict(self) -> dict[str, Any]:
        return tell(self.made)

    def text(self, *, width: int = 100, colour: bool = False, terms: bool = True) -> str:
        """Lines of at most *width* columns (40 or more); *terms*: how each score came about."""
        drawing = _Drawing(self.made, max(width, LEAST_WIDTH), colour)
        lines = [*drawing.head(), *drawing.table(), *drawing.notes()]
        if terms:
            lines += drawing.terms()
        return "\n".join(line.rstrip() for line in lines)


class _Drawing:
    def __init__(self, made: Allocation, width: int, colour: bool) -> None:
        self.made, self.ruled, self.width, self.colour = made, made.ruled, width, colour

    def paint(self, text: str, tone: str) -> str:
        return paint(text, tone, self.colour)

    def head(self) -> Iterator[str]:
        made = self.made
        policy = f"{made.policy.name} {made.policy.version} ({made.policy.hash[:13].replace(':', ' ')}…)"
        word = made.state.upper()
        left = f"{self.paint(word, _TONES[made.state])}  {visible(made.plan.name)} across {made.plan.across}"
        if made.at is not None:
            left += f" · {made.at[:19].replace('T', ' ')}Z"
        free = self.width - cells(left) - cells(policy)
        if free >= 2:
            yield left + " " * free + policy
        else:
            yield from wrapped(left, self.width, "", "  ")
        yield from wrapped(self._because(), self.width, "  ")
        yield ""

    def _because(self) -> str:
        ruled = self.ruled
        words = _WORDS[ruled.state]
        if ruled.state == "frozen":
            return f"{words}: {visible(self.made.plan.freeze_text)}" + (" cannot be told" if ruled.lost else "") + "; " + self._stays()
        if ruled.state == "refused":
            return f"{words}; {self._stays()}"
        if ruled.largest is None:
            return f"{words}: none was in force"
        moved = f"the largest change is {_pp(ruled.largest)}"
        if ruled.threshold is None:
            return f"{words}: {moved}"
        needed = _pp(ruled.threshold)
        return f"{words}: {moved}, at least {needed} is asked for" if ruled.state == "keep" else f"{words}: {moved}; {needed} would do"

    def _stays(self) -> str:
        return "the plan in force stays" if self.made.previous is not None else "there is none in force either"

    # ── the table ────────────────────────────────────────────────────────────────────────────────────

    def table(self) -> Iterator[str]:
        rows = list(self._rows())
        if not rows:
            yield "  " + self.paint("no shares: everything is in cash", "2")
            yield ""
            return
        new = self.ruled.units is not None
        heads: tuple[str, ...] = ("", "share" if self.ruled.state != "keep" else "would be", "before", "change", "score", "held by") if new else ("", "share")
        if self.width < 64 and new:  # what else there is to say of them stands below
            heads, rows = heads[:4], [(*row[:4], row[-1]) for row in rows]
        first = min(max(cells(row[0]) for row in rows), _NAMES if self.width >= 80 else 12)
        widths = [max(cells(text) for text in column) for column in zip(heads, *(row[:-1] for row in rows), strict=True)]
        widths[0] = first
        room = self.width - 2 - sum(widths) - 2 * (len(widths) - 1)
        wide = room >= _BAR + 4
        yield self.paint("  " + self._line(heads, widths, _BAR + 2 if wide else 0), "2")
        for *texts, share in rows:
            yield "  " + self._line(texts, widths, 0, bar(round(share * 100), _BAR) if wide else "")
        yield ""

    def _rows(self) -> Iterator[tuple[Any, ...]]:
        made, ruled = self.made, self.ruled
        if ruled.units is None:
            yield from ((visible(name), _share(Fraction(share)), Fraction(share)) for name, share in sorted(made.shares.items()))
        else:
            names, changes, proposed = made.names, made.changes, made.proposed or {}
            for name in sorted(changes, key=lambda name: (-proposed.get(name, Decimal(0)), name)):
                each = names.get(name)
                before = "–" if made.previous is None or name not in made.previous else _share(Fraction(made.previous[name]))
                share = Fraction(proposed.get(name, Decimal(0)))
                score = "gone" if each is None else "" if each.score is None else _fixed(Fraction(round(each.score * 10_000), 10_000), 4)
                change = "" if made.previous is None else points(Fraction(changes[name]))
                yield visible(name), _share(share), before, change, score, _held(each), share
        cash = Fraction(made.unallocated) if ruled.state != "keep" else 1 - sum((Fraction(s) for s in (made.proposed or {}).values()), ZERO)
        if cash and (made.shares or made.proposed):
            yield ("in cash", _share(cash), cash) if ruled.units is None else ("in cash", _share(cash), "", "", "", "", cash)

    @staticmethod
    def _line(texts: Any, widths: list[int], gap: int, drawn: str = "") -> str:
        name, share, *rest = texts
        parts = [padded(cut(name, widths[0]), widths[0]), padded(share, widths[1], right=True)]
        if drawn or gap:
            parts.append(drawn or " " * gap)
        for index, text in enumerate(rest, 2):
            parts.append(padded(text, widths[index], right=index < 5))
        return "  ".join(parts).rstrip()

    # ── what else there is to say ────────────────────────────────────────────────────────────────────

    def notes(self) -> Iterator[str]:
        ruled = self.ruled
        said = False
        for lost in ruled.lost:
            yield from self._note("✗", f"{visible(lost.name)}: {message(lost)}" if lost.name is not None else message(lost), "31")
            said = True
        if ruled.infeasible is not None:
            yield from self._note("!", why(ruled.infeasible), "33")
            said = True
        if ruled.scale is not None and ruled.scale != 1:
            yield from self._note("·", f"all shares are scaled by {percent(ruled.scale)}; bounds hold before that", "2")
            said = True
        for each in ruled.cuts:
            yield from self._note("!", told_cut(each, self.made), "33")
            said = True
        if said:
            yield ""

    def _note(self, sign: str, text: str, tone: str) -> Iterator[str]:
        first, *more = wrapped(visible(text), self.width, "    ")
        yield "  " + self.paint(sign, tone) + first[3:]
        yield from more

    def terms(self) -> Iterator[str]:
        """How each score came about, name by name."""
        scored = sorted((each for each in self.ruled.names if each.terms), key=lambda each: (-each.share, each.name))
        for each in scored:
            score = each.score or ZERO
            counts = "; a score below 0 counts as 0" if score < 0 else ""
            yield from wrapped(f"{visible(each.name)} scores {human(score)}{counts}{_bounded(each)}", self.width, "  ", "    ")
            for term in each.terms:
                yield from self._term(term)
            yield ""

    def _term(self, term: Term) -> Iterator[str]:
        amount = _signed(term.contribution)
        how = human(term.value) if term.weight is None else f"{percent(term.weight)} of {human(term.value)}"
        left = f"    {padded(amount, 8, right=True)}  {padded(how, 16)}  "
        yield from wrapped(visible(term.text), self.width, left, " " * cells(left)) if self.width >= 64 else [f"    {amount}  {how}"]


def _held(each: Named | None) -> str:
    if each is None or each.bound is None:
        return ""
    value = {"floor": each.floor, "ceiling": each.ceiling, "fixed": each.share}[each.bound]
    return each.bound if value is None else f"{each.bound} {percent(value)}"


def _bounded(each: Named) -> str:
    if each.bound is None:
        return f"; its share before the scale is {percent(each.share)}"
    return f"; the {each.bound} holds it at {percent(each.share)}"


def _signed(value: Fraction) -> str:
    return ("-" if value < 0 else "+") + _fixed(Fraction(round(abs(value) * 10_000), 10_000), 4)


def _pp(value: Fraction) -> str:
    rounded = human(Fraction(round(value * 10_000), 100))
    return f"{rounded} points"
