"""Settings moved from outside: read, held to the safer side of what the policy says, or approved by name until a day."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction

from caplex.compiler.diagnostics import codes_names, codes_stages
from caplex.compiler.diagnostics.diagnostic import Code, Diagnostic
from caplex.compiler.semantics import units
from caplex.compiler.semantics.model import OverrideInfo, Value
from caplex.compiler.semantics.outside import KEYS, Outside, normal
from caplex.compiler.semantics.report import at, guess, listing, near
from caplex.compiler.semantics.stages import day_start
from caplex.compiler.source import Source, Span
from caplex.compiler.syntax import ast
from caplex.compiler.syntax.parser import parse_expression
from caplex.runtime.schema import Kind, Type

Constant = Callable[[ast.Expr, str, Type], Value]
"""The value of an expression from outside, for the setting of this name and type; complains, and raises NotConstant."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What a value from outside comes to: a new value, or one that holds beside it as long as its approval lasts."""

    value: Value
    origin: str
    span: Span | None = None
    approved: OverrideInfo | None = None


class FromOutside:
    """Reads the values that came from outside; what is wrong with them is added to *problems*."""

    def __init__(self, given: Mapping[str, object], problems: list[Diagnostic], constant: Constant, timezone: str, ids: Iterator[int]) -> None:
        self._given = {name: normal(raw) for name, raw in given.items()}
        self._problems = problems
        self._constant = constant
        self._timezone = timezone
        self._ids = ids

    def __bool__(self) -> bool:
        return bool(self._given)

    def __contains__(self, name: str) -> bool:
        return name in self._given

    def unknown(self, names: Mapping[str, object]) -> None:
        """Complain about every value that no setting takes."""
        for name in sorted(self._given):
            if name not in names:
                found = near(name, names)
                self._tell(codes_names.UNKNOWN_SETTING, self._given[name], f"no setting is named `{name}`",
                           help=f"did you mean `{found}`?" if found
                           else (f"settings are {listing(sorted(names))}" if names else "the policy has none"))

    def move(self, node: ast.Setting, name: str, type_: Type, default: Value) -> Moved | None:
        """What *name* comes to; None where that has been complained about.

        Raises:
            NotConstant: It has no value; that has been complained about.
        """
        given, before = self._given[name], len(self._problems)
        value = self._read(name, type_, given)
        if len(self._problems) > before:
            return None
        held = node.hard or (node.safer is not None and not node.open)
        if not held or safe(node.safer, default, value):
            self._terms(given, name, needed=False)
        elif node.hard or not given.approved:
            self._refuse(node, name, given)
        else:
            return self._approved(node, name, given, value, default)
        return None if len(self._problems) > before else Moved(value, given.origin, given.span)

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────

    def _read(self, name: str, type_: Type, given: Outside) -> Value:
        """A value from outside: a text is read as an expression, but for texts and identifiers as itself."""
        value = given.value
        if type_.kind is Kind.SET and isinstance(value, (list, tuple, set, frozenset)):
            if all(isinstance(item, str) for item in value):
                return frozenset(str(item) for item in value)
            return self._unreadable(name, type_, given)
        if isinstance(value, Fraction):
            return value if type_.numeric else self._unreadable(name, type_, given)
        text = _text(value)
        if text is None:
            return self._unreadable(name, type_, given)
        if type_.kind in (Kind.TEXT, Kind.NOMINAL, Kind.ENUM) and isinstance(value, str) and not text.startswith('"'):
            if type_.kind is Kind.ENUM and text not in type_.members:
                self._tell(codes_names.UNKNOWN_MEMBER, given, f"`{text}` is not one of {listing(type_.members, most=20)}",
                           help=guess(text, type_.members))
            return text
        expr, problems = self._parse(name, text, given)
        if expr is None or problems:
            return self._unreadable(name, type_, given, problems)
        return self._constant(expr, name, type_)

    def _parse(self, name: str, text: str, given: Outside) -> tuple[ast.Expr | None, list[Diagnostic]]:
        """The expression in *text*; its places are places in the file, where it stands there as it is."""
        if given.span is not None and given.plain and given.span.text == text:
            whole = given.span.source
            # Parsed behind blanks, so that offsets are those of the file; then the source gets the file's text, for who shows it.
            blank = "".join(each if each in "\r\n" else " " for each in whole.text[:given.span.start])
            source = Source(whole.name, blank + text)
            expr, problems = parse_expression(source, self._ids)
            source.text = whole.text
            return expr, problems
        return parse_expression(Source(f"{given.origin} {name}", text), self._ids)

    def _unreadable(self, name: str, type_: Type, given: Outside, problems: Sequence[Diagnostic] = ()) -> Value:
        shown = given.value if isinstance(given.value, str) else repr(given.value)
        self._tell(codes_stages.BAD_VALUE, given, f"`{shown}` is not a value of `{name}`, which is {units.noun(type_)}",
                   notes=tuple(problem.message for problem in problems))
        return None

    # ── what it may do ───────────────────────────────────────────────────────────────────────────────

    def _refuse(self, node: ast.Setting, name: str, given: Outside) -> None:
        message = f"`{name}` may {side(node.safer)} from here"
        if node.hard:
            help = "it is declared `hard`: nothing from outside loosens it"
        elif given.span is not None:
            help = f"say who approved it and until when: `{name}: {{value: …, approved_by: …, through: DATE}}`; or declare it `open`"
        else:
            help = f"a settings file may say who approved it and until when; or declare it `open` if {given.origin} may loosen it"
        if given.span is not None:
            self._complain(at(codes_stages.RISKIER, message, given.span, "riskier than the policy", help=help,
                              also=[(node.name.span, "declared `hard`" if node.hard else "without `open`")]))
        else:
            self._complain(Diagnostic(codes_stages.RISKIER, message, node.name.span, help=help,
                                      notes=(f"the value comes from {given.origin}",), where=given.origin))

    def _approved(self, node: ast.Setting, name: str, given: Outside, value: Value, default: Value) -> Moved | None:
        """A riskier value that somebody approved: in force through its day, instead of the default and of nothing else."""
        before = len(self._problems)
        self._terms(given, name, needed=True)
        if len(self._problems) > before:
            return None
        through = str(given.through)
        place = given.span or node.name.span
        override = ast.Override(
            id=node.id, span=place, kind="loosen", scopes=(), value=node.value, through=ast.Date(id=node.id, span=place, iso=through),
            approved_by=given.approved_by, ticket=given.ticket,
        )
        info = OverrideInfo(
            kind="loosen", scopes=(), value=value, written=value, through=through, until_ns=day_start(through, self._timezone, later_days=1),
            approved_by=given.approved_by, ticket=given.ticket, node=override, origin=given.origin,
        )
        return Moved(default, "policy", given.span, info)

    def _terms(self, given: Outside, name: str, *, needed: bool) -> None:
        for key in given.unknown:
            found = near(key, dict.fromkeys(KEYS))
            self._tell(codes_stages.APPROVAL_TERMS, given, f"`{name}` has no term `{key}`",
                       help=f"did you mean `{found}`?" if found else "terms are `value`, `approved_by`, `through`, `ticket`")
        missing = [key for key in ("approved_by", "through") if needed and not (getattr(given, key) or "").strip()]
        if missing:
            self._tell(codes_stages.APPROVAL_TERMS, given, f"the approval of `{name}` does not say everything it must",
                       help="add " + " and ".join(f"`{key}`" for key in missing))
        if given.through is not None and not _is_date(given.through):
            self._tell(codes_stages.APPROVAL_TERMS, given, f"`{given.through}` is no date", help="write it as `2026-03-31`")

    def _tell(self, code: Code, given: Outside, message: str, *, help: str | None = None, notes: tuple[str, ...] = ()) -> None:
        self._complain(Diagnostic(code, message, given.span, help=help, notes=notes, where=None if given.span is not None else given.origin))

    def _complain(self, diagnostic: Diagnostic) -> None:
        self._problems.append(diagnostic)


def side(safer: str | None) -> str:
    """Where a setting may move: ``only move down``."""
    return f"only move {'down' if safer == 'lower' else 'up'}" if safer else "not be moved"


def safe(safer: str | None, default: Value, value: Value) -> bool:
    """Whether *value* is the default or lies on the safer side of it."""
    return (value == default or (safer == "lower" and not greater(value, default))
            or (safer == "higher" and not greater(default, value)))


def greater(left: Value, right: Value) -> bool:
    """``left > right`` where None is `unlimited`, greater than every number."""
    if left is None or right is None:
        return left is None and right is not None
    return isinstance(left, Fraction) and isinstance(right, Fraction) and left > right


def _text(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, int):
        return str(value)
    return format(Decimal(repr(value)), "f") if type(value).__name__ == "float" else None


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
