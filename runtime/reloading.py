"""Policies that take over in the middle of a stream: a line that names a file, or a file that has changed.

One that does not compile, or may not take over, is told with its reason and noted in the journal; the present one stays.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from caplex.runtime.engine.engine import Engine
from caplex.runtime.errors import CaplexError, EventError
from caplex.runtime.policy import Policy
from caplex.runtime.roles import Refusal

Load = Callable[[str], Policy]
"""Compiles the policy of a path."""
SCHEMA: Final = "caplex.activation/1"


def take_over(engine: Engine, act: Mapping[str, Any], path: str, load: Load, *, changed: bool = False) -> dict[str, Any] | None:
    """Let the policy of *path* take over because of *act*; what came of it, as it is told.

    *changed*: only if it is another one than the present; else nothing happens, and None is told.

    Raises:
        JournalError: it could not be written.
    """
    told: dict[str, Any] = {"schema": SCHEMA, "at": act["at"], "path": path, "by": act.get("by")}
    try:
        policy = load(path)
    except CaplexError as error:
        lines = str(error).strip().splitlines() or ["it does not compile"]
        engine.refuse_activation(act, Refusal("does_not_compile", lines[0]))
        return {**told, "status": "refused", "message": f"`{path}` does not compile: {lines[0]}"}
    if changed and (policy.hash, policy.settings_hash) == (engine.policy.hash, engine.policy.settings_hash):
        return None
    told["policy"] = {"name": policy.name, "version": policy.version, "hash": policy.hash}
    try:
        outcome = engine.activate(policy, by=str(act.get("by")), act=act)
    except EventError as error:
        return {**told, "status": "refused", "code": error.code, "message": str(error)}
    return {**told, "status": "activated", "by": outcome.by, "how": outcome.how}
