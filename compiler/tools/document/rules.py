"""Rules in plain words: what each does, to what, and what its head says."""
from __future__ import annotations

from typing import Any, Final, assert_never

from caplex.compiler.semantics.builtins import DEFAULT_ACTIONS
from caplex.compiler.semantics.model import RuleInfo
from caplex.compiler.semantics.stages import SWITCH_ACTIONS
from caplex.compiler.syntax import ast
from caplex.compiler.syntax.expression_printer import show_read
from caplex.compiler.syntax.rule_printer import show_body, show_rule
from caplex.compiler.tools.document.citations import citations
from caplex.compiler.tools.document.plain import Words
from caplex.compiler.tools.document.subject import Subject
from caplex.compiler.tools.pages_rules import kind_of

_BEYOND: Final = {
    "deny": "Otherwise the order is denied.", "reduce": "Otherwise the order is cut to the largest size that keeps this.",
    "warn": "Otherwise a warning is told; nothing is taken away.",
}
_EVENTS: Final = {"orders": "orders", "fills": "fills", "rejects": "rejected orders", "cancels": "cancelled orders", "denials": "denied orders",
                  "violations": "violations", "stops": "stopped positions", "results": "results"}


def entry(subject: Subject, rule: RuleInfo) -> dict[str, Any]:
    """Everything that a document tells of one rule, as plain data."""
    node, attributes = rule.node, rule.node.attributes
    words = Words(subject.checked)
    compiled = subject.policy.plan.rules[rule.position]
    does = sentences(node, words)
    templates = [clause.because for clause in node.clauses if isinstance(clause, ast.Trip)] if isinstance(node, ast.KillSwitch) else [node.because]
    alias = rule.id.rpartition(".")[0]
    return {
        "id": rule.id, "title": node.title or "", "kind": kind_of(node), "stage": rule.stage, "severity": rule.severity,
        "effect": compiled.denies if isinstance(node, ast.KillSwitch) else compiled.effect,
        "does": does, "written": written(node),
        "applies": applies(subject, rule, words), "terms": [{"name": name, "means": means} for name, means in words.terms.items()],
        "because": "; ".join(words.template(each) for each in templates if each is not None), "about": node.doc,
        "cites": attributes.cites or "", "citations": [each.text for each in citations(attributes.cites)],
        "code": compiled.code or "", "outcome": compiled.outcome or "",
        "monitored": monitored(rule), "overridable_by": attributes.overridable_by or "", "waivers": list(rule.waivers),
        "pack": subject.home(alias), "alias": alias, "source": subject.place(node),
    }


def monitored(rule: RuleInfo) -> str | None:
    """Through which day the rule only watches: empty for always, None if it is enforced."""
    until = rule.node.attributes.monitor
    return None if until is None else until.iso if isinstance(until, ast.Date) else ""


def written(node: ast.RuleItem) -> list[str]:
    """The body in the language, a line for each clause, without what it says when it stops something."""
    if isinstance(node, ast.KillSwitch):
        return show_rule(node)[1]
    return [show_body(node)]


def applies(subject: Subject, rule: RuleInfo, words: Words) -> str:
    """Which orders it judges: ``orders that open, when …``."""
    node = rule.node
    usual = SWITCH_ACTIONS if isinstance(node, ast.KillSwitch) else DEFAULT_ACTIONS
    opening = rule.skipped or (isinstance(node, ast.Rule) and isinstance(node.effect, ast.Deny) and node.effect.opening_only)
    if rule.actions == usual:
        said = "what opens" if opening else "every order"
    else:
        said = ", ".join(sorted(rule.actions)) + " intents" + (", what opens of them" if opening else "")
    if rule.skipped and rule.unless_worse:
        said += ", and what closes as far as it makes a breach worse"
    when = getattr(node, "when", None)
    return said + ("" if when is None else f"; only when {words.holds(when)}")


def sentences(node: ast.RuleItem, words: Words) -> list[str]:
    match node:
        case ast.Rule(effect=effect):
            return _effect(effect, words)
        case ast.Limit():
            demand = _capital(f"{words.say(node.measure)} must be {node.boundary} {words.say(node.bound)}.")
            return [demand, _BEYOND.get(node.breach) or f"Otherwise the order is held {approval(node.approval, words)}."]
        case ast.Throttle():
            window = "in a day" if isinstance(node.window, ast.PerDay) else f"in any {words.say(node.window)}"
            told = [f"At most {words.say(node.amount)} {events(node.events.text)} {window}{scope(node.each, node.where, words)}. What goes beyond is denied."]
            if node.reserve is not None:
                told.append(f"{words.say(node.reserve)} of them are kept for closing.")
            if node.counters is not None:
                told.append(f"The host counts them: {words.say(node.counters)}.")
            return told
        case ast.Cooldown():
            return [f"Nothing for {words.say(node.during)} after the last {node.event.text}{scope(node.each, node.where, words)}. What comes earlier is denied."]
        case ast.KillSwitch():
            by_hand = [] if any(isinstance(each, ast.Trip) for each in node.clauses) else ["Trips by hand only."]
            return by_hand + [clause(each, words) for each in node.clauses]
    assert_never(node)


def events(name: str) -> str:
    return _EVENTS.get(name, name)


def scope(each: tuple[ast.Read, ...], where: ast.Expr | None, words: Words) -> str:
    counted = f", counted for each {' and '.join(_dimension(read) for read in each)}" if each else ""
    return counted + ("" if where is None else f", of those where {words.holds(where)}")


def _dimension(read: ast.Read) -> str:
    return show_read(read).removeprefix("intent.").replace("_", " ").replace(".", " ")


def _effect(effect: ast.Effect, words: Words) -> list[str]:
    match effect:
        case ast.Deny(condition=condition, opening_only=True):
            return [f"What opens is denied when {words.holds(condition)}.", "What closes may go."]
        case ast.Deny(condition=condition):
            return [f"The order is denied when {words.holds(condition)}."]
        case ast.Require(condition=condition):
            return [f"The order is denied unless {words.holds(condition)}."]
        case ast.Warn(condition=condition):
            return [f"A warning is told when {words.holds(condition)}.", "Nothing is taken away."]
        case ast.Hold(condition=condition, approval=wanted):
            return [f"The order is held when {words.holds(condition)}, {approval(wanted, words)}."]


def approval(wanted: ast.Approval | None, words: Words) -> str:
    if wanted is None:
        return "for approval"
    within = "" if wanted.within is None else f" within {words.say(wanted.within)}"
    return f"until {people(str(wanted.quorum), wanted.role)} approve{'s' if wanted.quorum == 1 else ''} it{within}"


def people(many: str, role: str) -> str:
    return f"one “{role}”" if many == "1" else f"{many} of “{role}”"


def clause(each: ast.SwitchClause, words: Words) -> str:
    match each:
        case ast.TripWhen() | ast.TripOnRule() | ast.TripOnCount():
            return f"Trips when {trip(each, words)}."
        case ast.WhileTripped(deny=deny):
            return "While it is tripped, " + ("what opens is denied; what closes may go." if deny == "opening" else "everything is denied.")
        case ast.OnTrip(actions=actions):
            return f"When it trips: {', '.join(action(one, words) for one in actions)}."
        case ast.OnRearm(actions=actions):
            return f"When it is armed again: {', '.join(action(one, words) for one in actions)}."
        case ast.RearmNever():
            return "It is never armed again."
        case ast.Rearm(terms=terms):
            return f"It is armed again {', and '.join(term(one, words) for one in terms)}."
    assert_never(each)


def trip(each: ast.Trip, words: Words) -> str:
    match each:
        case ast.TripWhen(condition=condition, confirm=confirm):
            lasting = "" if confirm is None else f", for {words.say(confirm.amount)}{' readings' if confirm.readings else ''} in a row"
            return words.holds(condition) + lasting
        case ast.TripOnRule(rule=rule):
            return f"{words.checked.references.get(rule.id, rule.text)} is violated"
        case ast.TripOnCount():
            of = ""
            if each.severity is not None:
                of = f" of severity {each.severity}"
            elif each.rules:
                of = " of " + ", ".join(words.checked.references.get(rule.id, rule.text) for rule in each.rules)
            elif each.families:
                of = " of " + ", ".join(family.text for family in each.families)
            return f"there are {words.say(each.amount)} {events(each.events.text)}{of} in any {words.say(each.window)}"
    assert_never(each)


def action(each: ast.Action, words: Words) -> str:
    match each:
        case ast.Cancel(which=which):
            return f"cancel {'all orders' if which == 'all' else 'orders that open'}"
        case ast.Flatten():
            return "close every position"
        case ast.Notify(channel=channel):
            return f"tell “{channel}”"
        case ast.Rebase(field=field, value=value):
            return f"set {words.say(field)} to {words.say(value)}"


def term(each: ast.RearmByRole | ast.RearmDelay | ast.RearmWhen, words: Words) -> str:
    match each:
        case ast.RearmByRole(quorum=quorum, role=role):
            return f"by {people(words.say(quorum), role)}"
        case ast.RearmDelay(delay=delay):
            return f"no sooner than {words.say(delay)} after the trip"
        case ast.RearmWhen(condition=condition):
            return f"once {words.holds(condition)}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
