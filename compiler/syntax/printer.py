"""The canonical text of a whole module. It keeps doc comments and no others: the formatter adds these.

Two spaces of indent, one clause a line, a blank line between items. Parsing the text gives an equal tree.
"""
from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from caplex.compiler.syntax import ast
from caplex.compiler.syntax.expression_printer import (
    Level,
    clock,
    duration,
    instant,
    number,
    quoted,
    show,
    show_at,
    show_read,
    show_template,
)
from caplex.compiler.syntax.rule_printer import show_action, show_because, show_head, show_names, show_rule, show_tail
from caplex.compiler.syntax.words import EVENT_WORDS

__all__ = ["print_module", "show"]


def print_module(module: ast.Module) -> str:
    blocks = [] if module.header is None else ["\n".join(_header(module.header))]
    blocks += ["\n".join(_item(item)) for item in module.items]
    return "\n\n".join(blocks) + "\n" if blocks else ""


def _doc(text: str) -> Iterator[str]:
    if text:
        yield from (f"## {line}".rstrip() for line in text.split("\n"))


def _block(head: str, lines: Iterator[str] | list[str]) -> Iterator[str]:
    body = [f"  {line}" for line in lines]
    if body:
        yield head + " {"
        yield from body
        yield "}"
    else:
        yield head + " { }"


# ── header ────────────────────────────────────────────────────────────────────────────────────────────


def _header(header: ast.Header) -> Iterator[str]:
    yield from _doc(header.doc)
    yield from _block(f"policy {header.name.text}", [_header_clause(clause) for clause in header.clauses])


def _header_clause(clause: ast.HeaderClause) -> str:
    match clause:
        case ast.Version(text=text):
            return f"version {quoted(text)}"
        case ast.Language(number=value):
            return f"language {number(value)}"
        case ast.Mode(mode=mode):
            return f"mode {mode}"
        case ast.Currency(code=code):
            return f"currency {code}"
        case ast.Timezone(name=name):
            return f"timezone {quoted(name)}"
        case ast.DayStarts(at=at):
            return f"day starts {clock(at.nanoseconds)}"
        case ast.Owner(text=text):
            return f"owner {quoted(text)}"
        case ast.Effective(start=start, through=through, then_deny=then_deny):
            until = "" if through is None else f" through {through.iso}"
            return f"effective {start.iso}{until}, then deny {then_deny}"
        case ast.Stages(phases=phases):
            return "stages " + " | ".join(show_names(phase) for phase in phases)
        case ast.OverridesBy(order=order):
            return "overrides by " + " > ".join(name.text for name in order)
        case ast.UnlimitedClause(what=what):
            return f"unlimited {what}"
        case ast.LotClause(lot=lot):
            return f"lot {number(lot)}"
        case ast.IdempotencyKeep(keep=keep):
            return f"idempotency keep {duration(keep.nanoseconds)}"
        case ast.ClosingSkips(families=families, unless_worse=unless_worse):
            return f"closing skips {show_names(families)}" + (" unless worse" if unless_worse else "")
        case _:
            return _FIXED_CLAUSES[type(clause)]


_FIXED_CLAUSES: dict[type[ast.Node], str] = {
    ast.ClosingFaces: "closing faces every rule",
    ast.TightestWins: "overrides tightest wins",
    ast.RoundingNever: "rounding never",
    ast.ModifyNever: "modify never",
    ast.JournalContinues: "journal failure: closing continues",
    ast.Strict: "strict",
}


# ── items ─────────────────────────────────────────────────────────────────────────────────────────────


def _item(item: ast.Item) -> Iterator[str]:
    match item:
        case ast.Use():
            yield _use(item)
        case ast.InputRecord():
            yield from _input_record(item)
        case ast.InputScalar(field=field, doc=doc):
            yield from _doc(doc)
            yield f"input {_field(field)}"
        case ast.Setting():
            yield from _setting(item)
        case ast.Let(name=name, type=type_, value=value, doc=doc):
            yield from _doc(doc)
            yield f"let {name.text}{'' if type_ is None else ' : ' + _type(type_)} = {show(value)}"
        case ast.Rule() | ast.Limit() | ast.Throttle() | ast.Cooldown() | ast.KillSwitch():
            yield from _doc(item.doc)
            yield from _block(*show_rule(item))
        case ast.Waiver():
            yield from _waiver(item)
        case ast.Size():
            yield from _doc(item.doc)
            yield from _block(f"size {show_head(item)} for {item.reach} orders", [_size_step(step) for step in item.steps])
        case ast.Allocate(name=name, across=across, clauses=clauses, doc=doc):
            yield from _doc(doc)
            yield from _block(f"allocate {name.text} across {across.text}", [_allocate_clause(clause) for clause in clauses])
        case ast.Answer(labels=labels):
            yield from _block("answer", [_label(label) + "," for label in labels])
        case ast.Emit(tag=tag, when=when, text=text):
            yield f"emit {quoted(tag)} {'always' if when is None else 'when ' + show(when) + ','} {show_template(text)}"
        case ast.Test(title=title, steps=steps, doc=doc):
            yield from _doc(doc)
            yield from _block(f"test {quoted(title)}", [_step(step) for step in steps])
        case ast.Property(title=title, claim=claim, doc=doc):
            yield from _doc(doc)
            yield from _block(f"property {quoted(title)}", [_claim(claim)])
        case _:
            assert_never(item)


def _use(use: ast.Use) -> str:
    target = quoted(use.target) if isinstance(use.target, str) else ".".join(use.target)
    alias = "" if use.alias is None else f" as {use.alias.text}"
    arguments = ", ".join(f"{argument.name.text} = {show(argument.value)}" for argument in use.arguments)
    return f"use {target}{alias}" + (f" ({arguments})" if arguments else "")


def _type(ref: ast.TypeRef) -> str:
    if ref.name == "set of":
        text = f"set of {ref.element}"
    elif ref.name == "one of":
        text = f"one of {show_names(ref.members)}"
    else:
        text = ref.name if ref.currency is None else f"{ref.name}({ref.currency})"
    return text + ("?" if ref.optional else "")


def _field(field: ast.Field) -> str:
    parts = [f"{field.name.text} : {_type(field.type)}"]
    if field.fresh is not None:
        parts.append("fresh always" if isinstance(field.fresh, str) else f"fresh within {duration(field.fresh.nanoseconds)}")
    if field.low is not None and field.high is not None:
        parts.append(f"within {show(field.low)}..{show(field.high)}")
    if field.above is not None:
        parts.append(f"above {show(field.above)}")
    if field.attested:
        parts.append("attested")
    if field.normalised:
        parts.append("normalised " + ", ".join(field.normalised))
    if field.neutral is not None:
        parts.append(f"neutral {show(field.neutral)}")
    if field.supplier is not None:
        parts.append(f"supplied by {field.supplier}")
    if field.title is not None:
        parts.append(quoted(field.title))
    return " ".join(parts)


def _input_record(record: ast.InputRecord) -> Iterator[str]:
    yield from _doc(record.doc)
    each = "" if record.each is None else f" each {record.each.text}"
    lines = [line for field in record.fields for line in (*_doc(field.doc), _field(field))]
    yield from _block(f"input {record.name.text}{each}{' as list' if record.as_list else ''}", lines)


def _setting(setting: ast.Setting) -> Iterator[str]:
    yield from _doc(setting.doc)
    parts = [f"setting {setting.name.text} : {_type(setting.type)} = {show_at(setting.value, Level.SUM)}"]
    if setting.low is not None and setting.high is not None:
        parts.append(f"within {show_at(setting.low, Level.SUM)}..{show_at(setting.high, Level.SUM)}")
    if setting.safer is not None:
        parts.append(f"{setting.safer} is safer")
    parts += [word for word, said in (("hard", setting.hard), ("open", setting.open)) if said]
    if setting.title is not None:
        parts.append(quoted(setting.title))
    if setting.overrides:
        yield from _block(" ".join(parts), [_override(override) for override in setting.overrides])
    else:
        yield " ".join(parts)


def _override(override: ast.Override) -> str:
    scopes = " and ".join(f"{scope.dimension.text} {quoted(scope.value)}" for scope in override.scopes)
    return f"{override.kind} for {scopes} = {show_at(override.value, Level.SUM)}{_grants(override)}"


def _grants(granted: ast.Override | ast.Waiver) -> str:
    text = "" if granted.through is None else f" through {granted.through.iso}"
    text += "" if granted.approved_by is None else f" approved by {quoted(granted.approved_by)}"
    return text + ("" if granted.ticket is None else f" ticket {quoted(granted.ticket)}")


def _waiver(waiver: ast.Waiver) -> Iterator[str]:
    yield from _doc(waiver.doc)
    title = "" if waiver.title is None else f" {quoted(waiver.title)}"
    switches = " including kill switches" if waiver.including_switches else ""
    head = f"waiver {waiver.rule_id.text} of {waiver.of.text}{title}{_grants(waiver)}{switches}"
    yield from _block(head, [f"when {show(waiver.when)}", *show_because(waiver.because)])


# ── sizing, allocation, labels ────────────────────────────────────────────────────────────────────────


def _size_step(step: ast.SizeStep) -> str:
    match step:
        case ast.SizeStart(value=value):
            return f"start {_operand(value)}"
        case ast.SizeTimes(value=value):
            return f"times {_operand(value)}"
        case ast.SizeAtMost(value=value):
            return f"at most {show_at(value, Level.SUM)}"
        case ast.SizeAtLeast(value=value, because=because):
            return f"at least {show_at(value, Level.SUM)} else deny{show_tail(because)}"
        case ast.SizeInMargin(leverage=leverage):
            return f"in margin by {show_read(leverage)}"


def _operand(value: ast.Expr) -> str:
    """A value behind a word that is a plain name before an operator or a bracket: `start`, `floor` …"""
    text = show_at(value, Level.SUM)
    return f"({text})" if text[0] in "[" else text


def _allocate_clause(clause: ast.AllocateClause) -> str:
    match clause.kind:
        case "freeze when":
            return f"freeze when {show(clause.value)}"
        case "rebalance when":
            return f"rebalance when any share moves at least {show_at(clause.value, Level.SUM)}"
        case "fixed":
            return f"fixed {quoted(clause.subject or '')} {show_at(clause.value, Level.SUM)}"
        case _:
            return f"{clause.kind} {_operand(clause.value)}"


def _label(label: ast.AnswerLabel) -> str:
    return f"{label.label.text} " + ("otherwise" if label.when is None else f"when {show(label.when)}")


# ── tests, properties ─────────────────────────────────────────────────────────────────────────────────


def _step(step: ast.Step) -> str:
    match step:
        case ast.Given(target=target, value=value):
            return f"given {show_read(target)} = {show(value)}"
        case ast.GivenNothingElse():
            return "given nothing else"
        case ast.EachRow(columns=columns, rows=rows):
            table = ", ".join("[" + ", ".join(map(_cell, row)) + "]" for row in rows)
            return f"each {show_names(columns)} in {table}"
        case ast.At(instant=at):
            return f"at {instant(at.nanoseconds)}"
        case ast.Later(nanoseconds=count):
            return f"after {duration(count)}"
        case ast.Happens(event=event, side=side, amount=amount, symbol=symbol, pairs=pairs):
            size = f" {show(amount)}" if amount is not None else ""
            trade = "" if side is None or symbol is None else f" {side}{size} {quoted(symbol)}"
            return f"{event}{trade}{_pairs(pairs)}"
        case ast.Operate(act=act, switch=switch, pairs=pairs):
            return f"{act} {switch.text}{_pairs(pairs)}"
        case _:
            return _expectation(step)


def _expectation(
    step: ast.ExpectVerdict | ast.ExpectViolated | ast.ExpectSwitch | ast.ExpectObligation | ast.ExpectValue,
) -> str:
    match step:
        case ast.ExpectVerdict(verdict=verdict, to=to, by=by):
            size = "" if to is None else f" to {show(to)}"
            return f"expect {verdict}{size}" + (f" by {', '.join(rule.text for rule in by)}" if by else "")
        case ast.ExpectViolated(rule=rule):
            return f"expect {rule.text} violated"
        case ast.ExpectSwitch(switch=switch, state=state):
            return f"expect switch {switch.text} {state}"
        case ast.ExpectObligation(duty=duty):
            return f"expect obligation {show_action(duty)}"
        case ast.ExpectValue(read=read, operator=operator, value=value):
            return f"expect {show_read(read)} {operator} {show(value)}"


def _cell(cell: ast.Expr | ast.Name) -> str:
    return cell.text if isinstance(cell, ast.Name) else show(cell)


# Words that open a step or continue a number: a pair of that name is written with a dot.
_DOTTED = frozenset([
    "after", "at", "buy", "by", "each", "expect", "given", "rearm", "sell", "to", "trip", "units", *EVENT_WORDS,
])


def _pairs(pairs: tuple[ast.Pair, ...]) -> str:
    return "".join(f" {_pair_name(pair.name.text)} {show(pair.value)}" for pair in pairs)


def _pair_name(name: str) -> str:
    return f".{name}" if name in _DOTTED or not name[0].islower() else name


def _claim(claim: ast.Claim) -> str:
    if isinstance(claim, ast.Implies):
        return f"if {show(claim.condition)} then {_claim(claim.claim)}"
    return show_at(claim, Level.OR)
