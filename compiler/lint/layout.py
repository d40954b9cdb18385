"""Reading lints about items: what has no words, stands in the wrong place, stands there twice, or is read by nobody."""
from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from caplex.compiler.diagnostics import codes_reading as codes
from caplex.compiler.diagnostics.diagnostic import Diagnostic, Edit, Fix
from caplex.compiler.lint.mending import replaced
from caplex.compiler.lint.model import Lint, Subject, lint, parts
from caplex.compiler.semantics.model import LetBinding, SettingInfo
from caplex.compiler.semantics.report import at
from caplex.compiler.source import Span
from caplex.compiler.syntax import ast

Literal = ast.Money | ast.Percent | ast.BasisPoints | ast.Multiple | ast.Units
REPEATED = 3


@lint(codes.NO_BECAUSE, "reading")
def no_because(subject: Subject) -> Iterator[Diagnostic]:
    """A condition of several parts, with neither `because` nor `code`. One comparison is told with its two sides anyway."""
    for rule in subject.rules():
        node = rule.node
        if not isinstance(node, ast.Rule) or not isinstance(node.effect, ast.Deny | ast.Require):
            continue
        condition = subject.context.seen_through(node.effect.condition)
        if isinstance(condition, ast.Logic) and node.because is None and node.attributes.code is None:
            yield at(codes.NO_BECAUSE, f"`{rule.id}` does not say why it denies", node.effect.condition.span, "which part of it?",
                     help='add `because "…"` with what it read, such as `{intent.symbol}`')


@lint(codes.NO_TITLE, "reading")
def no_title(subject: Subject) -> Iterator[Diagnostic]:
    """Rules, limits, throttles, cooldowns and switches without a text behind their id."""
    for rule in subject.checked.rules:
        if rule.node.span.source is subject.source and rule.node.title is None:
            yield at(codes.NO_TITLE, f"`{rule.id}` has no title", rule.node.rule_id.span, "", help=f'write a few words behind it: `{rule.node.rule_id.text} "…"`')


@lint(codes.OUT_OF_ORDER, "reading")
def out_of_order(subject: Subject) -> Iterator[Diagnostic]:
    """Within a family, numbers that fall in the text."""
    highest: dict[str, tuple[int, ast.Name]] = {}
    for item in subject.items():
        if not isinstance(item, ast.Rule | ast.Limit | ast.Throttle | ast.Cooldown | ast.KillSwitch):
            continue
        family, _, number = item.rule_id.text.rpartition("-")
        before = highest.get(family)
        if before is not None and int(number) < before[0]:
            yield at(codes.OUT_OF_ORDER, f"`{item.rule_id.text}` is judged before `{before[1].text}`, and stands behind it", item.rule_id.span, "",
                     also=[(before[1].span, "is judged later")], help="move it up, or give it a number of its place")
        else:
            highest[family] = (int(number), item.rule_id)


# ── numbers ───────────────────────────────────────────────────────────────────────────────────────────


def _literals(subject: Subject) -> Iterator[tuple[ast.Item, tuple[str, Fraction], ast.Expr]]:
    """What rules of the file are held against: amounts and shares that say something. Windows and counts are left out."""
    for item in subject.items():
        if isinstance(item, ast.Rule | ast.Limit | ast.KillSwitch | ast.Size):
            for part in parts(subject, item):
                key = _value(part)
                if key is not None:
                    yield item, key, part


def _value(part: ast.Expr) -> tuple[str, Fraction] | None:
    match part:
        case ast.Money():
            found = ("money", Fraction(part.amount))
        case ast.Percent():
            found = ("ratio", Fraction(part.value) / 100)
        case ast.BasisPoints():
            found = ("ratio", Fraction(part.value) / 10_000)
        case ast.Multiple():
            found = ("ratio", Fraction(part.value))
        case ast.Units():
            found = ("quantity", Fraction(part.value))
        case _:
            return None
    return None if found[1] in (0, 1) else found


@lint(codes.HAS_A_SETTING, "reading")
def has_a_setting(subject: Subject) -> Iterator[Diagnostic]:
    """An amount of money or of units in a rule that is the value of a setting. Shares coincide too often to say so of them."""
    settings: dict[tuple[str, Fraction], tuple[str, SettingInfo]] = {}
    for name, info in subject.checked.settings.items():
        if info.node.span.source is subject.source and isinstance(info.node.value, Literal) and (key := _value(info.node.value)) is not None:
            settings.setdefault(key, (name, info))
    for item, key, part in _literals(subject):
        if key[0] == "ratio" or key not in settings:
            continue
        name, info = settings[key]
        fix = Fix(f"read {info.node.name.text}", False, (Edit(part.span, info.node.name.text),))
        yield replaced(at(codes.HAS_A_SETTING, f"`{part.span.text}` is what `{name}` says", part.span, "a copy", also=[(info.node.value.span, "stands here")],
                          help=f"read `{info.node.name.text}`, if it is the same thing"), None if isinstance(item, ast.Size) else fix)


@lint(codes.MAGIC_NUMBER, "reading")
def magic_number(subject: Subject) -> Iterator[Diagnostic]:
    """One amount in three rules or more."""
    known = {_value(info.node.value) for info in subject.checked.settings.values() if info.node.span.source is subject.source}
    places: dict[tuple[str, Fraction], dict[int, ast.Expr]] = {}
    for item, key, part in _literals(subject):
        if key[0] != "ratio" or key not in known:
            places.setdefault(key, {}).setdefault(item.id, part)
    for key, found in places.items():
        if len(found) >= REPEATED and (key[0] == "ratio" or key not in known):
            first, *others = found.values()
            text = first.span.text.strip("()")
            yield at(codes.MAGIC_NUMBER, f"`{text}` stands in {len(found)} rules", first.span, "",
                     also=[(other.span, "and here") for other in others[:3]], help=f"give it a name: `setting … = {text}`")


# ── words ─────────────────────────────────────────────────────────────────────────────────────────────


@lint(codes.SETTING_WITHOUT_WORDS, "reading")
def setting_without_words(subject: Subject) -> Iterator[Diagnostic]:
    """Neither a title nor a doc comment."""
    for item in subject.items():
        if isinstance(item, ast.Setting) and item.title is None and not item.doc:
            yield at(codes.SETTING_WITHOUT_WORDS, f"`{item.name.text}` does not say what it sets", item.name.span, "",
                     help='end its line with a title: `"Largest position in one symbol"`')


@lint(codes.PACK_WITHOUT_WORDS, "reading")
def pack_without_words(subject: Subject) -> Iterator[Diagnostic]:
    """A module of rules whose text does not begin with `##`."""
    if subject.is_policy or subject.source.text.lstrip().startswith("##"):
        return
    first = next(iter(subject.module.items), None)
    if first is not None and any(rule.node.span.source is subject.source for rule in subject.checked.rules):
        yield at(codes.PACK_WITHOUT_WORDS, "this module does not say what it is for", Span(subject.source, first.span.start, first.span.start + 1), "",
                 help="begin it with `## …`: for whom it is, and how it is imported")


@lint(codes.UNUSED_LET, "reading")
def unused_let(subject: Subject) -> Iterator[Diagnostic]:
    """A `let` of a policy that no expression reads. One of a module may be there for who imports it."""
    if not subject.is_policy:
        return
    read = {id(binding.value) for binding in subject.checked.bindings.values() if isinstance(binding, LetBinding)}
    for item in subject.items():
        if isinstance(item, ast.Let) and id(item.value) not in read:
            yield replaced(at(codes.UNUSED_LET, f"nothing reads `{item.name.text}`", item.name.span, "is read nowhere"),
                           Fix(f"take {item.name.text} out", True, (Edit(whole(item, subject.source.text), ""),)))


def whole(item: ast.Item, text: str) -> Span:
    """*item* with the doc comment right above it, its line end, and what stands behind it as a comment."""
    start = text.rfind("\n", 0, item.span.start) + 1
    if text[start:item.span.start].strip():
        start = item.span.start  # something else stands before it
    else:
        while start > 0:
            above = text.rfind("\n", 0, start - 1) + 1
            if not text[above:start].lstrip().startswith("##"):
                break
            start = above
    end = item.span.end
    line_end = text.find("\n", end)
    rest = text[end:line_end if line_end >= 0 else len(text)].strip()
    if start != item.span.start or not text[:start].rpartition("\n")[2].strip():
        if not rest or rest.startswith("#"):
            end = line_end + 1 if line_end >= 0 else len(text)
    return Span(item.span.source, start, end)


LINTS: tuple[Lint, ...] = (no_because, no_title, out_of_order, has_a_setting, magic_number, setting_without_words, pack_without_words, unused_let)
