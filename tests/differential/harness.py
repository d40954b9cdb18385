"""One policy under both semantics, and the search for documents on which a bound is met exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from caplex.compiler import reference
from caplex.compiler.codegen.assemble import Assembler
from caplex.compiler.codegen.scalar import Fused
from caplex.compiler.driver import check_source
from caplex.compiler.graph.build import build
from caplex.compiler.graph.invariants import complaints
from caplex.compiler.semantics.model import CheckedModule
from caplex.compiler.source import Source
from caplex.runtime import judge
from caplex.runtime.bind import Bound
from caplex.runtime.facts import World
from caplex.runtime.operators import Unusable
from caplex.runtime.plan import Plan
from caplex.runtime.ruling import Ruling, Verdict
from differential.documents import Document, plain, put
from differential.facts import Facts
from differential.faults import broken
from differential.policies import Policy, generate

UNIT = 10**8


class Refused(Exception):
    """The checks refused a generated policy: the generator, or the checks, are wrong."""


@dataclass(slots=True)
class Subject:
    """A policy, checked and compiled."""

    policy: Policy
    checked: CheckedModule
    plan: Plan

    def expect(self, document: Document) -> Ruling:
        """What the reference interpreter says."""
        policy = self.checked.policy
        world = World(
            self.checked.schema,
            document,
            currency=policy.currency,
            timezone=policy.timezone,
            day_start_ns=policy.day_start_ns,
        )
        return reference.rule_on(self.checked, world)

    def find(self, document: Document) -> Found:
        """What the compiled policy says."""
        bound = Bound(self.plan, document)
        ruling, case = judge.judge(self.plan, bound)
        return Found(ruling, case, self.fused(bound))

    def fused(self, bound: Bound) -> tuple[int, int, int] | None:
        """What the fast form says, if it does."""
        if self.plan.fused is None or bound.ints is None:
            return None
        try:
            return self.plan.fused(*bound.ints)
        except Unusable:
            return None

    def pair(self, document: Document) -> Pair:
        found = self.find(document)
        return Pair(document, self.expect(document), found)

    def alone(self, document: Document) -> Pair:
        """A pair without a second opinion, where only the compiled form is asked."""
        found = self.find(document)
        return Pair(document, found.ruling, found)


@dataclass(slots=True)
class Found:
    ruling: Ruling
    case: Any
    fused: tuple[int, int, int] | None

    def at_bound(self) -> bool:
        """Is a measure exactly at its bound, at the size asked for?

        Cooldowns do not count: one without an event looks as if it had just ended.
        """
        return self.case is not None and any(
            _excess(standing) == 0
            for standing in self.case.standings
            if standing.rule.comparison and standing.rule.kind != "cooldown"
        )


@dataclass(slots=True)
class Pair:
    document: Document
    expected: Ruling
    found: Found

    def disagreement(self, plan: Plan) -> str | None:
        """What the two semantics, or the fast form, say differently; None if they agree."""
        if self.expected != self.found.ruling:
            return differences(self.expected, self.found.ruling)
        return self._fused(plan) if self.found.fused is not None else None

    def _fused(self, plan: Plan) -> str | None:
        """The fast form tells quantity, verdict, the rules broken at n, and those that fail at the smaller size.

        A rule that denies may be the last that it tells.
        """
        assert self.found.fused is not None
        permitted, broken, failing = self.found.fused
        ruling = self.expected
        if broken < 0:  # the first rule could not read its one slot
            return (
                None
                if ruling.verdict is Verdict.DENY and ruling.reasons[0].kind == "system"
                else f"fused: slot {-1 - broken} is unusable"
            )
        assert ruling.requested is not None, "the fast form never answers without a size"
        verdict = (
            Verdict.DENY if permitted == 0 else Verdict.MODIFY if permitted < ruling.requested * UNIT else Verdict.ALLOW
        )
        said = (verdict, Fraction(permitted, UNIT), ids(plan, broken), ids(plan, failing & ~broken))
        rules = [reason for reason in ruling.reasons if reason.kind not in ("system", "size")]
        meant = (
            ruling.verdict,
            ruling.quantity,
            tuple(r.rule for r in rules if r.at == "n"),
            tuple(r.rule for r in rules if r.at == "x"),
        )
        first = ids(plan, broken | failing)[:1]
        if verdict is Verdict.DENY and first and first[0] != ruling.decided_by:
            return f"fused: by {first[0]}\nmeant: by {ruling.decided_by}"
        if verdict is Verdict.DENY and not failing and 0 < len(said[2]) < len(meant[2]) and said == (*meant[:2], meant[2][: len(said[2])], meant[3]):
            last = next(reason for reason in rules if reason.rule == said[2][-1])
            if last.effect in ("deny", "deny all") and last.permitted == 0:
                return None
        return None if said == meant else f"fused: {said}\nmeant: {meant}"


def ids(plan: Plan, mask: int) -> tuple[str, ...]:
    return tuple(rule.id for position, rule in enumerate(plan.rules) if mask >> position & 1)


def differences(expected: Ruling, found: Ruling) -> str:
    """Field by field."""
    lines = []
    for name in Ruling.__dataclass_fields__:
        left, right = getattr(expected, name), getattr(found, name)
        if name != "lot" and left != right:
            lines.append(f"{name}:\n  reference {left}\n  compiled  {right}")
    return "\n".join(lines)


def subject(seed: int, emitter: type[Fused] = Fused) -> Subject:
    """The policy of this seed, checked and compiled."""
    return compiled(generate(seed), emitter)


def compiled(policy: Policy, emitter: type[Fused] = Fused) -> Subject:
    checked, problems = check_source(Source(f"seed{policy.seed}.cap", policy.text))
    if checked is None:
        raise Refused(
            f"seed {policy.seed}: {[f'{p.code.id} {p.message}: {p.span.text}' for p in problems]}\n{policy.text}"
        )
    graph = build(checked)
    assert not complaints(graph), (policy.seed, complaints(graph))
    assembler = Assembler(graph, emitter)
    return Subject(policy, checked, assembler.plan(assembler.generate()))


def explore(subject: Subject, seed: int, rounds: int, ask: Callable[[Document], Pair] | None = None) -> Iterator[Pair]:
    """Pairs around *rounds* documents: as drawn, far out, exactly on bounds and one lot beside them, and broken."""
    facts, ask = Facts(subject.policy, seed), ask or subject.pair
    for _ in range(rounds):
        base = facts.document()
        pair = ask(base)
        yield pair
        lot, last = pair.found.ruling.lot or Fraction(1, 2), base
        for knob in dict.fromkeys(facts.pick(facts.knobs(base)) for _ in range(2)):
            first, second = facts.two_settings(knob)
            one, other = (subject.find(put(base, knob, plain(value))) for value in (first, second))
            if facts.chance(0.3):
                yield ask(put(base, knob, plain(first)))
            found = [
                root
                for root in roots(first, one, second, other)
                if root > 0 or knob[0] == "positions" or knob[-1] == "delta"
            ]
            for root in facts.rng.sample(found, min(3, len(found))):
                last = put(base, knob, plain(root))
                yield ask(last)
                beside = plain(root + facts.pick((lot, -lot)))
                if beside is not None and facts.chance(0.4):
                    yield ask(put(base, knob, beside))
        yield ask(broken(facts, last))
        if facts.chance(0.5):
            yield ask(broken(facts, base))


def roots(first: Fraction, one: Found, second: Fraction, other: Found) -> list[Fraction]:
    """Where measures would meet their bounds, were they affine in the knob that stood at *first* and *second*."""
    if one.case is None or other.case is None:
        return []
    found: list[Fraction] = []
    for here, there in zip(one.case.standings, other.case.standings, strict=True):
        a, b = _excess(here), _excess(there)
        if a is not None and b is not None and a != b:
            root = first - a * (second - first) / (b - a)
            if root not in found and plain(root) is not None:
                found.append(root)
    return found


def _excess(standing: Any) -> Fraction | None:
    observed, bound = standing.observed, standing.bound
    return observed - bound if isinstance(observed, Fraction) and isinstance(bound, Fraction) else None
