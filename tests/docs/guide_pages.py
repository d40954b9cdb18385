"""Pages as tests read them: fenced blocks by info string, and sessions at a terminal.

What a page shows of a terminal can be written anew, after the layout of a command has changed:

    CAPLEX_WRITE_PAGES=1 pytest tests/docs
"""
from __future__ import annotations

import io
import json
import os
import re
import shlex
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from caplex.compiler.cli import main

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
FENCE = re.compile(r"^```([^\n`]*)\n(.*?)^```$", re.M | re.S)
FILES = ("cap", "json", "jsonl", "toml", "yaml", "python", "sh")
WRITE = "CAPLEX_WRITE_PAGES"
# What is another thing in each version or on each day, and what a page shows of it.
VARIES = ((re.compile(r"sha256 [0-9a-f]{6}…"), "sha256 …"), (re.compile(r"\bin \d+\.\d+s\b"), "in …s"))


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
    """Runs commands as a terminal would that is no terminal; stdout and stderr come as one, as on a screen.

    `caplex …` runs in this process: a page runs a dozen of them, and that the command is a program of its own is tested
    elsewhere. `python` and `pytest` run in one of their own, and as nobody's children: what steers our own tests is not theirs.
    """

    def __init__(self) -> None:
        self.status = 0

    def run(self, command: str) -> str:
        if command == "echo $?":
            return str(self.status)
        program, *arguments = shlex.split(command)
        if program in ("python", "pytest"):
            return self._program([*(["-m", "pytest"] if program == "pytest" else []), *arguments])
        assert program == "caplex", f"pages run caplex, python and pytest, and nothing else: {command}"
        screen = io.StringIO()
        with redirect_stdout(screen), redirect_stderr(screen):
            self.status = main.run(arguments)
        return screen.getvalue().rstrip("\n")

    def _program(self, arguments: list[str]) -> str:
        mine = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COV_"))}
        done = subprocess.run([sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8",
                              env={**mine, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONIOENCODING": "utf-8", "PYTEST_ADDOPTS": "-p no:asyncio -p no:pytest-lsp"})
        self.status = done.returncode
        return done.stdout.rstrip("\n")


@dataclass(frozen=True)
class Difference:
    """A command that prints something else than its page says."""

    where: str
    step: Step
    shown: str

    def __str__(self) -> str:
        return f"{self.where}: $ {self.step.command}\n--- the page\n{self.step.wanted}\n--- the command\n{self.shown}"


def play(page: Path, folder: Path, names: dict[str, object], *, sessions_only: bool = False) -> tuple[int, list[Difference]]:
    """Do what *page* shows, from top to bottom, in *folder*, which is the current one: how much was done, and what differs.

    Under `CAPLEX_WRITE_PAGES` the page is written anew, and nothing differs. With *sessions_only*, what is no session at a
    terminal is left to other tests.
    """
    terminal, done, differences = Terminal(), 0, []
    told: list[tuple[Block, str]] = []
    for block in blocks(page):
        where = f"{page.name}:{block.line}"
        if sessions_only and block.language != "console":
            continue
        if block.name is not None:
            assert block.language in FILES, f"{where}: no file is written from {block.language}"
            if block.language == "json":
                json.loads(block.text)
            (folder / block.name).parent.mkdir(parents=True, exist_ok=True)
            (folder / block.name).write_text(block.text, encoding="utf-8")
        elif block.language == "console":
            seen = [(step, terminal.run(step.command)) for step in steps(block)]
            differences += [Difference(where, step, shown) for step, shown in seen if not matches(step.wanted, shown)]
            told.append((block, "".join(f"$ {step.command}\n{_told(step.wanted, shown)}" for step, shown in seen)))
            done += len(seen)
        elif block.language == "python":
            exec(compile("\n" * block.line + block.text, str(page), "exec"), names)
            done += 1
        else:
            assert loose(block), f"{where}: a block that nothing runs; its info string is `{block.language} {' '.join(block.words)}`"
    if differences and os.environ.get(WRITE):
        _write(page, told)
        return done, []
    return done, differences


def loose(block: Block) -> bool:
    """Blocks that are shown only: plain text, and pieces that say that they are."""
    return block.language == "text" or "fragment" in block.words


def _told(wanted: str, shown: str) -> str:
    """What a page shows of *shown*; as it was where that is still true."""
    if matches(wanted, shown):
        text = wanted
    else:
        kept = wanted.split("\n")
        text = "\n".join(next((old for old in kept if "…" in old and matches(old, line)), _steady(line)) for line in shown.split("\n"))
    return text + "\n" if text else ""


def _steady(line: str) -> str:
    for pattern, instead in VARIES:
        line = pattern.sub(instead, line)
    return line


def _write(page: Path, told: list[tuple[Block, str]]) -> None:
    text = page.read_text(encoding="utf-8")
    for block, instead in told:
        fence = f"```{' '.join([block.language, *block.words])}\n"
        assert text.count(fence + block.text + "```") >= 1
        text = text.replace(fence + block.text + "```", fence + instead + "```", 1)
    page.write_text(text, encoding="utf-8")


def matches(wanted: str, shown: str) -> bool:
    """Line by line; `…` in a wanted line stands for any text within it."""
    want, saw = wanted.split("\n"), shown.split("\n")
    return len(want) == len(saw) and all(
        re.fullmatch(".*".join(map(re.escape, one.split("…"))), other) for one, other in zip(want, saw, strict=True))
