"""The canonical text of a rule of any kind: its head and the lines of its body. `printer` puts them into their block."""
from __future__ import annotations

from typing import assert_never

from caplex.compiler.syntax import ast
from caplex.compiler.syntax.expression_printer import Level, quoted, show, show_at, show_read, show_template


def show_names(names: tuple[ast.Name, ...]) -> str:
    return ", ".join(name.text for name in names)


def show_head(rule: ast.RuleItem | ast.Size) -> str:
    return rule.rule_id.text + ("" if rule.title is None else f" {quoted(rule.title)}")


def _attributes(attributes: ast.Attributes) -> str:
    parts = []
    if attributes.actions:
        parts.append(f"for {show_names(attributes.actions)}")
    if attributes.severity is not None:
        parts.append(f"severity {attributes.severity}")
    parts += [f"{word} {quoted(label.text)}" for word, label in (("code", attributes.code), ("outcome", attributes.outcome)) if label]
    if attributes.cites is not None:
        parts.append(f"cites {quoted(attributes.cites)}")
    if attributes.monitor is not None:
        parts.append("monitor always" if isinstance(attributes.monitor, str) else f"monitor through {attributes.monitor.iso}")
    if attributes.overridable_by is not None:
        parts.append(f"overridable by role {quoted(attributes.overridable_by)}")
    return "".join(f" {part}" for part in parts)


def show_rule(rule: ast.RuleItem) -> tuple[str, list[str]]:
    """Head and body."""
    head = f"{show_head(rule)}{_attributes(rule.attributes)}"
    if isinstance(rule, ast.KillSwitch):
        targets = "".join(f" {_target(target)}" for target in rule.targets)
        return f"kill switch {head}{targets}", [_switch_clause(clause) for clause in rule.clauses]
    word = "rule" if isinstance(rule, ast.Rule) else "limit" if isinstance(rule, ast.Limit) else "throttle" if isinstance(rule, ast.Throttle) else "cooldown"
    return f"{word} {head}", _body(rule) + show_because(rule.because)


def _body(rule: ast.Rule | ast.Limit | ast.Throttle | ast.Cooldown) -> list[str]:
    lines = [] if rule.when is None else [f"when {show(rule.when)},"]
    match rule:
        case ast.Rule(effect=effect):
            lines.append(_effect(effect))
        case ast.Limit():
            lines.append(_limit(rule))
        case ast.Throttle():
            lines.append(_throttle(rule))
        case ast.Cooldown():
            lines.append(
                f"deny during {show_at(rule.during, Level.SUM)} after last {rule.event.text}{_each(rule.each)}{_where(rule.where)}"
            )
    return lines


def show_body(rule: ast.Rule | ast.Limit | ast.Throttle | ast.Cooldown) -> str:
    """What a rule says, in one line and without its `because`: ``when mood == calm, deny when intent.quantity > 5``."""
    return " ".join(_body(rule))


def show_because(because: ast.Template | None) -> list[str]:
    return [] if because is None else [f"because {show_template(because)}"]


def show_tail(because: ast.Template | None) -> str:
    return "" if because is None else f" because {show_template(because)}"


def _each(keys: tuple[ast.Read, ...]) -> str:
    return f" for each {', '.join(map(show_read, keys))}" if keys else ""


def _where(where: ast.Expr | None) -> str:
    return "" if where is None else f" where {show(where)}"


def _approval(approval: ast.Approval) -> str:
    within = "" if approval.within is None else f" within {show_at(approval.within, Level.SUM)}"
    quorum = "" if approval.quorum == 1 else f" quorum {approval.quorum}"
    return f"for approval by role {quoted(approval.role)}{quorum}{within}"


def _effect(effect: ast.Effect) -> str:
    match effect:
        case ast.Deny(condition=condition, opening_only=opening_only):
            return f"deny {'opening ' if opening_only else ''}when {show(condition)}"
        case ast.Require(condition=condition):
            return f"require {show(condition)}"
        case ast.Warn(condition=condition):
            return f"warn when {show(condition)}"
        case ast.Hold(condition=condition, approval=approval):
            return f"hold when {show(condition)} {_approval(approval)}"


def _limit(rule: ast.Limit) -> str:
    breach = rule.breach if rule.approval is None else f"{rule.breach} {_approval(rule.approval)}"
    return f"{show_at(rule.measure, Level.SUM)} {rule.boundary} {show_at(rule.bound, Level.SUM)} else {breach}"


def _throttle(rule: ast.Throttle) -> str:
    window = "per day" if isinstance(rule.window, ast.PerDay) else f"in any {show_at(rule.window, Level.SUM)}"
    counters = "" if rule.counters is None else f" from {show(rule.counters)}"
    reserve = "" if rule.reserve is None else f" reserve {show_at(rule.reserve, Level.SUM)} for closing"
    return (
        f"deny beyond {show_at(rule.amount, Level.SUM)} {rule.events.text} {window}{counters}"
        f"{_each(rule.each)}{_where(rule.where)}{reserve}"
    )


# ── kill switches ─────────────────────────────────────────────────────────────────────────────────────


def _target(target: ast.ForEach | ast.ForOne) -> str:
    if isinstance(target, ast.ForEach):
        return f"for each {show_names(target.dimensions)}"
    return f"for {target.dimension.text}" + ("" if target.value is None else f" {quoted(target.value)}")


def _switch_clause(clause: ast.SwitchClause) -> str:
    match clause:
        case ast.TripWhen(condition=condition, confirm=confirm, because=because):
            return f"trip when {show(condition)}{'' if confirm is None else _confirm(confirm)}{show_tail(because)}"
        case ast.TripOnRule(rule=rule, because=because):
            return f"trip when {rule.text} violated{show_tail(because)}"
        case ast.TripOnCount():
            return _trip_on_count(clause)
        case ast.WhileTripped(deny=deny):
            return f"while tripped deny {deny}"
        case ast.OnTrip(actions=actions):
            return f"on trip {', '.join(map(show_action, actions))}"
        case ast.OnRearm(actions=actions):
            return f"on rearm {', '.join(map(show_action, actions))}"
        case ast.RearmNever():
            return "rearm never"
        case ast.Rearm(terms=terms):
            return f"rearm {' and '.join(map(show_rearm, terms))}"
        case _:
            assert_never(clause)


def _confirm(confirm: ast.Confirm) -> str:
    return f" for {show_at(confirm.amount, Level.SUM)}" + (" readings" if confirm.readings else "")


def _trip_on_count(trip: ast.TripOnCount) -> str:
    kind = ""
    if trip.severity is not None:
        kind = f" of severity {trip.severity}"
    elif trip.rules:
        kind = f" of {', '.join(rule.text for rule in trip.rules)}"
    elif trip.families:
        kind = f" of {show_names(trip.families)}"
    amount, window = show_at(trip.amount, Level.SUM), show_at(trip.window, Level.SUM)
    return f"trip when {amount} {trip.events.text}{kind} in any {window}{show_tail(trip.because)}"


def show_action(action: ast.Action) -> str:
    match action:
        case ast.Cancel(which=which):
            return f"cancel {which} orders"
        case ast.Flatten():
            return "flatten"
        case ast.Notify(channel=channel):
            return f"notify {quoted(channel)}"
        case ast.Rebase(field=field, value=value):
            return f"rebase {show_read(field)} to {show_at(value, Level.SUM)}"


def show_rearm(term: ast.RearmByRole | ast.RearmDelay | ast.RearmWhen) -> str:
    """One term of `rearm`: ``by 2 of "risk-officer"``."""
    match term:
        case ast.RearmByRole(quorum=quorum, role=role):
            return f"by {show(quorum)} of {quoted(role)}"
        case ast.RearmDelay(delay=delay):
            return f"{show_at(delay, Level.SUM)} after trip"
        case ast.RearmWhen(condition=condition):
            return f"when ({show(condition)})"
