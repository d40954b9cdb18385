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


EUR = 'policy p { language 1 currency EUR stages EXP, ORD closing faces every rule unlimited loss unlimited exposure overrides tightest wins }\n'
DOLLARS = "setting most : money = 100_000 USD {}\nlimit EXP-010 {{ intent.notional at most most else deny }}"


def test_a_default_that_is_replaced_may_be_in_another_currency(good):
    checked = good("use stdlib.order_sanity as sanity (max_order_value = 50_000 EUR, min_order_value = 10 EUR)", header=EUR)
    assert checked.settings["sanity.max_order_value"].value == 50_000


def test_so_may_a_dollar_sign_and_a_sum(good, tmp_path):
    write(tmp_path, signs=DOLLARS.format("").replace("100_000 USD", "$100_000"), sums=DOLLARS.format("").replace("100_000 USD", "2 * (5 USD + 5 USD)"))
    checked = good('use "signs.cap" as a (most = 5 EUR)\nuse "sums.cap" as b (most = 6 EUR)', header=EUR, base=tmp_path)
    assert (checked.settings["a.most"].value, checked.settings["b.most"].value) == (5, 6)


def test_a_default_in_another_currency_that_holds_says_where_to_replace_it(tmp_path):
    from caplex.compiler import driver
    from caplex.compiler.source import Source

    write(tmp_path, dollars=DOLLARS.format(""))
    for text, settings in (('use "dollars.cap" as d', {}), ('use "dollars.cap" as d', {"d.most": "5 EUR"})):
        checked, problems = driver.check_source(Source("p.cap", EUR + text), base=tmp_path, settings=settings)
        assert checked is None
        found = {problem.code.id: problem.help for problem in problems if problem.is_error}
        assert found["CAP306"] == "pass it in the policy's currency where `d` is imported: `use … as d (most = … EUR)`"


def test_what_use_does_not_replace_is_still_looked_at(errors, tmp_path):
    write(tmp_path, ranged=DOLLARS.format("within 1 USD..1_000_000 USD"), typed="setting most : money = 5\n" + DOLLARS.format("").partition("\n")[2],
          lets="let base : money = 5 USD\n" + DOLLARS.format("").replace("100_000 USD", "base"),
          tight=DOLLARS.format('lower is safer { tighten for symbol "X" = 5 USD }'))
    expected = {"ranged": ["CAP306", "CAP306"], "typed": ["CAP311"], "tight": ["CAP306"], "lets": ["CAP306"]}
    for name, codes in expected.items():
        found = errors(f'use "{name}.cap" as m (most = 5 EUR)', header=EUR, base=tmp_path)
        assert [code for code, _ in found if code.startswith("CAP3")] == codes, name


def test_a_hard_default_in_another_currency_cannot_be_compared_and_is_refused(tmp_path):
    from caplex.compiler import driver
    from caplex.compiler.source import Source

    write(tmp_path, dollars=DOLLARS.format("lower is safer hard"))
    _, problems = driver.check_source(Source("p.cap", EUR + 'use "dollars.cap" as d (most = 5 EUR)'), base=tmp_path)
    assert [(problem.code.id, problem.help) for problem in problems if problem.is_error] == [
        ("CAP306", "it is `hard`: what replaces it must be compared with it, in one currency")]


# ── overrides handed on ───────────────────────────────────────────────────────────────────────────────

OWN = 'setting mine : quantity = 7 units lower is safer { tighten for symbol "X" = 2 units }\n'


def test_a_setting_handed_to_an_import_brings_its_overrides(good, tmp_path):
    write(tmp_path, limits=LIMITS)
    checked = good('use "limits.cap" as a (most = mine)\n' + OWN, base=tmp_path)
    most = checked.settings["a.most"]
    assert most.value == 7
    assert [(override.kind, override.scopes, override.value) for override in most.overrides] == [("tighten", (("symbol", "X"),), Fraction(2))]


def test_and_what_moved_it_from_outside(good, tmp_path):
    write(tmp_path, limits=LIMITS)
    given = {"mine": {"value": "9 units", "approved_by": "CRO", "through": "2026-03-31"}}
    most = good('use "limits.cap" as a (most = mine)\n' + OWN, base=tmp_path, settings=given).settings["a.most"]
    assert (most.value, [override.value for override in most.overrides]) == (7, [2, 9])
    assert good('use "limits.cap" as a (most = mine)\n' + OWN, base=tmp_path, settings={"mine": "1 units"}).settings["a.most"].overrides[0].value == 1


def test_overrides_inside_an_expression_stay_behind_and_that_is_told(good, tmp_path):
    write(tmp_path, limits=LIMITS)
    checked = good('use "limits.cap" as a (most = mine * 2)\n' + OWN, base=tmp_path, warnings=["CAP460"])
    assert checked.settings["a.most"].overrides == ()


def test_overrides_of_another_safer_side_are_refused(errors, tmp_path):
    write(tmp_path, limits=LIMITS)
    own = OWN.replace("lower is", "higher is").replace("2 units }", "9 units }")
    assert [code for code, _ in errors('use "limits.cap" as a (most = mine)\n' + own, base=tmp_path)] == ["CAP460"]


def test_overrides_outside_the_range_of_the_import_are_refused(errors, tmp_path):
    write(tmp_path, limits=LIMITS.replace("lower is", "within 3 units..10 units lower is"))
    assert [code for code, _ in errors('use "limits.cap" as a (most = mine)\n' + OWN, base=tmp_path)] == ["CAP316"]
