"""What people do: arm a switch again, send a fresh reading."""
from __future__ import annotations

from fractions import Fraction

from caplex.runtime.canonical import plain
from caplex.runtime.clock import format_duration, short_instant
from caplex.runtime.paths import write
from caplex.runtime.plan import RulePlan
from caplex.runtime.reading import read
from caplex.runtime.remedies.changing import instant_text, parts_of
from caplex.runtime.remedies.trials import Obstacle, Trial
from caplex.runtime.remedy import Change, Step
from caplex.runtime.rows import INSTANT
from caplex.runtime.texts import human


def rearmed(trial: Trial, obstacle: Obstacle) -> Step | None:
    """Arm the switch again, and rebase what it says it rebases; None if it is armed, cannot be read, or never is armed again."""
    rule, bound, case = obstacle.rule, trial.bound, trial.case
    if rule is None or case is None or rule.kind != "switch" or rule.rearm is None or not rule.rearm.terms:
        return None
    scope = bound.scope(rule)
    if not isinstance(scope, tuple):
        return None
    rows = [(key, row) for key, row in bound.world.switch_places(rule.id, scope) if row.get("state") == "tripped"]
    if not rows:
        return None
    changes = [Change(where="facts", path=write(("switches", key, "state")), value="armed") for key, _ in rows]
    rebased = []
    for section, field, reading in ((each.section, each.field, each.value) for each in rule.rebases if each.on == "rearm"):
        value = reading(bound.slots, case.n)
        spec = trial.plan.schema.field(section, field)
        if isinstance(value, Fraction) and spec is not None:
            changes.append(Change(where="facts", path=write(parts_of(bound.world.path(section, None, field), trial.document)), value=plain(value)))
            rebased.append(f"{section}.{field} becomes {human(value, spec.type, trial.plan.header.currency)}")
    terms = [*_terms(rule, trial, rows[0][1].get("since")), *rebased]
    return Step(kind="operator", text=f"re-arm {rule.id} ({', '.join(terms)})", changes=tuple(changes), rules=(rule.id,), binds=rule.id,
                now="tripped", wanted="armed")


def reconciled(trial: Trial, obstacle: Obstacle) -> Step | None:
    """Somebody has looked at books that did not fit the venue's."""
    if obstacle.id != "SYS-014":
        return None
    place = parts_of(trial.bound.world.path("account", None, "reconciled"), trial.document)
    return Step(kind="operator", text="reconcile the account with the venue", changes=(Change(where="facts", path=write(place), value=True),),
                rules=(obstacle.id,), binds="account.reconciled", now="false", wanted="true")


def _terms(rule: RulePlan, trial: Trial, since: object) -> list[str]:
    """What re-arming asks for, the delay as an instant where the time of the trip can be read."""
    assert rule.rearm is not None
    assert trial.case is not None
    delay = rule.rearm.delay(trial.bound.slots, trial.case.n) if rule.rearm.delay is not None else None
    tripped = read(INSTANT, since, "/switches")
    said = []
    for term in rule.rearm.terms:
        if term.endswith(" after trip") and isinstance(delay, Fraction):
            said.append(f"not before {short_instant(int(tripped + delay))}" if isinstance(tripped, Fraction) else f"{format_duration(int(delay))} after it tripped")
        else:
            said.append(term.removeprefix("by ").replace('"', ""))
    return said


def freshened(trial: Trial, obstacle: Obstacle) -> Step | None:
    """Readings that are too old, or stamped ahead of the clock, come again with the stamp of now."""
    leaves = sorted(leaf for leaf in obstacle.leaves if leaf.sys in ("SYS-002", "SYS-003") and leaf.path.endswith("/as_of"))
    if not leaves:
        return None
    now = instant_text(int(trial.bound.now))
    places = [parts_of(leaf.path, trial.document) for leaf in leaves]
    names = [_name(place) for place in places]
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if len(names) <= 3 else f"{names[0]}, {names[1]} and {len(names) - 2} more"
    stale = {leaf.limit for leaf in leaves if leaf.sys == "SYS-002"}
    wanted = f"no older than {min(stale)}" if len(stale) == 1 else "as of now"
    return Step(kind="fact", text=f"{listed} {wanted}", changes=tuple(Change(where="facts", path=write(place), value=now) for place in places),
                rules=(obstacle.id,), binds=write(places[0]), now=leaves[0].observed, wanted=wanted)


def _name(place: tuple[str | int, ...]) -> str:
    if place[0] == "market" and len(place) == 3:
        return f"a price of {place[1]}"
    return f"a reading of {write(place[:-1])}"
