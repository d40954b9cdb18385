"""Adapters translate and decide nothing."""
from __future__ import annotations

import ast
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

import caplex

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
ADAPTERS = sorted(EXAMPLES.glob("*/adapter.py"))
ORDERINGS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
DECIDING = {"min", "max", "abs", "round", "sorted", "sum", "divmod", "pow"}


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"adapter_{path.parent.name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent))  # as if it were run: what lies beside it can be imported
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.pop(0)
    return module


def deciding(tree: ast.Module) -> list[str]:
    """What an adapter may not do: order amounts, compare with numbers, calculate."""
    found = []
    for node in ast.walk(tree):
        match node:
            case ast.Compare(ops=ops, left=left, comparators=others):
                if any(isinstance(op, ORDERINGS) for op in ops):
                    found.append(f"line {node.lineno}: an ordering")
                if any(isinstance(side, ast.Constant) and isinstance(side.value, (int, float)) for side in (left, *others)):
                    found.append(f"line {node.lineno}: a comparison with a number")
            case ast.BinOp(op=ast.Sub() | ast.Mult() | ast.Mod() | ast.FloorDiv() | ast.Pow()):
                found.append(f"line {node.lineno}: arithmetic")
            case ast.BinOp(op=ast.Add() | ast.Div(), left=left, right=right):
                # Texts and lists may be joined and paths divided; numbers may not.
                if any(isinstance(side, ast.Constant) and not isinstance(side.value, str) for side in (left, right)):
                    found.append(f"line {node.lineno}: arithmetic")
            case ast.Call(func=ast.Name(id=name)) if name in DECIDING:
                found.append(f"line {node.lineno}: {name}()")
    return found


@pytest.mark.parametrize("path", ADAPTERS, ids=lambda path: path.parent.name)
def test_adapters_decide_nothing(path: Path) -> None:
    assert deciding(ast.parse(path.read_text(encoding="utf-8"))) == []


def test_the_test_sees_a_decision() -> None:
    assert len(deciding(ast.parse("a < b; n == 3; q - p; max(a, b); x * 2; y + 1"))) == 6


class TestPolicyGate:
    adapter = load(EXAMPLES / "policygate" / "adapter.py")

    def test_the_policy_beside_the_template_is_the_default_one(self) -> None:
        written = (EXAMPLES / "policygate" / "policy.cap").read_text(encoding="utf-8")
        assert written == self.adapter.policy_text(self.adapter.DEFAULTS)

    def test_a_symbol_cannot_end_its_text(self) -> None:
        config = json.loads(json.dumps(self.adapter.DEFAULTS, default=float))
        config = json.loads(json.dumps(config), parse_float=self.adapter.Decimal)
        config["overrides"]["symbols"]['X" = 0.9 }\n# \u00e9'] = {"loss": {"daily_loss_limit_pct": self.adapter.Decimal("0.5"), "max_drawdown_pct": 1}}
        caplex.loads(self.adapter.policy_text(config))

    @pytest.mark.parametrize(
        ("line", "told"),
        [
            ("{", "not a PolicyGate document"),
            ('{"id": "1", "kind": "dream", "input": {}}', "kind 'dream'"),
            ('{"id": "1", "kind": "evaluate", "input": {}}', "not a PolicyGate document"),
            ('{"id": "1", "kind": "evaluate"}', "not a PolicyGate document"),
            ("[]", "not a PolicyGate document"),
        ],
    )
    def test_what_is_not_its_document_is_refused(self, line: str, told: str) -> None:
        answer = self.adapter.answer(line)
        assert answer["refused"] is True
        assert told in answer["error"]

    def test_a_limit_that_is_no_number_is_refused(self) -> None:
        base = json.loads((Path(__file__).resolve().parents[1] / "conformance" / "policygate" / "base.json").read_text(encoding="utf-8"))
        base["policy"]["limits"]["exposure"]["max_position_pct"] = {"$f": "nan"}
        answer = self.adapter.answer(json.dumps({"id": "1", "kind": "evaluate", "input": base}))
        assert answer["refused"] is True
