"""What workers found, put together: the same document whoever did which part, and in whatever order they were done."""
from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from caplex.runtime.engine.machine import Step
from caplex.runtime.journal.walker import open_for_reading
from caplex.runtime.parallel.parting import EVERYBODY, Parted
from caplex.runtime.parallel.working import BY_ACCOUNT, Done, line_of
from caplex.runtime.proof import Proof, digest
from caplex.runtime.replay import MOST, Replayed, compare


@dataclass(frozen=True, slots=True)
class Replays:
    """What replays of several journals found; `to_dict` is ``caplex.replays/1``.

    Attributes:
        journals: Paths as they were given, and what was found in each.
        flips: By journal, what each of *variants* decides otherwise.
        parts: How many pieces each journal was in; joined: why one is in one piece although more were wanted.
    """

    journals: tuple[tuple[str, Replayed], ...]
    flips: tuple[tuple[Replayed, ...], ...]
    variants: tuple[Mapping[str, Any], ...]
    parts: tuple[int, ...] = ()
    joined: Mapping[str, str] = field(default_factory=dict)

    @property
    def identical(self) -> bool:
        return all(found.identical for _, found in self.journals)

    @property
    def proof(self) -> str | None:
        """One hash over every account of every journal; None after a broken line."""
        if any(found.broken for _, found in self.journals):
            return None
        return digest(each for _, found in self.journals for each in found.accounts)

    def kinds(self, variant: int) -> Counter[str]:
        """How often which verdict flips to which other under a variant."""
        total: Counter[str] = Counter()
        for flips in self.flips:
            total.update(flips[variant].kinds)
        return total

    def to_dict(self) -> dict[str, Any]:
        """``caplex.replays/1``. Nothing in it tells by whom or how fast it was found."""
        left_out = ("schema", "digest", "flipped", "kinds", "flips")
        sums = {name: sum(getattr(found, name) for _, found in self.journals)
                for name in ("events", "decisions", "outcomes", "again", "differing", "broken", "unanswered")}
        journals = [{"path": path, **{name: value for name, value in found.to_dict().items() if name not in left_out}} for path, found in self.journals]
        return {"schema": "caplex.replays/1", "identical": self.identical, **sums, "proof": self.proof, "journals": journals,
                "variants": [self._variant(number, dict(variant)) for number, variant in enumerate(self.variants)]}

    def _variant(self, number: int, about: dict[str, Any]) -> dict[str, Any]:
        flips = [{"journal": path, **flip.to_dict()} for (path, _), each in zip(self.journals, self.flips, strict=True) for flip in each[number].flips]
        notes = sorted({note for each in self.flips for note in each[number].notes})
        return {**about, "flipped": sum(each[number].flipped for each in self.flips), "kinds": dict(sorted(self.kinds(number).items())),
                "flips": flips[:MOST], "notes": notes}


def gathered(path: str, parted: Parted, groups: Sequence[Sequence[int]], done: Sequence[Done]) -> tuple[Replayed, list[Replayed]]:
    """The findings of the parts of one journal, as one machine would have come to them."""
    found = _sum([each.found for each in done])
    first = done[0].found
    found.eras, found.policy = first.eras, first.policy
    found.unanswered, found.torn = parted.unanswered, parted.torn
    found.accounts = sorted(each for part in done for each in part.found.accounts)
    if done[0].answers:
        group_of = {account: number for number, group in enumerate(groups) for account in group}
        with open_for_reading(path) as stream:
            for seq, offset, told in done[0].answers:
                stream.seek(offset)
                said = {number: part.said[seq] for number, part in enumerate(done) if seq in part.said}
                compare(found, line_of(path, stream.readline(), None), Step("outcome", _together(told, said, parted, group_of)), Proof())
    found.differences.sort(key=lambda each: each.seq)
    return found, [_sum([part.flips[number] for part in done]) for number in range(len(done[0].flips))]


def _sum(parts: Sequence[Replayed]) -> Replayed:
    found = Replayed()
    for name in ("events", "decisions", "outcomes", "again", "differing", "flipped"):
        setattr(found, name, sum(getattr(each, name) for each in parts))
    found.differences = sorted((each for part in parts for each in part.differences), key=lambda each: each.seq)[:MOST]
    found.flips = sorted((each for part in parts for each in part.flips), key=lambda each: each.seq)[:MOST]
    for part in parts:
        found.kinds.update(part.kinds)
        for sentence in part.notes:
            found.note(sentence)
    return found


def _together(told: dict[str, Any], said: Mapping[int, Mapping[str, Any]], parted: Parted, group_of: Mapping[int, int]) -> dict[str, Any]:
    """One outcome on an event of nobody, of what the machines said of their accounts."""
    whole: dict[str, Any] = dict(told)
    whole.update((name, []) for name in BY_ACCOUNT if name in told)
    for part in said.values():
        for name in BY_ACCOUNT:
            if part.get(name):
                whole[name] = [*whole.get(name, ()), *part[name]]
        if part.get("known"):
            whole["discrepancies"] = []
    whole["reservations"] = sorted(whole["reservations"], key=lambda each: parted.of_seq[int(each["id"].removeprefix("r-"))])
    if not whole.get("rearmed"):
        whole.pop("rearmed", None)
    return whole


def ties(parted: Parted, groups: Sequence[Sequence[int]], done: Iterable[Done]) -> bool:
    """Tie accounts that an event of nobody, or an act, moved at once: in which order, only one machine can tell. Whether there were any."""
    moved: dict[int, list[int]] = {}
    found = False
    for number, part in enumerate(done):
        for seq, said in part.said.items():
            if any(said.get(name) for name in ("tripped", "rearmed", "obligations")):
                moved.setdefault(seq, []).append(groups[number][0])
        for seq in part.ties:
            owner = parted.of_seq[seq + 1]
            assert owner != EVERYBODY
            parted.tie(owner, groups[number][0])
            found = True
    for accounts in moved.values():
        for each in accounts[1:]:
            parted.tie(accounts[0], each)
            found = True
    return found
