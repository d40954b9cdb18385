"""Documents that several tests look at, made once; and pages taken apart."""
from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import caplex
from caplex.compiler.tools.document.build import Document
from caplex.compiler.tools.document.subject import Subject, of_path

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
PACKS = ROOT / "stdlib_rules"
ALL = [*(f"examples/{name}.cap" for name in ("desk/desk", "quickstart/desk", "entry_gate/policy", "eu_signal_desk/policy", "capital_governor/policy",
                                            "agent_treasury/policy", "policygate/policy", "execution_layer/policy")),
       *(f"stdlib_rules/{name}.cap" for name in ("mifid_rts6", "sizing"))]
VOID = {"meta", "wbr", "link", "img", "br", "hr", "input"}


@cache
def subject(name: str) -> Subject:
    return of_path(ROOT / name)


@cache
def paper(name: str) -> Document:
    return caplex.document(ROOT / name)


@cache
def page(name: str) -> str:
    return paper(name).html()


@dataclass
class Taken(HTMLParser):
    """A page taken apart: its tags with attributes in order, its texts, and what was left open."""

    tags: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    mistakes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name == "href":
                self.links.append(value or "")
            if name in ("src", "srcset", "action", "data", "poster") or name.startswith("on"):
                self.addresses.append(f"{tag} {name}")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open[-1] != tag:
            self.mistakes.append(f"</{tag}> closes {self.open[-1:]} at {self.getpos()}")
        else:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.texts.append(data)

    @property
    def said(self) -> str:
        return " ".join(" ".join(self.texts).split())


def taken(text: str) -> Taken:
    found = Taken()
    found.feed(text)
    found.close()
    return found
