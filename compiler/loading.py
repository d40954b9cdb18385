"""From a file or a text to a `Policy`: the one way in, for Python and for the command line."""
from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from caplex.compiler.codegen import artifact
from caplex.compiler.collecting import paused
from caplex.compiler.source import is_sealed

if TYPE_CHECKING:
    from caplex.compiler.diagnostics.diagnostic import Diagnostic
    from caplex.compiler.semantics.model import CheckedModule
    from caplex.runtime.errors import PolicyError
    from caplex.runtime.plan import Plan
    from caplex.runtime.policy import Policy
    from caplex.runtime.schema import Schema

# Parser, checker and runtime are imported where they are needed: what comes from the cache needs no parser, and what
# only checks decides nothing.

_STANDARD = "stdlib/"
_MARK = b"\xef\xbb\xbf"
Mode = Literal["enforce", "monitor"]
Settings = Mapping[str, Any] | str | Path | None


def load(path: str | Path, *, settings: Settings = None, mode: Mode | None = None) -> Policy:
    """The policy in the file *path*, compiled; from the cache if nothing that went into it has changed.

    Args:
        settings: Values from outside by name, or a YAML file of them. They move only to the safer side.
        mode: Overrides the mode of the header.
    Raises:
        PolicyError: It does not compile; `.diagnostics` say why.
    """
    values = resolve_settings(settings)
    name, known = _name(path, values, mode)
    kept = artifact.read(name, known) if name else None
    if kept is not None and kept.plan:
        plan = _thawed(kept.plan)
        if plan is not None:
            return _policy(plan)
    from caplex.compiler import driver

    with paused(settled=True):
        if is_sealed(path):
            return _policy(_unsealed(path, values, mode, name, known)[0])
        checked, diagnostics = driver.check_path(Path(path), settings=values, mode=mode)
        plan, frozen = _compile(checked, diagnostics, values, mode)
        _keep(name, checked, diagnostics, frozen)
    return _policy(plan)


def loads(text: str, *, name: str = "policy.cap", settings: Settings = None, mode: Mode | None = None) -> Policy:
    """The policy in *text*; *name* is what messages call it. Raises PolicyError."""
    from caplex.compiler import driver
    from caplex.compiler.source import Source

    values = resolve_settings(settings)
    with paused(settled=True):
        checked, diagnostics = driver.check_source(Source(name, text), settings=values, mode=mode)
        return _policy(_compile(checked, diagnostics, values, mode)[0])


compile_text = loads


def check(*paths: str | Path, settings: Settings = None, mode: Mode | None = None) -> list[Diagnostic]:
    """Diagnostics of the policies in *paths*, in order; files only. From the cache where nothing has changed.

    Args:
        settings, mode: From outside, as of `load`.
    Raises:
        PolicyError: The settings cannot be read.
    """
    values = resolve_settings(settings)
    return [found for path in paths for found in _check(path, values, mode)]


def _check(path: str | Path, values: Mapping[str, Any], mode: Mode | None) -> list[Diagnostic]:
    name, known = _name(path, values, mode)
    kept = artifact.read(name, known) if name else None
    found = artifact.load(kept.diagnostics) if kept is not None else None
    if isinstance(found, list):
        return found
    from caplex.compiler import driver

    with paused():
        if is_sealed(path):
            return _said_of(path, values, mode, name, known)
        checked, diagnostics = driver.check_path(Path(path), settings=values, mode=mode, alone=True)
        if name and checked is not None and not any(found.is_error for found in diagnostics):
            # Whoever checks a policy decides with it next: then that finds it compiled.
            _keep(name, checked, diagnostics, _compile(checked, diagnostics, values, mode)[1])
    return diagnostics


def check_text(text: str, *, name: str = "policy.cap") -> list[Diagnostic]:
    """Diagnostics of the policy in *text*."""
    from caplex.compiler import driver
    from caplex.compiler.source import Source

    with paused():
        return driver.check_source(Source(name, text))[1]


def resolve_settings(settings: Settings) -> dict[str, Any]:
    """Settings by name, from a mapping or a YAML file."""
    if settings is None:
        return {}
    if isinstance(settings, Mapping):
        return dict(settings)
    from caplex.compiler.tools.settings_file import read_settings

    return read_settings(Path(settings))


def policy_of(checked: CheckedModule | None, diagnostics: list[Diagnostic], values: Mapping[str, Any], mode: str | None) -> Policy:
    """The policy of a module that was checked with these settings and this mode. Raises PolicyError."""
    return _policy(_compile(checked, diagnostics, values, mode)[0])


def _policy(plan: Plan) -> Policy:
    from caplex.runtime.policy import Policy

    return Policy(plan)


def _compile(
    checked: CheckedModule | None, diagnostics: list[Diagnostic], values: Mapping[str, Any], mode: str | None,
) -> tuple[Plan, bytes]:
    """The plan of a checked policy, and the same as bytes; these are empty if it cannot be kept. Raises PolicyError."""
    from caplex.compiler.codegen import plans
    from caplex.compiler.codegen.assemble import Assembler
    from caplex.compiler.graph.build import build
    from caplex.compiler.semantics.outside import recorded
    from caplex.runtime.canonical import sha256_bytes as sha256

    if checked is None or any(found.is_error for found in diagnostics):
        raise _refusal(diagnostics)
    with paused():
        graph = build(checked)
        assembler = Assembler(graph)
        generated = assembler.generate()
        sources = {module.span.source.name: module.span.source.text for module in checked.modules.values()}
        by_alias = sorted((alias, module.span.source.text) for alias, module in checked.modules.items())
        hashes = {  # by alias, not by path: the same policy has the same hash wherever it lies
            "hash": sha256(json.dumps([graph.policy.mode, by_alias]).encode()),
            "settings_hash": sha256(json.dumps(sorted((name, _stable(info.value)) for name, info in checked.settings.items())).encode()),
        }
        given = {"settings": {name: recorded(value) for name, value in sorted(values.items())}, "mode": mode}
        code = plans.code_of(graph.policy.name, generated)
        plan = assembler.plan(generated, code=code, sources=sources, given=given, **hashes)
        return plan, plans.freeze(plan, generated, code)


def _refusal(diagnostics: list[Diagnostic]) -> PolicyError:
    from caplex.compiler.diagnostics.render import render
    from caplex.runtime.errors import PolicyError

    message = "\n\n".join(render(found) for found in diagnostics if found.is_error) or "the policy does not compile"
    return PolicyError(message, diagnostics=diagnostics)


def builtin_schema() -> Schema:
    """The built-in facts; from the cache, so that a page of one needs no parser."""
    name = artifact.key("facts")
    kept = artifact.read(name)
    known = artifact.load(kept.plan) if kept is not None else None
    if known is not None:
        return cast("Schema", known)
    from caplex.compiler.semantics.schema import builtin

    found = builtin()
    artifact.write(name, artifact.Artifact((), b"", artifact.dump(found) or b""))
    return found


def _stable(value: object) -> str:
    """*value* as the hash of the settings takes it; of a set the members sorted, as its own order changes from process to process."""
    return f"frozenset({{{', '.join(sorted(map(repr, value)))}}})" if isinstance(value, frozenset) and value else str(value)


# ── sealed policies ───────────────────────────────────────────────────────────────────────────────────


def _unsealed(
    path: str | Path, values: Mapping[str, Any], mode: Mode | None, name: str, known: tuple[str, str],
) -> tuple[Plan, list[Diagnostic]]:
    """The plan of the sealed file *path*, and what checking it found. Raises PolicyError."""
    from caplex.compiler import driver
    from caplex.compiler.sealed import read

    sealed, diagnostics = read(path)
    if sealed is None:
        raise _refusal(diagnostics)
    checked, diagnostics = driver.check_sealed(sealed, values, mode)
    under, way, _ = sealed.under(values, mode)
    plan, frozen = _compile(checked, diagnostics, under, way)
    if not values and mode is None and (found := sealed.differs(plan)):
        raise _refusal(found)
    told = artifact.dump(diagnostics)
    if name and told is not None:
        artifact.write(name, artifact.Artifact((known,), told, frozen))
    return plan, diagnostics


def _said_of(path: str | Path, values: Mapping[str, Any], mode: Mode | None, name: str, known: tuple[str, str]) -> list[Diagnostic]:
    from caplex.runtime.errors import PolicyError

    try:
        return _unsealed(path, values, mode, name, known)[1]
    except PolicyError as error:
        return list(error.diagnostics)


# ── the cache ─────────────────────────────────────────────────────────────────────────────────────────


def _name(path: str | Path, settings: Mapping[str, Any], mode: str | None) -> tuple[str, tuple[str, str]]:
    """What the artifact of this policy is called, and the file with its hash; empty if it cannot be read."""
    try:
        digest = artifact.digest_of(path)
        where = str(Path(path).resolve())
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return "", ("", "")
    return artifact.key(str(path), where, digest, json.dumps(settings, sort_keys=True, default=repr), mode or ""), (where, digest)


def _keep(name: str, checked: CheckedModule | None, diagnostics: list[Diagnostic], plan: bytes) -> None:
    """Store what was found, if all files are still as they were read."""
    files = []
    told = artifact.dump(diagnostics)
    if not name or checked is None or told is None:
        return
    for source in {id(module.span.source): module.span.source for module in checked.modules.values()}.values():
        file = Path(source.name)
        if source.name.startswith(_STANDARD) and not file.is_file():
            continue  # part of the engine, which the name speaks for
        try:
            content = file.read_bytes()
        except OSError:
            return
        if content.removeprefix(_MARK) != source.text.encode():
            return
        files.append((str(file.resolve()), artifact.sha256(content)))
    artifact.write(name, artifact.Artifact(tuple(sorted(set(files))), told, plan))


def _thawed(data: bytes | memoryview) -> Plan | None:
    from caplex.compiler.codegen import plans

    try:
        return plans.thaw(data)
    except plans.DAMAGED:
        return None
