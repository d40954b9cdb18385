"""How wide text is in a font that nobody has here: glyph widths of the usual sans-serif fonts, the widest of them each.

A picture is drawn where its reader's fonts are. Its boxes hold the text all the same, as long as the guess is on the wide side.
"""
from __future__ import annotations

import unicodedata
from typing import Final

FONT: Final = "DejaVu Sans, Verdana, sans-serif"
# Thousandths of the font size, from the blank to the tilde; the larger of DejaVu Sans and Verdana.
_PLAIN: Final = (
    352, 401, 460, 838, 636, 1076, 780, 275, 454, 454, 636, 838, 364, 454, 364, 454, 636, 636, 636, 636, 636, 636, 636, 636, 636, 636, 454, 454, 838, 838, 838, 545,
    1000, 684, 686, 698, 771, 632, 575, 775, 752, 421, 455, 693, 557, 863, 748, 787, 603, 787, 695, 684, 616, 732, 684, 989, 685, 615, 685, 454, 454, 454, 838, 636,
    636, 613, 635, 550, 635, 615, 352, 635, 634, 278, 344, 592, 278, 974, 634, 612, 635, 635, 427, 521, 394, 634, 592, 818, 592, 592, 525, 636, 454, 636, 838,
)
_BOLD: Final = (
    348, 456, 587, 867, 711, 1272, 872, 332, 543, 543, 711, 867, 380, 480, 380, 689, 711, 711, 711, 711, 711, 711, 711, 711, 711, 711, 402, 402, 867, 867, 867, 617,
    1000, 776, 762, 734, 830, 683, 683, 821, 837, 546, 555, 775, 637, 995, 850, 850, 733, 850, 782, 720, 682, 812, 774, 1128, 771, 736, 725, 543, 689, 543, 867, 711,
    711, 675, 716, 593, 716, 678, 435, 716, 712, 343, 403, 671, 343, 1058, 712, 687, 716, 716, 497, 595, 478, 712, 652, 980, 669, 652, 597, 712, 543, 712, 867,
)
_KNOWN: Final = dict(zip("…·–—←→≤≥≈✓✗‖○×−", (1000, 380, 500, 1000, 838, 838, 838, 838, 838, 838, 838, 500, 873, 838, 838), strict=True))
ELLIPSIS: Final = "…"


def width(text: str, size: int, bold: bool = False) -> int:
    """Pixels that *text* takes at most."""
    return -(-sum(_glyph(character, bold) for character in text) * size // 1000)


def _glyph(character: str, bold: bool) -> int:
    number = ord(character)
    if 32 <= number < 127:
        return (_BOLD if bold else _PLAIN)[number - 32]
    if character in _KNOWN:
        return _KNOWN[character]
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    if unicodedata.east_asian_width(character) in "WF":
        return 1400 if unicodedata.category(character) == "So" else 1050
    if number < 0x250:
        return 1000
    return 1250


def fit(text: str, room: int, size: int, bold: bool = False) -> str:
    """*text* in at most *room* pixels, with ``…`` where it was longer."""
    if width(text, size, bold) <= room:
        return text
    room = room * 1000 // size - _KNOWN[ELLIPSIS]
    taken = 0
    for index, character in enumerate(text):
        taken += _glyph(character, bold)
        if taken > room:
            return text[:index].rstrip() + ELLIPSIS if room > 0 else ""
    return text + ELLIPSIS


def wrap(text: str, room: int, size: int, most: int, bold: bool = False) -> list[str]:
    """*text* broken at blanks into at most *most* lines; the last one ends in ``…`` where there was more."""
    lines: list[str] = []
    line = ""
    words = text.split(" ")
    for index, word in enumerate(words):
        longer = f"{line} {word}" if line else word
        if not line or width(longer, size, bold) <= room:
            line = longer
            continue
        if len(lines) == most - 1:
            return [*lines, fit(" ".join([line, *words[index:]]), room, size, bold)]
        lines.append(fit(line, room, size, bold))
        line = word
    return [*lines, fit(line, room, size, bold)]
