"""What stands in a document, in which order: the same sections for every form of it."""
from __future__ import annotations

from typing import Any, Final, NamedTuple


class Section(NamedTuple):
    number: int
    key: str
    title: str


_ALL: Final = (
    ("governs", "What this policy governs"), ("rules", "Rules, in the order of decision"), ("limits", "Limits"), ("rates", "Throttles and pauses"),
    ("switches", "Kill switches"), ("people", "Who may override what"), ("sizes", "Sizes and allocations"), ("told", "What is answered and reported"),
    ("settings", "Settings"), ("facts", "Facts that the adapter fills in"), ("tests", "Tests"), ("coverage", "Coverage by citation"),
    ("approval", "Approval"),
)
_NEEDS: Final = {"rules": ("rules",), "limits": ("limits",), "rates": ("throttles", "cooldowns"), "switches": ("switches",), "sizes": ("sizes", "allocations"),
                 "told": ("answers", "emits"), "settings": ("settings",)}


def sections(data: dict[str, Any]) -> list[Section]:
    """Those that have something to tell, numbered."""
    kept = [(key, title) for key, title in _ALL if any(data[need] for need in _NEEDS.get(key, ("policy",)))]
    if data["policy"]["module"]:
        kept = [(key, "What this module is" if key == "governs" else title) for key, title in kept if key != "approval"]
    return [Section(number, key, title) for number, (key, title) in enumerate(kept, 1)]


def tally(data: dict[str, Any]) -> list[tuple[str, str]]:
    """What is counted on the cover."""
    tests = sum(len(each["tests"]) for each in data["tests"] if not each["alias"])
    inner = sum(len(each["tests"]) for each in data["tests"] if each["alias"])
    shown = [("rule", "rules", len(data["rules"])), ("limit", "limits", len(data["limits"])),
             ("throttle or pause", "throttles and pauses", len(data["throttles"]) + len(data["cooldowns"])),
             ("kill switch", "kill switches", len(data["switches"])),
             ("override or waiver", "overrides and waivers", len(data["overrides"]) + len(data["waivers"])),
             ("test of its own", "tests of its own", tests), ("test of its packs", "tests of its packs", inner),
             ("rule that cites a document", "rules that cite a document", data["coverage"]["citing"])]
    always = {"rule", "test of its own", "rule that cites a document"}
    return [(one if many == 1 else more, str(many)) for one, more, many in shown if many or one in always]


def terms(found: dict[str, Any]) -> list[str]:
    """Of an override or a waiver: until when, who, where it is written down."""
    return [part for part in (f"through {found['through']}" if found["through"] else "", f"approved by {found['approved_by']}" if found["approved_by"] else "",
                              found["ticket"]) if part]


def origin(found: dict[str, str]) -> str:
    """``book.max_position = 8%: given at the import, desk.cap:34``."""
    place = f"{found['how']}, {found['where']}" if found["where"] else found["how"]
    return f"{found['setting']} = {found['value']}: {place}" if found["setting"] else place
