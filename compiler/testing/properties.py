"""Claims for all inputs, tried on generated cases: judged by the compiled form, shrunk where they fail.

The claims are compiled with the policy, into the same slots, so that they read exactly what the decision was made on.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final

from caplex.compiler.codegen.assemble import Assembler
from caplex.compiler.graph.build import Builder
from caplex.compiler.semantics.model import CheckedModule
from caplex.compiler.syntax import ast
from caplex.compiler.syntax.printer import show
from caplex.compiler.testing.aim import Aim
from caplex.compiler.testing.generate import Document, Generator
from caplex.compiler.testing.model import Entry
from caplex.compiler.testing.paste import as_test
from caplex.compiler.testing.shrink import Path, shrink
from caplex.compiler.testing.sites import Unfused
from caplex.runtime.bind import Bound
from caplex.runtime.canonical import plain
from caplex.runtime.decision import Decision
from caplex.runtime.plan import Condition
from caplex.runtime.policy import Policy
from caplex.runtime.values import Unknown

CASES: Final = 500
SEED: Final = 0


@dataclass(frozen=True, slots=True)
class Claim:
    """A property as callables: what must hold for it to say anything, and what it then says."""

    node: ast.Property
    conditions: tuple[Condition, ...]
    claim: Condition

    def look(self, bound: Bound, n: Fraction) -> tuple[bool, Any]:
        """Whether it says anything here, and whether what it says is so."""
        if any(condition(bound.slots, n) is not True for condition in self.conditions):
            return False, None
        return True, self.claim(bound.slots, n)


@dataclass(frozen=True, slots=True)
class Counterexample:
    """Facts on which a property does not hold, and how they decide.

    Attributes:
        document: Shrunk.
        test: A `test` block that comes to the same decision; empty if none was found that does.
    """

    document: Document
    decision: Decision = field(repr=False, compare=False)
    test: str


@dataclass(frozen=True, slots=True)
class Checked:
    """What trying one property came to.

    Attributes:
        cases: How many were tried; *said*: on how many its `if` held; *undecided*: on how many of these it could not be told.
    """

    node: ast.Property
    cases: int
    said: int
    undecided: int
    counterexample: Counterexample | None = None

    @property
    def holds(self) -> bool:
        return self.counterexample is None

    @property
    def vacuous(self) -> bool:
        """It held because it never said anything."""
        return self.holds and self.said == self.undecided

    @property
    def place(self) -> str:
        return f"{self.node.span.source.name}:{self.node.span.begin.line}"

    def to_dict(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "title": self.node.title, "file": self.node.span.source.name, "line": self.node.span.begin.line, "holds": self.holds,
            "cases": self.cases, "said": self.said, "undecided": self.undecided, "vacuous": self.vacuous}
        if self.counterexample is not None:
            found["counterexample"] = {"facts": self.counterexample.document, "decision": self.counterexample.decision.to_dict(),
                                       "test": self.counterexample.test or None}
        return found


class Claims:
    """The properties of *checked*, compiled with it."""

    def __init__(self, checked: CheckedModule, properties: Sequence[ast.Property]) -> None:
        builder = Builder(checked)
        self.graph = builder.run()
        parts = [_parts(each.claim) for each in properties]
        numbers = [([builder.expr(condition) for condition in conditions], builder.expr(claim)) for conditions, claim in parts]
        assembler = Assembler(self.graph, Unfused)
        names = [([assembler.name(number, "property", "if") for number in conditions], assembler.name(claim, "property", "then"))
                 for conditions, claim in numbers]
        generated = assembler.generate()
        plan = assembler.plan(generated, sources={}, given={})
        from caplex.compiler.codegen.link import link

        scope = link(f"{checked.policy.name} properties", generated.traced, generated.traced_constants)
        self.policy = Policy(plan)
        self.all = tuple(Claim(node, tuple(scope[str(name)] for name in conditions), scope[str(claim)])
                         for node, (conditions, claim) in zip(properties, names, strict=True))

    def judged(self, document: Document) -> tuple[Bound, Fraction] | None:
        """Slots filled with what came of *document*; None if nothing could be judged."""
        bound = Bound(self.policy.plan, document)
        ruling, case = self.policy.judge(bound)
        if case is None or ruling.requested is None:
            return None
        bound.settle(ruling.quantity)  # of a hold nothing may go ahead yet
        return bound, case.n


def _parts(claim: ast.Claim) -> tuple[list[ast.Expr], ast.Expr]:
    conditions = []
    while isinstance(claim, ast.Implies):
        conditions.append(claim.condition)
        claim = claim.claim
    return conditions, claim


def check(entry: Entry, *, cases: int = CASES, seed: int = SEED, select: Callable[[str], bool] | None = None) -> tuple[Checked, ...]:
    """Try the properties of *entry*. The same *seed* gives the same cases; a claim is shrunk on the first that it fails on."""
    checked = entry.checked
    properties = [each for each in checked.properties if select is None or select(each.title)] if checked is not None else []
    if checked is None or not properties:
        return ()
    claims = Claims(checked, properties)
    said, undecided = [0] * len(properties), [0] * len(properties)
    failed: dict[int, Document] = {}
    tried = 0
    for document in _documents(checked, claims, cases, seed):
        tried += 1
        seen = claims.judged(document)
        if seen is None:
            continue
        for number, claim in enumerate(claims.all):
            if number in failed:
                continue
            says, holds = claim.look(*seen)
            said[number] += says
            undecided[number] += says and isinstance(holds, Unknown)
            if says and holds is False:
                failed[number] = document
        if len(failed) == len(properties):
            break
    return tuple(Checked(claim.node, tried, said[number], undecided[number],
                         _counterexample(entry, claims, claim, failed[number]) if number in failed else None)
                 for number, claim in enumerate(claims.all))


def _documents(checked: CheckedModule, claims: Claims, cases: int, seed: int) -> Iterator[Document]:
    """Every other one is moved onto a bound, or one step beside it."""
    generator = Generator(checked, claims.graph, seed)
    aim = Aim(checked, claims.judged, generator.rng)
    for number in range(cases):
        document = generator.document()
        yield aim.moved(document) if number % 2 else document


def _counterexample(entry: Entry, claims: Claims, claim: Claim, document: Document) -> Counterexample:
    def fails(candidate: Document) -> bool:
        seen = claims.judged(candidate)
        if seen is None:
            return False
        says, holds = claim.look(*seen)
        return says and holds is False

    account = entry.checked.schema.sections["account"].fields if entry.checked is not None else {}
    neutral: dict[Path, str] = {("account", name): plain(spec.neutral) for name, spec in account.items() if isinstance(spec.neutral, Fraction)}
    small = shrink(document, fails, neutral=neutral)
    policy = entry.policy
    assert policy is not None
    decision = policy.decide(small)
    return Counterexample(small, decision, as_test(entry, claim.node, small, decision))


def claim_text(node: ast.Property) -> str:
    """The claim in one line."""
    conditions, claim = _parts(node.claim)
    return "".join(f"if {show(condition)} then " for condition in conditions) + show(claim)
