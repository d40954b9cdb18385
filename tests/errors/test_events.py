"""Events that are refused: each line of events.jsonl, and below it in events.golden its code, its place and its sentence.

    CAPLEX_WRITE_GOLDENS=1 pytest tests/errors
"""
from __future__ import annotations

import ast
import json
import os
from pathlib import Path
from typing import Any

import pytest

import caplex
from caplex.compiler.diagnostics.catalogue import lookup
from caplex.runtime.document import read_json
from caplex.runtime.engine import events
from caplex.runtime.engine.engine import Engine
from caplex.runtime.errors import EventError

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LINES = (HERE / "events.jsonl").read_text(encoding="utf-8").splitlines()
POLICY = """policy t { version "1" language 1 mode enforce currency USD stages EXP closing faces every rule lot 1 unlimited exposure unlimited loss overrides tightest wins }
input market { price : price above 0 fresh always }
input book { capital : money above 0 USD }
limit EXP-010 "Book" { intent.notional at most book.capital else reduce }
"""
EVENT_CODES = {events.NOT_AN_OBJECT, events.UNKNOWN_TYPE, events.MISSING, events.UNKNOWN_KEY, events.VALUE, events.TIME, events.INPUT, events.DOOR, events.TWICE}


def engine() -> Engine:
    return Engine(caplex.compile_text(POLICY, name="t.cap"), trust_operators=True)


def refused(line: str) -> EventError:
    given: Any = read_json(line.encode()) if line.startswith("{") else json.loads(line)
    take = engine().submit if isinstance(given, dict) and given.get("type") == "intent" and " " in str(given["id"]) else engine().apply
    with pytest.raises(EventError) as caught:
        take(given)
    return caught.value


def test_goldens() -> None:
    told = []
    for line in LINES:
        error = refused(line)
        told.append(f"{line}\n  {error.code}  {error.path or '/'}  {error}\n")
    golden, text = HERE / "events.golden", "\n".join(told)
    if os.environ.get("CAPLEX_WRITE_GOLDENS"):
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


def test_every_code_has_an_example_and_a_page() -> None:
    met = {refused(line).code for line in LINES}
    assert met == EVENT_CODES
    for code in {*met, events.ACT}:
        assert lookup(code) is not None
        assert f"### {code}" in (ROOT / "docs/reference/diagnostics.md").read_text(encoding="utf-8"), code


def test_the_diagnostic_is_data() -> None:
    error = refused(LINES[4])
    assert error.diagnostics == ({"code": "CAP929", "path": "/ordr_id", "message": str(error)},)


def test_every_refusal_in_the_product_has_a_code() -> None:
    """`EventError` asks for one; nobody passes an empty one."""
    for path in [*(ROOT / "runtime").rglob("*.py"), *(ROOT / "compiler").rglob("*.py")]:
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "EventError":
                assert any(each.arg == "code" for each in call.keywords), f"{path.name}:{call.lineno}"
