"""A rule in words: what it demands, what happens otherwise, and what its head says."""
from __future__ import annotations

from typing import assert_never

from caplex.compiler.syntax import ast
from caplex.compiler.syntax.expression_printer import Level, show, show_at, show_read, show_template
from caplex.compiler.syntax.rule_printer import show_action

KINDS = {ast.Rule: "rule", ast.Limit: "limit", ast.Throttle: "throttle", ast.Cooldown: "cooldown", ast.KillSwitch: "kill switch"}
_BREACH = {"deny": "Otherwise the intent is denied.", "reduce": "Otherwise it is cut to the largest size that keeps this.",
           "warn": "Otherwise a warning is told, and nothing is taken away."}


def kind_of(rule: ast.RuleItem | ast.Waiver) -> str:
    return "waiver" if isinstance(rule, ast.Waiver) else KINDS[type(rule)]


def demands(rule: ast.RuleItem) -> list[str]:
    """What the rule asks for, a sentence each; expressions as policies write them."""
    when = getattr(rule, "when", None)
    start = [] if when is None else [f"It applies when `{show(when)}`."]
    match rule:
        case ast.Rule(effect=effect):
            return start + _effect(effect)
        case ast.Limit():
            sentence = f"`{show_at(rule.measure, Level.SUM)}` must be {rule.boundary} `{show_at(rule.bound, Level.SUM)}`."
            otherwise = _BREACH.get(rule.breach) or f"Otherwise it is held {_approval(rule.approval)}."
            return [*start, sentence, otherwise]
        case ast.Throttle():
            window = "a day" if isinstance(rule.window, ast.PerDay) else f"any `{show_at(rule.window, Level.SUM)}`"
            held = "" if rule.reserve is None else f" `{show_at(rule.reserve, Level.SUM)}` of them are kept for closing."
            counted = "" if rule.counters is None else f" The host counts: `{show(rule.counters)}`."
            return [*start, f"At most `{show_at(rule.amount, Level.SUM)}` {rule.events.text} in {window}{_scope(rule.each, rule.where)}; what goes beyond is denied.{held}{counted}"]
        case ast.Cooldown():
            return [*start, f"Nothing within `{show_at(rule.during, Level.SUM)}` after the last {rule.event.text}{_scope(rule.each, rule.where)}; what comes earlier is denied."]
        case ast.KillSwitch():
            return [_clause(clause) for clause in rule.clauses]
    assert_never(rule)


def _scope(each: tuple[ast.Read, ...], where: ast.Expr | None) -> str:
    counted = f", counted for each {', '.join(map(show_read, each))}" if each else ""
    return counted + ("" if where is None else f", of those where `{show(where)}`")


def _effect(effect: ast.Effect) -> list[str]:
    match effect:
        case ast.Deny(condition=condition, opening_only=only):
            return [f"Denied {'as far as it opens ' if only else ''}when `{show(condition)}`."]
        case ast.Require(condition=condition):
            return [f"`{show(condition)}` must hold.", "Otherwise the intent is denied."]
        case ast.Warn(condition=condition):
            return [f"A warning is told when `{show(condition)}`; nothing is taken away."]
        case ast.Hold(condition=condition, approval=approval):
            return [f"Held when `{show(condition)}`, {_approval(approval)}."]


def _approval(approval: ast.Approval | None) -> str:
    if approval is None:
        return "for approval"
    many = "one" if approval.quorum == 1 else str(approval.quorum)
    within = "" if approval.within is None else f" within `{show_at(approval.within, Level.SUM)}`"
    return f"for approval by {many} of `{approval.role}`{within}"


def _clause(clause: ast.SwitchClause) -> str:
    match clause:
        case ast.TripWhen(condition=condition, confirm=confirm):
            lasting = "" if confirm is None else f", for `{show_at(confirm.amount, Level.SUM)}`{' readings' if confirm.readings else ''} in a row"
            return f"Trips when `{show(condition)}`{lasting}."
        case ast.TripOnRule(rule=rule):
            return f"Trips when `{rule.text}` is violated."
        case ast.TripOnCount():
            of = f" of severity {clause.severity}" if clause.severity else "".join(f" of `{each}`" for each in [
                ", ".join([rule.text for rule in clause.rules] or [family.text for family in clause.families])] if each)
            return f"Trips on `{show_at(clause.amount, Level.SUM)}` {clause.events.text}{of} in any `{show_at(clause.window, Level.SUM)}`."
        case ast.WhileTripped(deny=deny):
            return f"While it is tripped, {'what opens is denied; what closes may go' if deny == 'opening' else 'everything is denied'}."
        case ast.OnTrip(actions=actions):
            return f"When it trips: {', '.join(map(show_action, actions))}."
        case ast.OnRearm(actions=actions):
            return f"When it is armed again: {', '.join(map(show_action, actions))}."
        case ast.RearmNever():
            return "It is never armed again."
        case ast.Rearm(terms=terms):
            return f"Armed again {', and '.join(map(_term, terms))}."
    assert_never(clause)


def _term(term: ast.RearmByRole | ast.RearmDelay | ast.RearmWhen) -> str:
    match term:
        case ast.RearmByRole(quorum=quorum, role=role):
            return f"by `{show_at(quorum, Level.SUM)}` of `{role}`"
        case ast.RearmDelay(delay=delay):
            return f"no sooner than `{show_at(delay, Level.SUM)}` after the trip"
        case ast.RearmWhen(condition=condition):
            return f"when `{show(condition)}`"


def because(rule: ast.RuleItem | ast.Waiver) -> str:
    """The `because` of the rule as written; empty if it has none."""
    found = getattr(rule, "because", None)
    return "" if found is None else show_template(found)


def source_text(node: ast.Node) -> str:
    """The rule as it stands in its file, and where."""
    return f"`{node.span.source.name}:{node.span.begin.line}`\n\n```cap\n{node.span.text.rstrip()}\n```"
