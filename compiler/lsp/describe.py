"""What is shown when somebody points at a name: its declaration, its unit, its value with the settings in force, its text."""
from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Final

from caplex.compiler.lsp.document import Analysis, Document
from caplex.compiler.lsp.names import RULES, Names, Occurrence, Symbol
from caplex.compiler.semantics import builtins
from caplex.compiler.semantics.model import CheckedModule, SettingInfo, Value
from caplex.compiler.syntax import ast
from caplex.compiler.syntax.expression_printer import Level, show, show_at
from caplex.runtime.schema import Kind, Type

_NUMERALS = (ast.Number, ast.Percent, ast.BasisPoints, ast.Points, ast.Multiple)
_UNITS: Final = {Kind.QUANTITY: "units", Kind.RATIO: "a ratio", Kind.COUNT: "a count", Kind.RATE: "a rate"}


def hover(document: Document, names: Names, offset: int, rooms: Mapping[str, str] | None = None) -> tuple[int, int, str] | None:
    """Range in the text as it is, and Markdown; None where there is nothing to say.

    Args:
        rooms: What is left under each rule on the facts that are attached, by its id.
    """
    then = document.then(offset)
    found = names.at(then)
    if found is None:
        return _numeral(document, names, then)
    text = told(names, found.symbol, found, rooms)
    if not text:
        return None
    start, end = document.now_span(found.span)
    return start, end, text


def told(names: Names, symbol: Symbol, at: Occurrence | None = None, rooms: Mapping[str, str] | None = None) -> str:
    """Markdown about *symbol*."""
    match symbol.what:
        case "setting":
            return _setting(names.analysis, symbol)
        case "let":
            return _let(names.analysis, symbol)
        case "rule" | "waiver" | "size":
            return _rule(names.analysis, symbol, rooms)
        case "section" | "field" | "derived" | "word":
            return _fact(names, symbol, at)
        case "pack" | "alias":
            return _pack(names, symbol)
        case "member":
            type_ = _type(names.analysis, at.node if at is not None else None)
            return _code(symbol.name) + (f"\n\n{type_text(type_)}" if type_ is not None else "")
        case "variable":
            return _variable(symbol)
        case "family":
            return _family(names.analysis, symbol)
        case "policy":
            return _policy(names.analysis)
    return ""


def type_text(type_: Type) -> str:
    from caplex.compiler.tools import pages

    return pages.type_text(type_)


def unit_text(type_: Type, currency: str) -> str:
    """The unit of values of a type, where it has one: ``USD``, ``units``."""
    if type_.kind in (Kind.MONEY, Kind.PRICE):
        return type_.currency or currency
    return _UNITS.get(type_.kind, "")


def value_text(value: Value, type_: Type, currency: str) -> str:
    """A value as a policy would say it."""
    from caplex.runtime.canonical import grouped, plain
    from caplex.runtime.texts import human

    if value is None:
        return "unlimited"
    if isinstance(value, frozenset):
        return "[" + ", ".join(f'"{each}"' for each in sorted(value)) + "]"
    if isinstance(value, Fraction) and type_.kind is Kind.QUANTITY:
        return f"{grouped(plain(value))} units"
    return human(value, type_, currency)


def setting_of(analysis: Analysis, symbol: Symbol) -> SettingInfo | None:
    return analysis.checked.settings.get(symbol.prefix + symbol.name) if analysis.checked is not None else None


def _code(text: str) -> str:
    return f"```cap\n{text}\n```"


def _type(analysis: Analysis, node: ast.Node | None) -> Type | None:
    checked: CheckedModule | None = analysis.checked
    found = checked.types.get(node.id) if checked is not None and node is not None else None
    return None if found is None or found.kind is Kind.UNKNOWN else found


def _with_unit(type_: Type, analysis: Analysis) -> str:
    unit = unit_text(type_, analysis.currency)
    of = f", a share of `{type_.of}`" if type_.of and type_.of in _shares(analysis) else ""
    return f"`{type_text(type_)}`" + (f", in {unit}" if type_.kind in (Kind.MONEY, Kind.PRICE, Kind.QUANTITY) else "") + of


def _shares(analysis: Analysis) -> set[str]:
    return {f"{section.name}.{name}" for section in analysis.schema().sections.values() for name in section.fields}


# ── settings, lets ────────────────────────────────────────────────────────────────────────────────────


def _setting(analysis: Analysis, symbol: Symbol) -> str:
    node = symbol.item
    assert isinstance(node, ast.Setting)
    head = f"setting {symbol.prefix}{symbol.name} : {node.type.span.text} = {show_at(node.value, Level.SUM)}"
    if node.low is not None and node.high is not None:
        head += f"  within {show_at(node.low, Level.SUM)}..{show_at(node.high, Level.SUM)}"
    head += f"  {node.safer} is safer" if node.safer else ""
    parts = [_code(head)]
    info = setting_of(analysis, symbol)
    if info is not None:
        value = value_text(info.value, info.type, analysis.currency)
        origin = {"policy": "as declared", "use": "given by `use`"}.get(info.origin, f"from {info.origin}")
        default = f"; declared {value_text(info.default, info.type, analysis.currency)}" if info.default != info.value else ""
        parts.append(f"Value **{value}** ({origin}{default}); type {_with_unit(info.type, analysis)}")
        rows = []
        for each in info.overrides:
            scope = " and ".join(f'{dimension} "{text}"' for dimension, text in each.scopes) or "all"
            until = f" through {each.through}" if each.through else ""
            by = f", approved by {each.approved_by}" if each.approved_by else ""
            rows.append(f"- {each.kind} for {scope}: **{value_text(each.value, info.type, analysis.currency)}**{until}{by}")
        if rows:
            parts.append("\n".join(rows))
    parts += [node.title or "", node.doc]
    return "\n\n".join(part for part in parts if part)


def _let(analysis: Analysis, symbol: Symbol) -> str:
    node = symbol.item
    assert isinstance(node, ast.Let)
    type_ = _type(analysis, node.value)
    kind = f"Type {_with_unit(type_, analysis)}" if type_ is not None else ""
    return "\n\n".join(part for part in (_code(f"let {symbol.prefix}{symbol.name} = {show(node.value)}"), kind, node.doc) if part)


# ── rules ─────────────────────────────────────────────────────────────────────────────────────────────


def _rule(analysis: Analysis, symbol: Symbol, rooms: Mapping[str, str] | None) -> str:
    from caplex.compiler.tools.pages_rules import because, demands, kind_of

    node = symbol.item
    qualified = symbol.prefix + symbol.name
    if isinstance(node, ast.Size):
        return "\n\n".join(part for part in (f"**{qualified}** {node.title or ''} (size)", node.doc) if part)
    assert isinstance(node, RULES | ast.Waiver)
    parts = [f"**{qualified}** {node.title or ''} ({kind_of(node)})".replace("  ", " ")]
    if isinstance(node, ast.Waiver):
        parts.append(f"Lifts `{node.of.text}` when `{show(node.when)}`.")
    else:
        parts.append(" ".join(demands(node)))
        attributes = node.attributes
        said = [f"severity {attributes.severity}" if attributes.severity else "", f"cites {attributes.cites}" if attributes.cites else "",
                "monitored" if attributes.monitor else ""]
        parts.append(", ".join(part for part in said if part))
    if rooms and qualified in rooms:
        parts.append(f"With the attached facts: {rooms[qualified]}")
    text = because(node)
    parts += [f"> {text}" if text else "", node.doc]
    return "\n\n".join(part for part in parts if part)


def _family(analysis: Analysis, symbol: Symbol) -> str:
    from caplex.compiler.semantics.symbols import family

    if analysis.checked is None:
        return ""
    rules = [rule for rule in analysis.checked.rules if family(rule.id) == symbol.name]
    shown = "".join(f"\n- `{rule.id}` {rule.node.title or ''}".rstrip() for rule in rules[:12])
    return f"Stage **{symbol.name}**: {len(rules)} rule{'' if len(rules) == 1 else 's'}{shown}" + ("\n- …" if len(rules) > 12 else "")


def _policy(analysis: Analysis) -> str:
    if analysis.checked is None:
        return ""
    policy = analysis.checked.policy
    phases = " | ".join(", ".join(phase) for phase in policy.phases)
    doc = analysis.header.doc if analysis.header is not None else ""
    head = f"policy **{policy.name}** {policy.version}, {policy.mode}, {policy.currency}, {policy.timezone}"
    return "\n\n".join(part for part in (head, f"{len(analysis.checked.rules)} rules in {phases}", doc) if part)


# ── facts, words, packs ───────────────────────────────────────────────────────────────────────────────


def _fact(names: Names, symbol: Symbol, at: Occurrence | None) -> str:
    from caplex.compiler.tools import pages_facts, words

    for kind, texts in (("Events", words.EVENTS), ("A dimension", words.DIMENSIONS)):
        if symbol.what == "word" and symbol.name in texts:
            return f"**{symbol.name}**\n\n{kind}. {texts[symbol.name]}"
    if symbol.what == "word" and symbol.name in builtins.TOLD:
        what = "what the rule measured" if symbol.name == "observed" else "what the rule allows"
        type_ = _type(names.analysis, at.node if at is not None else None)
        return f"`{symbol.name}`: {what}" + (f"; type {_with_unit(type_, names.analysis)}" if type_ is not None else "")
    name = symbol.name.removesuffix(".value") if symbol.what == "field" and names.schema.sections[symbol.name.partition(".")[0]].scalar else symbol.name
    page = pages_facts.page(name, names.schema)
    if page is None:
        computed = [each for each in builtins.DERIVED if each.startswith(name + ".")]
        return f"**{name}**\n\n" + "\n".join(f"- `{each}`: {builtins.DERIVED[each].doc}" for each in computed) if computed else ""
    # The heading as bold: a heading in a hover is shouted. The example is for the page.
    lines = page.markdown.split("\n\n```cap\nrule EX-")[0].rstrip().split("\n")
    return "\n".join([f"**{lines[0].removeprefix('# ')}**", *lines[1:]])


def _variable(symbol: Symbol) -> str:
    if symbol.row is None:
        return f"`{symbol.name}`: one row of what is gone through"
    fields = ", ".join(f"`{name}`" for name in symbol.row.fields)
    return f"`{symbol.name}`: one row of `{symbol.row.name}`\n\n{symbol.row.doc}\n\nFields: {fields}"


def _pack(names: Names, symbol: Symbol) -> str:
    from caplex.compiler.tools import pages_packs

    use = symbol.item if isinstance(symbol.item, ast.Use) else None
    target = symbol.name if use is None else use.target if isinstance(use.target, str) else ".".join(use.target)
    if target.startswith("stdlib."):
        page = pages_packs.page(target)
        if page is not None:
            lines = page.markdown.split("\n")
            return "\n".join([f"**{lines[0].removeprefix('# ')}**", *lines[1:]]).rstrip()
    for scope in names.analysis.scopes():
        if (use is not None and scope.use is use) or (use is None and scope.identity == symbol.name):
            module = scope.module
            rows = [f"- `{item.rule_id.text}` {item.title or ''}".rstrip() for item in module.items if isinstance(item, RULES)]
            settings = ", ".join(f"`{name}`" for name in scope.settings)
            return "\n\n".join(part for part in (f"**{target}**", f"Settings: {settings}" if settings else "", "\n".join(rows)) if part)
    return f"**{target}**"


def _numeral(document: Document, names: Names, then: int) -> tuple[int, int, str] | None:
    """The unit that a bare numeral takes from its partner."""
    from caplex.compiler.lsp.names import parts

    node: ast.Node | None = names.analysis.item_at(then)
    while node is not None and not isinstance(node, _NUMERALS):
        node = next((part for part in parts(node) if part.span.start <= then <= part.span.end), None)
    type_ = _type(names.analysis, node)
    if node is None or type_ is None:
        return None
    start, end = document.now_span(node.span)
    return start, end, f"{_code(node.span.text)}\n\n{_with_unit(type_, names.analysis)}"
