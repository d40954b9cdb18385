"""The fold of a journal that is there, and what a journal holds of the policy that it was written under."""
from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from caplex.runtime.engine.events import Event
from caplex.runtime.engine.machine import Step
from caplex.runtime.errors import JournalError
from caplex.runtime.journal import Record
from caplex.runtime.policy import Policy

if TYPE_CHECKING:
    from caplex.runtime.engine.engine import Engine


class Rebuild:
    """The fold of a journal that was there: events are taken again, in the order in which they were written."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.records = engine, 0
        self.policy: dict[str, Any] | None = None
        self.foreign = False
        self.terms: Mapping[str, Any] | None = None
        self.last: tuple[Event, Step] | None = None  # an event whose answer has not been met yet

    def take(self, record: Record) -> None:
        """One record on the way to the end of the file."""
        self.records += 1
        machine = self.engine._machine
        if record.kind == "policy":
            self._era(record.body)
        elif record.kind == "terms":
            self.terms = record.body
            machine.under(record.body)
        elif record.kind == "event":
            body = dict(record.body)
            subject = body.pop("x_subject", None)
            event = machine.read(body)
            self.last = event, machine.step(event, subject=subject)
        elif record.kind in ("decision", "outcome"):
            self.last = None

    def _era(self, body: Mapping[str, Any]) -> None:
        """From here on the journal was written under the policy of *body*: what happened then is folded under that one."""
        engine, first = self.engine, self.policy is None
        self.policy = {name: body.get(name) for name in policy_of(engine.policy)}
        mine = self.policy == policy_of(engine.policy)
        if mine and not self.foreign:
            policy = engine.policy
        elif engine._recorded is not None:
            policy = engine._recorded(body)
        elif mine or engine._keep_state or not first:
            raise JournalError(f"`{engine._path}` was written under several policies, {_shown(self.policy)} among them: what happened under an earlier "
                               "one is folded under that one; give the engine `recorded=caplex.compiler.recorded.compile_recorded`")
        else:
            self.foreign = True  # refused at the end, with both policies named
            return
        if first:
            engine._machine = engine._fresh(policy)
        else:
            engine._machine.activate(policy)

    def finish(self) -> None:
        """The journal was of this policy, or it becomes so; an answer that a crash kept from being written is written now."""
        engine = self.engine
        if self.last is not None:
            event, step = self.last
            engine._write_answer(event, step) if step.kind == "decision" else engine._write_outcome(event, step)
        terms = engine._terms()
        if self.terms != terms:
            assert engine._journal is not None
            engine._journal.append("terms", None, terms)
            engine._journal.flush()
            engine._machine.under(terms)
        if self.policy == policy_of(engine.policy):
            return
        if not engine._keep_state:
            raise JournalError(f"`{engine._path}` was written under another policy ({_shown(self.policy)}); "
                               "`on_policy_change=\"keep_state\"` activates this one")
        complaints = engine._machine.activation(engine.policy)
        if complaints:
            raise JournalError("the policy cannot take over: " + "; ".join(complaints))
        assert engine._journal is not None
        engine._journal.append("policy", None, policy_record(engine.policy))
        engine._journal.flush()
        engine._machine.activate(engine.policy)


def _shown(policy: Mapping[str, Any] | None) -> str:
    policy = policy or {}
    return f"{policy.get('name')} {policy.get('version')}, {str(policy.get('hash'))[:19]}…, settings {str(policy.get('settings_hash'))[:19]}…"


def policy_of(policy: Policy) -> dict[str, Any]:
    return {"name": policy.name, "version": policy.version, "hash": policy.hash, "settings_hash": policy.settings_hash, "mode": policy.mode}


def policy_record(policy: Policy) -> dict[str, Any]:
    """All that replay needs: who the policy is, its texts, and what came from outside."""
    sources = dict(policy.plan.sources)  # the entry stands first
    return {**policy_of(policy), "entry": next(iter(sources), None), "sources": sources, "given": dict(policy.plan.given)}
