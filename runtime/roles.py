"""Who may act: the roles file, and whether an operator's act is the act of who it says.

Roles stand in the file and never in an event. A refused act is data, for the record, and never an exception.
"""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, Self

from caplex.runtime.canonical import NotCanonical, sha256
from caplex.runtime.clock import NotATime, format_instant, parse_instant, short_instant
from caplex.runtime.document import Object
from caplex.runtime.roles_file import NAME, NAME_CURE, SCHEMA, Person, Reader, RolesError, load
from caplex.runtime.signing import PREFIX, shown, signed_bytes, verify

How = Literal["signature", "subject", "trusted", "host"]


# ── acts ──────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Act:
    """An operator's act that is believed.

    Attributes:
        roles: What the roles file gave *by* at *at_ns*.
        how: Why it is believed: a signature, the subject that the caller authenticated, trust alone (simulation), or that the
            program which runs the engine has asked for it itself.
        at_ns: When the engine takes it.
        said_ns: When it says it was done; never after *at_ns*.
        every: Trusted without a roles file: taken to have every role.
    """

    by: str
    roles: frozenset[str]
    how: How
    at_ns: int
    said_ns: int
    every: bool = False

    def has(self, role: str) -> bool:
        return self.every or role in self.roles


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an act counts for nothing: a stable *code*, and a sentence for people."""

    code: str
    sentence: str

    def to_dict(self) -> dict[str, str]:
        return {"code": self.code, "message": self.sentence}


@dataclass(frozen=True, slots=True)
class Approval:
    """*by* said yes at *at_ns*, and held *role* then."""

    by: str
    at_ns: int
    role: str

    def to_dict(self) -> dict[str, str]:
        return {"by": self.by, "at": format_instant(self.at_ns)}


@dataclass(frozen=True, slots=True)
class Quorum:
    """*need* distinct people who hold *role* when they act."""

    need: int
    role: str

    def admit(self, act: Act, approvals: Iterable[Approval]) -> Approval | Refusal:
        """What *act* adds to *approvals*: a person without the role adds nothing, and nobody counts twice."""
        if not act.has(self.role):
            return Refusal("lacks_role", f"`{act.by}` is no `{self.role}` at {short_instant(act.at_ns)}, so the act does not count")
        if any(each.by == act.by for each in self.people(approvals)):
            return Refusal("already_approved", f"`{act.by}` has approved already and counts once; another `{self.role}` is wanted")
        return Approval(act.by, act.at_ns, self.role)

    def counted(self, acts: Iterable[Act]) -> tuple[Approval, ...]:
        """What *acts*, in their order, come to."""
        found: tuple[Approval, ...] = ()
        for act in acts:
            added = self.admit(act, found)
            found += (added,) if isinstance(added, Approval) else ()
        return found

    def people(self, approvals: Iterable[Approval]) -> tuple[Approval, ...]:
        """The first approval of each person in this role."""
        found: dict[str, Approval] = {}
        for each in approvals:
            if each.role == self.role:
                found.setdefault(each.by, each)
        return tuple(found.values())

    def missing(self, approvals: Iterable[Approval]) -> int:
        """How many people are missing; 0 is enough."""
        return max(self.need - len(self.people(approvals)), 0)


# ── the people ────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Roles:
    """The people of a roles file. `Roles()` is *no* file: nobody is known, and only trust lets anybody act.

    Attributes:
        channels: Who reads the channel of a ``notify``, by name of channel.
        hash: Of the content, however it was written down; None without a file. It belongs into the journal.
    """

    people: Mapping[str, Person] = field(default_factory=lambda: MappingProxyType({}))
    channels: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    hash: str | None = None

    @classmethod
    def read(cls, given: str | Path | Mapping[str, Any], name: str = "") -> Self:
        """The roles in a JSON file, or in a document that was read; *name* is what errors call it.

        Raises:
            RolesError: it is no roles file, or says something that cannot be meant.
            CaplexError: the file cannot be read, or holds no JSON object.
        """
        if isinstance(given, Mapping):
            document, name = given, name or "roles"
        else:
            document, name = load(given), name or str(given)
        reader = Reader(document)
        if reader.problems:
            raise RolesError(name, reader.problems)
        roles = cls(MappingProxyType(reader.people), MappingProxyType(reader.channels))
        object.__setattr__(roles, "hash", sha256(roles.to_dict()))
        return roles

    def to_dict(self) -> dict[str, Any]:
        """The document that reads as these roles, in one order."""
        people: dict[str, Any] = {}
        for name, person in sorted(self.people.items()):
            people[name] = {"roles": sorted(person.roles)}
            if person.keys:
                people[name]["keys"] = sorted(person.keys)
            if person.not_after_ns is not None:
                people[name]["not_after"] = format_instant(person.not_after_ns)
        channels = {name: sorted(readers) for name, readers in sorted(self.channels.items())}
        return {"schema": SCHEMA, "people": people, "channels": channels}

    def roles_of(self, person: str, at_ns: int) -> frozenset[str]:
        """The roles of *person* at *at_ns*; none if nobody knows them, or not any more."""
        entry = self.people.get(person)
        return frozenset() if entry is None or entry.ended(at_ns) else entry.roles

    def authenticate(
        self, event: Mapping[str, Any], *, subject: str | None = None, trust: bool = False, now_ns: int | None = None,
    ) -> Act | Refusal:
        """Is *event* the act of who it says, and with which roles?

        Args:
            event: An operator event; it says ``by`` and ``at``, and may say ``expires_at`` and ``signature``.
            subject: Who acts, as the caller has authenticated them; a signature that is there must hold all the same.
            trust: Ask for no signature (simulation). The file, if there is one, still says who is known, and their roles.
            now_ns: When the engine takes it, if later than its ``at``: an act that lay about is judged by that time.
        Raises:
            CaplexError: a signature must be looked at and the extra for it is not installed.
        """
        said = stated(event, subject)
        if isinstance(said, Refusal):
            return said
        by, said_ns, expires_ns = said
        at_ns = said_ns if now_ns is None else max(said_ns, now_ns)
        if expires_ns is not None and expires_ns <= at_ns:
            return Refusal("act_expired", f"the act of `{by}` held until {short_instant(expires_ns)}, and it is {short_instant(at_ns)}")
        if self.hash is None:
            if trust:
                return Act(by, frozenset(), "trusted", at_ns, said_ns, every=True)
            return Refusal("no_roles_file", "without a roles file nobody may act: give the engine one")
        person = self.people.get(by)
        if person is None:
            near = get_close_matches(by, self.people, n=1)
            return Refusal("unknown_person", f"the roles file names no `{by}`{f'; did you mean `{near[0]}`?' if near else ''}")
        if person.ended(at_ns):
            assert person.not_after_ns is not None
            return Refusal("key_expired", f"the roles file knows `{by}` until {short_instant(person.not_after_ns)}, and it is {short_instant(at_ns)}")
        how = "trusted" if trust else self._proof(event, person, subject)
        return how if isinstance(how, Refusal) else Act(by, person.roles, how, at_ns, said_ns)

    def _proof(self, event: Mapping[str, Any], person: Person, subject: str | None) -> How | Refusal:
        by, signature = person.name, event.get("signature")
        if signature is None:
            if subject is not None:
                return "subject"
            return Refusal("no_signature", f"the act of `{by}` is not signed; `caplex sign EVENT.json --key {by}.key` signs it")
        if not isinstance(signature, str) or not signature.startswith(PREFIX):
            return Refusal("bad_signature", f"`signature` of the act of `{by}` is no text `{PREFIX}…`")
        if not person.keys:
            return Refusal("bad_signature", f"the roles file has no key of `{by}`; put the line that `caplex keys new` printed under `keys`")
        data = signed_bytes(event)
        if any(verify(key, data, signature) for key in person.keys):
            return "signature"
        other = next((each.name for each in self.people.values() for key in each.keys if verify(key, data, signature)), None)
        if other is not None:
            return Refusal("bad_signature", f"the act of `{by}` is signed with a key of `{other}`; who acts signs")
        return Refusal("bad_signature", f"the signature is none of `{by}` over this act: it was changed after it was signed, or the key is another")


def stated(event: Mapping[str, Any], subject: str | None = None) -> tuple[str, int, int | None] | Refusal:
    """Who acts, when, and until when that may be taken."""
    try:
        signed_bytes(event)
    except NotCanonical as error:
        return Refusal("malformed", f"the act has no canonical form: {error}")
    twice = _twice(event)
    if twice is not None:
        return Refusal("malformed", f"`{shown(twice)}` stands twice in the act, so it says two things; write it once")
    by = event.get("by", subject)
    if not isinstance(by, str) or not NAME.fullmatch(by):
        return Refusal("malformed", f"`by` of an act is a name: {NAME_CURE}")
    if subject is not None and by != subject:
        return Refusal("other_subject", f"the act says `{by}`, and who sent it is `{shown(subject)}`; nobody acts for another")
    times: list[int | None] = []
    for key in ("at", "expires_at"):
        try:
            times.append(None if key == "expires_at" and event.get(key) is None else parse_instant(_text(event.get(key))))
        except NotATime as error:
            return Refusal("malformed", f"`{key}` of the act of `{by}` wants {error}")
    assert times[0] is not None
    return by, times[0], times[1]


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _twice(value: object) -> str | None:
    """A key that stands twice somewhere in *value*, which is not deep."""
    if isinstance(value, Object):
        return value.duplicates[0]
    inside = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return next((found for found in map(_twice, inside) if found is not None), None)
