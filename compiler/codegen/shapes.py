"""Python's compiler is called once for functions that are the same but for constants and slots.

Ten thousand rules have some dozens of shapes. A function is compiled when its shape is met for the first time; for each
further one the code object is copied with other names and numbers in it, which takes a tenth of the time. The result is what
compiling the whole source would give (tests/codegen/test_shapes.py), but for the columns that a traceback would underline.
"""
from __future__ import annotations

import re
from types import CodeType

_FUNCTION = re.compile(r"^def (\w+)\(([^)]*)\):", re.M)
# What differs: the function's own constants, slots, and lines of its own for what it uses twice.
_OWN = re.compile(r"\b([kv])([0-9]+)\b|\bs\[([0-9]+)\]")
_DIGIT = re.compile(r"(?<![\w.])[0-9]")


def compiled(filename: str, body: str) -> tuple[CodeType, ...]:
    """The code of each function in *body*, which holds nothing else."""
    known: dict[str, tuple[CodeType, list[str], list[int]]] = {}
    found = []
    starts = [match.start() for match in _FUNCTION.finditer(body)]
    line = 1
    for begin, end in zip(starts, [*starts[1:], len(body)], strict=True):
        text = body[begin:end]
        shape, name, words, slots = _shape(text)
        if shape not in known:
            module = compile(text, filename, "exec")
            known[shape] = next(each for each in module.co_consts if isinstance(each, CodeType)), words, slots
        code, old_words, old_slots = known[shape]
        found.append(_copied(code, name, line, dict(zip(old_words, words, strict=True)), dict(zip(old_slots, slots, strict=True))))
        line += text.count("\n")
    return tuple(found)


def _shape(text: str) -> tuple[str, str, list[str], list[int]]:
    """*text* without what differs; its name, and what differs: words and slots in the order of their first places."""
    head = _FUNCTION.match(text)
    assert head is not None
    name = head[1]
    words: dict[str, int] = {}
    slots: dict[int, int] = {}

    def blank(match: re.Match[str]) -> str:
        if match[3] is not None:
            return f"s[#{_letters(slots.setdefault(int(match[3]), len(slots)))}]"
        return f"{match[1]}#{_letters(words.setdefault(match[0], len(words)))}"

    shape = f"({head[2]}):" + _OWN.sub(blank, text[head.end() :])
    if ("lambda" in shape and "v#" in shape) or _DIGIT.search(shape):  # cells stand in the order of their names; a number might be taken for a slot
        return text, name, [], []
    return shape, name, list(words), list(slots)


def _letters(number: int) -> str:
    """A number without digits."""
    return str(number).translate(_NO_DIGITS)


_NO_DIGITS = str.maketrans("0123456789", "abcdefghij")


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
