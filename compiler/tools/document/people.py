"""Who may do what: overrides and until when, waivers, approvals, and who arms a switch again."""
from __future__ import annotations

from typing import Any

from caplex.compiler.semantics.model import SettingInfo
from caplex.compiler.syntax import ast
from caplex.compiler.syntax.expression_printer import show
from caplex.compiler.tools.diagram import words as diagram
from caplex.compiler.tools.diagram.model import Switch
from caplex.compiler.tools.document import rules
from caplex.compiler.tools.document.limits import whom
from caplex.compiler.tools.document.plain import Words
from caplex.compiler.tools.document.subject import Subject
from caplex.compiler.tools.pages_policies import value_text


def overrides(subject: Subject, as_of: str | None) -> list[dict[str, Any]]:
    """Each override once, where it is written; what was handed on to a pack names the settings that it reaches."""
    found: dict[int, dict[str, Any]] = {}
    for info in subject.checked.settings.values():
        for each in info.overrides:
            if each.node.id in found and not each.origin:
                found[each.node.id]["settings"].append(info.name)
                continue
            key = each.node.id if not each.origin else -len(found) - 1
            found[key] = {
                "settings": [info.name], "kind": each.kind, "for": whom(each.scopes), "value": _value(each.value, info, subject),
                "instead_of": _value(info.value, info, subject), "from_outside": each.origin, "source": "" if each.origin else subject.place(each.node),
                **_terms(each.through, each.approved_by, each.ticket, as_of)}
    return list(found.values())


def _value(value: Any, info: SettingInfo, subject: Subject) -> str:
    return value_text(value, info, subject.checked.policy.currency)


def _terms(through: str | None, approved_by: str | None, ticket: str | None, as_of: str | None) -> dict[str, Any]:
    ended = None if as_of is None else through is not None and through < as_of
    return {"through": through or "", "approved_by": approved_by or "", "ticket": ticket or "", "ended": ended}


def waivers(subject: Subject, as_of: str | None) -> list[dict[str, Any]]:
    words = Words(subject.checked)
    return [{"id": name, "of": info.of, "title": info.node.title or "", "when": words.holds(info.node.when), "written": show(info.node.when),
             "including_switches": info.node.including_switches, "because": words.template(info.node.because) if info.node.because else "",
             "source": subject.place(info.node),
             **_terms(info.node.through.iso if info.node.through is not None else None, info.node.approved_by, info.node.ticket, as_of)}
            for name, info in subject.checked.waivers.items()]


def approvals(subject: Subject) -> list[dict[str, str]]:
    """Rules that hold for an approval, and denials that a role may turn into one."""
    found = []
    for rule in subject.checked.rules:
        words, node = Words(subject.checked), rule.node
        wanted = node.approval if isinstance(node, ast.Limit) else node.effect.approval if isinstance(node, ast.Rule) and isinstance(node.effect, ast.Hold) else None
        if wanted is not None:
            within = words.say(wanted.within) if wanted.within is not None else ""
            found.append({"rule": rule.id, "title": node.title or "", "role": wanted.role, "quorum": str(wanted.quorum), "within": within, "what": "holds for approval"})
        if node.attributes.overridable_by is not None:
            found.append({"rule": rule.id, "title": node.title or "", "role": node.attributes.overridable_by, "quorum": "1", "within": "",
                          "what": "a denial may be approved"})
    return found


def switches(subject: Subject) -> list[dict[str, Any]]:
    """Each kill switch: what trips it, what it stops, what is done then, and who arms it again."""
    return [_switch(subject, rule.id, rule.node, subject.policy.plan.rules[rule.position].denies) for rule in subject.checked.rules if isinstance(rule.node, ast.KillSwitch)]


def machine(told: dict[str, Any]) -> Switch:
    """The switch as it is drawn, in the words of the document."""
    rearm = told["rearm"]
    terms = [f"by {rearm['quorum']} of “{rearm['role']}”" if rearm["role"] else "", f"no sooner than {rearm['delay']} after the trip" if rearm["delay"] else "",
             f"once {rearm['when']}" if rearm["when"] else ""]
    trips = tuple(f"{'or ' if number else ''}when {each}" for number, each in enumerate(told["trips"]))
    return Switch(told["id"], told["title"], told["scope"], trips, told["denies"], tuple(told["on_trip"]), tuple(filter(None, terms)), tuple(told["on_rearm"]))


def _switch(subject: Subject, name: str, node: ast.KillSwitch, denies: str) -> dict[str, Any]:
    words, drawn = Words(subject.checked), diagram.machine(node)
    told: dict[str, Any] = {"id": name, "title": node.title or "", "scope": drawn.scope, "denies": denies, "trips": [], "on_trip": [], "on_rearm": [],
                            "rearm": {"never": True, "role": "", "quorum": "", "delay": "", "when": ""}}
    for clause in node.clauses:
        match clause:
            case ast.TripWhen() | ast.TripOnRule() | ast.TripOnCount():
                told["trips"].append(rules.trip(clause, words))
            case ast.OnTrip(actions=actions):
                told["on_trip"] += [rules.action(each, words) for each in actions]
            case ast.OnRearm(actions=actions):
                told["on_rearm"] += [rules.action(each, words) for each in actions]
            case ast.Rearm(terms=terms):
                told["rearm"]["never"] = False
                for term in terms:
                    match term:
                        case ast.RearmByRole(quorum=quorum, role=role):
                            told["rearm"] |= {"role": role, "quorum": words.say(quorum)}
                        case ast.RearmDelay(delay=delay):
                            told["rearm"]["delay"] = words.say(delay)
                        case ast.RearmWhen(condition=condition):
                            told["rearm"]["when"] = words.holds(condition)
    told["terms"] = [{"name": term, "means": means} for term, means in words.terms.items()]
    return told
