"""Settings, and other flat documents, from a YAML file, with the place of what is wrong."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caplex.compiler.semantics.outside import KEYS, TERMS, Outside
from caplex.compiler.source import Source, Span
from caplex.runtime.errors import PolicyError

if TYPE_CHECKING:
    from ruamel.yaml.nodes import Node

_DEEPEST = 8
_BOOLS = {"true": True, "false": False}


def read_settings(path: Path) -> dict[str, Outside]:
    """Settings by name, each with its place in the file; numbers keep their digits.

    A mapping with ``approved_by``, ``through`` or ``ticket`` is one setting and its approval (``value:`` is what it is set to);
    any other mapping groups the settings of an import: ``sanity: {price_collar: 5%}`` is `sanity.price_collar`.

    Raises:
        PolicyError: The file is missing, no YAML, or does not map names to values; the message names the line and `diagnostics` the place.
    """
    from ruamel.yaml.nodes import MappingNode

    text = _text_of(path, "settings file")
    root = _compose(path, text, "settings file")
    if root is None:
        return {}
    if not isinstance(root, MappingNode):
        raise PolicyError(f"{path}:1: a settings file maps names to values, `max_position: 8%`")
    return dict(_settings(root, Source(str(path), text), "", 0))


def _settings(mapping: Any, source: Source, prefix: str, depth: int) -> Iterator[tuple[str, Outside]]:
    from ruamel.yaml.nodes import MappingNode

    seen: dict[str, Node] = {}
    for key, value in mapping.value:
        name = _key(key, source, seen)
        if not isinstance(value, MappingNode):
            yield prefix + name, _value(value, source)
        elif any(_key(term, source, {}) in TERMS for term, _ in value.value):
            yield prefix + name, _approved(value, source)
        elif depth >= _DEEPEST:
            raise _wrong(source, value, f"`{prefix}{name}` is nested too deeply", "settings of an import are `alias.name`")
        else:
            yield from _settings(value, source, f"{prefix}{name}.", depth + 1)


def _value(node: Any, source: Source) -> Outside:
    from ruamel.yaml.nodes import ScalarNode, SequenceNode

    span, origin = _span(node, source), _origin(node, source)
    if isinstance(node, ScalarNode):
        plain = node.style is None and span.text == node.value
        return Outside(_BOOLS.get(node.value, node.value) if node.style is None else node.value, origin, span, plain)
    assert isinstance(node, SequenceNode)
    for item in node.value:
        if not isinstance(item, ScalarNode):
            raise _wrong(source, item, "a list of values holds single values", 'write `["SPY", "QQQ"]`')
    return Outside([item.value for item in node.value], origin, span)


def _approved(node: Any, source: Source) -> Outside:
    """``{value: 3x, approved_by: CRO, through: 2026-03-31, ticket: RISK-412}``; a term that does not exist is told by whoever knows the setting."""
    from ruamel.yaml.nodes import ScalarNode

    seen: dict[str, Node] = {}
    found = {_key(key, source, seen): value for key, value in node.value}
    if "value" not in found:
        raise _wrong(source, node, "an approval has no `value`", "write `{value: 3x, approved_by: CRO, through: 2026-03-31}`")
    terms: dict[str, Any] = {}
    for term in TERMS:
        if term in found:
            if not isinstance(found[term], ScalarNode):
                raise _wrong(source, found[term], f"`{term}` is one text", "write it behind the colon")
            terms[term] = found[term].value
    value = _value(found["value"], source)
    return Outside(value.value, value.origin, value.span, value.plain, unknown=tuple(sorted(found.keys() - set(KEYS[:4]))), **terms)


def _key(node: Any, source: Source, seen: dict[str, Node]) -> str:
    from ruamel.yaml.nodes import ScalarNode

    if not isinstance(node, ScalarNode) or not isinstance(node.value, str):
        raise _wrong(source, node, "a name of a setting stands before each colon", "write `max_position: 8%`")
    name: str = node.value
    if name in seen:
        first = seen[name].start_mark.line + 1
        raise _wrong(source, node, f"`{name}` stands twice: duplicate key, first on line {first}", "keep one of the two")
    seen[name] = node
    return name


def _span(node: Any, source: Source) -> Span:
    return Span(source, node.start_mark.index, node.end_mark.index)


def _origin(node: Any, source: Source) -> str:
    return f"{source.name}:{node.start_mark.line + 1}"


def _wrong(source: Source, node: Any, message: str, help: str) -> PolicyError:
    from caplex.compiler.diagnostics import codes_input
    from caplex.compiler.diagnostics.diagnostic import Diagnostic

    mark = node.start_mark
    found = Diagnostic(codes_input.BAD_SETTINGS_FILE, message, _span(node, source), help=help)
    return PolicyError(f"{source.name}:{mark.line + 1}:{mark.column + 1}: {message}; {help}", diagnostics=[found])


def _text_of(path: Path, kind: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(f"{path}: the {kind} cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}") from None


def _compose(path: Path, text: str, kind: str) -> Any:
    """The tree of the one document in *text*; None if it is empty."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        return YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise PolicyError(f"{path}:{mark.line + 1 if mark is not None else 1}: {error.problem}") from None
    except (YAMLError, ValueError, RecursionError) as error:
        raise PolicyError(f"{path}: no {kind}: {error}") from None


def read_mapping(path: Path, kind: str, cure: str, *, times_as_text: bool = False) -> dict[str, Any]:
    """The mapping in a YAML file that people call a *kind*; what it is instead of a mapping is answered with *cure*.

    Raises:
        PolicyError: The file is missing, no YAML, or no mapping of names; the message names the line.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.constructor import SafeConstructor
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    class Exact(SafeConstructor):
        """Numbers with a point keep their digits."""

    Exact.add_constructor("tag:yaml.org,2002:float", lambda _, node: str(node.value))
    if times_as_text:
        Exact.add_constructor("tag:yaml.org,2002:timestamp", lambda _, node: str(node.value))

    text = _text_of(path, kind)
    yaml = YAML(typ="safe", pure=True)
    yaml.allow_duplicate_keys = False
    yaml.Constructor = Exact
    try:
        loaded = yaml.load(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else 1
        raise PolicyError(f"{path}:{line}: {error.problem}") from None
    except (YAMLError, ValueError, RecursionError) as error:
        raise PolicyError(f"{path}: no {kind}: {error}") from None
    if loaded is None:
        return {}
    if not isinstance(loaded, dict) or not all(isinstance(key, str) for key in loaded):
        raise PolicyError(f"{path}:1: a {kind} {cure}")
    return dict(loaded)
