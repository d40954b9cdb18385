"""Signatures hold for one key over one content; keys are files that only their owner reads."""
from __future__ import annotations

import base64
import builtins
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caplex.runtime import signing
from caplex.runtime.errors import CaplexError

PRIME = 2**255 - 19
RAW = base64.b64encode


def test_a_signature_holds_for_its_key_and_its_content(keys):
    mine, other = keys["risk-1"], keys["risk-2"]
    signed = signing.sign(mine.private, b"arm it")
    assert signed.startswith("ed25519:")
    assert signing.verify(mine.public, b"arm it", signed)
    assert not signing.verify(other.public, b"arm it", signed)
    assert not signing.verify(mine.public, b"arm it!", signed)
    assert signing.public_of(mine.private) == mine.public


def test_every_changed_byte_is_found(keys):
    mine = keys["risk-1"]
    data = b'{"act":"rearm"}'
    signed = signing.sign(mine.private, data)
    raw = base64.b64decode(signed.removeprefix("ed25519:"))
    for index in range(len(raw)):
        altered = raw[:index] + bytes([raw[index] ^ 1]) + raw[index + 1:]
        assert not signing.verify(mine.public, data, "ed25519:" + RAW(altered).decode()), index
    for index in range(len(data)):
        assert not signing.verify(mine.public, data[:index] + bytes([data[index] ^ 1]) + data[index + 1:], signed), index


@given(st.text() | st.binary().map(lambda data: "ed25519:" + RAW(data).decode()))
def test_what_is_no_signature_and_no_key_is_false_and_never_an_exception(text):
    _, public = PAIR
    assert signing.verify(public, b"x", text) is False
    assert signing.verify(text, b"x", "ed25519:" + RAW(bytes(64)).decode()) is False


PAIR = signing.generate()


def test_a_key_is_written_in_one_way():
    _, public = PAIR
    assert signing.key_bytes(public) is not None
    assert signing.key_bytes(public[:-1]) is None  # no padding
    assert signing.key_bytes(public + "\n") is None
    assert signing.key_bytes(public.removeprefix("ed25519:")) is None
    # The last digit before the padding holds two bits that mean nothing.
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    twin = public[:-2] + digits[digits.index(public[-2]) + 1] + "="
    assert base64.b64decode(twin.removeprefix("ed25519:")) == signing.key_bytes(public)
    assert signing.key_bytes(twin) is None


def small_orders() -> set[int]:
    """The heights of the points of order 1, 2, 4 and 8 of edwards25519, worked out from its equation."""
    d = -121665 * pow(121666, -1, PRIME) % PRIME

    def root(square: int) -> int | None:
        found = pow(square, (PRIME + 3) // 8, PRIME)
        if found * found % PRIME != square % PRIME:
            found = found * pow(2, (PRIME - 1) // 4, PRIME) % PRIME
        return found if found * found % PRIME == square % PRIME else None

    heights = {0, 1, PRIME - 1}
    inner = root(1 + d)
    assert inner is not None
    for sign in (inner, -inner):  # y² = (−1 ± √(1 + d)) / d where 2P has height 0
        height = root((sign - 1) * pow(d, -1, PRIME) % PRIME)
        if height is not None and root(-height * height % PRIME) is not None:
            heights |= {height, PRIME - height}
    return heights


def test_keys_under_which_anything_is_signed_are_no_keys():
    assert small_orders() == signing.WEAK
    assert len(signing.WEAK) == 5
    forged = 0
    for height in sorted(signing.WEAK):
        for side in (0, 1 << 255):
            raw = (height | side).to_bytes(32, "little")
            public = "ed25519:" + RAW(raw).decode()
            assert signing.key_bytes(public) is None
            # R is the neutral point and S nothing: under some of these keys the library believes it.
            empty = (1).to_bytes(32, "little") + bytes(32)
            forged += library_believes(raw, empty)
            assert not signing.verify(public, b"anything", "ed25519:" + RAW(empty).decode())
    assert forged > 0, "the library refuses them itself, and the list may go"
    assert signing.key_bytes("ed25519:" + RAW((PRIME + 1).to_bytes(32, "little")).decode()) is None


def library_believes(public: bytes, signature: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, b"anything")
    except InvalidSignature:
        return False
    return True


# ── heads ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def key_file(tmp_path, keys):
    path = tmp_path / "risk-1.key"
    signing.write_private(path, keys["risk-1"].private)
    return path


def test_a_head_is_checked_with_the_keys_one_trusts(key_file, keys):
    head = signing.signer(key_file)(b"seq 7 sha256:aa")
    assert head["keyid"] == keys["risk-1"].public
    assert signing.checker([keys["risk-2"].public, keys["risk-1"].public])(b"seq 7 sha256:aa", head)
    assert not signing.checker([keys["risk-1"].public])(b"seq 8 sha256:aa", head)
    assert not signing.checker([keys["risk-2"].public])(b"seq 7 sha256:aa", head), "the key that a head brings along proves nothing"
    assert not signing.checker([])(b"seq 7 sha256:aa", head)
    for broken in ({}, {"keyid": 1, "sig": 2}, {**head, "sig": "ed25519:"}, {**head, "keyid": keys["risk-2"].public}):
        assert not signing.checker([each.public for each in keys.values()])(b"seq 7 sha256:aa", broken)


def test_a_signature_of_a_head_is_none_of_an_act(key_file, keys, event):
    data = signing.signed_bytes(event)
    assert not signing.verify(keys["risk-1"].public, data, signing.signer(key_file)(data)["sig"])
    assert not signing.checker([keys["risk-1"].public])(data, {"keyid": keys["risk-1"].public, "sig": signing.sign(keys["risk-1"].private, data)})


def test_a_checker_of_no_key_says_so():
    with pytest.raises(CaplexError, match="`nothing` is no public key"):
        signing.checker(["nothing"])


# ── acts ──────────────────────────────────────────────────────────────────────────────────────────────


def test_how_an_event_is_laid_out_does_not_matter_and_what_it_says_does(keys, event):
    signed = signing.sign_event(event, keys["risk-1"].private)
    turned = dict(reversed(signed.items()))
    assert signing.signed_bytes(turned) == signing.signed_bytes(event)
    assert signing.sign_event(signed, keys["risk-1"].private) == signed, "a signature is not about itself"
    for key in event:
        assert signing.signed_bytes({**event, key: "other"}) != signing.signed_bytes(event)
    assert signing.signed_bytes({**event, "by": "risk-2"}) != signing.signed_bytes(event)
    assert signing.signed_bytes({**event, "more": None}) != signing.signed_bytes(event)


def test_what_has_no_canonical_form_is_not_signed(keys):
    with pytest.raises(CaplexError, match="no canonical form"):
        signing.sign_event({"n": {1: 2}}, keys["risk-1"].private)


# ── files ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_key_file_is_its_owners_alone(key_file, keys):
    assert key_file.stat().st_mode & 0o777 == 0o600
    assert signing.read_private(key_file) == keys["risk-1"].private


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601, 0o610, 0o666])
def test_a_key_that_others_may_touch_is_not_read(key_file, mode):
    os.chmod(key_file, mode)
    with pytest.raises(CaplexError, match=rf"can be read by others \(mode {mode:04o}\).*chmod 600"):
        signing.read_private(key_file)


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_key_that_only_its_owner_touches_is_read(key_file, mode):
    os.chmod(key_file, mode)
    assert signing.read_private(key_file)


def test_a_key_is_never_replaced(key_file, keys):
    with pytest.raises(CaplexError, match="is there already, and a key is never replaced"):
        signing.write_private(key_file, keys["risk-2"].private)
    link = key_file.with_name("link.key")
    link.symlink_to(key_file.with_name("elsewhere.key"))
    with pytest.raises(CaplexError, match="is there already"):
        signing.write_private(link, keys["risk-2"].private)
    assert signing.read_private(key_file) == keys["risk-1"].private


def others() -> dict[str, bytes]:
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric import ed25519, x25519

    key, plain = ed25519.Ed25519PrivateKey.generate(), form.NoEncryption()
    return {
        "no private key in PEM": b"not a key",
        "another kind than ed25519": x25519.X25519PrivateKey.generate().private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, plain),
        "locked with a password": key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.BestAvailableEncryption(b"secret")),
        "no private key": key.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo),
    }


@pytest.mark.parametrize(("said", "content"), others().items())
def test_a_file_that_holds_no_key_of_ours_says_so(tmp_path, said, content):
    path = tmp_path / "odd.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(CaplexError, match=said) as caught:
        signing.read_private(path)
    assert "odd.key" in str(caught.value)


def test_a_key_that_is_not_there_says_so(tmp_path):
    with pytest.raises(CaplexError, match="cannot be read: No such file"):
        signing.signer(tmp_path / "none.key")


# ── without the extra ─────────────────────────────────────────────────────────────────────────────────


def test_without_the_extra_there_is_one_sentence(monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name.partition(".")[0] == "cryptography":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    for attempt in (signing.require, signing.generate, lambda: signing.verify("", b"", "")):
        with pytest.raises(CaplexError) as caught:
            attempt()
        assert str(caught.value) == "signatures want an extra that is not installed: pip install 'caplex[sign]'"


def test_importing_the_module_does_not_import_the_extra():
    program = "import sys, caplex.runtime.roles, caplex.compiler.cli.operators; sys.exit('cryptography' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
