"""The journal: what the engine saw and decided, one chained line after the other, written before anything is acted on."""
from __future__ import annotations

from caplex.runtime.journal.reader import find, query, read
from caplex.runtime.journal.record import AT, Record
from caplex.runtime.journal.trouble import JournalTrouble
from caplex.runtime.journal.verifying import Verification, verify
from caplex.runtime.journal.walker import Problem
from caplex.runtime.journal.writer import Journal

__all__ = ["AT", "Journal", "JournalTrouble", "Problem", "Record", "Verification", "find", "query", "read", "verify"]
