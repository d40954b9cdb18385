"""caplex: the language and engine for rules about capital. This face only hands names on.

Names are imported when they are first used, so that a host which loads a compiled policy never imports the parser.
"""
from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

# In a checkout the folders stand beside this one; in a wheel they lie inside.
_root = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
if os.path.isfile(os.path.join(_root, "pyproject.toml")) and os.path.isdir(os.path.join(_root, "stdlib_rules")):
    __path__.insert(0, _root)

from caplex.version import __version__  # noqa: E402 - the path must be right first

if TYPE_CHECKING:
    from caplex.compiler.formatting.format import format_text
    from caplex.compiler.lint.run import lint
    from caplex.compiler.loading import check, check_text, compile_text, load, loads
    from caplex.compiler.sealed import seal
    from caplex.compiler.testing.run import test
    from caplex.compiler.tools.bench import bench
    from caplex.compiler.tools.diagram.build import graph
    from caplex.compiler.tools.document.build import document
    from caplex.compiler.tools.replays import replay_many
    from caplex.runtime.allocation.result import Allocation
    from caplex.runtime.decision import Decision
    from caplex.runtime.engine.engine import Engine, Outcome
    from caplex.runtime.errors import CaplexError, EventError, JournalError, PolicyError, StaleDecision
    from caplex.runtime.facts import Facts
    from caplex.runtime.policy import Policy
    from caplex.runtime.ruling import Verdict
    from caplex.runtime.venue import Snapshot

_HOMES = {
    "Allocation": "caplex.runtime.allocation.result",
    "bench": "caplex.compiler.tools.bench",
    **dict.fromkeys(("check", "check_text", "compile_text", "load", "loads"), "caplex.compiler.loading"),
    **dict.fromkeys(("CaplexError", "EventError", "JournalError", "PolicyError", "StaleDecision"), "caplex.runtime.errors"),
    "Decision": "caplex.runtime.decision",
    **dict.fromkeys(("Engine", "Outcome"), "caplex.runtime.engine.engine"),
    "Facts": "caplex.runtime.facts",
    "Policy": "caplex.runtime.policy",
    "Snapshot": "caplex.runtime.venue",
    "Verdict": "caplex.runtime.ruling",
    "document": "caplex.compiler.tools.document.build",
    "format_text": "caplex.compiler.formatting.format",
    "graph": "caplex.compiler.tools.diagram.build",
    "lint": "caplex.compiler.lint.run",
    "replay_many": "caplex.compiler.tools.replays",
    "seal": "caplex.compiler.sealed",
    "test": "caplex.compiler.testing.run",
}

__all__ = [
    "Allocation", "CaplexError", "Decision", "Engine", "EventError", "Facts", "JournalError", "Outcome", "Policy", "PolicyError", "Snapshot", "StaleDecision", "Verdict",
    "__version__", "bench", "check", "check_text", "compile_text", "document", "format_text", "graph", "lint", "load", "loads", "replay_many", "seal", "test",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'caplex' has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
