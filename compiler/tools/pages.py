"""The page of anything that has a name: a fact, a word, a pack, a code, a reason; a policy, its rules and its settings.

A page is Markdown, made from what schema, packs and policies say of themselves. Its kinds are made in the modules beside.
"""
from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from caplex.runtime.schema import Type

Form = Literal["fact", "section", "word", "pack", "rule", "setting", "code", "reason", "event", "policy"]


@dataclass(frozen=True, slots=True)
class Page:
    """*subject* is the name as it should be typed, *title* the heading of *markdown*."""

    subject: str
    kind: Form
    markdown: str

    @property
    def title(self) -> str:
        return self.markdown.partition("\n")[0].removeprefix("# ")

    def to_dict(self) -> dict[str, str]:
        return {"schema": "caplex.page/1", "subject": self.subject, "kind": self.kind, "title": self.title, "markdown": self.markdown}


def unfenced(markdown: str) -> str:
    """*markdown* with its code indented and without fences: what a person reads who has no renderer."""
    lines, inside = [], False
    for line in markdown.split("\n"):
        if line.startswith("```"):
            inside = not inside
        else:
            lines.append(f"    {line}".rstrip() if inside else line)
    return "\n".join(lines)


def page_of(
    subject: str, part: str | None = None, *, settings: Mapping[str, Any] | None = None, mode: Literal["enforce", "monitor"] | None = None
) -> Page | None:
    """The page of *subject*; None if nothing has that name.

    Args:
        subject: ``market.price``, ``account``, ``clamp``, ``stdlib.order_sanity``, ``stdlib.order_sanity.ORD-010``, ``CAP203``,
            ``unknown-field``, ``SYS-002``, an event of the engine, or the path of a policy.
        part: Of ``event``: its type, also where a fact has that name. Of a policy: the id of a rule, the name of a setting, or a fact, which is then told as this policy sees it.
        settings: Values from outside, which move what the policy's pages show.
        mode: Instead of the mode of its header.
    Raises:
        PolicyError: The policy does not compile.
    """
    if is_policy(subject):
        from caplex.compiler.tools.pages_policies import part_page, policy_page

        if part is None:
            return policy_page(subject, settings=settings, mode=mode)
        return part_page(subject, part, settings=settings, mode=mode)
    if part is not None:
        return _event(part) if subject == "event" else None
    return _code(subject) or _reason(subject) or _pack(subject) or _fact(subject) or _event(subject)


def is_policy(subject: str) -> bool:
    """Is *subject* the name of a file, and not of something built in?"""
    return subject.endswith(".cap") or "/" in subject or os.path.isfile(subject)


def names() -> Iterator[str]:
    """Everything built in that has a page, for who looks for the nearest."""
    from caplex.compiler.diagnostics import catalogue
    from caplex.compiler.tools import pages_facts, pages_packs
    from caplex.compiler.tools.reasons import REASONS

    for code in catalogue.codes():
        yield from (code.id, code.name)
    yield from (row[0] for row in REASONS)
    yield from pages_packs.names()
    yield from pages_facts.names()


def type_text(type_: Type) -> str:
    """A type as policies write it."""
    from caplex.runtime.schema import Kind

    if type_.kind is Kind.ENUM:
        return f"one of {', '.join(type_.members)}"
    if type_.kind is Kind.SET:
        return f"set of {type_text(type_.element)}" if type_.element else "set"
    name = type_.name if type_.kind is Kind.NOMINAL and type_.name else type_.kind.value
    return f"{name}({type_.currency})" if type_.currency else name


def _code(subject: str) -> Page | None:
    from caplex.compiler.diagnostics import catalogue

    code = catalogue.lookup(subject)
    return None if code is None else Page(code.id, "code", catalogue.page(code))


def _reason(subject: str) -> Page | None:
    from caplex.compiler.tools.reasons import reason_page

    text = reason_page(subject)
    return None if text is None else Page(subject.upper(), "reason", text)


def _event(subject: str) -> Page | None:
    from caplex.compiler.tools.event_words import event_page

    text = event_page(subject)
    return None if text is None else Page(f"event {subject.lower()}", "event", text)


def _pack(subject: str) -> Page | None:
    if not subject.startswith("stdlib."):
        return None
    from caplex.compiler.tools import pages_packs

    return pages_packs.page(subject)


def _fact(subject: str) -> Page | None:
    from caplex.compiler.loading import builtin_schema
    from caplex.compiler.tools import pages_facts

    return pages_facts.page(subject, builtin_schema())
