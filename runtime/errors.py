"""What caplex raises at its public face. Bad documents never raise: they are denied, and told."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class CaplexError(Exception):
    """Base of all; *diagnostics* say what is wrong, *retryable* whether trying again may help."""

    def __init__(self, message: str = "", *, diagnostics: Sequence[Any] = (), retryable: bool = False) -> None:
        super().__init__(message)
        self.diagnostics: tuple[Any, ...] = tuple(diagnostics)
        self.retryable = retryable


class PolicyError(CaplexError):
    """The policy does not compile."""


class EventError(CaplexError):
    """A malformed event; nothing was written. *code* says what is wrong (docs/reference/diagnostics.md), *path* where in the event."""

    def __init__(self, message: str = "", *, code: str, path: str = "") -> None:
        super().__init__(message, diagnostics=({"code": code, "path": path, "message": message},))
        self.code, self.path = code, path


class JournalError(CaplexError):
    """The journal is locked, full, torn, or of another policy."""


class DocumentError(CaplexError):
    """A text that is not a JSON object: usage, not a denial."""


class NotPermitted(CaplexError):
    """`Decision.order` or `raise_if_denied` of a decision that permits nothing."""


class StaleDecision(CaplexError):
    """`Decision.order` after *valid_until*, or after a trip overtook it."""
