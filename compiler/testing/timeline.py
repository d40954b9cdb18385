"""One row of one test, step by step, on a real engine in memory: the test's `at` is the only clock."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from caplex.compiler.diagnostics import codes_tests
from caplex.compiler.diagnostics.diagnostic import Diagnostic, Label
from caplex.compiler.semantics.constants import NotConstant
from caplex.compiler.semantics.model import CheckedModule, SettingBinding
from caplex.compiler.syntax import ast
from caplex.compiler.testing.expect import Expectations
from caplex.compiler.testing.given import Givens, Incomplete, keys_of
from caplex.compiler.testing.happen import Events
from caplex.compiler.testing.model import Failure, Row, Run
from caplex.compiler.testing.values import Values
from caplex.compiler.testing.variants import RefusedSetting, Variants, given_settings
from caplex.runtime.clock import exact_instant, parse_instant
from caplex.runtime.decision import Decision
from caplex.runtime.engine.engine import Engine
from caplex.runtime.errors import EventError
from caplex.runtime.policy import Policy

BEGINNING: Final = parse_instant("2026-01-05T15:00:00Z")
"""When it is where a test does not say."""
Watch = Callable[[Decision], None]
EXPECTS: Final = (ast.ExpectVerdict, ast.ExpectViolated, ast.ExpectSwitch, ast.ExpectObligation, ast.ExpectValue)


def rows_of(test: ast.Test) -> list[Row]:
    """The rows of all its tables, each with each; one row without cells where it has none."""
    rows: list[Row] = [Row(0, {}, "", test.span)]
    for step in test.steps:
        if isinstance(step, ast.EachRow):
            names = [column.text for column in step.columns]
            rows = [Row(0, {**row.cells, **dict(zip(names, cells, strict=False))}, "", cells[0].span.to(cells[-1].span))
                    for row in rows for cells in step.rows]
    return [Row(number, row.cells, ", ".join(f"{name} {cell.span.text}" for name, cell in row.cells.items()), row.span)
            for number, row in enumerate(rows)]


def run_test(policy: Policy, checked: CheckedModule, test: ast.Test, row: Row, *, watch: Watch | None = None, variants: Variants | None = None) -> Run:
    """Run *row* of *test* on *policy*, which may be another one than was *checked*, as long as its facts are the same.

    Args:
        watch: Called with each decision, while the world is as it was decided on.
        variants: The policy under settings, for a test that gives some.
    """
    settings = given_settings(test, row, checked)
    if settings:
        assert variants is not None, "a test that gives settings is run on what it compiles to"
        try:
            checked, policy = variants.under(settings)
        except RefusedSetting as refused:
            step = next(step for step in test.steps if isinstance(step, ast.Given) and isinstance(checked.bindings.get(step.target.id), SettingBinding))
            return Run(test, row, policy, error=_diagnostic(step, str(refused)))
        under = getattr(watch, "under", None)
        watch = under(checked) if under is not None else watch
    timeline = Timeline(policy, checked, test, row, watch)
    try:
        timeline.run()
    except _Trouble as trouble:
        return Run(test, row, policy, tuple(timeline.failures), trouble.diagnostic)
    finally:
        ended = getattr(watch, "ended", None)  # who measures coverage looks at the switches, too
        if ended is not None:
            ended(timeline.engine)
    return Run(test, row, policy, tuple(timeline.failures))


class _Trouble(Exception):
    """The test cannot go on."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


class Timeline:
    """What has happened so far in one row of one test."""

    def __init__(self, policy: Policy, checked: CheckedModule, test: ast.Test, row: Row, watch: Watch | None) -> None:
        self.test, self.watch, self.failures = test, watch, list[Failure]()
        self.values = Values(checked, row.cells)
        self.engine = Engine(policy, trust_operators=True)
        neutral = not any(isinstance(step, ast.GivenNothingElse) for step in test.steps)
        self.givens = Givens(self.engine, checked, self.values, keys_of(test, self.values), neutral=neutral)
        self.events = Events(self.engine, checked, self.values, self.givens)
        self.expectations = Expectations(self.engine, checked, self.values)
        self.engine.on("released", self._decided)
        self.now = BEGINNING
        self.began = False

    def run(self) -> None:
        rows: list[Any] = []
        for step in self.test.steps:
            try:
                if isinstance(step, ast.Given):
                    rows += [] if self._setting(step) else self.givens.take(step)
                    continue
                if isinstance(step, ast.EachRow | ast.GivenNothingElse):
                    continue
                if isinstance(step, ast.At | ast.Later) and not self.began:
                    self.now = step.instant.nanoseconds if isinstance(step, ast.At) else self.now + step.nanoseconds
                    continue
                self._begin(rows)
                rows = []
                self._step(step)
            except (EventError, Incomplete) as error:
                raise _Trouble(_diagnostic(step, str(error))) from None
            except NotConstant as error:
                raise _Trouble(_diagnostic(step, f"`{error.node.span.text}` is no value")) from None

    def _setting(self, step: ast.Given) -> bool:
        """A setting was compiled in before the test began."""
        return isinstance(self.values.checked.bindings.get(step.target.id), SettingBinding)

    def _begin(self, rows: list[Any]) -> None:
        """What was given before now holds."""
        if not self.began:
            self.began = True
            self.givens.begin(self.now)
        elif rows:
            self.givens.change(rows, self.now)

    def _step(self, step: ast.Step) -> None:
        match step:
            case ast.At() | ast.Later():
                self.now = step.instant.nanoseconds if isinstance(step, ast.At) else self.now + step.nanoseconds
                self.givens.restamp(self.now)
            case ast.Happens(event="intent"):
                intent = self.events.intent(step, self.now)
                facts = self.engine.facts(intent)
                self._decided(self.engine.submit(intent), facts)
            case ast.Happens():
                self.expectations.happened(self.events.event(step, self.now))
            case ast.Operate():
                self.expectations.happened(self.events.operate(step, self.now))
            case _:
                assert isinstance(step, EXPECTS)
                self._pass()
                found = self.expectations.look(step)
                if found is not None:
                    self.failures.append(found)

    def _decided(self, decision: Decision, facts: dict[str, Any] | None = None) -> None:
        """A decision on an intent, or on one that an approval has released: then only the decision itself tells of it."""
        if self.watch is not None:
            self.watch(decision)
        self.expectations.decided(decision, facts)

    def _pass(self) -> None:
        """Time has passed in the engine as well."""
        if self.engine._machine.state.now_ns < self.now:
            self.engine.apply({"type": "tick", "at": exact_instant(self.now)})


def _diagnostic(step: ast.Step, message: str) -> Diagnostic:
    return Diagnostic(codes_tests.NOT_RUN, message, step.span, (Label(step.span, "", primary=True),))
