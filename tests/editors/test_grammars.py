"""What is generated for editors is what is committed, and means what the language means."""
from __future__ import annotations

import json
import re
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from pygments.token import Comment, Error, Keyword, Literal, Name, Number, Operator, String

from caplex.compiler.syntax.tables import Tables
from caplex.compiler.tools import lexer_terms
from caplex.compiler.tools.lexer_pygments import CapLexer

ROOT = Path(__file__).resolve().parents[2]
POLICIES = sorted([*ROOT.glob("stdlib_rules/*.cap"), *ROOT.glob("examples/**/*.cap"), ROOT / "grammar" / "facts.cap"])


@pytest.mark.parametrize("path", lexer_terms.files(ROOT), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_is_committed_is_what_would_be_written(path):
    assert path.read_text(encoding="utf-8") == lexer_terms.files(ROOT)[path], "run `python -m caplex.compiler.tools.lexer_terms`"


def test_every_keyword_of_the_grammar_is_in_one_group():
    terms = lexer_terms.terms()
    groups = [terms.declarations, terms.operators, terms.constants, terms.effects, terms.clauses]
    words = [word for group in groups for word in group]
    assert len(words) == len(set(words))
    assert set(Tables(None).keywords) <= set(words)


def test_a_new_terminal_must_be_given_a_meaning(monkeypatch):
    from caplex.compiler.tools import lexer_terms as module

    class More:
        def __init__(self, builder):
            self.spelling = {**Tables(None).spelling, "HEX": "0x[0-9a-f]+"}

    monkeypatch.setattr(module, "Tables", More)
    module.terms.cache_clear()
    try:
        with pytest.raises(AssertionError, match="HEX is new"):
            module.terms()
    finally:
        module.terms.cache_clear()


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_lexer_reads_every_policy_and_loses_nothing(path):
    text = path.read_text(encoding="utf-8")
    tokens = list(CapLexer(stripnl=False, ensurenl=False).get_tokens(text))
    assert "".join(value for _, value in tokens) == text
    assert [value for kind, value in tokens if kind in Error] == []


@pytest.mark.parametrize(("text", "kind", "value"), [
    ("rule EXP-010 {", Keyword.Declaration, "rule"), ("rule EXP-010 {", Name.Function, "EXP-010"), ("deny when x > 20%", Number.Float, "20%"),
    ("x > 5min", Literal.Date, "5min"), ("a.limit", Name.Attribute, ".limit"), ("x is known", Operator.Word, "is"), ("## doc", String.Doc, "## doc"),
    ("# note", Comment.Single, "# note"), ('because "is {observed:.2}"', String.Interpol, "{"), ('because "is {observed:.2}"', Name, "observed"),
    ('x == "a {b}"', String.Double, "a {b}"), ("x > 5_000 USD", Keyword.Type, "USD"), ("setting s : ratio", Keyword.Type, "ratio"), ("max(a, b)", Name.Builtin, "max"),
])
def test_colours(text, kind, value):
    assert (kind, value) in list(CapLexer().get_tokens(text))


def test_pygments_finds_the_lexer_by_name_and_by_file():
    from pygments.lexers import get_lexer_by_name, get_lexer_for_filename

    known = [each.value for each in entry_points(group="pygments.lexers") if each.name == "caplex"]
    if not known:
        pytest.skip("installed before the entry point was there; install the package again")
    assert known == ["caplex.compiler.tools.lexer_pygments:CapLexer"]
    assert get_lexer_by_name("cap").name == "caplex"
    assert get_lexer_for_filename("desk.cap").name == "caplex"


def test_the_patterns_of_the_grammar_match_what_they_are_for():
    grammar = json.loads((ROOT / "editors" / "textmate" / "cap.tmLanguage.json").read_text(encoding="utf-8"))
    found = {}
    for each in grammar["repository"]["code"]["patterns"]:
        found.setdefault(each.get("name"), []).append(re.compile(each["match"]))
    for scope, text in (("constant.numeric.percent.cap", "8%"), ("constant.numeric.duration.cap", "1h30min"), ("keyword.operator.word.cap", "within"),
                        ("entity.name.function.rule.cap", "sanity.ORD-010"), ("constant.language.cap", "unlimited"), ("keyword.control.cap", "deny")):
        assert any(pattern.fullmatch(text) for pattern in found[scope]), scope
    percent = found["constant.numeric.percent.cap"][0]
    assert percent.findall("within 0%..25% of a.5%") == ["0%", "25%"]
    for text in ("denying", "account.deny", "deny:"):
        assert not any(pattern.search(text) for pattern in found["keyword.control.cap"]), text


def test_the_extension_names_what_is_there():
    folder = ROOT / "editors" / "vscode"
    package = json.loads((folder / "package.json").read_text(encoding="utf-8"))
    contributes = package["contributes"]
    named = [package["main"], contributes["languages"][0]["configuration"], contributes["grammars"][0]["path"], contributes["snippets"][0]["path"]]
    assert [name for name in named if not (folder / name).is_file()] == []
    assert contributes["grammars"][0]["scopeName"] == "source.cap"
    # `caplex init` writes settings for this language, and no other.
    starter = (ROOT / "compiler" / "starter" / "files" / "vscode-settings.json.j2").read_text(encoding="utf-8")
    language = contributes["languages"][0]["id"]
    assert json.loads(starter)["files.associations"] == {"*.cap": language}
    assert {contributes["grammars"][0]["language"], contributes["snippets"][0]["language"]} == {language}
    assert f'language: "{language}"' in (folder / "extension.js").read_text(encoding="utf-8")
    for name in ("language-configuration.json", "snippets.json"):
        assert json.loads((folder / name).read_text(encoding="utf-8"))
    # The server knows these settings by their names.
    assert {"caplex.command", "caplex.facts", "caplex.settings"} == set(contributes["configuration"]["properties"])


def test_snippets_become_items_that_parse():
    from caplex.compiler.source import Source
    from caplex.compiler.syntax.parser import parse

    snippets = json.loads((ROOT / "editors" / "vscode" / "snippets.json").read_text(encoding="utf-8"))
    for name, snippet in snippets.items():
        text = "\n".join(snippet["body"]).replace("\\}", "\x00")
        text = re.sub(r"\$\{\d+\|([^,|]+)[^}]*\}", r"\1", text)
        text = re.sub(r"\$\{\d+:([^}]*)\}", r"\1", text).replace("\x00", "}")
        text = text.replace("$4", "account.day_loss > 1 USD").replace("$5", "it is so")
        _, problems = parse(Source(name, text + "\n"))
        assert problems == [], (name, text)


def test_nothing_of_npm_is_in_the_tree():
    assert [path for path in (ROOT / "editors").rglob("*") if path.name in ("node_modules", "package-lock.json") or path.suffix == ".vsix"] == []


def commands_in(text: str) -> list[list[str]]:
    return [line.split() for line in re.findall(r"(?:entry:|run:) (caplex .*)", text)]


def test_hooks_and_the_action_run_commands_that_are_there(tmp_path):
    from ruamel.yaml import YAML

    from caplex.compiler.cli.main import run

    hooks = YAML(typ="safe").load(ROOT / ".pre-commit-hooks.yaml")
    assert {hook["id"] for hook in hooks} == {"caplex-fmt", "caplex-check", "caplex-lint", "caplex-test"}
    assert all(re.search(hook["files"], "policies/desk.cap") for hook in hooks)
    action = YAML(typ="safe").load(ROOT / "action.yml")
    steps = [step for step in action["runs"]["steps"] if "run" in step]
    assert all(step["shell"] == "bash" for step in steps)
    text = (ROOT / ".pre-commit-hooks.yaml").read_text() + "\n".join(f"run: {step['run']}" for step in steps)
    policy = tmp_path / "desk.cap"
    policy.write_bytes((ROOT / "examples" / "quickstart" / "desk.cap").read_bytes())
    found = commands_in(text)
    assert len(found) == 7
    for command in found:
        arguments = [str(policy) if word in (".", '"$POLICIES"') else word for word in command[1:]]
        status = run([*arguments, *([] if str(policy) in arguments else [str(policy)])])
        assert status in (0, 1), command
