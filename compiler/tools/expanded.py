"""A policy with everything that its imports bring written out, so that nothing in force is invisible.

What is printed is to be read, not to be compiled: names of imports stand as ``alias.name``, settings with the values that they
have now, rules in the order of decision and as they stand in their files.
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from caplex.compiler.semantics.model import CheckedModule, LetBinding, RuleInfo, SettingBinding, SettingInfo
from caplex.compiler.syntax import ast
from caplex.compiler.tools.pages_policies import value_text

_ORIGINS = {"policy": "as declared", "use": "as imported"}


def expand(checked: CheckedModule) -> str:
    """The text; it ends with a line end."""
    return "\n".join(_lines(checked)).rstrip() + "\n"


def _lines(checked: CheckedModule) -> Iterator[str]:
    entry = checked.modules[""]
    assert entry.header is not None
    yield from (f"# {entry.span.source.name} with all that its imports bring, in the order of decision. To be read, not to be compiled.", "",
                entry.header.span.text.rstrip(), "")
    texts = _Texts(checked)
    for alias, module in checked.modules.items():
        if alias:
            yield f"# {alias} is {module.span.source.name}"
    for title, parts in (
        ("settings, with the values that they have now", _settings(checked)),
        ("inputs", list(dict.fromkeys(texts.of(item, "") for module in checked.modules.values() for item in module.items
                                      if isinstance(item, (ast.InputRecord, ast.InputScalar))))),
        ("names", [texts.of(item, alias) for alias, module in checked.modules.items() for item in module.items if isinstance(item, ast.Let)]),
        ("sizes", [texts.of(size.node, _alias(size.id)) for size in checked.sizes]),
    ):
        if parts:
            yield from ("", f"# ── {title} {'─' * (98 - len(title))}", "", *parts)
    stage = None
    for rule in checked.rules:
        if rule.stage != stage:
            stage = rule.stage
            skipped = ", skipped by closing" if rule.skipped else ""
            yield from ("", f"# ── {stage}{skipped} {'─' * (98 - len(stage + skipped))}")
        yield from ("", *_rule(rule, texts))
    if checked.waivers:
        yield from ("", f"# ── waivers {'─' * 91}")
        for waiver in checked.waivers.values():
            yield from ("", texts.of(waiver.node, _alias(waiver.id)))
    own = [item for item in entry.items if isinstance(item, (ast.Answer, ast.Emit, ast.Allocate))]
    for item in own:
        yield from ("", texts.of(item, ""))


def _settings(checked: CheckedModule) -> list[str]:
    return [line for name in sorted(checked.settings) for line in _setting(checked.settings[name], checked.policy.currency)]


def _setting(info: SettingInfo, currency: str) -> Iterator[str]:
    place = f"{info.node.span.source.name}:{info.node.span.begin.line}"
    yield f"setting {info.name} : {info.node.type.span.text} = {value_text(info.value, info, currency)}  # {_ORIGINS.get(info.origin, f'from {info.origin}')}; {place}"
    for each in info.overrides:
        scopes = " and ".join(f'{dimension.removesuffix(".value")} "{text}"' for dimension, text in each.scopes) or "all"
        said = f"  {each.kind} for {scopes} = {value_text(each.value, info, currency)}"
        said += f" through {each.through}" if each.through else ""
        said += f' approved by "{each.approved_by}"' if each.approved_by else ""
        yield said + (f' ticket "{each.ticket}"' if each.ticket else "")


def _rule(rule: RuleInfo, texts: _Texts) -> Iterator[str]:
    span = rule.node.span
    waived = f"; waivers: {', '.join(rule.waivers)}" if rule.waivers else ""
    yield f"# {span.source.name}:{span.begin.line}{waived}"
    yield texts.of(rule.node, _alias(rule.id))


def _alias(name: str) -> str:
    return name.rpartition(".")[0]


class _Texts:
    """Text of nodes as written, with the names of their module qualified."""

    def __init__(self, checked: CheckedModule) -> None:
        self._checked = checked

    def of(self, node: ast.Node, alias: str) -> str:
        edits: dict[tuple[int, int], str] = {}
        prefix = f"{alias}." if alias else ""
        for each in _walk(node):
            new = self._qualified(each, prefix)
            if new is not None:
                edits[each.span.start, each.span.end] = new
        name = getattr(node, "rule_id", None) or (node.name if isinstance(node, ast.Let) else None)
        if prefix and name is not None:
            edits[name.span.start, name.span.end] = prefix + name.text
        text, source = "", node.span.source.text
        at = node.span.start
        for (start, end), new in sorted(edits.items()):
            if start >= at:
                text += source[at:start] + new
                at = end
        return (text + source[at:node.span.end]).rstrip()

    def _qualified(self, node: ast.Node, prefix: str) -> str | None:
        if isinstance(node, ast.Reference):
            return self._checked.references.get(node.id)
        if not isinstance(node, ast.Read):
            return None
        match self._checked.bindings.get(node.id):
            case SettingBinding(name=name):
                return name
            case LetBinding() if not node.steps:
                return prefix + node.name
            case _:
                return None


def _walk(value: Any) -> Iterator[ast.Node]:
    if isinstance(value, ast.Node):
        yield value
        for field in fields(value):
            yield from _walk(getattr(value, field.name))
    elif isinstance(value, tuple):
        for each in value:
            yield from _walk(each)
