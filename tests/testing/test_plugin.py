"""The pytest plugin: rows are items, failures read as ours, and who has no `.cap` files sees nothing of it."""
from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = "caplex.compiler.testing.plugin"
POLICY = """policy desk {
  version "1" language 1 mode enforce currency USD stages SYS, EXP closing faces every rule overrides tightest wins
  unlimited loss unlimited exposure lot 1
}
limit EXP-010 { intent.quantity at most 10 units else reduce }
test "sizes" {
  given market["KO"].price = 50 USD
  each size, verdict in [10, allow],
                        [12, allow]
  intent buy size "KO"
  expect verdict
}
"""
MORE = 'test "more" { given market["KO"].price = 50 USD intent buy 1 "KO" expect allow }\n'


def pytest_in(folder: Path, *arguments: str) -> tuple[int, str]:
    # The entry point may be installed, or not: here the plugin is named, and loaded once. That of pytest-lsp fails on every item that is no function.
    done = subprocess.run([sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:caplex", "-p", "no:pytest-lsp", "-p", PLUGIN, *arguments],
                          cwd=folder, capture_output=True, text=True, encoding="utf-8", check=False)
    return done.returncode, done.stdout


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    return tmp_path


def test_rows_are_items_and_failures_are_told_as_ours(project):
    (project / "desk.cap").write_text(POLICY, encoding="utf-8")
    (project / "desk_test.cap").write_text(MORE, encoding="utf-8")
    (project / "test_python.py").write_text("def test_it(): pass\n", encoding="utf-8")
    status, out = pytest_in(project, "-rf")
    assert status == 1
    assert "1 failed, 3 passed" in out
    assert "11 | expect verdict" in out
    assert "got       modify to 10 by EXP-010" in out
    assert "│ MODIFY  buy 12 KO" in out
    assert "FAILED desk.cap::sizes [size 12, verdict allow] - " in out
    assert "Traceback" not in out


def test_properties_are_items_too(project):
    (project / "desk.cap").write_text(POLICY + 'property "small" { permitted.opening <= 10 }\nproperty "smaller" { permitted.opening <= 9 }\n', encoding="utf-8")
    status, out = pytest_in(project, "-rf", "-k", "property")
    assert status == 1
    assert "1 failed, 1 passed, 2 deselected" in out
    assert "FAILED desk.cap::property smaller - " in out
    assert "claimed   permitted.opening <= 9" in out
    assert 'test "counterexample to: smaller" {' in out
    assert "Traceback" not in out


def test_a_property_that_says_nothing_warns(project):
    (project / "desk.cap").write_text(POLICY.replace("[12, allow]", "[12, modify]")
                                      + 'property "idle" { if permitted.opening > 10 then account.equity > 0 USD }\n', encoding="utf-8")
    status, out = pytest_in(project)
    assert (status, "3 passed, 1 warning" in out) == (0, True)
    assert "property idle says nothing about this policy" in out


def test_an_item_can_be_named_and_knows_its_line(project):
    (project / "desk.cap").write_text(POLICY, encoding="utf-8")
    status, out = pytest_in(project, "-v", "desk.cap::sizes [size 10, verdict allow]", f"--junitxml={project / 'out.xml'}")
    assert (status, "1 passed" in out) == (0, True)
    assert 'name="sizes [size 10, verdict allow]"' in (project / "out.xml").read_text(encoding="utf-8")
    assert pytest_in(project, "-k", "10 and not 12")[0] == 0


def test_a_policy_that_does_not_compile_is_an_error_of_collection(project):
    (project / "desk.cap").write_text(POLICY.replace("expect verdict", "expect deny by EXP-011"), encoding="utf-8")
    status, out = pytest_in(project)
    assert status == 2
    assert "did you mean `EXP-010`?" in out


def test_it_can_be_switched_off(project):
    (project / "desk.cap").write_text(POLICY, encoding="utf-8")
    (project / "pytest.ini").write_text("[pytest]\ncaplex_tests = false\n", encoding="utf-8")
    assert pytest_in(project)[0] == 5


def test_files_without_tests_are_left_alone_and_nothing_is_imported_for_them(project):
    (project / "notes.cap").write_text("this is no policy at all\n", encoding="utf-8")
    (project / "test_python.py").write_text(
        "import sys\ndef test_it(): assert not {'lark', 'caplex.compiler.testing.collect', 'caplex.compiler.syntax'} & set(sys.modules)\n", encoding="utf-8")
    status, out = pytest_in(project)
    assert (status, "1 passed" in out) == (0, True), out


def test_pytest_finds_it_by_itself():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["pytest11"] == {"caplex": PLUGIN}
