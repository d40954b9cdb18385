"""A plan as bytes, in parts that are unpacked when somebody asks for them.

A host that loads ten thousand rules wants to decide: it needs slots, settings and the fused form. Rules with their readings,
texts and generated source are needed by explanations, engines and readers; until one of them asks, they stay bytes.
Data are pickled as they are, functions by their names in byte code that is kept beside them.
"""
from __future__ import annotations

import io
import marshal
import pickle
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from fractions import Fraction
from operator import attrgetter
from threading import RLock
from types import FunctionType
from typing import TYPE_CHECKING, Any
from weakref import ref

from caplex.compiler.codegen import shapes
from caplex.compiler.codegen.link import FUSED_LIBRARY, compiled, link
from caplex.runtime import operators, values
from caplex.runtime.plan import Plan

if TYPE_CHECKING:
    from caplex.compiler.codegen.assemble import Generated

FUSED = " fused"
# There is one of each, and code asks for it with `is`: a copy would be a number like any other.
_ONLY: dict[str, Any] = {"UNLIMITED": values.UNLIMITED, "ABSENT": values.ABSENT, "TRAP": operators.TRAP}
_NAME_OF = {id(value): name for name, value in _ONLY.items()}
DAMAGED = (pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError, KeyError, ValueError, TypeError)
_FIELDS = tuple(Plan.__dataclass_fields__)
# What every decision needs is unpacked at once; texts are no pickles; each other field is a part of its own.
_AT_ONCE = ("header", "schema", "fused_slots", "fused_known", "fused_defaults", "hash", "settings_hash", "by_symbol", "keep_ns", "given")
_TEXTS = ("python", "graph_text")
# Built together, so that what they share stays one thing.
_TOGETHER = {"slots": ("slots", "settings")}
_PART_OF = {field: part for part, fields in _TOGETHER.items() for field in fields}
_Place = tuple[int, int]


def code_of(name: str, generated: Generated) -> tuple[bytes, bytes]:
    """Byte code of both forms of the policy *name*, marshalled."""
    fused = marshal.dumps(compiled(name + FUSED, generated.fused)) if generated.fused else b""
    return marshal.dumps(shapes.compiled(f"<cap {name}>", generated.traced)), fused


def freeze(plan: Plan, generated: Generated, code: tuple[bytes, bytes]) -> bytes:
    """*plan*, made from *generated*, as bytes; empty if it cannot be kept."""
    try:
        return _freeze(plan, generated, code)
    except (pickle.PicklingError, RecursionError, TypeError, AttributeError):
        return b""


def _freeze(plan: Plan, generated: Generated, code: tuple[bytes, bytes]) -> bytes:
    parts: dict[str, bytes] = {
        "traced constants": _dumps(generated.traced_constants), "traced code": code[0],
        "fused constants": _dumps({**generated.fused_constants, **FUSED_LIBRARY}), "fused code": code[1],
        "names": _dumps(tuple(rule.id for rule in plan.rules)),
    }
    for field in _FIELDS:
        if field in _TEXTS:
            parts[field] = getattr(plan, field).encode()
        elif field not in _AT_ONCE and _PART_OF.get(field, field) == field:
            parts[field] = _dumps([getattr(plan, each) for each in _TOGETHER.get(field, (field,))])
    places: dict[str, _Place] = {}
    at = 0
    for name, part in parts.items():
        places[name] = at, at + len(part)
        at += len(part)
    head = _dumps((places, at, _bodies(plan.python, generated), {field: getattr(plan, field) for field in _AT_ONCE}))
    return b"".join((len(head).to_bytes(4, "little"), head, *parts.values()))


def _bodies(python: str, generated: Generated) -> tuple[tuple[str, _Place], ...]:
    """Where the sources of both forms stand in the listing, so that they are kept once."""
    found = []
    for form, body in (("fused", generated.fused), ("traced", generated.traced)):
        begin = python.rfind(body) if body else 0
        if begin < 0:
            raise pickle.PicklingError(f"the listing does not hold the {form} form")
        found.append((form, (begin, begin + len(body))))
    return tuple(found)


def thaw(data: bytes | memoryview) -> Plan:
    """The plan in *data*, its functions linked anew when they are wanted. Raises one of `DAMAGED`."""
    data = memoryview(data)
    end = 4 + int.from_bytes(data[:4], "little")
    places, length, bodies, at_once = _Unpickler(data[4:end], _no_functions).load()
    if len(data) != end + length:
        raise ValueError("the parts are not whole")
    return KeptPlan.over(data[end:], places, dict(bodies), at_once)


class KeptPlan(Plan):
    """A plan that unpacks its fields when they are read for the first time, once, by whichever thread comes first."""

    __slots__ = ("__weakref__", "_bodies", "_data", "_lock", "_places", "_scopes")

    _data: memoryview
    _places: dict[str, _Place]
    _bodies: dict[str, _Place]
    _scopes: dict[str, dict[str, Any]]
    _lock: Any

    @classmethod
    def over(cls, data: memoryview, places: dict[str, _Place], bodies: dict[str, _Place], at_once: dict[str, Any]) -> KeptPlan:
        """Not the constructor: that of any plan takes its fields, for `dataclasses.replace`."""
        plan = cls.__new__(cls)
        plan._data, plan._places, plan._bodies, plan._scopes, plan._lock = data, places, bodies, {}, RLock()
        for field, value in at_once.items():
            setattr(plan, field, value)
        return plan

    def __getattr__(self, name: str) -> Any:
        """Called for a field that has not been set."""
        if name not in _FIELDS:
            raise AttributeError(name)
        with self._lock:
            part = _PART_OF.get(name, name)
            fields = _TOGETHER.get(part, (name,))
            try:
                return object.__getattribute__(self, name)  # another thread was faster
            except AttributeError:
                unpacked = [str(self._part(name), "utf-8")] if name in _TEXTS else self._unpickled(part)
                for field, value in zip(fields, unpacked, strict=True):
                    setattr(self, field, value)
                return unpacked[fields.index(name)]

    def names(self) -> tuple[str, ...]:
        try:
            found: tuple[str, ...] = self._unpickled("names")
        except AttributeError:  # made by `dataclasses.replace`, and unpacks nothing
            return super().names()
        return found

    def __reduce__(self) -> Any:
        raise TypeError("a plan that came from the cache is not pickled: load its policy again")

    def _part(self, name: str) -> memoryview:
        begin, end = self._places[name]
        return self._data[begin:end]

    def _unpickled(self, name: str) -> Any:
        return _Unpickler(self._part(name), self._function).load()

    def _body(self, form: str) -> str:
        begin, end = self._bodies[form]
        return self.python[begin:end]

    def _function(self, filename: str, name: str) -> Any:
        """The function *name* of one of the two forms, which is linked when the first is wanted."""
        form = "fused" if filename == f"<cap {self.header.name}{FUSED}>" else "traced"
        scope = self._scopes.get(form)
        if scope is None:
            title, this = self.header.name + (FUSED if form == "fused" else ""), ref(self)
            constants, code = self._unpickled(f"{form} constants"), marshal.loads(self._part(f"{form} code"))
            scope = self._scopes[form] = link(title, lambda: "" if (plan := this()) is None else plan._body(form), constants, code)
        return scope[name]


def _no_functions(filename: str, name: str) -> Any:
    raise pickle.UnpicklingError(f"`{name}` of {filename} stands where no function can be")


def _dumps(value: Any) -> bytes:
    into = io.BytesIO()
    _Pickler(into, protocol=5).dump(value)
    return into.getvalue()


def _linked(filename: str, name: str) -> Any:
    raise pickle.UnpicklingError(f"`{name}` of {filename}: a function of a policy is found by who unpacks its plan")


def _only(name: str) -> Any:
    return _ONLY[name]


def _taken(kind: type[Any]) -> Callable[[Any], Any] | None:
    """What takes from an instance all that its constructor takes, in order; None if that is not all there is to know of one.

    Python pickles a frozen dataclass with slots by asking for the names of its fields anew for each instance.
    """
    if not is_dataclass(kind) or "__getstate__" not in kind.__dict__ or hasattr(kind, "__post_init__"):
        return None
    given = fields(kind)
    plain = len(given) > 1 and all(each.init and not each.kw_only for each in given) and kind.__reduce__ is object.__reduce__
    return attrgetter(*(each.name for each in given)) if plain else None


# A fraction would be pickled as its text.
_TAKEN: dict[type[Any], Callable[[Any], Any] | None] = {Fraction: attrgetter("numerator", "denominator")}


class _Pickler(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        """Not `persistent_id`, which is asked for every number and text too."""
        kind = value.__class__
        taken = _TAKEN.get(kind)
        if taken is not None:
            return kind, taken(value)
        if kind is FunctionType and value.__code__.co_filename.startswith("<cap "):
            name = value.__name__
            if value.__globals__.get(name) != value:
                raise pickle.PicklingError(f"`{name}` is not a function of the generated source")
            return _linked, (value.__code__.co_filename, name)
        found = _NAME_OF.get(id(value))
        if found is not None:
            return _only, (found,)
        if kind not in _TAKEN:
            taken = _TAKEN[kind] = _taken(kind)
        return NotImplemented if taken is None else (kind, taken(value))


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: memoryview, function: Callable[[str, str], Any]) -> None:
        super().__init__(io.BytesIO(data))
        self._function = function

    def find_class(self, module: str, name: str) -> Any:
        return self._function if name == "_linked" and module == __name__ else super().find_class(module, name)
