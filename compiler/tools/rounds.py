"""Rounds of an allocation: facts in, shares out, to files that other programs read; once, or again and again.

An example that has its own way to write metrics and shares uses the same rounds: *read* and *write* are its translation.
"""
from __future__ import annotations

import json
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caplex.compiler.tools.pair import write_all
from caplex.runtime.clock import NotATime, format_duration, parse_instant

if TYPE_CHECKING:
    from caplex.runtime.allocation.result import Allocation
    from caplex.runtime.policy import Policy

AHEAD_NS = 500_000_000
SECONDS = 30
"""So long a channel has for one message."""


class Unusable(Exception):
    """A round that could not be made: the shares stay as they are."""


class Undelivered(Exception):
    """A message that did not reach its channel. The shares are in force all the same."""


@dataclass(slots=True)
class Rounds:
    """What one round needs.

    Attributes:
        read: The facts, read anew each time. Raises Unusable.
        held: The plan in force, read anew each time; None if there is none. Raises Unusable.
        files: Where a new plan goes: into all of them, or into none.
        write: A plan as the text of these files.
        most_ns: How old the facts may be; None asks no clock.
        clock: Nanoseconds of the day; tests bring their own.
    """

    policy: Policy
    read: Callable[[], Mapping[str, Any]]
    held: Callable[[], Mapping[str, Any] | None]
    files: Sequence[str | Path] = ()
    write: Callable[[Allocation], str] = field(default=lambda made: json.dumps(made.to_dict(), indent=2, ensure_ascii=False) + "\n")
    name: str | None = None
    most_ns: int | None = None
    clock: Callable[[], int] = time.time_ns
    _kept: Mapping[str, Any] | None = None

    def once(self) -> Allocation:
        """One round. Raises Unusable, and OSError if the files could not be written; then they are as they were."""
        facts = self.read()
        if self.most_ns is not None:
            self._fresh(facts.get("now"))
        held = self.held() if self.files or self._kept is None else self._kept
        made = self.policy.allocate(facts, held, name=self.name)
        if made.state == "rebalance":
            if self.files:
                write_all(self.files, self.write(made))
            self._kept = dict(made.shares)
        return made

    def _fresh(self, now: Any) -> None:
        assert self.most_ns is not None
        try:
            age = self.clock() - parse_instant(str(now))
        except NotATime:
            return  # the plan is refused, and says so
        if age > self.most_ns:
            raise Unusable(f"the facts are {format_duration(age // 10**9 * 10**9)} old: their `now` is {now}; at most {format_duration(self.most_ns)} is taken")
        if age < -AHEAD_NS:
            raise Unusable(f"the facts are from the future: their `now` is {now}")

    def every(self, interval_ns: int, most: int | None = None, sleep: Callable[[float], None] = time.sleep) -> Iterator[Allocation | Unusable | OSError]:
        """Rounds without end, one every *interval_ns*, or *most* of them; what goes wrong in one is its answer, and the next one comes."""
        done, interval = 0, interval_ns / 10**9
        start = time.monotonic()
        while True:
            try:
                yield self.once()
            except (Unusable, OSError) as error:
                yield error
            done += 1
            if most is not None and done >= most:
                return
            sleep(max(0.0, start + done * interval - time.monotonic()))
            start = max(start, time.monotonic() - done * interval)  # a round that was slept through is not made up for


def notice(made: Allocation) -> dict[str, Any]:
    """A message about a new plan, with a sentence that can be shown as it is."""
    told = made.to_dict()
    shares = ", ".join(f"{name} {100 * share:.2f}%" for name, share in sorted(made.shares.items(), key=lambda pair: (-pair[1], pair[0]))) or "no shares"
    before = "the first plan" if made.previous is None else f"largest change {100 * max(map(abs, made.changes.values()), default=0):.2f} points"
    text = f"{told['source']['policy']}: new shares of {made.plan.name} ({before}): {shares}; {100 * made.unallocated:.2f}% in cash"
    keys = ("name", "timestamp", "source", "shares", "previous", "changes", "largest_change", "unallocated")
    return {"schema": "caplex.notice/1", "event": "rebalance", "text": text, **{key: told[key] for key in keys}}


def send(channel: str, message: Mapping[str, Any]) -> None:
    """One line of JSON to *channel*: the end of a file, or ``exec:COMMAND``, which reads it on standard input. Raises Undelivered."""
    line = json.dumps(message, ensure_ascii=False) + "\n"
    command = channel.removeprefix("exec:")
    try:
        if command == channel:
            with open(channel, "a", encoding="utf-8", newline="\n") as file:
                file.write(line)
            return
        done = subprocess.run(shlex.split(command), input=line.encode(), timeout=SECONDS, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    except subprocess.TimeoutExpired:
        raise Undelivered(f"`{command}` did not take the message within {SECONDS} s") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise Undelivered(f"`{channel}`: {reason}") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or [""]
        raise Undelivered(f"`{command}` left with {done.returncode}" + (f": {said[0][:200]}" if said[0] else ""))
