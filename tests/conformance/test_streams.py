"""The stream cases: on a machine, on an engine whose journal is closed and opened between steps, and replayed; see README.md."""
from __future__ import annotations

import errno
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from stream_cases import (
    JOURNAL,
    OF_ANSWERS,
    OF_STATE,
    Answer,
    compiled,
    instant,
    of_answer,
    of_state,
    steps,
    suites,
    terms,
    text_of,
)

from caplex.compiler.recorded import compile_recorded
from caplex.runtime.canonical import canonical_json
from caplex.runtime.engine.engine import Engine
from caplex.runtime.engine.machine import Machine
from caplex.runtime.errors import CaplexError, EventError, JournalError
from caplex.runtime.journal import files
from caplex.runtime.policy import Policy
from caplex.runtime.replay import replay

SPEC = Path(__file__).resolve().parents[2] / "docs" / "spec.md"
CASES = [(f"{stem}: {suite['spec']}: {case['name']}", suite, case) for stem, suite in suites() for case in suite["cases"]]
EVERYWHERE = [row for row in CASES if not any(JOURNAL in step for step in row[2]["events"])]
ON_FILES = [row for row in CASES if row not in EVERYWHERE]


def policy(suite: Mapping[str, Any], body: str | None = None) -> Policy:
    families = dict.fromkeys(re.findall(r"^\s*(?:rule|limit|throttle|cooldown|kill switch) ([A-Z][A-Z0-9-]*?)-[0-9]+", body or suite["policy"], re.MULTILINE))
    return compiled(text_of(suite, list(families), body))


class OnMachine:
    """The pure step, with nothing around it."""

    def __init__(self, suite: Mapping[str, Any]) -> None:
        self.machine = Machine(policy(suite), **terms(suite))

    def give(self, event: dict[str, Any], subject: str | None) -> Answer:
        try:
            read = self.machine.read(event)
        except EventError as error:
            return Answer(refused=str(error))
        return Answer(self.machine.step(read, subject=subject).told)


class OnEngine:
    """An engine with a journal; *restart* closes it and opens it again after every step, or after the one of that number.

    After every step (0) from the journal alone; after a single one with the store that speeds opening up.
    """

    def __init__(self, suite: Mapping[str, Any], path: Path, restart: int | None) -> None:
        self.suite, self.path, self.restart, self.count = suite, path, restart, 0
        self.options: dict[str, Any] = {}
        self.policy = policy(suite)
        self.open()

    def open(self) -> None:
        given = terms(self.suite)
        self.engine = Engine(self.policy, self.path, reservation_ttl=given["ttl"], trust_operators=given["trust"], operators=given["roles"], durability="os",
                             store=self.restart != 0, recorded=compile_recorded, **self.options)

    def reopen(self) -> None:
        self.engine.close()
        self.open()

    @property
    def machine(self) -> Machine:
        return self.engine._machine

    def give(self, event: dict[str, Any], subject: str | None) -> Answer:
        try:
            told = self.engine.submit(event) if event["type"] == "intent" else self.engine.apply(event, subject=subject)
        except CaplexError as error:
            return Answer(refused=str(error))
        return Answer(told.to_dict())

    def over(self) -> None:
        """A step is over."""
        self.count += 1
        if self.restart in (0, self.count):
            self.reopen()


def compare(host: Any, step: Mapping[str, Any], answer: Answer | None) -> None:
    """What the step expects, of its answer and of the state after it."""
    for name, wanted in step.get("expect", {}).items():
        if name in OF_STATE:
            assert of_state(host.machine, name, wanted) == wanted, (name, step)
            continue
        assert answer is not None, f"{name}: the step has no event"
        got = of_answer(answer, name)
        if name == "refused" and isinstance(got, str):
            assert wanted in got, step
        else:
            assert (str(got) if isinstance(got, str) else got) == wanted, (name, step, answer)
    if answer is not None and answer.refused is not None:
        assert "refused" in step.get("expect", {}), (answer.refused, step)


def run(host: Any, suite: Mapping[str, Any], case: Mapping[str, Any]) -> list[str]:
    """All steps of *case*; the answers, as texts."""
    told = []
    for step, events in steps(suite, case):
        answer = None
        for event in events:
            answer = host.give(event, step.get("subject"))
            told.append(answer.refused or canonical_json(answer.told))
        compare(host, step, answer)
        if isinstance(host, OnEngine):
            host.over()
    return told


def ids(rows: list[Any]) -> list[str]:
    return [row[0] for row in rows]


@pytest.mark.parametrize(("suite", "case"), [row[1:] for row in EVERYWHERE], ids=ids(EVERYWHERE))
def test_a_stream(suite: dict[str, Any], case: dict[str, Any], tmp_path: Path) -> None:
    """On a machine; with a restart after every step; with one restart after each single step; and again from the journal."""
    pure = OnMachine(suite)
    told = run(pure, suite, case)
    total = len(list(steps(suite, case)))
    for restart in (0, *range(total - len(case["events"]), total)):
        path = tmp_path / f"{restart}.journal"
        host = OnEngine(suite, path, restart)
        assert run(host, suite, case) == told, f"restart after step {restart or 'each'}"
        host.engine.close()
    again = replay(tmp_path / "0.journal", load=compile_recorded)
    assert again.identical, again.differences
    assert again.digest == pure.machine.digest()
    if "tried" in case:
        tried = replay(tmp_path / "0.journal", load=compile_recorded, other=policy(suite, case["tried"]["policy"]))
        assert tried.identical
        assert [f"{flip.told['intent_id']} {flip.kind}" for flip in tried.flips] == case["tried"]["flips"]


# ── what happens to the file ──────────────────────────────────────────────────────────────────────────


class Files(OnEngine):
    """An engine to whose journal things happen."""

    def __init__(self, suite: Mapping[str, Any], path: Path, patch: pytest.MonkeyPatch) -> None:
        super().__init__(suite, path, None)
        self.patch = patch

    def happens(self, what: str | dict[str, Any]) -> str | None:
        """Do it; the sentence with which going on was refused."""
        word, value = (what, None) if isinstance(what, str) else next(iter(what.items()))
        try:
            getattr(self, f"on_{word.replace(' ', '_')}")(value)
        except CaplexError as error:
            return str(error)
        return None

    def on_full(self, value: Any) -> None:
        def write(fd: int, data: bytes) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        self.whole = files.write_whole
        self.patch.setattr(files, "write_whole", write)

    def on_well(self, value: Any) -> None:
        self.patch.setattr(files, "write_whole", self.whole)

    def on_restart(self, value: Any) -> None:
        self.reopen()

    def on_second_writer(self, value: Any) -> None:
        with pytest.raises(JournalError) as caught:
            Engine(self.policy, self.path)
        assert caught.value.retryable
        raise caught.value

    def on_torn(self, value: Any) -> None:
        """A crash in the middle of a line: what was written last is there in part."""
        self.engine.close()
        with self.path.open("ab") as stream:
            stream.write(b'{"at":"2026-01-05T15')
        self.open()
        assert list(self.path.parent.glob("*.torn-*"))

    def on_lost_answer(self, value: Any) -> None:
        """A crash between an event and its answer."""
        self.engine.close()
        lines = self.path.read_bytes().splitlines(keepends=True)
        while b'"kind":"event"' not in lines[-1]:
            lines.pop()
        self.path.write_bytes(b"".join(lines))
        self.path.with_name(self.path.name + ".head").unlink()
        self.open()
        assert any(b'"kind":"decision"' in line for line in self.path.read_bytes().splitlines()[len(lines):])

    def on_changed_byte(self, value: Any) -> None:
        self.engine.close()
        data = self.path.read_bytes()
        self.path.write_bytes(data.replace(b'"quantity":"', b'"quantity":"1', 1))
        self.open()

    def on_dropped_line(self, value: Any) -> None:
        self.engine.close()
        lines = self.path.read_bytes().splitlines(keepends=True)
        self.path.write_bytes(b"".join([*lines[:3], *lines[4:]]))
        self.open()

    def on_terms(self, value: Any) -> None:
        self.suite = {**self.suite, "terms": value}
        self.reopen()

    def on_activate(self, value: dict[str, Any]) -> None:
        """Another policy takes over while the engine runs."""
        following = policy(self.suite, value["text"])
        self.engine.activate(following, by=value["by"], at=instant(value["at"]), subject=value.get("subject"))
        self.policy = following

    def on_policy(self, value: dict[str, Any]) -> None:
        """Another policy is given to the engine; *keep* says that the state is kept, *by* whose act that is."""
        before, options = self.policy, self.options
        self.policy, self.options = policy(self.suite, value["text"]), {"on_policy_change": "keep_state"} if value.get("keep") else {}
        if value.get("by"):
            self.options["policy_change"] = value["by"]
        self.engine.close()
        try:
            self.open()
        except CaplexError:
            self.policy, self.options = before, options
            self.open()
            raise


@pytest.mark.parametrize(("suite", "case"), [row[1:] for row in ON_FILES], ids=ids(ON_FILES))
def test_a_stream_to_whose_journal_things_happen(
    suite: dict[str, Any], case: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    host, broken = Files(suite, tmp_path / "x.journal", monkeypatch), False
    for step, events in steps(suite, case):
        answer = None
        for event in events:
            answer = host.give(event, step.get("subject"))
        if JOURNAL in step:
            answer = Answer(refused=host.happens(step[JOURNAL]))
            broken = broken or ("changed byte" in step[JOURNAL] or "dropped line" in step[JOURNAL])
        compare(host, step, answer)
    host.engine.close()
    again = replay(host.path, load=compile_recorded)
    assert again.identical is not broken, again.differences


# ── the cases themselves ──────────────────────────────────────────────────────────────────────────────


def test_every_stream_has_its_own_name() -> None:
    assert len(set(ids(CASES))) == len(CASES)


def test_every_stream_names_a_paragraph_of_the_specification() -> None:
    paragraphs = set(re.findall(r"\*\*(CAP-[A-Z]+-[0-9]+)\.\*\*", SPEC.read_text(encoding="utf-8")))
    assert {suite["spec"] for _, suite in suites()} <= paragraphs


def test_every_stream_expects_something_that_is_told() -> None:
    for name, _, case in CASES:
        expected = [key for step in case["events"] for key in step.get("expect", {})]
        assert expected, name
        assert set(expected) <= OF_STATE | OF_ANSWERS, name


def test_nothing_in_a_case_is_passed_over() -> None:
    """A word that the runner does not read would make a case hold something else than it says."""
    for stem, suite in suites():
        for case in suite["cases"]:
            assert set(case) <= {"name", "events", "tried"}, (stem, case["name"], sorted(case))
