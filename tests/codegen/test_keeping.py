"""What is kept is believed only where nobody else can have written it, is never half there, and may go at any moment."""
from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import caplex
from caplex.compiler import keeping, loading
from caplex.compiler.codegen import artifact, plans
from caplex.compiler.syntax import tables

ROOT = Path(loading.__file__).resolve().parents[1]
DESK = ROOT / "examples" / "quickstart" / "desk.cap"
posix = pytest.mark.skipif(not hasattr(os, "getuid"), reason="permissions of POSIX")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CAPLEX_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("CAPLEX_NO_CACHE", raising=False)
    monkeypatch.chdir(DESK.parent)
    return tmp_path


def entries(home: Path) -> list[Path]:
    return sorted((home / "cache" / "policies").iterdir())


def is_kept(policy: caplex.Policy) -> bool:
    return isinstance(policy.plan, plans.KeptPlan)


def facts() -> list[dict[str, object]]:
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted((DESK.parent / "facts").glob("*.json"))]


def told(policy: caplex.Policy) -> list[str]:
    """All that a reader may see of a policy."""
    decisions = [policy.decide(document) for document in facts()]
    return [policy.hash, policy.settings_hash, policy.python, policy.graph_text, *policy.names,
            *(json.dumps(each.to_dict(), default=str) for each in decisions), *(str(each.explain()) for each in decisions),
            *(json.dumps(each.explain().to_dict(), default=str) for each in decisions)]


# ── whole, or not there ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("damage", [lambda content: content[:-1], lambda content: content[: len(content) // 2], lambda content: content + b"x",
                                    lambda content: content[:200] + bytes([content[200] ^ 1]) + content[201:], lambda _: b"", lambda _: b"caplex\x00"],
                         ids=["last byte gone", "half", "longer", "a bit turned", "empty", "mark alone"])
def test_what_is_damaged_is_not_read_and_is_written_anew(home: Path, damage: Callable[[bytes], bytes]) -> None:
    caplex.load("desk.cap")
    (file,) = entries(home)
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    assert not is_kept(caplex.load("desk.cap"))
    assert is_kept(caplex.load("desk.cap"))
    assert len(entries(home)) == 1


def test_whoever_writes_last_wins_and_readers_see_one_of_them_whole(tmp_path: Path) -> None:
    file, seen = tmp_path / "entry.bin", set()
    contents = [bytes([letter]) * 200_000 for letter in b"abcd"]
    keeping.write(file, contents[0])
    writers = [threading.Thread(target=lambda content=content: [keeping.write(file, content) for _ in range(15)]) for content in contents]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        seen.add(keeping.read(file))
    assert seen <= set(contents)
    assert os.listdir(tmp_path) == ["entry.bin"]


def test_processes_that_fill_one_cache_at_the_same_time_agree(home: Path) -> None:
    program = "import caplex, json; print(json.dumps([caplex.load('desk.cap').hash for _ in range(3)]))"
    running = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=DESK.parent, env={**os.environ}) for _ in range(3)]
    said = {each.communicate(timeout=120)[0] for each in running}
    assert [each.returncode for each in running] == [0, 0, 0]
    assert len(said) == 1
    assert len(entries(home)) == 1
    assert is_kept(caplex.load("desk.cap"))


def test_a_folder_that_goes_while_a_policy_is_used_takes_nothing_with_it(home: Path) -> None:
    fresh = caplex.load("desk.cap")
    kept = caplex.load("desk.cap")
    shutil.rmtree(home / "cache")
    assert is_kept(kept)
    assert told(kept) == told(fresh)


def test_a_folder_that_goes_before_the_writing_costs_only_the_entry(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = keeping.write
    monkeypatch.setattr(keeping, "write", lambda path, content: shutil.rmtree(home / "cache") or genuine(path, content))
    assert caplex.load("desk.cap").names
    assert not (home / "cache").exists()


# ── nobody else's ─────────────────────────────────────────────────────────────────────────────────────


@posix
def test_a_link_is_not_followed(home: Path) -> None:
    caplex.load("desk.cap")
    (file,) = entries(home)
    real = file.rename(home / "elsewhere.bin")
    file.symlink_to(real)
    assert keeping.read(real) is not None
    assert keeping.read(file) is None
    assert not is_kept(caplex.load("desk.cap"))
    assert not file.is_symlink()


@posix
def test_a_folder_that_is_a_link_is_not_used(home: Path) -> None:
    (home / "real").mkdir(mode=0o700)
    (home / "cache").mkdir(mode=0o700)
    (home / "cache" / "policies").symlink_to(home / "real")
    assert artifact.folder() is None
    caplex.load("desk.cap")
    assert list((home / "real").iterdir()) == []


@posix
def test_what_belongs_to_somebody_else_is_not_believed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    caplex.load("desk.cap")
    (file,) = entries(home)
    assert keeping.read(file) is not None
    mine = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: mine + 1)
    assert keeping.read(file) is None
    assert artifact.folder() is None


@posix
@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_what_others_can_write_is_not_believed(home: Path, mode: int) -> None:
    caplex.load("desk.cap")
    (file,) = entries(home)
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(mode)
    assert keeping.read(file) is None


@posix
def test_the_tables_of_the_grammar_are_kept_the_same_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("CAPLEX_NO_CACHE", raising=False)
    path = tables.cache_file()
    assert path is not None
    path.parent.chmod(0o777)
    assert tables.cache_file() is None


# ── of another version ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("part", ["FORMAT", "__version__", "engine_stamp", "python"])
def test_another_version_has_entries_of_its_own(home: Path, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    caplex.load("desk.cap")
    if part == "python":
        monkeypatch.setattr(sys, "version", "3.99")
    else:
        monkeypatch.setattr(artifact, part, (lambda: "other") if part == "engine_stamp" else "other")
    assert not is_kept(caplex.load("desk.cap"))
    assert len(entries(home)) == 2


# ── the same policy, unpacked when wanted ─────────────────────────────────────────────────────────────


@pytest.mark.parametrize("example", ["quickstart/desk.cap", "entry_gate/policy.cap"])
def test_all_that_can_be_read_of_it_is_the_same(home: Path, monkeypatch: pytest.MonkeyPatch, example: str) -> None:
    monkeypatch.chdir(ROOT / "examples")
    fresh, kept = caplex.load(example), caplex.load(example)
    assert is_kept(kept)
    assert told(kept) == told(fresh)
    for field in type(fresh.plan).__dataclass_fields__:
        if field in ("header", "schema", "slots", "sources", "by_symbol", "keep_ns", "given", "fused_slots", "fused_known", "fused_defaults", "columns"):
            assert getattr(kept.plan, field) == getattr(fresh.plan, field), field


def test_loading_unpacks_no_rule_and_no_text(home: Path) -> None:
    caplex.load("desk.cap")
    plan = caplex.load("desk.cap").plan
    assert isinstance(plan, plans.KeptPlan)
    unset = [name for name in ("rules", "sources", "python", "graph_text", "fused", "folds") if not _is_set(plan, name)]
    assert unset == ["rules", "sources", "python", "graph_text", "fused", "folds"]
    assert plan.rules is plan.rules
    assert not _is_set(plan, "python")


def _is_set(plan: plans.KeptPlan, name: str) -> bool:
    try:
        object.__getattribute__(plan, name)
    except AttributeError:
        return False
    return True


def test_threads_that_ask_at_once_get_one_thing(home: Path) -> None:
    caplex.load("desk.cap")
    for _ in range(5):
        plan, found = caplex.load("desk.cap").plan, []
        threads = [threading.Thread(target=lambda plan=plan, found=found: found.append(plan.rules)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({id(rules) for rules in found}) == 1


def test_a_traceback_shows_the_line_of_a_kept_form(home: Path) -> None:
    import linecache

    fresh = caplex.load("desk.cap")
    plan = caplex.load("desk.cap").plan
    code = next(rule.broken for rule in plan.rules if rule.broken is not None).__code__
    shown = linecache.getline(code.co_filename, code.co_firstlineno)
    assert shown.startswith(f"def {code.co_name}(")
    assert shown in fresh.python


def test_a_kept_plan_is_copied_like_any_and_not_pickled(home: Path) -> None:
    from dataclasses import replace

    caplex.load("desk.cap")
    plan = caplex.load("desk.cap").plan
    other = replace(plan, fused=None)
    assert other.fused is None
    assert plan.fused is not None
    assert other.rules is plan.rules
    assert other.names() == plan.names()
    with pytest.raises(TypeError, match="load its policy again"):
        pickle.dumps(plan)
