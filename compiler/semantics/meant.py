"""What a name that nothing has was probably meant to be."""
from __future__ import annotations

from collections.abc import Iterable, Mapping

from caplex.compiler.diagnostics import codes_names as codes
from caplex.compiler.diagnostics.diagnostic import Diagnostic
from caplex.compiler.semantics.builtins import DERIVED
from caplex.compiler.semantics.model import Binding, FieldBinding, LetBinding, MemberBinding, RowBinding, SettingBinding
from caplex.compiler.semantics.report import at, guess, listing, near
from caplex.compiler.semantics.symbols import Scope
from caplex.compiler.syntax import ast
from caplex.runtime.schema import Schema


def word(name: str, schema: Schema, scope: Scope, rows: Iterable[str]) -> str | None:
    """A help line for the bare word *name*: a field of that name somewhere, or a name near it; *rows* are row variables."""
    owners = [section.name for section in schema.sections.values() if name in section.fields and section.shape in ("one", "row")]
    owners += [derived.rpartition(".")[0] for derived in DERIVED
               if derived.rpartition(".")[2] == name and derived.count(".") == 1]
    if owners:
        return f"did you mean `{owners[0]}.{name}`?"
    scalars = [section.name for section in schema.sections.values() if section.scalar]
    return guess(name, (*scope.settings, *scope.lets, *scalars, *rows, "now"))


def unknown_field(expr: ast.Read, path: tuple[str, ...], schema: Schema, scope: Scope) -> Diagnostic:
    """No field has the name *path*."""
    dotted = ".".join(path)
    section = schema.sections.get(path[0])
    if section is not None and section.shape in ("list", "history"):
        return at(codes.INCOMPLETE_READ, f"`{path[0]}` has many rows", expr.span, "which row?",
                  help=f"aggregate over them: `sum(x.{path[-1]} for x in {path[0]})`")
    fields = [f"{path[0]}.{name}" for name in section.fields] if section is not None else []
    fields += [name for name in DERIVED if name.startswith(path[0] + ".")]
    # Compared without the section that they share, which would make everything look near.
    own = near(dotted.partition(".")[2], [name.partition(".")[2] for name in fields])
    if own is not None:
        found: str | None = f"{path[0]}.{own}"
    else:
        found = near(dotted, _paths(schema, scope)) if not fields or len(path) != 2 else None
    if found is None and fields:
        return at(codes.UNKNOWN_FIELD, f"no field is named `{dotted}`", expr.span, "unknown field",
                  help=f"`{path[0]}` has {listing([field.partition('.')[2] for field in fields])}")
    return at(codes.UNKNOWN_FIELD, f"no field is named `{dotted}`", expr.span, "unknown field",
              help=f"did you mean `{found}`?" if found else None)


def _paths(schema: Schema, scope: Scope) -> list[str]:
    paths = [f"{section.name}.{name}" for section in schema.sections.values()
             if section.shape in ("one", "row") for name in section.fields]
    aliases = [f"{alias}.{name}" for alias, below in scope.imports.items() for name in (*below.settings, *below.lets)]
    return [*paths, *DERIVED, *aliases]


def shared(dimensions: frozenset[str], row: str | None) -> str:
    """What a clause of an allocation may read, for one that read something else: the row of dimension *row*, or an intent."""
    if not dimensions and row is not None:
        return "`score`, `floor` and `ceiling` are read for each name; this clause is read once for all of them"
    return f"it reads the state of the world{''.join(f', and for each name its {each}' for each in sorted(dimensions))}"


def chooses_row(key: ast.Expr, bindings: Mapping[int, Binding]) -> bool:
    """Whether *key* can say which row of a table is read: a text, or something that is one text for the whole decision."""
    match bindings.get(key.id):
        case LetBinding(value=value):
            return chooses_row(value, bindings)
        case FieldBinding() | SettingBinding() | MemberBinding():
            return True
        case _:
            return isinstance(key, ast.Text)


def of_row(key: ast.Expr, bindings: Mapping[int, Binding]) -> bool:
    """Whether *key* is a field of the row that an aggregate is at."""
    return isinstance(bindings.get(key.id), RowBinding)
