"""Places in a facts document, as people write them: ``account.equity``, ``market["BRK.B"].price``, ``orders[0].price``."""
from __future__ import annotations

import re
from typing import Any

_STEP = re.compile(r'\.?([A-Za-z_][A-Za-z0-9_-]*)|\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]')
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*\Z")


class BadPath(ValueError):
    """The text is no path, or the document has nothing there; the message is a clause that says which."""


def steps(path: str) -> tuple[str | int, ...]:
    """Names of keys and numbers of items, in order. Raises BadPath."""
    found: list[str | int] = []
    at = 0
    while at < len(path):
        match = _STEP.match(path, at)
        if match is None or (at == 0 and path.startswith((".", "["))):
            raise BadPath(f"`{path}` is no path: write account.equity, market[\"AAPL\"].price or orders[0].price")
        name, quoted, number = match.groups()
        found.append(int(number) if number is not None else name if name is not None else re.sub(r"\\(.)", r"\1", quoted))
        at = match.end()
    if not found:
        raise BadPath("the path is empty")
    return tuple(found)


def write(parts: tuple[str | int, ...]) -> str:
    """The path with these steps."""
    text = ""
    for part in parts:
        if isinstance(part, int):
            text += f"[{part}]"
        elif text and not _PLAIN.match(part):
            text += '["' + part.replace("\\", "\\\\").replace('"', '\\"') + '"]'
        else:
            text += ("." if text else "") + part
    return text


def changed(document: Any, path: str, value: Any) -> Any:
    """*document* with *value* at *path*; the given one stays as it was. Objects on the way are made, items of lists are not.

    Raises:
        BadPath: *path* is none, or leads through something that is no object or list.
    """
    return _changed(document, steps(path), value, path)


def _changed(here: Any, rest: tuple[str | int, ...], value: Any, path: str) -> Any:
    if not rest:
        return value
    step = rest[0]
    if isinstance(step, str) and (here is None or isinstance(here, dict)):
        held = here or {}
        return {**held, step: _changed(held.get(step), rest[1:], value, path)}
    if isinstance(step, int) and isinstance(here, list) and step < len(here):
        return [_changed(item, rest[1:], value, path) if at == step else item for at, item in enumerate(here)]
    raise BadPath(f"`{path}`: the facts have no `{step}` there")
