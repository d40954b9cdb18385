"""A diagnostic is data: a stable code, a level, a sentence, places, and the cure. Rendering is elsewhere."""
from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from caplex.compiler.source import Span


class Level(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Code:
    """A kind of diagnostic. Codes are never renumbered or reused.

    Attributes:
        id: ``CAP`` and three digits; the first digit is the family.
        name: Kebab-case, for configuration and suppression: ``unknown-field``.
        level: What it is unless configured otherwise.
        title: A few words, the heading of its page.
        why: One or two sentences: what would go wrong if it were let through.
        example: A small policy (or document) that provokes it.
        cure: The same, mended. Empty where the cure cannot be shown as text.
    """

    id: str
    name: str
    level: Level
    title: str
    why: str
    example: str = ""
    cure: str = ""


@dataclass(frozen=True, slots=True)
class Label:
    """Text under a place. Primary ones are drawn with ``^``, others with ``-``."""

    span: Span
    text: str = ""
    primary: bool = False


@dataclass(frozen=True, slots=True)
class Edit:
    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Fix:
    """A mechanical cure; *safe* when it cannot change what the policy permits."""

    title: str
    safe: bool
    edits: tuple[Edit, ...]


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding.

    Attributes:
        code: Its kind.
        message: One sentence without a full stop; names in back-quotes.
        span: The place that the heading names (None: no source, e.g. a missing file; then `where` says what).
        labels: Places drawn under the source line; empty means *span* itself, primary, without text.
        notes: Further facts, such as a witness.
        help: The cure.
        level: Overrides the level of the code where configured.
    """

    code: Code
    message: str
    span: Span | None = None
    labels: tuple[Label, ...] = ()
    notes: tuple[str, ...] = ()
    help: str | None = None
    fix: Fix | None = None
    level: Level | None = None
    where: str | None = None

    @property
    def severity(self) -> Level:
        return self.level or self.code.level

    @property
    def is_error(self) -> bool:
        return self.severity is Level.ERROR

    def sort_key(self) -> tuple[str, int, int, str, str]:
        """Deterministic order: by file, place, code, message."""
        if self.span is None:
            return (self.where or "", 0, 0, self.code.id, self.message)
        return (self.span.source.name, self.span.start, self.span.end, self.code.id, self.message)
