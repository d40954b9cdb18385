"""`caplex fmt`: what it writes, what it prints, how it ends."""
from __future__ import annotations

import io
import json
import os
import stat
import sys
from pathlib import Path

import pytest

import caplex
from caplex.compiler.cli import formatting, main, output

ROOT = Path(__file__).resolve().parents[2]
UGLY = "rule A-1 {deny when x}\n"
NEAT = "rule A-1 { deny when x }\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ugly.cap").write_text(UGLY, encoding="utf-8")
    (tmp_path / "neat.cap").write_text(NEAT, encoding="utf-8")
    return tmp_path


def ran(capsys, *arguments):
    status = main.run(["fmt", *arguments])
    told = capsys.readouterr()
    return status, told.out, told.err


def test_it_writes_what_changes_and_names_it(folder, capsys):
    before = (folder / "neat.cap").stat().st_mtime_ns
    assert ran(capsys, ".") == (0, "formatted ugly.cap\n", "1 file formatted, 1 file formatted already\n")
    assert (folder / "ugly.cap").read_text(encoding="utf-8") == NEAT
    assert (folder / "neat.cap").stat().st_mtime_ns == before
    assert ran(capsys, ".") == (0, "", "2 files formatted already\n")


def test_check_writes_nothing_and_ends_with_one(folder, capsys):
    assert ran(capsys, "--check", "ugly.cap", "neat.cap") == (1, "would format ugly.cap\n", "1 file would be formatted, 1 file formatted already\n")
    assert (folder / "ugly.cap").read_text(encoding="utf-8") == UGLY
    assert ran(capsys, "--check", "neat.cap")[0] == 0


def test_diff_shows_what_would_change(folder, capsys):
    wanted = "--- ugly.cap\n+++ ugly.cap\n@@ -1 +1 @@\n-rule A-1 {deny when x}\n+rule A-1 { deny when x }\n"
    assert ran(capsys, "--diff", "ugly.cap") == (0, wanted, "1 file would be formatted\n")
    assert ran(capsys, "--diff", "--check", "ugly.cap")[:2] == (1, wanted)
    (folder / "ugly.cap").write_text(UGLY.rstrip(), encoding="utf-8")
    assert "-rule A-1 {deny when x}\n\\ No newline at end of file\n+rule" in ran(capsys, "--diff", "ugly.cap")[1]


def test_a_diff_is_coloured_on_a_terminal(folder, capsys, monkeypatch):
    monkeypatch.setattr(output, "has_colour", lambda stream: True)
    told = ran(capsys, "--diff", "ugly.cap")[1]
    assert "\x1b[31m-rule A-1 {deny when x}\x1b[0m\n\x1b[32m+rule A-1 { deny when x }\x1b[0m\n" in told
    assert "\x1b[36m@@ -1 +1 @@\x1b[0m" in told


@pytest.mark.parametrize("text", [UGLY, NEAT, "", "emit \"é→\" always \"ü\""])
def test_standard_input_comes_out_formatted(folder, capfdbinary, monkeypatch, text):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    # A terminal that knows ASCII alone must not change a policy that goes into a file.
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(os.fdopen(os.dup(1), "wb"), encoding="ascii", write_through=True))
    assert main.run(["fmt", "-"]) == 0
    sys.stdout.close()
    assert capfdbinary.readouterr() == (caplex.format_text(text).encode(), b"")


def test_standard_input_is_checked_too(folder, capsys, monkeypatch):
    for text, status, told in ((UGLY, 1, "would format <stdin>\n"), (NEAT, 0, "")):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        assert ran(capsys, "-", "--check")[:2] == (status, told)
    assert ran(capsys, "-", "ugly.cap")[0] == 2


def test_what_does_not_parse_is_told_and_left_and_the_rest_is_done(folder, capsys):
    bad = "rule A-1 {\n deny whn x }\n"
    (folder / "bad.cap").write_text(bad, encoding="utf-8")
    status, out, err = ran(capsys, ".")
    assert (status, out) == (2, "formatted ugly.cap\n")
    assert "error[CAP104]" in err
    assert "bad.cap:2:7" in err
    assert err.endswith("1 file formatted, 1 file formatted already, 1 file not formatted\n")
    assert (folder / "bad.cap").read_text(encoding="utf-8") == bad
    assert ran(capsys, "--check", ".")[0] == 2


def test_files_that_cannot_be_read(folder, capsys):
    (folder / "latin.cap").write_bytes(b'owner "\xe9"')
    for name, code in (("nowhere.cap", "CAP140"), ("latin.cap", "CAP142")):
        status, out, err = ran(capsys, name)
        assert (status, out) == (2, "")
        assert f"error[{code}]" in err


def test_a_file_that_cannot_be_written_is_told_and_whole(folder, capsys, monkeypatch):
    def refuse(*names):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    status, _, err = ran(capsys, "ugly.cap")
    assert status == 74
    assert "`" in err
    assert "No space left" in err
    assert (folder / "ugly.cap").read_text(encoding="utf-8") == UGLY
    assert sorted(path.name for path in folder.iterdir()) == ["neat.cap", "ugly.cap"]


def test_what_gitignore_leaves_out_is_left_alone(folder, capsys):
    (folder / ".gitignore").write_text("made/\n", encoding="utf-8")
    (folder / "made").mkdir()
    (folder / "made" / "x.cap").write_text(UGLY, encoding="utf-8")
    ran(capsys, ".")
    assert (folder / "made" / "x.cap").read_text(encoding="utf-8") == UGLY
    ran(capsys, "made/x.cap")
    assert (folder / "made" / "x.cap").read_text(encoding="utf-8") == NEAT


@pytest.mark.skipif(sys.platform == "win32", reason="links and modes of POSIX")
def test_links_and_modes_stay(folder, capsys):
    (folder / "link.cap").symlink_to("ugly.cap")
    (folder / "ugly.cap").chmod(0o640)
    ran(capsys, "link.cap")
    assert (folder / "link.cap").is_symlink()
    assert stat.S_IMODE((folder / "ugly.cap").stat().st_mode) == 0o640
    assert (folder / "ugly.cap").read_text(encoding="utf-8") == NEAT


def test_marks_and_line_ends_of_other_systems_go(folder, capsys):
    (folder / "neat.cap").write_bytes(b"\xef\xbb\xbf" + NEAT.replace("\n", "\r\n").encode())
    assert ran(capsys, "--check", "neat.cap")[0] == 1
    ran(capsys, "neat.cap")
    assert (folder / "neat.cap").read_bytes() == NEAT.encode()


def test_as_json(folder, capsys):
    (folder / "bad.cap").write_text("rule {", encoding="utf-8")
    status, out, _ = ran(capsys, ".", "--check", "--diff", "--format", "json")
    told = json.loads(out)
    assert status == 2
    assert list(told) == ["schema", "files", "diagnostics"]
    assert told["schema"] == formatting.SCHEMA
    assert [(each["file"], each["status"]) for each in told["files"]] == [("bad.cap", "unusable"), ("neat.cap", "unchanged"), ("ugly.cap", "would-change")]
    assert told["files"][2]["diff"].startswith("--- ugly.cap\n")
    assert told["diagnostics"][0]["source"]["file"] == "bad.cap"
    assert json.loads(ran(capsys, "ugly.cap", "--format", "json")[1])["files"] == [{"file": "ugly.cap", "status": "changed"}]


def test_as_marks_beside_the_lines_on_github(folder, capsys):
    (folder / "ugly.cap").write_text(NEAT + UGLY.replace("A-1", "A-2"), encoding="utf-8")
    out = ran(capsys, "--check", "ugly.cap", "neat.cap", "--format", "github")[1]
    assert out.startswith("::error file=ugly.cap,line=2,col=1,title=fmt::")
    assert out.count("\n") == 1


def test_from_python():
    assert caplex.format_text(UGLY) == NEAT
    assert "format_text" in dir(caplex)


def test_what_we_write_is_formatted(capsys):
    """All of the tree: what is no policy but a collection of programs, or has marks under its columns, has another ending."""
    assert main.run(["fmt", "--check", str(ROOT)]) == 0, capsys.readouterr().out
