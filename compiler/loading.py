"""From a file or a text to a `Policy`: the one way in, for Python and for the command line."""
from __future__ import annotations

import gc
import json
import marshal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from caplex.compiler.codegen import artifact
from caplex.compiler.diagnostics.diagnostic import Diagnostic
from caplex.compiler.source import Source
from caplex.runtime.canonical import sha256_bytes as sha256
from caplex.runtime.errors import PolicyError
from caplex.runtime.policy import Policy

if TYPE_CHECKING:
    from caplex.compiler.semantics.model import CheckedModule

# Parser and checker are imported where they are needed: a policy from the cache needs neither.

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
    file = Path(path)
    name = ""
    try:
        text = file.read_bytes()
        name = artifact.key(str(path), str(file.resolve()), sha256(text), json.dumps(values, sort_keys=True, default=str), mode or "")
        kept = artifact.read(name)
    except OSError:
        kept = None
    if kept is not None:
        return _revive(kept.payload)
    from caplex.compiler import driver

    checked, diagnostics = driver.check_path(file, settings=values, mode=mode)
    policy, payload, files = _compile(checked, diagnostics, values, mode)
    if name:
        artifact.write(name, artifact.Artifact(payload, files))
    return policy


def loads(text: str, *, name: str = "policy.cap", settings: Settings = None, mode: Mode | None = None) -> Policy:
    """The policy in *text*; *name* is what messages call it. Raises PolicyError."""
    from caplex.compiler import driver

    values = resolve_settings(settings)
    checked, diagnostics = driver.check_source(Source(name, text), settings=values, mode=mode)
    return _compile(checked, diagnostics, values, mode)[0]


compile_text = loads


def check(*paths: str | Path) -> list[Diagnostic]:
    """Diagnostics of the policies in *paths*, in order; files only."""
    from caplex.compiler import driver

    return [found for path in paths for found in driver.check_path(Path(path))[1]]


def check_text(text: str, *, name: str = "policy.cap") -> list[Diagnostic]:
    """Diagnostics of the policy in *text*."""
    from caplex.compiler import driver

    return driver.check_source(Source(name, text))[1]


def resolve_settings(settings: Settings) -> dict[str, Any]:
    """Settings by name, from a mapping or a YAML file."""
    if settings is None:
        return {}
    if isinstance(settings, Mapping):
        return dict(settings)
    from caplex.compiler.tools.settings_file import read_settings

    return read_settings(Path(settings))


def _compile(
    checked: CheckedModule | None, diagnostics: list[Diagnostic], values: Mapping[str, Any], mode: str | None,
) -> tuple[Policy, Any, tuple[tuple[str, str], ...]]:
    from caplex.compiler.codegen.assemble import Assembler
    from caplex.compiler.diagnostics.render import render
    from caplex.compiler.graph.build import build

    errors = [found for found in diagnostics if found.is_error]
    if checked is None or errors:
        message = "\n\n".join(render(found) for found in errors) or "the policy does not compile"
        raise PolicyError(message, diagnostics=diagnostics)
    with _no_collection():
        graph = build(checked)
        assembler = Assembler(graph)
        generated = assembler.generate()
    sources = {module.span.source.name: module.span.source.text for module in checked.modules.values()}
    by_alias = sorted((alias, module.span.source.text) for alias, module in checked.modules.items())
    hashes = {  # by alias, not by path: the same policy has the same hash wherever it lies
        "hash": sha256(json.dumps([graph.policy.mode, by_alias]).encode()),
        "settings_hash": sha256(json.dumps(sorted((name, str(info.value)) for name, info in checked.settings.items())).encode()),
    }
    given = {"settings": {name: str(value) for name, value in values.items()}, "mode": mode}
    payload = (assembler, generated, {**hashes, "given": given}, sources, _code(graph.policy.name, generated))
    files = tuple((str(Path(name).resolve()), sha256(text.encode())) for name, text in sorted(sources.items()) if Path(name).is_file())
    return _revive(payload), payload, files


def _code(name: str, generated: Any) -> tuple[bytes, bytes]:
    from caplex.compiler.codegen.link import compiled

    return marshal.dumps(compiled(name, generated.traced)), marshal.dumps(compiled(name + " fused", generated.fused)) if generated.fused else b""


def _revive(payload: Any) -> Policy:
    """A policy from what the cache holds."""
    assembler, generated, hashes, sources, code = payload
    return Policy(assembler.plan(generated, code=code, sources=sources, **hashes))


@contextmanager
def _no_collection() -> Iterator[None]:
    """Building makes many objects that all stay: the collector would only walk them again and again."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()
