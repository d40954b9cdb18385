"""Which document asks for what, and which rule serves it: the texts of `cites`, taken apart."""
from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

_PLACES: Final = r"articles?|arts?\.|sections?|sec\.|§§?|rules?|paragraphs?|paras?\.?|recitals?|annex(?:es)?|chapters?|clauses?|pages?|appendix|items?|points?|parts?"
_BEHIND: Final = re.compile(rf"^(?P<document>.+?)\s*,\s*(?P<place>(?:{_PLACES})(?:\s|(?<=§)).+)$", re.I)
_BARE: Final = re.compile(rf"^(?:{_PLACES})(?:\s|(?<=§)).+$", re.I)
_BRACKETS: Final = re.compile(r"^(?P<document>.*?[^\s()])\s*(?P<place>(?:\([0-9A-Za-z]+\))+)$")
_MANY: Final = re.compile(r"^(?P<word>articles|sections|rules|paragraphs|recitals|chapters|clauses|pages|items|points|parts)\s+(?P<rest>.+)$", re.I)
_LABEL: Final = re.compile(r"^(?P<label>[a-z][a-z -]{0,30}):\s+(?P<rest>.+)$")


class Citation(NamedTuple):
    """*document*, *place* in it (may be empty), and what the place is cited for, where the author says so: ``override``."""

    document: str
    place: str
    about: str = ""

    @property
    def text(self) -> str:
        head = f"{self.about}: " if self.about else ""
        glue = "" if self.place.startswith("(") else ", "
        return head + (self.document + glue + self.place if self.place else self.document)


def citations(text: str | None) -> list[Citation]:
    """What *text*, of a `cites`, names.

    A semicolon parts citations. ``RTS 6, article 15(1)(a)`` and ``17 CFR 240.15c3-5(c)(1)(i)`` have a place; one that is a place
    alone, ``override: article 15(6)``, is of the document before. ``articles 15(2) and 15(4)`` are two.
    """
    found: list[Citation] = []
    for part in (part.strip() for part in (text or "").split(";")):
        if not part:
            continue
        labelled = _LABEL.match(part)
        about, rest = (labelled["label"], labelled["rest"]) if labelled else ("", part)
        if _BARE.match(rest) and found:
            document, place = found[-1].document, rest
        else:
            split = _BEHIND.match(rest) or _BRACKETS.match(rest)
            document, place = (split["document"], split["place"]) if split else (rest, "")
        found += [Citation(document, each, about) for each in _each(place)]
    return found


def _each(place: str) -> list[str]:
    many = _MANY.match(place)
    if many is None:
        return [place]
    word = many["word"][:-1]
    return [f"{word} {each}" for each in re.split(r"\s*,\s*|\s+and\s+", many["rest"]) if each]


def coverage(rules: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """By document and place, the rules that serve it; and the rules that cite nothing."""
    documents: dict[str, dict[str, list[dict[str, Any]]]] = {}
    bare: list[str] = []
    many = 0
    for rule in rules:
        many += 1
        cited = citations(rule["cites"])
        if not cited:
            bare.append(rule["id"])
        for each in cited:
            rows = documents.setdefault(each.document, {}).setdefault(each.place, [])
            rows.append({"rule": rule["id"], "title": rule["title"], "about": each.about, "enforced": rule["monitored"] is None})
    told = [{"document": name, "places": [{"place": place, "served_by": places[place]} for place in sorted(places, key=_natural)]}
            for name, places in sorted(documents.items(), key=lambda item: _natural(item[0]))]
    return {"documents": told, "without": bare, "citing": many - len(bare), "rules": many}


def _natural(text: str) -> list[tuple[int, str]]:
    """``article 9`` before ``article 12``."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", text)]
