"""The roles file, ``caplex.roles/1``: people with roles and public keys; every mistake is named with its place and its cure."""
from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from caplex.runtime.clock import NotATime, parse_instant
from caplex.runtime.document import Object, read_json
from caplex.runtime.errors import CaplexError
from caplex.runtime.layout import pointer
from caplex.runtime.signing import PREFIX, key_bytes, shown

SCHEMA: Final = "caplex.roles/1"
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@+-]{0,63}")
NAME_CURE: Final = "letters, digits and `_.@+-`, at most 64 of them, as in `risk-1`"
_PERSON_KEYS: Final = ("roles", "keys", "not_after")


class RolesError(CaplexError):
    """The roles file cannot be used; *problems* are sentences, each with its place and its cure."""

    def __init__(self, name: str, problems: Sequence[str]) -> None:
        more = f" (and {len(problems) - 1} more: `caplex roles check` lists them)" if len(problems) > 1 else ""
        super().__init__(f"{name}: {problems[0]}{more}")
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Person:
    """*not_after_ns*: the last instant at which the entry holds; None: without end."""

    name: str
    roles: frozenset[str]
    keys: tuple[str, ...] = ()
    not_after_ns: int | None = None

    def ended(self, at_ns: int) -> bool:
        return self.not_after_ns is not None and at_ns > self.not_after_ns


def load(path: str | Path) -> dict[str, Any]:
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise CaplexError(f"the roles file `{path}` cannot be read: {error.strerror or type(error).__name__}") from None
    return read_json(data, str(path))


class Reader:
    """Reads a roles document to its end, whatever is wrong with it."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.problems: list[str] = []
        self.people: dict[str, Person] = {}
        self.channels: dict[str, tuple[str, ...]] = {}
        self._owners: dict[str, tuple[str, str]] = {}  # a key: whose, and where
        self._names: dict[str, str] = {}  # in small letters: as written
        self._known((), document, ("schema", "people", "channels"))
        if document.get("schema") != SCHEMA:
            self._say(("schema",), f'a roles file begins with `"schema": "{SCHEMA}"`')
        people = self._object(("people",), document.get("people"), '{"risk-1": {"roles": ["risk-officer"]}}')
        if people == {}:
            self._say(("people",), "nobody is listed, so nobody could ever re-arm a switch; list a person, with roles")
        for name, entry in (people or {}).items():
            self._person(name, entry)
        for name, readers in (self._object(("channels",), document.get("channels", {}), '{"risk-desk": ["risk-1"]}') or {}).items():
            self.channels[name] = tuple(self._reader(("channels", name, index), each, people or {}) for index, each in self._list(
                ("channels", name), readers, '["risk-1"]'))

    def _person(self, name: Any, entry: Any) -> None:
        place = ("people", name)
        if not isinstance(name, str) or not NAME.fullmatch(name):
            self._say(place, f"a name is {NAME_CURE}")
            return
        twin = self._names.setdefault(name.lower(), name)
        if twin != name:
            self._say(place, f"differs from `{twin}` in capital letters alone; if they are two people, name them apart")
        if self._object(place, entry, '{"roles": ["risk-officer"]}') is None:
            return
        self._known(place, entry, _PERSON_KEYS)
        roles = tuple(self._role((*place, "roles", index), each) for index, each in self._list(
            (*place, "roles"), entry.get("roles"), '["risk-officer"]'))
        if entry.get("roles") == []:
            self._say((*place, "roles"), f"`{name}` has no role and could do nothing; give one, or leave the person out")
        for index, role in enumerate(roles):
            if role in roles[:index]:
                self._say((*place, "roles", index), f"`{role}` stands twice; write it once")
        keys = tuple(each for index, each in self._list((*place, "keys"), entry.get("keys", []), f'["{PREFIX}…"]')
                     if self._key((*place, "keys", index), each, name))
        self.people[name] = Person(name, frozenset(roles), keys, self._not_after((*place, "not_after"), entry.get("not_after")))

    def _role(self, place: tuple[Any, ...], given: Any) -> str:
        if not isinstance(given, str) or not given.strip() or given != given.strip() or not given.isprintable() or len(given) > 64:
            self._say(place, 'a role is a text, as a policy writes it: `"risk-officer"`')
        return str(given)

    def _key(self, place: tuple[Any, ...], given: Any, name: str) -> bool:
        if not isinstance(given, str) or key_bytes(given) is None:
            private = isinstance(given, str) and "PRIVATE" in given
            what = "this is a private key: it must never stand here, make a new one" if private else f"no public key: `{PREFIX}` and 44 characters"
            self._say(place, f"{what}; `caplex keys new {name}` prints the line that belongs here")
            return False
        whose, where = self._owners.setdefault(given, (name, pointer(*map(str, place))))
        if whose != name:
            self._say(place, f"the key of `{whose}` ({where}) stands here too; a quorum counts people by their keys, so each has keys of their own")
        elif where != pointer(*map(str, place)):
            self._say(place, f"the same key as {where}; write it once")
        return True

    def _not_after(self, place: tuple[Any, ...], given: Any) -> int | None:
        if given is None:
            return None
        try:
            return parse_instant(given if isinstance(given, str) else "")
        except NotATime as error:
            self._say(place, f"the last instant of the entry wants {error}")
            return None

    def _reader(self, place: tuple[Any, ...], given: Any, people: Mapping[str, Any]) -> str:
        if given not in [*people]:
            near = get_close_matches(given, people, n=1) if isinstance(given, str) else []
            self._say(place, f"`{shown(given)}` is nobody under `people`{f'; did you mean `{near[0]}`?' if near else '; list them there'}")
        return str(given)

    def _object(self, place: tuple[Any, ...], given: Any, example: str) -> Mapping[str, Any] | None:
        if not isinstance(given, Mapping):
            self._say(place, f"{'is missing; it is' if given is None else 'must be'} an object, `{example}`")
            return None
        for name in given.duplicates if isinstance(given, Object) else ():
            self._say((*place, name), "stands twice; write it once")
        return given

    def _list(self, place: tuple[Any, ...], given: Any, example: str) -> Iterator[tuple[int, Any]]:
        if not isinstance(given, list | tuple):
            self._say(place, f"{'is missing; it is' if given is None else 'must be'} a list, `{example}`")
            return iter(())
        return enumerate(given)

    def _known(self, place: tuple[Any, ...], given: Mapping[str, Any], names: Sequence[str]) -> None:
        if not place:
            self._object(place, given, "")
        for key in given:
            if key not in names:
                near = get_close_matches(str(key)[:100], names, n=1)
                self._say((*place, key), f"no such key; {f'did you mean `{near[0]}`?' if near else 'there are ' + ', '.join(f'`{each}`' for each in names)}")

    def _say(self, place: tuple[Any, ...], sentence: str) -> None:
        self.problems.append(f"{shown(pointer(*map(str, place)) or '/', 200)}: {sentence}")
