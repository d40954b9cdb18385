"""Values of settings that come from outside the policy, as data: what, from where, and who approved it.

`settings.yaml`, the environment, ``--set`` and Python all end here. Nothing in this module reads or judges anything.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from caplex.compiler.source import Span

TERMS = ("approved_by", "through", "ticket")
"""What makes a mapping the value of one setting, and not a group of settings of an import."""
KEYS = ("value", *TERMS, "origin")


@dataclass(frozen=True, slots=True)
class Outside:
    """A value from outside the policy, and from where: ``desk.yaml:3``, ``environment CAPLEX_SET_STOP``, ``--set``.

    Attributes:
        span: Its place, where it stands in a file that can be shown.
        plain: The text at *span* is the value itself, so that places inside it are places in the file.
        approved_by, through, ticket: Who let it be riskier than the policy says, until when (a date), and where that is written down.
        unknown: Keys that an approval does not have.
    """

    value: object
    origin: str = "settings"
    span: Span | None = None
    plain: bool = False
    approved_by: str | None = None
    through: str | None = None
    ticket: str | None = None
    unknown: tuple[str, ...] = ()

    @property
    def approved(self) -> bool:
        return self.approved_by is not None or self.through is not None or self.ticket is not None


def normal(raw: object) -> Outside:
    """*raw* as a caller gave it: a bare value, a mapping with the terms of its approval, or what it is already."""
    if isinstance(raw, Outside):
        return raw
    if not isinstance(raw, Mapping):
        return Outside(raw)

    def text(key: str) -> str | None:
        return None if raw.get(key) is None else str(raw[key])

    return Outside(raw.get("value"), text("origin") or "settings", approved_by=text("approved_by"), through=text("through"), ticket=text("ticket"),
                   unknown=tuple(sorted(str(key) for key in raw if key not in KEYS)))


def recorded(raw: object) -> Any:
    """The same as text or JSON object, for the record from which the policy is compiled again."""
    given = normal(raw)
    value = sorted(map(str, given.value)) if isinstance(given.value, (list, tuple, set, frozenset)) else _text(given.value)
    terms = {key: getattr(given, key) for key in TERMS if getattr(given, key) is not None}
    if not terms and given.origin == "settings":
        return value
    return {"value": value, "origin": given.origin, **terms}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
