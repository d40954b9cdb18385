"""Limits that are lifted by what the asker says of itself: a lint, and an error where the policy is `strict`."""
from __future__ import annotations

from collections.abc import Iterator

from caplex.compiler.diagnostics import codes_lint as codes
from caplex.compiler.diagnostics.diagnostic import Diagnostic
from caplex.compiler.semantics.coherence.context import Context, strictly
from caplex.compiler.semantics.report import at
from caplex.compiler.syntax import ast


def waivers(context: Context) -> Iterator[Diagnostic]:
    for waiver in context.checked.waivers.values():
        for part in context.walk(waiver.node.when, through_lets=False):
            claimed = next((path for path in sorted(context.reads(part)) if is_claim(context, path)), None) if isinstance(part, ast.Read) else None
            if claimed is not None:
                chosen = part.span.text != claimed and not claimed.endswith("." + part.span.text)
                yield strictly(context, at(
                    codes.CLAIMED_FIELD, f"the waiver `{waiver.id}` believes `{claimed}`", part.span,
                    f"depends on `{claimed}`, which is a claim" if chosen else "a claim of whoever asks",
                    help=f"let the host vouch for it: `input intent {{ … attested }}`, or read what it attests: {_attested(context)}",
                ))


def overrides(context: Context) -> Iterator[Diagnostic]:
    for setting in context.checked.settings.values():
        for override in setting.overrides:
            if override.kind != "loosen":
                continue
            for scope, (dimension, _) in zip(override.node.scopes, override.scopes, strict=True):
                path = f"intent.{dimension}"
                if "." not in dimension and is_claim(context, path):
                    yield strictly(context, at(
                        codes.CLAIMED_FIELD, f"`{setting.name}` is loosened by what the intent says of itself", scope.span,
                        f"`{path}` is a claim of whoever asks", help=f"scope it by what the host attests: {_attested(context)}",
                    ))


def is_claim(context: Context, path: str) -> bool:
    section, _, name = path.partition(".")
    if section != "intent":
        return False
    if path == "intent.notional":  # reads the limit price
        name = "limit_price"
    field = context.checked.schema.field("intent", name)
    return field is not None and not field.attested


def _attested(context: Context) -> str:
    fields = context.checked.schema.sections["intent"].fields
    return ", ".join(f"`{name}`" for name in ("account", "venue", "symbol", "side") if name in fields and fields[name].attested)


CHECKS = (waivers, overrides)
