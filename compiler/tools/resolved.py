"""What a policy's settings came to, and from where: for `caplex check --settings` and for whoever asks in Python."""
from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from caplex.runtime.canonical import grouped, plain
from caplex.runtime.plan import Override, SettingPlan
from caplex.runtime.policy import Policy
from caplex.runtime.schema import Kind, Type
from caplex.runtime.texts import human
from caplex.runtime.values import UNLIMITED


def document(policy: Policy, file: str) -> dict[str, Any]:
    """``{"file", "policy", "version", "hash", "settings_hash", "settings": [{"name", "value", "from", "declared", "overrides"}]}``.

    *from* is ``policy``, ``use``, ``desk.yaml:3``, ``environment NAME``, ``--set`` or ``settings`` (Python). An approval from
    outside, which holds for all, is an override whose *for* is empty.
    """
    currency = policy.plan.header.currency
    return {
        "file": file, "policy": policy.name, "version": policy.version, "hash": policy.hash, "settings_hash": policy.settings_hash,
        "settings": [_setting(policy.plan.settings[name], currency) for name in sorted(policy.plan.settings)],
    }


def lines(told: dict[str, Any]) -> Iterator[str]:
    """The same as lines of a table: name, value, from where; overrides below."""
    rows: list[tuple[str, str, str]] = []
    for setting in told["settings"]:
        rows.append((setting["name"], setting["value"], setting["from"]))
        rows += [("", each["value"], _terms(each)) for each in setting["overrides"]]
    widths = [max((len(row[column]) for row in rows), default=0) for column in (0, 1)]
    yield f"settings of {told['file']} ({told['policy']} {told['version']}), {told['settings_hash'][:19]}…"
    for name, value, origin in rows:
        yield f"  {name:<{widths[0]}}  {value:>{widths[1]}}  {origin}"
    if not rows:
        yield "  no rule reads one"


def _setting(setting: SettingPlan, currency: str) -> dict[str, Any]:
    return {
        "name": setting.name, "value": _text(setting.value, setting.type, currency),
        "from": setting.origin, "declared": setting.source,
        "overrides": [_override(override, setting.type, currency) for override in setting.overrides],
    }


def _override(override: Override, type_: Type, currency: str) -> dict[str, Any]:
    return {
        "kind": override.kind, "for": {dimension: text for dimension, (text, _) in zip(override.ranks, override.scopes, strict=True)},
        "value": _text(override.value, type_, currency), "through": override.through, "approved_by": override.approved_by,
        "ticket": override.ticket, "source": override.source,
    }


def _terms(override: dict[str, Any]) -> str:
    """``tighten for strategy "SCALPER", desk.cap:20``."""
    scope = " and ".join(f'{dimension} "{text}"' for dimension, text in override["for"].items()) or "all"
    said = f"{override['kind']} for {scope}"
    said += f" through {override['through']}" if override["through"] else ""
    said += f", approved by {override['approved_by']}" if override["approved_by"] else ""
    said += f" ({override['ticket']})" if override["ticket"] else ""
    return f"{said}, {override['source']}"


def _text(value: Any, type_: Type, currency: str) -> str:
    if value is None or value is UNLIMITED:
        return "unlimited"
    if isinstance(value, frozenset):
        return "[" + ", ".join(f'"{each}"' for each in sorted(value)) + "]"
    if isinstance(value, Fraction) and type_.kind is Kind.QUANTITY:
        return f"{grouped(plain(value))} units"
    return human(value, type_, currency)
