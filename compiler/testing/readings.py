"""``expect READ CMP value``: what a reading is after the last step, by the reference interpreter."""
from __future__ import annotations

from fractions import Fraction
from typing import Any

from caplex.compiler.reference.expressions import COMPARE
from caplex.compiler.reference.rules import Judge
from caplex.compiler.semantics.model import CheckedModule, DerivedBinding, FieldBinding
from caplex.compiler.syntax import ast
from caplex.compiler.testing.values import Values, of_number
from caplex.runtime.canonical import grouped
from caplex.runtime.decision import Decision
from caplex.runtime.engine import facts as documents
from caplex.runtime.engine.engine import Engine
from caplex.runtime.facts import World
from caplex.runtime.reading import Unreadable, number
from caplex.runtime.schema import Kind
from caplex.runtime.values import ABSENT, Unknown

ZERO = Fraction(0)


def compared(step: ast.ExpectValue, checked: CheckedModule, values: Values, engine: Engine, decision: Decision | None,
             seen: dict[str, Any] | None) -> str | None:
    """What the reading is, if it does not compare as *step* expects; None if it does."""
    wanted = values.exact(step.value)
    if step.read.name == "decision":
        return _of_decision(step, wanted, decision)
    found = _reading(step.read, checked, engine, decision, seen)
    if found is ABSENT:
        return f"{step.read.span.text} is absent"
    if isinstance(found, Unknown):
        leaf = min(found.leaves)
        return f"{step.read.span.text} cannot be read: {leaf.path} {leaf.problem}"
    if wanted is None or COMPARE[step.operator](found, wanted) is True:
        return None
    return f"{step.read.span.text} is {_text(found, checked, step.read)}"


def _text(found: Any, checked: CheckedModule, read: ast.Read) -> str:
    type_ = checked.types.get(read.id)
    if isinstance(found, Fraction):
        unit = f" {checked.policy.currency}" if type_ is not None and type_.kind in (Kind.MONEY, Kind.PRICE) else ""
        kind = type_.kind if type_ is not None else Kind.RATIO
        text = of_number(found, kind)
        return text if kind in (Kind.DURATION, Kind.INSTANT, Kind.TIME) else grouped(text) + unit
    return ", ".join(sorted(found)) if isinstance(found, frozenset) else str(found).lower() if isinstance(found, bool) else f'"{found}"'


def _of_decision(step: ast.ExpectValue, wanted: Any, decision: Decision | None) -> str | None:
    if decision is None:
        return "no intent stands before it"
    found: Any = decision.to_dict()
    for each in step.read.steps:
        assert isinstance(each, ast.FieldStep)
        found = found.get(each.name) if isinstance(found, dict) else None
    if found is None:
        return f"{step.read.span.text} is absent"
    if isinstance(found, list):
        return _of_list(step, wanted, found)
    value: Any = found
    if isinstance(wanted, Fraction):
        try:
            value = number(found)
        except Unreadable:
            return f'{step.read.span.text} is "{found}"'
    if COMPARE[step.operator](value, wanted) is True:
        return None
    return f"{step.read.span.text} is " + (f'"{found}"' if isinstance(wanted, str) else str(found))


def _of_list(step: ast.ExpectValue, wanted: Any, found: list[Any]) -> str | None:
    """A list of reasons or warnings is compared by rules, in order; a single text with any of them."""
    names = [each.get("rule", "") if isinstance(each, dict) else str(each) for each in found]
    holds = wanted == frozenset(names) if isinstance(wanted, frozenset) else wanted in names
    if holds is (step.operator == "=="):
        return None
    return f"{step.read.span.text} is {', '.join(names) or 'empty'}"


def _reading(read: ast.Read, checked: CheckedModule, engine: Engine, decision: Decision | None, seen: dict[str, Any] | None) -> Any:
    """On the facts of the last decision what depends on it, on the state as it is all else."""
    binding = checked.bindings.get(read.id)
    of_decision = (isinstance(binding, DerivedBinding) and binding.name.partition(".")[0] in ("permitted", "after", "intent")) or (
        isinstance(binding, FieldBinding) and binding.section.name == "intent")
    intent = dict(seen["intent"]) if seen is not None else {}
    machine = engine._machine
    if of_decision:
        if decision is None or seen is None:
            return ABSENT
        document = seen
    else:
        if not isinstance(intent.get("account"), str):
            intent["account"] = machine.state.only_account
        document = documents.document(engine.policy.plan, machine.state, intent or {"action": "noop"}, machine.state.now_ns)
    header = checked.policy
    world = World(checked.schema, document, currency=header.currency, timezone=header.timezone, day_start_ns=header.day_start_ns)
    judge = Judge(checked, world)
    if decision is not None:
        judge.reader.permitted = Fraction(decision.quantity)
    asked = Fraction(decision.requested) if decision is not None and decision.requested is not None else ZERO
    return judge.reader.bare(read, asked)
