"""What a policy that takes over reads further back than the one before kept, read again from the journal.

Histories are made of the lines before the policy's own, and of nothing else, so that whoever folds the journal later comes to
the same. Only lines that a window may reach are read whole; of what stands before them, only the times.
"""
from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from caplex.runtime.clock import NotATime, exact_instant, parse_instant
from caplex.runtime.engine import fold, intents, unwritten
from caplex.runtime.engine.events import Event, read_event
from caplex.runtime.engine.parts import Account, Order, Past
from caplex.runtime.engine.state import State
from caplex.runtime.errors import PolicyError
from caplex.runtime.journal import JournalTrouble, Record
from caplex.runtime.journal.record import parse
from caplex.runtime.journal.walker import open_for_reading
from caplex.runtime.policy import Policy

if TYPE_CHECKING:
    from pathlib import Path

    from caplex.runtime.engine.machine import Machine

Load = Callable[[Mapping[str, Any]], Policy]
Rules = Mapping[str, tuple[str, str]]
"""Severity and stage, by rule."""
_READ: Final = frozenset({"fill", "reject", "cancel", "stop", "result", "history"})
"""Events that leave a row in a history."""
_BEGIN: Final = -(2**63)


@dataclass(frozen=True, slots=True)
class Windows:
    """Histories as they are in the journal.

    Attributes:
        from_seq: The first line that was read; complete_from_ns: from when on they are whole, None: as far as they are asked for.
    """

    rows: Mapping[str, Mapping[str, deque[Past]]]
    from_seq: int
    complete_from_ns: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """What the record of the policy says of it, so that the same lines are read again."""
        whole = self.complete_from_ns
        return {"from_seq": self.from_seq, "complete_from": exact_instant(whole) if whole is not None else None}


def deeper(old: Policy, new: Policy) -> dict[str, int | None]:
    """What *new* reads further back than *old* kept: nanoseconds by history, None without end."""
    kept = old.plan.keep_ns
    return {section: wanted for section, wanted in new.plan.keep_ns.items()
            if section not in kept or (kept[section] is not None and (wanted is None or wanted > (kept[section] or 0)))}


def windows(machine: Machine, policy: Policy, path: Path | str, before: int, *, load: Load | None, said: Mapping[str, Any] | None = None) -> Windows | None:
    """What *policy* needs of the lines of *path* before number *before*; None if it reads no further back than the present one.

    *load* makes the policies of earlier records: how grave a violation was stands in them. *said*: what the record says, once
    there is one.

    Raises:
        JournalTrouble: a line is not as it was written, or the file cannot be read.
    """
    wanted, state = deeper(machine.policy, policy), machine.state
    if not wanted or not state.accounts:
        return None
    since = min(held.last_ns - each if each is not None else _BEGIN for held in state.accounts.values() for each in wanted.values())
    reader = _Reader(machine, wanted, load)
    if said is not None:
        reader.read(path, before, lambda number, _: number >= said["from_seq"])
        whole = parse_instant(said["complete_from"]) if said["complete_from"] is not None else None
        return Windows(reader.rows(), said["from_seq"], whole)
    start = reader.read(path, before, lambda _, at: since == _BEGIN or (at is not None and at >= since))
    return Windows(reader.rows(), start, reader.whole_ns)


def read_back(machine: Machine, policy: Policy, path: Path | str, before: int, *, load: Load | None) -> Windows | None:
    """`windows`; None also where the journal cannot be read just now: then the windows fill anew."""
    try:
        return windows(machine, policy, path, before, load=load)
    except JournalTrouble:
        return None


def again(machine: Machine, policy: Policy, path: Path | str, record: Record, *, load: Load | None) -> Windows | None:
    """What was read back when *record* was written, a record of the kind ``policy``. Raises JournalTrouble."""
    said = record.body.get("windows")
    return windows(machine, policy, path, record.seq, load=load, said=said) if said is not None else None


def put(machine: Machine, found: Windows) -> None:
    """The histories in the place of those that the state has."""
    for account, sections in found.rows.items():
        for section, rows in sections.items():
            machine.state.histories.setdefault(account, {})[section] = rows
    for held in machine.state.accounts.values():
        if held.complete_from_ns is not None and found.complete_from_ns is not None:
            held.complete_from_ns = max(held.complete_from_ns, found.complete_from_ns)


class _Reader:
    """Lines of a journal, and the rows that they left."""

    def __init__(self, machine: Machine, wanted: Mapping[str, int | None], load: Load | None) -> None:
        self._machine, self._wanted, self._load = machine, wanted, load
        self.whole_ns: int | None = None  # rows are whole from here on, where a line before could not be told
        self._lost = False
        self._begin()

    def _begin(self) -> None:
        """A book of its own: whatever it is asked for that lies further back, the engine's own knows."""
        self._state = State()
        self._known = _Known(self._machine.state)
        self._state.archive = self._known
        first = next(iter(self._machine.state.named_accounts), None)
        if first is not None:  # who names no account meant this one, unless it was told that there are several
            self._state.accounts[first] = Account()
        self._waiting: Event | None = None

    def rows(self) -> dict[str, dict[str, deque[Past]]]:
        found: dict[str, dict[str, deque[Past]]] = {}
        for account, held in self._machine.state.accounts.items():
            for section, keep in self._wanted.items():
                past = self._state.histories.get(account, {}).get(section, ())
                since = held.last_ns - keep if keep is not None else _BEGIN
                found.setdefault(account, {})[section] = deque(each for each in past if each.at_ns >= since)
        return found

    def read(self, path: Path | str, before: int, begins: Callable[[int, int | None], bool]) -> int:
        """Read what stands before number *before*, from where it *begins*, by number and time of a line. The number of that line."""
        start, latest, era, begun = before, _BEGIN, None, False
        rules: Rules | None = None
        for number, raw in _lines(path, before):
            at = _at(raw)
            begun = begun or begins(number, at)
            record = _record(raw, number) if begun or b'"kind":"policy"' in raw else None
            if record is not None and record.kind == "policy":
                era, rules = record.body, None
            if begun and record is not None:
                if rules is None and (rules := self._rules(era)) is None:
                    self._begin()  # what this line says of violations is not known: histories begin behind it
                    start = before
                else:
                    if start == before:
                        start = number
                        self.whole_ns = latest + 1 if self._lost else None
                    self._take(record, rules)
            latest = max(latest, at if at is not None else _BEGIN)
        self._settle()
        return start

    def _rules(self, body: Mapping[str, Any] | None) -> Rules | None:
        """The rules of the policy that is in force from a record on; None: they cannot be had, and something rests on them."""
        if "violations" not in self._wanted or body is None:
            return {}
        policy: Policy | None = self._machine.policy
        if any(body.get(name) != getattr(policy, name) for name in ("hash", "settings_hash", "mode")):
            try:
                policy = self._load(body) if self._load is not None else None
            except PolicyError:
                policy = None
        self._lost = self._lost or policy is None
        return None if policy is None else {rule.id: (rule.severity, rule.stage) for rule in policy.plan.rules}

    # ── lines ────────────────────────────────────────────────────────────────────────────────────────

    def _take(self, record: Record, rules: Rules) -> None:
        if record.kind == "event":
            self._settle()
            body = {name: value for name, value in record.body.items() if name != "x_subject"}
            self._waiting = read_event(body)
        elif record.kind == "decision":
            event, self._waiting = self._waiting, None
            if event is not None and event.type == "intent":
                self._decision(record.body, self._pass(event, intents.account_of(record.body["intent"])), rules)
        elif record.kind == "outcome":
            self._settle(record.body)
            for told in record.body.get("released") or ():
                account = intents.account_of(told["intent"])
                held = self._state.account(account)
                held.last_ns = now = max(self._state.now_ns, held.last_ns)
                self._decision(told, now, rules)
        elif record.kind == "note" and record.body.get("note") == unwritten.NOTE:
            for each in record.body["decisions"]:
                told = each["decision"]
                if told["reservation"] is not None:
                    self._past(intents.account_of(told["intent"]), "order_events", parse_instant(told["at"]), unwritten.row_of(told))

    def _settle(self, outcome: Mapping[str, Any] | None = None) -> None:
        """The event that waited has come to *outcome*; None: to nothing that was told."""
        event, self._waiting = self._waiting, None
        if event is not None and event.type in ("operator", "decline"):
            if outcome is None or "by" in outcome:  # who was not believed moves no time
                self._state.now_ns = max(self._state.now_ns, event.at_ns)
            return
        if event is None or event.type == "intent" or (outcome is not None and outcome["status"] in ("repeat", "rejected")):
            return
        problems = {each["problem"] for each in (outcome or {}).get("discrepancies") or ()}
        account = "" if "unknown_account" in problems else fold.account_of(self._state, event)
        now = self._pass(event, account)
        if event.type not in _READ or account is None or self._known.is_transfer(event):
            return
        self._known.blind = "unknown_fill" in problems
        fold._FOLDS[event.type](self._state, event, account, now, fold.Applied())
        self._known.blind = False

    def _pass(self, event: Event, account: str | None) -> int:
        """Time passes as it did then."""
        state = self._state
        if account is None:
            state.shared_ns = now = max(event.at_ns, state.shared_ns)
            state.now_ns = max(state.now_ns, now)
            for held in state.accounts.values() if event.type == "tick" else ():
                held.last_ns = max(held.last_ns, now)
            return now
        now, _ = fold.at_of(state, event, account)
        state.account(account).last_ns = now
        state.now_ns = max(state.now_ns, now)
        return now

    def _decision(self, told: Mapping[str, Any], now: int, rules: Rules) -> None:
        """What `intents` remembers of a decision, from what was told of it."""
        if told.get("repeat_of") is not None:
            return
        intent, account = told["intent"], intents.account_of(told["intent"])
        about = intents.about_of(intent)
        if told["verdict"] in ("ALLOW", "MODIFY") and told["action"] in intents.TRADING:
            self._past(account, "order_events", now, unwritten.row_of(told))
        tripped = {each["switch"] for each in told["tripped"]}
        if any(reason["kind"] == "switch" and reason["rule"] not in tripped for reason in told["reasons"]):
            return  # under a switch that was tripped already nothing counts
        for name in told["violated"] if "violations" in self._wanted else ():
            severity, stage = rules[name]
            self._past(account, "violations", now, {**about, "rule": name, "severity": severity, "family": stage})
        counted = [reason for reason in told["reasons"] if reason["kind"] not in intents.NOT_COUNTED]
        if told["verdict"] == "DENY" and counted:
            severity = max((reason["severity"] for reason in counted), key=intents.SEVERITIES.index)
            self._past(account, "denials", now, {**about, "rule": counted[0]["rule"], "severity": severity})

    def _past(self, account: str, section: str, at_ns: int, row: Mapping[str, Any]) -> None:
        if section in self._wanted:
            self._state.past(account, section).append(Past(section, at_ns, row))


class _Known:
    """What the engine's own state knows, for lines that speak of what came before them. It answers as an archive does."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.blind = False  # the fill that is corrected had not come

    def is_transfer(self, event: Event) -> bool:
        """Does a word of the venue concern money on its way, and no order?"""
        name = event.text("intent_id") or event.text("client_order_id")
        if event.type not in ("reject", "cancel") or name is None:
            return False
        answered = self._state.answered(name)
        return answered is not None and answered.told.get("action") == "transfer"

    def find_order(self, name: str) -> Order | None:
        return self._state.order(name)

    def find_alias(self, kind: Any, name: str) -> str | None:
        return self._state._alias(kind, name)

    def find_fill(self, name: str) -> Mapping[str, Any] | None:
        return None if self.blind else self._state.find_fill(name)

    def find_event(self, key: tuple[str, str]) -> str | None:
        return None  # a repeat is known by its outcome

    def fills_back(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        return iter(())

    def find_intent(self, name: str) -> Any:
        return None

    find_decision = find_hold = find_hold_of = find_intent

    def outdated(self, since_ns: int, before_ns: int) -> Any:
        return [], before_ns

    def every(self, table: str) -> Iterator[tuple[Any, Any]]:
        return iter(())


def _lines(path: Path | str, before: int) -> Iterator[tuple[int, bytes]]:
    with open_for_reading(path) as stream:
        for number, raw in enumerate(stream):
            if number >= before:
                return
            yield number, raw


def _record(raw: bytes, number: int) -> Record:
    found = parse(raw.removesuffix(b"\n"), number + 1, 0)
    if found is None or found[0].hash != found[1] or found[0].seq != number:
        raise JournalTrouble("broken", f"line {number + 1} was changed while the journal was open")
    return found[0]


def _at(raw: bytes) -> int | None:
    """The time of a line, which stands first."""
    if not raw.startswith(b'{"at":"'):
        return None
    try:
        return parse_instant(raw[7 : raw.index(b'"', 7)].decode("ascii"))
    except (ValueError, NotATime):
        return None
