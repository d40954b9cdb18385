"""What programs read: JSON, SARIF 2.1.0, JUnit, GitHub; and what a person sees at the end."""
from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as xml

import pytest

from tests.lint.conftest import HEADER

Caplex = Callable[..., tuple[int, str, str]]
TEXT = (HEADER.format(closing="closing skips LOSS, EXEC, EXP", more="overrides tightest wins")
        + 'limit EXP-010 { after.portfolio.gross at most 500% of account.equity else deny }\n'
        + "# caplex: ignore no-title because é <&> \"ids\" are enough\n"
        + 'limit EXP-020 { after.portfolio.gross at most 6x of account.equity else warn }\n')

# The part of SARIF 2.1.0 that is used, from the standard (OASIS, 2020): what an object must and may have, and of which type.
# "a?" is optional, [..] a list, "a|b" one of these words, a dict an object that may hold nothing else.
REGION = {"startLine": 1, "startColumn": 1, "endLine?": 1, "endColumn?": 1}
ARTIFACT = {"uri": "uri"}
LOCATION = {"id?": 0, "message?": {"text": "text"}, "physicalLocation": {"artifactLocation": ARTIFACT, "region?": REGION}}
RESULT = {
    "ruleId": "text", "ruleIndex": 0, "level": "none|note|warning|error", "message": {"text": "text"}, "locations": [LOCATION], "relatedLocations?": [LOCATION],
    "fixes?": [{"description": {"text": "text"},
                "artifactChanges": [{"artifactLocation": ARTIFACT, "replacements": [{"deletedRegion": REGION, "insertedContent?": {"text": "text"}}]}]}],
    "suppressions?": [{"kind": "inSource|external", "status": "accepted|underReview|rejected", "justification": "text", "location?": LOCATION}],
}
RULE = {
    "id": "text", "name": "text", "shortDescription": {"text": "text"}, "fullDescription": {"text": "text"}, "help": {"text": "text", "markdown?": "text"},
    "defaultConfiguration": {"level": "none|note|warning|error"}, "properties?": {"tags": ["text"]},
}
SARIF = {
    "$schema": "uri", "version": "2.1.0", "runs": [{
        "tool": {"driver": {"name": "text", "version": "text", "semanticVersion": "text", "rules": [RULE]}},
        "columnKind": "utf16CodeUnits|unicodeCodePoints", "results": [RESULT]}],
}


def misfits(value: Any, shape: Any, path: str = "$") -> list[str]:
    """Where *value* is not what *shape* says."""
    if isinstance(shape, Mapping):
        if not isinstance(value, dict):
            return [f"{path}: no object"]
        known = {key.rstrip("?"): (key.endswith("?"), each) for key, each in shape.items()}
        found = [f"{path}.{key}: not known" for key in value if key not in known]
        found += [f"{path}.{key}: missing" for key, (optional, _) in known.items() if not optional and key not in value]
        return found + [problem for key, each in value.items() if key in known for problem in misfits(each, known[key][1], f"{path}.{key}")]
    if isinstance(shape, list):
        if not isinstance(value, list):
            return [f"{path}: no list"]
        return [problem for number, each in enumerate(value) for problem in misfits(each, shape[0], f"{path}[{number}]")]
    if isinstance(shape, int):
        return [] if isinstance(value, int) and not isinstance(value, bool) and value >= shape else [f"{path}: no number from {shape} on"]
    if not isinstance(value, str):
        return [f"{path}: no text"]
    if shape == "uri":
        return [] if re.fullmatch(r"[A-Za-z0-9._~:/?#@!$&'()*+,;=%-]+", value) else [f"{path}: no URI"]
    if "|" in shape or shape == "2.1.0":
        return [] if value in shape.split("|") else [f"{path}: {value} is none of {shape}"]
    return [] if value else [f"{path}: empty"] if not path.endswith("insertedContent.text") else []


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    path = tmp_path / "my desk.cap"
    path.write_text(TEXT, encoding="utf-8")
    return path


def sarif(caplex: Caplex, *paths: object) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(caplex("lint", *paths, "--format", "sarif")[1])
    return found


def test_sarif_is_what_the_standard_says(desk: Path, caplex: Caplex) -> None:
    found = sarif(caplex, "my desk.cap")
    assert misfits(found, SARIF) == []
    run = found["runs"][0]
    rules = run["tool"]["driver"]["rules"]
    assert [(result["ruleId"], result["level"]) for result in run["results"]] == [
        ("CAP741", "note"), ("CAP701", "warning"), ("CAP704", "warning"), ("CAP741", "note")]
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in run["results"])
    assert len({rule["id"] for rule in rules}) == len(rules) == 3
    assert run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "my%20desk.cap"


def test_sarif_tells_fixes_suppressions_and_help(desk: Path, caplex: Caplex) -> None:
    run = sarif(caplex, "my desk.cap")["runs"][0]
    fix = run["results"][1]["fixes"][0]["artifactChanges"][0]["replacements"][0]
    assert fix == {"deletedRegion": {"startLine": 2, "startColumn": 47, "endLine": 2, "endColumn": 51}, "insertedContent": {"text": "5x"}}
    assert run["results"][2]["relatedLocations"][0]["physicalLocation"]["region"]["startLine"] == 2
    assert [result.get("suppressions", [{}])[0].get("justification") for result in run["results"]] == [None, None, None, 'é <&> "ids" are enough']
    help_ = run["tool"]["driver"]["rules"][0]["help"]
    assert "Avoid:" in help_["text"]
    assert "```cap" in help_["markdown"]


def test_sarif_of_nothing_and_of_no_file(tmp_path: Path, caplex: Caplex) -> None:
    (tmp_path / "ok.cap").write_text(HEADER.format(closing="closing faces every rule", more="") + 'rule ORD-010 "P" { deny when market.price < 5 USD }', encoding="utf-8")
    found = sarif(caplex, "ok.cap")
    assert misfits(found, SARIF) == []
    assert found["runs"][0]["results"] == []
    status, shown, _ = caplex("lint", "nowhere.cap", "--format", "sarif")
    assert status == 2
    assert misfits(json.loads(shown), SARIF) == []


def test_the_schema_can_fail() -> None:
    assert misfits({"version": "2.1.0"}, SARIF) == ["$.$schema: missing", "$.runs: missing"]
    assert misfits([{"startLine": 0, "startColumn": 1, "x": 2}], [REGION]) == ["$[0].x: not known", "$[0].startLine: no number from 1 on"]
    assert misfits({"uri": "a b"}, ARTIFACT) == ["$.uri: no URI"]
    assert misfits("bad", "note|error") == ["$: bad is none of note|error"]


def test_json(desk: Path, caplex: Caplex) -> None:
    status, shown, told = caplex("lint", "my desk.cap", "--format", "json")
    found = json.loads(shown)
    assert (status, told) == (1, "")
    assert list(found) == ["schema", "diagnostics", "summary", "files", "suppressed", "fixed", "failing"]
    assert found["schema"] == "caplex.lint/1"
    assert [each["code"] for each in found["diagnostics"]] == ["CAP741", "CAP701", "CAP704"]
    assert found["diagnostics"][1]["fix"] == {"title": "write 5x", "safe": True, "edits": [
        {"source": {"file": "my desk.cap", "line": 2, "column": 47, "end_line": 2, "end_column": 51}, "text": "5x"}]}
    assert found["suppressed"][0]["reason"] == 'é <&> "ids" are enough'
    assert (found["summary"], found["failing"]) == ({"error": 0, "warning": 2, "note": 1}, 2)


def test_junit(desk: Path, tmp_path: Path, caplex: Caplex) -> None:
    (tmp_path / "ok.cap").write_text(HEADER.format(closing="closing faces every rule", more="") + 'rule ORD-010 "P" { deny when market.price < 5 USD }', encoding="utf-8")
    status, shown, _ = caplex("lint", "my desk.cap", "ok.cap", "--format", "junit")
    root = xml.fromstring(shown.encode())
    assert status == 1
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("4", "2", "0")
    assert [(suite.get("name"), suite.get("tests"), suite.get("failures")) for suite in root] == [("my desk.cap", "3", "2"), ("ok.cap", "1", "0")]
    cases = root.findall("./testsuite/testcase")
    assert [case.get("name") for case in cases] == ["CAP741 no-title, line 2", "CAP701 above-the-whole, line 2", "CAP704 shadowed-rule, line 4", "no findings"]
    failure = cases[1].find("failure")
    assert failure is not None
    assert failure.get("type") == "CAP701"
    assert "500%" in (failure.text or "")


def test_github(desk: Path, caplex: Caplex) -> None:
    lines = caplex("lint", "my desk.cap", "--format", "github")[1].splitlines()
    assert [line.partition(" ")[0] for line in lines] == ["::notice", "::warning", "::warning"]
    assert lines[1].startswith("::warning file=my desk.cap,line=2,col=47,endLine=2,endColumn=51,title=CAP701 above-the-whole::")


def test_text(desk: Path, caplex: Caplex) -> None:
    status, shown, told = caplex("lint", "my desk.cap")
    assert status == 1
    assert "warning[CAP701]: a share above the whole\n --> my desk.cap:2:47" in shown
    assert told == "\n1 policy linted: 2 warnings, 1 note; 1 silenced\n`--fix` mends 1\n"


def test_a_folder_and_files_that_cannot_be_read(desk: Path, tmp_path: Path, caplex: Caplex) -> None:
    (tmp_path / "desk_test.cap").write_text("", encoding="utf-8")
    assert caplex("lint", tmp_path, "--select", "CAP701")[0] == 1
    assert caplex("lint", tmp_path / "nowhere.cap")[0] == 2
    (tmp_path / "empty").mkdir()
    assert caplex("lint", tmp_path / "empty")[0] == 2
    assert caplex("lint")[0] == 2
