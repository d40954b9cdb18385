"""Settings from a YAML file: digits kept, places named, and nothing changed for others who read YAML."""
from __future__ import annotations

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from caplex.compiler.tools.settings_file import read_settings
from caplex.runtime.errors import PolicyError


def written(folder: Path, text: str) -> Path:
    path = folder / "desk.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_number_keeps_its_digits(tmp_path: Path) -> None:
    given = read_settings(written(tmp_path, "max_position: 0.1000000000000000055511151231257827\nwords: 8%\n"))
    assert given == {"max_position": "0.1000000000000000055511151231257827", "words": "8%"}


def test_others_who_read_yaml_still_get_floats(tmp_path: Path) -> None:
    read_settings(written(tmp_path, "max_position: 0.05\n"))
    assert YAML(typ="safe", pure=True).load("x: 1.5") == {"x": 1.5}


@pytest.mark.parametrize(("text", "said"), [
    ("a: 1\na: 2\n", r"desk\.yaml:2: .*duplicate key"),
    ("- a\n", r"desk\.yaml:1: a settings file maps names to values"),
    ("a: [1\n", r"desk\.yaml:\d: "),
])
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(PolicyError, match=said):
        read_settings(written(tmp_path, text))


def test_an_empty_file_sets_nothing(tmp_path: Path) -> None:
    assert read_settings(written(tmp_path, "# nothing yet\n")) == {}
