"""Generated source becomes callables, under a name that tracebacks and debuggers can show."""
from __future__ import annotations

import linecache
from types import CodeType
from typing import Any

from caplex.runtime import operators, values

LIBRARY: dict[str, Any] = {
    name: getattr(module, name)
    for module, names in (
        (values, ("divide", "less", "at_most", "equal", "differ", "at_least", "more", "both", "either", "negate")),
        (operators, ("need", "instead", "is_known", "choose", "largest", "smallest", "among", "members", "is_multiple", "rows_of", "fold")),
    )
    for name in names
}
FUSED_LIBRARY: dict[str, Any] = {"snap": operators.snap, "TRAP": operators.TRAP}
BUILTINS = {"abs": abs, "max": max, "min": min, "len": len}


def compiled(name: str, body: str) -> CodeType:
    return compile(body, f"<cap {name}>", "exec")


def link(name: str, body: str, constants: dict[str, Any], code: CodeType | None = None) -> dict[str, Any]:
    """Run *body*, which holds only names that the emitters chose; the author's texts arrive as *constants*.

    There is no sandbox: safety lies in the emitters, which never copy text of a policy into source.
    """
    filename = f"<cap {name}>"
    linecache.cache[filename] = (len(body), None, body.splitlines(True), filename)
    scope: dict[str, Any] = {"__builtins__": BUILTINS, **LIBRARY, **constants}
    exec(code or compiled(name, body), scope)
    return scope
