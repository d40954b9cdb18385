"""What the server does on command: run a test, decide with facts, and what headroom those leave under each rule."""
from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from caplex.compiler.lsp.analysis import analysed
from caplex.compiler.lsp.document import Analysis
from caplex.compiler.lsp.workspace import Reader
from caplex.compiler.source import Source
from caplex.compiler.syntax import ast
from caplex.runtime.policy import Policy

MOST_BYTES = 16 * 1024 * 1024


class Impossible(Exception):
    """It cannot be done; the sentence says why."""


def run_tests(path: Path, text: str, texts: Mapping[Path, str], title: str | None, settings: Mapping[str, object]) -> str:
    """Run the tests in *text*, or the one of this *title*; what `caplex test` prints. Raises Impossible."""
    from caplex.compiler.testing.model import Entry, Report, Suite
    from caplex.compiler.testing.report import text as printed
    from caplex.compiler.testing.run import run_suite

    # A module is tested under the neutral header, as `caplex test` does, and not in a policy that imports it.
    analysis = analysed(path, Source(str(path), text), Reader(texts), settings=settings)
    policy = _policy(analysis)
    assert analysis.entry is not None
    tests = tuple(item for item in analysis.items if isinstance(item, ast.Test) and title in (None, item.title))
    if not tests:
        raise Impossible(f"there is no test `{title}` in `{path.name}`" if title is not None else f"`{path.name}` has no test")
    entry = Entry(path, (path,), analysis.entry.module, analysis.pack, tests, analysis.checked, policy, ())
    suite = Suite((entry,))
    return printed(Report(suite, tuple(run_suite(suite)), 0), verbose=True)


def decide(path: Path, text: str, texts: Mapping[Path, str], facts: Path, settings: Mapping[str, object]) -> str:
    """Decide with the document *facts*; what `caplex explain` prints. Raises Impossible."""
    policy = _policy(analysed(path, Source(str(path), text), Reader(texts), settings=settings))
    return policy.decide(read_facts(facts)).explain().text()


def rooms(analysis: Analysis, facts: Path) -> dict[str, str]:
    """What each rule measures on *facts* and how much is left under it, in words, by its id. Raises Impossible."""
    from caplex.runtime.report.phrases import STATES, headroom, utilisation
    from caplex.runtime.texts import human, human_pair

    policy = _policy(analysis)
    currency = policy.currency
    found = {}
    for trace in policy.decide(read_facts(facts)).explain().traces:
        said = STATES[trace.state]
        room = headroom(trace)
        if room is not None:
            observed, limit = human_pair(trace.observed, trace.limit, trace.unit, currency)
            used = utilisation(trace)
            left = f"headroom **{human(room, trace.unit, currency)}**" if room >= 0 else f"**{human(-room, trace.unit, currency)}** beyond"
            said += f": {observed} {trace.comparison} {limit}, {left}" + (f" ({used}% used)" if used is not None else "")
        found[trace.rule] = f"{said} ({facts.name})"
    return found


def read_facts(path: Path) -> dict[str, Any]:
    """The JSON object in *path*, numbers by their digits. Raises Impossible."""
    try:
        raw = path.read_bytes()
        if len(raw) > MOST_BYTES:
            raise Impossible(f"`{path}` is larger than {MOST_BYTES // 1024 // 1024} MiB")
        found = json.loads(raw.decode("utf-8-sig"), parse_float=Decimal, parse_constant=str)
    except OSError as error:
        raise Impossible(f"`{path}` cannot be read: {error.strerror or type(error).__name__}") from None
    except ValueError as error:
        raise Impossible(f"`{path}` is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise Impossible(f"`{path}` holds no JSON object")
    return found


def _policy(analysis: Analysis) -> Policy:
    from caplex.compiler.loading import policy_of
    from caplex.runtime.errors import PolicyError

    if not analysis.sound or analysis.checked is None:
        first = next((found.message for found in analysis.diagnostics if found.is_error), "it cannot be understood")
        raise Impossible(f"`{analysis.path.name}` does not compile: {first}")
    if analysis.pack and not analysis.checked.rules:
        raise Impossible(f"`{analysis.path.name}` is no policy: it has neither a header nor rules")
    try:
        return policy_of(analysis.checked, list(analysis.diagnostics), analysis.settings, None)
    except PolicyError as error:
        raise Impossible(str(error)) from None
