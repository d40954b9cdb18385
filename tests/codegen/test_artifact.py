"""The cache of compiled policies: found again by content, never trusted when damaged or foreign, never needed."""
from __future__ import annotations

import os
from pathlib import Path

import pytest

from caplex.compiler import loading
from caplex.compiler.codegen import artifact

POLICY = """policy small { version "1" language 1 currency USD stages EXP closing skips EXP unlimited loss lot 1 }
use "limits.cap" as desk
limit EXP-020 { after.portfolio.gross at most 2x of account.equity else deny }
"""
MODULE = "limit EXP-010 { abs(after.position.notional) at most 1_000 USD else reduce }\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CAPLEX_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("CAPLEX_NO_CACHE", raising=False)
    (tmp_path / "desk.cap").write_text(POLICY, encoding="utf-8")
    (tmp_path / "limits.cap").write_text(MODULE, encoding="utf-8")
    return tmp_path


def kept(home: Path) -> list[Path]:
    return sorted((home / "cache" / "policies").glob("*.bin"))


def compiles(home: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Does loading compile anew?"""
    seen: list[int] = []
    genuine = loading._compile
    monkeypatch.setattr(loading, "_compile", lambda *given: seen.append(1) or genuine(*given))
    loading.load(home / "desk.cap")
    monkeypatch.setattr(loading, "_compile", genuine)
    return bool(seen)


def test_the_second_load_compiles_nothing_and_is_the_same_policy(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = loading.load(home / "desk.cap")
    assert len(kept(home)) == 1
    assert not compiles(home, monkeypatch)
    again = loading.load(home / "desk.cap")
    assert (again.hash, again.python, again.graph_text) == (first.hash, first.python, first.graph_text)


def test_a_changed_module_compiles_anew(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = loading.load(home / "desk.cap")
    (home / "limits.cap").write_text(MODULE.replace("1_000", "2_000"), encoding="utf-8")
    assert compiles(home, monkeypatch)
    assert loading.load(home / "desk.cap").hash != before.hash


@pytest.mark.parametrize("damage", [b"", b"not a pickle", b"\x80\x05K\x01."], ids=["empty", "text", "a number"])
def test_a_damaged_artifact_is_passed_over(home: Path, monkeypatch: pytest.MonkeyPatch, damage: bytes) -> None:
    loading.load(home / "desk.cap")
    kept(home)[0].write_bytes(damage)
    assert compiles(home, monkeypatch)
    assert not compiles(home, monkeypatch)


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="permissions of POSIX")
def test_a_folder_that_others_can_write_is_not_trusted(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loading.load(home / "desk.cap")
    (home / "cache" / "policies").chmod(0o777)
    assert artifact.folder() is None
    assert compiles(home, monkeypatch)


def test_without_a_cache_nothing_is_written(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAPLEX_NO_CACHE", "1")
    loading.load(home / "desk.cap")
    assert not (home / "cache").exists()


def test_settings_and_mode_have_artifacts_of_their_own(home: Path) -> None:
    loading.load(home / "desk.cap")
    loading.load(home / "desk.cap", mode="monitor")
    assert len(kept(home)) == 2
