"""Moves a generated case onto a bound of the policy: one number of the document is turned until a measure meets its bound."""
from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from random import Random
from typing import Any, Final

from caplex.compiler.semantics.model import CheckedModule
from caplex.compiler.testing.coverage import own_modules
from caplex.compiler.testing.shrink import Path, get, put
from caplex.compiler.testing.sites import Site, Sites
from caplex.runtime.bind import Bound
from caplex.runtime.canonical import plain
from caplex.runtime.reading import Unreadable, number

Judged = Callable[[dict[str, Any]], tuple[Bound, Fraction] | None]
_CENT: Final = Fraction(1, 100)


class Aim:
    """Knows the comparisons of *checked*, and turns documents towards them."""

    def __init__(self, checked: CheckedModule, judged: Judged, rng: Random) -> None:
        sites = Sites(checked, own_modules(checked))
        self._sites = [site for site in sites.all if site.group == "boundary" and site.left is not None and site.right is not None]
        self._judged, self._rng = judged, rng

    def moved(self, document: dict[str, Any]) -> dict[str, Any]:
        """*document* with one number at a bound, or one step beside it; as it was where that cannot be reached."""
        if not self._sites:
            return document
        site = self._rng.choice(self._sites)
        knobs = _knobs(document)
        path = self._rng.choice(knobs)
        beside = self._rng.choice((-1, 0, 0, 1))
        here = number(get(document, path))
        there = here * 2 + 1
        first, second = (self._distance(site, put(document, path, plain(value))) for value in (here, there))
        if first is None or second is None or first == second:
            return document
        root = here - first * (there - here) / (second - first)
        grid = _grid(document, path)
        value = Fraction(root / grid).__floor__() * grid + beside * grid
        signed = path[-1] == "delta" or (path[0] == "positions" and path[-1] == "quantity")
        if value == 0 or (value < 0 and not signed):
            return document
        moved: dict[str, Any] = put(document, path, plain(value))
        return moved

    def _distance(self, site: Site, document: dict[str, Any]) -> Fraction | None:
        seen = self._judged(document)
        if seen is None:
            return None
        assert site.left is not None
        assert site.right is not None
        left, right = site.left(seen[0].slots, seen[1]), site.right(seen[0].slots, seen[1])
        return left - right if isinstance(left, Fraction) and isinstance(right, Fraction) else None


def _knobs(document: dict[str, Any]) -> list[Path]:
    """Numbers that can be turned, the size asked for thrice."""
    intent, symbol = document["intent"], document["intent"]["symbol"]
    found: list[Path] = []
    for name in ("quantity", "delta"):
        if name in intent:
            found += [("intent", name)] * 3
    found += [("account", name) for name in document["account"] if name != "as_of"]
    found += [("market", symbol, "price")]
    if symbol in document["positions"]:
        found.append(("positions", symbol, "quantity"))
    found += [("intent", name) for name in ("confidence", "limit_price", "leverage") if name in intent]
    for name, value in document.get("inputs", {}).items():
        if isinstance(value, dict):
            found += [("inputs", name, each) for each in value]
        else:
            found.append(("inputs", name))
    return [path for path in found if _is_number(get(document, path))]


def _is_number(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        number(value)
    except Unreadable:
        return False
    return True


def _grid(document: dict[str, Any], path: Path) -> Fraction:
    if path[-1] in ("quantity", "delta"):
        lot = document["instruments"].get(document["intent"]["symbol"], {}).get("lot")
        return number(lot) if lot is not None else Fraction(1)
    return _CENT / 100 if path[-1] == "confidence" or path[0] == "inputs" else _CENT
