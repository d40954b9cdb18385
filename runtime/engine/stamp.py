"""The clock that stamps what comes without a time. Nothing is decided by it: it is written into the event, and the event counts."""
from __future__ import annotations

from datetime import UTC, datetime


def system_clock() -> datetime:
    """Now, as this machine has it."""
    return datetime.now(UTC)
