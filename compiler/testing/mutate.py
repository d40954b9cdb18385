"""Do the tests notice? Each mutant of a policy is put to its tests, and those that no test fails on are told.

A mutant is compiled from the tree of the checked policy, so that nothing is parsed again, and has only the traced form. Tests that
have seen its rule broken come first, then those that have judged it at all: one that fails is enough.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Final, Literal

from caplex.compiler.codegen.assemble import Assembler
from caplex.compiler.driver import Mode
from caplex.compiler.graph.build import build
from caplex.compiler.graph.ir import RuleGraph
from caplex.compiler.semantics.analyse import analyse
from caplex.compiler.semantics.model import CheckedModule
from caplex.compiler.semantics.symbols import Loaded, Target
from caplex.compiler.syntax import ast
from caplex.compiler.testing.coverage import own_modules, percent
from caplex.compiler.testing.model import Entry, Row
from caplex.compiler.testing.mutants import Mutant, Mutants
from caplex.compiler.testing.run import Select, cases
from caplex.compiler.testing.sites import Unfused
from caplex.compiler.testing.timeline import run_test
from caplex.compiler.testing.variants import Compiled, RefusedSetting, Settings, Variants, opened
from caplex.runtime.decision import Decision
from caplex.runtime.policy import Policy

Outcome = Literal["killed", "survived", "equivalent", "unusable"]
Case = tuple[ast.Test, Row]
Progress = Callable[[int, int], None]


class FailingTests(Exception):
    """The tests do not hold on the policy itself; *titles* says which."""

    def __init__(self, titles: Sequence[str]) -> None:
        super().__init__(f"{len(titles)} of the tests fail on the policy itself; mutants are told apart by tests that pass")
        self.titles = tuple(titles)


@dataclass(frozen=True, slots=True)
class Trial:
    """One mutant and what became of it. *by*: title of the test that noticed. *unusable*: it does not compile."""

    mutant: Mutant
    outcome: Outcome
    by: str = ""

    def to_dict(self) -> dict[str, Any]:
        mutant = self.mutant
        begin = mutant.span.begin
        found: dict[str, Any] = {
            "rule": mutant.owner, "kind": mutant.kind, "file": mutant.span.source.name, "line": begin.line, "column": begin.column,
            "before": mutant.before, "after": mutant.after, "outcome": self.outcome}
        if self.outcome == "killed":
            found["by"] = self.by
        if self.outcome == "survived":
            found["advice"] = advice(mutant)
        return found


@dataclass(frozen=True, slots=True)
class Mutation:
    """All mutants of one policy."""

    policy: str
    trials: tuple[Trial, ...]

    def count(self, outcome: Outcome, owner: str | None = None) -> int:
        return sum(trial.outcome == outcome for trial in self.trials if owner is None or trial.mutant.owner == owner)

    def score(self, owner: str | None = None) -> Fraction:
        """Killed of all that mean something else, in percent; 100 where there is none."""
        killed, survived = self.count("killed", owner), self.count("survived", owner)
        return Fraction(100 * killed, killed + survived) if killed + survived else Fraction(100)

    @property
    def owners(self) -> list[str]:
        return list(dict.fromkeys(trial.mutant.owner for trial in self.trials if trial.outcome in ("killed", "survived")))

    @property
    def survivors(self) -> list[Mutant]:
        return [trial.mutant for trial in self.trials if trial.outcome == "survived"]

    def to_dict(self) -> dict[str, Any]:
        return {
            "policy": self.policy, "score": percent(self.score()),
            **{outcome: self.count(outcome) for outcome in ("killed", "survived", "equivalent")}, "not_compiling": self.count("unusable"),
            "rules": [{"id": owner, "killed": self.count("killed", owner), "survived": self.count("survived", owner), "score": percent(self.score(owner))}
                      for owner in self.owners],
            "mutants": [trial.to_dict() for trial in self.trials if trial.outcome != "unusable"],
        }


def mutate(entry: Entry, *, select: Select | None = None, settings: Mapping[str, Any] | None = None, mode: Mode | None = None,
           progress: Progress | None = None) -> Mutation:
    """Put every mutant of *entry* to its tests.

    Args:
        select: Which tests.
        settings, mode: Those under which *entry* was compiled.
        progress: Called with how many are done, of how many.
    Raises:
        FailingTests: The tests do not pass on the policy itself.
    """
    checked, policy = entry.checked, entry.policy
    assert checked is not None, "only what compiles is tested"
    assert policy is not None
    runner = _Runner(checked, policy, list(cases(entry, select)), entry.variants)
    compiler = _Compiler(checked, settings or {}, mode, entry)
    mutants = list(Mutants(checked, own_modules(checked)))
    trials = []
    for number, mutant in enumerate(mutants):
        trials.append(_trial(mutant, compiler, runner))
        if progress is not None:
            progress(number + 1, len(mutants))
    return Mutation(checked.policy.name, tuple(trials))


def _trial(mutant: Mutant, compiler: _Compiler, runner: _Runner) -> Trial:
    made = compiler.compiled(mutant)
    if made is None:
        return Trial(mutant, "unusable")
    if isinstance(made, str):
        return Trial(mutant, "equivalent")
    by = runner.noticed(*made, mutant.owner)
    return Trial(mutant, "killed" if by is not None else "survived", by or "")


# ── compiling ─────────────────────────────────────────────────────────────────────────────────────────


SAME: Final = "same"
"""A mutant that means what the policy means, or what another mutant means."""


class _Compiler:
    """Compiles mutants, and knows those that it has seen."""

    def __init__(self, checked: CheckedModule, settings: Mapping[str, Any], mode: Mode | None, entry: Entry) -> None:
        self.checked, self.settings, self.mode, self.entry = checked, settings, mode, entry
        self._seen: set[str] = set()
        whole = self._analysed(dict(checked.modules))
        if whole is not None:
            self._seen.add(canonical(*_generated(whole)))

    def compiled(self, mutant: Mutant) -> tuple[Policy, Variants] | str | None:
        modules = self._with(mutant, mutant.changed)
        found = self._analysed(modules)
        if found is None and mutant.changed is None and isinstance(mutant.item, ast.Rule | ast.Limit | ast.Throttle | ast.Cooldown):
            modules = self._with(mutant, _mute(mutant.item))  # something names it, or it is the only one
            found = self._analysed(modules)
        if found is None:
            return None
        graph, assembler, generated = _generated(found)
        name = canonical(graph, assembler, generated)
        if name in self._seen:
            return SAME
        self._seen.add(name)
        return _policy(assembler, generated), Variants(lambda given: self._under(modules, given))

    def _under(self, modules: dict[str, ast.Module], given: Settings) -> Compiled:
        found = self._analysed(modules, given)
        if found is None or self.entry.variants is None:
            raise RefusedSetting("the mutant does not compile with it")
        _, assembler, generated = _generated(found)
        return self.entry.variants.under(given)[0], _policy(assembler, generated)

    def _with(self, mutant: Mutant, changed: ast.Item | None) -> dict[str, ast.Module]:
        modules = dict(self.checked.modules)
        module = modules[mutant.alias]
        items = tuple(changed if item is mutant.item else item for item in module.items)
        modules[mutant.alias] = replace(module, items=tuple(item for item in items if item is not None))
        return modules

    def _analysed(self, modules: dict[str, ast.Module], given: Settings | None = None) -> CheckedModule | None:
        entry, *imported = modules.values()
        entry = opened(entry) if given and self.entry.pack else entry
        values = {**self.settings, **(given or {})}
        rest = iter(imported)

        def load(target: Target, importer: str) -> Loaded:
            """Modules are asked for in the order in which they were found."""
            module = next(rest)
            return Loaded(module, f"{module.span.source.name} {len(imported)}")

        judged = replace(entry, items=tuple(item for item in entry.items if not isinstance(item, ast.Test | ast.Property)))
        found, _ = analyse(judged, load=load, settings=values, mode=self.mode, identity="the policy itself")
        if found is not None or entry.header is None:
            return found
        # Without its only loss rule a policy has to say so: that it may lose anything is then what the mutant means.
        said = {clause.what for clause in entry.header.clauses if isinstance(clause, ast.UnlimitedClause)}
        more = tuple(ast.UnlimitedClause(id=-2, span=entry.header.span, what=what) for what in ("loss", "exposure") if what not in said)
        if not more:
            return None
        rest = iter(imported)
        open_ended = replace(judged, header=replace(entry.header, clauses=(*entry.header.clauses, *more)))
        return analyse(open_ended, load=load, settings=values, mode=self.mode, identity="the policy itself")[0]


def _mute(item: ast.Rule | ast.Limit | ast.Throttle | ast.Cooldown) -> ast.Rule:
    """A rule of the same name that says nothing: `require true`."""
    span = item.span
    effect = ast.Require(id=-3, span=span, condition=ast.Bool(id=-4, span=span, value=True))
    return ast.Rule(id=item.id, span=span, rule_id=item.rule_id, title=item.title, attributes=item.attributes, when=None, effect=effect, because=None)


def _policy(assembler: Assembler, generated: Any) -> Policy:
    return Policy(assembler.plan(generated, sources={}, given={}, hash="sha256:mutant", settings_hash="sha256:mutant"))


def _generated(checked: CheckedModule) -> tuple[RuleGraph, Assembler, Any]:
    graph = build(checked)
    assembler = Assembler(graph, Unfused)
    return graph, assembler, assembler.generate()


def canonical(graph: RuleGraph, assembler: Assembler, generated: Any) -> str:
    """What decides: code, constants, rules in their order, settings. Texts for people and places are left out."""
    # Where closing skips the stage anyway, `deny` and `deny opening` are one.
    rules = [replace(rule, title="", because=None, condition="", span=None, opening_only=rule.opening_only or (rule.skipped and not rule.unless_worse),
                     trips=tuple(replace(trip, text="", span=None) for trip in rule.trips),
                     rearm=None if rule.rearm is None else replace(rule.rearm, terms=(str(bool(rule.rearm.terms)),), condition_text="")) for rule in graph.rules]
    sizes = [replace(size, title="", because=None, span=None) for size in graph.sizes]
    settings = [(name, info.value, [(o.kind, o.scopes, o.value, o.until_ns) for o in info.overrides]) for name, info in sorted(graph.settings.items())]
    nodes = [(node.op, node.args, type(node.payload).__name__, _stable(node.payload)) for node in graph.nodes]
    return repr((generated.traced, nodes, [_stable(rule) for rule in rules], sizes, [_stable(each) for each in settings], graph.labels))


def _stable(value: Any) -> str:
    """As `repr`, with sets in order."""
    if isinstance(value, frozenset):
        return "{" + ", ".join(sorted(map(repr, value))) + "}"
    if isinstance(value, tuple | list):
        return "(" + ", ".join(map(_stable, value)) + ")"
    if hasattr(value, "__dataclass_fields__"):
        return type(value).__name__ + _stable([getattr(value, name) for name in value.__dataclass_fields__])
    return repr(value)


# ── running ───────────────────────────────────────────────────────────────────────────────────────────


class _Runner:
    """The tests of a policy, and what each of them has to do with which rule."""

    def __init__(self, checked: CheckedModule, policy: Policy, cases: Sequence[Case], variants: Variants | None) -> None:
        self.checked, self.cases = checked, cases
        self.kills = Counter[int]()
        self.touched: list[dict[str, int]] = []
        failing = []
        for test, row in cases:
            seen: dict[str, int] = {}
            found = run_test(policy, checked, test, row, watch=lambda decision, seen=seen: _note(decision, seen), variants=variants)  # type: ignore[misc]
            if not found.passed:
                failing.append(found.title)
            self.touched.append(seen)
        if failing:
            raise FailingTests(failing)

    def noticed(self, policy: Policy, variants: Variants, owner: str) -> str | None:
        """Title of the first test that fails on *policy*."""
        for number in sorted(range(len(self.cases)), key=lambda n: (-self.touched[n].get(owner, 0), -self.kills[n], n)):
            test, row = self.cases[number]
            try:
                passed = run_test(policy, self.checked, test, row, variants=variants).passed
            except Exception:  # a switch that is no more cannot be asked for
                passed = False
            if not passed:
                self.kills[number] += 1
                return test.title + (f" [{row.label}]" if row.label else "")
        return None


def _note(decision: Decision, seen: dict[str, int]) -> None:
    if decision._bound is None:
        return
    case = decision._whole()[1]
    for standing in case.standings if case is not None else ():
        weight = 2 if standing.state == "broken" else 1 if standing.state == "kept" else 0
        seen[standing.rule.id] = max(weight, seen.get(standing.rule.id, 0))


# ── advice ────────────────────────────────────────────────────────────────────────────────────────────


def advice(mutant: Mutant) -> str:
    """Which test would notice, in a sentence."""
    owner, old, new = mutant.owner, mutant.old, mutant.new
    match mutant.kind:
        case "rule dropped":
            return f"a test that violates {owner} and nothing before it would notice: `expect … by {owner}`"
        case "comparison changed":
            return f"a test exactly at the bound of {owner} would notice"
        case "effect changed":
            return f"a test that violates {owner} and says what comes of it would notice: the verdict, and what is permitted"
        case "overrides swapped":
            return "a test between the two values, for one of the two, would notice"
        case "waiver dropped":
            return "a test that passes by this waiver alone would notice"
        case "condition negated" | "connective changed" | "operand dropped":
            return f"a test in which `{_short(old)}` alone decides would notice"
        case "`when` dropped" | "`where` dropped":
            return f"a test in which `{_short(old)}` does not hold would notice"
        case "key dropped":
            return f"a test with two of `{old}` would notice: what one did must not count for the other"
        case "member dropped":
            return f"a test with each of `{_short(old)}` would notice"
        case "trip dropped":
            return f"a test that trips {owner} by `{_short(old)}` would notice"
        case "confirmation dropped":
            return "a test in which the trip holds once, and not for long enough, would notice"
        case "duty dropped":
            return f"a test that expects every duty would notice: `expect obligation …`, or what a re-arm leaves behind ({owner})"
        case "rearm part dropped":
            return f"a test that asks to arm {owner} again with all but one part met would notice"
        case "step dropped":
            return f"a test in which `{_short(old)}` decides the size would notice"
    if mutant.kind.endswith(" dropped"):  # an override
        return f"a test in which `{_short(old)}` is in force would notice"
    return f"a test that tells {old} from {new} would notice"


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"
