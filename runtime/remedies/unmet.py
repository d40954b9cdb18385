"""What nothing makes pass, said rule by rule."""
from __future__ import annotations

from caplex.runtime.messages import default_message, tell_leaf
from caplex.runtime.plan import RulePlan
from caplex.runtime.remedies.trials import Obstacle, Trial, Trials
from caplex.runtime.remedy import Unmet
from caplex.runtime.ruling import Reason


def unmet(trials: Trials, stuck: list[Obstacle]) -> tuple[Unmet, ...]:
    """One sentence for each reason that stays whatever is done, in their order; for each reason, if it cannot be said which stays."""
    ids, leaves = {one.id for one in stuck}, {leaf for one in stuck for leaf in one.leaves}
    reasons = trials.base.ruling.reasons
    named = [reason for reason in reasons if reason.rule in ids or ids & {*reason.needed_by} or leaves & {*reason.leaves}] or reasons
    rules = {rule.id: rule for rule in trials.base.plan.rules}
    return tuple(dict.fromkeys(Unmet(rule=reason.rule, text=text) for reason in named for text in _texts(trials.base, rules.get(reason.rule), reason)))


def _texts(trial: Trial, rule: RulePlan | None, reason: Reason) -> list[str]:
    if rule is None:
        return _of_data(trial, reason)
    if reason.effect == "hold" and reason.approval is not None:
        return [f"{rule.id} wants approval by {reason.approval.role}: `{rule.condition}`"]
    if rule.kind == "switch":
        return [_of_switch(trial, rule)]
    return [f"{rule.id} cannot be met for this intent: `{rule.condition}`"]


def _of_switch(trial: Trial, rule: RulePlan) -> str:
    case = trial.case
    tripped = case is not None and rule.broken is not None and rule.broken(trial.bound.slots, case.n) is True
    if not tripped:
        causes = "; ".join(trip.text.removeprefix("trip when ") for trip in rule.trips if trip.kind == "when")
        return f"{rule.id} trips, and nothing keeps it armed: `{causes}`" if causes else f"{rule.id} cannot be read as armed"
    if rule.rearm is None or not rule.rearm.terms:
        return f"{rule.id} is tripped, and is never armed again"
    return f"{rule.id} is tripped, and to arm it again is not enough"


def _of_data(trial: Trial, reason: Reason) -> list[str]:
    """Readings that cannot be used have no value that could be promised; the rest is told as the decision tells it."""
    if reason.kind == "system" and reason.rule != "SYS-012" and reason.leaves:
        return [f"{leaf.path} must be given{_needed(reason)}" if leaf.problem == "missing" else f"{tell_leaf(leaf)}{_needed(reason)}"
                for leaf in reason.leaves]
    return [default_message(reason, trial.ruling, trial.plan.header.currency)]


def _needed(reason: Reason) -> str:
    if not reason.needed_by:
        return ""
    first, *others = reason.needed_by
    return f": {first} needs it" if not others else f": {first} and {len(others)} {'other' if len(others) == 1 else 'others'} need it"
