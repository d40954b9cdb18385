"""What a run came to, counted as it goes."""
from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from caplex.runtime.canonical import plain
from caplex.runtime.engine.engine import Engine

SCHEMA: Final = "caplex.summary/1"
VERDICTS: Final = ("ALLOW", "MODIFY", "HOLD", "DENY")


class Tally:
    """Counts. Memory does not grow with the stream: rules and kinds are counted, not kept."""

    def __init__(self) -> None:
        self.events = self.taken_before = self.refused = self.repeats = self.rejected_acts = self.late = 0
        self.verdicts: Counter[str] = Counter()
        self.rules: Counter[str] = Counter()
        self.shadows: Counter[str] = Counter()
        self.flips: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self.orders: Counter[str] = Counter()
        self.tripped: Counter[str] = Counter()

    def decided(self, told: Mapping[str, Any]) -> None:
        if told.get("repeat_of") is not None:
            self.repeats += 1
            return
        self.verdicts[told["verdict"]] += 1
        if told.get("decided_by"):
            self.rules[told["decided_by"]] += 1
        for shadow in told.get("shadows") or ():
            name = shadow["policy"]["name"]
            self.shadows[name] += 1
            self.flips[name] += bool(shadow["flip"])

    def applied(self, told: Mapping[str, Any]) -> None:
        self.repeats += told["status"] == "repeat"
        self.late += told["status"] == "late"
        self.rejected_acts += told["status"] == "rejected"

    def happened(self, kind: str, what: Mapping[str, Any]) -> None:
        self.counts[kind] += 1
        if kind == "trip":
            self.tripped[what["switch"]] += 1

    def executed(self, word: str) -> None:
        self.orders[word] += 1

    def to_dict(self, engine: Engine, run: str | None) -> dict[str, Any]:
        """``caplex.summary/1``."""
        policy, state = engine.policy, engine._machine.state
        return {
            "schema": SCHEMA, "run": run, "policy": {"name": policy.name, "version": policy.version, "hash": policy.hash}, "events": self.events,
            "taken_before": self.taken_before, "refused": self.refused, "repeats": self.repeats, "late": self.late,
            "decisions": {verdict: self.verdicts[verdict] for verdict in VERDICTS},
            "rules": dict(sorted(self.rules.items(), key=lambda each: (-each[1], each[0]))),
            "submitted": self.orders["ORDER_SUBMITTED"], "filled": self.orders["ORDER_FILLED"], "rejected": self.orders["ORDER_REJECTED"],
            "cancelled": self.orders["ORDER_CANCELLED"], "unknown": self.orders["ORDER_UNKNOWN"],
            "tripped": dict(sorted(self.tripped.items())), "rearmed": self.counts["rearmed"], "discrepancies": self.counts["discrepancy"],
            "rejected_acts": self.rejected_acts,
            "shadows": [{"policy": name, "decided": count, "flips": self.flips[name]} for name, count in sorted(self.shadows.items())],
            "switches": [{"id": row["id"], "scope": row["scope"]} for row in engine.switches if row["state"] == "tripped"],
            "positions": [{"account": key[0], "venue": key[1], "symbol": key[2], "quantity": plain(row.quantity)}
                          for key, row in sorted(state.positions.items())],
            "pending": [duty["id"] for duty in engine.pending], "digest": engine.digest,
        }
