"""PolicyGate's YAML becomes a policy that says the same; its comments stay, and what is wrong is told with its place."""
from __future__ import annotations

import copy
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

import caplex
from caplex.compiler.diagnostics.diagnostic import Diagnostic
from caplex.compiler.importing import policygate
from caplex.compiler.source import Source

CASES = Path(__file__).resolve().parents[1] / "conformance" / "policygate"
DESK = """\
# Equity desk, approved 2026-01-12.
version: '0.1'
timezone: America/New_York   # the desk's day
defaults:
  mode: enforce
limits:
  # Lowered after March.
  exposure:
    max_position_pct: 0.08  # was 0.10
    max_gross_exposure_x: 2.0
  loss:
    daily_loss_limit_pct: 0.02
    max_drawdown_pct: 0.05
  execution: {max_orders_per_minute_global: 20, max_orders_per_minute_by_strategy: 10}
  kill_switch:
    # what trips it
    trip_on_rules:
    - LOSS-002  # drawdown
    - SYS-001
    trip_after_n_violations: 3
    violation_window_seconds: 300
overrides:
  symbols:
    # thin
    "RRC#1":
      loss: {daily_loss_limit_pct: 0.01, max_drawdown_pct: 0.02}
# reviewed quarterly
"""


def text_of(yaml: str) -> str:
    imported, wrong = policygate.read(Source("policy.yaml", yaml))
    assert imported is not None, [each.message for each in wrong]
    return policygate.policy_text(imported)


def wrong_in(yaml: str) -> list[Diagnostic]:
    imported, wrong = policygate.read(Source("policy.yaml", yaml))
    assert imported is None
    return wrong


def lines(text: str) -> list[str]:
    """Each line, whatever stands in columns."""
    return [" ".join(line.split()) for line in text.splitlines()]


class TestWhatItSays:
    def test_limits_and_overrides_stand_in_the_policy(self) -> None:
        policy = caplex.loads(text_of(DESK))
        assert policy.settings["max_position"] == Decimal("0.08")
        assert 'set for symbol "RRC#1" = 0.01' in lines(text_of(DESK))
        assert any(line.startswith("setting max_net : ratio = unlimited") for line in lines(text_of(DESK)))

    def test_every_recorded_configuration_says_what_it_says_as_a_document(self) -> None:
        base = json.loads((CASES / "base.json").read_text(encoding="utf-8"))["policy"]
        seen = 0
        for path in sorted(CASES.glob("*.jsonl")):
            for line in path.read_text(encoding="utf-8").splitlines():
                case = json.loads(line, parse_float=Decimal)
                config = merge(json.loads(json.dumps(base), parse_float=Decimal), case.get("given", {}).get("policy", {}))
                if "kind" in case or '"$f"' in line:
                    continue
                wanted = policygate.policy_text(policygate.Imported(config))
                assert text_of(as_yaml(config)) == wanted, case["name"]
                seen += 1
        assert seen > 200

    def test_a_file_that_it_accepted_is_taken_and_one_that_it_refused_is_not(self) -> None:
        """But for truths and misspelt rules, which it took: there is a test for each."""
        for line in (CASES / "contracts.jsonl").read_text(encoding="utf-8").splitlines():
            case = json.loads(line)
            if case["kind"] != "policy_load":
                continue
            imported, wrong = policygate.read(Source("policy.yaml", case["input"]["yaml"]))
            accepted = any(each.get("ok") for each in case["accept"])
            stricter = {"it is a time zone", "PolicyGate has no `", "is `true`", "is `True`"}
            if accepted and imported is None:
                assert all(any(word in each.message for word in stricter) for each in wrong), (case["name"], [each.message for each in wrong])
            else:
                assert (imported is not None) is accepted, (case["name"], [each.message for each in wrong])


class TestComments:
    def test_one_beside_a_key_stays_beside_it(self) -> None:
        assert 'setting max_position : ratio = 0.08 "Largest share of equity in one symbol" # was 0.10' in lines(text_of(DESK))
        assert 'timezone "America/New_York" # the desk\'s day' in lines(text_of(DESK))
        assert "trip when LOSS-002 violated # drawdown" in lines(text_of(DESK))

    @pytest.mark.parametrize(("comment", "below"), [
        ("# Equity desk, approved 2026-01-12.", 'version "0.1"'),
        ("# Lowered after March.", "setting max_position : ratio = 0.08"),
        ("# what trips it", "trip when LOSS-002 violated"),
        ("# thin", 'set for symbol "RRC#1" = 0.01'),
    ])
    def test_one_above_a_key_stands_above_what_it_became(self, comment: str, below: str) -> None:
        said = lines(text_of(DESK))
        assert said[said.index(comment) + 1].startswith(below)

    def test_the_last_one_is_the_last(self) -> None:
        assert lines(text_of(DESK))[-1] == "# reviewed quarterly"

    def test_none_is_lost(self) -> None:
        assert sum(line.count("#") for line in DESK.splitlines()) - 1 == sum(
            text_of(DESK).count(comment) for comment in ("# Equity", "# the desk", "# Lowered", "# was", "# what", "# drawdown", "# thin", "# reviewed"))

    def test_a_mark_within_a_name_is_no_comment(self) -> None:
        text = text_of(DESK.replace("RRC#1", "RRC #1: thin"))
        assert text.count("1: thin") == 2  # a name of two overrides, and no comment
        assert 'set for symbol "RRC #1: thin" = 0.01' in lines(text)

    def test_one_above_a_line_of_several_keys_goes_with_the_first(self) -> None:
        whole = "exposure: {max_position_pct: 0.02, max_gross_exposure_x: 2, max_net_exposure_x: 1}"
        said = lines(text_of(DESK.replace("loss: {daily_loss_limit_pct: 0.01, max_drawdown_pct: 0.02}", whole)))
        assert said[said.index("# thin") + 1] == 'set for symbol "RRC#1" = 0.02'

    def test_one_cannot_become_documentation_or_end_its_line(self) -> None:
        text = text_of(DESK.replace("# was 0.10", "## was \u202e0.10\t\u2066x"))
        assert "  # was ?0.10 ?x\n" in text
        caplex.loads(text)


WRONG = [
    ("max_position_pct: 0.08", "max_position_pct: 8", "CAP932", 9, "it is a share of equity, above 0 and at most 1", "for 8% write 0.08"),
    ("max_position_pct: 0.08", "max_position_pct: 8%", "CAP932", 9, "`max_position_pct` is `8%`", "for 8% write 0.08"),
    ("max_position_pct: 0.08", "max_position_pct: .nan", "CAP932", 9, "`.nan`", None),
    ("max_position_pct: 0.08", "max_position_pct: true", "CAP932", 9, "`true`", None),
    ("max_position_pct: 0.08", "max_position_pct: [0.1]", "CAP932", 9, "`a list`", None),
    ("max_position_pct: 0.08", "max_positon_pct: 0.08", "CAP930", 9, "`limits.exposure` has no `max_positon_pct`", "did you mean `max_position_pct`?"),
    ("max_position_pct: 0.08", "max_position_pct: 0.1\n    max_position_pct: 0.5", "CAP933", 10, "`max_position_pct` stands twice", "leave out"),
    ("    max_drawdown_pct: 0.05\n", "", "CAP931", 12, "`limits.loss` has no `max_drawdown_pct`", "PolicyGate requires it"),
    ("max_orders_per_minute_global: 20", "max_orders_per_minute_global: 2.5", "CAP932", 14, "a whole number of orders", None),
    ("violation_window_seconds: 300", "violation_window_seconds: 5min", "CAP932", 21, "it is a whole number, 1 or more", None),
    ("- SYS-001", "- LOSS-02", "CAP930", 19, "PolicyGate has no `LOSS-02`", "did you mean `LOSS-002`?"),
    ("version: '0.1'", "version: 0.1", "CAP932", 2, "`version` is `0.1`", "put quotes around it: `'0.1'`"),
    ("version: '0.1'", "version: '0.2'", "CAP932", 2, "it is `0.1`", None),
    ("America/New_York", "America/New_Yrok", "CAP932", 3, "it is a time zone", None),
    ("America/New_York", "../zones", "CAP932", 3, "it is a time zone", None),
    ("mode: enforce", "mode: enforced", "CAP932", 5, "it is `enforce` or `monitor`", None),
    ("loss: {daily_loss_limit_pct: 0.01, ", "loss: {", "CAP931", 26, "`overrides.symbols.RRC#1.loss` has no `daily_loss_limit_pct`", None),
    ("version: '0.1'", "version: ['0.1'", "CAP934", 3, "this is no YAML", None),
    ("version: '0.1'", "\tversion: '0.1'", "CAP934", 2, "this is no YAML", None),
    ("version: '0.1'", "version: *nobody", "CAP934", 2, "this is no YAML", None),
]


@pytest.mark.parametrize(("old", "new", "code", "line", "said", "help_"), WRONG, ids=[f"{each[1].strip() or each[0].strip()}" for each in WRONG])
def test_what_cannot_be_used_is_named_with_its_line(old: str, new: str, code: str, line: int, said: str, help_: str | None) -> None:
    assert DESK.count(old) == 1
    first = wrong_in(DESK.replace(old, new))[0]
    assert first.span is not None
    assert (first.code.id, first.span.begin.line) == (code, line)
    assert said in first.message
    assert help_ is None or help_ in str(first.help)


def test_everything_that_is_wrong_is_told_at_once() -> None:
    broken = DESK.replace("0.08", "8").replace("max_drawdown_pct: 0.05", "max_drawdwn_pct: 0.05").replace("SYS-001", "SYS-1")
    assert [each.code.id for each in wrong_in(broken)] == ["CAP932", "CAP930", "CAP930"]


def test_a_merge_is_told_to_be_written_out() -> None:
    (found,) = wrong_in(DESK.replace("defaults:", "defaults: &d").replace("  loss:\n    daily_loss_limit_pct: 0.02\n    max_drawdown_pct: 0.05\n", "  loss:\n    <<: *d\n"))
    assert (found.code.id, found.message) == ("CAP930", "`limits.loss` takes over keys by `<<`")
    assert found.help == "write them out: what a limit is must be seen where it stands"


@pytest.mark.parametrize("text", ["[" * 3_000, "", "- a\n", "a", "{", "\x00", "a: &b [*b]\n"])
def test_what_is_no_configuration_is_refused(text: str) -> None:
    assert wrong_in(text)


def test_what_has_no_effect_is_warned_about() -> None:
    imported, told = policygate.read(Source("policy.yaml", DESK.replace("mode: enforce", "mode: enforce\n  decision: allow")))
    assert imported is not None
    assert [(each.code.id, each.is_error) for each in told] == [("CAP935", False)]


def merge(base: Any, given: Any) -> Any:
    if not isinstance(base, dict) or not isinstance(given, dict):
        return given
    return {key: merge(base[key], given[key]) if key in base and key in given else given.get(key, base.get(key)) for key in {**base, **given}}


def as_yaml(config: Any) -> str:
    """The document as its author would have written it: YAML in blocks, numbers with their digits."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(each) for key, each in value.items()}
        return [plain(each) for each in value] if isinstance(value, list) else value

    yaml, text = YAML(typ="safe", pure=True), io.StringIO()
    yaml.representer.add_representer(Decimal, lambda representer, value: representer.represent_scalar("tag:yaml.org,2002:float", str(value)))
    yaml.default_flow_style = False
    yaml.dump(plain(copy.deepcopy(config)), text)
    return text.getvalue()
