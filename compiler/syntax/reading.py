"""Files become sources here, and nowhere else."""
from __future__ import annotations

from pathlib import Path

from caplex.compiler.diagnostics import codes_syntax as codes
from caplex.compiler.diagnostics.diagnostic import Diagnostic
from caplex.compiler.source import Source, is_sealed
from caplex.compiler.syntax.guards import MAX_BYTES, too_large

_MARK = b"\xef\xbb\xbf"


def read_source(path: str | Path) -> tuple[Source | None, list[Diagnostic]]:
    """Read *path* as UTF-8 text, under the name that the user typed.

    A byte order mark at the very beginning is dropped: it says how the file is encoded and is no part of the text.
    """
    name = str(path)
    if is_sealed(path):
        return None, [Diagnostic(codes.NOT_TEXT, f"`{name}` is a sealed policy, and no text of one", where=name, help="name the policy that it was made of")]
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_BYTES + len(_MARK) + 1)
    except FileNotFoundError:
        return None, [Diagnostic(codes.NO_SUCH_FILE, f"there is no file `{name}`", where=name)]
    except IsADirectoryError:
        return None, [Diagnostic(codes.NOT_A_FILE, f"`{name}` is a folder", where=name, help="name a `.cap` file in it")]
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        why = getattr(error, "strerror", None) or str(error)
        return None, [Diagnostic(codes.UNREADABLE, f"`{name}` cannot be read: {why}", where=name)]
    content = content.removeprefix(_MARK)
    if len(content) > MAX_BYTES:
        return None, [too_large(name)]
    try:
        return Source(name, content.decode("utf-8")), []
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        sentence = f"`{name}` is not UTF-8 text: line {line} holds the byte 0x{content[error.start]:02X}"
        return None, [Diagnostic(codes.NOT_TEXT, sentence, where=name, help="save it as UTF-8")]
