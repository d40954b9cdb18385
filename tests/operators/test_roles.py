"""Who may act: the roles file with every mistake named, and acts that are believed or refused."""
from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caplex.runtime.canonical import sha256
from caplex.runtime.clock import parse_instant
from caplex.runtime.document import read_json
from caplex.runtime.errors import CaplexError
from caplex.runtime.roles import Act, Approval, Quorum, Refusal, Roles
from caplex.runtime.roles_file import RolesError
from caplex.runtime.signing import generate, sign_event

KEY, KEY_2 = generate()[1], generate()[1]
OFFICER = {"roles": ["risk-officer"]}


def file(**people: object) -> dict[str, object]:
    return {"schema": "caplex.roles/1", "people": {name.replace("_", "-"): entry for name, entry in people.items()}}


# ── the file ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_roles_file_is_read(tmp_path):
    path = tmp_path / "roles.json"
    path.write_text(json.dumps({**file(risk_1={**OFFICER, "keys": [KEY], "not_after": "2027-01-01T00:00:00Z"}, dev_1={"roles": ["a", "b"]}),
                                "channels": {"risk-desk": ["risk-1"]}}), encoding="utf-8")
    roles = Roles.read(path)
    end = parse_instant("2027-01-01T00:00:00Z")
    assert roles.roles_of("risk-1", end) == {"risk-officer"}
    assert roles.roles_of("risk-1", end + 1) == frozenset()
    assert roles.roles_of("dev-1", end + 1) == {"a", "b"}
    assert roles.roles_of("nobody", 0) == frozenset()
    assert roles.channels == {"risk-desk": ("risk-1",)}


def test_the_hash_is_of_what_it_says_and_not_of_how():
    one = Roles.read(file(a={"roles": ["x", "y"], "keys": [KEY, KEY_2]}, b=OFFICER))
    assert Roles.read(file(b=OFFICER, a={"keys": [KEY_2, KEY], "roles": ["y", "x"], "not_after": None})).hash == one.hash
    assert Roles.read(one.to_dict()).hash == one.hash == sha256(one.to_dict())
    changed = [file(a={"roles": ["x"], "keys": [KEY, KEY_2]}, b=OFFICER), file(a={"roles": ["x", "y"], "keys": [KEY]}, b=OFFICER),
               file(a={"roles": ["x", "y"], "keys": [KEY, KEY_2]}), file(a={"roles": ["x", "y"], "keys": [KEY, KEY_2]}, c=OFFICER),
               file(a={"roles": ["x", "y"], "keys": [KEY, KEY_2], "not_after": "2027-01-01T00:00:00Z"}, b=OFFICER)]
    assert len({one.hash, *(Roles.read(each).hash for each in changed)}) == len(changed) + 1


MISTAKES = [
    ({"people": {"a": OFFICER}}, '/schema: a roles file begins with `"schema": "caplex.roles/1"`'),
    ({"schema": "caplex.roles/2", "people": {"a": OFFICER}}, '/schema: a roles file begins with `"schema": "caplex.roles/1"`'),
    ({**file(a=OFFICER), "peeple": {}}, "/peeple: no such key; did you mean `people`?"),
    ({**file(a=OFFICER), "x": {}}, "/x: no such key; there are `schema`, `people`, `channels`"),
    ({"schema": "caplex.roles/1"}, '/people: is missing; it is an object, `{"risk-1": {"roles": ["risk-officer"]}}`'),
    (file(), "/people: nobody is listed, so nobody could ever re-arm a switch; list a person, with roles"),
    ({"schema": "caplex.roles/1", "people": []}, '/people: must be an object, `{"risk-1": {"roles": ["risk-officer"]}}`'),
    (file(risk_1={"role": ["x"], "roles": ["x"]}), "/people/risk-1/role: no such key; did you mean `roles`?"),
    (file(risk_1=["risk-officer"]), '/people/risk-1: must be an object, `{"roles": ["risk-officer"]}`'),
    (file(risk_1={}), '/people/risk-1/roles: is missing; it is a list, `["risk-officer"]`'),
    (file(risk_1={"roles": []}), "/people/risk-1/roles: `risk-1` has no role and could do nothing; give one, or leave the person out"),
    (file(risk_1={"roles": "risk-officer"}), '/people/risk-1/roles: must be a list, `["risk-officer"]`'),
    (file(risk_1={"roles": [" x"]}), '/people/risk-1/roles/0: a role is a text, as a policy writes it: `"risk-officer"`'),
    (file(risk_1={"roles": ["a", 7]}), '/people/risk-1/roles/1: a role is a text, as a policy writes it: `"risk-officer"`'),
    (file(risk_1={"roles": ["a", "a"]}), "/people/risk-1/roles/1: `a` stands twice; write it once"),
    (file(risk_1={**OFFICER, "keys": KEY}), '/people/risk-1/keys: must be a list, `["ed25519:…"]`'),
    (file(risk_1={**OFFICER, "keys": [KEY[:-3]]}),
     "/people/risk-1/keys/0: no public key: `ed25519:` and 44 characters; `caplex keys new risk-1` prints the line that belongs here"),
    (file(risk_1={**OFFICER, "keys": ["ed25519:AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="]}),
     "/people/risk-1/keys/0: no public key: `ed25519:` and 44 characters; `caplex keys new risk-1` prints the line that belongs here"),
    (file(risk_1={**OFFICER, "keys": ["-----BEGIN PRIVATE KEY-----"]}),
     "/people/risk-1/keys/0: this is a private key: it must never stand here, make a new one; "
     "`caplex keys new risk-1` prints the line that belongs here"),
    (file(risk_1={**OFFICER, "keys": [KEY, KEY]}), "/people/risk-1/keys/1: the same key as /people/risk-1/keys/0; write it once"),
    (file(risk_1={**OFFICER, "keys": [KEY]}, risk_2={**OFFICER, "keys": [KEY_2, KEY]}),
     "/people/risk-2/keys/1: the key of `risk-1` (/people/risk-1/keys/0) stands here too; "
     "a quorum counts people by their keys, so each has keys of their own"),
    (file(risk_1=OFFICER, RISK_1=OFFICER),
     "/people/RISK-1: differs from `risk-1` in capital letters alone; if they are two people, name them apart"),
    ({"schema": "caplex.roles/1", "people": {"a b": OFFICER}},
     "/people/a b: a name is letters, digits and `_.@+-`, at most 64 of them, as in `risk-1`"),
    ({"schema": "caplex.roles/1", "people": {1: OFFICER}},
     "/people/1: a name is letters, digits and `_.@+-`, at most 64 of them, as in `risk-1`"),
    (file(risk_1={**OFFICER, "not_after": "2027-01-01"}),
     "/people/risk-1/not_after: the last instant of the entry wants RFC 3339 with an offset, 2026-01-05T15:00:00Z"),
    (file(risk_1={**OFFICER, "not_after": 7}),
     "/people/risk-1/not_after: the last instant of the entry wants RFC 3339 with an offset, 2026-01-05T15:00:00Z"),
    ({**file(risk_1=OFFICER), "channels": {"desk": ["risk-l"]}}, "/channels/desk/0: `risk-l` is nobody under `people`; did you mean `risk-1`?"),
    ({**file(risk_1=OFFICER), "channels": {"desk": [["x"]]}}, "/channels/desk/0: `['x']` is nobody under `people`; list them there"),
    ({**file(risk_1=OFFICER), "channels": []}, '/channels: must be an object, `{"risk-desk": ["risk-1"]}`'),
]


@pytest.mark.parametrize(("document", "said"), MISTAKES, ids=[said[:60] for _, said in MISTAKES])
def test_each_mistake_has_its_sentence(document, said):
    with pytest.raises(RolesError) as caught:
        Roles.read(document, "roles.json")
    assert list(caught.value.problems) == [said]
    assert str(caught.value) == f"roles.json: {said}"


def test_all_mistakes_are_told_at_once():
    with pytest.raises(RolesError) as caught:
        Roles.read(file(risk_1={"roles": [], "key": []}), "r")
    assert len(caught.value.problems) == 2
    assert str(caught.value).endswith("(and 1 more: `caplex roles check` lists them)")


@pytest.mark.parametrize(("text", "said"), [
    ('{"schema":"caplex.roles/1","people":{"a":{"roles":["x"]},"a":{"roles":["y"]}}}', "/people/a: stands twice; write it once"),
    ('{"schema":"caplex.roles/1","people":{},"people":{"a":{"roles":["y"]}}}', "/people: stands twice; write it once"),
    ('{"schema":"caplex.roles/1","people":{"a":{"roles":["x"],"roles":["owner"]}}}', "/people/a/roles: stands twice; write it once"),
])
def test_what_stands_twice_is_refused(tmp_path, text, said):
    path = tmp_path / "roles.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RolesError) as caught:
        Roles.read(path)
    assert list(caught.value.problems) == [said]


def test_a_file_that_cannot_be_read_says_so(tmp_path):
    with pytest.raises(CaplexError, match=r"the roles file .*none\.json` cannot be read: No such file"):
        Roles.read(tmp_path / "none.json")
    (tmp_path / "list.json").write_text("[]", encoding="utf-8")
    with pytest.raises(CaplexError, match="a JSON object is wanted"):
        Roles.read(tmp_path / "list.json")


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(
    st.sampled_from(["schema", "people", "roles", "keys", "not_after", "channels", "risk-1"]) | st.text(), inner), max_leaves=12)


@given(JSON)
def test_no_document_breaks_the_reader(value):
    for document in (value, {"schema": "caplex.roles/1", "people": value}, file(risk_1=value), file(risk_1={**OFFICER, "keys": value}),
                     {**file(risk_1=OFFICER), "channels": value}):
        if isinstance(document, dict):
            problems = problems_of(document)
            assert all(each.startswith("/") and "\n" not in each for each in problems)


def problems_of(document: dict[str, object]) -> tuple[str, ...]:
    try:
        Roles.read(document)
    except RolesError as error:
        return error.problems
    return ()


# ── acts ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_signed_act_is_believed(roles, keys, event):
    act = roles.authenticate(sign_event(event, keys["risk-1"].private))
    at = parse_instant("2026-01-05T21:00:02Z")
    assert act == Act("risk-1", frozenset({"risk-officer"}), "signature", at, at)


def test_roles_come_from_the_file_and_never_from_the_event(roles, keys, event):
    claimed = {**event, "by": "dev-1", "role": "risk-officer", "roles": ["risk-officer"]}
    act = roles.authenticate(sign_event(claimed, keys["dev-1"].private))
    assert isinstance(act, Act)
    assert act.roles == {"developer"}
    assert not act.has("risk-officer")


def refused(found: Act | Refusal) -> tuple[str, str]:
    assert isinstance(found, Refusal), found
    return found.code, found.sentence


def test_every_change_after_signing_is_found(roles, keys, event):
    signed = sign_event(event, keys["risk-1"].private)
    for key in event:
        if key not in {"by", "at", "expires_at"}:
            for altered in ({**signed, key: "other"}, {name: value for name, value in signed.items() if name != key}):
                assert refused(roles.authenticate(altered))[0] == "bad_signature", key
    assert refused(roles.authenticate({**signed, "target": {"switch": "KILL-010", "scope": {"account": "acct-2"}}}))[0] == "bad_signature"
    assert refused(roles.authenticate({**signed, "by": "risk-2"}))[0] == "bad_signature"
    assert refused(roles.authenticate({**signed, "at": "2026-01-05T21:00:03Z"}))[0] == "bad_signature"
    assert refused(roles.authenticate({**signed, "expires_at": "2026-02-05T22:00:00Z"}))[0] == "bad_signature"
    assert refused(roles.authenticate({**signed, "x_more": 1}))[0] == "bad_signature"


def test_each_refusal_has_its_sentence(roles, keys, event):
    signed = sign_event(event, keys["risk-1"].private)
    unsigned = {**event, "by": "risk-2"}
    late = {**event, "at": "2027-01-01T00:00:01Z", "expires_at": None}
    found = {
        "unsigned": roles.authenticate(event),
        "stranger's": roles.authenticate(sign_event(event, keys["stranger"].private)),
        "another's": roles.authenticate(sign_event(event, keys["risk-2"].private)),
        "unknown": roles.authenticate(sign_event({**event, "by": "risk-3"}, keys["risk-1"].private)),
        "no key": roles.authenticate(sign_event({**event, "by": "desk-1"}, keys["risk-1"].private)),
        "ended": roles.authenticate(sign_event(late, keys["risk-1"].private)),
        "expired": roles.authenticate(sign_event({**event, "expires_at": event["at"]}, keys["risk-1"].private)),
        "lay about": roles.authenticate(signed, now_ns=parse_instant("2026-01-05T22:00:00Z")),
        "form": roles.authenticate({**event, "signature": 7}),
        "other subject": roles.authenticate(unsigned, subject="risk-1"),
        "no file": Roles().authenticate(signed),
    }
    assert {name: refused(each) for name, each in found.items()} == {
        "unsigned": ("no_signature", "the act of `risk-1` is not signed; `caplex sign EVENT.json --key risk-1.key` signs it"),
        "stranger's": ("bad_signature", "the signature is none of `risk-1` over this act: it was changed after it was signed, or the key is another"),
        "another's": ("bad_signature", "the act of `risk-1` is signed with a key of `risk-2`; who acts signs"),
        "unknown": ("unknown_person", "the roles file names no `risk-3`; did you mean `risk-2`?"),
        "no key": ("bad_signature", "the roles file has no key of `desk-1`; put the line that `caplex keys new` printed under `keys`"),
        "ended": ("key_expired", "the roles file knows `risk-1` until 2027-01-01 00:00:00Z, and it is 2027-01-01 00:00:01Z"),
        "expired": ("act_expired", "the act of `risk-1` held until 2026-01-05 21:00:02Z, and it is 2026-01-05 21:00:02Z"),
        "lay about": ("act_expired", "the act of `risk-1` held until 2026-01-05 22:00:00Z, and it is 2026-01-05 22:00:00Z"),
        "form": ("bad_signature", "`signature` of the act of `risk-1` is no text `ed25519:…`"),
        "other subject": ("other_subject", "the act says `risk-2`, and who sent it is `risk-1`; nobody acts for another"),
        "no file": ("no_roles_file", "without a roles file nobody may act: give the engine one"),
    }


@pytest.mark.parametrize(("change", "said"), [
    ({"at": None}, "`at` of the act of `risk-1` wants RFC 3339"),
    ({"at": 7}, "`at` of the act of `risk-1` wants RFC 3339"),
    ({"expires_at": "soon"}, "`expires_at` of the act of `risk-1` wants RFC 3339"),
    ({"by": None}, "`by` of an act is a name"),
    ({"by": "risk 1"}, "`by` of an act is a name"),
    ({"target": {1: 2}}, "no canonical form: a key that is not text"),
])
def test_a_malformed_act_is_refused_whoever_is_trusted(roles, event, change, said):
    for found in (roles.authenticate({**event, **change}), roles.authenticate({**event, **change}, trust=True),
                  Roles().authenticate({**event, **change}, trust=True)):
        code, sentence = refused(found)
        assert code == "malformed"
        assert said in sentence


def test_an_act_that_says_two_things_is_refused(roles, keys, event):
    text = json.dumps(sign_event(event, keys["risk-1"].private)).replace('"account": "acct-1"', '"account": "acct-2", "account": "acct-1"')
    assert refused(roles.authenticate(read_json(text))) == (
        "malformed", "`account` stands twice in the act, so it says two things; write it once")


def test_an_act_that_came_late_is_judged_by_when_it_came(roles, keys, event):
    signed = sign_event(event, keys["risk-1"].private)
    said, came = parse_instant("2026-01-05T21:00:02Z"), parse_instant("2026-01-05T21:30:00Z")
    act = roles.authenticate(signed, now_ns=came)
    assert isinstance(act, Act)
    assert (act.said_ns, act.at_ns) == (said, came)
    act = roles.authenticate(signed, now_ns=said - 5)
    assert isinstance(act, Act)
    assert (act.said_ns, act.at_ns) == (said, said)


def test_in_a_service_the_subject_is_enough_and_a_bad_signature_still_is_bad(roles, keys, event):
    act = roles.authenticate(event, subject="risk-1")
    assert isinstance(act, Act)
    assert (act.how, act.roles) == ("subject", {"risk-officer"})
    without = {key: value for key, value in event.items() if key != "by"}
    act = roles.authenticate(without, subject="desk-1")
    assert isinstance(act, Act)
    assert (act.by, act.roles) == ("desk-1", {"trader"})
    assert refused(roles.authenticate(sign_event(event, keys["stranger"].private), subject="risk-1"))[0] == "bad_signature"
    assert refused(roles.authenticate({**event, "by": "risk-9"}, subject="risk-9"))[0] == "unknown_person"


def test_trust_asks_for_no_signature_and_the_file_still_counts(roles, event):
    act = roles.authenticate({**event, "signature": "ed25519:…"}, trust=True)
    assert isinstance(act, Act)
    assert (act.how, act.roles, act.has("owner")) == ("trusted", {"risk-officer"}, False)
    assert refused(roles.authenticate({**event, "by": "anybody"}, trust=True))[0] == "unknown_person"
    act = Roles().authenticate({**event, "by": "anybody"}, trust=True)
    assert isinstance(act, Act)
    assert (act.how, act.has("owner")) == ("trusted", True)


# ── quorum ────────────────────────────────────────────────────────────────────────────────────────────

PEOPLE = ("a", "b", "c", "d", "e")
ACTS = st.lists(st.builds(lambda by, roles, at: Act(by, frozenset(roles), "signature", at, at), st.sampled_from(PEOPLE),
                          st.sets(st.sampled_from(["risk-officer", "owner", "developer"])), st.integers(0, 9)))


@given(ACTS, st.integers(1, 5))
def test_fewer_than_so_many_distinct_qualified_people_are_never_enough(acts, need):
    quorum = Quorum(need, "risk-officer")
    qualified = {act.by for act in acts if "risk-officer" in act.roles}
    approvals = quorum.counted(acts)
    assert {each.by for each in approvals} == qualified
    assert quorum.missing(approvals) == max(0, need - len(qualified))
    assert [each.by for each in approvals] == list(dict.fromkeys(act.by for act in acts if "risk-officer" in act.roles))


@given(st.lists(st.builds(Approval, st.sampled_from(PEOPLE), st.integers(0, 9), st.sampled_from(["risk-officer", "owner"]))), st.integers(1, 5))
def test_nor_by_approvals_that_were_stored_twice_or_for_another_role(approvals, need):
    assert Quorum(need, "risk-officer").missing(approvals) == max(0, need - len({each.by for each in approvals if each.role == "risk-officer"}))


def test_two_keys_of_one_person_are_one_person(keys, event):
    roles = Roles.read(file(risk_1={**OFFICER, "keys": [keys["risk-1"].public, keys["stranger"].public]}, risk_2=OFFICER))
    acts = [roles.authenticate(sign_event({**event, "id": f"e-{name}"}, keys[name].private)) for name in ("risk-1", "stranger")]
    assert all(isinstance(act, Act) for act in acts)
    for order in itertools.permutations(acts):
        assert Quorum(2, "risk-officer").missing(Quorum(2, "risk-officer").counted(order)) == 1
