"""`caplex keys new`, `caplex sign`, `caplex roles check`: what they write, print and refuse; the private half is never printed."""
from __future__ import annotations

import io
import json
import os
import sys
from types import SimpleNamespace

import pytest

from caplex.compiler.cli import main
from caplex.compiler.cli.operators import read_roles
from caplex.runtime.roles import Act, Roles
from caplex.runtime.signing import key_bytes, public_of, read_private

EVENT = {"type": "operator", "id": "e-18", "at": "2026-01-05T21:00:02Z", "act": "rearm", "by": "risk-1",
         "target": {"switch": "KILL-010", "scope": {"account": "acct-1"}}, "expires_at": "2026-01-05T22:00:00Z"}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    status = main.run(arguments)
    told = capsys.readouterr()
    return status, told.out, told.err


def roles_of(public: str) -> dict[str, object]:
    return {"schema": "caplex.roles/1", "people": {"risk-1": {"roles": ["risk-officer"], "keys": [public]}}}


def test_a_new_key_signs_what_the_roles_file_believes(capsys, here):
    status, public, err = run(capsys, "keys", "new", "risk-1")
    assert (status, key_bytes(public.strip()) is not None) == (0, True)
    assert public_of(read_private(here / "risk-1.key")) == public.strip()
    assert (here / "risk-1.key").stat().st_mode & 0o777 == 0o600
    secret = (here / "risk-1.key").read_text().split("\n")[1]
    assert secret not in public + err
    (here / "roles.json").write_text(json.dumps(roles_of(public.strip())))
    (here / "rearm.json").write_text(json.dumps(EVENT, indent=2))
    status, out, err = run(capsys, "sign", "rearm.json", "--key", "risk-1.key")
    assert (status, out.count("\n"), err) == (0, 1, "")
    assert secret not in out
    act = Roles.read(here / "roles.json").authenticate(json.loads(out))
    assert isinstance(act, Act)
    assert (act.by, act.how) == ("risk-1", "signature")
    status, said, _ = run(capsys, "sign", "rearm.json", "--key", "risk-1.key", "-o", "signed.json")
    assert (status, said, (here / "signed.json").read_text()) == (0, "", out)


def test_an_event_from_standard_input_with_numbers_of_every_kind(capsys, here, monkeypatch):
    public = run(capsys, "keys", "new", "risk-1")[1].strip()
    text = json.dumps(EVENT)[:-1] + ', "x_n": [1.50, 2e3, 7, -0.0, 123456789012345678901234567890, true, null, "é"]}'
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(text.encode())))
    status, out, _ = run(capsys, "sign", "-", "--key", "risk-1.key")
    assert status == 0
    assert isinstance(Roles.read(roles_of(public)).authenticate(json.loads(out)), Act)
    assert json.loads(out)["x_n"] == ["1.5", "2000", 7, "0", 123456789012345678901234567890, True, None, "é"]


def test_where_a_key_goes(capsys, here):
    (here / "safe").mkdir()
    assert run(capsys, "keys", "new", "risk-1", "-o", "safe")[0] == 0
    before = (here / "safe" / "risk-1.key").read_bytes()
    status, out, err = run(capsys, "keys", "new", "risk-1", "-o", "safe")
    assert (status, out) == (2, "")
    assert "is there already, and a key is never replaced" in err
    assert (here / "safe" / "risk-1.key").read_bytes() == before
    status, out, err = run(capsys, "keys", "new", "risk-1", "-o", "nowhere")
    assert (status, out, "nowhere/risk-1.key" in err) == (74, "", True)


@pytest.mark.parametrize("name", ["../risk-1", "risk/1", "risk 1", "", "-risk", "x" * 65, "é"])
def test_a_name_that_is_none(capsys, here, name):
    status, out, _ = run(capsys, "keys", "new", "--", name)
    assert (status, out, list(here.iterdir())) == (2, "", [])


@pytest.mark.parametrize(("change", "said"), [
    ({"type": "intent"}, "acts of operators are signed, events of type `operator` or `policy`"),
    ({"by": None}, "this act would be refused: `by` of an act is a name"),
    ({"at": "today"}, "this act would be refused: `at` of the act of `risk-1` wants RFC 3339"),
    ({"expires_at": "2026-01-05"}, "this act would be refused: `expires_at` of the act of `risk-1` wants RFC 3339"),
])
def test_what_would_be_refused_is_not_signed(capsys, here, change, said):
    run(capsys, "keys", "new", "risk-1")
    (here / "e.json").write_text(json.dumps({**EVENT, **change}))
    status, out, err = run(capsys, "sign", "e.json", "--key", "risk-1.key")
    assert (status, out) == (2, "")
    assert said in err


def test_a_key_that_others_may_read_does_not_sign(capsys, here):
    run(capsys, "keys", "new", "risk-1")
    (here / "e.json").write_text(json.dumps(EVENT))
    os.chmod("risk-1.key", 0o644)
    status, out, err = run(capsys, "sign", "e.json", "--key", "risk-1.key")
    assert (status, out) == (2, "")
    assert "`risk-1.key` can be read by others (mode 0644)" in err
    status, _, err = run(capsys, "sign", "e.json", "--key", "none.key")
    assert (status, err) == (2, "error: `none.key` cannot be read: No such file or directory\n")


def test_roles_that_are_good(capsys, here):
    public = run(capsys, "keys", "new", "risk-1")[1].strip()
    document = roles_of(public)
    document["people"]["desk-1"] = {"roles": ["trader"]}
    (here / "roles.json").write_text(json.dumps(document))
    status, out, err = run(capsys, "roles", "check", "roles.json")
    assert (status, out) == (0, f"2 people, 1 key  {Roles.read(document).hash}\n")
    assert err == "without a key, and so only known where a service vouches for them: desk-1\n"


def test_every_mistake_is_a_line(capsys, here):
    (here / "roles.json").write_text('{"schema": "caplex.roles/1", "people": {"a": {"roles": [], "key": []}}}')
    status, out, err = run(capsys, "roles", "check", "roles.json", "-o", "out.json")
    assert (status, err) == (1, "")
    assert out.splitlines() == [
        "roles.json: /people/a/key: no such key; did you mean `keys`?",
        "roles.json: /people/a/roles: `a` has no role and could do nothing; give one, or leave the person out",
    ]
    assert not (here / "out.json").exists()


@pytest.mark.parametrize(("name", "text", "said"), [
    ("roles.json", None, "the roles file `roles.json` cannot be read: No such file or directory"),
    ("roles.json", "[]", "a JSON object is wanted"),
    ("roles.json", "{", "roles.json:1:2: not JSON"),
    ("roles.yaml", None, "the roles file cannot be read: No such file or directory"),
    ("roles.yaml", "- a", "roles.yaml:1: a roles file is a mapping, `schema: caplex.roles/1` and `people:`"),
    ("roles.yaml", "people:\n  a: 1\n  a: 2\n", "roles.yaml:3: "),
])
def test_what_is_no_roles_file_at_all(capsys, here, name, text, said):
    if text is not None:
        (here / name).write_text(text)
    status, out, err = run(capsys, "roles", "check", name)
    assert (status, out) == (2, "")
    assert said in err


def test_yaml_becomes_the_same_roles(capsys, here):
    public = run(capsys, "keys", "new", "risk-1")[1].strip()
    (here / "roles.yaml").write_text(
        f"schema: caplex.roles/1\npeople:\n  risk-1:\n    roles: [risk-officer]\n    keys: ['{public}']\n    not_after: 2027-01-01T00:00:00Z\n")
    status, out, _ = run(capsys, "roles", "check", "roles.yaml", "-o", "roles.json")
    assert status == 0
    assert run(capsys, "roles", "check", "roles.json")[1] == out
    assert read_roles("roles.yaml") == read_roles("roles.json") == Roles.read({**roles_of(public), "people": {
        "risk-1": {"roles": ["risk-officer"], "keys": [public], "not_after": "2027-01-01T00:00:00Z"}}})


@pytest.mark.parametrize("group", ["keys", "roles"])
def test_a_group_without_a_command_says_so_in_a_line(capsys, group):
    status, out, err = run(capsys, group)
    assert (status, out, err) == (2, "", f"error: Missing command; `caplex {group} --help` tells more\n")
