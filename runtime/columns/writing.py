"""Answers as columns of the frame that asked: the same library, the same order of rows, the same index."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from caplex.runtime.columns.places import FrameError
from caplex.runtime.columns.reading import library

if TYPE_CHECKING:
    from caplex.runtime.columns.deciding import Result
    from caplex.runtime.policy import Policy

ANSWERS = ("verdict", "quantity", "decided_by", "reason", "fell_back")
VERDICTS = ("ALLOW", "MODIFY", "HOLD", "DENY")
GRID, ROUNDED = "SYS-012", "rounded down to what can be traded"
_WIDE = 38
"""Digits of a decimal128."""


def written(policy: Policy, frame: Any, result: Result) -> Any:
    """The native frame of *frame* with the answers beside it. Raises FrameError if it has such columns already."""
    for name in ANSWERS:
        if name in frame.columns:
            raise FrameError(f"column `{name}` is what is answered; call yours otherwise")
    pa = library("pyarrow")
    decided, reason, words = _rules(policy, result)
    coded = {"verdict": (result.verdict, list(VERDICTS)), "decided_by": (decided, result.rules), "reason": (reason, words)}
    native = frame.to_native()
    module = type(native).__module__.partition(".")[0]
    if module == "pandas":
        pandas = library("pandas")
        made = {name: pandas.Categorical.from_codes(codes, categories=list(dict.fromkeys(texts))) for name, (codes, texts) in coded.items()}
        made["quantity"] = pandas.arrays.ArrowExtensionArray(_quantities(pa, result))
        return native.assign(**{name: made.get(name, result.late) for name in ANSWERS})
    arrays = {name: pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), pa.array(texts, pa.string())) for name, (codes, texts) in coded.items()}
    arrays["quantity"], arrays["fell_back"] = _quantities(pa, result), pa.array(result.late)
    if module == "polars":
        polars = library("polars")
        return native.with_columns([polars.from_arrow(pa.chunked_array([arrays[name]])).alias(name) for name in ANSWERS])
    for name in ANSWERS:
        native = native.append_column(name, pa.chunked_array([arrays[name]]))
    return native


def _quantities(pa: Any, result: Result) -> Any:
    """Exact decimals: int64 in the low word of each 128 bits, its sign in the high one."""
    if result.sizes:
        return _loose(pa, result)
    words = np.empty((len(result.quantity), 2), np.int64)
    words[:, 0] = result.quantity
    words[:, 1] = result.quantity >> 63
    return pa.Array.from_buffers(pa.decimal128(_WIDE, result.scale), len(result.quantity), [None, pa.py_buffer(words)])


def _loose(pa: Any, result: Result) -> Any:
    """Some row needs more places, or more digits."""
    from decimal import Decimal

    exact = [result.sizes.get(row) for row in range(len(result.quantity))]
    values = [Decimal(int(result.quantity[row])).scaleb(-result.scale) if value is None else value for row, value in enumerate(exact)]
    scale = max(-int(value.as_tuple().exponent) for value in values)
    digits = max(value.adjusted() for value in values) + 1 + max(scale, 0)
    if digits > _WIDE:
        return pa.array([format(value, "f") for value in values])
    return pa.array(values, pa.decimal128(_WIDE, max(scale, 0)))


def _rules(policy: Policy, result: Result) -> tuple[Any, Any, list[str]]:
    """Who decided, and why in a few words, as codes; the words."""
    nobody = len(policy.names) + 1
    titles = {rule.id: rule.title or rule.condition for rule in policy.plan.rules}
    words: dict[str, int] = {}
    table = np.array([words.setdefault(ROUNDED if name == GRID else titles.get(name, ""), len(words)) for name in result.rules], np.int32)
    table[nobody] = -1
    reason = table[result.rule]
    for row, text in result.reasons.items():
        reason[row] = words.setdefault(text, len(words))
    decided = np.arange(len(result.rules), dtype=np.int32)
    decided[nobody] = -1
    return decided[result.rule], reason, list(words)
