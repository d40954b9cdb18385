"""Risk lints about what stops a desk: switches, budgets by a claimed name, warnings that stand for limits."""
from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

from caplex.compiler.diagnostics import codes_risk as codes
from caplex.compiler.diagnostics.diagnostic import Diagnostic
from caplex.compiler.lint.model import UPPER, Lint, Subject, lint
from caplex.compiler.semantics.coherence.claims import is_claim
from caplex.compiler.semantics.coherence.context import denies, roots
from caplex.compiler.semantics.coherence.shadows import Bound, bound_of
from caplex.compiler.semantics.model import FieldBinding, RuleInfo, SettingInfo
from caplex.compiler.semantics.report import at
from caplex.compiler.syntax import ast

CLAIM = "intent.strategy"
_PER = re.compile(r"\b(?:per|a|each|every) (?:second|minute|hour|day)\b", re.IGNORECASE)
GRAVE = ("high", "critical")


@lint(codes.NO_KILL_SWITCH, "risk")
def no_kill_switch(subject: Subject) -> Iterator[Diagnostic]:
    """A policy that answers for losses, and has no switch that anything trips."""
    policy = subject.checked.policy
    if not subject.is_policy or policy.mode == "monitor" or "loss" in policy.unlimited:
        return
    switches = list(subject.context.switches())
    if any(_trips(switch) and rule.monitor is None for rule, switch in switches):
        return
    why = "none of its switches can trip by itself" if switches else "it has no kill switch"
    yield at(codes.NO_KILL_SWITCH, f"nothing stops `{policy.name}` as a whole", subject.context.header.name.span, why,
             help="add one, or import `stdlib.kill_switch`; where another policy answers for losses, write `unlimited loss`")


def _trips(switch: ast.KillSwitch) -> bool:
    return any(isinstance(clause, ast.TripWhen | ast.TripOnRule | ast.TripOnCount) for clause in switch.clauses)


@lint(codes.NOBODY_REARMS, "risk")
def nobody_rearms(subject: Subject) -> Iterator[Diagnostic]:
    """A switch that people alone trip, and that no person arms again."""
    for rule, switch in subject.context.switches():
        if switch.span.source is not subject.source or _trips(switch):
            continue
        rearms = [clause for clause in switch.clauses if isinstance(clause, ast.Rearm | ast.RearmNever)]
        terms = [term for clause in rearms if isinstance(clause, ast.Rearm) for term in clause.terms]
        if any(isinstance(term, ast.RearmByRole) for term in terms):
            continue
        place = rearms[0].span if rearms else switch.rule_id.span
        what = "arms itself again" if terms else "stays tripped for ever"
        yield at(codes.NOBODY_REARMS, f"`{rule.id}` is tripped by hand, and {what}", place, "names no role",
                 help='say who arms it: `rearm by 1 of "risk-officer"`')


@lint(codes.FRESH_BUDGET, "risk")
def fresh_budget(subject: Subject) -> Iterator[Diagnostic]:
    """A rate for each strategy, where the strategy is a claim that no rule holds against a list and nothing counts all of them."""
    context = subject.context
    if not is_claim(context, CLAIM) or any(_lists_strategies(subject, rule) for rule in subject.all_rules()):
        return
    for rule in subject.rules():
        node = rule.node
        if not isinstance(node, ast.Throttle | ast.Cooldown) or rule.monitor is not None:
            continue
        claimed = next((read for read in node.each if CLAIM in context.reads(read)), None)
        if claimed is None or any(_counts_all(subject, node, other) for other in subject.all_rules()):
            continue
        yield at(codes.FRESH_BUDGET, f"a misspelt strategy has a fresh budget under `{rule.id}`", claimed.span, "a claim of whoever asks",
                 help="hold it against a list, `require intent.strategy in […]`, or count all strategies together in another rule")


def _lists_strategies(subject: Subject, rule: RuleInfo) -> bool:
    """The rule compares the strategy with names, or needs a row of its own for it."""
    for root in roots(rule.node):
        for part in subject.context.walk(root):
            if isinstance(part, ast.Among | ast.Compare) and CLAIM in subject.context.reads(part):
                return True
            binding = subject.checked.bindings.get(part.id) if isinstance(part, ast.Read) else None
            if isinstance(binding, FieldBinding) and binding.section.key == "strategy" and not binding.field.optional:
                return True
    return False


def _counts_all(subject: Subject, node: ast.Throttle | ast.Cooldown, other: RuleInfo) -> bool:
    """*other* bounds the same events whatever the strategy: a rate with fewer keys, or a count."""
    context, rival = subject.context, other.node
    events = context.checked.throttle_events
    if isinstance(rival, ast.Throttle | ast.Cooldown):
        keys = {context.key(read) for read in node.each if CLAIM not in context.reads(read)}
        return (type(rival) is type(node) and rival is not node and {context.key(read) for read in rival.each} <= keys
                and events.get(rival.id) == events.get(node.id))
    counts = [part for root in roots(rival) for part in context.walk(root) if isinstance(part, ast.Aggregate)]
    return isinstance(node, ast.Throttle) and any(
        context.checked.aggregates.get(part.id) == events.get(node.id) and CLAIM not in context.reads(part.where) for part in counts)


@lint(codes.UNLISTED_PERMITS, "risk")
def unlisted_permits(subject: Subject) -> Iterator[Diagnostic]:
    """A setting whose default is looser than what each named strategy gets."""
    for name, setting in subject.checked.settings.items():
        if setting.node.span.source is not subject.source or not setting.overrides:
            continue
        claimed = all(override.scopes and all(is_claim(subject.context, f"intent.{dimension}") for dimension, _ in override.scopes)
                      for override in setting.overrides)
        if claimed and _loosest(subject, setting):
            dimension = setting.overrides[0].scopes[0][0]
            yield at(codes.UNLISTED_PERMITS, f"a {dimension} that is not listed gets the loosest `{name}`", setting.node.value.span, f"for every other {dimension}",
                     help="let the default be the tightest: what is not listed is not known")


def _loosest(subject: Subject, setting: SettingInfo) -> bool:
    """The default is no limit at all; or looser than each `set`, as far as the rules that read it tell which side is looser.

    A `tighten` says that the default is meant to hold for all others.
    """
    values = [override.value for override in setting.overrides]
    if setting.default is None:
        return all(value is not None for value in values)
    if not isinstance(setting.default, Fraction) or any(override.kind != "set" for override in setting.overrides) or not _caps(subject, setting.name):
        return False
    return all(isinstance(value, Fraction) and value < setting.default for value in values)


def _caps(subject: Subject, name: str) -> bool:
    """Whether rules read the setting as an upper bound."""
    for rule in subject.all_rules():
        demand = subject.context.demand(rule.node)
        bound = demand.right if demand is not None and demand.operator in UPPER else rule.node.amount if isinstance(rule.node, ast.Throttle) else None
        if f"setting {name}" in subject.context.reads(bound):
            return True
    return False


@lint(codes.GRAVE_WARNING, "risk")
def grave_warning(subject: Subject) -> Iterator[Diagnostic]:
    """`severity high` and `warn`."""
    for rule in subject.rules():
        node = rule.node
        warns = (isinstance(node, ast.Rule) and isinstance(node.effect, ast.Warn)) or (isinstance(node, ast.Limit) and node.breach == "warn")
        if warns and node.attributes.severity in GRAVE:
            yield at(codes.GRAVE_WARNING, f"`{rule.id}` is {node.attributes.severity}, and stops nothing", node.attributes.span, "it only warns",
                     help="let it deny, reduce or hold; or give it a lower severity")


@lint(codes.WARNS_TOO_LATE, "risk")
def warns_too_late(subject: Subject) -> Iterator[Diagnostic]:
    """A warning whose bound, as settings stand, is no tighter than that of a limit on the same measure, which takes away first."""
    limits: dict[tuple[object, ...], list[Bound]] = {}
    for rule in subject.context.rules():
        bound = bound_of(subject.context, rule, as_set=True)
        if bound is not None and rule.monitor is None and denies(rule.node) and bound.guard == -1:
            limits.setdefault(bound.group, []).append(bound)
    for rule in subject.rules():
        late = bound_of(subject.context, rule, as_set=True)
        if late is None or late.breach != "warn" or late.factor.low is None:
            continue
        for tight in limits.get(late.group, ()):
            if _no_looser(tight, late) and rule.actions <= tight.rule.actions and not (tight.breach == "deny" and _whatever_is_set(subject, tight, late)):
                yield at(codes.WARNS_TOO_LATE, f"`{rule.id}` warns where `{tight.rule.id}` has acted already", late.place, "warns from here on",
                         also=[(tight.place, "takes away from here on")], help="warn earlier, at 80% of the limit, say")
                break


def _no_looser(tight: Bound, late: Bound) -> bool:
    return tight.factor.high is not None and late.factor.low is not None and tight.factor.high <= late.factor.low


def _whatever_is_set(subject: Subject, tight: Bound, late: Bound) -> bool:
    """So under any settings: that a denial forestalls it `check` has said."""
    here, there = bound_of(subject.context, tight.rule), bound_of(subject.context, late.rule)
    return here is not None and there is not None and _no_looser(here, there)


@lint(codes.NO_WINDOW, "risk")
def no_window(subject: Subject) -> Iterator[Diagnostic]:
    """A count of history without `in last` or `today`; or of anything else, under a title that says `per minute`."""
    for rule in subject.rules():
        node = rule.node
        if not isinstance(node, ast.Rule | ast.Limit) or not denies(node):
            continue
        told = _PER.search(node.title or "")
        counts = [part for root in roots(node) for part in subject.context.walk(root) if isinstance(part, ast.Aggregate)]
        endless = [part for part in counts if part.last is None and not part.today and part.function.text in ("count", "sum")
                   and "now" not in subject.context.reads(part.where)]
        past = [part for part in endless if (section := subject.checked.aggregates.get(part.id)) is not None and section.shape == "history"]
        if past:
            yield at(codes.NO_WINDOW, f"what `{rule.id}` counts never decays", past[0].span, "all there ever was",
                     help=f"count a window of it: `{past[0].source.span.text} in last 1d`, or `today`")
        elif told is not None and endless and len(endless) == len(counts):
            yield at(codes.NO_WINDOW, f"`{rule.id}` says “{told.group()}”, and counts without a window", endless[0].span, "has no window",
                     help="write `throttle … { deny beyond N orders in any 1min }`, or `… in last 1min`")


LINTS: tuple[Lint, ...] = (no_kill_switch, nobody_rearms, fresh_budget, unlisted_permits, grave_warning, warns_too_late, no_window)
