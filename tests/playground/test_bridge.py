"""What the playground's page asks of Python: the answers of the command line, and nothing that a browser lacks."""
from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import caplex

ROOT = Path(__file__).resolve().parents[2]
DESK = ROOT / "examples" / "quickstart" / "desk.cap"
TEXT = DESK.read_text(encoding="utf-8")
FACTS = {path.stem: path.read_text(encoding="utf-8") for path in sorted((DESK.parent / "facts").glob("*.json"))}
STOPPED = FACTS["4-loss-stop"]


def module(name):
    sys.path.insert(0, str(ROOT))
    try:
        return importlib.import_module(f"playground.{name}")
    finally:
        sys.path.remove(str(ROOT))


bridge = module("bridge")


def ask(name, *given):
    return json.loads(bridge.call(name, json.dumps(given)))


# ── check ──


def test_a_good_policy_has_no_errors_and_what_lint_finds():
    assert ask("check", TEXT, "desk.cap") == {"found": [], "errors": 0}
    found = ask("check", TEXT.replace("beyond 10 orders in any 1min", "beyond 10 orders in any 1min for each strategy", 1), "desk.cap")
    assert found["errors"] == 0
    assert [(each["code"], each["line"]) for each in found["found"]] == [("CAP725", 47)]


def test_a_mistake_is_told_with_its_code_its_place_and_its_cure():
    text = TEXT.replace("after.portfolio.gross", "after.portfolio.gros", 1)
    (found,) = ask("check", text, "desk.cap")["found"]
    assert (found["code"], found["level"], found["help"]) == ("CAP203", "error", "did you mean `after.portfolio.gross`?")
    assert text[found["from"]:found["to"]] == "after.portfolio.gros"
    before = text[:found["from"]]
    assert (found["line"], found["column"]) == (before.count("\n") + 1, len(before) - before.rfind("\n"))


def test_places_are_counted_as_a_browser_counts():
    text = TEXT.replace("## A desk", "## 🏛🏛 A desk").replace("after.portfolio.gross", "after.portfolio.gros", 1)
    (found,) = ask("check", text)["found"]
    units = text.encode("utf-16-le")
    assert units[2 * found["from"]:2 * found["to"]].decode("utf-16-le") == "after.portfolio.gros"


@pytest.mark.parametrize("text", ["", "}", "policy", "rule \"", "use \"other.cap\"", "\ud83d".encode("utf-8", "replace").decode()])
def test_whatever_is_typed_is_answered(text):
    found = ask("check", text)
    assert found["errors"] >= 1
    assert all(each["line"] is None or each["from"] <= each["to"] <= len(text) for each in found["found"])
    assert ask("decide", text, STOPPED)["in"] == "policy"
    assert "problem" in ask("format", text) or ask("format", text)["text"] is not None


# ── decide ──


@pytest.mark.parametrize("name", FACTS)
def test_a_decision_is_the_one_of_the_package(name):
    answer = ask("decide", TEXT, FACTS[name], "desk.cap")
    decision = caplex.load(DESK).decide(json.loads(FACTS[name]))
    theirs = decision.to_dict()
    for key in ("decision_id", "verdict", "quantity", "decided_by", "violated", "policy"):
        assert answer["decision"][key] == theirs[key]
    assert answer["headline"] in answer["told"]
    assert answer["picture"].startswith("<svg ")


def test_one_question_leaves_nothing_behind_for_the_next():
    first = [ask("decide", TEXT, FACTS[name]) for name in FACTS]
    ask("decide", TEXT.replace("max_position : ratio = 8%", "max_position : ratio = 1%"), STOPPED)
    ask("what_if", TEXT, STOPPED, [["account.equity", "2000000"]])
    ask("decide", "policy {", "{")
    assert [ask("decide", TEXT, FACTS[name]) for name in reversed(FACTS)] == first[::-1]
    bridge._policy.cache_clear()
    assert [ask("decide", TEXT, FACTS[name]) for name in FACTS] == first


@pytest.mark.parametrize(("facts", "code", "words"), [
    ('{"now": }', "CAP901", "not JSON"), ("[]", "CAP902", "not an object"), ("", "CAP901", "empty"), ('{"schema": "caplex.decision/1"}', None, "a decision, not facts"),
])
def test_facts_that_cannot_be_read_are_told_where_they_stand(facts, code, words):
    answer = ask("decide", TEXT, facts)
    assert answer["in"] == "facts"
    assert words in answer["problem"]
    if code is not None:
        assert answer["found"][0]["code"].startswith("CAP9")


def test_what_is_in_the_facts_is_never_markup():
    hostile = STOPPED.replace("long_book", "<img src=x onerror=alert(1)>")
    answer = ask("decide", TEXT, hostile)
    assert "<img" not in answer["told"]
    assert "<img" not in answer["picture"]
    assert "<img" not in ask("what_if", TEXT, hostile, [["intent.strategy", "<img>"]])["told"]


# ── what if, format, pages ──


def test_what_is_offered_works_when_it_is_tried():
    (offer,) = ask("decide", TEXT, STOPPED)["remedies"]
    answer = ask("what_if", TEXT, STOPPED, offer["changes"])
    assert answer["flips"] is True
    assert answer["document"]["after"]["verdict"] == offer["then"]["verdict"] == "ALLOW"


@pytest.mark.parametrize("change", [["account.", "1"], ["account..equity", "1"], ["", "1"], ["account.equity", "{"]])
def test_a_change_that_cannot_be_made_is_one_sentence(change):
    problem = ask("what_if", TEXT, STOPPED, [change])["problem"]
    assert problem
    assert "\n" not in problem


def test_a_value_may_be_json():
    assert ask("what_if", TEXT, STOPPED, [["intent.reduce_only", "true"]])["document"]["changes"][0]["after"] is True


def test_formatting_is_that_of_the_command():
    untidy = TEXT.replace("  lot        1", " lot 1")
    assert ask("format", untidy)["text"] == caplex.format_text(untidy) == TEXT


def test_a_code_has_its_page_and_a_stranger_has_none():
    assert ask("page", "CAP203")["markdown"].startswith("# CAP203")
    assert "nothing is called" in ask("page", "CAP000")["problem"]


# ── a browser has lark, tzdata and the standard library less what needs an operating system ──

BLOCKED = (
    "click", "cryptography", "exchange_calendars", "fcntl", "hypothesis", "interegular", "jinja2", "markupsafe", "multiprocessing", "numpy", "pathspec",
    "pydantic", "pygls", "pygments", "regex", "resource", "rich", "ruamel", "ruamel.yaml", "sqlite3", "ssl", "termios", "_posixsubprocess",
)


def test_check_decide_and_all_that_is_told_need_nothing_that_a_browser_lacks():
    program = (
        "import json, sys\n"
        f"for name in {BLOCKED!r}: sys.modules[name] = None\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        "from playground import bridge\n"
        "text, facts = sys.stdin.read().split('\\0')\n"
        "import caplex\n"
        "assert caplex.check_text(text) == []\n"
        "assert caplex.loads(text).decide(json.loads(facts)).explain()._repr_html_()\n"
        "for name, given in (('about', []), ('check', [text]), ('decide', [text, facts]), ('format', [text]), ('page', ['CAP203']),\n"
        "                    ('what_if', [text, facts, [['account.equity', '2000000']]])):\n"
        "    print(name, bridge.call(name, json.dumps(given))[:40])\n")
    done = subprocess.run([sys.executable, "-c", program], input=f"{TEXT}\0{STOPPED}", capture_output=True, text=True, timeout=60, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 6
    assert '{"problem"' not in done.stdout


# ── the build ──


def test_the_editor_colours_every_word_of_the_language():
    rules = [(re.compile(_fixed(pattern)), colour) for pattern, colour in module("build").rules(_terms())]

    def colour(line, word):
        at = line.index(word)
        return next(((hit.group(), colour) for pattern, colour in rules if (hit := pattern.match(line, at)) and hit.group()), None)

    for line, word, wanted in [
        ("setting x : ratio = 8%", "setting", "declaration"), ("within 0%..25%", "25%", "number"), ("fresh within 1h }", "1h", "time"),
        ("limit LOSS-010 {", "LOSS-010", "rule"), ("else deny", "deny", "effect"), ("stages SYS, KILL", "KILL", "family"),
        ("account.day_loss below 2%", "account.day_loss", "path"), ("abs(x)", "abs", "function"), ("x == true", "true", "constant"),
    ]:
        assert colour(line, word) == (word, wanted)
    terms = _terms()
    for word in (*terms.declarations, *terms.operators, *terms.constants, *terms.effects, *terms.clauses):
        assert colour(f"  {word} ", word)[0] == word


def _fixed(pattern):
    """JavaScript looks behind as far as it likes; here it has to be told a width."""
    return pattern.replace(r"(?<=[0-9]\s+)", r"(?<=[0-9]\s)").replace(r"(?<=:\s*)", r"(?<=:\s)")


def _terms():
    from caplex.compiler.tools.lexer_terms import terms

    return terms()


def test_every_example_is_there_and_decides():
    build = module("build")
    for policy, title, first in build.EXAMPLES:
        example = build.example(policy, title, first)
        assert ask("check", example["text"], example["file"])["errors"] == 0
        facts = next(each["text"] for each in example["facts"] if each["name"] == first)
        assert ask("decide", example["text"], facts, example["file"])["decision"]["verdict"] in {"ALLOW", "MODIFY", "HOLD", "DENY"}


def test_the_lock_names_no_registry_and_pins_what_the_package_asks_for():
    folder = ROOT / "playground"
    lock, package = (json.loads((folder / name).read_text(encoding="utf-8")) for name in ("package-lock.json", "package.json"))
    assert "://" not in (folder / "package-lock.json").read_text(encoding="utf-8")
    wanted = {**package["dependencies"], **package["devDependencies"]}
    assert all(lock["packages"][f"node_modules/{name}"]["version"] == version for name, version in wanted.items())
    assert "omit-lockfile-registry-resolved=true" in (folder / ".npmrc").read_text(encoding="utf-8").split()
