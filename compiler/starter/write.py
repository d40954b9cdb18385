"""The files of a new desk, from the templates beside this module."""
from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import available_timezones

from caplex.compiler.syntax.words import RESERVED
from caplex.runtime.errors import CaplexError
from caplex.version import __version__

TEMPLATES = Path(__file__).parent / "files"
_FILES = (
    ("desk.cap", "{name}.cap"), ("desk_test.cap", "{name}_test.cap"), ("settings.yaml", "settings.yaml"), ("intent.json", "intent.json"),
    ("README.md", "README.md"), ("gitignore", ".gitignore"), ("pre-commit-config.yaml", ".pre-commit-config.yaml"),
    ("workflow.yml", ".github/workflows/policy.yml"), ("vscode-settings.json", ".vscode/settings.json"), ("editorconfig", ".editorconfig"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What a new desk is called and reckons in.

    Attributes:
        name: Of the policy and its file: a lower-case word.
        currency: Three capital letters.
        timezone: As the IANA names it.
        owner: Who answers for the policy.
    """

    name: str = "desk"
    currency: str = "USD"
    timezone: str = "UTC"
    owner: str = "Risk desk"

    def complaint(self) -> str | None:
        """Why no policy can be made of it; None if one can."""
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.name) or self.name in RESERVED:
            return f"`{self.name}` cannot name a policy: take a lower-case word such as `desk` that is none of the language"
        if not re.fullmatch(r"[A-Z]{3}", self.currency):
            return f"`{self.currency}` is no currency: write three capital letters, such as `USD`"
        if self.timezone not in available_timezones():
            return f"`{self.timezone}` is no time zone: write one such as `America/New_York` or `UTC`"
        if any(each in self.owner for each in '"\\{}\n'):
            return "the owner's name may not hold quotes, backslashes, braces or line ends"
        return None


class Taken(CaplexError):
    """A file that would be written is there already; nothing was written."""


def write(folder: Path, desk: Desk) -> list[Path]:
    """Write the files of *desk* into *folder*, which is made if it is not there; the paths, in order.

    Raises:
        Taken: One of them exists, whatever it holds. Nothing was written.
        OSError: The folder cannot be written to.
    """
    texts = dict(_texts(desk))
    taken = [name for name in texts if (folder / name).exists() or (folder / name).is_symlink()]
    if taken:
        raise Taken(f"`{folder / taken[0]}` exists" + (f", and so do {len(taken) - 1} others" if len(taken) > 1 else "")
                    + ": nothing was written; name an empty folder")
    for name, text in texts.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    return [folder / name for name in texts]


def _texts(desk: Desk) -> Iterator[tuple[str, str]]:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from caplex.compiler.formatting.format import format_text

    environment = Environment(loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)
    known = {"name": desk.name, "currency": desk.currency, "timezone": desk.timezone, "owner": desk.owner, "version": __version__}
    for template, name in _FILES:
        text = environment.get_template(f"{template}.j2").render(known)
        yield name.format(name=desk.name), format_text(text, name=name) if name.endswith(".cap") else text
