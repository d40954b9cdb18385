"""What a call takes: functions, aggregates, and the settings of a `use … (`."""
from __future__ import annotations

import re
from dataclasses import dataclass

from caplex.compiler.lsp import offers
from caplex.compiler.lsp.context import item_start
from caplex.compiler.lsp.document import Document
from caplex.compiler.lsp.names import Names
from caplex.compiler.syntax.expression_printer import Level, show_at

_TEXT = re.compile(r'"(?:[^"\\\n]|\\.)*"?|\#[^\n]*')
_PARAMETERS = {"abs": ("x",), "clamp": ("x", "a..b")}


@dataclass(frozen=True, slots=True)
class Signature:
    """*parameters* are pieces of *label*, each with what is said about it; *active* is the one the cursor is in."""

    label: str
    doc: str
    parameters: tuple[tuple[str, str], ...]
    active: int


def signature(document: Document, names: Names | None, offset: int) -> Signature | None:
    begin = item_start(document.text, offset)
    text = _TEXT.sub(lambda match: "·" * len(match[0]), document.text[begin:offset])
    opened = _open(text)
    if opened is None:
        return None
    inside = text[opened + 1 :]
    if re.match(r"use\s", text):
        return _use(document, names, begin, opened, offset)
    name = re.search(r"([a-z]+)\s*$", text[:opened])
    return _function(name[1], _commas(inside), inside) if name is not None else None


def _open(text: str) -> int | None:
    depth = 0
    for index in range(len(text) - 1, -1, -1):
        depth += {")": 1, "(": -1}.get(text[index], 0)
        if depth < 0:
            return index
    return None


def _commas(inside: str) -> int:
    depth = count = 0
    for character in inside:
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(character, 0)
        count += character == "," and depth == 0
    return count


def _function(name: str, comma: int, inside: str) -> Signature | None:
    from caplex.compiler.tools import words

    plain, aggregate = words.FUNCTIONS.get(name), words.AGGREGATES.get(name)
    text = aggregate if aggregate is not None and (plain is None or re.search(r"\bfor\b", inside)) else plain
    if text is None:
        return None
    label = re.match(r"`([^`]*)`", text)
    assert label is not None
    if text is aggregate:
        parameters = ((label[1].partition("(")[2].rstrip(")"), "each row: `expression for row in rows where condition`"),)
        return Signature(label[1], text, parameters, 0)
    found = _PARAMETERS.get(name, ("a", "b", "…"))
    return Signature(label[1], text, tuple((each, "") for each in found), min(comma, len(found) - 1))


def _use(document: Document, names: Names | None, begin: int, opened: int, offset: int) -> Signature | None:
    written = document.text[begin : begin + opened]
    target = offers.imported(names.analysis.scope if names is not None else None, written + "(")
    if target is None or not target.settings:
        return None
    parameters = []
    for name, setting in target.settings.items():
        doc = "\n\n".join(part for part in (setting.title or "", setting.doc) if part)
        parameters.append((f"{name} : {setting.type.span.text} = {show_at(setting.value, Level.SUM)}", doc))
    here = document.text[begin + opened + 1 : offset]
    last = re.search(r"(\w*)\s*(?:=[^,]*)?$", here.rpartition(",")[2])
    typed = last[1] if last is not None else ""
    active = next((index for index, name in enumerate(target.settings) if typed and name.startswith(typed)), 0)
    return Signature(f"({', '.join(label for label, _ in parameters)})", "Settings that this import may be given.", tuple(parameters), active)
