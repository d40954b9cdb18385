"""A policy sealed into one file, ``desk.capc``: every text that it was made of, what came from outside, and its hashes.

It holds no code, so whoever can write it can write a policy and nothing else: loading it compiles the texts in it, whatever
lies on the disk today, and they must give the policy that it names. The packs are in it as they were. The same policy and
the same settings give the same bytes on every machine: names are relative to the folder of the policy.
"""
from __future__ import annotations

import json
import os.path
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from caplex.compiler.diagnostics.codes_input import CANNOT_READ, SEAL_BROKEN, SEAL_SETTLED
from caplex.compiler.diagnostics.diagnostic import Diagnostic
from caplex.runtime.canonical import NotCanonical, sha256
from caplex.runtime.errors import PolicyError

if TYPE_CHECKING:
    from caplex.runtime.plan import Plan
    from caplex.runtime.policy import Policy

Mode = Literal["enforce", "monitor"]
SCHEMA = "caplex.sealed/1"
MOST_BYTES = 64 * 1024 * 1024
_PACKS = "stdlib/"
_TEXTS = ("name", "version", "mode", "hash", "settings_hash", "entry")


@dataclass(frozen=True, slots=True)
class Sealed:
    """What a sealed file says.

    Attributes:
        file: Its name, as the user wrote it.
        entry: Which of the *sources* is the policy; the others are what it imports, by name.
        settings, mode: Given from outside when it was sealed.
        hash, settings_hash: Of the policy that comes of it.
    """

    file: str
    entry: str
    sources: Mapping[str, str]
    settings: Mapping[str, Any]
    mode: Mode | None
    hash: str
    settings_hash: str

    def under(self, settings: Mapping[str, Any], mode: Mode | None) -> tuple[dict[str, Any], Mode | None, list[Diagnostic]]:
        """Its own settings and mode with what is given now; what was settled when it was sealed stays so."""
        problems = [self._settled(f"the setting `{name}`") for name in settings if name in self.settings]
        if mode is not None and self.mode is not None and mode != self.mode:
            problems.append(self._settled("the mode"))
        return {**self.settings, **settings}, self.mode or mode, problems

    def _settled(self, what: str) -> Diagnostic:
        return Diagnostic(SEAL_SETTLED, f"{what} was settled when `{self.file}` was compiled", where=self.file,
                          help="compile the policy anew, so that whoever approves it sees the change")

    def differs(self, plan: Plan) -> list[Diagnostic]:
        """What there is to say where its texts give another policy than it names, with nothing from outside."""
        if (plan.hash, plan.settings_hash) == (self.hash, self.settings_hash):
            return []
        given, said = (plan.hash, self.hash) if plan.hash != self.hash else (plan.settings_hash, self.settings_hash)
        return [Diagnostic(SEAL_BROKEN, f"the texts in `{self.file}` give {given[:19]}…, and it names {said[:19]}…", where=self.file,
                           help="another version of caplex made it, or somebody changed it: compile the policy anew")]


def seal(policy: Policy) -> str:
    """The text of a sealed file of *policy*, to be written under a name that ends in ``.capc``; `caplex.load` takes it.

    Raises:
        PolicyError: It does not carry the texts that it was compiled from.
    """
    plan = policy.plan
    if not plan.sources:
        raise PolicyError(f"`{policy.name}` does not carry the texts that it was compiled from")
    entry, *_ = names = list(plan.sources)
    here = os.path.dirname(entry)
    renamed = {name: name if name.startswith(_PACKS) and name != entry else os.path.relpath(name, here or ".") for name in names}
    body = {
        "name": policy.name, "version": policy.version, "mode": policy.mode, "hash": policy.hash, "settings_hash": policy.settings_hash,
        "entry": renamed[entry], "given": dict(plan.given), "sources": {renamed[name]: plan.sources[name] for name in sorted(names, key=renamed.__getitem__)},
    }
    return json.dumps({"schema": SCHEMA, "seal": sha256(body), **body}, indent=1, ensure_ascii=False) + "\n"


def read(path: str | Path) -> tuple[Sealed | None, list[Diagnostic]]:
    """The sealed file at *path*, whole and as it was written."""
    name = str(path)
    try:
        with open(path, "rb") as file:
            content = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        return None, [Diagnostic(CANNOT_READ, f"`{name}` cannot be read: {getattr(error, 'strerror', None) or error}", where=name)]
    try:
        said = json.loads(content) if len(content) <= MOST_BYTES else None
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict) or said.get("schema") != SCHEMA:
        return None, [Diagnostic(SEAL_BROKEN, f"`{name}` is no sealed policy", where=name, help="`caplex compile desk.cap -o desk.capc` makes one")]
    found = _sealed(name, said)
    if found is None:
        return None, [Diagnostic(SEAL_BROKEN, f"`{name}` is not as it was written", where=name, help="take it from where it was sealed, or compile the policy anew")]
    return found, []


def _sealed(name: str, said: Mapping[str, Any]) -> Sealed | None:
    body = {key: value for key, value in said.items() if key not in ("schema", "seal")}
    sources, given = body.get("sources"), body.get("given")
    try:
        if not all(isinstance(body.get(key), str) for key in _TEXTS) or said.get("seal") != sha256(body):
            return None
    except NotCanonical:  # NaN, or nested too deeply: nothing that was ever sealed
        return None
    if not isinstance(sources, dict) or body["entry"] not in sources or not all(isinstance(text, str) for text in sources.values()):
        return None
    if not isinstance(given, dict) or not isinstance(given.get("settings"), dict) or given.get("mode") not in (None, "enforce", "monitor"):
        return None
    return Sealed(name, body["entry"], sources, given["settings"], given["mode"], body["hash"], body["settings_hash"])
