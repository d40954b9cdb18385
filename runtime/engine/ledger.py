"""Totals over all positions and orders of one account, kept up to date symbol by symbol.

A decision must not walk over five hundred positions to learn the gross exposure. What has moved since the last decision is
taken out of the totals and put in again; that every held price is fresh is known from the oldest of their stamps. Where
anything is unusual (a price that cannot be used, a currency that is converted) the totals say so, and the rows are walked.

Money is counted in units of ``1 / UNIT``: whole numbers, which add up fast, and a `Fraction` where something is finer still.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from heapq import heappop, heappush
from typing import Any, Final

from caplex.runtime.book import Exposure
from caplex.runtime.values import Unknown

ZERO: Final = Fraction(0)
UNIT: Final = 10**16
"""Of money: a price with eight decimals times a quantity with eight."""
Units = int | Fraction


@dataclass(slots=True)
class Part:
    """What one symbol adds. Money, exact, in units; *usable*: it can be added up, whoever asks. Never changed once it is made.

    Attributes:
        folds: What the policy's own aggregates over positions come to in this symbol.
        own: Position, open buys and open sells in grains of 1e-8, and the venue and position side of all of them, where there is one key
            only and nothing unusual about it; see `runtime.engine.plainly`.
    """

    gross: Units = 0
    up: Units = 0
    down: Units = 0
    held_gross: Units = 0
    held_net: Units = 0
    holds: bool = False
    commits: bool = False
    usable: bool = True
    stamp_ns: int | None = None
    folds: tuple[Any, ...] = ()
    own: tuple[int, int, int, str, str] | None = None


NOTHING: Final = Part()


@dataclass(slots=True)
class Ledger:
    """Totals of an account: worst-case gross, net if all buys or all sells fill, what is held, and how many symbols."""

    parts: dict[str, Part] = field(default_factory=dict)
    gross: Units = 0
    up: Units = 0
    down: Units = 0
    held_gross: Units = 0
    held_net: Units = 0
    holding: int = 0
    committed: int = 0
    unusable: int = 0
    folds: dict[int, Units] = field(default_factory=dict)
    """By number in `Part.folds`: a sum, or in how many symbols it does not hold, or holds; see `tally`."""
    taken_ns: int = -(2**63)
    """When the totals were last taken: at an earlier time prices in them might be from the future."""
    _stamps: list[tuple[int, str]] = field(default_factory=list)

    def part(self, symbol: str) -> Part:
        return self.parts.get(symbol, NOTHING)

    def put(self, symbol: str, part: Part) -> None:
        """*part* in the place of what the symbol added before."""
        before = self.parts.get(symbol, NOTHING)
        if part is NOTHING:
            self.parts.pop(symbol, None)
        else:
            self.parts[symbol] = part
        self.gross += part.gross - before.gross
        self.up += part.up - before.up
        self.down += part.down - before.down
        self.held_gross += part.held_gross - before.held_gross
        self.held_net += part.held_net - before.held_net
        self.holding += part.holds - before.holds
        self.committed += part.commits - before.commits
        self.unusable += before.usable - part.usable
        if part.folds != before.folds:
            for sign, folds in ((1, part.folds), (-1, before.folds)):
                for number, value in enumerate(folds):
                    self.folds[number] = self.folds.get(number, 0) + sign * value
        if part.stamp_ns is not None and part.stamp_ns != before.stamp_ns:
            heappush(self._stamps, (part.stamp_ns, symbol))
            if len(self._stamps) > 64 + 4 * len(self.parts):  # quotes come faster than decisions
                self._stamps = sorted((each.stamp_ns, name) for name, each in self.parts.items() if each.stamp_ns is not None)

    def tally(self, number: int, function: str) -> Any:
        """The whole of an aggregate over positions."""
        total = self.folds.get(number, 0)
        return total == 0 if function == "all" else total > 0 if function == "any" else Fraction(total)

    def oldest_ns(self) -> int | None:
        """The oldest stamp of a price that the totals rest on."""
        while self._stamps:
            stamp, symbol = self._stamps[0]
            if self.part(symbol).stamp_ns == stamp:
                return stamp
            heappop(self._stamps)
        return None


def fold_part(function: str, value: Any) -> Any:
    """What the aggregate adds to the whole, from its *value* in one symbol."""
    return value if isinstance(value, Unknown) else int(value is False) if function == "all" else _whole(Fraction(value))


def money(units: Units) -> Fraction:
    """*units* as an amount."""
    return Fraction(units, UNIT)


def _whole(value: Fraction) -> Units:
    return value.numerator if value.denominator == 1 else value


def part_of(found: list[Exposure], stamp_ns: int | None, folds: tuple[Any, ...] = (), *, usable: bool) -> Part:
    """What the exposures of one symbol add up to, and its *folds*, which come ready."""
    gross: Any = ZERO
    up: Any = ZERO
    down: Any = ZERO
    held_gross: Any = ZERO
    held_net: Any = ZERO
    holds = commits = False
    for each in found:
        gross = gross + each.worst()
        up = up + each.times_value(each.quantity + each.buys)
        down = down + each.times_value(each.quantity - each.sells)
        money = each.times_value(each.quantity)
        held_gross = held_gross + (money if isinstance(money, Unknown) else abs(money))
        held_net = held_net + money
        holds = holds or each.quantity != 0
        commits = commits or each.quantity != 0 or each.buys != 0 or each.sells != 0
    if not commits:
        return NOTHING
    if not usable or any(isinstance(value, Unknown) for value in (gross, up, down, held_gross, held_net, *folds)):
        return Part(holds=holds, commits=commits, usable=False)
    up, down, held_gross, held_net = (_whole(value * UNIT) for value in (up, down, held_gross, held_net))
    return Part(_whole(gross * UNIT), up, down, held_gross, held_net, holds, commits, stamp_ns=stamp_ns, folds=folds)
