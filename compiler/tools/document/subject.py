"""What a document is about: a compiled policy and its tree, from a file or from a policy that is loaded already."""
from __future__ import annotations

import os.path
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Literal

from caplex.compiler import driver
from caplex.compiler.loading import load, policy_of, resolve_settings
from caplex.compiler.semantics.analyse import analyse
from caplex.compiler.semantics.model import CheckedModule
from caplex.compiler.semantics.neutral import stands_alone, under_neutral
from caplex.compiler.source import is_sealed
from caplex.compiler.syntax import ast
from caplex.compiler.syntax.parser import parse
from caplex.compiler.syntax.reading import read_source
from caplex.runtime.errors import PolicyError
from caplex.runtime.policy import Policy

Mode = Literal["enforce", "monitor"]
PACKS = driver.STANDARD + "/"


@dataclass(frozen=True, slots=True)
class Subject:
    """A policy, its tree, and the files of tests that lie beside it.

    Attributes:
        module: It has no header of its own, and is told under the neutral one.
        beside: Modules that hold tests of it.
    """

    policy: Policy
    checked: CheckedModule
    module: bool = False
    beside: tuple[ast.Module, ...] = ()

    @property
    def entry(self) -> ast.Module:
        return self.checked.modules[""]

    def place(self, node: ast.Node) -> str:
        """``desk.cap:12``, from the folder of the policy: a page is the same wherever that lies."""
        return f"{self.file(node.span.source.name)}:{node.span.begin.line}"

    def file(self, name: str) -> str:
        if name.startswith(PACKS):
            return name
        folder = os.path.dirname(self.entry.span.source.name)
        return os.path.relpath(name, folder or ".").replace("\\", "/")

    def home(self, alias: str) -> str:
        """What the module imported as *alias* is called: ``stdlib.loss``, ``limits.cap``; empty for the policy itself."""
        if not alias:
            return ""
        name = self.checked.modules[alias].span.source.name
        return name.removesuffix(".cap").replace("/", ".") if name.startswith(PACKS) else self.file(name)


def of_policy(policy: Policy) -> Subject:
    """A policy that is loaded already; what it was compiled from is parsed once more. Raises PolicyError if it carries no texts."""
    sources, given = policy.plan.sources, policy.plan.given
    if not sources:
        raise PolicyError(f"`{policy.name}` does not carry the texts that it was compiled from; name its file instead")
    entry = next(iter(sources))
    checked, found = driver.check_texts(entry, sources, given.get("settings"), given.get("mode"))
    assert checked is not None, [each.message for each in found]
    return Subject(policy, checked, beside=_beside(Path(entry)))


def of_path(path: str | Path, settings: Any = None, mode: Mode | None = None) -> Subject:
    """The policy, or the module, in the file *path*; of a file of tests the policy that they are of.

    Raises:
        PolicyError: It does not compile, or the tests beside it do not parse.
    """
    if is_sealed(path):
        return of_policy(load(path, settings=settings, mode=mode))
    path, values = driver.subject_of(Path(path)), resolve_settings(settings)
    source, _ = read_source(path)
    module = parse(source)[0] if source is not None else None
    if module is not None and stands_alone(module):
        return _of_module(path, values, mode)
    checked, diagnostics = driver.check_path(path, settings=values, mode=mode)
    policy = policy_of(checked, diagnostics, values, mode)
    assert checked is not None
    return Subject(policy, checked, beside=_beside(path))


def _of_module(path: Path, values: Mapping[str, Any], mode: Mode | None) -> Subject:
    ids = count()
    source, _ = read_source(path)
    assert source is not None
    module, problems = parse(source, ids=ids)
    assert module is not None
    identity = str(path.resolve())
    headed = under_neutral(module, driver.Files(count(10**9), identity, path.parent), identity, path.stem, ids, own_currency=True)
    checked, found = analyse(headed, load=driver.Files(ids, identity, path.parent), settings=values, mode=mode, identity=identity)
    policy = policy_of(checked, [*problems, *found], values, mode)
    assert checked is not None
    return Subject(policy, checked, module=True, beside=_beside(path))


def _beside(path: Path) -> tuple[ast.Module, ...]:
    tests = path.with_name(path.name.removesuffix(".cap") + driver.TESTS)
    if not tests.is_file():
        return ()
    source, problems = read_source(tests)
    module = None
    if source is not None:
        module, problems = parse(source)
    wrong = [each for each in problems if each.is_error]
    if module is None or wrong:
        first = wrong[0].message if wrong else "it cannot be read"
        raise PolicyError(f"{tests}: the tests beside the policy cannot be told: {first}", diagnostics=wrong)
    return (module,)
