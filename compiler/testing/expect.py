"""Whether what a test expects has come about: a verdict with its reasons, a switch, an obligation, any reading."""
from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from caplex.compiler.semantics.model import CheckedModule
from caplex.compiler.syntax import ast
from caplex.compiler.testing.model import Failure
from caplex.compiler.testing.values import Values
from caplex.runtime.canonical import grouped
from caplex.runtime.decision import Decision
from caplex.runtime.engine.engine import Engine
from caplex.runtime.explain import Explanation

Expect = ast.ExpectVerdict | ast.ExpectViolated | ast.ExpectSwitch | ast.ExpectObligation | ast.ExpectValue
DUTIES = {"cancel_open_orders": "cancel opening orders", "cancel_all_orders": "cancel all orders", "flatten": "flatten"}


class Expectations:
    """Looks at the last decision and at the engine as it stands."""

    def __init__(self, engine: Engine, checked: CheckedModule, values: Values) -> None:
        self.engine, self.checked, self.values = engine, checked, values
        self.decision: Decision | None = None
        self.told: Mapping[str, Any] = {}
        self.facts: dict[str, Any] | None = None
        """What the last decision was made on; None for one that an approval has released."""
        self.seen: dict[str, Any] | None = None
        """The facts of its intent, when it was asked first."""
        self.notes: list[str] = []
        self.explained: Explanation | None = None

    def decided(self, decision: Decision, facts: dict[str, Any] | None) -> None:
        self.decision, self.facts, self.told = decision, facts, decision.to_dict()
        # What is released is decided on what the engine knows now; nobody can decide it again later.
        self.explained = decision.explain() if facts is None else None
        self.seen = facts if facts is not None else self.seen

    def happened(self, outcome: Mapping[str, Any]) -> None:
        """What became of an event: an act that was refused is worth a word once an expectation fails."""
        refused = outcome.get("rejected")
        if refused:
            self.notes.append(f"{outcome['event']['id']} was refused: {refused['message']}")

    def look(self, step: Expect) -> Failure | None:
        """What is wrong, if anything is."""
        got = self._got(step)
        if got is None:
            return None
        return Failure(self.values.told(" ".join(step.span.text.split())), step.span, got, self.decision, self.facts, tuple(self.notes), self.explained)

    def _got(self, step: Expect) -> str | None:
        match step:
            case ast.ExpectSwitch():
                return self._switch(step)
            case ast.ExpectObligation():
                return self._obligation(step)
            case ast.ExpectValue():
                return self._value(step)
        if self.decision is None:
            return "no intent stands before it"
        if isinstance(step, ast.ExpectViolated):
            name, violated = self.checked.references[step.rule.id], self.told["violated"]
            return None if name in violated else "violated: " + (", ".join(violated) or "nothing")
        return self._verdict(step)

    # ── decisions ────────────────────────────────────────────────────────────────────────────────────

    def _verdict(self, step: ast.ExpectVerdict) -> str | None:
        word = step.verdict
        if step.column:
            word = str(self.values.exact(self.values.cells[step.verdict]))
        assert self.decision is not None
        right = self.told["verdict"] == word.upper()
        if right and step.to is not None and word in ("modify", "hold"):
            size = self.told["quantity"] if word == "modify" else self.told.get("if_approved")
            right = size is not None and Fraction(size) == self.values.exact(step.to)
        if right and step.by and word != "allow":
            wanted = [self._rule(each) for each in step.by]
            right = self._reasons()[:len(wanted)] == wanted
        return None if right else self.shown()

    def _rule(self, reference: ast.Reference) -> str:
        return self.checked.references.get(reference.id, reference.text)

    def shown(self) -> str:
        """``modify to 25 by EXP-010, ORD-010``."""
        told = self.told
        verdict = str(told["verdict"]).lower()
        size = f" to {grouped(told['quantity'])}" if verdict == "modify" else f" to {grouped(told['if_approved'])}" if verdict == "hold" else ""
        reasons = self._reasons()
        return verdict + size + (" by " + ", ".join(reasons) if reasons else "")

    def _reasons(self) -> list[str]:
        """Rules in the order of the reasons, each once."""
        return list(dict.fromkeys(each["rule"] for each in self.told["reasons"]))

    # ── state ────────────────────────────────────────────────────────────────────────────────────────

    def _switch(self, step: ast.ExpectSwitch) -> str | None:
        name = self.checked.references[step.switch.id]
        rows = [row for row in self.engine.switches if row["id"] == name]
        tripped = [row for row in rows if row["state"] == "tripped"]
        if bool(tripped) is (step.state == "tripped"):
            return None
        if not tripped:
            return f"{name} is armed"
        where = [", ".join(f"{key} {value}" for key, value in row["scope"].items()) for row in tripped]
        cause = (tripped[0]["cause"] or {}).get("expression")
        return f"{name} is tripped" + (f" for {'; '.join(where)}" if any(where) else "") + (f": {cause}" if cause else "")

    def _obligation(self, step: ast.ExpectObligation) -> str | None:
        wanted = _duty(step.duty)
        pending = list(dict.fromkeys(f'notify "{duty["channel"]}"' if duty["do"] == "notify" else DUTIES[duty["do"]]
                                     for duty in self.engine.pending))
        return None if wanted in pending else "obligations: " + (", ".join(pending) or "none")

    def _value(self, step: ast.ExpectValue) -> str | None:
        from caplex.compiler.testing.readings import compared

        return compared(step, self.checked, self.values, self.engine, self.decision, self.seen)


def _duty(duty: ast.Duty) -> str:
    match duty:
        case ast.Cancel(which=which):
            return f"cancel {which} orders"
        case ast.Flatten():
            return "flatten"
        case ast.Notify(channel=channel):
            return f'notify "{channel}"'
