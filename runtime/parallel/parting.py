"""A journal cut by account: one walk along it finds whose each line is, and what a machine that skips the others must be told.

Accounts share no room, no window and no switch that is `for account`; they share quotes and other events that are nobody's, the
numbering of events, the hash over what was seen, and time. The walk keeps these four, so that a part comes to the same decisions
to the byte. Whatever else ties accounts together keeps the journal in one piece, and `Parted.joined` says what it was.
"""
from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from caplex.runtime.canonical import sha256_bytes
from caplex.runtime.engine import admission, fold, unwritten
from caplex.runtime.engine.events import Event
from caplex.runtime.engine.machine import Machine
from caplex.runtime.engine.trades import SKEW_NS
from caplex.runtime.errors import EventError
from caplex.runtime.journal import Problem, Record
from caplex.runtime.policy import Policy
from caplex.runtime.replay import Load, walk
from caplex.runtime.roles import Refusal

RECORD, EVENT, SHARED, ANSWER, ACT, MOMENT = range(6)
"""Kinds of entries: a record that is no event, an event of an account, one of nobody, its answer, an act of a person, and the
moment of an intent of another account, at which ids are forgotten."""
EVERYBODY: Final = -1
_LONG_AGO: Final = -(2**63)
_NAMES: Final = ("order_id", "client_order_id", "intent_id", "new_order_id", "corrects")


@dataclass(slots=True)
class Index:
    """Lines of the file by offset, with what the machine must know before it takes them. All columns are equally long."""

    kind: array[int] = field(default_factory=lambda: array("b"))
    owner: array[int] = field(default_factory=lambda: array("i"))
    offset: array[int] = field(default_factory=lambda: array("q"))
    mark: array[int] = field(default_factory=lambda: array("Q"))
    """The first 64 bits of the hash that the line bore when the journal was walked."""
    seq: array[int] = field(default_factory=lambda: array("q"))
    now_ns: array[int] = field(default_factory=lambda: array("q"))
    asked_ns: array[int] = field(default_factory=lambda: array("q"))
    chain: bytearray = field(default_factory=bytearray)

    def __len__(self) -> int:
        return len(self.kind)

    @property
    def bytes(self) -> int:
        return len(self.chain) + len(self) * sum(each.itemsize for each in (
            self.kind, self.owner, self.offset, self.mark, self.seq, self.now_ns, self.asked_ns))


@dataclass(slots=True)
class Parted:
    """What the walk found.

    Attributes:
        joined: Why the journal is in one piece; None if it can be cut.
        accounts: In the order in which they came. tied: numbers of accounts that must stay together.
        index: Lines of each account. shared: lines of nobody, and acts.
        of_seq: Whose each event is.
    """

    accounts: list[str] = field(default_factory=list)
    joined: str | None = None
    tied: list[int] = field(default_factory=list)
    index: list[Index] = field(default_factory=list)
    shared: Index = field(default_factory=Index)
    of_seq: array[int] = field(default_factory=lambda: array("i", [EVERYBODY]))
    unanswered: int = 0
    torn: Problem | None = None
    lines: int = 0
    end: tuple[int, int, int] = (0, _LONG_AGO, _LONG_AGO)
    """Number, time and latest time of an intent, after the last line."""
    second: int = 2**62
    """The number of the event that first told of a second account: from there on one that names none means none."""

    def tie(self, one: int, two: int) -> None:
        low, high = sorted((self.root(one), self.root(two)))
        self.tied[high] = low

    def root(self, account: int) -> int:
        while self.tied[account] != account:
            account = self.tied[account]
        return account

    def groups(self, most: int) -> list[list[int]]:
        """Accounts in at most *most* groups of about the same size, by lines; what is tied stays together."""
        weights: dict[int, int] = {}
        for account in range(len(self.accounts)):
            root = self.root(account)
            weights[root] = weights.get(root, 0) + len(self.index[account])
        bins: list[tuple[int, list[int]]] = [(0, []) for _ in range(min(most, len(weights)))]
        for root in sorted(weights, key=lambda each: (-weights[each], each)):
            number = min(range(len(bins)), key=lambda each: (bins[each][0], each))
            bins[number] = bins[number][0] + weights[root], [*bins[number][1], root]
        return [[account for account in range(len(self.accounts)) if self.root(account) in roots] for _, roots in bins if roots]


def part(path: str | Path, *, load: Load, others: Sequence[Policy] = (), progress: Callable[[int], None] | None = None) -> Parted:
    """Walk along the journal *path*. Raises JournalTrouble, PolicyError."""
    found = _Walk(load, others)
    offset = 0
    for each in walk(path):
        if isinstance(each, Problem):
            found.problem(each)
            continue
        if progress is not None:
            progress(each.seq)
        if found.out.joined is not None:
            break
        found.take(each, offset)
        offset = each.end
    return found.finish()


def tied_by(policy: Policy) -> str | None:
    """The switch that stands over several accounts, in a sentence."""
    for rule in policy.plan.rules:
        if rule.kind == "switch" and tuple(rule.scope) != ("account",):
            scope = "for " + ", ".join(rule.scope) if rule.scope else "for all accounts"
            return f"the switch `{rule.id}` of `{policy.name}` stands {scope}, and what one account does may trip it for another"
    return None


class _Tied(Exception):
    """Something ties all accounts together."""


class _Walk:
    def __init__(self, load: Load, others: Sequence[Policy]) -> None:
        self.out, self._load, self._others = Parted(), load, others
        self._machine: Machine | None = None
        self._terms: Mapping[str, Any] | None = None
        self._numbers: dict[str, int] = {}
        self._last: dict[int, int] = {}
        self._told: set[int] = set()  # accounts of which something was told, so that an intent finds no stranger
        self._fields = False
        self._names: dict[str, int] = {}
        self._event_ids: dict[tuple[str, str], str] = {}
        self._requests: dict[str, int] = {}
        self._seq, self._now, self._asked, self._shared = 0, _LONG_AGO, _LONG_AGO, _LONG_AGO
        self._begin: int | None = None
        self._chain = ""
        self._keep: int | None = None
        self._released = 0  # line of the first act that may have lifted a hold
        self._open: tuple[int, bool] | None = None  # whose event the last line was, and whether it wants an answer
        for other in others:
            self._judge(other)

    def problem(self, problem: Problem) -> None:
        if problem.kind == "torn":
            self.out.torn = problem
        else:
            self.out.joined = self.out.joined or f"its chain is broken: {problem.sentence}"

    def _judge(self, policy: Policy) -> None:
        self.out.joined = self.out.joined or tied_by(policy)
        keep = policy.plan.header.idempotency_keep_ns
        if keep is not None:
            self._keep = keep if self._keep is None else min(keep, self._keep)

    def finish(self) -> Parted:
        out = self.out
        self._unanswered()
        out.end = self._seq, self._now, self._asked
        forgets = self._keep is not None and self._begin is not None and self._asked - self._begin > self._keep
        if forgets and self._released and len(out.accounts) > 1:
            out.joined = out.joined or f"line {self._released} may lift a hold, and ids are forgotten in a journal as long as this"
        if not forgets:
            out.shared = _without(out.shared, MOMENT)
        if out.joined is None and len(out.accounts) < 2:
            out.joined = "it holds one account"
        return out

    # ── one line ──────────────────────────────────────────────────────────────────────────────────────

    def take(self, record: Record, offset: int) -> None:
        out = self.out
        out.lines = record.line
        if record.kind in ("decision", "outcome"):
            if self._open is not None:
                whose = self._open[0]
                act = whose <= -2
                index = out.shared if whose == EVERYBODY or act else out.index[whose]
                self._add(index, ANSWER, -2 - whose if act else whose, record, offset)
            else:
                out.joined = f"line {record.line} answers nothing"
            self._open = None
            return
        if record.kind != "event":
            self._other(record, offset)
            return
        self._unanswered()
        try:
            self._event(record, offset)
        except _Tied as why:
            out.joined = f"line {record.line} {why}"

    def _unanswered(self) -> None:
        if self._open is not None and self._open[1]:
            self.out.unanswered += 1
        self._open = None

    def _other(self, record: Record, offset: int) -> None:
        self._open = None
        if record.kind == "policy":
            policy = self._load(record.body)
            self._judge(policy)
            if self._machine is None:
                self._machine = Machine(policy)
                self._chain = self._machine.chain
                if self._terms is not None:
                    self._machine.under(self._terms)
            self._machine.policy = policy
        elif record.kind == "terms":
            self._terms = record.body
            if self._machine is not None:
                self._machine.under(record.body)
        elif record.kind == "note" and record.body.get("note") == unwritten.NOTE:
            self.out.joined = f"line {record.line} tells what was done while the journal could not be written"
        self._add(self.out.shared, RECORD, EVERYBODY, record, offset)

    def _add(self, index: Index, kind: int, owner: int, record: Record, offset: int) -> None:
        index.kind.append(kind)
        index.owner.append(owner)
        index.offset.append(offset)
        index.mark.append(int(record.hash[:16], 16))
        index.seq.append(self._seq)
        index.now_ns.append(self._now)
        index.asked_ns.append(self._asked)
        index.chain += bytes.fromhex(self._chain.removeprefix("sha256:")) if self._chain else bytes(32)

    def _event(self, record: Record, offset: int) -> None:
        machine, out = self._machine, self.out
        if machine is None:
            raise _Tied("comes before any policy")
        body = dict(record.body)
        subject = body.pop("x_subject", None)
        try:
            event = machine.read(body)
        except EventError as error:
            raise _Tied(f"is refused: {error}") from None
        self._begin = event.at_ns if self._begin is None else self._begin
        if event.type in ("operator", "decline"):
            owner = self._act(event)
            self._add(out.shared, ACT, owner, record, offset)
            self._open = -2 - owner, False  # the answer lies beside the act
            self._operator(event, subject, owner, record.line)
        elif event.type in fold.SHARED or (event.type == "tick" and event.text("account") is None):
            owner = EVERYBODY
            self._add(out.shared, SHARED, owner, record, offset)
            self._open = owner, False
            self._fact(event, None)
        else:
            owner = self._whose(event)
            self._add(out.index[owner], EVENT, owner, record, offset)
            self._open = owner, event.type == "intent"
            if event.type == "intent":
                if self._keep is not None:
                    self._moment(event, owner, record, offset)
                self._intent(event, owner)
            else:
                self._fact(event, owner)
        out.of_seq.append(owner)
        self._seq += 1
        self._chain = sha256_bytes(f"{self._chain} {event.data['at']} {event.hash}".encode())

    def _moment(self, event: Event, owner: int, record: Record, offset: int) -> None:
        """For the others: when they hear of it, their own old ids are forgotten."""
        self._add(self.out.shared, MOMENT, owner, record, offset)
        now = self._at(event, owner)
        self.out.shared.asked_ns[-1] = max(self._asked, now)
        self.out.shared.now_ns[-1] = max(self._now, now)

    # ── whose it is ───────────────────────────────────────────────────────────────────────────────────

    def _number(self, account: str) -> int:
        found = self._numbers.get(account)
        if found is None:
            if self._numbers and (not account or "" in self._numbers):
                raise _Tied("names no account, or is the first that does")
            if any(admission.normalised(other.plan.schema, "account", account) != account for other in self._others):
                raise _Tied(f"names the account `{account}`, which another policy reads otherwise")
            found = self._numbers[account] = len(self._numbers)
            if found == 1:
                self.out.second = self._seq
            self.out.accounts.append(account)
            self.out.tied.append(found)
            self.out.index.append(Index())
        return found

    def _whose(self, event: Event) -> int:
        assert self._machine is not None
        said = event.data.get("account")
        if event.type == "intent" and isinstance(said, str):
            said = admission.normalised(self._machine.policy.plan.schema, "account", said)
        named = [name for field in _NAMES if (name := event.text(field)) is not None]
        if not isinstance(said, str):
            known = {self._names[name] for name in named if name in self._names} if event.type != "intent" else set()
            if len(known) == 1:
                owner = known.pop()
            elif len(self._numbers) > 1 or known:
                raise _Tied("names no account, and there are several")
            else:
                owner = 0 if self._numbers else self._number("")
        else:
            owner = self._number(said)
        if event.type in ("intent", "fill", "order") and event.id is not None:
            named.append(event.id)
        named += [str(row.get("id")) for row in event.data.get("orders") or () if isinstance(row, Mapping)] if event.type == "reconcile" else []
        for name in named:
            first = self._names.setdefault(name, owner)
            if first != owner:
                self.out.tie(first, owner)
        if event.type == "session" and (event.data.get("values") is not None or event.data.get("phase") is not None):
            raise _Tied("tells of one account's session what every account reads")
        if event.type != "intent" and event.id is not None:
            key = f"{event.type}\0{event.id}"
            if self._names.setdefault(key, owner) != owner:
                self.out.tie(self._names[key], owner)
        return owner

    def _act(self, event: Event) -> int:
        """Whom an act of a person concerns."""
        data = event.data
        target = {"hold_id": data["hold_id"]} if event.type == "decline" else data.get("target") or {}
        target = target if isinstance(target, Mapping) else {}
        scope = target.get("scope")
        account = scope.get("account") if isinstance(scope, Mapping) else target.get("account")
        hold = str(target.get("hold_id") or target.get("hold") or "")
        owner = self._numbers.get(account) if isinstance(account, str) else None
        if owner is None and target.get("request_id") is not None:
            owner = self._requests.get(str(target["request_id"]))
        if owner is None and hold.startswith("h-") and hold[2:].isascii() and hold[2:].isdigit() and int(hold[2:]) < len(self.out.of_seq):
            found = self.out.of_seq[int(hold[2:])]
            owner = found if found != EVERYBODY else None
        if owner is None and target.get("intent_id") is not None:
            owner = self._names.get(str(target["intent_id"]))
        if owner is None:
            if len(self._numbers) != 1:
                raise _Tied("is an act that names no account, and there are several")
            owner = 0
        if data.get("act") == "rearm":
            name = str(data.get("request_id") or event.id)
            if self._requests.setdefault(name, owner) != owner:
                self.out.tie(self._requests[name], owner)
        return owner

    # ── time ──────────────────────────────────────────────────────────────────────────────────────────

    def _at(self, event: Event, owner: int) -> int:
        """`fold.at_of`, for an account whose machine is elsewhere."""
        last = self._last.get(owner, _LONG_AGO)
        if self._shared - event.at_ns <= SKEW_NS:
            last = max(last, self._shared)
        return max(event.at_ns, last)

    def _fact(self, event: Event, owner: int | None) -> None:
        if event.id is not None and event.type != "tick":
            if (event.type, event.id) in self._event_ids:
                return
            self._event_ids[event.type, event.id] = event.hash
        if (corrects := event.text("corrects")) is not None:
            self._event_ids.setdefault(("fill", corrects), "")  # the fill is a repeat, once it comes
        if owner is None:
            now = self._shared = max(event.at_ns, self._shared)
            if event.type == "tick":
                self._last = {each: max(last, now) for each, last in self._last.items()}
        else:
            now = self._last[owner] = self._at(event, owner)
            if event.type in ("account", "history"):
                self._told.add(owner)
            self._fields = self._fields or event.type in ("account", "session")
        self._now = max(self._now, now)

    def _intent(self, event: Event, owner: int) -> None:
        if owner not in self._told and self._fields:
            raise _Tied("is an intent of an account of which nothing was told, and its answer names those that are known")
        now = self._last[owner] = self._at(event, owner)
        self._asked, self._now = max(self._asked, now), max(self._now, now)

    def _operator(self, event: Event, subject: str | None, owner: int, line: int) -> None:
        """Whether the act is believed decides whether time passes; the machine that has the account decides the rest."""
        machine = self._machine
        assert machine is not None
        now = max(self._now, event.at_ns)
        before = self._event_ids.get(("operator", event.id)) if event.id is not None else None
        if before == event.hash or isinstance(machine.roles.authenticate(event.data, subject=subject, trust=machine.trust, now_ns=now), Refusal) or before:
            return
        if event.id is not None:
            self._event_ids["operator", event.id] = event.hash
        self._now = now
        if event.data.get("act") == "approve" and not self._released:
            self._released = line


def _without(index: Index, kind: int) -> Index:
    if kind not in index.kind:
        return index
    kept = [number for number, each in enumerate(index.kind) if each != kind]
    found = Index(chain=bytearray(b"".join(index.chain[32 * number:32 * number + 32] for number in kept)))
    for name in ("kind", "owner", "offset", "mark", "seq", "now_ns", "asked_ns"):
        column = getattr(index, name)
        getattr(found, name).extend(column[number] for number in kept)
    return found
