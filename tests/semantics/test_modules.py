"""Imports: names, places, settings, and what can be wrong with them."""
from __future__ import annotations

from fractions import Fraction

RULE = "limit EXP-900 { intent.quantity at most 5 else deny }\n"
LIMITS = """
setting most : quantity = 5 units lower is safer
let half = most / 2
limit EXP-010 { intent.quantity at most most else deny }
"""


def write(folder, **texts):
    for name, text in texts.items():
        (folder / f"{name}.cap").write_text(text, encoding="utf-8")


def test_imported_names_are_qualified_and_rules_placed_by_the_policy(good, tmp_path):
    write(tmp_path, limits=LIMITS)
    checked = good('use "limits.cap" as a (most = 7 units)\nuse "limits.cap" as b\n'
                   "rule LOSS-010 { deny when intent.quantity > a.half + b.most }", base=tmp_path)
    assert [rule.id for rule in checked.rules] == ["LOSS-010", "a.EXP-010", "b.EXP-010"]
    assert checked.settings["a.most"].value == 7
    assert checked.settings["a.most"].origin == "use"
    assert checked.settings["b.most"].value == 5
    assert list(checked.modules) == ["", "a", "b"]


def test_two_imports_of_one_file_have_trees_of_their_own(good, tmp_path):
    write(tmp_path, limits=LIMITS)
    checked = good('use "limits.cap" as a\nuse "limits.cap" as b\n', base=tmp_path)
    first, second = (rule.node for rule in checked.rules)
    assert first.measure.id != second.measure.id
    assert checked.bindings[first.bound.id] != checked.bindings[second.bound.id]


def test_imports_are_relative_to_the_importing_file(good, tmp_path):
    (tmp_path / "deep").mkdir()
    write(tmp_path, outer='use "deep/inner.cap" as inner\n')
    write(tmp_path / "deep", inner='use "limits.cap" as limits\n', limits=LIMITS)
    checked = good('use "outer.cap" as outer\nrule LOSS-010 { deny when outer.inner.limits.half > 3 units }', base=tmp_path)
    assert checked.rules[1].id == "outer.inner.limits.EXP-010"


def test_order_is_stage_then_number_then_id(good, tmp_path):
    write(tmp_path, limits=LIMITS)
    checked = good('rule EXP-200 { deny when intent.quantity > 5 }\nrule EXP-020 { deny when intent.quantity > 5 }\nuse "limits.cap" as z\n'
                   "rule LOSS-300 { deny when account.drawdown > 5% }", base=tmp_path)
    assert [rule.id for rule in checked.rules] == ["LOSS-300", "z.EXP-010", "EXP-020", "EXP-200"]
    assert [rule.position for rule in checked.rules] == [0, 1, 2, 3]
    assert [rule.skipped for rule in checked.rules] == [True, False, False, False]


def test_a_circle_is_told_with_its_way(errors, tmp_path):
    write(tmp_path, a='use "b.cap" as b\n' + LIMITS, b='use "a.cap" as a\n' + LIMITS)
    assert [code for code, _ in errors('use "a.cap" as a', base=tmp_path)] == ["CAP210"]


def test_a_module_has_no_header(errors, tmp_path):
    write(tmp_path, other="policy q { language 1 }\n" + LIMITS)
    assert [code for code, _ in errors(RULE + 'use "other.cap" as q', base=tmp_path)] == ["CAP223"]


def test_a_mistake_in_a_module_is_told_at_its_place(errors, tmp_path):
    write(tmp_path, other="rule EXP-010 { deny when account.equty > 5 USD }")
    assert errors('use "other.cap" as q', base=tmp_path) == [("CAP203", "no field is named `account.equty`")]


def test_a_missing_module_is_one_error_whatever_reads_it(errors, tmp_path):
    write(tmp_path, limits=LIMITS)
    found = errors(RULE + 'use "limit.cap" as q\nrule EXP-010 { deny when intent.quantity > q.most }\n'
                   'waiver W-010 of q.EXP-010 through 2026-01-01 approved by "a" ticket "b" { when intent.symbol == "A" }', base=tmp_path)
    assert [code for code, _ in found] == ["CAP207"]


def test_an_argument_for_a_hard_setting_only_tightens(good, errors, tmp_path):
    write(tmp_path, hard="setting cap : ratio = 10% hard lower is safer\nlimit EXP-010 { account.drawdown at most cap else deny }")
    assert good('use "hard.cap" as h (cap = 5%)', base=tmp_path).settings["h.cap"].value == Fraction(1, 20)
    assert [code for code, _ in errors('use "hard.cap" as h (cap = 15%)', base=tmp_path)] == ["CAP454"]


def test_the_standard_library_is_found(good):
    checked = good("use stdlib.order_sanity as sanity (max_order_value = 50_000 USD)\n"
                   "rule EXP-010 { deny when intent.notional > sanity.max_order_value }")
    assert checked.rules[0].id == "sanity.ORD-010"


def test_an_import_that_brings_nothing_and_is_not_read_is_told(tmp_path):
    from caplex.compiler import driver
    from caplex.compiler.source import Source

    write(tmp_path, knobs="setting most : quantity = 5 units")
    header = 'policy p { stages EXP closing faces every rule unlimited loss }\nuse "knobs.cap" as knobs\n'
    unread = driver.check_source(Source("p.cap", header + RULE), base=tmp_path)[1]
    assert "CAP209" in [problem.code.id for problem in unread]
    read = driver.check_source(Source("p.cap", header + "limit EXP-010 { intent.quantity at most knobs.most else deny }"), base=tmp_path)[1]
    assert "CAP209" not in [problem.code.id for problem in read]
