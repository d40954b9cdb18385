"""The pairs can tell right from wrong: each listed mistake in the emitters or the driver is found by a few of them.

A mutant changes one piece of source text in the compiled side. It is killed when the reference disagrees with it on
some pair. A mutant whose text is no longer there fails too: the list follows the code.
"""

from __future__ import annotations
import __future__

import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

from caplex.compiler.codegen import expressions, link, scalar, traced
from caplex.compiler.graph import build, rules, shape
from caplex.runtime import bind, book, grid, judge, operators, outcome
from caplex.runtime.ruling import Ruling
from differential.documents import Document
from differential.harness import Pair, Subject, compiled, explore, subject

SEEDS = range(100_000, 102_000)


@dataclass(frozen=True, slots=True)
class Mutant:
    """In the function *name* of *place* (a module, a class, a table), *old* becomes *new*.

    *rebuild*: it is part of what makes the code, so policies are compiled anew. *needs*: a word of the policies that
    may notice. A table entry without *old* is replaced by *new* itself.
    """

    title: str
    place: Any
    name: str
    old: str
    new: str
    rebuild: bool = False
    needs: str = ""


def fused(title: str, name: str, old: str, new: str, needs: str = "", place: Any = scalar.Fused) -> Mutant:
    return Mutant(title, place, name, old, new, True, needs)


def word(title: str, name: str, old: str, new: str, needs: str = "") -> Mutant:
    """A function that generated code calls."""
    return Mutant(title, link.LIBRARY, name, old, new, True, needs)


MUTANTS = (
    # the fused form
    Mutant("fused: <= for <", expressions.SYMBOLS, "lt", "", "<=", True),
    Mutant("fused: < for <=", expressions.SYMBOLS, "le", "", "<", True),
    Mutant("fused: >= for >", expressions.SYMBOLS, "gt", "", ">=", True),
    Mutant("fused: > for >=", expressions.SYMBOLS, "ge", "", ">", True),
    fused(
        "fused: no sign test on a divisor",
        "_operation",
        "<= 0: return None",
        "== 0: return None",
        " / ",
        expressions.Expressions,
    ),
    fused("fused: abs dropped", "_operation", "else -{value})", "else {value})", "abs(", expressions.Expressions),
    fused(
        "fused: min for max",
        "_operation",
        "'>' if node.op == 'max' else '<'",
        "'<' if node.op == 'max' else '>'",
        "",
        expressions.Expressions,
    ),
    fused(
        "fused: sum for difference",
        "_operation",
        "'+' if node.op == 'add' else '-'",
        "'+'",
        "",
        expressions.Expressions,
    ),
    fused("fused: reduction one step short", "_reduce", '("-b // a", ', '("-b // a - 1", ', "reduce"),
    fused("fused: `below` reduced as `at most`", "_reduce", '"-(b // a) - 1"', '"-b // a"', "below"),
    fused("fused: a piece dropped", "_reduce", "in rule.pieces:", "in rule.pieces[1:]:", "reduce"),
    fused("fused: a lower edge ignored", "_reduce", "if high >= low and", "if", "reduce"),
    fused(
        "fused: s = 0 for s = c in a reduction",
        "_reduce",
        '"c" if rule.skipped or rule.opening_only else "0"',
        '"0"',
        "skips",
    ),
    fused(
        "fused: s = c for s = 0 in a reduction",
        "_reduce",
        '"c" if rule.skipped or rule.opening_only else "0"',
        '"c"',
        "faces",
    ),
    fused("fused: no second judging", "_permit", "f\"fails = judge_at({self._at.format('x')}) if 0 < x < n else 0\"", '"fails = 0"'),
    fused("fused: a closing leg is judged", "_decide", "if mask and n <= c: mask &= ~{self._bits(closing)}", "pass", "skips"),
    fused("fused: not in effect is overlooked", "_decide", "{now} < {low}", "False", "effective"),
    fused("fused: waiver ignored", "_condition", "for waiver in rule.waivers", "for waiver in ()", "waiver"),
    fused("fused: waiver without end", "_condition", "{self._now()} < {waiver.until_ns}", "True", "waiver"),
    fused("fused: monitor ignored", "_condition", "if rule.monitor is not None", "if False", "monitor"),
    fused("fused: guard ignored", "_condition", "if rule.when is not None", "if False", "when"),
    fused("fused: actions ignored", "_condition", "if not set(TRADING) <= set(rule.actions)", "if False", " for "),
    fused("fused: a trip by expression ignored", "_condition", "for t in rule.trips if", "for t in () if", "trip when"),
    fused("fused: reserve ignored", "_rule", "if rule.reserve is not None", "if False", "reserve"),
    fused("fused: a denial ends where a closing leg may take back", "_ends", "barred.add(rule.phase)", "pass", "skips"),
    fused("fused: a denial ends where SYS is listed", "_ends", "policy.sys_listed or", "", "SYS"),
    fused("fused: a reduction ends like a denial", "_ends", 'and rule.effect != "reduce"', "", "reduce"),
    fused("fused: what ends leaves out what was broken before", "_rule", "'mask | ' * self._marked", "''", "reduce"),
    fused("fused: common factor too large", "lowest", "gcd(m, n)", "max(m, n)", "", expressions),
    fused("fused: a flat piece never kept", "_reduce", "if a else n + 1", "if a else 0", "reduce"),
    fused("fused: a phase is not stopped", "_decide", "if phase < phases and", "if False and", " | "),
    fused(
        "fused: scale off by ten",
        "align",
        "10 ** (scale - right.scale)",
        "10 ** (scale - right.scale + 1)",
        "",
        expressions,
    ),
    fused(
        "fused: scale of a product",
        "multiply",
        "left.scale + right.scale",
        "left.scale + right.scale + 1",
        "",
        expressions,
    ),
    Mutant("fused: snap rounds up", operators, "snap", "x -= x % lot", "x += -x % lot", True),
    Mutant("fused: snap ignores minimums", operators, "snap", "x <= c or x >= least", "True", True),
    Mutant("fused: the venue's maximum ignored", operators, "snap", "if x > most", "if False", True),
    Mutant("fused: least notional ignored", bind.Bound, "least", "grid.least_notional is not None", "False"),
    # the words of the traced form
    *(
        Mutant(f"traced: {new} for {old}", traced.BINARY, old, "", traced.BINARY[new], True)
        for old, new in (
            ("lt", "le"),
            ("le", "lt"),
            ("gt", "ge"),
            ("ge", "gt"),
            ("and", "or"),
            ("or", "and"),
            ("max", "min"),
            ("min", "max"),
        )
    ),
    Mutant("traced: abs dropped", traced.BINARY, "abs", "", "{0}", True),
    Mutant("traced: not dropped", traced.BINARY, "not", "", "{0}", True),
    Mutant("traced: terms swapped", traced.BINARY, "sub", "", "({1} - {0})", True),
    word("traced: no sign test on a divisor", "divide", "right <= 0", "right == 0", " / "),
    word(
        "traced: unknown `and` false is unknown",
        "both",
        "if value is False:",
        "if value is False and merge(*values) is None:",
    ),
    word(
        "traced: unknown `or` true is unknown",
        "either",
        "if any(value is True for value in values)",
        "if all(value is True for value in values)",
    ),
    word("traced: `else` ignores absence", "instead", "fallback if value is ABSENT else value", "value", " else "),
    word(
        "traced: `else` replaces the unusable",
        "instead",
        "value is ABSENT",
        "(value is ABSENT or isinstance(value, Unknown))",
        " else ",
    ),
    word("traced: absent is known", "is_known", "value is not ABSENT", "True", "known"),
    word("traced: an aggregate ignores `where`", "fold", "True if where is None else where(row)", "True", "where"),
    word("traced: an unreadable row does not count", "fold", "if lost and function", "if False and function", "where"),
    word("traced: a set means its complement", "among", "value in collection", "value not in collection", " in ["),
    Mutant("traced: window closed", operators, "_events", "at > since", "at >= since"),
    Mutant(
        "traced: the day starts after its start", operators, "_events", "at >= first", "at > first", needs="per day"
    ),
    Mutant(
        "traced: the first event for the last",
        operators,
        "_combine",
        "max(values) if values else ABSENT",
        "min(values) if values else ABSENT",
    ),
    # the graph
    Mutant("throttle off by one", rules, "_throttle", 'graph.add("ge"', 'graph.add("gt"', True, "throttle"),
    Mutant("cooldown closed at its end", rules, "_cooldown", 'graph.add("lt"', 'graph.add("le"', True, "cooldown"),
    Mutant("a boundary lost its strictness", rules, "_limit", 'op in ("lt", "gt")', "False", True, "reduce"),
    Mutant("abs has one piece", shape, "_shape", "inside + _negated(graph, inside)", "inside", True, "abs("),
    Mutant(
        "gross keeps its sign",
        build.Builder,
        "_derive",
        'graph.add("abs", (notional,), None, MONEY) if field == "gross" else notional',
        "notional",
        True,
        "gross",
    ),
    Mutant(
        "after. without the intent",
        build.Builder,
        "_derive",
        'base if leg == "committed" else',
        "base if True else",
        True,
        "after.",
    ),
    Mutant("an override is not seen", build.Builder, "setting", "if not info.overrides and not isinstance(info.value, Fraction)", "if True", True, "tighten"),
    # positions and legs
    Mutant("OB for OS", bind.Bound, "book", "book.P - book.OS", "book.P - book.OB"),
    Mutant(
        "net of a buy counts sells",
        bind.Bound,
        "book",
        "book.others_net_buy if buy",
        "book.others_net_sell if buy",
        needs="portfolio.net",
    ),
    Mutant("opening leg of the wrong sign", book.Book, "direction", 'ONE if self.side == "buy" else -ONE', "ONE"),
    Mutant("closing leg ignores orders in flight", book.Book, "closable", "self.P - self.OS if", "self.P if"),
    Mutant("oco orders count each", book, "in_flight", "elif group is ABSENT", "elif True"),
    Mutant(
        "a buy is valued at market only",
        book.Book,
        "order_value",
        'if self.side == "buy" and limit is not ABSENT',
        "if False",
        needs="notional",
    ),
    # caps, reductions, the second judging
    Mutant("max for min over caps", judge, "_settle", "min(case.caps())", "max(case.caps())"),
    Mutant("no second judging", judge, "_settle", "if not _kept(case, s, candidate)", "if False"),
    Mutant("the closing leg is no candidate", judge, "_settle", "case.grid.snap(min(case.x, case.c)) or ZERO", "ZERO"),
    Mutant("modify never ignored", judge, "_settle", "header.modify_never", "False", needs="modify never"),
    Mutant("rounding never ignored", judge, "_settle", "header.rounding_never", "False", needs="rounding never"),
    Mutant("s = 0 for s = c", judge, "_start", "if not (rule.skipped or opening_only)", "if True", needs="skips"),
    Mutant("s = c for s = 0", judge, "_start", "if not (rule.skipped or opening_only)", "if False", needs="faces"),
    Mutant("unless worse ignored", judge, "_start", "not rule.unless_worse", "True", needs="unless worse"),
    Mutant("waiver ignored", judge, "stand", "if waiver is not None", "if False", needs="waiver"),
    Mutant("waiver without end", judge, "_waiver", "case.now < waiver.until_ns and", "", needs="waiver"),
    Mutant("monitor ignored", judge, "_is_suspended", 'rule.monitor == "always" or', "False and", needs="monitor"),
    Mutant(
        "monitor a moment too long",
        judge,
        "_is_suspended",
        "case.now < rule.monitor",
        "case.now <= rule.monitor",
        needs="monitor through",
    ),
    Mutant(
        "mode monitor lets missing data through",
        judge,
        "stand",
        "standing.monitored and _is_suspended(case, rule)",
        "standing.monitored",
        needs="mode monitor",
    ),
    Mutant("actions ignored", judge, "stand", "if case.action not in rule.actions", "if False"),
    Mutant(
        "the unevaluable passes",
        judge,
        "stand",
        "if isinstance(broken, Unknown)",
        "if isinstance(broken, Unknown) and False",
    ),
    Mutant("a phase is not stopped", judge, "nothing_left", "== 0", "== -1", needs=" | "),
    Mutant("strict ignored in reduce", judge, "_reduced", "case.grid.below(high) if open_high else", "", needs="below"),
    Mutant("a lower edge ignored", judge, "_reduced", "best < low or", "", needs="reduce"),
    Mutant(
        "an excluded root is included",
        judge,
        "interval",
        "high, open_high = root, strict",
        "high, open_high = root, False",
        needs="below",
    ),
    Mutant("lot rounded up", grid.Grid, "snap", "floor_to(x, self.lot)", "-floor_to(-x, self.lot)"),
    Mutant("min_notional ignored", grid.Grid, "_large_enough", "self.least_notional is None", "True"),
    Mutant(
        "a minimum takes the closing leg too",
        grid.Grid,
        "snap",
        "return floor_to(min(self.closing, x), self.lot)",
        "return ZERO",
    ),
    Mutant("max_quantity ignored", grid.Grid, "snap", "if self.most is not None", "if False"),
    # rates, switches, settings, sizes
    Mutant("reserve ignored", bind.Bound, "broken", "if rule.reserve is not None", "if False", needs="reserve"),
    Mutant("reserve off by one", bind.Bound, "broken", "at_least(rule.observed", "more(rule.observed", needs="reserve"),
    Mutant("switch trip ignored", judge, "_trips", "if trip.condition is None", "if True", needs="trip when"),
    Mutant("an undecided trip is armed", judge, "_switch", "elif leaves:", "elif False:", needs="trip when"),
    Mutant("deny opening denies all", judge, "_switch", "case.c if opening else ZERO\n", "ZERO\n", needs="opening"),
    Mutant(
        "confirmed one reading early",
        judge,
        "_confirmed",
        "readings + 1 >= wanted",
        "readings + 2 >= wanted",
        needs="readings",
    ),
    Mutant("confirmed at once", judge, "_confirmed", "case.now - since >= wanted", "True", needs="for 2s"),
    Mutant("trips on rules ignored", outcome, "_later_trips", 'trip.kind == "rule" and', "False and", needs="violated"),
    Mutant(
        "this decision's own denial does not count",
        outcome,
        "_count",
        "elif verdict is Verdict.DENY",
        "elif False",
        needs="denials",
    ),
    Mutant(
        "override: loosest wins",
        bind,
        "_tightest",
        "min(matching, key=key)",
        "max(matching, key=key)",
        needs="tightest",
    ),
    Mutant(
        "override: a tighten ranks as the rest",
        bind.Bound,
        "_rank",
        'override.kind != "tighten"',
        "False",
        needs="tighten",
    ),
    Mutant("override: never expires", bind.Bound, "_setting", "override.until_ns is not None", "False", needs="loosen"),
    Mutant(
        "override: one scope is enough", bind.Bound, "_setting", "both(*(equal", "either(*(equal", needs=" and strategy"
    ),
    Mutant("effective ignored", outcome, "_effective", "(early or late)", "False", needs="effective"),
    Mutant("effective a moment too long", outcome, "_effective", "now >= header", "now > header", needs="effective"),
    Mutant("an over-close goes through", outcome, "_close", "found.n > bound.closing", "False"),
    Mutant("ticket: a floor met exactly is broken", judge, "_below_floor", ") < floor", ") <= floor", needs="at least"),
    Mutant("ticket: negative money is not zero", outcome, "_units", "max(ZERO, money)", "abs(money)", needs="size"),
    Mutant(
        "ticket: leverage ignored", outcome, "_units", "max(ZERO, money) * leverage", "max(ZERO, money)", needs="margin"
    ),
    Mutant(
        "hold at n instead of permitted",
        outcome,
        "_held",
        "case.bound.broken(standing.rule, case.permitted",
        "case.bound.broken(standing.rule, case.n",
        needs="hold",
    ),
    Mutant("an unknown hold is none", outcome, "_held", "is not False", "is True", needs="hold"),
    Mutant(
        "monitored rules do not count as violated",
        outcome,
        "tell",
        'if s.state == "broken" and s.rule.kind',
        'if s.state == "broken" and not s.monitored and s.rule.kind',
        needs="monitor",
    ),
)


def mutate(monkeypatch: pytest.MonkeyPatch, mutant: Mutant) -> None:
    place, name, table = mutant.place, mutant.name, isinstance(mutant.place, dict)
    changed: Any = mutant.new
    if mutant.old:
        whole = place[name] if table else inspect.getattr_static(place, name)
        function = inner(whole)
        changed = rewrapped(whole, edited(function, mutant))
    if table:
        monkeypatch.setitem(place, name, changed)
    else:
        monkeypatch.setattr(place, name, changed)
    if mutant.place is operators and name == "snap":
        from caplex.compiler.codegen import assemble

        monkeypatch.setitem(assemble.FUSED_LIBRARY, "snap", changed)


def inner(whole: Any) -> Any:
    """The plain function in a property, a cached property or a static method."""
    for attribute in ("fget", "func", "__func__"):
        if hasattr(whole, attribute):
            return getattr(whole, attribute)
    return whole


def rewrapped(whole: Any, function: Any) -> Any:
    if function is None or whole is inner(whole):
        return function
    kind = type(whole)
    wrapped = kind(function)
    if hasattr(wrapped, "__set_name__"):
        wrapped.__set_name__(None, function.__name__)
    return wrapped


def edited(function: Any, mutant: Mutant) -> Any:
    """*function* from its source with the one change."""
    lines = textwrap.dedent(inspect.getsource(function)).splitlines(keepends=True)
    while lines[0].startswith("@"):
        del lines[0]
    source = "".join(lines)
    assert mutant.old in source, (
        f"{mutant.title}: `{mutant.old}` is no longer in {function.__qualname__}; follow the code"
    )
    code = compile(
        source.replace(mutant.old, mutant.new, 1),
        f"<mutant {mutant.title}>",
        "exec",
        __future__.annotations.compiler_flag,
    )
    scope: dict[str, Any] = {}
    exec(code, function.__globals__, scope)
    return scope[function.__name__]


@cache
def asked(seed: int) -> tuple[Subject, tuple[tuple[Document, Ruling], ...]]:
    """A policy, documents for it, and what the reference says to each: worked out once, before any mutant."""
    tested = subject(seed)
    return tested, tuple((pair.document, pair.expected) for pair in explore(tested, seed, 2))


def pairs(mutant: Mutant) -> Iterator[bool]:
    """Does the mutant show, pair by pair?"""
    for seed in SEEDS:
        tested, documents = asked(seed)
        if mutant.needs not in tested.policy.text:
            continue
        try:
            changed = compiled(tested.policy) if mutant.rebuild else tested
            for document, expected in documents:
                yield Pair(document, expected, changed.find(document)).disagreement(changed.plan) is not None
        except Exception:  # it shows by breaking
            yield True


@pytest.fixture(scope="module", autouse=True)
def warm() -> None:
    for seed in SEEDS:
        asked(seed)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.title)
def test_the_mutant_is_killed(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        mutate(patch, mutant)
        assert any(pairs(mutant)), "survives every pair"


def test_the_list_is_long() -> None:
    print(f"\n{len(MUTANTS)} mutants")
    assert len({mutant.title for mutant in MUTANTS}) == len(MUTANTS) >= 30
