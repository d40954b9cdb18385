"""The story of `caplex demo`: what it tells is what the policy decides, at any width, in colour and without."""
from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path

import pytest

import caplex
from caplex import demo
from caplex.compiler.cli import main
from caplex.compiler.tools import chart
from caplex.compiler.tools.story import Teller

ROOT = Path(__file__).resolve().parents[2]
CASES = list(demo.cases())
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def fresh(width: int = 100, *, colour: bool = False) -> str:
    out = io.StringIO()
    assert demo.run(out, width=width, colour=colour) == 0
    return out.getvalue()


tell = cache(fresh)  # where commands stand in it, `fresh` tells them from the current folder


@pytest.fixture(scope="module")
def story() -> str:
    return tell()


@pytest.fixture(scope="module")
def policy() -> caplex.Policy:
    return caplex.load(demo.DATA / "desk.cap")


@pytest.fixture(scope="module")
def answers(policy: caplex.Policy) -> list[demo.Answer]:
    return demo.replay(policy)


def part(story: str, number: int) -> str:
    """What is told of one intent."""
    sign = chr(ord("①") + number - 1)
    return re.split(r"^── ", story.partition(f"── {sign} ")[2], flags=re.M)[0]


# ── the intents ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("number", range(1, 8))
def test_each_intent_is_told_as_it_is_decided(story, policy, number):
    case, facts = CASES[number - 1]
    decision = policy.decide(facts)
    told, shown = decision.to_dict(), part(story, number)
    assert case["told"] in " ".join(shown.split())
    verdict = re.search(r"^   (ALLOW|MODIFY|HOLD|DENY) ", shown, re.M)
    assert verdict is not None
    assert verdict.group(1) == str(decision.verdict)
    flat = " ".join(shown.split())
    for reason in told["reasons"][:1]:
        assert reason["rule"] in shown
        assert reason["message"] in flat
        lines = (demo.DATA / "desk.cap").read_text(encoding="utf-8").splitlines()
        cited = re.findall(r"^ +desk\.cap:(\d+)  (.*)$", shown, re.M)
        assert cited
        for line, text in cited:
            assert " ".join(lines[int(line) - 1].split()).startswith(" ".join(text.split())[:40])
        assert any(reason["source"]["line"] < int(line) < reason["source"]["end_line"] for line, _ in cited)
    kept = sum(rule["state"] == "kept" for rule in decision.explain().to_dict()["rules"])
    assert f"{kept} {'other ' if told['reasons'] else ''}rules kept" in shown


def test_the_line_behind_a_setting_is_cited(story):
    assert re.search(r"desk\.cap:25  setting max_position : ratio = 8%", part(story, 2))


def test_an_order_that_only_closes_shows_what_it_was_spared(story):
    assert re.search(r"spared +LOSS-010 Daily loss stop: .*153% used", part(story, 5))


def test_what_would_let_it_pass_is_what_the_explanation_offers(story, policy):
    told = 0
    for number, (_, facts) in enumerate(CASES, start=1):
        explained = policy.decide(facts).explain().to_dict()
        flat = " ".join(part(story, number).split())
        for offer in explained["remedies"][:2]:
            assert " ".join(offer["text"].split()) in flat
            told += 1
        assert ("to pass" in flat) is bool(explained["remedies"])
        if not explained["remedies"]:
            assert all(" ".join(unmet["text"].split()) in flat for unmet in explained["unmet"])
    assert told >= 4


def test_the_full_explanation_is_what_the_command_beside_it_prints(story, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    (line,) = re.findall(r"^   \$ caplex (explain .*)$", fresh(), re.M)
    assert main.run(shlex.split(line)) == 0
    printed = capsys.readouterr().out
    assert "KILL-010" in printed
    assert printed in story


def test_more_than_one_rule_may_speak():
    policy = caplex.loads("""
policy desk {
  version "1" language 1 mode enforce currency USD stages LOSS, EXP closing skips LOSS, EXP overrides tightest wins lot 1
}
limit LOSS-010 "Daily loss stop" { account.day_loss below 2% of account.day_start_equity else deny }
limit LOSS-020 { account.equity at least 10_000 USD else deny }
limit EXP-010 "Position size" { abs(after.position.notional) at most 10% of account.equity else reduce }
""")
    decision = policy.decide({
        "now": "2026-01-05T15:00:00Z",
        "intent": {"id": "i-1", "action": "open", "symbol": "AAPL", "side": "buy", "quantity": "300"},
        "account": {"equity": "97000", "day_start_equity": "100000"}, "positions": {}, "orders": [],
        "market": {"AAPL": {"price": "200", "as_of": "2026-01-05T15:00:00Z"}}})
    told = "\n".join(Teller(100, False).decision(decision, policy))
    assert "LOSS-010 Daily loss stop: " in told
    assert "150% of what is allowed" in told
    assert told.endswith("also EXP-010; 1 other rule kept")


# ── the picture ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("width", [40, 60, 80, 100, 180])
def test_the_picture_holds_the_days_of_the_intents_and_its_marks(answers, width):
    text = tell(width)
    picture = [line for line in text.splitlines() if "│" in line.split("kill switch")[0] or "└" in line or line.lstrip().startswith(("loss stop", "switch "))]
    picture = picture[: next(number for number, line in enumerate(picture) if line.lstrip().startswith("switch ")) + 1]
    assert len(picture) <= 14
    assert max(map(len, picture)) <= width
    assert all("".join(picture).count(sign) == 1 for sign in "①②③④⑤⑥⑦")
    assert any("⠀" < letter <= "⣿" for letter in "".join(picture))
    assert "┄" in "".join(picture)
    losses = sum(answer.lossy for answer in answers)
    marks = picture[-2].count("▼")
    assert marks == losses if width >= 60 else 0 < marks <= losses


def test_the_line_stands_where_the_values_are():
    values = [Fraction(value) for value in (1_000_000, 1_000_000, 800_000, 800_000)]
    lines = chart.chart(chart.Picture(
        days=["2020-03-02", "2020-03-03", "2020-03-04", "2020-03-05"], values=values, tones=[""] * 4, bar=[Fraction(900_000)] * 4), width=60)
    rows = [{number for number, letter in enumerate(line) if "⠀" < letter <= "⣿"} for line in lines]
    top = next(number for number, row in enumerate(rows) if row)
    bottom = max(number for number, row in enumerate(rows) if row)
    dashes = next(number for number, line in enumerate(lines) if "┄" in line)
    assert top < dashes < bottom
    assert max(rows[top]) < max(rows[bottom])  # it falls from left to right
    labels = {line.split()[0]: number for number, line in enumerate(lines) if re.match(r" +[0-9_]+ │", line)}
    assert labels["1_000"] == top or labels["1_000"] == top - 1
    assert labels["800"] == bottom


def test_days_are_grouped_by_week_even_over_a_new_year():
    days = ["2019-12-30", "2019-12-31", "2020-01-02", "2020-01-03", "2020-01-06"]
    assert [list(week) for week in chart.weeks(days)] == [[0, 1, 2, 3], [4]]


# ── the replay ────────────────────────────────────────────────────────────────────────────────────────


def test_the_replay_decides_every_day_with_what_tripped_before(answers, policy):
    assert len(answers) == 41 * len(demo.ASKED)
    (trip,) = [answer for answer in answers if answer.trips is not None]
    assert (trip.day, trip.trips["switch"]) == ("2020-02-28", "KILL-010")
    assert {answer.by for answer in answers if answer.day >= trip.day} == {"KILL-010"}
    assert "KILL-010" not in {answer.by for answer in answers if answer.day < trip.day}
    books = {book.day: book for book in demo.books()}
    for answer in answers[::7]:
        state = {"KILL-010": {"state": "tripped" if answer.day > trip.day else "armed"}}
        intent = {"symbol": answer.symbol, "side": "buy", "quantity": str(books[answer.day].quantities[answer.symbol])}
        decision = policy.decide(demo.facts(books[answer.day], intent, state))
        assert (str(decision.verdict), decision.decided_by) == (answer.verdict, answer.by)


def test_one_sign_for_each_decision(story, answers):
    section = story.partition("── Every day")[2]
    rows = dict(re.findall(r"^  ([A-Z]+) +([✓≈‖✗█ ]+)$", section, re.M))
    assert tuple(rows) == demo.ASKED
    signs = {"ALLOW": "✓", "MODIFY": "≈", "HOLD": "‖", "DENY": "✗"}
    for symbol in demo.ASKED:
        wanted = ["█" if answer.by == "KILL-010" else signs[answer.verdict] for answer in answers if answer.symbol == symbol]
        assert list(rows[symbol].replace(" ", "")) == wanted
    legend = Counter({sign: int(count) for sign, count in re.findall(r"([✓≈‖✗█]) (\d+) ", section)})
    assert legend == Counter("".join(rows.values()).replace(" ", ""))


def test_what_the_latch_was_worth_is_counted(story, answers, policy):
    """Decided again one by one, with a switch that is armed anew for each."""
    books = {book.day: book for book in demo.books()}
    low = min(books.values(), key=lambda book: book.equity)
    passed = []
    for answer in answers:
        if answer.day > "2020-02-28":
            book = books[answer.day]
            intent = {"symbol": answer.symbol, "side": "buy", "quantity": str(book.quantities[answer.symbol])}
            decision = policy.decide(demo.facts(book, intent))
            assert (answer.unlatched or 0) == decision.quantity
            if decision.permits:
                passed.append((decision.quantity, book.prices[answer.symbol], low.prices[answer.symbol]))
    worth = sum(size * later for size, _, later in passed) / sum(size * price for size, price, _ in passed)
    flat = " ".join(story.split())
    assert f"would have let {len(passed)} of these buys through" in flat
    assert all(later < price for _, price, later in passed)
    assert f"On 23 Mar all {len(passed)} stood lower, at {worth:.0%} of what" in flat
    assert worth < Decimal(1)


# ── on any screen ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("width", [40, 60, 80, 100])
def test_no_line_is_too_long_except_commands_and_places(width):
    long = [line for line in tell(width).splitlines() if len(line) > width]
    assert [line for line in long if not line.lstrip("$ ").startswith(("caplex ", str(demo.DATA.resolve())))] == []


def test_no_line_ends_in_blanks(story):
    assert [line for width in (40, 100) for line in tell(width).splitlines() if line != line.rstrip()] == []


@pytest.mark.parametrize("width", [40, 100])
def test_colour_changes_no_letter(width):
    plain, coloured = tell(width), tell(width, colour=True)
    assert "\x1b" not in plain
    assert coloured != plain
    assert ESCAPE.sub("", coloured) == plain


def test_the_same_bytes_each_time(story):
    assert fresh() == story


def run_demo(*command: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-m", "caplex", "demo", *command], cwd=ROOT, capture_output=True, check=True,
                          env={**os.environ, **environment})


def test_a_terminal_that_knows_ascii_alone_gets_letters():
    shown = run_demo(PYTHONIOENCODING="ascii").stdout.decode("ascii")
    assert "\\u" not in shown
    assert "\\x" not in shown
    assert "   DENY " in shown
    assert re.search(r"\*{5}", shown)


def test_in_a_pipe_there_are_no_escapes_and_the_hash_seed_changes_nothing():
    first, second = (run_demo(PYTHONIOENCODING="utf-8", PYTHONHASHSEED=seed).stdout for seed in ("1", "2"))
    assert first == second
    assert b"\x1b" not in first


def test_the_commands_at_the_end_work_from_here(story, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    commands = re.findall(r"^   caplex (.*)$", fresh().partition("── Now you")[2], re.M)
    assert len(commands) == 3
    for command in commands:
        assert main.run(shlex.split(command)) == 0, capsys.readouterr()
    assert "examples" in commands[0]


def test_a_copy_can_be_changed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main.run(["demo", "--copy", "my desk"]) == 0
    assert "check 'my desk'" in capsys.readouterr().out
    assert main.run(["check", "my desk"]) == 0
    assert (tmp_path / "my desk" / "desk.cap").read_bytes() == (demo.DATA / "desk.cap").read_bytes()
    assert main.run(["demo", "--copy", "my desk"]) == 2
    assert "`my desk` is there already" in capsys.readouterr().err


def test_who_stands_in_a_checkout_sees_its_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    demo.copy(tmp_path / "examples" / "quickstart")
    near = str(Path("examples", "quickstart", "desk.cap"))
    assert near in fresh()
    (tmp_path / near).write_text("policy other {}", encoding="utf-8")
    assert near not in fresh().replace(str(demo.DATA.resolve()), "")


def test_from_another_folder_the_commands_hold_the_whole_path(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for command in re.findall(r"^   caplex (.*)$", fresh().partition("── Now you")[2], re.M):
        assert main.run(shlex.split(command)) == 0, capsys.readouterr()


def test_the_help_shows_how_it_is_called(capsys):
    assert main.run(["demo", "--help"]) == 0
    assert "caplex demo --copy my-desk" in capsys.readouterr().out
