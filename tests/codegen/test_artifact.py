"""The cache of compiled policies: found again by content, never trusted when damaged or foreign, never needed."""
from __future__ import annotations

import json
import os
import pickle
import threading
from pathlib import Path

import pytest

from caplex.compiler import driver, keeping, loading
from caplex.compiler.cli import main
from caplex.compiler.codegen import artifact
from caplex.runtime import values

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


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="permissions of POSIX")
def test_a_file_that_others_can_write_is_not_trusted(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loading.load(home / "desk.cap")
    kept(home)[0].chmod(0o666)
    assert compiles(home, monkeypatch)


def test_a_damaged_plan_is_passed_over(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loading.load(home / "desk.cap")
    content = keeping.read(kept(home)[0])
    assert content is not None
    whole = artifact.Artifact.decode(content)
    for plan in (b"", b"nonsense", whole.plan[:-40], pickle.dumps(7)):
        keeping.write(kept(home)[0], artifact.Artifact(whole.files, whole.diagnostics, plan).encode())
        assert compiles(home, monkeypatch)
    assert not compiles(home, monkeypatch)


def test_without_a_cache_nothing_is_written(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAPLEX_NO_CACHE", "1")
    loading.load(home / "desk.cap")
    assert not (home / "cache").exists()


def test_settings_and_mode_have_artifacts_of_their_own(home: Path) -> None:
    loading.load(home / "desk.cap")
    loading.load(home / "desk.cap", mode="monitor")
    assert len(kept(home)) == 2


# ── what is kept is the same policy ───────────────────────────────────────────────────────────────────

ROOT = Path(loading.__file__).resolve().parents[1]
EXAMPLES = ["examples/quickstart/desk.cap", "examples/policygate/policy.cap", "examples/entry_gate/policy.cap"]


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_plan_from_the_cache_is_the_plan(home: Path, monkeypatch: pytest.MonkeyPatch, example: str) -> None:
    monkeypatch.chdir(ROOT)
    first = loading.load(example)
    again = loading.load(example)
    assert again.plan is not first.plan
    assert (again.hash, again.settings_hash, again.python, again.graph_text, again.plan.header, again.plan.schema.sections, again.plan.slots) == (
        first.hash, first.settings_hash, first.python, first.graph_text, first.plan.header, first.plan.schema.sections, first.plan.slots)
    assert [rule.id for rule in again.plan.rules] == [rule.id for rule in first.plan.rules]
    for old, new in zip(first.plan.rules, again.plan.rules, strict=True):
        for part in ("broken", "when", "observed", "bound", "reserve"):
            one, other = getattr(old, part), getattr(new, part)
            assert (one is None) is (other is None)
            assert one is None or (one.__code__ == other.__code__ and one is not other)


def test_a_decision_from_the_cache_is_the_decision(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    documents = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(Path("examples/quickstart/facts").glob("*.json"))]
    first, again = loading.load(EXAMPLES[0]), loading.load(EXAMPLES[0])
    for document in documents:
        assert json.dumps(again.decide(document).to_dict()) == json.dumps(first.decide(document).to_dict())


def test_what_there_is_one_of_stays_one(home: Path) -> None:
    """`unlimited` from the cache is the `unlimited` that the code asks for, and so is what traps."""
    (home / "open.cap").write_text(
        POLICY.partition("use")[0] + "setting most : money = unlimited within 0..unlimited lower is safer\n"
        "limit EXP-030 { intent.notional at most most else deny }\n", encoding="utf-8")
    facts = {"now": "2026-01-05T15:00:00Z", "intent": {"action": "open", "symbol": "A", "side": "buy", "quantity": "5"}, "account": {"equity": "1"},
             "market": {"A": {"price": "1", "as_of": "2026-01-05T15:00:00Z"}}, "positions": {}, "orders": []}
    first, again = loading.load(home / "open.cap"), loading.load(home / "open.cap")
    assert again.settings["most"] is values.UNLIMITED
    told = [json.dumps([policy.decide(facts).to_dict(), policy.decide(facts).explain().to_dict()], default=str) for policy in (first, again)]
    assert told[0] == told[1]
    assert '"ALLOW"' in told[0]


# ── findings ──────────────────────────────────────────────────────────────────────────────────────────


def checks(home: Path, monkeypatch: pytest.MonkeyPatch, name: str | None = None) -> bool:
    """Does checking parse anew?"""
    seen: list[int] = []
    genuine = driver.check_path
    monkeypatch.setattr(driver, "check_path", lambda *given, **named: seen.append(1) or genuine(*given, **named))
    loading.check(name or home / "desk.cap")
    monkeypatch.setattr(driver, "check_path", genuine)
    return bool(seen)


def test_checked_is_compiled_and_compiled_is_checked(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert checks(home, monkeypatch)
    assert not checks(home, monkeypatch)
    assert not compiles(home, monkeypatch)
    kept(home)[0].unlink()
    assert compiles(home, monkeypatch)
    assert not checks(home, monkeypatch)


@pytest.mark.parametrize("form", ["text", "json", "github"])
def test_findings_from_the_cache_are_the_same_to_the_byte(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], form: str) -> None:
    """Warnings of two files."""
    idle = "setting idle : ratio = 5% within 0%..10% lower is safer\n"
    (home / "desk.cap").write_text(POLICY + idle + "limit EXP-041 { (intent.limit_price else 0 USD) at most 5 USD else deny }\n", encoding="utf-8")
    (home / "limits.cap").write_text(MODULE + idle, encoding="utf-8")
    monkeypatch.chdir(home)
    fresh = loading.check("desk.cap")
    assert sorted(found.code.id for found in fresh) == ["CAP706", "CAP707", "CAP707"]
    shown = []
    for cached in (False, True):
        if not cached:
            for path in kept(home):
                path.unlink()
        status = main.run(["check", "desk.cap", "--format", form])
        shown.append((status, *capsys.readouterr()))
    assert not checks(home, monkeypatch, "desk.cap")
    assert shown[0] == shown[1]
    assert all(found.code.id in shown[0][1] for found in fresh)


def test_a_policy_with_errors_is_checked_anew(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "desk.cap").write_text(POLICY + "rule EXP-030 { deny when portfolio.gros > 5 USD }\n", encoding="utf-8")
    assert checks(home, monkeypatch)
    assert checks(home, monkeypatch)
    assert kept(home) == []


@pytest.mark.parametrize("name", ["desk.cap", "limits.cap"])
def test_a_changed_file_is_checked_anew(home: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    checks(home, monkeypatch)
    file = home / name
    file.write_text(file.read_text(encoding="utf-8") + "# more\n", encoding="utf-8")
    assert checks(home, monkeypatch)
    (home / "limits.cap").unlink()
    assert [found.is_error for found in loading.check(home / "desk.cap")].count(True) == 1


def test_a_byte_order_mark_does_not_keep_it_out(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("desk.cap", "limits.cap"):
        (home / name).write_bytes(b"\xef\xbb\xbf" + (home / name).read_bytes())
    assert checks(home, monkeypatch)
    assert not checks(home, monkeypatch)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_what_can_be_read_once_is_read_once(home: Path) -> None:
    os.mkfifo(home / "pipe.cap")
    text = (ROOT / EXAMPLES[0]).read_text(encoding="utf-8")
    writer = threading.Thread(target=lambda: (home / "pipe.cap").write_text(text, encoding="utf-8"), daemon=True)
    writer.start()
    assert loading.check(home / "pipe.cap") == []
    writer.join(10)
    assert not writer.is_alive()
    assert kept(home) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_pipe_is_not_even_opened_to_be_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever opens it takes its writer: what was written would be gone before it is read."""
    os.mkfifo(tmp_path / "pipe.cap")
    opened: list[str] = []
    monkeypatch.setattr(artifact, "_quickly", lambda path, flags: opened.append(path) or os.open(os.devnull, flags))
    with pytest.raises(OSError, match="not a file to remember"):
        artifact.digest_of(tmp_path / "pipe.cap")
    assert opened == []
