"""What the rules of a policy cost: each is left out in turn, and what is then cheaper is its cost (`caplex bench`).

Three paths are timed on the caller's facts: the decision itself on facts that are prepared, reading the facts, and the full
telling, rule by rule. Everything is told in units of a decision under an empty policy, measured in the same rounds, because
machines differ and days do. What differs by no more than two compilations of the same policy do is below the noise.
"""
from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from caplex.compiler.tools.bench_rounds import Clock, Samples, Spread, Work, sample, tidy
from caplex.compiler.tools.bench_variants import ASKED, Compiled, Unfused, checked_of, empty, longest
from caplex.runtime.facts import Facts
from caplex.runtime.policy import Policy
from caplex.runtime.values import Unknown

SCHEMA: Final = "caplex.bench/1"
ROUNDS, TOP, TURNS = 15, 20, 2
"""Rounds; rules that are left out one by one; documents that take their turn in a round, where reading is timed."""
PATHS: Final = ("decide", "reading", "full")
Given = Mapping[str, Any] | Facts
_COPY, _OTHERS = "=", "+"
"""Variants that are no rule: the same policy compiled once more, and all rules left out that are not left out one by one."""


@dataclass(frozen=True, slots=True)
class RuleCost:
    """What a decision saves without a rule, by path, in units of an empty decision.

    Attributes:
        rules: How many rules this is: more than one for what is left out together.
        quiet: Paths on which that is below the noise.
        changes: On how many of the documents the decision is another one without it.
        why: Why it cannot be left out; then it has no costs.
    """

    rule: str
    title: str
    source: str
    costs: Mapping[str, Spread]
    quiet: frozenset[str] = frozenset()
    changes: int = 0
    why: str = ""
    rules: int = 1

    def to_dict(self) -> dict[str, Any]:
        told: dict[str, Any] = {"rule": self.rule, "title": self.title or None, "source": self.source}
        for path in PATHS:
            cost = self.costs.get(path)
            told[path] = None if cost is None else {**cost.to_dict(), "below_noise": path in self.quiet}
        return {**told, "changes": self.changes, "why_not": self.why or None}


@dataclass(frozen=True, slots=True)
class Slow:
    """A document that went the long way: its number, the reason, and the rules without which the fast form would take it."""

    document: int
    reason: str
    rules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bench:
    """What `bench` returns; figures are in units of a decision under an empty policy.

    Attributes:
        unit_ns: Nanoseconds of that unit here.
        whole: The policy, by path: ``decide`` (documents that the fast form takes, if it takes any), ``reading``, ``full``.
        noise: By how much two compilations of the policy differed, by path.
        rules: The dearest first.
        others: The rules that were left out together, if there were too many.
        not_fused: Why the fast form does not take the policy; empty if it does.
        slow: Documents that went the long way though the policy has a fast form.
    """

    policy: Policy
    documents: int
    rounds: int
    unit_ns: Spread
    whole: Mapping[str, Spread]
    noise: Mapping[str, float]
    rules: tuple[RuleCost, ...]
    others: RuleCost | None
    not_fused: tuple[Unfused, ...]
    slow: tuple[Slow, ...]

    @property
    def fast(self) -> int:
        """How many documents the fast form took."""
        return 0 if self.not_fused else self.documents - len(self.slow)

    def to_dict(self) -> dict[str, Any]:
        """The document of `caplex bench --format json`."""
        others = None if self.others is None else {"rules": self.others.rules, **{k: v for k, v in self.others.to_dict().items() if k in PATHS}}
        return {
            "schema": SCHEMA, "policy": self.policy.name, "version": self.policy.version, "hash": self.policy.hash,
            "settings_hash": self.policy.settings_hash, "rounds": self.rounds,
            "unit": {"what": "a decision under an empty policy, facts prepared", "ns": self.unit_ns.to_dict()},
            "facts": {"documents": self.documents, "fast": self.fast,
                      "slow": [{"document": each.document, "reason": each.reason, "rules": list(each.rules)} for each in self.slow]},
            **{path: self.whole[path].to_dict() for path in PATHS},
            "noise": {path: tidy(self.noise[path]) for path in PATHS},
            "rules": [rule.to_dict() for rule in self.rules], "others": others,
            "not_fused": [{"rule": each.rule, "source": each.source or None, "reason": each.reason} for each in self.not_fused]}


def bench(
    policy: Policy | str | Path, facts: Given | Sequence[Given], *, settings: Any = None, mode: Literal["enforce", "monitor"] | None = None,
    rounds: int = ROUNDS, seconds: float | None = None, top: int = TOP, clock: Clock = time.process_time_ns,
    tick: Callable[[int, int], None] | None = None,
) -> Bench:
    """Which rules of *policy* cost what, on *facts*: one document, or several.

    Args:
        policy: A policy, or the file of one; *settings* and *mode* are for a file, as of `load`.
        rounds, seconds: Rounds that are measured; none begins after so many seconds of the processor.
        top: So many rules are left out one by one, those with the longest conditions; the rest together.
        clock: Nanoseconds; the processor's unless given.
        tick: Is told how many rounds are done, of how many.
    Raises:
        PolicyError: It does not compile.
        ValueError: No facts, or no rounds.
    """
    from caplex.compiler.loading import policy_of, resolve_settings

    documents = [facts] if isinstance(facts, Mapping | Facts) else list(facts)
    if not documents:
        raise ValueError("no facts: which rules cost what is measured on some")
    if rounds < 3:
        raise ValueError("fewer than 3 rounds have no spread")
    values = resolve_settings(settings)
    checked, found = checked_of(policy, values, mode)
    named = policy if isinstance(policy, Policy) else policy_of(checked, found, values, mode)
    assert checked is not None
    compiled = Compiled(checked)
    prepared = [Facts(each.document if isinstance(each, Facts) else each) for each in documents]
    whole = compiled.whole()
    ids = [rule.id for rule in checked.rules]
    chosen = ids if len(ids) <= top else longest(whole, prepared, clock)[:top]
    variants = {rule: compiled.without({rule}) for rule in chosen}
    left = frozenset(ids) - frozenset(chosen)
    variants |= {_COPY: compiled.whole()} | ({_OTHERS: compiled.without(left)} if left else {})
    measured = {name: each for name, each in variants.items() if each is not None}
    not_fused = tuple(compiled.why_not_fused())
    slow = () if not_fused else tuple(_slow(whole, {name: variants[name] for name in chosen}, prepared))
    quick = [each for number, each in enumerate(prepared) if number not in {one.document for one in slow}]
    samples = _measure(whole, measured, quick or prepared, prepared, clock, rounds=rounds, seconds=seconds, tick=tick)
    return _told(named, whole, variants, chosen, len(left), samples, prepared, not_fused, slow)


# ── measuring ─────────────────────────────────────────────────────────────────────────────────────────


def _measure(whole: Policy, variants: Mapping[str, Policy], quick: Sequence[Facts], prepared: Sequence[Facts], clock: Clock, *, rounds: int,
             seconds: float | None, tick: Callable[[int, int], None] | None) -> Samples:
    policies = {"": whole, **variants}
    turns = min(TURNS, len(prepared))

    def taking_turns(turn: int) -> list[Facts]:
        return [prepared[(turn * turns + each) % len(prepared)] for each in range(turns)]

    unit = _deciding(empty(), [Facts(ASKED)])
    return sample(clock, unit, {
        "decide": lambda turn: {name: _deciding(policy, quick) for name, policy in policies.items()},
        "reading": lambda turn: {name: _reading(policy, [each.document for each in taking_turns(turn)]) for name, policy in policies.items()},
        "full": lambda turn: {name: _judging(policy, taking_turns(turn)) for name, policy in policies.items()},
    }, rounds=rounds, seconds=seconds, documents={"decide": len(quick), "reading": turns, "full": turns}, tick=tick)


def _deciding(policy: Policy, facts: Sequence[Facts]) -> Work:
    """Verdict, quantity and first reason are read: an answer that nobody has looked at is not an answer yet."""
    decide = policy.decide
    for each in facts:
        decide(each)  # what is read is read once

    def work(passes: int) -> None:
        for _ in range(passes):
            for each in facts:
                decision = decide(each)
                _ = decision.verdict
                _ = decision.quantity
                _ = decision.reason

    return work


def _reading(policy: Policy, documents: Sequence[Mapping[str, Any]]) -> Work:
    bind = policy.bind

    def work(passes: int) -> None:
        for _ in range(passes):
            for each in documents:
                bind(each)

    return work


def _judging(policy: Policy, facts: Sequence[Facts]) -> Work:
    ruling = policy.ruling

    def work(passes: int) -> None:
        for _ in range(passes):
            for each in facts:
                ruling(each)

    return work


# ── what it comes to ──────────────────────────────────────────────────────────────────────────────────


def _told(named: Policy, whole: Policy, variants: Mapping[str, Policy | None], chosen: Sequence[str], left: int, samples: Samples,
          prepared: Sequence[Facts], not_fused: tuple[Unfused, ...], slow: tuple[Slow, ...]) -> Bench:
    def spread(values: Sequence[float]) -> Spread:
        return Spread.of([value / unit for value, unit in zip(values, samples.unit, strict=True)])

    same = {path: spread(samples.more[path][_COPY]) for path in PATHS}
    noise = {path: max(abs(each.median), abs(each.low), abs(each.high)) for path, each in same.items()}
    decided = [_short(whole, each) for each in prepared]

    def cost(name: str, rules: int = 1) -> RuleCost:
        policy, plan = variants[name], whole.rules.get(name)
        title, source = (plan.title, plan.source) if plan is not None else ("", "")
        if policy is None:
            return RuleCost(name, title, source, {}, why="what is left reads its state")
        costs = {path: spread(samples.more[path][name]) for path in PATHS}
        changes = sum(_short(policy, each) != was for each, was in zip(prepared, decided, strict=True))
        return RuleCost(name, title, source, costs, frozenset(path for path in PATHS if _quiet(costs[path], noise[path])), changes, rules=rules)

    by = "full" if not_fused or len(slow) == len(prepared) else "decide"
    rules = sorted(map(cost, chosen), key=lambda one: (not one.costs, -one.costs[by].median if one.costs else 0))
    return Bench(named, len(prepared), samples.rounds, Spread.of(samples.unit), {path: spread(samples.whole[path]) for path in PATHS}, noise,
                 tuple(rules), cost(_OTHERS, left) if left else None, not_fused, slow)


def _quiet(cost: Spread, noise: float) -> bool:
    """No more than two compilations of one policy differ by, or now more, now less."""
    return abs(cost.median) <= noise or cost.low * cost.high <= 0


def _short(policy: Policy, facts: Facts) -> tuple[Any, Any]:
    decision = policy.decide(facts)
    return decision.verdict, decision.quantity


def _slow(policy: Policy, without: Mapping[str, Policy | None], prepared: Sequence[Facts]) -> Iterator[Slow]:
    """Documents that the fast form hands on."""
    for number, facts in enumerate(prepared):
        if policy.decide(facts)._core is not None:
            continue
        bound = policy.bind(facts)
        rules = tuple(rule for rule, other in without.items() if other is not None and other.decide(facts)._core is not None)
        unusable = bool(bound.document) or bound.ints is None or any(isinstance(value, Unknown) for value in bound.slots)
        yield Slow(number, "a reading cannot be used, or has more decimals than the fast form keeps" if unusable
                   else "a rule holds, waits for confirmation, or leaves something over for a later phase", rules)
