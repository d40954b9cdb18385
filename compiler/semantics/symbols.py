"""Which names stand where: one `Scope` for each module of a policy, and the imports that join them.

A module that is imported twice is two scopes with trees of their own, because its settings may differ; so the loader
parses anew each time and side tables never meet.
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from caplex.compiler.diagnostics import codes_names as codes
from caplex.compiler.diagnostics import codes_stages
from caplex.compiler.diagnostics.diagnostic import Diagnostic
from caplex.compiler.semantics import builtins
from caplex.compiler.semantics.report import at, guess
from caplex.compiler.source import Span
from caplex.compiler.syntax import ast
from caplex.runtime.schema import Schema

Target = tuple[str, ...] | str
MOST_MODULES = 200
MOST_NESTED = 20


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a loader found.

    Attributes:
        module: None if there is none or it does not parse; then *diagnostics* say why, or are empty: not found.
        identity: The same for every import of one file; imports of itself are told by it.
        known: Names that could have been meant, for a suggestion.
    """

    module: ast.Module | None
    identity: str
    diagnostics: tuple[Diagnostic, ...] = ()
    known: tuple[str, ...] = ()


class Loader(Protocol):
    """Finds and parses the target of a `use`; paths are relative to the module whose identity is *importer*."""

    def __call__(self, target: Target, importer: str) -> Loaded: ...


def no_modules(target: Target, importer: str) -> Loaded:
    """A loader that finds nothing."""
    return Loaded(None, str(target))


@dataclass(slots=True, eq=False)
class Scope:
    """The names of one module.

    Attributes:
        prefix: Stands before its names and ids as the policy knows them: empty for the entry, ``sanity.`` for an import.
        use: The import that brought it; None for the entry.
        used: Aliases that something has read.
        broken: Aliases of imports that failed; what is read through them is not complained about again.
    """

    prefix: str
    module: ast.Module
    identity: str
    use: ast.Use | None = None
    settings: dict[str, ast.Setting] = field(default_factory=dict)
    lets: dict[str, ast.Let] = field(default_factory=dict)
    rules: dict[str, ast.RuleItem] = field(default_factory=dict)
    waivers: dict[str, ast.Waiver] = field(default_factory=dict)
    sizes: dict[str, ast.Size] = field(default_factory=dict)
    imports: dict[str, Scope] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)

    def walk(self) -> Iterator[Scope]:
        """This scope and all below it, in the order of their `use`."""
        yield self
        for scope in self.imports.values():
            yield from scope.walk()

    @property
    def does_something(self) -> bool:
        """It brings rules or sections, so an import of it need not be read to be of use."""
        acting = (ast.Rule, ast.Limit, ast.Throttle, ast.Cooldown, ast.KillSwitch, ast.Waiver, ast.Size,
                  ast.InputRecord, ast.InputScalar)
        return any(isinstance(item, acting) for item in self.module.items) or any(below.does_something
                                                                                  for below in self.imports.values())


def collect(module: ast.Module, load: Loader, identity: str) -> tuple[Scope, list[Diagnostic]]:
    """The scope of the entry *module*, with those of its imports."""
    collector = _Collector(load)
    return collector.scope(module, identity, "", None, (identity,)), collector.problems


def clashes(entry: Scope, schema: Schema) -> list[Diagnostic]:
    """Names that hide a section or a word with a meaning of its own."""
    taken = {*schema.sections, "after", "committed", "permitted", "portfolio", "counters", "now", "event",
             *builtins.TOLD}
    problems = []
    for scope in entry.walk():
        named: list[tuple[str, Span]] = [(name, item.name.span) for name, item in scope.settings.items()]
        named += [(name, item.name.span) for name, item in scope.lets.items()]
        named += [(alias, _alias_span(below.use)) for alias, below in scope.imports.items() if below.use is not None]
        for name, span in named:
            if name in taken:
                what = "a section of the facts" if name in schema.sections else "a word of the language"
                problems.append(at(codes.DUPLICATE, f"`{name}` is already {what}", span, "choose another name"))
    return problems


def _alias_span(use: ast.Use) -> Span:
    return use.alias.span if use.alias is not None else use.target_span


class _Collector:
    def __init__(self, load: Loader) -> None:
        self._load = load
        self._count = 0
        self.problems: list[Diagnostic] = []

    def scope(self, module: ast.Module, identity: str, prefix: str, use: ast.Use | None,
              path: tuple[str, ...]) -> Scope:
        scope = Scope(prefix, module, identity, use)
        self._count += 1
        names: dict[str, Span] = {}
        ids: dict[str, Span] = {}
        for item in module.items:
            match item:
                case ast.Setting(name=name):
                    if self._first(names, name):
                        scope.settings[name.text] = item
                case ast.Let(name=name):
                    if self._first(names, name):
                        scope.lets[name.text] = item
                case ast.Rule() | ast.Limit() | ast.Throttle() | ast.Cooldown() | ast.KillSwitch():
                    if self._rule_id(ids, item.rule_id):
                        scope.rules[item.rule_id.text] = item
                case ast.Waiver():
                    if self._rule_id(ids, item.rule_id):
                        scope.waivers[item.rule_id.text] = item
                case ast.Size():
                    if self._rule_id(ids, item.rule_id):
                        scope.sizes[item.rule_id.text] = item
                case ast.Use():
                    self._import(scope, item, names, path)
                case _:
                    pass
        return scope

    def _first(self, seen: dict[str, Span], name: ast.Name, what: str = "") -> bool:
        if name.text not in seen:
            seen[name.text] = name.span
            return True
        self.problems.append(at(
            codes.DUPLICATE, f"`{name.text}` is declared twice{what}", name.span, "declared again",
            also=[(seen[name.text], "first here")],
        ))
        return False

    def _rule_id(self, ids: dict[str, Span], name: ast.Name) -> bool:
        if family(name.text) == "SYS":
            self.problems.append(at(codes_stages.RESERVED_FAMILY, f"`{name.text}` belongs to the engine", name.span,
                                    "the family SYS is reserved"))
            return False
        return self._first(ids, name)

    def _import(self, scope: Scope, use: ast.Use, names: dict[str, Span], path: tuple[str, ...]) -> None:
        written = use.target if isinstance(use.target, str) else ".".join(use.target)
        alias = use.alias.text if use.alias is not None else _default_alias(use.target)
        if alias is None:
            self.problems.append(at(codes.UNKNOWN_MODULE, "this import needs a name", use.target_span, "",
                                    help="write `as name` behind it"))
            return
        if alias in names:
            self.problems.append(at(codes.DUPLICATE, f"`{alias}` is declared twice", _alias_span(use), "declared again",
                                    also=[(names[alias], "first here")]))
            return
        names[alias] = _alias_span(use)
        scope.broken.add(alias)
        loaded = self._load(use.target, scope.identity)
        if loaded.module is None:
            self.problems.extend(loaded.diagnostics)
            if not loaded.diagnostics:
                self.problems.append(at(codes.UNKNOWN_MODULE, f"no module is named `{written}`", use.target_span,
                                        "not found",
                                        help=guess(written, loaded.known)))
            return
        if loaded.identity in path:
            self.problems.append(at(codes.IMPORT_CYCLE, f"`{written}` imports itself in a circle", use.target_span,
                                    "leads back here",
                                    notes=(" → ".join((*path[path.index(loaded.identity):], loaded.identity)),)))
            return
        if self._count >= MOST_MODULES or len(path) > MOST_NESTED:
            bound = f"imports nest at most {MOST_NESTED} deep" if len(path) > MOST_NESTED else f"a policy has at most {MOST_MODULES} imports"
            self.problems.append(at(codes.TOO_DEEP, bound, use.target_span, "one too many"))
            return
        if loaded.module.header is not None:
            self.problems.append(at(codes.HEADER_IN_MODULE, f"`{written}` is a policy of its own", use.target_span,
                                    "has a header",
                                    help="move what both need into a file without `policy`"))
            return
        self.problems.extend(loaded.diagnostics)
        scope.broken.discard(alias)
        scope.imports[alias] = self.scope(loaded.module, loaded.identity, f"{scope.prefix}{alias}.", use,
                                          (*path, loaded.identity))


def _default_alias(target: Target) -> str | None:
    name = target[-1] if not isinstance(target, str) else target.replace("\\",
                                                                         "/").rsplit("/", 1)[-1].removesuffix(".cap")
    return name if name.isidentifier() and name[0].islower() else None


def family(rule_id: str) -> str:
    """``EXP`` of ``EXP-010`` and of ``desk.EXP-010``."""
    return rule_id.rpartition(".")[2].rpartition("-")[0]


def number(rule_id: str) -> int:
    return int(rule_id.rpartition("-")[2])
