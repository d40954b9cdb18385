"""What could be typed next: what the grammar takes at the cursor, filled with the names in sight, the fitting type first."""
from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from caplex.compiler.lsp import offers
from caplex.compiler.lsp.context import Spot, spot
from caplex.compiler.lsp.document import Document
from caplex.compiler.lsp.expected import Wanted, wanted
from caplex.compiler.lsp.names import RULES, Names
from caplex.compiler.lsp.offers import Offer
from caplex.compiler.semantics import builtins, units
from caplex.compiler.semantics.symbols import Scope
from caplex.compiler.syntax import ast, words
from caplex.runtime.schema import Type

_LISTS: Final = {
    "SEVERITY": words.SEVERITY_WORDS, "VERDICT": words.VERDICT_WORDS, "EVENT": words.EVENT_WORDS,
    "NORM": ["trim", "upper", "lower", "nfc"], "SUPPLIER": ["host", "venue", "engine", "derived"], "UNLESS_WORSE": ["unless worse"],
}
# Terminals with a pattern of their own that are words all the same.
_WORDS: Final = {
    "FRESH": "fresh", "RANGE": "within", "ABOVE_LOW": "above", "ATTESTED": "attested", "NORMALISED": "normalised", "NEUTRAL": "neutral",
    "SUPPLIED": "supplied", "UNITS": "units", "SCORE": "score", "FLOOR": "floor", "CEILING": "ceiling", "START": "start", "TIMES": "times",
    "OPEN": "open", "TODAY": "today", "RESERVE": "reserve", "READINGS": "readings",
}
_RULE_HEAD: Final = re.compile(r"\b(?:rule|limit|throttle|cooldown|size|waiver|switch)\s+$")
_SWITCH: Final = re.compile(r"\b(?:switch|trip|rearm)\s+$")
_OF: Final = re.compile(r"^waiver\s")


def complete(document: Document, names: Names | None, offset: int) -> tuple[Spot, list[Offer]]:
    """What could stand at *offset*, best first; each once."""
    here = spot(document.text, offset)
    found: dict[tuple[str, str], Offer] = {}
    for offer in _offers(document, names, here):
        known = found.get((offer.label, offer.insert))
        if known is None or offer.rank < known.rank:
            found[(offer.label, offer.insert)] = offer
    return here, sorted(found.values(), key=lambda each: (each.rank, each.label.lower(), each.label))


def _offers(document: Document, names: Names | None, here: Spot) -> Iterator[Offer]:
    if here.inside == "comment":
        return
    if here.inside == "text":
        yield from offers.file_names(document.path, here) if re.search(r"\buse\s+$", document.text[: here.opened][-200:]) else ()
        return
    if here.number:
        yield from offers.suffixes(here)
        return
    scope = _scope_at(document, names)
    if here.path:
        yield from _after_dot(document, names, scope, here)
        return
    yield from _by_place(document, names, scope, here)
    yield from (Offer(word, "keyword", rank=2) for word in _keywords(here))


def _scope_at(document: Document, names: Names | None) -> Scope | None:
    return names.analysis.scope if names is not None else None


def _keywords(here: Spot) -> Iterator[str]:
    if here.takes is None:
        yield from ("and", "or", "not", "is", "in", "of", "else", "because", "when")
        return
    yield from here.keywords()
    for terminal in sorted(here.takes):
        yield from _LISTS.get(terminal, ())
        if terminal in _WORDS:
            yield _WORDS[terminal]


def _by_place(document: Document, names: Names | None, scope: Scope | None, here: Spot) -> Iterator[Offer]:
    before = here.before
    if re.search(r"(?:^|\s)use\s+$", before) and here.can("PATH"):
        yield from offers.packs("stdlib.")
        return
    if re.match(r"use\s", before) and here.can("FIELD"):
        yield from offers.arguments(scope, before, names)
        return
    if here.can("RULE_REF"):
        yield from rule_ids(scope, here)
    if here.can("RULE_ID") and _RULE_HEAD.search(before):
        yield from offers.next_ids(scope, document.text)
    if names is None:
        return
    if here.can("FAMILY"):
        yield from offers.families(names, before)
    if here.can("CURRENCY"):
        yield from offers.currencies(names.analysis.currency, document.text)
    if here.can("NAME") and not here.expression:
        yield from offers.plain_names(names, before)
    if here.expression:
        yield from _values(document, names, scope, here)


def rule_ids(scope: Scope | None, here: Spot, alias: str = "") -> Iterator[Offer]:
    """Ids of rules; of kill switches alone where only these can be meant. With *alias*, those of that import."""
    if scope is None:
        return
    wants_switch = _SWITCH.search(here.before) is not None and not re.search(r"\bwhen\s+$", here.before)
    waives = _OF.match(here.before) is not None
    for below in scope.walk():
        local = below.prefix[len(scope.prefix) :]
        if (alias and local != alias + ".") or (not alias and local.count(".") > 1):
            continue
        items: list[ast.Node] = [*below.rules.values(), *(() if waives else below.waivers.values())]
        for item in items:
            assert isinstance(item, RULES | ast.Waiver)
            switch = isinstance(item, ast.KillSwitch)
            if wants_switch and not switch:
                continue
            label = ("" if alias else local) + item.rule_id.text
            yield Offer(label, "rule", item.title or "", item.doc, rank=0)


# ── behind a dot ──────────────────────────────────────────────────────────────────────────────────────


def _after_dot(document: Document, names: Names | None, scope: Scope | None, here: Spot) -> Iterator[Offer]:
    path = here.path
    if re.match(r"use\s+[a-z.]*$", here.before) or re.search(r"\n\s*use\s+[a-z.]*$", here.before):
        yield from offers.packs("") if path == ("stdlib",) else ()
        return
    if names is None or scope is None:
        return
    want = wanted(names, scope, here)
    below = scope
    rest = list(path)
    while rest and rest[0] in below.imports:
        below = below.imports[rest.pop(0)]
    if below is not scope:
        if not rest and here.can("RULE_REF"):
            yield from rule_ids(scope, here, alias=".".join(path))
        elif not rest:
            yield from _ranked(_declared(names, below), want)
            yield from (Offer(alias, "module", rank=1) for alias in below.imports)
        return
    yield from _ranked(fields(names, here, path), want)
    deeper = {name[len(".".join(path)) + 1 :].partition(".") for name in builtins.DERIVED if name.startswith(".".join(path) + ".")}
    for name, dot, _ in sorted(deeper):
        if dot:
            yield Offer(name, "section", rank=1)


Typed = tuple[Offer, Type]


def fields(names: Names, here: Spot, path: tuple[str, ...]) -> Iterator[Typed]:
    """The fields that *path* has, with their types: of a section, of a row variable, computed ones."""
    dotted = ".".join(path)
    section = names.schema.sections.get(dotted) or offers.row_of(names, here, dotted)
    computed = [each for name, each in builtins.DERIVED.items() if name.rpartition(".")[0] == dotted]
    if section is not None:
        computed += builtins.ROW_DERIVED.get(section.name, ())
        for name, spec in section.fields.items():
            optional = "?" if spec.optional else ""
            yield Offer(name, "field", offers.typed(spec.type) + optional, spec.doc), spec.type
    for each in computed:
        yield Offer(each.name.rpartition(".")[2], "field", f"{offers.typed(each.type)}, computed", each.doc), each.type


def _declared(names: Names, scope: Scope) -> Iterator[Typed]:
    checked = names.analysis.checked
    for name, setting in scope.settings.items():
        info = checked.settings.get(scope.prefix + name) if checked is not None else None
        type_ = info.type if info is not None else units.UNKNOWN
        yield Offer(name, "setting", offers.setting_line(names, scope, setting), "\n\n".join(part for part in (setting.title or "", setting.doc) if part)), type_
    for name, let in scope.lets.items():
        type_ = checked.types.get(let.value.id, units.UNKNOWN) if checked is not None else units.UNKNOWN
        yield Offer(name, "let", offers.typed(type_), let.doc), type_


def _ranked(typed: Iterable[Typed], want: Wanted) -> Iterator[Offer]:
    for offer, type_ in typed:
        yield replace(offer, rank=0) if want.fits(type_) else offer


# ── values ────────────────────────────────────────────────────────────────────────────────────────────


def _values(document: Document, names: Names, scope: Scope | None, here: Spot) -> Iterator[Offer]:
    assert scope is not None or names.analysis.scope is None
    want = wanted(names, scope, here)
    for name, type_ in offers.row_variables(names, here):
        yield Offer(name, "variable", type_, rank=0)
    if re.search(r"\bfor\s+\w+\s+in\s+$|\b(?:count|any|all)\(\s*$", here.before):
        yield from offers.sources(names)
    if want.type_ is not None:
        for member in want.type_.members:
            yield Offer(member, "member", "", rank=0)
    if scope is not None:
        yield from _ranked(_declared(names, scope), want)
        yield from (Offer(alias, "module", offers.target_text(below.use)) for alias, below in scope.imports.items())
    for name, section in names.schema.sections.items():
        if section.scalar:
            spec = section.fields["value"]
            yield Offer(name, "field", offers.typed(spec.type), section.doc, rank=0 if want.fits(spec.type) else 1)
        elif section.shape in ("one", "row"):
            yield Offer(name, "section", "facts", section.doc)
    yield from (Offer(name, "section", "computed") for name in sorted({each.partition(".")[0] for each in builtins.DERIVED} - set(names.schema.sections)))
    yield Offer("now", "field", "instant", rank=0 if want.fits(units.INSTANT) else 1)
    if here.inside == "hole":
        yield from (Offer(name, "variable", what, rank=0) for name, what in (("observed", "what the rule measured"), ("allowed", "what the rule allows")))
    if want.type_ is None or want.type_.numeric or not want.type_.members:
        yield from offers.functions()
    if here.can("STRING") and want.type_ is not None:
        yield from offers.samples(want.type_, names.analysis.currency)
