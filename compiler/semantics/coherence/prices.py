"""Prices that may be of any age."""
from __future__ import annotations

from collections.abc import Iterator

from caplex.compiler.diagnostics import codes_lint as codes
from caplex.compiler.diagnostics.diagnostic import Diagnostic
from caplex.compiler.semantics.coherence.context import Context
from caplex.compiler.semantics.model import FieldBinding
from caplex.compiler.semantics.report import at
from caplex.compiler.syntax import ast
from caplex.runtime.schema import Kind


def stale(context: Context) -> Iterator[Diagnostic]:
    """A price that policies declare and read, or that values positions, and of whose age nothing is said: `fresh always` says it."""
    read = {binding.field.path for binding in context.checked.bindings.values() if isinstance(binding, FieldBinding)} | {"market.price"}
    for _, module in context.modules():
        for item in module.items:
            if not isinstance(item, ast.InputRecord) or item.as_list:
                continue
            section = context.checked.schema.sections.get(item.name.text)
            if section is None or section.shape not in ("one", "row") or section.name == "intent":
                continue
            for declared in item.fields:
                spec = section.fields.get(declared.name.text)
                if spec is None or spec.type.kind is not Kind.PRICE or spec.fresh_ns or spec.path not in read:
                    continue
                if section.inputs and declared.fresh is None:
                    yield at(codes.NO_FRESHNESS, f"`{spec.path}` may be of any age", declared.span, "no bound on its age",
                             help="write `fresh within 5s`" + ("" if "as_of" in section.fields else " and supply `as_of : instant?`")
                             + ", or `fresh always` if any age will do")


CHECKS = (stale,)
