"""Which tests a path holds: entry policies, packs under a neutral header, and files of tests beside a policy."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from caplex.compiler import driver, loading
from caplex.compiler.diagnostics import codes_stages
from caplex.compiler.diagnostics.diagnostic import Diagnostic
from caplex.compiler.semantics.analyse import analyse, ordered
from caplex.compiler.semantics.model import CheckedModule
from caplex.compiler.semantics.neutral import neutral_header as neutral_header
from caplex.compiler.semantics.neutral import under_neutral
from caplex.compiler.semantics.report import at
from caplex.compiler.syntax import ast
from caplex.compiler.syntax.parser import parse
from caplex.compiler.syntax.reading import read_source
from caplex.compiler.testing.model import Entry, Suite
from caplex.compiler.testing.variants import Compiled, RefusedSetting, Settings, Variants, opened
from caplex.runtime.errors import PolicyError
from caplex.runtime.policy import Policy


def collect(*paths: str | Path, settings: Mapping[str, Any] | None = None, mode: driver.Mode | None = None) -> Suite:
    """The tests of *paths*; of a folder those of every file in it, of a file of tests those that stand in it."""
    from caplex.compiler.tools.folders import policies_in

    asked: dict[Path, dict[Path, None]] = {}
    for path in map(Path, paths):
        for file in policies_in(path) if path.is_dir() else [path]:
            asked.setdefault(driver.subject_of(file), {})[file] = None
    entries = []
    for path, files in asked.items():
        entry = entry_of(path, settings=settings, mode=mode)
        if path not in files:
            names = {str(file) for file in files}
            entry = replace(entry, tests=tuple(test for test in entry.tests if test.span.source.name in names))
        entries.append(entry)
    return Suite(tuple(entries))


def entry_of(path: Path, *, settings: Mapping[str, Any] | None = None, mode: driver.Mode | None = None) -> Entry:
    """The policy in *path* with its tests, compiled. A pack without tests is left as it is: it may lean on who imports it."""
    ids = count()
    module, problems = _parsed(path, ids)
    files = [path]
    tests: list[ast.Item] = []
    beside = path.with_name(path.name.removesuffix(".cap") + driver.TESTS)
    if beside.is_file() and driver.subject_of(beside) == path:
        more, told = _parsed(beside, ids)
        problems += told
        files.append(beside)
        tests += more.items if more is not None else ()
        problems += driver.misplaced(tests)
    if module is None or any(each.is_error for each in problems):
        return Entry(path, tuple(files), module, False, (), None, None, tuple(ordered(problems)))
    whole = replace(module, items=(*module.items, *tests))
    own = tuple(item for item in whole.items if isinstance(item, ast.Test))
    pack = module.header is None
    if pack and not any(isinstance(item, ast.Test | ast.Property) for item in whole.items):
        return Entry(path, tuple(files), whole, True, (), None, None, tuple(ordered(problems)))
    if pack and path.name.endswith(driver.TESTS):
        missing = path.name.removesuffix(driver.TESTS) + ".cap"
        alone = at(codes_stages.NO_POLICY, f"no `{missing}` lies beside this file of tests", own[0].span if own else module.span, "tests of what?",
                   help=f"put it beside `{missing}`, or begin it with a header: `policy name {{ … }}`")
        return Entry(path, tuple(files), whole, False, (), None, None, (alone,))
    if pack:
        identity = str(path.resolve())
        whole = under_neutral(whole, driver.Files(count(10**9), identity, path.parent), identity, path.stem, ids)
    checked, policy, found = compiled(whole, path, settings=settings, mode=mode, ids=ids)
    variants = variants_of(opened(whole) if pack else whole, path, settings=settings, mode=mode)
    return Entry(path, tuple(files), whole, pack, own, checked, policy, tuple(ordered([*problems, *found])), variants)


def variants_of(module: ast.Module, path: Path, *, settings: Mapping[str, Any] | None = None, mode: driver.Mode | None = None) -> Variants:
    """*module*, which compiles, under settings that its tests give."""
    def under(given: Settings) -> Compiled:
        checked, policy, problems = compiled(module, path, settings={**(settings or {}), **given}, mode=mode)
        if checked is None or policy is None:
            first = next(each for each in problems if each.is_error)
            raise RefusedSetting(f"{first.message}: settings that a test gives move as from outside")
        return checked, policy

    return Variants(under)


def compiled(
    module: ast.Module, path: Path, *, settings: Mapping[str, Any] | None = None, mode: driver.Mode | None = None, ids: Any = None,
) -> tuple[CheckedModule | None, Policy | None, list[Diagnostic]]:
    """*module*, which stands in *path*, checked and compiled. A tree that was changed keeps the ids of its tests."""
    values = dict(settings or {})
    identity = str(path.resolve())
    load = driver.Files(ids if ids is not None else count(10**9), identity, path.parent)
    checked, problems = analyse(module, load=load, settings=values, mode=mode, identity=identity)
    if checked is None:
        return None, None, problems
    try:
        return checked, loading.policy_of(checked, problems, values, mode), problems
    except PolicyError:
        return None, None, problems


def _parsed(path: Path, ids: Any) -> tuple[ast.Module | None, list[Diagnostic]]:
    source, problems = read_source(path)
    if source is None:
        return None, list(problems)
    module, told = parse(source, ids=ids)
    return module, [*problems, *told]
