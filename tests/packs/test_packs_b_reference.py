"""Every decision of the packs' own tests, asked of the reference interpreter too."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from caplex.compiler import reference
from caplex.compiler.testing.run import test as run_tests
from caplex.compiler.testing.timeline import Timeline
from caplex.runtime.decision import Decision
from caplex.runtime.facts import World

ROOT = Path(__file__).resolve().parents[2]
FILES = [*(ROOT / "stdlib_rules" / f"{name}.cap" for name in (
    "ai_agent_treasury", "core_safety", "crypto_perps", "entry_gate", "exposure", "kill_switch", "loss", "market_fitness", "mifid_rts6",
    "order_sanity", "scale_in", "session", "sizing", "strategy", "throttle", "us_equities_15c3_5", "venue")),
    ROOT / "examples" / "desk" / "desk.cap",
    *(ROOT / "examples" / name / "policy.cap" for name in ("agent_treasury", "crypto_desk", "equities_desk"))]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem if path.stem != "policy" else path.parent.name)
def test_the_reference_decides_alike(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = 0
    told = Timeline._decided

    def decided(self: Timeline, decision: Decision, facts: dict[str, Any] | None = None) -> None:
        nonlocal seen
        assert facts is not None
        policy = self.givens.checked.policy
        world = World(self.givens.checked.schema, facts, currency=policy.currency, timezone=policy.timezone, day_start_ns=policy.day_start_ns)
        wanted = reference.rule_on(self.givens.checked, world)
        assert (decision.verdict, decision.quantity) == (wanted.verdict, wanted.quantity), facts
        assert [reason.rule for reason in decision.reasons] == [reason.rule for reason in wanted.reasons], facts
        seen += 1
        told(self, decision, facts)

    monkeypatch.setattr(Timeline, "_decided", decided)
    report = run_tests(path)
    assert report.ok, [run.title for run in report.failed]
    assert seen >= report.passed
