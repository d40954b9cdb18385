"""Keys and acts that the tests of this folder share: `keys`, `roles`, and the event of `event()`."""
from __future__ import annotations

from dataclasses import dataclass

import pytest

from caplex.runtime.roles import Roles
from caplex.runtime.signing import generate


@dataclass(frozen=True)
class Pair:
    private: bytes
    public: str


@pytest.fixture(scope="session")
def keys() -> dict[str, Pair]:
    return {name: Pair(*generate()) for name in ("risk-1", "risk-2", "dev-1", "stranger")}


@pytest.fixture
def roles(keys) -> Roles:
    return Roles.read({
        "schema": "caplex.roles/1",
        "people": {
            "risk-1": {"roles": ["risk-officer"], "keys": [keys["risk-1"].public], "not_after": "2027-01-01T00:00:00Z"},
            "risk-2": {"roles": ["risk-officer", "owner"], "keys": [keys["risk-2"].public]},
            "dev-1": {"roles": ["developer"], "keys": [keys["dev-1"].public]},
            "desk-1": {"roles": ["trader"]},
        },
    })


@pytest.fixture
def event() -> dict[str, object]:
    return {"type": "operator", "id": "e-18", "at": "2026-01-05T21:00:02Z", "act": "rearm", "by": "risk-1", "request_id": "RQ-18",
            "target": {"switch": "KILL-010", "scope": {"account": "acct-1"}}, "reason": "data glitch", "ticket": "RISK-501",
            "expires_at": "2026-01-05T22:00:00Z"}
