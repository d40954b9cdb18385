"""Every decision of the engine is the decision on the document that tells its state, by the compiled policy and by the reference.

`CAPLEX_ENGINE_ROUNDS=20` draws twenty times as many streams.
"""
from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from caplex.runtime.engine.machine import Step
from caplex.runtime.ruling import Reason, Ruling
from caplex.runtime.values import Leaf
from engine import desks
from engine.streams import Stream

ROUNDS = int(os.environ.get("CAPLEX_ENGINE_ROUNDS", "1"))
EVENTS = 120


def placed(ruling: Ruling) -> Ruling:
    """A row of a list is counted in the document, and called by its symbol, or not at all, in the engine: no matter."""
    def named(leaf: Leaf) -> Leaf:
        return replace(leaf, path=re.sub("^(/market|/history/events)(/[^/]+)?/(?=[^/]+$)", r"\1/…/", leaf.path))

    reasons = dict[object, Reason]()
    for reason in ruling.reasons:
        reason = replace(reason, leaves=tuple(sorted(set(map(named, reason.leaves)))))
        key = (reason.rule, reason.leaves) if reason.kind == "system" else len(reasons)
        before = reasons.get(key, reason)  # quotes of two venues are two rows of the list, and one name
        reasons[key] = replace(reason, needed_by=tuple(sorted({*before.needed_by, *reason.needed_by})))
    return replace(ruling, reasons=tuple(reasons.values()))


class Oracle:
    """Asks both before the engine decides, and compares after."""

    def __init__(self, name: str, stream: Stream, label: str) -> None:
        self.policy, self.stream, self.label = desks.desk(name)[0], stream, label
        self.reference = desks.reference(name)
        self.seen: Counter[str] = Counter()
        stream.before, stream.after = self.before, self.after

    def before(self, intent: dict[str, Any]) -> Any:
        machine = self.stream.machine
        if intent["id"] in machine.state.seen:
            return None
        document = machine.facts(machine.read(intent))
        return document, self.policy.ruling(document), self.reference(document)

    def after(self, intent: dict[str, Any], step: Step, seen: Any) -> None:
        assert step.decision is not None
        if seen is None:
            assert step.told.get("repeat_of") or step.told["decided_by"] in ("SYS-011", None) or step.told["repeat_of"] is None
            return
        document, compiled, meant = seen
        if [problem["path"] for problem in step.told["errors"]] == ["/intent/account"] and not document["accounts"]:
            return  # of an account that nobody has told anything of, the engine knows that it knows nothing; a document cannot say so
        self.seen[step.told["verdict"]] += 1
        found = step.decision.ruling
        assert compiled == meant, f"{self.label}, {intent}: compiled and reference differ on the document"
        assert placed(found) == placed(meant), f"{self.label}, {intent}: engine {found}\nreference {meant}\non {document}"
        assert [trip["switch"] for trip in step.told["tripped"] if trip["cause"].get("by") is None][-len(meant.tripped):] == [
            trip.switch for trip in meant.tripped] or not meant.tripped


@pytest.mark.parametrize("name", desks.ALL)
@pytest.mark.parametrize("number", range(2 * ROUNDS))
def test_the_engine_decides_as_the_document_does(name: str, number: int) -> None:
    policy, shape = desks.desk(name)
    seed = 1000 * number + sum(map(ord, name))
    stream = Stream(policy, seed, shape)
    oracle = Oracle(name, stream, f"{name}, seed {seed}")
    stream.run(EVENTS)
    assert oracle.seen["DENY"] + oracle.seen["ALLOW"] + oracle.seen["MODIFY"] + oracle.seen["HOLD"] > 5, oracle.seen


def test_the_streams_are_worth_asking_about() -> None:
    """All verdicts, most rules, trips and re-arms occur: a comparison of nothing proves nothing."""
    verdicts, rules, outcomes = Counter[str](), Counter[str](), Counter[str]()
    for name in desks.ALL:
        policy, shape = desks.desk(name)
        stream = Stream(policy, 5, shape).run(150)
        for step in stream.steps:
            if step.kind == "decision":
                verdicts[step.told["verdict"]] += 1
                rules.update(reason["rule"] for reason in step.told["reasons"])
                outcomes["repeat"] += step.told.get("repeat_of") is not None
            else:
                outcomes.update(step.told["status"].split())
                outcomes["tripped"] += len(step.told["tripped"])
                outcomes["rearmed"] += len(step.told.get("rearmed", ()))
                outcomes["released"] += len(step.told.get("released", ()))
                outcomes.update(each["problem"] for each in step.told["discrepancies"])
    assert min(verdicts[word] for word in ("ALLOW", "MODIFY", "DENY", "HOLD")) >= 10, verdicts
    wanted = {"EXEC-010", "EXEC-020", "EXEC-025", "EXEC-050", "EXEC-060", "EXP-010", "EXP-020", "EXP-030", "EXP-040", "EXP-060", "SIZE-010", "LOSS-010", "KILL-010",
              "KILL-020", "KILL-030", "SYS-002", "SYS-011", "GATE-020", "GATE-070"}
    assert wanted <= set(rules), wanted - set(rules)
    assert min(outcomes[word] for word in ("repeat", "late", "tripped", "rearmed", "released", "rejected", "corrected_fill", "late_fill", "overfill")) >= 1, outcomes
