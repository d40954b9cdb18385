"""Functions of one shape are compiled once, and come out as if each had been."""
from __future__ import annotations

import builtins
from pathlib import Path
from types import CodeType

import pytest

import caplex
from caplex.compiler import driver
from caplex.compiler.codegen import shapes
from caplex.compiler.codegen.assemble import Assembler
from caplex.compiler.graph.build import build

ROOT = Path(caplex.__file__).resolve().parents[1]
EXAMPLES = sorted(path for path in (ROOT / "examples").glob("*/*.cap") if not path.name.endswith("_test.cap"))
FIELDS = [name for name in dir(CodeType) if name.startswith("co_") and name not in ("co_linetable", "co_positions", "co_lines", "co_lnotab", "co_branches")]
BODY = '''def a(s, q):
    return both(equal(s[3], k0), more(s[5], k1))
def b(s, q):
    return both(equal(s[5], k7), more(s[3], k0))
def c(s, q):
    return both(equal(s[3], k0), more(s[3], k1))
def d(s, q):  # a note
    v12 = (s[3] + k0)
    return both(equal(v12, k0), less(v12, s[4]))
def e(s, q):  # a note
    v7 = (s[9] + k8)
    return both(equal(v7, k8), less(v7, s[1]))
def f(row_p):
    return row_p.cell(k1)
def g(s, q):
    return both(equal(s[3], 3), more(s[5], k1))
def h(s, q):
    return fold(k1, s[3], lambda row_e: row_e.cell(k2))
'''


def plainly(body: str) -> dict[str, CodeType]:
    return {each.co_name: each for each in compile(body, "<cap x>", "exec").co_consts if isinstance(each, CodeType)}


def same(body: str) -> None:
    expected, found = plainly(body), shapes.compiled("<cap x>", body)
    assert [each.co_name for each in found] == list(expected)
    for code in found:
        other = expected[code.co_name]
        assert [getattr(code, field) for field in FIELDS] == [getattr(other, field) for field in FIELDS]
        assert [line for *_, line in code.co_lines()] == [line for *_, line in other.co_lines()]


def calls(body: str, monkeypatch: pytest.MonkeyPatch) -> int:
    seen: list[str] = []
    genuine = builtins.compile
    with monkeypatch.context() as patched:
        patched.setattr(builtins, "compile", lambda text, *rest, **named: seen.append(text) or genuine(text, *rest, **named))
        shapes.compiled("<cap x>", body)
    return len(seen)


def test_each_is_what_compiling_gives() -> None:
    same(BODY)


def test_only_what_has_a_shape_of_its_own_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    assert calls(BODY, monkeypatch) == 6  # a and b are one, d and e are one
    again = BODY.replace("k0", "k30").replace("s[5]", "s[50]").replace("def ", "def x")
    assert calls(BODY + again, monkeypatch) == 6 + 2  # g and h are compiled by themselves
    same(BODY + again)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_examples(path: Path) -> None:
    checked = driver.check_path(path)[0]
    if checked is None:
        pytest.skip("a module, or a policy that needs settings")
    same(Assembler(build(checked)).generate().traced)
