"""Two files with one content: both are replaced, or none is."""
from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path


def write_all(paths: Sequence[str | Path], text: str) -> None:
    """*text* into each of *paths*, on the disk before any name is changed. Raises OSError, and then all are as they were.

    Each file changes in one step, and a reader of one never sees half of it. Between two of them lies a moment in which a
    crash of the machine leaves the first new and the second old: who reads both compares their `timestamp`.
    """
    targets = [Path(os.path.realpath(path)) for path in paths]
    fresh: list[Path] = []
    done: list[tuple[Path, Path | None]] = []
    target = Path()
    try:
        for target in targets:
            fresh.append(_beside(target, "new"))
            _write(fresh[-1], text)
        for beside, target in zip(fresh, targets, strict=True):
            done.append((target, _kept(target)))
            os.replace(beside, target)
    except OSError as error:
        for changed, kept in reversed(done):
            _put_back(changed, kept, fresh[targets.index(changed)])
        raise OSError(error.errno, error.strerror, str(target)) from None
    finally:
        for path in (*fresh, *(kept for _, kept in done if kept is not None)):
            with suppress(OSError):
                path.unlink(missing_ok=True)
    for folder in dict.fromkeys(target.parent for target in targets):
        _sync_folder(folder)


def _beside(target: Path, word: str) -> Path:
    return target.with_name(f".{target.name}.{os.getpid()}.{word}")


def _write(path: Path, text: str) -> None:
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _kept(target: Path) -> Path | None:
    """What stands in *target*, under another name; None if there is no such file."""
    kept = _beside(target, "old")
    kept.unlink(missing_ok=True)
    try:
        os.link(target, kept)
    except FileNotFoundError:
        return None
    except OSError:  # a file system without links
        _write(kept, target.read_text(encoding="utf-8"))
    return kept


def _put_back(target: Path, kept: Path | None, fresh: Path) -> None:
    if fresh.exists():
        return  # it was never replaced
    with suppress(OSError):
        if kept is None:
            target.unlink(missing_ok=True)
        else:
            os.replace(kept, target)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return
    with suppress(OSError):  # some file systems know no such thing
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
