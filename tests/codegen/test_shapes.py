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
def i(w, s):
    return fold(k1, s[3], lambda row_e: both(s[4], fold(k3, s[3], lambda row_p: equal(row_p.cell(k2), row_e.cell(k4)))))
def j(w, s):  # cells stand in the order of their names
    v7 = (s[3] + k0)
    v12 = (s[3] + k1)
    return fold(k1, v7, lambda row_e: both(v12, v7))
'''


def plainly(body: str) -> dict[str, CodeType]:
    return {each.co_name: each for each in compile(body, "<cap x>", "exec").co_consts if isinstance(each, CodeType)}


def same(body: str) -> None:
    expected, found = plainly(body), shapes.compiled("<cap x>", body)
    assert [each.co_name for each in found] == list(expected)
    for code in found:
        assert told(code) == told(expected[code.co_name])


def told(code: CodeType) -> list[object]:
    """All that can be asked of a code and of those within it, but for columns."""
    inner = [told(each) if isinstance(each, CodeType) else each for each in code.co_consts]
    return [*((field, getattr(code, field)) for field in FIELDS if field != "co_consts"), inner, [line for *_, line in code.co_lines()]]


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
    assert calls(BODY, monkeypatch) == 8  # a and b are one, d and e are one
    again = BODY.replace("k0", "k30").replace("s[5]", "s[50]").replace("s[3]", "s[30]").replace("v7", "v20").replace("def ", "def longer_")
    assert calls(BODY + again, monkeypatch) == 8 + 2  # g and j are compiled by themselves
    same(BODY + again)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_examples(path: Path) -> None:
    checked = driver.check_path(path)[0]
    if checked is None:
        pytest.skip("a module, or a policy that needs settings")
    same(Assembler(build(checked)).generate().traced)
