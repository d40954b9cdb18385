"""The tutorial, done step by step in an empty folder; the session of the README; and what writes such pages anew."""
from __future__ import annotations

import os
import re

import pytest
from guide_pages import DOCS, ROOT, WRITE, Block, Terminal, blocks, matches, play, steps

PAGE = DOCS / "tutorial.md"


@pytest.fixture
def empty_folder(tmp_path, tmp_path_factory, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CAPLEX_NO_CACHE", raising=False)
    monkeypatch.setenv("CAPLEX_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
    for name in [each for each in os.environ if each.startswith("CAPLEX_SET_")]:
        monkeypatch.delenv(name)
    return tmp_path


def test_it_does_what_it_shows(empty_folder):
    done, differences = play(PAGE, empty_folder, {})
    assert not differences, "\n\n".join(map(str, differences))
    assert done >= 15
    assert (empty_folder / "desk.svg").read_text(encoding="utf-8").startswith(("<svg", "<?xml"))
    assert {path.name for path in empty_folder.iterdir() if path.is_file()} == {"desk.cap", "facts.json", "test_desk.py", "send.py", "desk.svg"}


# What the text around each session relies on, whatever the layout of the day is. Writing the page anew must not lose it.
RELIED_ON = (
    ("check desk.cap", "error[CAP310]", "percent of what?"),
    ("check desk.cap", "error[CAP449]", "unlimited loss"),
    ("check desk.cap", "no problems"),
    ("decide desk.cap", "MODIFY  buy 30 of 300 AAPL"),
    ("--what-if market.AAPL.as_of", "DENY ", "/market/AAPL/as_of is 1h old"),
    ("--what-if account.equity=97000", "DENY ", "LOSS-010", "lost 3_000 USD today; the stop is 2_000 USD"),
    ("--what-if intent.symbol=TSLA", "MODIFY ", "4%", "10 may go ahead"),
    ("--set max_position=5%", "MODIFY  buy 5 of 300 AAPL"),
    ("--set max_position=20%", "error[CAP454]", "may only move down"),
    ("check desk.cap", "no problems"),
    ("decide desk.cap", "DENY ", "SYS-008"),
    ("decide desk.cap", "MODIFY  buy 30 of 300 AAPL"),
    ("--what-if account.equity=94000", "DENY ", "KILL-010", "notify risk-desk"),
    ("--what-if switches.KILL-010.state=tripped --what-if intent.quantity=10", "DENY ", "KILL-010"),
    ("--what-if intent.side=sell", "MODIFY ", "20 may go ahead"),
    ("pytest -q", "passed in"),
    ("python send.py", "send {", "'quantity': '30'", "DENY LOSS-010"),
    ("graph desk.cap", "KILL-010", "LOSS-010", "EXP-010"),
    ("-o desk.svg",),
)


def test_what_is_shown_is_what_is_told():
    shown = [step for block in blocks(PAGE) if block.language == "console" for step in steps(block)]
    told = [step for step in shown if step.command not in ("echo $?", "caplex --version")]
    assert len(told) == len(RELIED_ON)
    for step, (command, *parts) in zip(told, RELIED_ON, strict=True):
        assert command in step.command
        assert [part for part in parts if part not in step.wanted] == [], step


def test_its_tests_run_and_can_fail(empty_folder):
    """The page says which test a change of the policy breaks."""
    for block in blocks(PAGE):
        if block.name is not None:
            (empty_folder / block.name).write_text(block.text, encoding="utf-8")
    terminal = Terminal()
    assert re.search(r"^\d+ passed in", terminal.run("pytest -q"), re.M)
    policy = empty_folder / "desk.cap"
    before = policy.read_text(encoding="utf-8")
    policy.write_text(before.replace("= 4%", "= 5%"), encoding="utf-8")
    assert before != policy.read_text(encoding="utf-8")
    shown = terminal.run("pytest -q")
    assert terminal.status == 1
    assert re.findall(r"^FAILED test_desk.py::(\w+)", shown, re.M) == ["test_tesla_is_tighter"]


def test_it_installs_as_the_readme_does():
    (readme,) = re.findall(r"^(python3 -m venv \S+ && \S+pip install -q \.)(?= .*caplex demo$)", (ROOT / "README.md").read_text(encoding="utf-8"), re.M)
    (first,) = (block for block in blocks(PAGE) if block.language == "sh")
    assert first.text.startswith(readme)


def test_five_lines_are_five():
    first = next(block for block in blocks(PAGE) if block.name == "desk.cap")
    assert len(first.text.splitlines()) == 5


def test_the_readme_shows_what_a_denial_looks_like(monkeypatch):
    monkeypatch.chdir(ROOT)
    done, differences = play(ROOT / "README.md", ROOT, {}, sessions_only=True)
    assert not differences, "\n\n".join(map(str, differences))
    assert done == 1
    (session,) = (block for block in blocks(ROOT / "README.md") if block.language == "console")
    assert all(part in session.text for part in ("DENY ", "LOSS-010", "account.day_loss below 2% of account.day_start_equity", "to be allowed"))


def test_the_commands_of_the_readme_work(monkeypatch):
    monkeypatch.chdir(ROOT)
    lines = [line for block in blocks(ROOT / "README.md") if not block.language for line in block.text.splitlines() if line.startswith("caplex ")]
    assert len(lines) >= 5
    terminal = Terminal()
    for line in lines:
        shown = terminal.run(line)
        assert terminal.status == 0, f"{line}\n{shown}"


# ── writing pages anew ────────────────────────────────────────────────────────────────────────────────


def test_a_page_is_written_anew_and_the_rest_of_it_stays(empty_folder, monkeypatch):
    page = empty_folder / "page.md"
    page.write_text("# A page\n\nBefore.\n\n```console\n$ caplex --version\ncaplex 99\n$ echo $?\n0\n```\n\nAfter.\n", encoding="utf-8")
    monkeypatch.delenv(WRITE, raising=False)
    _, (difference,) = play(page, empty_folder, {})
    assert difference.step.wanted == "caplex 99"
    assert "caplex 99" in page.read_text(encoding="utf-8")
    monkeypatch.setenv(WRITE, "1")
    assert play(page, empty_folder, {}) == (2, [])
    written = page.read_text(encoding="utf-8")
    assert written == f"# A page\n\nBefore.\n\n```console\n$ caplex --version\n{Terminal().run('caplex --version')}\n$ echo $?\n0\n```\n\nAfter.\n"
    monkeypatch.delenv(WRITE)
    assert play(page, empty_folder, {}) == (2, [])


def test_wildcards_survive_where_they_still_fit(empty_folder, monkeypatch):
    page = empty_folder / "page.md"
    page.write_text('# A page\n\n```console\n$ python -c "print(\'one 1\'); print(\'2 passed in 0.03s\'); print(3)"\none …\n```\n', encoding="utf-8")
    monkeypatch.setenv(WRITE, "1")
    play(page, empty_folder, {})
    assert blocks(page)[0].text.splitlines()[1:] == ["one …", "2 passed in …s", "3"]


@pytest.mark.parametrize("text", ["```cap\npolicy x {}\n```\n", "```sh\nls\n```\n"])
def test_a_block_that_nothing_runs_is_no_part_of_a_page(empty_folder, text):
    page = empty_folder / "page.md"
    page.write_text("# A page\n\n" + text, encoding="utf-8")
    with pytest.raises(AssertionError, match="a block that nothing runs"):
        play(page, empty_folder, {})


def test_a_program_that_pages_may_not_run_is_refused():
    with pytest.raises(AssertionError, match="nothing else"):
        Terminal().run("rm desk.cap")


def test_the_status_of_a_program_is_told(empty_folder):
    terminal = Terminal()
    assert matches("…3", terminal.run('python -c "import sys; print(1+2); sys.exit(4)"'))
    assert terminal.run("echo $?") == "4"
    assert Block("python", ("name=x.py",), "", 1).name == "x.py"
