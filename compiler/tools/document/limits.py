"""Limits, throttles and pauses as tables: what is measured, the bound that holds now, and where its number comes from."""
from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Final, Literal

from caplex.compiler.semantics.constants import NotConstant, evaluate
from caplex.compiler.semantics.model import LetBinding, RuleInfo, SettingBinding, SettingInfo, Value
from caplex.compiler.syntax import ast
from caplex.compiler.syntax.expression_printer import Level, show_at, show_read
from caplex.compiler.tools.document import rules
from caplex.compiler.tools.document.plain import Words
from caplex.compiler.tools.document.subject import Subject
from caplex.compiler.tools.pages_policies import Case, value_text
from caplex.runtime.report.phrases import place
from caplex.runtime.schema import Type
from caplex.runtime.texts import human, plain_value, unit_name

_BREACH: Final = {"deny": "denied", "reduce": "cut to fit", "hold": "held for approval", "warn": "warning only"}


def tables(subject: Subject) -> dict[str, list[dict[str, Any]]]:
    """``limits``, ``throttles`` and ``cooldowns``, in the order of decision."""
    found: dict[str, list[dict[str, Any]]] = {"limits": [], "throttles": [], "cooldowns": []}
    for rule in subject.checked.rules:
        match rule.node:
            case ast.Limit():
                found["limits"].append(_limit(subject, rule, rule.node))
            case ast.Throttle():
                found["throttles"].append(_throttle(subject, rule, rule.node))
            case ast.Cooldown():
                found["cooldowns"].append(_cooldown(subject, rule, rule.node))
    return found


def _head(subject: Subject, rule: RuleInfo) -> dict[str, Any]:
    words = Words(subject.checked)
    return {"rule": rule.id, "title": rule.node.title or "", "applies": rules.applies(subject, rule, words), "monitored": rules.monitored(rule),
            "waivers": list(rule.waivers)}


def _limit(subject: Subject, rule: RuleInfo, node: ast.Limit) -> dict[str, Any]:
    words, plan = Words(subject.checked), subject.policy.plan
    unit = plan.rules[rule.position].unit
    return {
        **_head(subject, rule), "measure": words.say(node.measure, Level.IF), "relation": node.boundary, "bound": _bound(subject, words, node.bound, unit),
        "value": value_of(subject, node.bound, unit), "unit": unit_name(unit, plan.header.currency) or "", "on_breach": _BREACH[node.breach],
        "written": {"measure": show_at(node.measure, Level.SUM), "bound": show_at(node.bound, Level.SUM)},
        "terms": [{"name": name, "means": means} for name, means in words.terms.items()],
        "overrides": _overridden(subject, node.bound), "from": _origins(subject, node, node.bound),
    }


def _throttle(subject: Subject, rule: RuleInfo, node: ast.Throttle) -> dict[str, Any]:
    words = Words(subject.checked)
    day = isinstance(node.window, ast.PerDay)
    parts = [node.amount, *([] if isinstance(node.window, ast.PerDay) else [node.window]), *([node.reserve] if node.reserve else [])]
    return {
        **_head(subject, rule), "at_most": words.say(node.amount), "events": rules.events(node.events.text),
        "window": "a day" if day else f"any {words.say(node.window)}",  # type: ignore[arg-type]
        "each": [show_read(read).removeprefix("intent.") for read in node.each], "where": words.holds(node.where) if node.where is not None else "",
        "reserve": words.say(node.reserve) if node.reserve is not None else "",
        "counted_by": words.say(node.counters) if node.counters is not None else "",
        "overrides": [each for part in parts for each in _overridden(subject, part)], "from": _origins(subject, node, *parts),
    }


def _cooldown(subject: Subject, rule: RuleInfo, node: ast.Cooldown) -> dict[str, Any]:
    words = Words(subject.checked)
    return {
        **_head(subject, rule), "pause": words.say(node.during), "after": node.event.text,
        "each": [show_read(read).removeprefix("intent.") for read in node.each], "where": words.holds(node.where) if node.where is not None else "",
        "overrides": _overridden(subject, node.during), "from": _origins(subject, node, node.during),
    }


# ── numbers ───────────────────────────────────────────────────────────────────────────────────────────


def value_of(subject: Subject, bound: ast.Expr, unit: Type) -> dict[str, str] | None:
    """``{"amount": "75000"}``, ``{"amount": "0.08", "of": "account.equity"}``; None where it is neither a constant nor a share."""
    whole = _constant(subject, bound, unit)
    if whole is not None:
        return {"amount": whole}
    if isinstance(bound, ast.Arithmetic) and bound.operator in ("of", "*"):
        share = _constant(subject, bound.left)
        return None if share is None else {"amount": share, "of": show_at(bound.right, Level.SUM)}
    binding = subject.checked.bindings.get(bound.id) if isinstance(bound, ast.Read) else None
    return value_of(subject, binding.value, unit) if isinstance(binding, LetBinding) else None


def _bound(subject: Subject, words: Words, bound: ast.Expr, unit: Type) -> str:
    """The bound in words; one that is worked out from constants as what it comes to, and from what."""
    said, value = words.say(bound, Level.IF), _number(subject, bound)
    if not isinstance(value, Fraction) or isinstance(bound, ast.Read) or not isinstance(bound, ast.Arithmetic | ast.Call | ast.If):
        return said
    number = human(value, unit, subject.checked.policy.currency)
    return f"{number} ({said})"


def _constant(subject: Subject, expr: ast.Expr, unit: Type | None = None) -> str | None:
    value = _number(subject, expr)
    if value is None or not isinstance(value, Fraction):
        return None if value is None else "unlimited"
    text = plain_value(value, unit)
    return None if text is None else text.text


def _number(subject: Subject, expr: ast.Expr) -> Fraction | Literal["unlimited"] | None:
    """What *expr* comes to before any fact is known; None where it depends on one."""
    def known(read: ast.Read) -> Value:
        match subject.checked.bindings.get(read.id):
            case SettingBinding(name=name):
                return subject.checked.settings[name].value
            case LetBinding(value=value):
                return evaluate(value, known)
        raise NotConstant(read)

    try:
        value = evaluate(expr, known)
    except NotConstant:
        return None
    return "unlimited" if value is None else value if isinstance(value, Fraction) else None


# ── where a number comes from ─────────────────────────────────────────────────────────────────────────


def settings_in(subject: Subject, *parts: ast.Expr) -> list[SettingInfo]:
    """Settings that are read in *parts*, also through a `let`, each once."""
    case = Case("", subject.policy, subject.checked)
    return [subject.checked.settings[name] for name, what in case.names_in(*parts).items() if what == "setting"]


def _origins(subject: Subject, node: ast.RuleItem, *parts: ast.Expr) -> list[dict[str, str]]:
    found = [{"setting": info.name, "value": value_text(info.value, info, subject.checked.policy.currency), **origin(subject, info)}
             for info in settings_in(subject, *parts)]
    return found or [{"setting": "", "value": "", "how": "written in the rule", "where": subject.place(node)}]


def origin(subject: Subject, info: SettingInfo) -> dict[str, str]:
    """How the setting came to its value, and where that stands."""
    if info.origin == "policy":
        return {"how": "declared", "where": subject.place(info.node)}
    if info.origin != "use":
        return {"how": f"from {place(info.origin)}", "where": ""}
    alias, _, name = info.name.rpartition(".")
    importer, _, last = alias.rpartition(".")
    for item in subject.checked.modules[importer].items:
        if isinstance(item, ast.Use) and _alias(item) == last:
            for argument in item.arguments:
                if argument.name.text == name:
                    behind = subject.checked.settings.get(f"{importer}.{argument.value.name}" if importer else argument.value.name) if isinstance(
                        argument.value, ast.Read) else None
                    if behind is not None:
                        found = origin(subject, behind)
                        return {"how": f"{behind.name}, {found['how']}", "where": found["where"]}
                    return {"how": "given at the import", "where": subject.place(argument)}
    return {"how": "given at the import", "where": ""}


def _alias(use: ast.Use) -> str:
    if use.alias is not None:
        return use.alias.text
    return use.target[-1] if isinstance(use.target, tuple) else ""


def _overridden(subject: Subject, bound: ast.Expr) -> list[dict[str, Any]]:
    """The bound as each override makes it."""
    return [{"bound": Words(subject.checked, {info.name: each.value}).say(bound, Level.IF), "kind": each.kind, "for": whom(each.scopes),
             "through": each.through or "", "approved_by": each.approved_by or "", "ticket": each.ticket or ""}
            for info in settings_in(subject, bound) for each in info.overrides]


def whom(scopes: tuple[tuple[str, str], ...]) -> str:
    return " and ".join(f"{dimension.removesuffix('.value')} “{text}”" for dimension, text in scopes) or "all"


def settings(subject: Subject) -> Iterator[dict[str, Any]]:
    """Every setting: its value, from where, how far and by whom it may be moved, and what reads it."""
    checked = subject.checked
    case, currency = Case("", subject.policy, checked), checked.policy.currency
    readers: dict[str, list[str]] = {}
    for rule in checked.rules:
        for name, what in case.reads(rule).items():
            if what == "setting":
                readers.setdefault(name, []).append(rule.id)
    for size in checked.sizes:
        for name, what in case.names_in(size.node).items():
            if what == "setting":
                readers.setdefault(name, []).append(size.id)
    for name, target in _handed_on(subject):
        readers.setdefault(name, []).extend(each for each in readers.get(target, []) if each not in readers.get(name, []))
    for name, info in checked.settings.items():
        alias = name.rpartition(".")[0]
        low = value_text(info.low, info, currency) if info.low is not None else ""
        high = value_text(info.high, info, currency) if info.high is not None else ""
        if info.high is None and info.node.high is not None:
            high = "unlimited"
        yield {
            "name": name, "title": info.title or "", "about": info.node.doc, "value": value_text(info.value, info, currency),
            "declared": value_text(info.default, info, currency), "low": low, "high": high, "safer": info.safer or "", "hard": info.hard, "open": info.open,
            "moves": _moves(info), **origin(subject, info), "overrides": len(info.overrides), "read_by": readers.get(name, []),
            "pack": subject.home(alias),
        }


def _handed_on(subject: Subject) -> Iterator[tuple[str, str]]:
    """Pairs of a setting and the setting of an import that it is handed on to; the innermost first."""
    for importer, module in reversed(subject.checked.modules.items()):
        for use in (item for item in module.items if isinstance(item, ast.Use)):
            for argument in use.arguments:
                for info in settings_in(subject, argument.value):
                    yield info.name, ".".join(part for part in (importer, _alias(use), argument.name.text) if part)


def _moves(info: SettingInfo) -> str:
    """Whether a settings file, the environment or `--set` may move it, and where to."""
    safe, risky = ("down", "up") if info.safer == "lower" else ("up", "down")
    if info.hard:
        return f"{safe}, never {risky}" if info.safer else "no"
    return f"{safe}; {risky} if approved" if info.safer is not None and not info.open else "down and up" if info.safer else "freely"
