"""`caplex import`: where the result goes, what is told beside it, and how it ends."""
from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

import caplex
from caplex.compiler.cli import main

GOOD = """\
version: '0.1'
timezone: UTC
defaults: {mode: enforce, decision: allow}
limits:
  exposure: {max_position_pct: 0.1, max_gross_exposure_x: 2}
  loss: {daily_loss_limit_pct: 0.02, max_drawdown_pct: 0.05}
  execution: {max_orders_per_minute_global: 20, max_orders_per_minute_by_strategy: 10}
  kill_switch: {trip_after_n_violations: 3, violation_window_seconds: 300}
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("policy.yaml").write_text(GOOD, encoding="utf-8")
    Path(".env").write_text("POLICY_MIN_CONFIDENCE=0.8\n", encoding="utf-8")


def test_a_policy_is_printed_and_compiles(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["import", "policygate", "policy.yaml"]) == 0
    shown = capsys.readouterr()
    assert caplex.loads(shown.out).name == "policygate"
    assert "warning[CAP935]" in shown.err


def test_a_policy_is_written_where_it_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["import", "policygate", "policy.yaml", "-o", "desk.cap", "--engine-counts"]) == 0
    assert capsys.readouterr().out == ""
    text = Path("desk.cap").read_text(encoding="utf-8")
    assert "counters." not in text
    assert "for each strategy" in text


def test_a_program_gets_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["import", "env", ".env", "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert next(iter(told)) == "schema"
    assert (told["schema"], told["kind"], told["source"]) == ("caplex.import/1", "settings", ".env")
    assert "min_confidence: 0.8" in told["text"]


def test_a_program_gets_what_is_wrong_with_its_places(capsys: pytest.CaptureFixture[str]) -> None:
    Path("policy.yaml").write_text(GOOD.replace("max_position_pct: 0.1", "max_position_pct: 10"), encoding="utf-8")
    assert main.run(["import", "policygate", "policy.yaml", "--format", "json", "-o", "desk.cap"]) == 2
    (found,) = json.loads(capsys.readouterr().out)["diagnostics"]
    assert (found["code"], found["source"]["file"], found["source"]["line"]) == ("CAP932", "policy.yaml", 5)
    assert not Path("desk.cap").exists()


def test_the_environment_is_read_without_a_file(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLICY_COOLDOWN_GLOBAL", "90")
    assert main.run(["import", "env"]) == 0
    assert "cooldown_global: 90s  # POLICY_COOLDOWN_GLOBAL\n" in capsys.readouterr().out


def test_standard_input_is_read(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xef\xbb\xbfPOLICY_SCALE_IN_MAX_COUNT=4\n")))
    assert main.run(["import", "env", "-"]) == 0
    assert "scale_in_max: 4" in capsys.readouterr().out


@pytest.mark.parametrize(("arguments", "status"), [
    (["import", "env", "missing.env"], 2), (["import", "policygate"], 2), (["import", "polygate", "x"], 2), (["import"], 2),
    (["import", "env", ".env", "-o", "nowhere/settings.yaml"], 74),
])
def test_how_it_ends(arguments: list[str], status: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(arguments) == status
    assert "Traceback" not in capsys.readouterr().err


def test_what_is_no_text_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    Path("policy.yaml").write_bytes(b"\xff\xfe\x00")
    assert main.run(["import", "policygate", "policy.yaml"]) == 2
    assert "it is not UTF-8" in capsys.readouterr().err
