"""Another policy while the engine runs: whose act it is, what stands of it in the journal, what it finds."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import caplex
from caplex.compiler.recorded import compile_recorded
from caplex.runtime import replay as replaying
from caplex.runtime.engine.activation import act_of
from caplex.runtime.errors import EventError, JournalError
from caplex.runtime.journal import read
from caplex.runtime.policy import Policy
from caplex.runtime.signing import generate, sign_event
from engine.support import HEADER, SKIPS, Desk, policy, verdict

ROOM = 'limit EXP-010 "Position" { abs(after.position.notional) at most 1_000 USD else reduce }\n'
OLD, NEW = policy(ROOM), policy(ROOM.replace("1_000", "700"))
KEYS = {name: generate() for name in ("desk-1", "dev-1")}
ROLES = {"schema": "caplex.roles/1", "channels": {}, "people": {
    "desk-1": {"roles": ["desk"], "keys": [KEYS["desk-1"][1]]}, "dev-1": {"roles": ["dev"], "keys": [KEYS["dev-1"][1]]}}}


def strict(journal: Path | None = None, old: Policy = OLD) -> Desk:
    desk = Desk(old, journal, trust_operators=False, operators=ROLES, recorded=compile_recorded)
    desk.quote("X", "10")
    return desk


def signed(desk: Desk, by: str = "desk-1", new: Policy = NEW, *, without: str = "", **more: Any) -> dict[str, Any]:
    act = {**act_of(new, by=by, at=desk.at), **more}
    return sign_event({name: value for name, value in act.items() if name != without}, KEYS[by][0])


def give(desk: Desk, act: dict[str, Any], new: Policy = NEW, **how: Any) -> Any:
    return desk.engine.activate(new, by=act.get("by", ""), act=act, **how)


def test_the_owner_lets_a_policy_take_over(tmp_path: Path) -> None:
    desk = strict(tmp_path / "j")
    desk.submit("buy", "60")
    told = give(desk, signed(desk))
    assert (told.status, told.by, told.how) == ("applied", "desk-1", "signature")
    assert verdict(desk.submit("buy", "60")) == ("MODIFY", "10", "EXP-010")
    (body,) = [record.body for record in read(tmp_path / "j") if record.kind == "policy" and record.body.get("act")]
    assert (body["by"], body["how"], body["hash"], body["event"]["signature"][:8]) == ("desk-1", "signature", NEW.hash, "ed25519:")
    before = desk.engine.digest
    desk.policy = NEW
    assert desk.restart().engine.digest == before
    found = replaying.replay(tmp_path / "j", load=compile_recorded)
    assert (found.identical, found.eras, found.digest) == (True, 2, before)


@pytest.mark.parametrize(("change", "code"), [
    (lambda desk: {**signed(desk), "signature": None}, "no_signature"),
    (lambda desk: signed(desk, by="dev-1"), "lacks_role"),
    (lambda desk: {**signed(desk), "by": "dev-1"}, "bad_signature"),
    (lambda desk: signed(desk, new=OLD), "other_content"),
    (lambda desk: signed(desk, without="hash"), "other_content"),
    (lambda desk: signed(desk, settings_hash="sha256:0"), "other_content"),
    (lambda desk: signed(desk, expires_at="2026-01-05T14:00:00Z"), "act_expired"),
    (lambda desk: {**act_of(NEW, by="nobody", at=desk.at)}, "unknown_person"),
], ids=["unsigned", "not the owner", "another's", "other policy", "no hash", "other settings", "expired", "unknown"])
def test_nobody_else_does_and_the_attempt_is_noted(change: Any, code: str, tmp_path: Path) -> None:
    desk = strict(tmp_path / "j")
    before = desk.engine.digest
    with pytest.raises(EventError, match="cannot take over"):
        give(desk, {name: value for name, value in change(desk).items() if value is not None})
    assert (desk.engine.policy, desk.engine.digest) == (OLD, before)
    last = list(read(tmp_path / "j"))[-1]
    assert (last.kind, last.body["code"], last.body["policy"]["hash"]) == ("note", code, NEW.hash)
    assert desk.restart().engine.digest == before
    assert replaying.replay(tmp_path / "j", load=compile_recorded).identical


def test_a_signed_act_is_spent_once(tmp_path: Path) -> None:
    """Otherwise whoever has kept it could bring the looser policy back."""
    desk = strict(tmp_path / "j")
    loose = signed(desk, new=NEW)
    give(desk, loose)
    give(desk.later(1), signed(desk, new=OLD), OLD)
    desk.restart()
    with pytest.raises(EventError, match="once"):
        give(desk.later(1), loose)
    assert desk.engine.policy == OLD


def test_a_subject_that_the_caller_knows_needs_no_signature() -> None:
    desk = strict()
    with pytest.raises(EventError, match="no `desk`"):
        desk.engine.activate(NEW, by="dev-1", at=desk.at, subject="dev-1")
    assert desk.engine.activate(NEW, by="desk-1", at=desk.at, subject="desk-1").how == "subject"


def test_an_owner_in_words_is_a_role_in_one_word() -> None:
    words = caplex.compile_text(HEADER.replace("CLOSING", SKIPS).replace("MORE", "").replace('owner "desk"', 'owner "The  Desk"') + ROOM, name="t.cap")
    desk = Desk(words, trust_operators=False, operators={**ROLES, "people": {"desk-1": {"roles": ["the-desk"]}}})
    assert desk.engine.activate(NEW, by="desk-1", at=desk.at, subject="desk-1").status == "applied"


def test_without_an_owner_nobody_replaces_it_but_who_is_trusted() -> None:
    nobodys = caplex.compile_text(HEADER.replace("CLOSING", SKIPS).replace("MORE", "").replace('owner "desk"', "") + ROOM, name="t.cap")
    desk = strict(old=nobodys)
    with pytest.raises(EventError, match="names no `owner`"):
        give(desk, signed(desk))
    assert Desk(nobodys).engine.activate(NEW, by="risk-1", at=desk.at).how == "trusted"


def test_the_owner_of_the_present_policy_counts_and_not_that_of_the_new_one() -> None:
    mine = caplex.compile_text(HEADER.replace("CLOSING", SKIPS).replace("MORE", "").replace('owner "desk"', 'owner "dev"') + ROOM, name="t.cap")
    desk = strict()
    with pytest.raises(EventError, match="no `desk`"):
        give(desk, signed(desk, by="dev-1", new=mine), mine)


def test_a_policy_that_cannot_be_written_down_does_not_take_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from caplex.runtime.journal import files

    desk = strict(tmp_path / "j")

    def full(fd: int, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(files, "write_whole", full)
        with pytest.raises(JournalError):
            give(desk, signed(desk))
        assert desk.engine.policy == OLD
    give(desk, signed(desk))
    assert verdict(desk.submit("buy", "90"))[1] == "70"
    assert desk.engine.policy == NEW


def test_without_a_roles_file_the_host_is_its_own_authority(tmp_path: Path) -> None:
    """It could as well stop the engine and open the journal under the other policy; the record says who asked."""
    at = "2026-01-05T15:00:00Z"
    with caplex.Engine(OLD, journal=tmp_path / "j") as engine:
        engine.activate(NEW, by="night-shift", at=at)
        assert engine.policy is NEW
        for more in ({"subject": "somebody"}, {"act": {**act_of(OLD, by="somebody", at=at)}}):
            with pytest.raises(EventError, match="roles file"):
                engine.activate(OLD, by="somebody", at=at, **more)
    records = [record.body for record in read(tmp_path / "j") if record.kind == "policy"]
    assert [(body.get("by"), body.get("how")) for body in records] == [(None, None), ("night-shift", "host")]


# ── at opening ────────────────────────────────────────────────────────────────────────────────────────


def reopened(desk: Desk, change: Any, new: Policy = NEW, **options: Any) -> Desk:
    desk.policy = new
    return desk.restart(on_policy_change="keep_state", policy_change=change, **options)


def test_another_policy_at_opening_passes_the_same_gate(tmp_path: Path) -> None:
    desk = strict(tmp_path / "j")
    desk.submit("buy", "60")
    reopened(desk, signed(desk))
    assert verdict(desk.submit("buy", "60")) == ("MODIFY", "10", "EXP-010")
    (body,) = [record.body for record in read(tmp_path / "j") if record.kind == "policy" and record.body.get("act")]
    assert (body["by"], body["how"], body["opened_by"]["by"]) == ("desk-1", "signature", "desk-1")
    digest = desk.engine.digest
    assert desk.restart(on_policy_change="refuse", policy_change=None).engine.digest == digest
    assert replaying.replay(tmp_path / "j", load=compile_recorded).identical


@pytest.mark.parametrize(("change", "words"), [
    (lambda desk: None, "for `desk`, the owner of the present policy, to let it, by a signed act that names the hash sha256:"),
    (lambda desk: "desk-1", "is not signed"),
    (lambda desk: signed(desk, by="dev-1"), "no `desk`"),
    (lambda desk: signed(desk, new=OLD), "whose `hash` is"),
    (lambda desk: signed(desk, without="hash"), "`hash` is missing"),
    (lambda desk: {**signed(desk), "subject": "desk-1", "signature": None}, "is not signed"),
    (lambda desk: {"type": "tick", "at": desk.at}, "and not by a `tick`"),
    (lambda desk: {"type": "policy", "at": desk.at}, "`policy_change` is no act: policy: /act is missing"),
], ids=["nobody", "unsigned", "not the owner", "another policy", "no hash", "a subject of their own", "no such act", "half an act"])
def test_at_opening_nobody_else_lets_it(change: Any, words: str, tmp_path: Path) -> None:
    desk = strict(tmp_path / "j")
    digest = desk.engine.digest
    with pytest.raises(JournalError) as caught:
        reopened(desk, change(desk))
    assert words in str(caught.value)
    desk.policy = OLD
    assert desk.restart(on_policy_change="refuse", policy_change=None).engine.digest == digest
    assert replaying.replay(tmp_path / "j", load=compile_recorded).identical


def test_a_host_that_leaves_the_roles_file_at_home_is_no_authority(tmp_path: Path) -> None:
    desk = strict(tmp_path / "j")
    with pytest.raises(JournalError, match="was kept under a roles file"):
        reopened(desk, "night-shift", operators=None)
    assert verdict(reopened(desk, "night-shift", operators=None, trust_operators=True).submit("buy", "90"))[1] == "70"


def test_an_act_that_let_a_policy_in_at_opening_is_spent(tmp_path: Path) -> None:
    desk = strict(tmp_path / "j")
    act = signed(desk)
    reopened(desk, act)
    reopened(desk, signed(desk.later(1), new=OLD), OLD)
    with pytest.raises(JournalError, match="once"):
        reopened(desk.later(1), act)
    desk.policy = OLD
    desk.restart(on_policy_change="refuse", policy_change=None)
    with pytest.raises(EventError, match="once"):
        give(desk, act)
    notes = [record.body for record in read(tmp_path / "j") if record.kind == "note"]
    assert [note["code"] for note in notes] == ["act_used", "act_used"]


def test_without_a_roles_file_the_host_opens_under_another_policy(tmp_path: Path) -> None:
    caplex.Engine(OLD, journal=tmp_path / "j").close()
    caplex.Engine(NEW, journal=tmp_path / "j", on_policy_change="keep_state", policy_change="night-shift", recorded=compile_recorded).close()
    caplex.Engine(OLD, journal=tmp_path / "j", on_policy_change="keep_state", recorded=compile_recorded).close()
    records = [record.body for record in read(tmp_path / "j") if record.kind == "policy"]
    assert [(body.get("by"), body.get("how")) for body in records] == [(None, None), ("night-shift", "host"), ("host", "host")]
