"""What one worker does: a journal in one piece, or the accounts of one that are its own."""
from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from caplex.runtime.canonical import sha256
from caplex.runtime.engine import intents
from caplex.runtime.engine.machine import Machine
from caplex.runtime.errors import CaplexError, PolicyError
from caplex.runtime.journal import JournalTrouble, Problem, Record
from caplex.runtime.journal.record import parse
from caplex.runtime.journal.walker import open_for_reading
from caplex.runtime.parallel.parting import ANSWER, EVERYBODY, MOMENT, SHARED, Index
from caplex.runtime.policy import Policy
from caplex.runtime.replay import Load, Replayed, Run, walk

BY_ACCOUNT: Final = ("tripped", "rearmed", "obligations", "reservations")
"""What an outcome says of accounts; the rest of it every machine says alike."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a worker is sent: where the journal lies, how its policies are made, and which lines are its own.

    Attributes:
        load: A function that can be imported, and no closure. others: records of further policies, for *load*.
        own: Lines of its accounts, whose numbers are *accounts*; None: the whole journal.
        keeper: It also answers for what is nobody's.
    """

    path: str
    load: Load
    others: tuple[Mapping[str, Any], ...] = ()
    own: tuple[Index, ...] | None = None
    accounts: frozenset[int] = frozenset()
    shared: Index | None = None
    end: tuple[int, int, int] = (0, 0, 0)
    second: int = 2**62
    keeper: bool = True

    @property
    def bytes(self) -> int:
        return sum(each.bytes for each in (*(self.own or ()), *((self.shared,) if self.shared is not None else ())))


@dataclass(slots=True)
class Done:
    """What a worker sends back.

    Attributes:
        flips: What each further policy decides otherwise.
        said: Of accounts, in outcomes on events of nobody, by their number; answers: such outcomes and the offsets of their
            answers, of the keeper alone.
        ties: Numbers of events after which these accounts cannot be told from others.
    """

    found: Replayed
    flips: list[Replayed]
    said: dict[int, dict[str, Any]] = field(default_factory=dict)
    answers: list[tuple[int, int, dict[str, Any]]] = field(default_factory=list)
    ties: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a worker has nothing to send back. Not every exception survives the way from one process to another.

    Attributes:
        kind: Of a `JournalTrouble`; ``policy``; ``changed``: the journal was, since it was walked; None: a bug.
    """

    kind: str | None
    sentence: str
    retryable: bool = False


def work(task: Task) -> Done | Trouble:
    """Do *task* in a worker: whatever goes wrong comes back as a sentence."""
    try:
        return perform(task)
    except ChangedMeanwhile as error:
        return Trouble("changed", str(error), True)
    except JournalTrouble as error:
        return Trouble(error.kind, str(error), error.retryable)
    except PolicyError as error:
        return Trouble("policy", str(error))
    except CaplexError as error:
        return Trouble("other", str(error))
    except Exception as error:
        return Trouble(None, f"{type(error).__name__}: {error}")


class ChangedMeanwhile(CaplexError):
    """A line is not the one that it was when the journal was walked."""


def perform(task: Task, progress: Callable[[int], None] | None = None) -> Done:
    """Do *task*. The same in this process as in another."""
    others = [_made(task.load, body) for body in task.others]
    run = Run(lambda body: _made(task.load, body), task.path, others)
    if task.own is not None:
        return _part(task, run)
    for each in walk(task.path):
        if isinstance(each, Problem):
            run.wrong(each)
            continue
        if progress is not None:
            progress(each.seq)
        run.take(each)
    run.finish()
    return Done(run.found, run.flips)


_policies: dict[tuple[Load, str], Policy] = {}


def _made(load: Load, body: Mapping[str, Any]) -> Policy:
    """The policy of a record; many journals name the same."""
    key = load, sha256({name: body.get(name) for name in ("entry", "sources", "given", "hash", "settings_hash", "mode")})
    found = _policies.get(key)
    if found is None:
        if len(_policies) >= 64:
            _policies.clear()
        found = _policies[key] = load(body)
    return found


# ── a part of a journal ───────────────────────────────────────────────────────────────────────────────


def _part(task: Task, run: Run) -> Done:
    done = Done(run.found, run.flips)
    waiting: tuple[int, dict[str, Any]] | None = None
    assert task.own is not None
    assert task.shared is not None
    for record, index, number in _lines(task):
        kind = index.kind[number]
        mine = index.owner[number] == EVERYBODY or index.owner[number] in task.accounts
        machines = [each for each in (run.era.machine, *run.others) if each is not None]
        if kind == ANSWER:
            if index.owner[number] != EVERYBODY:
                run.take(record)
            elif waiting is not None and task.keeper:
                done.answers.append((waiting[0], index.offset[number], waiting[1]))
            continue
        for machine in machines:
            _skip_to(machine, index, number)
            machine.state.alone = index.seq[number] < task.second
        if kind == MOMENT:
            for machine in machines:
                intents.forget(machine, index.asked_ns[number])
            continue
        if not mine:  # an act on another account: time passes, and a switch that waits for time alone may be armed
            if any(_may_arm(machine) for machine in machines):
                done.ties.append(index.seq[number])
            continue
        step = run.take(record, compared=kind != SHARED)
        waiting = None
        if kind == SHARED and step is not None:
            run.found.events += task.keeper
            waiting = index.seq[number], dict(step.told)
            said = {name: step.told[name] for name in BY_ACCOUNT if step.told.get(name)}
            if said:
                done.said[index.seq[number]] = said
            if step.told["event"]["type"] == "obligation" and not step.told["discrepancies"]:
                done.said.setdefault(index.seq[number], {})["known"] = True
    for machine in [each for each in (run.era.machine, *run.others) if each is not None]:
        machine.state.seq, machine.state.now_ns, machine.state.asked_ns = task.end
        machine.state.alone = False
        if task.end[2] > -(2**63):
            intents.forget(machine, task.end[2])
    run.finish()
    run.found.digest = None
    run.found.unanswered = 0  # who walked along the journal has counted them
    return done


def _skip_to(machine: Machine, index: Index, number: int) -> None:
    """What has happened elsewhere has been numbered, hashed and timed."""
    state = machine.state
    state.seq, state.now_ns, state.asked_ns = index.seq[number], index.now_ns[number], index.asked_ns[number]
    machine.chain = f"sha256:{index.chain[32 * number:32 * number + 32].hex()}"


def _may_arm(machine: Machine) -> bool:
    """Is there a switch that people's acts, or time alone, may arm?"""
    switches = machine.desk.switches
    return any(latch.tripped and (latch.request is not None or ((rule := switches.get(latch.switch)) is not None and rule.rearm is not None
                                                                 and not rule.rearm.role)) for latch in machine.state.latches.values())


def _lines(task: Task) -> Iterator[tuple[Record, Index, int]]:
    """The lines of *task*, in the order of the file."""
    assert task.own is not None
    assert task.shared is not None
    order = [(index.offset[number], which, number) for which, index in enumerate(task.own) for number in range(len(index))]
    shared, mine = task.shared, task.accounts
    # Of the others only the moments and acts are heard of, and never their answers.
    order += [(shared.offset[number], -1, number) for number, kind in enumerate(shared.kind)
              if (shared.owner[number] not in mine if kind == MOMENT else kind != ANSWER or shared.owner[number] in mine or shared.owner[number] == EVERYBODY)]
    order.sort()
    nothing = Record.__new__(Record)
    with open_for_reading(task.path) as stream:
        for offset, which, number in order:
            index = task.own[which] if which >= 0 else shared
            if index.kind[number] == MOMENT:
                yield nothing, index, number
                continue
            stream.seek(offset)
            raw = stream.readline()
            yield line_of(task.path, raw, index.mark[number]), index, number


def line_of(path: str, raw: bytes, mark: int | None) -> Record:
    """The record of the line *raw*, which the walk has seen before."""
    found = parse(raw.rstrip(b"\n"), 0, 0)
    if found is None or found[0].hash != found[1] or (mark is not None and int(found[1][:16], 16) != mark):
        raise ChangedMeanwhile(f"the journal `{path}` was changed while it was replayed; replay it again", retryable=True)
    found[0].line = found[0].seq + 1
    return found[0]


# ── a process of its own ──────────────────────────────────────────────────────────────────────────────


def begin() -> None:
    """In a worker, once: Ctrl-C is for who started it, and with that process it ends."""
    import multiprocessing

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)
