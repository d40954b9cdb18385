"""A plan as bytes: its data as they are, its functions by their names in byte code that is kept beside them."""
from __future__ import annotations

import io
import marshal
import pickle
from types import FunctionType
from typing import TYPE_CHECKING, Any

from caplex.compiler.codegen.link import FUSED_LIBRARY, compiled, link
from caplex.runtime import operators, values

if TYPE_CHECKING:
    from caplex.compiler.codegen.assemble import Generated
    from caplex.runtime.plan import Plan

FUSED = " fused"
# There is one of each, and code asks for it with `is`: a copy would be a number like any other.
_ONLY: dict[str, Any] = {"UNLIMITED": values.UNLIMITED, "ABSENT": values.ABSENT, "TRAP": operators.TRAP}
_NAME_OF = {id(value): name for name, value in _ONLY.items()}
DAMAGED = (pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError, KeyError, ValueError, TypeError)


def code_of(name: str, generated: Generated) -> tuple[bytes, bytes]:
    """Byte code of both forms of the policy *name*, marshalled."""
    fused = marshal.dumps(compiled(name + FUSED, generated.fused)) if generated.fused else b""
    return marshal.dumps(compiled(name, generated.traced)), fused


def freeze(plan: Plan, generated: Generated, code: tuple[bytes, bytes]) -> bytes:
    """*plan*, made from *generated*, as bytes; empty if it cannot be kept."""
    try:
        return _freeze(plan, generated, code)
    except (pickle.PicklingError, RecursionError, TypeError, AttributeError):
        return b""


def _freeze(plan: Plan, generated: Generated, code: tuple[bytes, bytes]) -> bytes:
    forms = (
        (plan.header.name, generated.traced, _dumps(generated.traced_constants), code[0]),
        (plan.header.name + FUSED, generated.fused, _dumps({**generated.fused_constants, **FUSED_LIBRARY}), code[1]),
    )
    return pickle.dumps((forms, _dumps(plan)), protocol=5)


def thaw(data: bytes) -> Plan:
    """The plan in *data*, its functions linked anew. Raises one of `DAMAGED`."""
    forms, kept = pickle.loads(data)
    scopes = {}
    for name, source, constants, code in forms:
        if source:
            scopes[f"<cap {name}>"] = link(name, source, _Unpickler(constants, {}).load(), marshal.loads(code))
    plan: Plan = _Unpickler(kept, scopes).load()
    return plan


def _dumps(value: Any) -> bytes:
    into = io.BytesIO()
    _Pickler(into, protocol=5).dump(value)
    return into.getvalue()


class _Pickler(pickle.Pickler):
    def persistent_id(self, value: Any) -> Any:
        if isinstance(value, FunctionType) and value.__code__.co_filename.startswith("<cap "):
            name = value.__name__
            if value.__globals__.get(name) != value:
                raise pickle.PicklingError(f"`{name}` is not a function of the generated source")
            return value.__code__.co_filename, name
        return _NAME_OF.get(id(value))


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: bytes, scopes: dict[str, dict[str, Any]]) -> None:
        super().__init__(io.BytesIO(data))
        self._scopes = scopes

    def persistent_load(self, name: Any) -> Any:
        if isinstance(name, str):
            return _ONLY[name]
        scope, function = name
        return self._scopes[scope][function]
