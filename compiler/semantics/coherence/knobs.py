"""Knobs that move nothing, and words that say more than they do."""
from __future__ import annotations

from collections.abc import Iterator

from caplex.compiler.diagnostics import codes_lint as codes
from caplex.compiler.diagnostics.diagnostic import Diagnostic
from caplex.compiler.semantics.coherence.context import Context
from caplex.compiler.semantics.model import SettingBinding
from caplex.compiler.semantics.report import at
from caplex.compiler.syntax import ast


def unused(context: Context) -> Iterator[Diagnostic]:
    read = {binding.name for binding in context.checked.bindings.values() if isinstance(binding, SettingBinding)}
    for name, setting in context.checked.settings.items():
        if name not in read:
            yield at(codes.UNUSED_SETTING, f"nothing reads `{name}`", setting.node.name.span, "moves nothing")


def monitored(context: Context) -> Iterator[Diagnostic]:
    if context.checked.policy.mode != "monitor" or not any(isinstance(c, ast.Mode) and c.mode == "monitor" for c in context.header.clauses):
        return
    for rule in context.rules():
        if rule.monitor is not None:
            yield at(codes.MONITORED_TWICE, f"`{rule.id}` is monitored anyway", rule.node.attributes.span, "the whole policy only monitors")


def waivers(context: Context) -> Iterator[Diagnostic]:
    switches = {rule.id for rule, _ in context.switches()}
    for waiver in context.checked.waivers.values():
        if waiver.node.including_switches and waiver.of not in switches:
            yield at(codes.IDLE_WORDS, f"`{waiver.of}` is no kill switch", waiver.node.of.span, "leave out `including kill switches`")


CHECKS = (unused, monitored, waivers)
