"""One kind of intent as a function of time, size and limit price, written out for the policy and compiled.

A rehearsal asks it of every row, so nothing is looked up that could stand in it: what stays is bound once for each kind, and
the body is a few lines of whole numbers around the fused form. It answers as the fast lane would (`lane._fill`, `_judge`);
that both agree is held where a kind is met, and row by row by tests.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from caplex.runtime.engine.asked import PRICE
from caplex.runtime.engine.plainly import Odd
from caplex.runtime.engine.rings import FINEST
from caplex.runtime.plan import Plan

ODD: Final = object()
"""The machine has to say."""
UP, DOWN, WORST, POSITION, COMMITS = range(5)
"""Of a room, in grains: what is held if all buys fill, and if all sells do; the money of the worse; what is held; is it counted?"""
GROSS, NET_UP, NET_DOWN, COMMITTED = range(4)
"""Of the totals of an account."""
_OF_TOTALS: Final = frozenset({"others_gross", "others_net", "committed_count"})
_PLACES: Final = 8
_FIRST: Final = 7
Step = Callable[[int, int, int, tuple[int, ...]], Any]
"""Time, size, limit price (0 for none), other numbers. None: it went ahead, and room and windows know. ODD, or the number of the rule and the quantity."""
Take = Callable[[int, int, int], None]
"""An approval at a time, of a size, at what a unit is worth."""
Give = Callable[[int], None]
"""The room of an approval of a size lapses."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What the text of a step depends on.

    Attributes:
        most, least: Is there a largest size, and a least one? *worth*: It depends on the limit price.
        static: Windows over orders whose events are counted by the same key in all approvals of the kind, and by number alone.
        moving: Are there others?
        more: Fields of the intent whose numbers differ from row to row.
    """

    buy: bool
    closes: bool
    limited: bool
    most: bool
    least: bool
    worth: bool
    static: tuple[int, ...]
    moving: bool
    more: tuple[str, ...] = ()


def places(plan: Plan) -> list[tuple[int, int, Any]]:
    """Where the fused form has a slot: the place, its number, and what stands for an absent reading."""
    first = _FIRST + len(plan.fused_slots)
    return [(place, number, None) for place, number in enumerate(plan.fused_slots, _FIRST)] + \
        [(place, number, default) for place, (number, default) in enumerate(plan.fused_defaults, first)]


def has_totals(plan: Plan) -> bool:
    """Do approvals change what the policy reads of the whole book?"""
    return any(spec.kind == "book" and spec.name in _OF_TOTALS for spec in plan.slots)


class Writer:
    """Writes the step of one shape for one policy. Raises Odd for a slot that it cannot write."""

    def __init__(self, plan: Plan, shape: Shape) -> None:
        self.plan, self.shape, self.totals = plan, shape, has_totals(plan)
        self.price = f"more{shape.more.index(PRICE)}" if PRICE in shape.more else ""
        if self.price and shape.worth:
            raise Odd
        self._head: list[str] = []
        self._args: list[str] = []
        self.names: list[str] = []
        self._rest = 0

    def source(self) -> str:
        for place, number, _ in places(self.plan):
            self._args.append(self._place(place, number))
        shape, side = self.shape, "room[0]" if self.shape.buy else "room[1]"
        unpacked = ", ".join(f"more{number}" for number in range(len(shape.more)))
        step = [*([f"{unpacked}, = more"] if unpacked else []), *([f"value = {self.price} * factor"] if self.price else []), f"side = {side}", "closable = -side if side < 0 else 0" if shape.buy else "closable = side if side > 0 else 0",
                "leg = closable if closable < size else size"]
        if shape.closes:
            step.append("if size > closable: return ODD")
        top, least = "most" if shape.most else "((size if size > closable else closable) // lot + 1) * lot", "0"
        if shape.least or shape.worth:
            least = "least"
            if shape.worth:
                step.append("least = least_at(limit)")
        whole = ["not size % lot", *(["size <= most"] if shape.most else []), *(["(size >= least or size <= leg)"] if least != "0" else [])]
        args = ", ".join(["size", "leg", " and ".join(whole), "lot", top, least, "size" if shape.buy else "-size", *self._args])
        step += [*self._head, f"core = fused({args})", "if core is None: return ODD", "quantity, broken, failing = core",
                 "if quantity == size:", "    if broken or failing: return ODD", *_in(self._taken("size")), "    return None",
                 "broken |= failing", "if broken < 0 or broken & closed: return ODD", "if quantity:", *_in(self._taken("quantity")),
                 "return ((broken & -broken).bit_length() - 1 if broken else grid), quantity"]
        windows = [f"rings{number}" for number in shape.static] + ["count"] * shape.moving
        bound = ["fused", "ODD", "room", "totals", "value", "closed", "grid", "lot", "most", "least", "least_at", "value_at", "factor", *self.names, *windows]
        take = [f"side = {side}", *self._taken("size")]
        give = ["room[0] -= size" if shape.buy else "room[1] += size"]
        if self.totals:
            give += ["totals[1] -= size * value" if shape.buy else "totals[2] += size * value", *_AGAIN]
        return "\n".join([f"def make({', '.join(bound)}):", "    def step(now, size, limit, more):", *_in(_in(step)), "    def take(now, size, value):", *_in(_in(take)),
                          "    def give(size):", *_in(_in(give)), "    return step, take, give", ""])

    def _taken(self, size: str) -> list[str]:
        """What an approval changes."""
        lines = [f"room[0] = side + {size}" if self.shape.buy else f"room[1] = side - {size}"]
        if self.totals:
            lines += [f"totals[1] += {size} * value" if self.shape.buy else f"totals[2] -= {size} * value", *_AGAIN]
        lines += [f"for ring in rings{number}: ring.append(now)" for number in self.shape.static]
        return [*lines, f"count(now, {size}, value)"] if self.shape.moving else lines

    def _place(self, place: int, number: int) -> str:
        spec, shape = self.plan.slots[number], self.shape
        match spec.kind:
            case "now":
                return self._shifted("now", 0, spec.scale)
            case "field" if spec.section == "intent" and spec.name == "quantity":
                return self._shifted("size", _PLACES, spec.scale)
            case "field" if spec.section == "intent" and spec.name == "limit_price" and shape.limited:
                return self._shifted("limit", _PLACES, spec.scale)
            case "field" if spec.section == "intent" and spec.name in shape.more:
                return f"more{shape.more.index(spec.name)}"
            case "field" if self.price and (spec.section, spec.name) == ("market", "price"):
                return self._shifted(self.price, _PLACES, spec.scale)
            case "fold" if number in self.plan.windows and number not in self.plan.by_symbol:
                return self._window(place, number, spec.scale)
            case "book":
                return self._book(place, spec.name, spec.scale)
        return self._stays(f"k{place}")

    def _stays(self, name: str) -> str:
        if name not in self.names:
            self.names.append(name)
        return name

    def _book(self, place: int, name: str, scale: int | None) -> str:
        shape = self.shape
        match name:
            case "base":
                return self._shifted("side", _PLACES, scale)
            case "closing":
                return self._shifted("closable", _PLACES, scale)
            case "value" if self.price:
                return self._shifted("value", _PLACES, scale)
            case "order_value" if self.price:
                dearer = f"max({self.price}, limit) * factor" if shape.limited and shape.buy else "value"
                return self._shifted(dearer, _PLACES, scale)
            case "order_value" if shape.limited and shape.buy:
                return f"value_at(limit, {scale})"
            case "others_gross":
                return self._shifted("(totals[0] - room[2])", FINEST, scale)
            case "others_net":
                return self._shifted("(totals[1] - side * value)" if shape.buy else "(totals[2] - side * value)", FINEST, scale)
            case "committed_count":
                return self._shifted("totals[3]", 0, scale)
        return self._stays(f"k{place}")

    def _window(self, place: int, number: int, scale: int | None) -> str:
        kept = self.plan.windows[number]
        ring, begin = self._stays(f"ring{place}"), f"now - {self._stays(f'length{place}')}"
        slides = kept.window is not None and not kept.today
        if kept.function == "sum":
            self._head += [f"{ring}.forget({begin})"] * slides
            return self._shifted(f"{ring}.total", FINEST, scale)
        if slides:
            self._head += [f"begin = {begin}", f"while {ring} and {ring}[0] <= begin: {ring}.popleft()"]
        if scale is None:
            raise Odd
        unit = f" * {10**scale}" if scale else ""
        return f"len({ring}){unit}" if kept.function == "count" else f"({ring}[-1]{unit} if {ring} else {self._stays(f'absent{place}')})"

    def _shifted(self, value: str, decimals: int, scale: int | None) -> str:
        """`prepared.shift`."""
        if scale is None:
            raise Odd
        if scale >= decimals:
            return f"{value} * {10 ** (scale - decimals)}" if scale > decimals else value
        self._rest += 1
        self._head += [f"part{self._rest}, rest = divmod({value}, {10 ** (decimals - scale)})", "if rest: return ODD"]
        return f"part{self._rest}"


_AGAIN: Final = ["up, down = room[0], room[1]", "worst = max(abs(up), abs(down)) * value", "totals[0] += worst - room[2]", "room[2] = worst",
                 "commits = up != 0 or down != 0 or room[3] != 0", "totals[3] += commits - room[4]", "room[4] = commits"]
"""The room in the totals, after a side of it has changed."""


def _in(lines: list[str]) -> list[str]:
    return ["    " + line for line in lines]


def compiled(source: str) -> Callable[..., tuple[Step, Take, Give]]:
    """The maker of step, take and give that *source* defines."""
    scope: dict[str, Any] = {}
    exec(compile(source, "<steps of a rehearsal>", "exec"), scope)
    return scope["make"]  # type: ignore[no-any-return]


def give(room: list[int], totals: list[int], value: int, quantity: int, *, buy: bool) -> None:
    """Room of an approval that has lapsed."""
    if buy:
        room[UP] -= quantity
        totals[NET_UP] -= quantity * value
    else:
        room[DOWN] += quantity
        totals[NET_DOWN] += quantity * value
    worst = max(abs(room[UP]), abs(room[DOWN])) * value
    totals[GROSS] += worst - room[WORST]
    room[WORST] = worst
    commits = room[UP] != 0 or room[DOWN] != 0 or room[POSITION] != 0
    totals[COMMITTED] += commits - room[COMMITS]
    room[COMMITS] = commits
