"""`caplex check --expand`: nothing in force is invisible."""
from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import caplex
from caplex.compiler import driver
from caplex.compiler.cli.main import run
from caplex.compiler.tools.expanded import expand

ROOT = Path(__file__).resolve().parents[2]
POLICIES = sorted(path for path in (ROOT / "examples").glob("*/*.cap")
                  if not path.stem.endswith("_test") and re.search(r"^policy\b", path.read_text(encoding="utf-8"), re.M))


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_rule_and_setting_of_a_policy_is_there(path: Path) -> None:
    checked, _ = driver.check_path(path)
    assert checked is not None
    text = expand(checked)
    plan = caplex.load(path).plan
    heads = re.findall(r"^(?:rule|limit|throttle|cooldown|kill switch) (\S+)", text, re.M)
    assert heads == [rule.id for rule in plan.rules if rule.id.partition("-")[0] not in ("SYS", "SIZE")]
    assert set(re.findall(r"^setting (\S+) :", text, re.M)) == set(checked.settings)
    assert set(re.findall(r"^waiver (\S+)", text, re.M)) == set(checked.waivers)
    assert set(re.findall(r"^size (\S+)", text, re.M)) == {size.id for size in checked.sizes}


def test_names_of_an_import_are_qualified_wherever_they_stand() -> None:
    checked, _ = driver.check_path(ROOT / "examples" / "desk" / "desk.cap", settings={"max_position": "6%"})
    assert checked is not None
    text = expand(checked)
    assert "abs(after.position.notional) at most book.max_position of account.equity  else reduce" in text
    assert "{book.max_position} of equity allows {allowed}" in text
    assert "trip when rate.EXEC-130 violated" in text
    assert "let loss.tier_scale = if account.drawdown >= loss.tier_two then loss.tier_two_scale else loss.tier_one_scale" in text
    assert re.search(r"^setting book.max_position : ratio = 6%  # as imported; .*exposure.cap:\d+\n  tighten for strategy \"scalper\" = 4%$", text, re.M)
    assert re.search(r"^setting max_position : ratio = 6%  # from settings; ", text, re.M)


def test_from_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    desk = str(ROOT / "examples" / "desk" / "desk.cap")
    assert run(["check", "--expand", desk]) == 0
    shown = capsys.readouterr()
    assert "limit book.EXP-130" in shown.out
    assert shown.err.startswith("1 policy checked")
    assert run(["check", "--expand", desk, str(ROOT / "stdlib_rules" / "loss.cap"), "--format", "json"]) == 0
    (expanded,) = json.loads(capsys.readouterr().out)["expanded"]
    assert expanded["file"] == desk
    assert expanded["text"] in shown.out + "\n"
