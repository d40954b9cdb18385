"""Pages as tests read them: fenced blocks by info string, and sessions at a terminal."""
from __future__ import annotations

import io
import re
import shlex
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from caplex.compiler.cli import main

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
FENCE = re.compile(r"^```([^\n`]*)\n(.*?)^```$", re.M | re.S)
FILES = ("cap", "json", "jsonl", "yaml")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the words after it, its text, and the line where it begins."""

    language: str
    words: tuple[str, ...]
    text: str
    line: int

    @property
    def name(self) -> str | None:
        return next((word.removeprefix("name=") for word in self.words if word.startswith("name=")), None)


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = []
    for match in FENCE.finditer(text):
        language, *words = match.group(1).split() or [""]
        found.append(Block(language, tuple(words), match.group(2), text.count("\n", 0, match.start()) + 1))
    return found


@dataclass(frozen=True)
class Step:
    """A command and what the page says that it prints."""

    command: str
    wanted: str


def steps(block: Block) -> list[Step]:
    found: list[Step] = []
    for part in re.split(r"^(?=\$ )", block.text, flags=re.M):
        if part:
            command, _, wanted = part.partition("\n")
            found.append(Step(command.removeprefix("$ "), wanted.rstrip("\n")))
    return found


class Terminal:
    """Runs `caplex …` as a terminal would that is no terminal; stdout and stderr come as one, as on a screen.

    In this process: a page runs a dozen commands, and that the command is a program of its own is tested elsewhere.
    """

    def __init__(self) -> None:
        self.status = 0

    def run(self, command: str) -> str:
        if command == "echo $?":
            return str(self.status)
        program, *arguments = shlex.split(command)
        assert program == "caplex", f"pages run caplex and nothing else: {command}"
        screen = io.StringIO()
        with redirect_stdout(screen), redirect_stderr(screen):
            self.status = main.run(arguments)
        return screen.getvalue().rstrip("\n")


def matches(wanted: str, shown: str) -> bool:
    """Line by line; `…` in a wanted line stands for any text within it."""
    want, saw = wanted.split("\n"), shown.split("\n")
    return len(want) == len(saw) and all(
        re.fullmatch(".*".join(map(re.escape, one.split("…"))), other) for one, other in zip(want, saw, strict=True))
