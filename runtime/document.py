"""Facts from JSON text: numbers by their digits, duplicate keys remembered, and one clear error where it is no JSON object."""
from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from caplex.runtime.errors import DocumentError
from caplex.runtime.reading import MAX_DIGITS, Overlong

MAX_BYTES: Final = 64 * 2**20


class Object(dict[str, Any]):
    """A JSON object in which some keys stood twice; the last one counts, and the document is refused for it."""

    __slots__ = ("duplicates",)

    def __init__(self, pairs: list[tuple[str, Any]], duplicates: tuple[str, ...]) -> None:
        super().__init__(pairs)
        self.duplicates = duplicates


def read_json(data: str | bytes, name: str = "facts") -> dict[str, Any]:
    """The object in *data*. What is inside is judged later, with its place; here only what is no JSON object at all.

    NaN and infinities are let through as such, so that the decision names the field; so are numbers too long to be read.

    Raises:
        DocumentError: not UTF-8, not JSON, nested too deeply, longer than 64 MiB, or not an object.
    """
    if len(data) > MAX_BYTES:
        raise DocumentError(f"{name}: longer than {MAX_BYTES // 2**20} MiB")
    try:
        text = data.decode("utf-8-sig") if isinstance(data, bytes) else data.removeprefix("\ufeff")
        found = json.loads(text, parse_float=_decimal, parse_int=_integer, parse_constant=Decimal, object_pairs_hook=_object)
    except UnicodeDecodeError as error:
        raise DocumentError(f"{name}: not UTF-8, at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise DocumentError(f"{name}:{error.lineno}:{error.colno}: not JSON: {error.msg}") from None
    except RecursionError:
        raise DocumentError(f"{name}: nested too deeply") from None
    if not isinstance(found, dict):
        raise DocumentError(f"{name}: a JSON object is wanted, {{…}}")
    return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    plain = dict(pairs)
    if len(plain) == len(pairs):
        return plain
    keys = [key for key, _ in pairs]
    return Object(pairs, tuple(key for key in plain if keys.count(key) > 1))


def _decimal(digits: str) -> Decimal | Overlong:
    if len(digits) > 2 * MAX_DIGITS:
        return Overlong(digits)
    try:
        return Decimal(digits)
    except InvalidOperation:  # an exponent beyond what the library counts with
        return Overlong(digits)


def _integer(digits: str) -> int | Overlong:
    return int(digits) if len(digits) <= 2 * MAX_DIGITS else Overlong(digits)
