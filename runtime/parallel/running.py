"""Replays over an executor: tasks handed out, a worker that dies replaced, and findings gathered.

Any `concurrent.futures.Executor` will do. Processes are spawned and not forked, and are sent names of files and of functions, lines
by their offsets, and texts of policies; never a closure.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, cast

from caplex.runtime.engine.rebuilding import policy_record
from caplex.runtime.errors import CaplexError, PolicyError
from caplex.runtime.journal import JournalTrouble
from caplex.runtime.parallel.gathering import Replays, gathered, ties
from caplex.runtime.parallel.parting import Parted, part
from caplex.runtime.parallel.working import Done, Task, Trouble, begin, perform, work
from caplex.runtime.policy import Policy
from caplex.runtime.replay import Load, Replayed

TRIES: Final = 3
"""So often a part is done when its worker dies."""
Tell = Callable[[str], None]
Progress = Callable[[str, int, int, int], None]
"""Told what is going on, how many parts are done of how many, and how many lines."""


class Failed(CaplexError):
    """A part could not be replayed; the sentence names it."""


@dataclass(eq=False)
class _Unit:
    """A task and what it is of."""

    task: Task
    journal: _Journal
    name: str
    place: int
    tries: int = 0


@dataclass(eq=False)
class _Journal:
    """One journal on its way."""

    path: str
    parted: Parted | None = None
    groups: list[list[int]] = field(default_factory=list)
    done: dict[int, Done] = field(default_factory=dict)
    wanted: int = 1
    found: tuple[Replayed, list[Replayed]] | None = None
    joined: str | None = None


def replay_many(
    journals: Sequence[str | Path], *, load: Load, variants: Sequence[tuple[str, Policy]] = (), jobs: int = 1, executor: Executor | None = None,
    threads: bool = False, tell: Tell | None = None, progress: Progress | None = None,
) -> Replays:
    """Replay *journals*, *jobs* at a time; a journal of several accounts is cut by account where there are fewer journals than jobs.

    Args:
        load: Makes the policy of a record; a function that can be imported.
        variants: Further policies by name, which decide the same intents.
        executor: Does the work in the place of processes of our own; it stays open.
        threads: Threads in their place; Python runs one at a time.
        tell: Is told in a sentence when a worker died, or a journal could not be cut.
    Raises:
        JournalTrouble, PolicyError: of one of the journals. Failed: a worker died over and over, or met a bug.
    """
    conductor = _Conductor(load, variants, jobs, tell, progress)
    paths = [str(path) for path in journals]
    with _Hands(jobs, executor, threads=threads) as hands:
        return conductor.run(paths, hands)


class _Conductor:
    def __init__(self, load: Load, variants: Sequence[tuple[str, Policy]], jobs: int, tell: Tell | None, progress: Progress | None) -> None:
        self._load, self._variants, self._jobs = load, variants, max(jobs, 1)
        self._bodies = tuple(policy_record(policy) for _, policy in variants)
        self._tell, self._progress = tell or (lambda sentence: None), progress or (lambda what, done, of, lines: None)
        self._units = self._finished = self._lines = 0

    def run(self, paths: Sequence[str], hands: _Hands) -> Replays:
        found = [_Journal(path) for path in paths]
        units: list[_Unit] = []
        for journal in found:
            units += self._begin(journal, len(paths))
        while units:
            units = self._round(units, hands)
        about = tuple({"name": name, "version": policy.version, "hash": policy.hash, "settings_hash": policy.settings_hash} for name, policy in self._variants)
        whole = [cast("tuple[Replayed, list[Replayed]]", journal.found) for journal in found]
        for each, _ in whole:
            each.notes.sort()
        return Replays(tuple((journal.path, each[0]) for journal, each in zip(found, whole, strict=True)), tuple(tuple(each[1]) for each in whole), about,
                       tuple(max(len(journal.groups), 1) for journal in found), {each.path: each.joined for each in found if each.joined is not None})

    def _begin(self, journal: _Journal, journals: int) -> list[_Unit]:
        if self._jobs == 1 or journals >= self._jobs:
            return self._whole(journal)
        others = [policy for _, policy in self._variants]
        parted = part(journal.path, load=self._load, others=others, progress=lambda seq: self._progress(f"looking through {journal.path}", 0, 0, seq))
        if parted.joined is not None:
            journal.joined = parted.joined
            return self._whole(journal, chunks=-(-self._jobs // journals))
        journal.parted = parted
        return self._cut(journal, -(-self._jobs // journals))

    def _whole(self, journal: _Journal, chunks: int = 1) -> list[_Unit]:
        """One machine for the journal; where hands are free, several that try a part of the variants each."""
        journal.groups, journal.done, journal.parted = [], {}, None
        size = -(-len(self._bodies) // chunks) or 1
        pieces = [self._bodies[begin:begin + size] for begin in range(0, len(self._bodies), size)] or [()]
        journal.wanted = len(pieces)
        return [self._unit(Task(journal.path, self._load, piece), journal, f"`{journal.path}`", place) for place, piece in enumerate(pieces)]

    def _cut(self, journal: _Journal, most: int) -> list[_Unit]:
        parted = journal.parted
        assert parted is not None
        groups = journal.groups = parted.groups(most)
        journal.done, journal.wanted = {}, len(groups)
        if len(groups) == 1:
            journal.joined = "its accounts move together"
            return self._whole(journal)
        return [self._unit(
            Task(journal.path, self._load, self._bodies, tuple(parted.index[each] for each in group), frozenset(group), parted.shared, parted.end, parted.second, place == 0),
            journal, f"`{journal.path}`, {_accounts([parted.accounts[each] for each in group])}", place) for place, group in enumerate(groups)]

    def _unit(self, task: Task, journal: _Journal, name: str, place: int) -> _Unit:
        self._units += 1
        return _Unit(task, journal, name, place)

    # ── a round: everything is handed out, and what comes back may want another one ──────────────────

    def _round(self, units: list[_Unit], hands: _Hands) -> list[_Unit]:
        if hands.alone:
            return [each for unit in units for each in self._take(unit, perform(unit.task, lambda seq: self._progress("replaying", 0, 0, seq)))]
        more: list[_Unit] = []
        waiting = {hands.submit(unit.task): unit for unit in units}
        self._progress("replaying", self._finished, self._units, self._lines)
        while waiting:
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            lost: list[_Unit] = []
            for future in done:
                unit = waiting.pop(future)
                try:
                    result = future.result()
                except BrokenExecutor:
                    lost.append(unit)
                    continue
                except CaplexError:
                    raise
                except Exception as error:
                    raise Failed(f"{unit.name}: the executor failed ({type(error).__name__}: {error})") from error
                more += self._take(unit, result)
            if lost:
                waiting |= self._again([*lost, *waiting.values()], hands)
        return more

    def _again(self, units: list[_Unit], hands: _Hands) -> dict[Future[Done | Trouble], _Unit]:
        """A dead worker takes the pool with it: what was not done yet is handed out once more, to new ones."""
        hands.renew(units[0].name)
        for unit in units:
            unit.tries += 1
            if unit.tries >= TRIES:
                raise Failed(f"{unit.name}: its worker died {TRIES} times; is there memory enough? `--jobs 1` works without workers")
        self._tell(f"a worker died; {len(units)} part{'s are' if len(units) > 1 else ' is'} done again: {'; '.join(unit.name for unit in units)}")
        return {hands.submit(unit.task): unit for unit in units}

    def _take(self, unit: _Unit, result: Done | Trouble) -> list[_Unit]:
        """Units that are to be done because of this one."""
        journal, self._finished = unit.journal, self._finished + 1
        if isinstance(result, Trouble):
            if result.kind in ("policy", "other"):
                raise (PolicyError if result.kind == "policy" else CaplexError)(f"{unit.name}: {result.sentence}")
            if result.kind is None or result.kind == "changed":
                raise Failed(f"{unit.name}: {result.sentence}", retryable=result.retryable)
            raise JournalTrouble(cast(Any, result.kind), result.sentence, retryable=result.retryable)
        self._lines += result.found.events + result.found.decisions + result.found.outcomes
        self._progress("replaying", self._finished, self._units, self._lines)
        journal.done[unit.place] = result
        return self._complete(journal) if len(journal.done) == journal.wanted else []

    def _complete(self, journal: _Journal) -> list[_Unit]:
        done = [journal.done[place] for place in sorted(journal.done)]
        if journal.parted is None:
            journal.found = done[0].found, [flips for each in done for flips in each.flips]
            return []
        if ties(journal.parted, journal.groups, done):
            self._tell(f"`{journal.path}`: one event moved several accounts at once; they are replayed together")
            return self._cut(journal, len(journal.groups))
        found = gathered(journal.path, journal.parted, journal.groups, done)
        if found[0].differing:
            # What one machine says is the truth; that all came again needs no second look.
            self._tell(f"`{journal.path}`: a part did not come again; the whole is replayed in one piece to tell where it differs first")
            return self._whole(journal)
        journal.found = found
        return []


def _accounts(names: Sequence[str]) -> str:
    shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    return f"account{'s' if len(names) > 1 else ''} {shown}"


class _Hands:
    """Whoever does the work: nobody else, threads, processes of our own, or the host's executor."""

    def __init__(self, jobs: int, executor: Executor | None, *, threads: bool) -> None:
        self._jobs, self._given, self._threads = jobs, executor, threads
        self.alone = executor is None and jobs <= 1
        self._pool: Executor | None = executor
        self._before: frozenset[int | None] = frozenset()

    def submit(self, task: Task) -> Future[Done | Trouble]:
        if self._pool is None:
            self._pool = self._new()
        return self._pool.submit(work, task)

    def _new(self) -> Executor:
        if self._threads:
            return ThreadPoolExecutor(self._jobs)
        from concurrent.futures import ProcessPoolExecutor
        from multiprocessing import active_children, get_context

        self._before = frozenset(child.pid for child in active_children())
        return ProcessPoolExecutor(self._jobs, mp_context=get_context("spawn"), initializer=begin)

    def renew(self, name: str) -> None:
        if self._given is not None:
            raise Failed(f"{name}: the executor is broken: a worker died, and whoever made it must make another")
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
        self._pool = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._pool is None or self._given is not None:
            return
        if kind is not None and not self._threads:
            # Nobody waits for what they do, and none may outlive us.
            from multiprocessing import active_children

            for child in active_children():
                if child.pid not in self._before:
                    child.terminate()
        self._pool.shutdown(wait=True, cancel_futures=True)
