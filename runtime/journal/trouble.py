"""What is wrong with a journal, as one error with a word for the kind of it."""
from __future__ import annotations

import errno
from typing import Literal

from caplex.runtime.errors import JournalError

Kind = Literal["missing", "foreign", "newer", "locked", "torn", "broken", "body", "io"]

# Trying again may help: room on the disk, a lock that is let go, a call that was interrupted.
_PASSING = frozenset(
    number for name in ("ENOSPC", "EDQUOT", "EAGAIN", "EINTR", "EBUSY", "ENFILE", "EMFILE", "ENOMEM", "ETIMEDOUT")
    if (number := getattr(errno, name, None)) is not None)


class JournalTrouble(JournalError):
    """A `JournalError` that says of which *kind* it is, so that a command can choose its exit status.

    ``missing`` there is no such file; ``foreign`` it is something else; ``newer`` a later caplex wrote it; ``locked`` another
    process writes it; ``torn`` its last line is not whole; ``broken`` the chain does not hold; ``body`` what was to be written
    is no JSON; ``io`` the system refused.
    """

    def __init__(self, kind: Kind, message: str, *, retryable: bool = False) -> None:
        super().__init__(message, retryable=retryable)
        self.kind: Kind = kind


def refused(doing: str, error: OSError) -> JournalTrouble:
    """*error* of the system as a sentence: ``the journal `x` cannot be written: No space left on device``."""
    return JournalTrouble("io", f"{doing}: {error.strerror or type(error).__name__}", retryable=error.errno in _PASSING)
