"""Which places of a facts document a slot is read from."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from caplex.runtime.plan import SlotSpec
from caplex.runtime.schema import Schema

TABLES = {"market": "market", "instrument": "instruments", "strategy": "strategies", "venue": "venues", "fx": "fx", "position": "positions"}
DIMENSIONS = {"market": "symbol", "instrument": "symbol", "position": "symbol", "strategy": "strategy", "venue": "venue"}
BOOK = {
    "value": ("/market/{symbol}/price",), "order_value": ("/market/{symbol}/price",), "others_gross": ("/market",), "others_net": ("/market",),
    "held_gross": ("/market",), "held_net": ("/market",),
}


def of_slot(slot: SlotSpec, schema: Schema, claims: Mapping[str, Any]) -> list[str]:
    """JSON pointers, the claims of an intent put in where they are known; optional readings are left out."""
    match slot.kind:
        case "switch":
            return ["/switches"]
        case "counter":
            return [f"/counters/{slot.name}"]
        case "book":
            return [path.replace("{symbol}", str(claims.get("symbol", "{symbol}"))) for path in BOOK.get(slot.name, ())]
        case "fold":
            section = schema.sections[slot.name.split()[1]]
            return ["/history" if section.shape == "history" else f"/inputs/{section.name}" if section.inputs else f"/{section.name}"]
        case "field" if not slot.optional:
            return [_field(slot, schema, claims)]
    return []


def _field(slot: SlotSpec, schema: Schema, claims: Mapping[str, Any]) -> str:
    section = schema.sections[slot.section]
    parts = ["inputs", slot.section] if section.inputs else [TABLES.get(slot.section, slot.section)]
    if section.shape == "row":
        dimension = DIMENSIONS.get(slot.section, section.key or "key")
        parts.append(slot.key_text if slot.key_text is not None else str(claims.get(dimension, "{" + dimension + "}")))
    return "/" + "/".join(parts if section.scalar else [*parts, slot.name])
