"""The passes of `semantics`, each once, in order: imports, header, facts, settings, items, places, coherence."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from caplex.compiler.diagnostics import codes_names
from caplex.compiler.diagnostics.diagnostic import Diagnostic
from caplex.compiler.semantics import coherence, schema, settings, stages, symbols
from caplex.compiler.semantics.items import Found, Items
from caplex.compiler.semantics.model import CheckedModule, SizeInfo
from caplex.compiler.semantics.report import at
from caplex.compiler.semantics.symbols import Loader, Scope, no_modules
from caplex.compiler.syntax import ast


def analyse(
    module: ast.Module,
    *,
    load: Loader = no_modules,
    settings: Mapping[str, object] | None = None,
    mode: Literal["enforce", "monitor"] | None = None,
    identity: str | None = None,
    seen: Callable[[Scope, CheckedModule], None] | None = None,
) -> tuple[CheckedModule | None, list[Diagnostic]]:
    """Check the entry *module* of a policy.

    Args:
        load: Finds and parses imported modules.
        settings: Values from outside by qualified name: texts, numbers, lists, or `outside.Outside` with their origin.
        mode: Replaces the mode of the header.
        identity: What *load* calls the entry, so that an import of it is a cycle; its source's name unless given.
        seen: Is given the scopes and the tables that are about to be filled, for who (an editor) wants what was understood of
            a module with errors too.
    Returns:
        The checked module and warnings; or None and at least one error. In the order of the text.
    """
    refused = stages.unwritten(module)
    if refused is not None or module.header is None:
        return None, [refused] if refused is not None else []
    entry, problems = symbols.collect(module, load, identity or module.span.source.name)
    policy, told = stages.read_header(module.header, mode=mode)
    problems += told
    facts, told = schema.extend(schema.builtin(), [scope.module for scope in entry.walk()], currency=policy.currency)
    problems += told
    problems += symbols.clashes(entry, facts)
    checked = CheckedModule(policy, {scope.prefix[:-1]: scope.module for scope in entry.walk()}, facts)
    if seen is not None:
        seen(entry, checked)
    if told:
        return None, ordered(problems)
    walked = _walk(checked, entry, settings or {})
    problems += walked.problems
    _place(checked, entry, module.header, walked.found, walked.money, problems)
    problems += _unused(entry)
    if any(problem.is_error for problem in problems):
        return None, ordered(problems)
    problems += coherence.check(checked)
    return (None if any(problem.is_error for problem in problems) else checked), ordered(problems)


def _walk(checked: CheckedModule, entry: Scope, outside: Mapping[str, object]) -> Items:
    items = Items(checked, entry)
    checked.settings = settings.resolve(items, entry, outside)
    for scope in entry.walk():
        items.walk(scope)
    return items


def _place(
    checked: CheckedModule, entry: Scope, header: ast.Header, found: Found, money: ast.Node | None,
    problems: list[Diagnostic]
) -> None:
    checked.waivers = stages.waivers_of(entry, checked.references, checked.policy.timezone)
    checked.rules, told = stages.place_rules(entry, header, checked.policy, checked.waivers)
    problems += told
    problems += stages.names_currency(header, checked.policy, money)
    if not any(problem.is_error for problem in problems):
        problems += stages.decides_nothing(entry, header) if not checked.rules else ()
    if not any(problem.is_error for problem in problems):
        problems += stages.must_say(entry, header, checked.policy, checked.rules, found)
    scopes = list(entry.walk())
    checked.sizes = tuple(SizeInfo(scope.prefix + size_id, size) for scope in scopes for size_id,
                          size in scope.sizes.items())
    own = entry.module.items
    answers = [item for item in own if isinstance(item, ast.Answer)]
    if len(answers) > 1:
        problems.append(at(codes_names.DUPLICATE, "a policy has one `answer`", answers[1].span, "again",
                           also=[(answers[0].span, "first here")]))
    checked.answer = answers[0] if answers else None
    checked.emits = tuple(item for scope in scopes for item in scope.module.items if isinstance(item, ast.Emit))
    checked.tests = tuple(item for item in own if isinstance(item, ast.Test))
    checked.properties = tuple(item for item in own if isinstance(item, ast.Property))


def _unused(entry: Scope) -> Iterable[Diagnostic]:
    for scope in entry.walk():
        for alias, below in scope.imports.items():
            if alias not in scope.used and not below.does_something:
                assert below.use is not None
                yield at(codes_names.UNUSED_IMPORT, f"nothing uses `{alias}`", below.use.target_span, "unused import")


def ordered(problems: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Sorted by place, and each once: what is said twice of one place with the same words is one finding."""
    seen: dict[tuple[str, int, int, str, str], Diagnostic] = {}
    for problem in sorted(problems, key=Diagnostic.sort_key):
        seen.setdefault(problem.sort_key(), problem)
    return list(seen.values())
