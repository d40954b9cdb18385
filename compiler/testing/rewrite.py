"""Trees with one part changed: the rest is shared, ids and places stay as they are."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from typing import Any, TypeVar

from caplex.compiler.syntax import ast

T = TypeVar("T")
_DROPPED: Any = object()


def swapped(tree: T, old: ast.Node, new: ast.Node | None) -> T:
    """*tree* with *new* in the place of the very node *old*; None takes it away, from a list or from where it may be absent."""
    found = _swapped(tree, old, new)
    assert found is not _DROPPED, "a tree cannot be taken away from itself"
    return found  # type: ignore[no-any-return]


def _swapped(value: Any, old: ast.Node, new: ast.Node | None) -> Any:
    if value is old:
        return _DROPPED if new is None else new
    if isinstance(value, tuple):
        parts = [_swapped(part, old, new) for part in value]
        if all(mine is theirs for mine, theirs in zip(parts, value, strict=True)):
            return value
        return tuple(part for part in parts if part is not _DROPPED)
    if not isinstance(value, ast.Node) or not _inside(value, old):
        return value
    changed: dict[str, Any] = {}
    for name in _names(type(value)):
        mine = getattr(value, name)
        theirs = _swapped(mine, old, new)
        if theirs is not mine:
            changed[name] = None if theirs is _DROPPED else theirs
    return _replaced(value, changed) if changed else value


def _replaced(value: Any, changed: dict[str, Any]) -> Any:
    return replace(value, **changed)


def _inside(value: ast.Node, old: ast.Node) -> bool:
    """A cheap look before a dear one: what stands elsewhere in the text is not below."""
    outer, inner = value.span, old.span
    return outer.source is not inner.source or (outer.start <= inner.start and inner.end <= outer.end)


_KNOWN: dict[str, tuple[str, ...]] = {}


def _names(kind: type[ast.Node]) -> tuple[str, ...]:
    found = _KNOWN.get(kind.__name__)
    if found is None:
        found = _KNOWN[kind.__name__] = tuple(each.name for each in fields(kind) if each.name not in ("id", "span", "target_span"))
    return found


def walk(value: Any, *, into: Callable[[ast.Node], bool] = lambda node: True) -> Iterator[ast.Node]:
    """*value* and all nodes below it, in the order of the text; *into* says whether to look below a node."""
    if isinstance(value, ast.Node):
        yield value
        if into(value):
            for name in _names(type(value)):
                yield from walk(getattr(value, name), into=into)
    elif isinstance(value, tuple):
        for each in value:
            yield from walk(each, into=into)
