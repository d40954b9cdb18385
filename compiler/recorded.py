"""A policy as a journal recorded it: compiled from the texts in the record, whatever lies on the disk today."""
from __future__ import annotations

import os.path
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import PurePath
from typing import Any

from caplex.compiler.diagnostics.diagnostic import Diagnostic
from caplex.compiler.driver import STANDARD
from caplex.compiler.semantics.analyse import analyse, ordered
from caplex.compiler.semantics.model import CheckedModule
from caplex.compiler.semantics.symbols import Loaded, Target
from caplex.compiler.source import Source
from caplex.compiler.syntax.parser import parse
from caplex.runtime.errors import PolicyError
from caplex.runtime.policy import Policy


class Texts:
    """A loader that reads modules from *sources*, texts by the name under which they were compiled."""

    def __init__(self, ids: Iterator[int], sources: Mapping[str, str]) -> None:
        self._ids = ids
        self._names = {os.path.normpath(name): name for name in sources}
        self._sources = sources

    def __call__(self, target: Target, importer: str) -> Loaded:
        if isinstance(target, str):
            place = os.path.normpath(PurePath(importer).parent / target)
            return self._parse(place, place)
        return self._parse(f"{STANDARD}/{target[-1]}.cap", ".".join(target))

    def _parse(self, place: str, identity: str) -> Loaded:
        name = self._names.get(os.path.normpath(place))
        if name is None:
            return Loaded(None, identity, known=tuple(sorted(self._names)))
        module, problems = parse(Source(name, self._sources[name]), ids=self._ids)
        return Loaded(module, identity, tuple(problems))


def compile_recorded(record: Mapping[str, Any]) -> Policy:
    """The policy of a journal's record of the kind ``policy``.

    Raises:
        PolicyError: the texts do not compile with this version, or do not give the policy that the record names.
    """
    from caplex.compiler.loading import policy_of

    sources, given = record.get("sources"), record.get("given") or {}
    entry = record.get("entry")
    if not isinstance(sources, Mapping) or not isinstance(entry, str) or entry not in sources:
        raise PolicyError(f"the journal holds no texts of the policy `{record.get('name')}`; name the policy itself")
    values, mode = dict(given.get("settings") or {}), given.get("mode")
    checked, problems = checked_again(entry, sources, given)
    policy = policy_of(checked, problems, values, mode)
    if (policy.hash, policy.settings_hash) != (record.get("hash"), record.get("settings_hash")):
        raise PolicyError(f"the texts in the journal give the policy {policy.hash[:19]}…, and the record names {str(record.get('hash'))[:19]}…: "
                          "one of the two was made by another version of caplex, or was changed")
    return policy


def checked_again(entry: str, sources: Mapping[str, str], given: Mapping[str, Any]) -> tuple[CheckedModule | None, list[Diagnostic]]:
    """The checked module of the text *entry* of *sources*, with what was *given* from outside; and what checking found."""
    ids = count()
    module, problems = parse(Source(entry, sources[entry]), ids=ids)
    if module is None:
        return None, ordered(problems)
    checked, found = analyse(module, load=Texts(ids, sources), settings=dict(given.get("settings") or {}), mode=given.get("mode"),
                             identity=os.path.normpath(entry))
    return checked, ordered([*problems, *found])
