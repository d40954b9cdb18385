"""JSON as a store keeps it: compressed where it is long, and answers to intents against one of their own, which says most of it already."""
from __future__ import annotations

import json
import zlib
from decimal import Decimal
from fractions import Fraction
from json import encoder as _json
from typing import Any, Final

from caplex.runtime.canonical import decimal_text, exact_text

_LONG: Final = 1024
_WINDOW: Final = 13
_MEMORY: Final = 5
"""A window of eight thousand bytes, and small tables: setting up more than that takes longer than an answer to pack."""
_MOST_SAMPLE: Final = 7_900
_SUMMED: Final = b"\1"  # no stream of zlib begins so


def exactly(value: Any) -> str:
    """A number as a store writes it."""
    if isinstance(value, Decimal):
        return decimal_text(value)
    if isinstance(value, Fraction):
        return exact_text(value)
    raise TypeError(f"a {type(value).__name__} has no place in a store")


_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), default=exactly)
# As in `journal.record`: the encoder that `encode` would make anew each time.
_MAKER: Final = getattr(_json, "c_make_encoder", None)
_CHUNKS: Final = _MAKER and _MAKER(None, exactly, _json.encode_basestring_ascii, None, ":", ",", False, False, True)


def _encode(value: Any) -> bytes:
    return ("".join(_CHUNKS(value, 0)) if _CHUNKS else _ENCODER.encode(value)).encode()


def pack(value: Any, sample: bytes = b"") -> bytes:
    """Keys stay in their order: what is told again reads as it was told. What is short is only summed, and not made shorter."""
    text = _encode(value)
    if len(text) <= _LONG:
        return _SUMMED + zlib.crc32(text).to_bytes(4, "big") + text
    if not sample:
        return zlib.compress(text, 1)
    packer = zlib.compressobj(1, zlib.DEFLATED, _WINDOW, _MEMORY, zdict=sample)
    return packer.compress(text) + packer.flush()


def sample_of(value: Any) -> bytes:
    """What others like *value* may be packed against."""
    return _encode(value)[:_MOST_SAMPLE]


def unpack(body: bytes, sample: bytes = b"") -> Any:
    """Raises ValueError or zlib.error: the body is damaged."""
    if body[:1] == _SUMMED:
        if zlib.crc32(body[5:]).to_bytes(4, "big") != body[1:5]:
            raise ValueError("damaged")
        return json.loads(body[5:])
    if not sample:
        return json.loads(zlib.decompress(body))
    unpacker = zlib.decompressobj(zdict=sample)
    text = unpacker.decompress(body)
    if not unpacker.eof:
        raise ValueError("cut off")
    return json.loads(text)
