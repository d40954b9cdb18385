"""What would make a denied, trimmed or held intent pass: `find` searches, and offers nothing that it has not decided again.

Bounded: at most `trials.MOST_TRIALS` decisions a search. Deterministic: the same policy and facts give the same offers.
It runs only when somebody asks. Nothing is written, and the policy itself stays as it is.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caplex.runtime.plan import Plan
from caplex.runtime.remedies import search
from caplex.runtime.remedies.changing import apply
from caplex.runtime.remedies.trials import Trials
from caplex.runtime.remedies.unmet import unmet
from caplex.runtime.remedy import Remedies, Remedy
from caplex.runtime.ruling import Ruling, Verdict

if TYPE_CHECKING:
    from caplex.runtime.decision import Decision
    from caplex.runtime.policy import Policy

__all__ = ["apply", "decide_with", "find", "search_for"]


def find(decision: Decision) -> Remedies:
    """What would make the intent of *decision* pass. Empty for ALLOW, for a decision read back from its document, and for one that
    an engine made on its state: `engine.peek` decides on a document, and can be asked."""
    bound = decision._bound
    if bound is None or not bound.facts.whole or decision.verdict is Verdict.ALLOW:
        return Remedies()
    return search_for(bound.policy.plan, bound.facts.document, decision.ruling)


def search_for(plan: Plan, document: Any, ruling: Ruling) -> Remedies:
    """The same for a plan and what it ruled on *document*."""
    if ruling.verdict is Verdict.ALLOW:
        return Remedies()
    trials = Trials(plan, document, ruling)
    found, stuck = search.offers(trials)
    return Remedies(offers=found, unmet=() if found else unmet(trials, stuck))


def decide_with(policy: Policy, document: Any, remedy: Remedy) -> Decision:
    """The decision once *remedy* is done."""
    plan, facts = apply(policy.plan, document, remedy.changes)
    return type(policy)(plan).decide(facts)
