"""`caplex compile -o FILE.capc`: one file that decides as the policy does, wherever it lies, or says what is wrong with it."""
from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import caplex
from caplex.compiler.cli import main
from caplex.runtime.canonical import sha256

ROOT = Path(__file__).resolve().parents[2]
QUICKSTART = ROOT / "examples" / "quickstart"
DESK = ROOT / "examples" / "desk"
FACTS = sorted((QUICKSTART / "facts").glob("*.json"))
Says = Callable[..., tuple[int, str, str]]


@pytest.fixture
def says(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Says:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CAPLEX_CACHE_DIR", str(tmp_path / "cache"))

    def run(*arguments: object) -> tuple[int, str, str]:
        status = main.run([str(each) for each in arguments])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def sealed(says: Says, policy: Path = QUICKSTART / "desk.cap", name: str = "desk.capc", *options: object) -> Path:
    status, out, err = says("compile", policy, "-o", name, *options)
    assert (status, err) == (0, "")
    assert out.endswith(caplex.load(policy).hash + "\n")
    return Path(name)


def changed(path: Path, change: Callable[[dict[str, Any]], object], *, again: bool) -> Path:
    """A copy that says something else; with a seal that fits it, as one who wants to deceive would make it, or with the old one."""
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    if again:
        document["seal"] = sha256({key: value for key, value in document.items() if key not in ("schema", "seal")})
    target = Path("changed.capc")
    target.write_text(json.dumps(document), encoding="utf-8")
    return target


def test_it_decides_as_the_policy_does(says: Says) -> None:
    file = sealed(says)
    for facts in FACTS:
        told = []
        for policy in (QUICKSTART / "desk.cap", file, file):  # the second time from the cache
            status, out, err = says("decide", policy, "--facts", facts, "--format", "json")
            told.append((status, {**json.loads(out), "reasons": None}, err))
        assert told[0] == told[1] == told[2]
    assert caplex.load(file).hash == caplex.load(QUICKSTART / "desk.cap").hash


def test_modules_and_packs_are_in_it_and_names_begin_at_its_folder(says: Says) -> None:
    file = sealed(says, DESK / "desk.cap")
    document = json.loads(file.read_text(encoding="utf-8"))
    names = list(document["sources"])
    assert document["entry"] == "desk.cap"
    assert names == sorted(names)
    assert any(name.startswith("stdlib/") for name in names)
    assert not any(name.startswith("/") for name in names)
    assert caplex.seal(caplex.load(file)) == file.read_text(encoding="utf-8")


def test_the_same_bytes_from_any_folder(says: Says, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "a folder"
    shutil.copytree(DESK, folder)
    from_outside = sealed(says, folder / "desk.cap").read_bytes()
    monkeypatch.chdir(folder)
    assert sealed(says, Path("desk.cap"), "inside.capc").read_bytes() == from_outside


def test_what_lies_on_the_disk_no_longer_matters(says: Says, tmp_path: Path) -> None:
    (tmp_path / "limits.cap").write_text('export rule EXP-020 { deny when intent.quantity > 10 because "too many" }\n'.replace("export ", ""))
    policy = tmp_path / "own.cap"
    policy.write_text('''policy own {
  version "1"  language 1  mode enforce  currency USD  timezone "UTC"  stages EXP  closing faces every rule
  unlimited loss  unlimited exposure  overrides tightest wins  lot 1
}
use "limits.cap" as limits
rule EXP-010 { deny when intent.quantity > 100 because "far too many" }
''')
    file = sealed(says, policy)
    policy.unlink()
    (tmp_path / "limits.cap").write_text("rule EXP-020 { deny when intent.quantity > 1_000_000 }\n")
    intent = {"now": "2026-01-05T15:00:00Z", "intent": {"id": "i-1", "action": "open", "symbol": "A", "side": "buy", "quantity": "50"}, "positions": {}, "orders": []}
    decision = caplex.load(file).decide(intent)
    assert (str(decision.verdict), [reason.rule for reason in decision.reasons]) == ("DENY", ["limits.EXP-020"])


@pytest.mark.parametrize("key", ["name", "version", "mode", "hash", "settings_hash", "entry", "given", "sources", "seal"])
def test_whatever_is_changed_is_found(says: Says, key: str) -> None:
    def change(document: dict[str, Any]) -> None:
        value = document[key]
        document[key] = {**value, "more": "text"} if isinstance(value, dict) else value[:-1] + ("0" if value[-1] != "0" else "1")

    file = changed(sealed(says), change, again=False)
    status, out, err = says("decide", file, "--facts", FACTS[0])
    assert (status, out, err.splitlines()[0]) == (2, "", "error[CAP951]: `changed.capc` is not as it was written")


@pytest.mark.parametrize(("change", "sentence"), [
    (lambda document: document.pop("entry"), "is not as it was written"),
    (lambda document: document.update(entry="other.cap"), "is not as it was written"),
    (lambda document: document.update(sources=["desk.cap"]), "is not as it was written"),
    (lambda document: document["sources"].update({"desk.cap": 5}), "is not as it was written"),
    (lambda document: document["given"].update(mode="both"), "is not as it was written"),
    (lambda document: document.update(given=None), "is not as it was written"),
    (lambda document: document.update(schema="caplex.sealed/2"), "is no sealed policy"),
    (lambda document: document.update(hash="sha256:" + "0" * 64), "and it names sha256:0000"),
    (lambda document: document.update(settings_hash="sha256:" + "0" * 64), "and it names sha256:0000"),
    (lambda document: document["sources"].update({"desk.cap": document["sources"]["desk.cap"] + "\n"}), "give sha256:"),
    (lambda document: document["given"]["settings"].update(max_position="4%"), "give sha256:"),
])
def test_a_seal_that_fits_does_not_make_another_policy_of_it(says: Says, change: Callable[[dict[str, Any]], object], sentence: str) -> None:
    file = changed(sealed(says), change, again=True)
    for command in (("decide", file, "--facts", FACTS[0]), ("check", file)):
        status, out, err = says(*command)
        assert status in (1, 2)
        assert sentence in out + err
    with pytest.raises(caplex.PolicyError, match=sentence):
        caplex.load(file)


def test_settings_that_it_brings_stay_and_others_may_become_safer(says: Says) -> None:
    file = sealed(says, QUICKSTART / "desk.cap", "desk.capc", "--set", "max_position=4%")
    trimmed = QUICKSTART / "facts" / "2-trimmed.json"
    plain = says("decide", QUICKSTART / "desk.cap", "--facts", trimmed, "--set", "max_position=4%")
    assert says("decide", file, "--facts", trimmed)[:2] == plain[:2]
    assert says("decide", file, "--facts", trimmed, "--set", "sanity.max_order_quantity=10")[0] == 1
    status, _, err = says("decide", file, "--facts", trimmed, "--set", "max_position=3%")
    assert (status, err.splitlines()[0]) == (2, "error[CAP952]: the setting `max_position` was settled when `desk.capc` was compiled")


def test_a_mode_that_it_brings_stays(says: Says) -> None:
    file = sealed(says, QUICKSTART / "desk.cap", "desk.capc")
    assert json.loads(says("decide", file, "--facts", FACTS[0], "--mode", "monitor", "--format", "json")[1])["policy"]["mode"] == "monitor"
    monitored = Path("monitored.capc")
    assert says("compile", QUICKSTART / "desk.cap", "--mode", "monitor", "-o", monitored)[0] == 0
    assert json.loads(says("decide", monitored, "--facts", FACTS[0], "--format", "json")[1])["policy"]["mode"] == "monitor"
    status, _, err = says("decide", monitored, "--facts", FACTS[0], "--mode", "enforce")
    assert (status, err.splitlines()[0]) == (2, "error[CAP952]: the mode was settled when `monitored.capc` was compiled")


def nested(depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(depth):
        found = {"a": found}
    return found


@pytest.mark.parametrize("value", [float("nan"), float("inf"), nested(600)])
def test_what_was_never_sealed_is_no_bug_of_ours(says: Says, value: object) -> None:
    file = changed(sealed(says), lambda document: document["given"]["settings"].update(max_position=value), again=False)
    status, out, err = says("decide", file, "--facts", FACTS[0])
    assert (status, out, err.splitlines()[0]) == (2, "", "error[CAP951]: `changed.capc` is not as it was written")


@pytest.mark.parametrize("command", ["lint", "fmt", "test"])
def test_what_wants_the_text_of_a_policy_says_so(says: Says, command: str) -> None:
    status, out, err = says(command, sealed(says))
    assert status != 0
    assert "`desk.capc` is a sealed policy, and no text of one" in out + err


def test_files_that_are_none(says: Says) -> None:
    Path("empty.capc").write_text("")
    Path("list.capc").write_text("[" * 100_000)
    Path("bytes.capc").write_bytes(b"\xff\xfe\x00")
    for name in ("empty.capc", "list.capc", "bytes.capc"):
        status, _, err = says("decide", name, "--facts", FACTS[0])
        assert (status, err.splitlines()[0]) == (2, f"error[CAP951]: `{name}` is no sealed policy")
    status, _, err = says("decide", "nowhere.capc", "--facts", FACTS[0])
    assert (status, err.splitlines()[0]) == (2, "error[CAP912]: `nowhere.capc` cannot be read: No such file or directory")


def test_a_file_of_another_name_is_not_sealed(says: Says) -> None:
    status, _, err = says("compile", QUICKSTART / "desk.cap", "-o", "desk.json")
    assert (status, Path("desk.json").exists()) == (2, False)
    assert "name a sealed policy, `FILE.capc`" in err


def test_a_stream_runs_under_it_and_its_journal_is_replayed(says: Says) -> None:
    folder = ROOT / "examples" / "strategy_governor"
    file, events = sealed(says, folder / "policy.cap"), folder / "events.jsonl"
    status, _, err = says("run", file, "--events", events, "--journal", "one.journal", "--trust-operators")
    assert (status, Path("one.journal").exists()) == (0, True), err
    file.unlink()
    assert says("replay", "one.journal")[0] == 0
