"""The entry gate's variables become settings of its policy, each with the place that it came from."""
from __future__ import annotations

import re
from pathlib import Path

import pytest

import caplex
from caplex.compiler.importing import env
from caplex.compiler.source import Source
from caplex.compiler.tools.settings_file import read_settings

POLICY = Path(__file__).resolve().parents[2] / "examples" / "entry_gate" / "policy.cap"
ALL = {
    "MIN_CONFIDENCE": "0.65", "COOLDOWN_GLOBAL": "30", "COOLDOWN_SYMBOL": "0", "MAX_POSITIONS_TOTAL": "4", "MAX_EXPOSURE_TOTAL": "2500.50",
    "MAX_EXPOSURE_PER_SYMBOL": "250", "MAX_POSITIONS_PER_SYMBOL": "1", "MAX_POSITIONS_PER_REGIME": "2", "ALLOW_SCALE_IN": "False",
    "SCALE_IN_CONFIDENCE_DELTA": "1e-1", "SCALE_IN_MAX_COUNT": "1"}


def values(text: str, prefix: str = "POLICY_") -> dict[str, str]:
    found, wrong = env.read(Source(".env", text), prefix)
    assert not wrong, [each.message for each in wrong]
    return {each.setting: each.value for each in found}


def told(text: str) -> list[tuple[str, int, str, str | None]]:
    wrong = env.read(Source(".env", text))[1]
    assert wrong
    return [(each.code.id, each.span.begin.line, each.message, each.help) for each in wrong if each.span is not None]


def test_every_variable_moves_its_setting() -> None:
    text = "".join(f"POLICY_{name}={value}\n" for name, value in ALL.items())
    found = values(text)
    assert len(found) == len(env.VARIABLES) == 11
    policy = caplex.load(POLICY, settings=dict(found))
    default = caplex.load(POLICY).settings
    assert [name for name in found if policy.settings[name] == default[name]] == []


def test_the_titles_of_the_policy_name_the_variables() -> None:
    named = re.findall(r'^setting (\w+) [^"]*"(POLICY_\w+)"$', POLICY.read_text(encoding="utf-8"), re.M)
    assert {variable: setting for setting, variable in named} == {"POLICY_" + variable: setting for variable, (setting, _) in env.VARIABLES.items()}


def test_the_settings_file_is_one_that_the_policy_takes(tmp_path: Path) -> None:
    source = Source(".env", "# gate\nPOLICY_MAX_EXPOSURE_TOTAL=4000\nexport POLICY_ALLOW_SCALE_IN=TRUE\n")
    found, _ = env.read(source)
    text = env.settings_text(found, source)
    assert "max_exposure: 4000 USDT  # POLICY_MAX_EXPOSURE_TOTAL, line 2\n" in text
    assert "allow_scale_in: true  # POLICY_ALLOW_SCALE_IN, line 3\n" in text
    (tmp_path / "settings.yaml").write_text(text, encoding="utf-8")
    assert caplex.load(POLICY, settings=read_settings(tmp_path / "settings.yaml")).settings["max_exposure"] == 4000


def test_nothing_set_is_an_empty_settings_file(tmp_path: Path) -> None:
    source = Source(".env", "PATH=/bin\n")
    (tmp_path / "settings.yaml").write_text(env.settings_text(env.read(source)[0], source), encoding="utf-8")
    assert read_settings(tmp_path / "settings.yaml") == {}


@pytest.mark.parametrize("line", [
    "POLICY_MIN_CONFIDENCE=0.75", "export POLICY_MIN_CONFIDENCE=0.75", "  POLICY_MIN_CONFIDENCE = 0.750", 'POLICY_MIN_CONFIDENCE="0.75"  # careful',
    "POLICY_MIN_CONFIDENCE='0.75'", "POLICY_MIN_CONFIDENCE=0.75 # careful", "POLICY_MIN_CONFIDENCE=.75\r", "#POLICY_MIN_CONFIDENCE=x\nPOLICY_MIN_CONFIDENCE=7.5e-1",
])
def test_lines_are_read_as_a_shell_reads_them(line: str) -> None:
    assert values(line) == {"min_confidence": "0.75"}


def test_another_prefix() -> None:
    assert values("DESK_MIN_CONFIDENCE=0.8\nPOLICY_MIN_CONFIDENCE=0.1\n", "DESK_") == {"min_confidence": "0.8"}


WRONG = [
    ("MIN_CONFIDENCE=70", "CAP932", "it is a share between 0 and 1", "for 70% write 0.7"),
    ("MIN_CONFIDENCE=70%", "CAP932", "it is a share between 0 and 1", "for 70% write 0.7"),
    ("MIN_CONFIDENCE=1.0000001", "CAP932", "it is a share between 0 and 1", None),
    ("MIN_CONFIDENCE=-0.1", "CAP932", "it is a share between 0 and 1", None),
    ("SCALE_IN_CONFIDENCE_DELTA=inf", "CAP932", "it is a share between 0 and 1", None),
    ("COOLDOWN_GLOBAL=60s", "CAP932", "a whole number of seconds", "the variable counts seconds: write 60"),
    ("COOLDOWN_SYMBOL=-1", "CAP932", "a whole number of seconds", None),
    ("MAX_POSITIONS_TOTAL=3.5", "CAP932", "a whole number, 0 or more", None),
    ("MAX_POSITIONS_TOTAL=1e1", "CAP932", "a whole number, 0 or more", None),
    ("MAX_POSITIONS_TOTAL=", "CAP932", "a whole number, 0 or more", None),
    ("MAX_EXPOSURE_TOTAL=nan", "CAP932", "an amount of USDT", None),
    ("MAX_EXPOSURE_TOTAL=1e999999", "CAP932", "an amount of USDT", None),
    ("MAX_EXPOSURE_PER_SYMBOL=1,000", "CAP932", "an amount of USDT", None),
    ("ALLOW_SCALE_IN=1", "CAP932", "it is true or false", "the original read `1` as false"),
    ("ALLOW_SCALE_IN=yes", "CAP932", "it is true or false", "the original read `yes` as false"),
    ("MIN_CONFIDENSE=0.7", "CAP930", "the entry gate has no `POLICY_MIN_CONFIDENSE`", "did you mean `POLICY_MIN_CONFIDENCE`?"),
    ("WHATEVER=1", "CAP930", "the entry gate has no `POLICY_WHATEVER`", "caplex import env --help"),
    ("MIN_CONFIDENCE 0.7", "CAP934", "this line is no NAME=VALUE", None),
]


@pytest.mark.parametrize(("line", "code", "said", "help_"), WRONG, ids=[each[0] for each in WRONG])
def test_what_cannot_be_used_is_named_with_its_line(line: str, code: str, said: str, help_: str | None) -> None:
    (found,) = told(f"# gate\nPATH=/bin\nPOLICY_{line}\n")
    assert found[:2] == (code, 3)
    assert said in found[2]
    assert help_ is None or help_ in str(found[3])


def test_a_variable_that_stands_twice_is_refused() -> None:
    assert [each[:2] for each in told("POLICY_MIN_CONFIDENCE=0.7\nPOLICY_MIN_CONFIDENCE=0.8\n")] == [("CAP933", 2)]


def test_a_prefix_that_is_misspelt_is_refused() -> None:
    assert [each[3] for each in told("POLCY_MIN_CONFIDENCE=0.7\n")] == ["did you mean `POLICY_MIN_CONFIDENCE`?"]


def test_the_environment_is_read_without_others_variables() -> None:
    source = env.from_environment({"POLICY_MIN_CONFIDENCE": "0.8", "SECRET": "x", "POLICY_ALLOW_SCALE_IN": "true\nPOLICY_X=1"})
    assert "SECRET" not in source.text
    assert [each.message for each in env.read(source)[1]] == ["`POLICY_ALLOW_SCALE_IN` is `true\\nPOLICY_X=1`; it is true or false"]
