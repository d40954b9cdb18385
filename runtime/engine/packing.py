"""JSON as a store keeps it: compressed where it is long, and answers to intents against one of their own, which says most of it already."""
from __future__ import annotations

import json
import zlib
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from caplex.runtime.canonical import decimal_text, exact_text

_LONG: Final = 1024
_MOST_SAMPLE: Final = 32_000


def exactly(value: Any) -> str:
    """A number as a store writes it."""
    if isinstance(value, Decimal):
        return decimal_text(value)
    if isinstance(value, Fraction):
        return exact_text(value)
    raise TypeError(f"a {type(value).__name__} has no place in a store")


_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), default=exactly)


def pack(value: Any, sample: bytes = b"") -> bytes:
    """Keys stay in their order: what is told again reads as it was told. What is short is only summed, and not made shorter."""
    text = _ENCODER.encode(value).encode()
    if len(text) <= _LONG:
        return zlib.compress(text, 0)
    if not sample:
        return zlib.compress(text, 1)
    packer = zlib.compressobj(1, zdict=sample)
    return packer.compress(text) + packer.flush()


def sample_of(value: Any) -> bytes:
    """What others like *value* may be packed against."""
    return _ENCODER.encode(value).encode()[:_MOST_SAMPLE]


def unpack(body: bytes, sample: bytes = b"") -> Any:
    """Raises ValueError or zlib.error: the body is damaged."""
    if not sample:
        return json.loads(zlib.decompress(body))
    unpacker = zlib.decompressobj(zdict=sample)
    text = unpacker.decompress(body)
    if not unpacker.eof:
        raise ValueError("cut off")
    return json.loads(text)
