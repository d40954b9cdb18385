"""The head file beside a journal: where its last line is. A chain cannot show that its end was cut off; this can.

``FILE.head`` is one line of fixed size, written over in place after every flush. It may lag behind the journal, since a
process can end between the two writes; it can never be ahead of it unless lines were lost.
"""
from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from caplex.runtime.journal.trouble import JournalTrouble

SCHEMA: Final = "caplex.head/1"
_FORM: Final = re.compile(
    rb'\{"hash":"([0-9a-f]{64})","journal":"(j-[0-9a-f]{16})","offset":"([0-9]{20})","schema":"caplex\.head/1","seq":"([0-9]{20})"\}\n')


class Mark(NamedTuple):
    """The last line of a journal: its number, its hash, the offset after its newline."""

    seq: int
    hash: str
    offset: int


@dataclass(frozen=True, slots=True)
class Head:
    """What a head file says."""

    journal: str
    mark: Mark


def path_of(journal: str | Path) -> Path:
    """Where the head of *journal* lies."""
    journal = Path(journal)
    return journal.with_name(journal.name + ".head")


def encode(journal: str, mark: Mark) -> bytes:
    return (f'{{"hash":"{mark.hash}","journal":"{journal}","offset":"{mark.offset:020d}","schema":"{SCHEMA}",'
            f'"seq":"{mark.seq:020d}"}}\n').encode("ascii")


def load(journal: str | Path) -> Head | None:
    """The head of *journal*; None where there is none, or an empty one, which a crash at the very start leaves.

    Raises:
        JournalTrouble: it is there and cannot be read, or is no head file.
    """
    path = path_of(journal)
    try:
        data = path.read_bytes()[:1024]
    except FileNotFoundError:
        return None
    except OSError as error:
        raise JournalTrouble("io", f"the head file `{path}` cannot be read: {error.strerror or type(error).__name__}") from None
    if not data:
        return None
    found = _FORM.fullmatch(data)
    if found is None:
        raise JournalTrouble(
            "broken", f"the head file `{path}` is damaged, so lines missing at the end would not be seen; "
            "compare with a copy, then move the head file aside")
    return Head(found[2].decode(), Mark(int(found[4]), found[1].decode(), int(found[3])))


def put(fd: int, data: bytes) -> None:
    """*data* over what the open head file holds. Raises OSError."""
    if hasattr(os, "pwrite"):
        os.pwrite(fd, data, 0)
    else:
        os.lseek(fd, 0, os.SEEK_SET)
        os.write(fd, data)
