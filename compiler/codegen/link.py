"""Generated source becomes callables, under a name that tracebacks and debuggers can show."""
from __future__ import annotations

import linecache
from collections.abc import Callable, Sequence
from types import CodeType, FunctionType
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


class _Lines(Sequence[str]):
    """The lines of a generated source, parted when a traceback or a debugger asks for the first."""

    def __init__(self, body: str | Callable[[], str]) -> None:
        self._body = body
        self._lines: list[str] | None = None

    def _all(self) -> list[str]:
        if self._lines is None:
            self._lines = (self._body if isinstance(self._body, str) else self._body()).splitlines(True)
        return self._lines

    def __getitem__(self, at: Any) -> Any:
        return self._all()[at]

    def __len__(self) -> int:
        return len(self._all())


def compiled(name: str, body: str) -> CodeType:
    return compile(body, f"<cap {name}>", "exec")


def link(name: str, body: str | Callable[[], str], constants: dict[str, Any], code: CodeType | tuple[CodeType, ...] | None = None) -> dict[str, Any]:
    """Run *body*, which holds only names that the emitters chose; the author's texts arrive as *constants*.

    With its *code* at hand, whole or function by function, *body* may be a call that gives it, should a traceback ever want to show a line.

    There is no sandbox: safety lies in the emitters, which never copy text of a policy into source.
    """
    filename = f"<cap {name}>"
    linecache.cache[filename] = (0, None, _Lines(body), filename)  # type: ignore[assignment]  # nobody looks, unless something breaks
    scope: dict[str, Any] = {"__builtins__": BUILTINS, **LIBRARY, **constants}
    if code is None:
        assert isinstance(body, str)
        code = compiled(name, body)
    if isinstance(code, tuple):
        scope.update((each.co_name, FunctionType(each, scope)) for each in code)
    else:
        exec(code, scope)
    return scope
