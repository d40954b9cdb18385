"""The house rules, each with its reason. A rule that is only written down is a rule that is broken."""
from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("caplex", "compiler", "grammar", "runtime", "stdlib_rules")
TEXT = {"", ".cap", ".cfg", ".csv", ".j2", ".json", ".jsonl", ".lark", ".md", ".py", ".sh", ".toml", ".txt", ".yaml", ".yml"}
LONGEST = {"product": 420, "tests": 800}  # a test reads from top to bottom, so more of it stays clear
LONG_FOR_A_REASON = {
    "compiler/syntax/ast.py": "one node after the other: everything that can be written, in one place",
}

# In the decision core.
CORE = {
    r"(?<![\w.])float\(": "money is exact: decimals, fractions or scaled integers",
    r"\bdatetime\.(now|utcnow|today)\b|\bdate\.today\b|\btime\.time\(|\btime_ns\(": "the clock is `now` in the facts: a decision has none of its own",
    r"\brandom\.|\buuid4\b|\bsecrets\.": "same policy, same facts: the same bytes",
    r"\bos\.environ\b|\bgetenv\(": "what is not in policy or facts cannot be replayed",
}
# Where one of them does not hold, with the reason.
CORE_EXCEPT = {
    "runtime/engine/stamp.py": r"datetime\.(now",  # stamps what comes without a time; the stamp is written down, and decided on
}
# In all of our Python.
CODE = {
    r"except( Exception| BaseException)?( as \w+)?:\s*\n?\s*(pass|\.\.\.)\s*$": "an error that is swallowed is a limit that is off",
    r"^\s*(import|from) (runtime|compiler|grammar|stdlib_rules)\b": "works in a checkout and breaks in a wheel: import it from `caplex`",
    r"\bbreakpoint\(|\bpdb\.set_trace": "left over",
    r"# noqa\s*$|# type: ignore\s*$": "say which complaint is silenced",
}
# In every text of the repository. Written in pieces, so that this file may hold them.
ANYWHERE = {
    r"\.\./" + "shared": "the project stands alone",
    r"(?<![\w.])/(work|root)/" + r"\w": "a path of one machine",
    r"(?<![\w.])/tmp/" + r"\w": "a path of one machine: tests have tmp_path",
    r"(pypi|pythonhosted|npmjs|debian|anaconda)\." + r"(org|com)\b": "which registry is used is the business of who installs",
    r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b": "an issue is where what is left to do is found again",
    r"^(<{7}|>{7}|={7})( |$)": "a merge that was not finished",
}
# benchmarks/baseline.py is the yardstick of the budgets and stays as it came.
AS_IT_CAME = {"benchmarks/baseline.py", "LICENSE", "examples/quickstart/NOTICE"}


@cache
def tracked() -> tuple[str, ...]:
    """Files that are, or would be, committed; links are left out, as what they lead to is here itself."""
    git = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    names: Iterator[str] | list[str]
    if git.returncode == 0:
        names = git.stdout.splitlines()
    else:
        names = (path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*"))
    return tuple(sorted({name for name in names if (ROOT / name).is_file() and not _linked(name)}))


def _linked(name: str) -> bool:
    return any((ROOT / part).is_symlink() for part in (name, *(str(parent) for parent in Path(name).parents)))


def texts(*folders: str, suffix: str | None = None) -> list[str]:
    found = [name for name in tracked() if Path(name).suffix in TEXT and name not in AS_IT_CAME]
    if folders:
        found = [name for name in found if name.partition("/")[0] in folders]
    return [name for name in found if suffix is None or name.endswith(suffix)]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def complaints(names: list[str], pattern: str) -> list[str]:
    found = []
    for name in names:
        text = read(name)
        found += [f"{name}:{text.count(chr(10), 0, hit.start()) + 1}: {hit.group().strip()}" for hit in re.finditer(pattern, text, re.M)]
    return found


def test_the_walk_finds_the_house():
    assert len(texts(*PACKAGES, suffix=".py")) > 50
    assert {"pyproject.toml", "README.md", "caplex/__init__.py", "runtime/values.py", "grammar/cap.lark"} <= set(tracked())


@pytest.mark.parametrize("pattern", CORE, ids=CORE.get)
def test_the_core(pattern):
    named = [name for name in texts("runtime", suffix=".py") if not (name in CORE_EXCEPT and CORE_EXCEPT[name] in pattern)]
    assert complaints(named, pattern) == [], CORE[pattern]


@pytest.mark.parametrize("pattern", CODE, ids=CODE.get)
def test_code(pattern):
    ours = [name for name in texts(suffix=".py") if name != "tests/test_tidy.py"]
    assert complaints(ours, pattern) == [], CODE[pattern]


@pytest.mark.parametrize("pattern", ANYWHERE, ids=ANYWHERE.get)
def test_anywhere(pattern):
    assert complaints(texts(), pattern) == [], ANYWHERE[pattern]


@pytest.mark.parametrize(("pattern", "line"), [
    *[(pattern, line) for pattern, line in zip(CORE, ["x = float(y)", "datetime.now()", "random.choice(x)", "os.environ['A']"], strict=True)],
    *[(pattern, line) for pattern, line in zip(CODE, ["except Exception:\n    pass", "from runtime import x", "breakpoint()", "x  # noqa"], strict=True)],
    *[(pattern, line) for pattern, line in zip(
        ANYWHERE, ["../" + "shared/x", "/wo" + "rk/main", "/tm" + "p/x", "https://py" + "pi.org", "TO" + "DO", "<" * 7 + " ours"], strict=True)],
])
def test_each_rule_can_fail(pattern, line):
    assert re.search(pattern, line, re.M)


def test_one_idea_per_file():
    long = {}
    for name in texts(suffix=".py"):
        lines, kind = read(name).count("\n"), "tests" if name.startswith("tests/") else "product"
        if lines > LONGEST[kind] and name not in LONG_FOR_A_REASON:
            long[name] = lines
    assert long == {}, "a longer file holds more than one idea"


def test_every_module_says_what_it_is_for():
    silent = [name for name in texts(*PACKAGES, suffix=".py") if not ast.get_docstring(ast.parse(read(name)))]
    assert silent == []


def test_every_test_module_says_what_it_holds():
    tests = [name for name in texts("tests", suffix=".py") if Path(name).name.startswith("test_")]
    assert [name for name in tests if not ast.get_docstring(ast.parse(read(name)))] == []


def test_no_module_is_dead():
    """Each module is imported by another, or is an entry that is reached by its name."""
    import caplex
    from caplex.compiler.cli.main import COMMANDS

    entries = {"caplex.__main__", *caplex._HOMES.values(), *(f"caplex.compiler.cli.{home}" for home in COMMANDS.values())}
    # What tests ask and the product must not, or need not: the judge of the compiled form, and what every graph obeys.
    entries |= {"caplex.compiler.reference.decide", "caplex.compiler.graph.invariants", "caplex.compiler.tools.docgen"}
    entries |= {"caplex.compiler.testing.plugin"}  # pytest finds it by its entry point
    entries |= {"caplex.compiler.tools.lexer_pygments"}  # … and Pygments this one, which `lexer_terms` writes
    entries |= {"caplex.compiler.tools.site"}  # … and Zensical this one, which `zensical.toml` names
    used = users()
    assert len(used) > 50
    dead = {name for name, by in used.items() if not by and name not in entries and not name.startswith("caplex._demo")}
    assert dead == set()


def users() -> dict[str, int]:
    """How many modules import each module; of a package only its `__init__` would count, so packages are left out."""
    # In a process of its own: grimp follows the path of a package that is imported, and ours is longer in a checkout.
    program = ("import grimp, json; graph = grimp.build_graph('caplex', cache_dir=None); print(json.dumps({"
               "name: len(graph.find_modules_that_directly_import(name)) for name in graph.modules if not graph.find_children(name)}))")
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    return {name: by for name, by in found.items() if name not in {"caplex.stdlib_rules", "caplex.grammar"}}


def test_texts_end_with_one_line_end_and_hold_no_tabs_or_trailing_spaces():
    untidy = []
    for name in texts(suffix=".py") + texts(suffix=".md") + texts(suffix=".toml"):
        text = read(name)
        if text and (not text.endswith("\n") or text.endswith("\n\n")):
            untidy.append(f"{name}: its end")
        untidy += [f"{name}:{number}" for number, line in enumerate(text.split("\n"), 1) if line != line.rstrip() or "\t" in line]
    assert untidy == []
