"""The playground in a real Chromium, all other hosts refused: `CAPLEX_BROWSER=1 pytest tests/playground`, after `npm ci` in `playground/`."""
from __future__ import annotations

import functools
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from caplex.compiler.cli.main import run

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
MODULES = ROOT / "playground" / "node_modules"

pytestmark = [
    pytest.mark.gate, pytest.mark.xdist_group("playground"),
    pytest.mark.skipif(not os.environ.get("CAPLEX_BROWSER"), reason="takes a minute: set CAPLEX_BROWSER=1"),
    pytest.mark.skipif(CHROMIUM is None or shutil.which("node") is None or not (MODULES / "playwright-core").is_dir() or not (MODULES / "pyodide").is_dir(),
                       reason="needs node, Chromium, and `npm ci` in playground/"),
]


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format, *args):
        pass


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    out = tmp_path_factory.mktemp("playground") / "dist"
    done = subprocess.run([sys.executable, "-m", "playground.build", "--out", str(out)], cwd=ROOT, capture_output=True, text=True, timeout=300)
    if "pip download failed" in done.stderr:
        pytest.skip("the wheels of lark and tzdata cannot be fetched here")
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def seen(dist, tmp_path_factory):
    """What drive.mjs saw."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(dist))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        pictures = os.environ.get("CAPLEX_PICTURES") or str(tmp_path_factory.mktemp("pictures"))
        command = ["node", str(HERE / "drive.mjs"), str(MODULES.parent), str(CHROMIUM), f"http://127.0.0.1:{server.server_port}/", pictures]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, encoding="utf-8")
        server.shutdown()
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_nothing_is_asked_of_another_host_and_the_console_stays_silent(seen):
    assert seen["elsewhere"] == []
    assert seen["complaints"] == []


def test_the_dist_names_no_other_host(dist):
    page = (dist / "index.html").read_text(encoding="utf-8")
    assert "default-src 'self'" in page
    assert "https://" not in page
    assert not list(dist.rglob("*.map"))


def test_the_first_decision_is_told_without_a_key_pressed(seen):
    first = seen["first"]
    assert (first["badge"], first["quantity"], first["found"], first["old"]) == ("DENY", "buy 0 of 50 KO", "compiles, 1 finding", False)
    assert first["by"].startswith("LOSS-010 Daily loss stop: ")
    assert "Nothing leaves this machine" in seen["about"]


def test_every_decision_is_the_one_of_the_command_line(seen, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CAPLEX_CACHE_DIR", str(tmp_path))
    assert len(seen["decisions"]) >= 13
    assert {each["verdict"] for each in seen["decisions"].values()} == {"ALLOW", "MODIFY", "HOLD", "DENY"}
    for name, theirs in seen["decisions"].items():
        folder, _, facts = name.partition("/")
        place = ROOT / "examples" / folder
        file = "desk.cap" if (place / "desk.cap").is_file() else "policy.cap"
        monkeypatch.chdir(place)
        assert run(["decide", file, "--facts", f"facts/{facts}.json", "--format", "json"]) in {0, 1}
        assert theirs == json.loads(capsys.readouterr().out), name


def test_a_mistake_is_underlined_and_listed_while_offline(seen):
    mistake = seen["mistake"]
    (problem,) = mistake["problems"]
    assert (problem["code"], problem["place"]) == ("CAP203", "40:26")
    assert "did you mean portfolio.gross?" in problem["text"]
    assert (mistake["underlined"], mistake["gutter"], mistake["found"]) == ("portfolio.gros", 1, "1 error")
    assert mistake["old"] is True
    assert "does not compile" in mistake["stale"]
    assert "A misspelt field would read as missing" in seen["page"]
    assert seen["mended"] == seen["first"]


def test_tools_answer_offline(seen):
    assert seen["formatted"] == '  version    "1.0.0"'
    assert seen["what"].startswith("DENY → ALLOW with account.equity = 1003746.57")
    assert seen["picture"]["chosen"] == "tab-picture"
    assert seen["picture"]["title"].startswith("DENY buy 50 KO by LOSS-010")
    assert "double quotes" in seen["facts"]["said"]
    assert seen["facts"]["old"] is True
    assert seen["same"] is True


def test_a_worker_that_dies_is_told_and_replaced(seen):
    assert "out of memory" in seen["trouble"]
    assert "your text is safe" in seen["trouble"]
    assert seen["revived"] == {"same": True, "trouble": False}


def test_a_link_opens_the_same_and_a_damaged_one_is_told(seen):
    assert seen["shared"] is True
    assert "The link is damaged" in seen["damaged"]


def test_it_fits_a_small_screen_and_everything_has_a_name(seen):
    assert seen["wide"] <= 0
    assert seen["unnamed"] == []
