"""Python's compiler is called once for functions that are the same but for constants and slots.

Ten thousand rules have some dozens of shapes. A function is compiled when its shape is met for the first time; for each
further one the code object is copied with other names and numbers in it, which takes a tenth of the time. The result is what
compiling the whole source would give (tests/codegen/test_shapes.py), but for the columns that a traceback would underline.
"""
from __future__ import annotations

import re
from collections.abc import Iterable
from types import CodeType
from typing import Any

_FUNCTION = re.compile(r"^def (\w+)\(([^)]*)\):", re.M)
# What differs: the function's own constants, slots, and lines of its own for what it uses twice.
_OWN = re.compile(r"\b([kv][0-9]+)\b|\bs\[([0-9]+)\]")
_DIGIT = re.compile(r"(?<![\w.])[0-9]")
_Known = tuple[CodeType, Iterable[str], Iterable[int]]


def compiled(filename: str, body: str) -> tuple[CodeType, ...]:
    """The code of each function in *body*, which holds nothing else."""
    known: dict[tuple[str | int, ...], _Known | None] = {}
    found = []
    heads = list(_FUNCTION.finditer(body))
    line = 1
    for head, end in zip(heads, [*(match.start() for match in heads[1:]), len(body)], strict=True):
        parts = _OWN.split(body[head.end() : end])
        shape, words, slots = _shape(head[2], parts)
        if shape not in known:
            known[shape] = (_function(filename, body[head.start() : end]), words, slots) if _alike(shape) else None
        model = known[shape]
        if model is None:
            found.append(_copied(_function(filename, body[head.start() : end]), head[1], line, {}, {}))
        else:
            code, old_words, old_slots = model
            found.append(_copied(code, head[1], line, dict(zip(old_words, words, strict=True)), dict(zip(old_slots, slots, strict=True))))
        line += body.count("\n", head.start(), end)
    return tuple(found)


def _function(filename: str, text: str) -> CodeType:
    return next(each for each in compile(text, filename, "exec").co_consts if isinstance(each, CodeType))


def _shape(arguments: str, parts: list[Any]) -> tuple[tuple[str | int, ...], Iterable[str], Iterable[int]]:
    """What functions alike have in common, and what differs: words and slots in the order of their first places."""
    words: dict[str, int] = {}
    slots: dict[int, int] = {}
    shape: list[str | int] = [arguments]
    shape += parts[::3]
    for word, slot in zip(parts[1::3], parts[2::3], strict=True):
        if word is None:
            shape.append(3 * slots.setdefault(int(slot), len(slots)))
        else:
            shape.append(3 * words.setdefault(word, len(words)) + (1 if word[0] == "k" else 2))
    return tuple(shape), words, slots


def _alike(shape: tuple[str | int, ...]) -> bool:
    """Is a function of this shape the same code but for what differs?"""
    texts = [part for part in shape if isinstance(part, str)]
    if any(_DIGIT.search(text) for text in texts):
        return False  # the number might be taken for a slot
    within = any("lambda" in text for text in texts)  # its cells stand in the order of their names
    return not (within and any(part % 3 == 2 for part in shape if isinstance(part, int)))


def _copied(code: CodeType, name: str, line: int, words: dict[str, str], slots: dict[int, int]) -> CodeType:
    return code.replace(
        co_name=name, co_qualname=name, co_firstlineno=line,
        co_names=tuple([words.get(each, each) for each in code.co_names]),
        co_varnames=tuple([words.get(each, each) for each in code.co_varnames]),
        co_consts=_constants(code, code.co_name, name, line, words, slots))


def _constants(code: CodeType, old: str, name: str, line: int, words: dict[str, str], slots: dict[int, int]) -> tuple[object, ...]:
    found: list[object] = []
    for each in code.co_consts:
        if each.__class__ is int:
            found.append(slots.get(each, each))
        elif isinstance(each, CodeType):  # a lambda, within one line
            found.append(each.replace(
                co_qualname=name + each.co_qualname[len(old):], co_firstlineno=each.co_firstlineno + line - 1,
                co_names=tuple([words.get(word, word) for word in each.co_names]),
                co_consts=_constants(each, old, name, line, words, slots)))
        else:
            found.append(each)
    return tuple(found)
