"""Overrides of one setting: ranked against each other, and true to their word."""
from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from caplex.compiler.diagnostics import codes_rules as codes
from caplex.compiler.diagnostics.diagnostic import Diagnostic, Label
from caplex.compiler.semantics.coherence.context import Context
from caplex.compiler.semantics.model import OverrideInfo, SettingInfo, Value
from caplex.compiler.semantics.report import at
from caplex.compiler.source import Span
from caplex.compiler.syntax import ast

Dimensions = frozenset[str]


def words(context: Context) -> Iterator[Diagnostic]:
    """`tighten` tightens and never ends; `loosen` loosens, ends, and has an approver; `set` is for settings without a safer side."""
    for setting in context.checked.settings.values():
        for override in _own(setting):
            yield from _kind(setting, override)


def _own(setting: SettingInfo) -> list[OverrideInfo]:
    """Those that are written with it. What was approved outside, or handed on to an import, has been judged where it stands."""
    written = {id(node) for node in setting.node.overrides}
    return [override for override in setting.overrides if id(override.node) in written]


def _kind(setting: SettingInfo, override: OverrideInfo) -> Iterator[Diagnostic]:
    node, span, name = override.node, override.node.span, setting.name
    if (override.kind == "set") is (setting.safer is not None):
        if setting.safer is not None:
            word = "tighten" if _riskier(setting, override.written) is not True else "loosen"
            yield at(codes.WRONG_OVERRIDE, f"`{name}` has a safer side, so an override says which way it goes", span, "`set` does not",
                     help=f"write `{word} for …`")
        else:
            yield at(codes.WRONG_OVERRIDE, f"`{name}` has no safer side that one could `{override.kind}` towards", span, "neither tighter nor looser",
                     help="write `set for …`, or declare `lower is safer` or `higher is safer`")
        return
    riskier = _riskier(setting, override.written)
    if override.kind == "tighten":
        if riskier is not False:
            yield at(codes.NOT_TIGHTER, f"this is {'looser than' if riskier else 'the same as'} the default of `{name}`", node.value.span,
                     "does not tighten", also=[(setting.node.value.span, "the default")], help=_side(setting))
        if override.through is not None:
            place = node.through.span if node.through is not None else span
            yield at(codes.TIGHTEN_WITH_END, f"a `tighten` of `{name}` cannot end", place, "it would loosen by itself")
    elif override.kind == "loosen":
        yield from _loosen(setting, override, riskier)


def _loosen(setting: SettingInfo, override: OverrideInfo, riskier: bool | None) -> Iterator[Diagnostic]:
    node, name = override.node, setting.name
    if setting.hard:
        yield at(codes.HARD_LOOSENED, f"`{name}` is `hard`: it only tightens", node.span, "loosens it", also=[(setting.node.name.span, "")])
        return
    if riskier is not True:
        yield at(codes.NOT_LOOSER, f"this is {'the same as' if riskier is None else 'tighter than'} the default of `{name}`", node.value.span,
                 "does not loosen", also=[(setting.node.value.span, "the default")], help=_side(setting))
    missing = [word for word, value in (("through DATE", override.through), ('approved by "…"', (override.approved_by or "").strip() or None)) if value is None]
    if missing:
        yield at(codes.LOOSEN_WITHOUT_GRANT, f"a `loosen` of `{name}` does not say everything it must", node.span,
                 "an exception has an end and an approver", help="add " + " and ".join(f"`{word}`" for word in missing))


def _side(setting: SettingInfo) -> str:
    return f"{setting.safer} is safer for `{setting.name}`"


def _riskier(setting: SettingInfo, value: Value) -> bool | None:
    """Whether *value* is riskier than the default, both as the policy gives them: what is set from outside makes no word untrue.

    None if it is the same or cannot be compared.
    """
    if value == setting.default:
        return None
    if value is None or setting.default is None:  # `unlimited` is above every number
        higher = value is None
    elif isinstance(value, Fraction) and isinstance(setting.default, Fraction):
        higher = value > setting.default
    else:
        return None
    return higher is (setting.safer == "lower")


# ── rank ──────────────────────────────────────────────────────────────────────────────────────────────


def precedence(context: Context) -> Iterator[Diagnostic]:
    """``overrides by symbol > strategy > default``: each once, the default last."""
    clause = next((clause for clause in context.header.clauses if isinstance(clause, ast.OverridesBy)), None)
    if clause is None:
        return
    used = {dimension for setting in context.checked.settings.values() for override in setting.overrides for dimension, _ in override.scopes}
    known = {"symbol", "strategy", "account", "venue", "default", *(plain(name) for name in used), *context.checked.schema.sections}
    seen: dict[str, ast.Name] = {}
    for index, name in enumerate(clause.order):
        if name.text in seen:
            yield at(codes.BAD_PRECEDENCE, f"`{name.text}` has two ranks", name.span, "again", also=[(seen[name.text].span, "first here")])
        elif name.text not in known:
            yield at(codes.BAD_PRECEDENCE, f"no override can be for `{name.text}`", name.span, "unknown dimension")
        elif name.text == "default" and index < len(clause.order) - 1:
            yield at(codes.BAD_PRECEDENCE, "the default counts only if no override matches", name.span, "not the last",
                     help="put `default` at the end, or leave it out")
        seen.setdefault(name.text, name)


def plain(dimension: str) -> str:
    """``regime.value`` is written `regime`."""
    return dimension.removesuffix(".value")


def twice(context: Context) -> Iterator[Diagnostic]:
    """One value for one case."""
    for setting in context.checked.settings.values():
        seen: dict[frozenset[tuple[str, str]], OverrideInfo] = {}
        for override in _own(setting):
            first = seen.setdefault(frozenset(override.scopes), override)
            if first is not override:
                yield at(codes.OVERRIDE_TWICE, f"`{setting.name}` has two overrides for the same case", _scopes(override), "again",
                         also=[(_scopes(first), "first here")])


def ambiguous(context: Context) -> Iterator[Diagnostic]:
    """Two that may match one intent are ranked."""
    order = context.checked.policy.overrides
    for setting in context.checked.settings.values():
        if order == "tightest" and setting.safer is not None:
            continue
        for kinds in (("set",), ("tighten",), ("loosen",)):
            group = [override for override in _own(setting) if override.kind in kinds]
            yield from _group(group, None if order == "tightest" else tuple(order))


def _group(group: list[OverrideInfo], order: tuple[str, ...] | None) -> Iterator[Diagnostic]:
    """The first unranked pair: one order of dimensions, which the help names in full, mends them all."""
    by_dimensions: dict[Dimensions, list[OverrideInfo]] = {}
    for override in group:
        by_dimensions.setdefault(frozenset(plain(name) for name, _ in override.scopes), []).append(override)
    sets = list(by_dimensions)
    for index, left in enumerate(sets):
        for right in sets[index + 1:]:
            if order is not None and left <= set(order) and right <= set(order):
                continue  # the first dimension in which they differ decides
            pair = _meeting(by_dimensions[left], by_dimensions[right], left & right)
            if pair is not None:
                names = list(dict.fromkeys(plain(name) for override in group for name, _ in override.scopes))
                yield _unranked(*pair, order, names)
                return


def _meeting(left: list[OverrideInfo], right: list[OverrideInfo], shared: Dimensions) -> tuple[OverrideInfo, OverrideInfo] | None:
    """The first two that can match one intent: they agree on every shared dimension."""

    def values(override: OverrideInfo) -> tuple[tuple[str, str], ...]:
        return tuple(sorted((plain(name), text) for name, text in override.scopes if plain(name) in shared))

    first: dict[tuple[tuple[str, str], ...], OverrideInfo] = {}
    for override in right:
        first.setdefault(values(override), override)
    return next(((override, first[values(override)]) for override in left if values(override) in first), None)


def _unranked(left: OverrideInfo, right: OverrideInfo, order: tuple[str, ...] | None, names: list[str]) -> Diagnostic:
    if left.node.span.start > right.node.span.start:
        left, right = right, left
    texts: dict[str, str] = {}
    for override in (left, right):
        for name, text in override.scopes:
            texts.setdefault(plain(name), text)
    labels = (Label(_scopes(left), _matches(left, texts)), Label(_scopes(right), _matches(right, texts)))
    ranked = [*(name for name in order or () if name != "default"), *(name for name in names if name not in (order or ()))]
    return Diagnostic(
        codes.AMBIGUOUS_OVERRIDE, "two overrides match and neither outranks the other", _scopes(left), labels,
        notes=(f"both apply to ({', '.join(texts.values())})",), help=f"declare `overrides by {' > '.join(ranked)} > default`",
    )


def _matches(override: OverrideInfo, texts: dict[str, str]) -> str:
    own = {plain(name) for name, _ in override.scopes}
    others = " and any ".join(name for name in texts if name not in own)
    return f"matches {' and '.join(text for _, text in override.scopes)}" + (f" with any {others}" if others else "")


def _scopes(override: OverrideInfo) -> Span:
    scopes = override.node.scopes
    return scopes[0].span.to(scopes[-1].span)


CHECKS = (words, precedence, twice, ambiguous)
