"""A journal run again: the same policy must give every answer again to the byte; another shows which decisions it would flip.

What a journal recorded as events is taken again in its order; the answers beside them are compared and never believed.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from caplex.runtime.decision import Decision
from caplex.runtime.engine import refilling, unwritten
from caplex.runtime.engine.activation import act_in
from caplex.runtime.engine.machine import Machine, Step
from caplex.runtime.errors import CaplexError, EventError, JournalError
from caplex.runtime.journal import Problem, Record, read
from caplex.runtime.journal.head import load as load_head
from caplex.runtime.journal.record import encode
from caplex.runtime.journal.trouble import JournalTrouble
from caplex.runtime.journal.walker import Walker, open_for_reading
from caplex.runtime.policy import Policy
from caplex.runtime.proof import Proof, Proved, digest

Load = Callable[[Mapping[str, Any]], Policy]
MOST: Final = 1000
"""So many differences and flips are kept; all are counted."""
_ANSWERS: Final = frozenset({"decision", "outcome"})
_MISSING: Final = "nothing"


@dataclass(frozen=True, slots=True)
class Difference:
    """An answer that did not come again: where in it the first difference stands, and both values."""

    seq: int
    at: str | None
    what: str
    path: str
    recorded: str
    again: str

    def to_dict(self) -> dict[str, Any]:
        return {"seq": self.seq, "at": self.at, "what": self.what, "path": self.path, "recorded": self.recorded, "again": self.again}


@dataclass(frozen=True, slots=True)
class Flip:
    """A decision that the other policy gives otherwise."""

    seq: int
    told: Mapping[str, Any]
    other: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """``deny:allow``."""
        return f"{self.told['verdict']}:{self.other['verdict']}".lower()

    def to_dict(self) -> dict[str, Any]:
        def side(told: Mapping[str, Any]) -> dict[str, Any]:
            rule = told.get("decided_by")
            message = next((each["message"] for each in told.get("reasons") or () if each["rule"] == rule), None)
            return {"verdict": told["verdict"], "quantity": told["quantity"], "decided_by": rule, "message": message}

        about = {name: self.told.get(name) for name in ("at", "intent_id", "decision_id", "symbol", "side", "requested")}
        return {"seq": self.seq, "kind": self.kind, **about, "was": side(self.told), "would_be": side(self.other)}


@dataclass(slots=True)
class Replayed:
    """What a replay found.

    Attributes:
        again: Answers that came again to the byte.
        unanswered: Events at the end whose answer a crash kept from being written.
        problems: Of the chain, in sentences. torn: the last line is not whole.
        notes: What could not be proved, and why.
    """

    events: int = 0
    decisions: int = 0
    outcomes: int = 0
    again: int = 0
    eras: int = 0
    differing: int = 0
    differences: list[Difference] = field(default_factory=list)
    flipped: int = 0
    flips: list[Flip] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    unanswered: int = 0
    broken: int = 0
    problems: list[Problem] = field(default_factory=list)
    torn: Problem | None = None
    notes: list[str] = field(default_factory=list)
    digest: str | None = None
    policy: Mapping[str, Any] = field(default_factory=dict)
    accounts: list[Proved] = field(default_factory=list)

    @property
    def proof(self) -> str | None:
        """One hash over what was proved of every account; None after a broken line."""
        return digest(self.accounts) if not self.broken else None

    @property
    def identical(self) -> bool:
        return not self.differing and not self.broken

    def note(self, sentence: str) -> None:
        if sentence not in self.notes:
            self.notes.append(sentence)

    def to_dict(self) -> dict[str, Any]:
        """``caplex.replay/1``."""
        return {
            "schema": "caplex.replay/1", "identical": self.identical, "events": self.events, "decisions": self.decisions, "outcomes": self.outcomes,
            "again": self.again, "policies": self.eras, "policy": dict(self.policy), "differing": self.differing,
            "differences": [each.to_dict() for each in self.differences], "flipped": self.flipped, "kinds": dict(sorted(self.kinds.items())),
            "flips": [each.to_dict() for each in self.flips], "unanswered": self.unanswered, "broken": self.broken,
            "problems": [each.to_dict() for each in self.problems], "torn": None if self.torn is None else self.torn.to_dict(),
            "notes": self.notes, "digest": self.digest, "proof": self.proof, "accounts": [each.to_dict() for each in self.accounts]}


class Era:
    """A machine that is fed the records of a journal, under the policies that the journal names."""

    def __init__(self, load: Load, path: str | Path) -> None:
        self._load, self._path = load, path
        self.machine: Machine | None = None
        self._terms: Mapping[str, Any] | None = None
        self.eras = 0

    def take(self, record: Record) -> Step | None:
        """The answer to an event; None for a record of another kind."""
        if record.kind == "policy":
            self._policy(record)
        elif record.kind == "terms":
            self._terms = record.body
            if self.machine is not None:
                self.machine.under(record.body)
        elif record.kind == "note" and record.body.get("note") == unwritten.NOTE and self.machine is not None:
            unwritten.fold(self.machine, record.body)
        elif record.kind == "event":
            if self.machine is None:
                raise JournalError("the journal names no policy before its first event, so nothing can be decided again")
            body = dict(record.body)
            subject = body.pop("x_subject", None)
            return self.machine.step(self.machine.read(body), subject=subject)
        return None

    def ask(self, record: Record) -> Decision | None:
        """The decision on the intent in *record*, before it is taken, on a document of what is known; None where there is no intent."""
        if self.machine is None or record.kind != "event" or record.body.get("type") != "intent":
            return None
        return self.machine.policy.decide(self.machine.facts(self.machine.read(record.body)))

    def _policy(self, record: Record) -> None:
        policy = self._load(record.body)
        self.eras += 1
        if self.machine is None:
            self.machine = Machine(policy)
            if self._terms is not None:
                self.machine.under(self._terms)
        else:
            past = refilling.again(self.machine, policy, self._path, record, load=self._load)
            self.machine.activate(policy, act_in(record.body), past)


def walk(path: str | Path) -> Iterator[Record | Problem]:
    """The records of a journal and what is wrong with its chain, in their order, the end against the head file last."""
    try:
        head = load_head(path)
    except JournalTrouble as error:
        head = None
        yield Problem(0, None, "head", str(error))
    with open_for_reading(path) as stream:
        walker = Walker(stream, str(path), head=head, exact=True)
        yield from walker
        late = walker.against_head()
    if late is not None:
        yield late


def replay(path: str | Path, *, load: Load, other: Policy | None = None, progress: Callable[[int], None] | None = None) -> Replayed:
    """Run the journal *path* again.

    Args:
        load: Makes the policy of a record of the kind ``policy``.
        other: Decides the same intents, on a state of its own made of the same events.
        progress: Is told the number of each record.
    Raises:
        JournalTrouble: no journal. PolicyError: the recorded policy cannot be had.
    """
    run = Run(load, path, [other] if other is not None else [])
    found = run.found
    for each in walk(path):
        if isinstance(each, Problem):
            run.wrong(each)
            continue
        if progress is not None:
            progress(each.seq)
        run.take(each)
    run.finish()
    for told in run.flips:
        found.flipped, found.flips, found.kinds = told.flipped, told.flips, told.kinds
        for sentence in told.notes:
            found.note(sentence)
    return found


class Run:
    """A replay under way: records come in, answers are compared.

    Attributes:
        flips: What each of the other policies decides otherwise: of these, only what says so is filled in.
    """

    def __init__(self, load: Load, path: str | Path, others: Sequence[Policy] = ()) -> None:
        self.found, self.era, self._proof = Replayed(), Era(load, path), Proof()
        self.others = [Machine(other) for other in others]
        self.flips = [Replayed() for _ in others]
        self._waiting: Step | None = None
        self._stopped = False

    def wrong(self, problem: Problem) -> None:
        """What comes after rests on what is missing or was changed."""
        found = self.found
        if problem.kind == "torn":
            found.torn = problem
            return
        found.broken += 1
        if len(found.problems) < MOST:
            found.problems.append(problem)
        self._stopped = True

    def take(self, record: Record, *, compared: bool = True) -> Step | None:
        """The next record, and the step if it is an event. Not *compared*: its answer will be, somewhere else."""
        if self._stopped:
            return None
        if record.kind in _ANSWERS:
            compare(self.found, record, self._waiting, self._proof)
            self._waiting = None
            return None
        if self._waiting is not None and record.kind == "event":
            self._unanswered()
        self._waiting = None
        found = self.found
        step = _step(found, self.era, record)
        if record.kind in ("terms", "event"):
            for second, flips in zip(self.others, self.flips, strict=True):
                _beside(flips, second, record, step)
        if step is not None and compared:
            found.events += 1
            self._waiting = step
        elif record.kind == "policy":
            found.policy = {name: record.body.get(name) for name in ("name", "version", "hash", "settings_hash", "mode")}
        return step

    def _unanswered(self) -> None:
        """An outcome that says nothing is not written; a decision always is, unless a crash came before."""
        if self._waiting is not None and self._waiting.kind == "decision":
            self.found.unanswered += 1

    def finish(self) -> None:
        found, machine = self.found, self.era.machine
        self._unanswered()
        found.eras = self.era.eras
        if self._stopped:
            found.note("nothing after the first broken line was decided again")
        found.digest = machine.digest() if machine is not None and not self._stopped else None
        found.accounts = self._proof.close(machine) if not self._stopped else []


def _step(found: Replayed, era: Era, record: Record) -> Step | None:
    try:
        return era.take(record)
    except EventError as error:
        found.differing += 1
        _keep(found, Difference(record.seq, record.at, "event", "", "taken", f"refused: {error}"))
        return None


def compare(found: Replayed, record: Record, step: Step | None, proof: Proof) -> None:
    """The answer that *record* holds, with the one that came again; decisions are added to *proof*."""
    found.decisions += record.kind == "decision"
    found.outcomes += record.kind == "outcome"
    if step is not None and step.text is not None and step.text == record.text:
        found.again += 1
        _prove(proof, step, step.told, record.text)
        return
    told = dict(step.told) if step is not None else None
    recorded, text = record.body, ""
    if told is not None and isinstance(recorded, Mapping):
        if recorded.get("shadows"):
            told["shadows"] = recorded["shadows"]
            found.note("what shadow policies said is taken from the journal and not proved")
        if recorded.get("engine") != told.get("engine") and "engine" in recorded:
            found.note(f"written by {recorded['engine']}, decided again by {told.get('engine')}")
            told["engine"] = recorded["engine"]
        text = encode(told)
        if step is not None:
            _prove(proof, step, told, text)
        if text == record.text:
            found.again += 1
            return
    found.differing += 1
    what = str(recorded.get("intent_id") or recorded.get("event", {}).get("id") or "") if isinstance(recorded, Mapping) else ""
    path, was, now = first_difference(recorded, told) if told is not None else ("", record.kind, _MISSING)
    _keep(found, Difference(record.seq, record.at, f"{record.kind} {what}".strip(), path, was, now))


def _prove(proof: Proof, step: Step, told: Mapping[str, Any], text: str) -> None:
    """A decision counts for its account, and so do those that an act has released."""
    if step.kind == "decision":
        proof.take(told, text)
    for released in told.get("released") or ():
        proof.take(released, encode(released))


def _keep(found: Replayed, difference: Difference) -> None:
    if len(found.differences) < MOST:
        found.differences.append(difference)


def first_difference(recorded: Any, again: Any, path: str = "") -> tuple[str, str, str]:
    """Where two documents differ first, and what stands there, shortened."""
    if isinstance(recorded, Mapping) and isinstance(again, Mapping):
        for key in sorted({*recorded, *again}):
            if key not in recorded or key not in again or recorded[key] != again[key]:
                return first_difference(recorded.get(key, _Absent), again.get(key, _Absent), f"{path}/{key}")
    if isinstance(recorded, list) and isinstance(again, list):
        for index in range(max(len(recorded), len(again))):
            one = recorded[index] if index < len(recorded) else _Absent
            two = again[index] if index < len(again) else _Absent
            if one != two:
                return first_difference(one, two, f"{path}/{index}")
    return path, _shown(recorded), _shown(again)


class _Absent:
    """Stands for what is not there."""


def _shown(value: Any) -> str:
    if value is _Absent:
        return _MISSING
    try:
        text = value if isinstance(value, str) else encode(value)
    except ValueError:
        text = repr(value)
    return text if len(text) <= 120 else text[:119] + "…"


def _beside(found: Replayed, second: Machine, record: Record, step: Step | None) -> None:
    """The other policy takes the same event. Both live through what really happened."""
    if record.kind == "terms":
        second.under(record.body)
        return
    body = dict(record.body)
    subject = body.pop("x_subject", None)
    try:
        answer = second.step(second.read(body), subject=subject)
    except CaplexError as error:
        found.note(f"the other policy cannot take some events: {error}")
        return
    if step is None or step.kind != "decision" or step.told.get("repeat_of") is not None:
        return
    if (step.told["verdict"], step.told["quantity"]) != (answer.told["verdict"], answer.told["quantity"]):
        flip = Flip(record.seq, step.told, answer.told)
        found.flipped += 1
        found.kinds[flip.kind] += 1
        if len(found.flips) < MOST:
            found.flips.append(flip)


def answer_again(path: str | Path, record: Record, *, load: Load) -> tuple[Decision | None, Decision | None]:
    """The decision that *record* holds, made again on the state of then; None where the record is the answer to no event of its own.

    Beside it the same decision on a document of what was known then, of which may be asked what would make it pass; None where
    the two differ, or the intent was not decided when it came.

    Raises:
        JournalTrouble: the chain does not hold up to there. PolicyError: the recorded policy cannot be had.
    """
    era, step, asked = Era(load, path), None, None
    for each in read(path, skip_torn=True):
        if each.seq == record.seq:
            break
        asked = era.ask(each) if each.seq == record.seq - 1 else None
        step = era.take(each)
    if step is None:
        return None, None
    if step.decision is not None and step.told.get("repeat_of") is None:
        alike = asked is not None and (asked.verdict, asked.quantity) == (step.decision.verdict, step.decision.quantity)
        return step.decision, asked if alike else None
    return next((each for each in step.released if each.to_dict().get("decision_id") == record.body.get("decision_id")), None), None


def fold(path: str | Path, *, load: Load) -> Machine:
    """The machine after all records of *path*; a last line that is not whole is left out.

    Raises:
        JournalTrouble: no journal, or its chain does not hold. PolicyError: the recorded policy cannot be had.
    """
    era = Era(load, path)
    for record in read(path, skip_torn=True):
        era.take(record)
    if era.machine is None:
        raise JournalError(f"`{path}` names no policy yet")
    return era.machine
