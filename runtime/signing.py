"""Signatures: ed25519 keys, operator acts, and heads of journals.

The one module that knows `cryptography`, which is the extra ``caplex[sign]`` and is imported when a signature is wanted.
Keys and signatures are texts, ``ed25519:`` and base64; a private key is a PEM file (PKCS 8) that only its owner may read.
"""
from __future__ import annotations

import base64
import binascii
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from caplex.runtime.canonical import NotCanonical, canonical_bytes
from caplex.runtime.errors import CaplexError

PREFIX: Final = "ed25519:"
HEAD: Final = b"caplex.head/1\n"
"""Stands before the bytes of a journal's head, so that no signature of a head is one of an act, which begins with ``{``."""
_KEY_BYTES, _SIGNATURE_BYTES = 32, 64
_PRIME: Final = 2**255 - 19
# The points of small order, by their y: "signatures" under such a key fit every message.
_EIGHTH: Final = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
WEAK: Final = frozenset({0, 1, _PRIME - 1, _EIGHTH, _PRIME - _EIGHTH})


def require() -> None:
    """Ask for the extra before the first signature comes.

    Raises:
        CaplexError: it is not installed; the message is the command that installs it.
    """
    _library()


def generate() -> tuple[bytes, str]:
    """A new key: the private half as PEM, the public one as text."""
    _, ed25519, serialization = _library()
    private = ed25519.Ed25519PrivateKey.generate()
    pem: bytes = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem, public_of(pem)


def public_of(private: bytes) -> str:
    """The public half of the PEM *private*. Raises CaplexError."""
    return _text(_private(private).public_key().public_bytes_raw())


def sign(private: bytes, data: bytes) -> str:
    """The signature of *data* under the PEM *private*, as text. Raises CaplexError."""
    return _text(_private(private).sign(data))


def verify(public: str, data: bytes, signature: str) -> bool:
    """Is *signature* one of *data* under *public*? What is malformed is none. Raises CaplexError without the extra."""
    key, signed = key_bytes(public), _decoded(signature, _SIGNATURE_BYTES)
    exceptions, ed25519, _ = _library()
    if key is None or signed is None:
        return False
    try:
        ed25519.Ed25519PublicKey.from_public_bytes(key).verify(signed, data)
    except exceptions.InvalidSignature:
        return False
    except ValueError:  # 32 bytes that are no point of the curve
        return False
    return True


def key_bytes(public: str) -> bytes | None:
    """The 32 bytes of a public key; None if *public* is none, not written the one way, or weak."""
    key = _decoded(public, _KEY_BYTES)
    if key is None:
        return None
    height = int.from_bytes(key, "little") & (2**255 - 1)
    return None if height >= _PRIME or height in WEAK else key


# ── acts ──────────────────────────────────────────────────────────────────────────────────────────────


def signed_bytes(event: Mapping[str, Any]) -> bytes:
    """What a signature of *event* is about: its canonical JSON without ``signature``. Raises NotCanonical."""
    return canonical_bytes({key: value for key, value in event.items() if key != "signature"})


def sign_event(event: Mapping[str, Any], private: bytes) -> dict[str, Any]:
    """*event* with its signature, which replaces one that is there.

    Raises:
        CaplexError: no such key, or content that has no canonical form.
    """
    try:
        data = signed_bytes(event)
    except NotCanonical as error:
        raise CaplexError(f"the event has no canonical form and cannot be signed: {error}") from None
    return {**{key: value for key, value in event.items() if key != "signature"}, "signature": sign(private, data)}


# ── heads of journals ─────────────────────────────────────────────────────────────────────────────────


def signer(path: str | Path) -> Callable[[bytes], Mapping[str, str]]:
    """Signs heads with the private key in the file *path*; `keyid` is the public key. Raises CaplexError at once."""
    private = read_private(path)
    keyid, key = public_of(private), _private(private)

    def signed(head: bytes) -> Mapping[str, str]:
        return {"keyid": keyid, "sig": _text(key.sign(HEAD + head))}

    return signed


def checker(keys: Iterable[str]) -> Callable[[bytes, Mapping[str, Any]], bool]:
    """Is a head signed by one of *keys*, which are public? A key that the signature brings along is not believed.

    Raises:
        CaplexError: one of *keys* is none.
    """
    known = tuple(keys)
    for key in known:
        if key_bytes(key) is None:
            raise CaplexError(f"`{shown(key)}` is no public key; one is `{PREFIX}` and 44 characters, as `caplex keys new` prints it")
    require()

    def checked(head: bytes, signature: Mapping[str, Any]) -> bool:
        keyid, signed = signature.get("keyid"), signature.get("sig")
        return isinstance(keyid, str) and isinstance(signed, str) and keyid in known and verify(keyid, HEAD + head, signed)

    return checked


# ── files of keys ─────────────────────────────────────────────────────────────────────────────────────


def write_private(path: str | Path, private: bytes) -> None:
    """*private* into a new file that only its owner may read; a file that is there is never replaced.

    Raises:
        CaplexError: a file is there, or it cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise CaplexError(f"`{path}` is there already, and a key is never replaced; choose another name, or move it away") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(private)
        file.flush()
        os.fsync(file.fileno())


def read_private(path: str | Path) -> bytes:
    """The PEM of the private key in the file *path*.

    Raises:
        CaplexError: it cannot be read, others may read it, or it holds no private ed25519 key.
    """
    try:
        with open(path, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            private = file.read(65_536)
    except OSError as error:
        raise CaplexError(f"`{path}` cannot be read: {error.strerror or type(error).__name__}") from None
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        raise CaplexError(f"`{path}` can be read by others (mode {stat.S_IMODE(mode):04o}), so it proves nothing; `chmod 600 {path}`, "
                          "or make a new key if others had a chance to read it")
    try:
        _private(private)
    except CaplexError as error:
        raise CaplexError(f"`{path}`: {error}") from None
    return private


def _private(pem: bytes) -> Any:
    _, ed25519, serialization = _library()
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except TypeError:
        raise CaplexError("the key is locked with a password; keep it as it was made, `caplex keys new` makes one") from None
    except ValueError:
        raise CaplexError("no private key in PEM; `caplex keys new` makes one") from None
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise CaplexError("a private key of another kind than ed25519; `caplex keys new` makes one")
    return key


def shown(text: object, most: int = 60) -> str:
    """*text* short enough for a sentence, and on one line."""
    printed = "".join(each if each.isprintable() else "�" for each in str(text)[: most + 1])
    return printed if len(printed) <= most else printed[: most - 1] + "…"


def _text(data: bytes) -> str:
    return PREFIX + base64.b64encode(data).decode("ascii")


def _decoded(text: str, size: int) -> bytes | None:
    """The bytes of ``ed25519:`` and base64; None unless they are *size* and written the one way."""
    if not isinstance(text, str) or not text.startswith(PREFIX) or len(text) > 200:
        return None
    written = text.removeprefix(PREFIX)
    try:
        data = base64.b64decode(written, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if len(data) == size and base64.b64encode(data).decode("ascii") == written else None


def _library() -> tuple[Any, Any, Any]:
    try:
        from cryptography import exceptions
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError:
        raise CaplexError("signatures want an extra that is not installed: pip install 'caplex[sign]'") from None
    return exceptions, ed25519, serialization
