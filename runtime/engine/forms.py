"""Forms of answers as a store keeps them: what approvals of one kind say alike is written once, and each of them what it says differently."""
from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Final

from caplex.runtime.engine.lines import Form
from caplex.runtime.engine.packing import pack, unpack

_MOST: Final = 4096


class Forms:
    """Those of one store, by number. New ones count from when they were written: `fresh`, then `keep`; `drop` if they were not."""

    __slots__ = ("_by_content", "_by_number", "_fresh", "_known")

    def __init__(self, rows: Iterable[tuple[int, bytes]] = ()) -> None:
        """Raises ValueError: a row is damaged."""
        self._by_content: dict[bytes, int] = {}
        self._by_number: dict[int, Form] = {}
        self._known: dict[Form, int] = {}  # the same, by the very object
        self._fresh: dict[int, tuple[Form, bytes]] = {}
        for number, body in rows:
            try:
                self._by_number[number] = Form(unpack(body))
            except (KeyError, TypeError, AttributeError, zlib.error) as error:
                raise ValueError(f"a form is damaged: {error}") from None
            self._by_content[sha256(body).digest()] = number

    def __getitem__(self, number: int) -> Form:
        """Raises ValueError: there is none."""
        try:
            return self._by_number[number]
        except (KeyError, TypeError):
            raise ValueError("a form is missing") from None

    def number(self, form: Form) -> int | None:
        """Its number, a new one if need be; None where there are too many to remember."""
        found = self._known.get(form)
        if found is None:
            body = pack(form.told)
            content = sha256(body).digest()
            found = self._by_content.get(content)
            if found is None:
                if len(self._by_number) + len(self._fresh) >= _MOST:
                    return None
                found = self._by_content[content] = 1 + len(self._by_number) + len(self._fresh)
                self._fresh[found] = form, body
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[form] = found
        return found

    def fresh(self) -> Iterator[tuple[int, bytes]]:
        """Rows that are to be written."""
        return ((number, body) for number, (_, body) in self._fresh.items())

    def keep(self) -> None:
        """What was fresh has been written."""
        self._by_number |= {number: form for number, (form, _) in self._fresh.items()}
        self._fresh = {}

    def drop(self) -> None:
        """What was fresh has not been written."""
        for form, body in self._fresh.values():
            del self._by_content[sha256(body).digest()]
            self._known.pop(form, None)
        self._known = {form: number for form, number in self._known.items() if number in self._by_number}
        self._fresh = {}
