"""`caplex allocate`: what is printed and written, how it ends, and the rounds."""
from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from caplex.compiler.cli.main import run
from caplex.compiler.tools import pair
from caplex.compiler.tools.rounds import Undelivered, send

POLICY = """policy governor { version "1" language 1 currency USD stages SYS closing faces every rule unlimited exposure unlimited loss }
input guardian { paused : bool? }
allocate capital across strategies {
  score strategy.sharpe_30d floor 5% ceiling 60% freeze when (guardian.paused else false) rebalance when any share moves at least 10pp
}
"""


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "desk.cap").write_text(POLICY)
    metrics(tmp_path, {"A": 3, "B": 1, "C": 1})
    return tmp_path


def metrics(folder: Path, scores: dict[str, Any], *, now: str = "2026-01-05T15:00:00Z", paused: bool = False) -> None:
    (folder / "m.json").write_text(json.dumps({
        "now": now, "strategies": {name: {"sharpe_30d": str(score)} for name, score in scores.items()}, "inputs": {"guardian": {"paused": paused}}}))


def allocate(*more: str) -> int:
    return run(["allocate", "desk.cap", "--facts", "m.json", *more])


def plan(path: str) -> Any:
    return json.loads(Path(path).read_text())


def test_both_files_get_the_plan(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert allocate("-o", "shares.json", "--also", "override.json") == 0
    assert "REBALANCE  capital across strategies" in capsys.readouterr().out
    assert (desk / "shares.json").read_text() == (desk / "override.json").read_text()
    assert next(iter(plan("shares.json").items())) == ("schema", "caplex.allocation/1")
    assert plan("shares.json")["shares"] == {"A": "0.6", "B": "0.2", "C": "0.2"}
    assert sorted(path.name for path in desk.iterdir()) == ["desk.cap", "m.json", "override.json", "shares.json"]  # nothing is left over


def test_what_stands_in_the_file_is_the_plan_in_force(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    allocate("-o", "shares.json")
    before = (desk / "shares.json").read_text()
    metrics(desk, {"A": 3, "B": 1.4, "C": 1})
    assert allocate("-o", "shares.json") == 0
    assert "KEEP" in capsys.readouterr().out
    assert (desk / "shares.json").read_text() == before
    metrics(desk, {"A": 1, "B": 1, "C": 1})
    assert allocate("-o", "shares.json") == 0
    assert plan("shares.json")["previous"] == {"A": "0.6", "B": "0.2", "C": "0.2"}


@pytest.mark.parametrize(("scores", "paused", "word"), [({"A": "NaN"}, False, "REFUSED"), ({"A": 1}, True, "FROZEN")])
def test_the_answer_is_no(desk: Path, capsys: pytest.CaptureFixture[str], scores: dict[str, Any], paused: bool, word: str) -> None:
    metrics(desk, scores, paused=paused)
    assert allocate("-o", "shares.json") == 1
    assert word in capsys.readouterr().out
    assert not (desk / "shares.json").exists()


@pytest.mark.parametrize(("more", "said"), [
    (("--also", "x.json"), "give the first with `-o`"), (("--every", "1x"), "no length of time"), (("--every", "0s"), "no length of time"),
    (("--max-rounds", "2"), "counts the rounds"), (("--name", "risk"), "no allocation `risk`; it has `capital`"),
    (("-o", "a.json", "--also", "./a.json"), "the same file"), (("-o", "desk.cap"), "not JSON"), (("-o", "m.json"), "holds no plan"),
    (("--max-age", "1h"), "the facts are"),
])
def test_what_cannot_be_used(desk: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], said: str) -> None:
    assert allocate(*more) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("fails", [0, 1])
@pytest.mark.parametrize("there", [True, False])
def test_both_files_or_none(desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], fails: int, there: bool) -> None:
    files = [desk / "shares.json", desk / "override.json"]
    if there:
        allocate("-o", "shares.json", "--also", "override.json")
        metrics(desk, {"A": 1, "B": 1, "C": 1})
    before = [file.read_text() if there else None for file in files]
    replace = os.replace

    def failing(source: Any, target: Any) -> None:
        if Path(target) == files[fails] and str(source).endswith(".new"):
            raise OSError(28, "No space left on device", str(target))
        replace(source, target)

    monkeypatch.setattr(pair.os, "replace", failing)
    assert allocate("-o", "shares.json", "--also", "override.json") == 74
    assert f"`{files[fails]}`: No space left on device" in capsys.readouterr().err
    assert [file.read_text() if file.exists() else None for file in files] == before
    assert [path.name for path in desk.iterdir() if path.name.startswith(".")] == []


def test_a_folder_that_is_not_there(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert allocate("-o", "shares.json", "--also", "nowhere/override.json") == 74
    assert not (desk / "shares.json").exists()


def test_rounds_go_on_after_a_bad_file(desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def now() -> str:
        return datetime.now(timezone.utc).isoformat()

    documents = iter([lambda: metrics(desk, {"A": 3, "B": 1, "C": 1}, now=now()), lambda: (desk / "m.json").write_text("{"),
                      lambda: metrics(desk, {"A": 1, "B": 1, "C": 1}, now="2026-01-05T15:00:00Z"), lambda: metrics(desk, {"A": 1, "B": 1, "C": 1}, now=now())])
    next(documents)()
    from caplex.compiler.tools import rounds

    every = rounds.Rounds.every

    def quickly(self: Any, interval: int, most: int | None = None) -> Any:
        return every(self, interval, most, sleep=lambda _: next(documents)())

    monkeypatch.setattr(rounds.Rounds, "every", quickly)
    assert allocate("-o", "shares.json", "--every", "60s", "--max-rounds", "4", "--format", "json", "--notify", "told.jsonl") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line.get("state", line["schema"]) for line in lines] == ["rebalance", "caplex.error/1", "caplex.error/1", "rebalance"]
    assert "old" in lines[2]["message"]
    assert lines[3]["previous"] == {"A": "0.6", "B": "0.2", "C": "0.2"}
    told = [json.loads(line) for line in (desk / "told.jsonl").read_text().splitlines()]
    assert [each["schema"] for each in told] == ["caplex.notice/1"] * 2
    assert told[0]["text"] == "governor: new shares of capital (the first plan): A 60.00%, B 20.00%, C 20.00%; 0.00% in cash"


def test_a_channel_is_a_program_that_reads(desk: Path) -> None:
    send(f"exec:{sys.executable} -c \"import sys; open('got.json','w').write(sys.stdin.read())\"", {"text": "ä"})
    assert json.loads((desk / "got.json").read_text()) == {"text": "ä"}
    with pytest.raises(Undelivered, match="left with 3: no network"):
        send(f"exec:{sys.executable} -c \"import sys; sys.exit(print('no network', file=sys.stderr) or 3)\"", {})
    with pytest.raises(Undelivered):
        send("exec:no-such-program", {})


def test_nobody_was_told_and_the_plan_stands(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert allocate("-o", "shares.json", "--notify", "exec:no-such-program") == 0
    assert "nobody was told of the new plan" in capsys.readouterr().err
    assert (desk / "shares.json").exists()


def hears_ctrl_c() -> None:
    """A suite that was started in the background ignores Ctrl-C, and its children would too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_interrupted_it_ends_clean(desk: Path) -> None:
    metrics(desk, {"A": 3, "B": 1, "C": 1}, now=datetime.now(timezone.utc).isoformat())
    process = subprocess.Popen([sys.executable, "-m", "caplex", "allocate", "desk.cap", "--facts", "m.json", "-o", "shares.json", "--every", "60s"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=hears_ctrl_c)
    for _ in range(200):
        if (desk / "shares.json").exists():
            break
        time.sleep(0.05)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert out.startswith("REBALANCE")
    assert err == "stopped after 1 round; the plan in force stays\n"


@pytest.mark.parametrize("width", [40, 80, 120])
def test_no_line_is_longer_than_the_screen(desk: Path, width: int) -> None:
    import caplex

    policy = caplex.load("desk.cap")
    facts = json.loads((desk / "m.json").read_text())
    facts["strategies"] |= {"a-very-long-name-of-a-strategy-that-nobody-would-type": {"sharpe_30d": "2"}, "bad\x1b[31m": {"sharpe_30d": "1"}}
    text = policy.allocate(facts, {"A": "0.9"}).explain().text(width=width)
    assert max(map(len, text.splitlines())) <= width
    assert "\x1b" not in text
