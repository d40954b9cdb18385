"""The clauses of a kill switch: those that must stand, each once, and each in its place."""
from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from caplex.compiler.diagnostics import codes_switches as codes
from caplex.compiler.diagnostics.diagnostic import Diagnostic
from caplex.compiler.semantics.coherence.context import Context
from caplex.compiler.semantics.model import FieldBinding
from caplex.compiler.semantics.ranges import ZERO, exactly
from caplex.compiler.semantics.report import at
from caplex.compiler.source import Span
from caplex.compiler.syntax import ast

BASES = frozenset({
    "account.peak_equity", "account.day_start_equity", "account.day_start_balance", "account.initial_equity",
})
"""Fields that mark the start of a reckoning, which a re-arm may set anew."""
_ONE = exactly(Fraction(1))
TRIPS = (ast.TripWhen, ast.TripOnRule, ast.TripOnCount)


def clauses(context: Context) -> Iterator[Diagnostic]:
    for rule, switch in context.switches():
        place = switch.rule_id.span
        yield from _once(switch, (ast.Rearm, ast.RearmNever), "rearm")
        yield from _once(switch, (ast.WhileTripped,), "while tripped")
        yield from _once(switch, (ast.OnTrip,), "on trip")
        yield from _once(switch, (ast.OnRearm,), "on rearm")
        for clause in switch.clauses:
            if isinstance(clause, ast.Rearm):
                yield from _terms_once(clause)
        if not any(isinstance(clause, (ast.Rearm, ast.RearmNever)) for clause in switch.clauses):
            yield at(codes.NO_REARM, f"`{rule.id}` does not say how it is re-armed", place, "`rearm` is missing",
                     help="write `rearm by 1 of \"role\"`, a delay `30min after trip`, a condition `when (…)`, or `rearm never`")
        if not any(isinstance(clause, ast.WhileTripped) for clause in switch.clauses):
            yield at(codes.NO_WHILE_TRIPPED, f"`{rule.id}` does not say what it stops", place, "`while tripped` is missing",
                     help="write `while tripped deny opening`, which lets positions be closed, or `while tripped deny all`")
        if "." not in rule.id and not any(isinstance(clause, TRIPS) for clause in switch.clauses):  # of a module, its author has settled it
            yield at(codes.BY_HAND_ONLY, f"`{rule.id}` trips only by hand", place, "no `trip when`")


def _once(switch: ast.KillSwitch, kinds: tuple[type[ast.Node], ...], word: str) -> Iterator[Diagnostic]:
    found = [clause for clause in switch.clauses if isinstance(clause, kinds)]
    for again in found[1:]:
        yield at(codes.CLAUSE_TWICE, f"`{word}` stands twice", again.span, "again", also=[(found[0].span, "first here")])


def _terms_once(clause: ast.Rearm) -> Iterator[Diagnostic]:
    """Two quorums or two delays in one clause: which one counts, nobody could tell."""
    words = {ast.RearmByRole: 'by N of "role"', ast.RearmDelay: "after trip", ast.RearmWhen: "when"}
    first: dict[type[ast.Node], ast.Node] = {}
    for term in clause.terms:
        before = first.setdefault(type(term), term)
        if before is not term:
            yield at(codes.CLAUSE_TWICE, f"`{words[type(term)]}` stands twice in one `rearm`", term.span, "again", also=[(before.span, "first here")],
                     help="join conditions with `and` inside the parentheses" if isinstance(term, ast.RearmWhen) else "keep the one that is meant")


def counts(context: Context) -> Iterator[Diagnostic]:
    """What is counted is counted to one at least."""
    for _, switch in context.switches():
        for clause in switch.clauses:
            match clause:
                case ast.TripOnCount():
                    yield from _one(context, clause.amount, "trips at once")
                    yield from _some_time(context, clause.window)
                case ast.TripWhen(confirm=ast.Confirm() as confirm):
                    if confirm.readings:
                        yield from _one(context, confirm.amount, "confirms nothing")
                    else:
                        yield from _some_time(context, confirm.amount)
                case ast.Rearm():
                    for term in clause.terms:
                        if isinstance(term, ast.RearmByRole):
                            yield from _one(context, term.quorum, "re-armed by nobody")
                        elif isinstance(term, ast.RearmDelay) and context.ranges.of(term.delay).below(ZERO):
                            yield at(codes.NOT_AT_LEAST_ONE, "a delay before the trip", term.delay.span, "less than no time")
                case _:
                    pass


def _one(context: Context, amount: ast.Expr, label: str) -> Iterator[Diagnostic]:
    value = context.ranges.of(amount)
    if value.below(_ONE):
        yield at(codes.NOT_AT_LEAST_ONE, "this count is 1 or more", amount.span, label)


def _some_time(context: Context, span: ast.Expr) -> Iterator[Diagnostic]:
    if context.ranges.of(span).at_most(ZERO):
        yield at(codes.NOT_AT_LEAST_ONE, "this takes some time", span.span, "no time at all")


def names(context: Context) -> Iterator[Diagnostic]:
    """Roles and channels have a name, in switches and in rules."""
    for _, switch in context.switches():
        for clause in switch.clauses:
            match clause:
                case ast.Rearm():
                    for term in clause.terms:
                        if isinstance(term, ast.RearmByRole) and not term.role.strip():
                            yield _nobody(term.span, "nobody could arm it again", 'name a role: `rearm by 1 of "risk-officer"`')
                case ast.OnTrip() | ast.OnRearm():
                    for action in clause.actions:
                        if isinstance(action, ast.Notify) and not action.channel.strip():
                            yield _nobody(action.span, "nobody would be told", 'name a channel: `notify "risk-desk"`')
                case _:
                    pass
    for rule in context.rules():
        node = rule.node
        approval = node.approval if isinstance(node, ast.Limit) else node.effect.approval if isinstance(node, ast.Rule) and isinstance(node.effect, ast.Hold) else None
        if approval is not None and not approval.role.strip():
            yield _nobody(approval.span, "nobody could approve it", 'name a role: `for approval by role "head-of-desk"`')
        overridable = node.attributes.overridable_by
        if overridable is not None and not overridable.strip():
            yield _nobody(node.attributes.span, "nobody could override it", 'name a role: `overridable by role "head-of-desk"`')


def _nobody(place: Span, label: str, help: str) -> Diagnostic:
    return at(codes.NOBODY_NAMED, "an empty text names nobody", place, label, help=help)


def actions(context: Context) -> Iterator[Diagnostic]:
    """Bases are set anew on re-arm, and only bases are; orders are cancelled on the trip."""
    for _, switch in context.switches():
        for clause in switch.clauses:
            if not isinstance(clause, (ast.OnTrip, ast.OnRearm)):
                continue
            for action in clause.actions:
                if isinstance(action, ast.Rebase):
                    if isinstance(clause, ast.OnTrip):
                        yield at(codes.MISPLACED_ACTION, "a base is set anew on re-arm, not on the trip", action.span, "too early",
                                 help=f"write `on rearm {action.span.text}`")
                    yield from _base(context, action)
                elif isinstance(clause, ast.OnRearm) and not isinstance(action, ast.Notify):
                    yield at(codes.MISPLACED_ACTION, "orders are cancelled and positions closed on the trip", action.span, "too late",
                             help=f"write `on trip {action.span.text}`")


def _base(context: Context, action: ast.Rebase) -> Iterator[Diagnostic]:
    binding = context.checked.bindings.get(action.field.id)
    if isinstance(binding, FieldBinding) and binding.field.path not in BASES and not binding.section.inputs:
        yield at(codes.BAD_REBASE, f"`{binding.field.path}` is not a base", action.field.span, "cannot be set anew",
                 help="bases are " + ", ".join(f"`{name}`" for name in sorted(BASES)))


def targets(context: Context) -> Iterator[Diagnostic]:
    """A trip waits for something that can be violated."""
    by_id = {rule.id: rule for rule in context.checked.rules}
    for _, switch in context.switches():
        for clause in switch.clauses:
            references: tuple[ast.Reference, ...]
            match clause:
                case ast.TripOnRule():
                    references = (clause.rule,)
                case ast.TripOnCount():
                    references = clause.rules
                    yield from _families(context, clause)
                case _:
                    continue
            for reference in references:
                rule = by_id.get(context.checked.references.get(reference.id, ""))
                if rule is None:
                    continue
                if rule.node is switch:
                    yield at(codes.TRIP_COUNTS_NOTHING, f"`{rule.id}` waits for itself", reference.span, "a switch is never violated")
                elif isinstance(rule.node, ast.KillSwitch):
                    yield at(codes.TRIP_COUNTS_NOTHING, f"`{rule.id}` is a kill switch", reference.span, "a switch is never violated",
                             help=f"ask for its state: `trip when switch {reference.text} tripped`")
                elif warns(rule.node):
                    yield at(codes.TRIP_COUNTS_NOTHING, f"`{rule.id}` only warns", reference.span, "a warning is no violation")


def warns(node: ast.RuleItem) -> bool:
    return (isinstance(node, ast.Limit) and node.breach == "warn") or (isinstance(node, ast.Rule) and isinstance(node.effect, ast.Warn))


def _families(context: Context, clause: ast.TripOnCount) -> Iterator[Diagnostic]:
    for family in clause.families:
        of = [rule for rule in context.checked.rules if rule.stage == family.text]
        if of and all(isinstance(rule.node, ast.KillSwitch) or warns(rule.node) for rule in of):
            yield at(codes.TRIP_COUNTS_NOTHING, f"no rule of the family `{family.text}` can be violated", family.span, "switches and warnings only")


CHECKS = (clauses, counts, names, actions, targets)
