"""Run the tests of a suite: all of them, those that are selected, until the first that fails."""
from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from caplex.compiler.driver import Mode
from caplex.compiler.syntax import ast
from caplex.compiler.testing.collect import collect
from caplex.compiler.testing.model import Entry, Report, Row, Run, Suite, titled
from caplex.compiler.testing.timeline import Watch, rows_of, run_test
from caplex.runtime.policy import Policy

Select = Callable[[str], bool]
"""Whether a test of this title, with the label of its row, is to be run."""


def test(
    *paths: str | Path, select: str | None = None, first: bool = False, settings: Mapping[str, Any] | str | Path | None = None, mode: Mode | None = None,  # noqa: PT028
    watch: Callable[[Entry], Watch | None] | None = None,  # noqa: PT028
) -> Report:
    """Run the tests that *paths* hold: `caplex.test`.

    Args:
        select: As `-k`: words of titles, with `and`, `or`, `not` and parentheses.
        first: Stop at the first that fails.
        settings: As of `caplex.load`.
        watch: As of `run_suite`.
    Raises:
        ValueError: *select* cannot be read.
    """
    from caplex.compiler.loading import resolve_settings

    suite = collect(*paths, settings=resolve_settings(settings), mode=mode)
    chosen = selection(select) if select else None
    runs = tuple(run_suite(suite, select=chosen, first=first, watch=watch))
    left = 0
    if chosen is not None:
        left = sum(1 for entry in suite.entries if entry.policy is not None for test, row in cases(entry) if not chosen(titled(test, row)))
    return Report(suite, runs, left)


def run_suite(suite: Suite, *, select: Select | None = None, first: bool = False, watch: Callable[[Entry], Watch | None] | None = None) -> Iterator[Run]:
    """Run after run, in order; an entry that does not compile has none.

    Args:
        watch: Gives what is called with each decision of an entry.
    """
    for entry in suite.entries:
        for found in run_entry(entry, select=select, watch=watch(entry) if watch is not None else None):
            yield found
            if first and not found.passed:
                return


def run_entry(entry: Entry, *, policy: Policy | None = None, select: Select | None = None, watch: Watch | None = None) -> Iterator[Run]:
    """The tests of *entry*, on its own policy or on *policy*, which has the same facts; a test that gives settings, on what *entry* is under them."""
    subject = policy if policy is not None else entry.policy
    if subject is None or entry.checked is None:
        return
    for test, row in cases(entry, select):
        yield run_test(subject, entry.checked, test, row, watch=watch, variants=entry.variants)


def cases(entry: Entry, select: Select | None = None) -> Iterator[tuple[ast.Test, Row]]:
    """Each row of each test."""
    for test in entry.tests:
        for row in rows_of(test):
            if select is None or select(titled(test, row)):
                yield test, row


# ── which ─────────────────────────────────────────────────────────────────────────────────────────────

_WORD = re.compile(r'\s*(\(|\)|"[^"]*"|[^\s()]+)')


def selection(text: str) -> Select:
    """*text* as `-k` takes it. Raises ValueError."""
    words = _WORD.findall(text)
    found, rest = _either(words)
    if rest:
        raise ValueError(f"`-k {text}`: `{rest[0]}` stands where `and`, `or` or nothing is wanted")
    return found


def _either(words: list[str]) -> tuple[Select, list[str]]:
    left, words = _both(words)
    while words and words[0] == "or":
        right, words = _both(words[1:])
        left = _join(left, right, any)
    return left, words


def _both(words: list[str]) -> tuple[Select, list[str]]:
    left, words = _one(words)
    while words and words[0] != "or" and words[0] != ")":
        # Words that stand side by side are looked for side by side: `-k "cooling down"`.
        if words[0] != "and":
            raise ValueError(f"`-k`: `{words[0]}` stands behind a word; write `and` or `or` between, or quote the words together")
        right, words = _one(words[1:])
        left = _join(left, right, all)
    return left, words


def _join(left: Select, right: Select, how: Callable[[Iterator[bool]], bool]) -> Select:
    return lambda title: how(part(title) for part in (left, right))


def _one(words: list[str]) -> tuple[Select, list[str]]:
    if not words or words[0] in ("and", "or", ")"):
        raise ValueError("`-k`: a word is missing" + (f" before `{words[0]}`" if words else ""))
    word, rest = words[0], words[1:]
    if word == "not":
        inner, rest = _one(rest)
        return (lambda title: not inner(title)), rest
    if word == "(":
        inner, rest = _either(rest)
        if not rest or rest[0] != ")":
            raise ValueError("`-k`: a parenthesis is not closed")
        return inner, rest[1:]
    wanted = word.strip('"').casefold()
    return (lambda title: wanted in title.casefold()), rest
