"""Hover, definition, references, renaming, symbols, hints: functions over a document, without a protocol."""
from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from caplex.compiler.lsp import describe, fixes, marks, navigate, outline, signatures
from caplex.compiler.lsp.analysis import analysed
from caplex.compiler.lsp.names import Names
from caplex.compiler.lsp.workspace import Reader, Workspace, in_library
from caplex.compiler.source import Source

from .desk import HEADER, LIMITS, POLICY, at, opened, written


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    return opened(tmp_path_factory.mktemp("a desk"))


def test_the_desk_is_sound(desk):
    _, document, _ = desk
    assert document.latest.sound
    assert [each.message for each in document.latest.diagnostics if each.is_error] == []


@pytest.mark.parametrize(("place", "said"), [
    ("most max_po|sition of", ["setting max_position : ratio = 8%", "Value **8%**", 'tighten for symbol "GE": **4%**', "How much of equity"]),
    ("limits.gross|_limit", ["setting limits.gross_limit", "Gross exposure"]),
    ("(max_order|_value = ", ["setting sanity.max_order_value : money = 100_000 USD", "Value **75_000 USD** (given by `use`"]),
    ("when loss_|share", ["let loss_share = account.day_loss / account.day_start_equity", "`ratio`"]),
    ("of account.equ|ity else reduce", ["**account.equity**", "money", "`/account/equity`"]),
    ("abs(after.position.not|ional)", ["**after.position.notional**", "Computed"]),
    ("limit EXP-0|10", ["**EXP-010** Position size (limit)", "must be at most", "severity high"]),
    ("waiver EXP-900 of EXP-0|20", ["**EXP-020** Gross"]),
    ("use stdlib.order|_sanity", ["**stdlib.order_sanity**"]),
    ("a|bs(after", ["the size of a number"]),
    ("regime.value == be|ar", ["one of bull, bear"]),
    ("stages SYS, KILL, ORD, LO|SS", ["Stage **LOSS**: 1 rule", "LOSS-010"]),
    ("intent.quantity > 20_0|00", ["`quantity`, in units"]),
])
def test_hover(desk, place, said):
    _, document, names = desk
    found = describe.hover(document, names, at(POLICY, place))
    assert found is not None
    for each in said:
        assert each in found[2]


def test_hover_says_nothing_about_nothing(desk):
    _, document, names = desk
    assert describe.hover(document, names, at(POLICY, "language| 1")) is None
    assert describe.hover(document, names, at(POLICY, "## How mu|ch")) is None


def test_hover_tells_headroom_where_facts_are_attached(desk):
    _, document, names = desk
    found = describe.hover(document, names, at(POLICY, "limit EXP-0|10"), {"EXP-010": "kept: headroom **3%**"})
    assert "With the attached facts: kept: headroom **3%**" in found[2]


@pytest.mark.parametrize(("place", "file", "word"), [
    ("most max_po|sition of", "desk.cap", "max_position"),
    ("limits.gross|_limit", "limits.cap", "gross_limit"),
    ("most lim|its.gross_limit", "desk.cap", "limits"),
    ("(max_order|_value = ", "order_sanity.cap", "max_order_value"),
    ("of account.equ|ity else reduce", "facts.cap", "equity"),
    ("waiver EXP-900 of EXP-0|20", "desk.cap", "EXP-020"),
    ("deny by EXP-0|30", "desk.cap", "EXP-030"),
    ("when regime.val|ue ==", "desk.cap", "value"),
])
def test_definition(desk, place, file, word):
    workspace, document, names = desk
    found = navigate.definition(workspace, document, names, at(POLICY, place))
    assert found.path.name == file
    assert found.path.read_text(encoding="utf-8")[found.start : found.end] == word


def test_the_library_opens_as_a_file_of_the_package(desk):
    workspace, document, names = desk
    found = navigate.definition(workspace, document, names, at(POLICY, "use stdlib.order|_sanity"))
    assert found.path.is_file()
    assert in_library(found.path)


def test_references_go_through_imports_and_importers(desk):
    workspace, document, names = desk
    found = navigate.references(workspace, document, names, at(POLICY, "limits.gross|_limit"))
    assert sorted((each.path.name, each.path.read_text()[each.start : each.end]) for each in found) == [
        ("desk.cap", "gross_limit"), ("limits.cap", "gross_limit"), ("limits.cap", "gross_limit")]
    from_module = workspace.document(document.path.with_name("limits.cap"))
    again = navigate.references(workspace, from_module, Names(from_module.good), LIMITS.index("gross_limit") + 2)
    assert {(each.path.name, each.start) for each in again} == {(each.path.name, each.start) for each in found}


def test_references_stand_in_the_tests_beside_a_policy(tmp_path):
    workspace, document, names = opened(tmp_path)
    beside = tmp_path / "desk_test.cap"
    beside.write_text('test "more" {\n  given regime.value = bear\n  intent buy 1 "SPY"\n  expect deny by EXP-030\n}\n')
    for place in ("rule EXP-0|30", "deny by EXP-0|30"):
        found = navigate.references(workspace, document, names, at(POLICY, place))
        assert sorted(each.path.name for each in found) == ["desk.cap", "desk.cap", "desk_test.cap"]
    from_tests = workspace.document(beside)
    again = navigate.rename(workspace, from_tests, Names(from_tests.good), from_tests.text.index("EXP-030") + 2, "EXP-035")
    assert sorted(each.place.path.name for each in again) == ["desk.cap", "desk.cap", "desk_test.cap"]


def test_references_into_the_library(desk):
    workspace, document, names = desk
    found = navigate.references(workspace, document, names, at(POLICY, "(max_order|_value = "))
    assert {each.path.name for each in found} == {"desk.cap", "order_sanity.cap"}


def applied(changes, folder: Path) -> dict[str, str]:
    texts = {path.name: path.read_text() for path in folder.glob("*.cap")}
    for change in sorted(changes, key=lambda each: each.place.start, reverse=True):
        text = texts[change.place.path.name]
        texts[change.place.path.name] = text[: change.place.start] + change.text + text[change.place.end :]
    return texts


@pytest.mark.parametrize(("place", "name", "count"), [
    ("most max_po|sition of", "biggest", 3), ("limits.gross|_limit", "gross_cap", 3), ("limit EXP-0|20", "EXP-025", 2), ("most lim|its.gross_limit", "shared", 2),
])
def test_renaming_leaves_a_policy_that_checks(tmp_path, place, name, count):
    workspace, document, names = opened(tmp_path)
    changes = navigate.rename(workspace, document, names, at(POLICY, place), name)
    assert len(changes) == count
    texts = applied(changes, tmp_path)
    for file, text in texts.items():
        (tmp_path / file).write_text(text)
    again = analysed(document.path, Source("desk.cap", texts["desk.cap"]), Reader({}))
    assert again.sound, [each.message for each in again.diagnostics]


def test_renaming_an_import_without_a_name_gives_it_one(tmp_path):
    text = HEADER + "use stdlib.order_sanity\nrule EXP-010 { deny when intent.notional > order_sanity.max_order_value }\n"
    workspace, document, names = opened(tmp_path, text)
    changes = navigate.rename(workspace, document, names, at(text, "> order_|sanity."), "sanity")
    assert "use stdlib.order_sanity as sanity\n" in applied(changes, tmp_path)["desk.cap"]
    assert "> sanity.max_order_value" in applied(changes, tmp_path)["desk.cap"]


@pytest.mark.parametrize(("place", "name", "sentence"), [
    ("(max_order|_value = ", "x", "belongs to the library"),
    ("of account.equ|ity else reduce", "x", "belongs to the language"),
    ("most max_po|sition of", "when", "is a word of the language"),
    ("most max_po|sition of", "Big", "is no name"),
    ("most max_po|sition of", "loss_share", "is already a `let`"),
    ("most max_po|sition of", "account", "is already a section of the facts"),
    ("limit EXP-0|10", "exp-1", "is no id"),
    ("limit EXP-0|10", "EXP-020", "is already a rule"),
    ("limit EXP-0|10", "SYS-010", "belongs to the engine"),
    ("## How mu|ch", "x", "no name here"),
])
def test_what_cannot_be_renamed_says_why(desk, place, name, sentence):
    workspace, document, names = desk
    with pytest.raises(navigate.Refused, match=sentence):
        navigate.rename(workspace, document, names, at(POLICY, place), name)


def test_symbols_stand_in_the_order_of_the_stages(desk):
    _, document, _ = desk
    entries = outline.symbols(document)
    groups = {each.name: [child.name for child in each.children] for each in entries if each.form == "stage"}
    assert list(groups) == ["KILL", "LOSS", "EXP"]
    assert groups["EXP"] == ["EXP-010", "EXP-020", "EXP-030"]
    assert {"desk", "sanity", "limits", "regime", "max_position", "loss_share", "EXP-900"} <= {each.name for each in entries}
    for entry in entries:
        assert entry.start <= entry.at <= entry.to <= entry.end
    assert [each.name for each in outline.found(document, "posi")] == ["max_position", "EXP-010"]


def test_folds():
    text = "# a\n# b\nuse x\nuse y\nrule A-1 {\n  deny when x == \"}\" # }\n}\n"
    assert outline.folds(text) == [(0, 1, "comment"), (2, 3, "imports"), (4, 5, "region")]


def test_hints_show_settings_units_and_types(desk):
    _, document, names = desk
    found = {(POLICY[: hint.at].rpartition("\n")[2].split()[-1], hint.label) for hint in marks.hints(document, names, 0, len(POLICY))}
    assert ("max_position", " = 8%, 1 override") in found
    assert ("limits.gross_limit", " = 1x") in {(word, label.replace("100%", "1x")) for word, label in found}
    assert ("loss_share", ": ratio") in found
    assert ("20_000", " units") in found


def test_colours_say_what_names_mean(desk):
    _, document, names = desk
    colours = marks.colours(document, names)
    kinds = {(POLICY[each.start : each.end], each.type_) for each in colours}
    assert {("max_position", "variable"), ("account", "namespace"), ("equity", "property"), ("EXP-010", "class"), ("bear", "enumMember"),
            ("abs", "function"), ("deny", "keyword"), ("8%", "number"), ('"Position size"', "string"), ("limits", "namespace")} <= kinds
    assert all(left.end <= right.start for left, right in pairwise(colours))
    assert all("\n" not in POLICY[each.start : each.end] for each in colours)
    part = marks.colours(document, names, POLICY.index("limit EXP-010"), POLICY.index("limit EXP-020"))
    inside = [each for each in colours if POLICY.index("limit EXP-010") <= each.start < POLICY.index("limit EXP-020")]
    assert part == inside


def test_lenses(desk, tmp_path):
    _, document, _ = desk
    titles = [lens.title for lens in marks.lenses(document, "file:///desk.cap", Path("facts.json"))]
    assert titles == ["Run 2 tests", "Decide with facts.json", "Run test", "Run test"]


def test_signatures(desk):
    _, document, names = desk
    document.change(None, len(POLICY), len(POLICY), "\nrule EXP-040 { deny when max(1, clamp(2, ")
    try:
        found = signatures.signature(document, names, len(document.text))
        assert (found.label, found.active) == ("clamp(x, a..b)", 1)
        outer = signatures.signature(document, names, at(document.text, "when max(1, |clamp(2, "))
        assert (outer.label, outer.active) == ("max(a, b, …)", 1)
        assert signatures.signature(document, names, at(document.text, "rule EXP-040 {| ")) is None
    finally:
        document.change(POLICY)


def test_the_signature_of_an_import_is_its_settings(desk):
    _, document, names = desk
    found = signatures.signature(document, names, at(POLICY, "(max_order_value| = 75"))
    assert found.parameters[found.active][0].startswith("max_order_value : money = 100_000 USD")
    assert all(label in found.label for label, _ in found.parameters)


@pytest.mark.parametrize(("wrong", "right", "title"), [
    ("account.equty", "account.equity", "Change to `account.equity`"), ("max_positon", "max_position", "Change to `max_position`"),
])
def test_what_was_meant_is_offered(tmp_path, wrong, right, title):
    text = HEADER + f"setting max_position : ratio = 8%\nlimit EXP-010 {{ intent.notional at most {wrong} of account.equity else deny }}\n".replace(
        f"{wrong} of account.equity", f"1% of {wrong}" if "." in wrong else f"{wrong} of account.equity")
    _, document, _ = opened(tmp_path, text)
    start = text.index(wrong)
    found = fixes.actions(document, start, start)
    assert [each.title for each in found] == [title]
    document.change(None, 0, 0, "# typed since\n")
    (first, last, put), = fixes.actions(document, start + 14, start + 14)[0].edits
    assert document.text[first:last] == wrong
    assert put == right
    assert fixes.actions(document, 0, 3) == []


def test_a_fix_that_a_diagnostic_brings_is_an_action(tmp_path):
    text = HEADER + 'rule EXP-010 { deny when intent.symbol = "SPY" }\n'
    _, document, _ = opened(tmp_path, text)
    actions = fixes.actions(document, 0, len(text))
    assert [(each.title, each.edits[0][2]) for each in actions] == [("compare with `==`", "==")]


# ── what is broken, what is no policy ─────────────────────────────────────────────────────────────────


def test_answers_come_from_the_last_good_tree(tmp_path):
    workspace, document, names = opened(tmp_path)
    broken = 'limit EXP-005 "new" {\n  after.portf\n\n'
    here = POLICY.index("limit EXP-010")
    document.change(None, here, here, broken)
    mark = document.mark
    document.settle(workspace.check(document.path, document.text, workspace.texts()), mark)
    assert not document.latest.whole
    assert document.latest.diagnostics
    assert document.good.whole
    found = describe.hover(document, names, at(document.text, "most max_po|sition of"))
    assert document.text[found[0] : found[1]] == "max_position"
    where = navigate.definition(workspace, document, names, at(document.text, "of EXP-0|20 through"))
    assert document.text[where.start : where.end] == "EXP-020"


def test_a_file_that_was_never_whole_is_understood_around_the_mistake(tmp_path):
    text = POLICY.replace("limit EXP-020", "limit EXP-0xx").replace("rule LOSS-010", "rle LOSS-010")
    _, document, names = opened(tmp_path, text)
    assert not document.latest.whole
    found = describe.hover(document, names, at(text, "most max_po|sition of"))
    assert "setting max_position" in found[2]
    assert text[found[0] : found[1]] == "max_position"


def test_errors_of_meaning_leave_the_rest_understood(tmp_path):
    text = POLICY.replace("loss_share > 2%", "loss_shre > 2%")
    _, document, names = opened(tmp_path, text)
    assert not document.latest.sound
    assert "ratio" in describe.hover(document, names, at(text, "most max_po|sition of"))[2]


def test_a_module_is_checked_in_the_policy_that_imports_it(tmp_path):
    path = written(tmp_path)
    (tmp_path / "desk.cap").write_text(POLICY.replace('as limits\n', 'as limits (gross_limit = 0.5x)\n'))
    workspace = Workspace()
    module = workspace.document(path.with_name("limits.cap"))
    assert module.latest.diagnostics == ()
    found = describe.hover(module, Names(module.good), LIMITS.index("gross_limit of") + 3)
    assert "given by `use`" in found[2]


def test_a_module_of_nobody_is_checked_by_itself(tmp_path):
    (tmp_path / "alone.cap").write_text(LIMITS.replace("gross_limit of", "gross_limt of"))
    module = Workspace().document(tmp_path / "alone.cap")
    assert [each.help for each in module.latest.diagnostics] == ["did you mean `gross_limit`?"]


def test_open_buffers_are_read_and_not_the_disk(tmp_path):
    workspace, document, _ = opened(tmp_path)
    workspace.open(tmp_path / "limits.cap", LIMITS.replace("gross_limit", "other"), 1)
    analysis = workspace.check(document.path, document.text, workspace.texts())
    assert any("gross_limit" in each.message for each in analysis.diagnostics)


def test_a_file_of_tests_is_checked_with_its_policy(tmp_path):
    written(tmp_path)
    (tmp_path / "desk_test.cap").write_text('test "more" {\n  given regime.value = bull\n  intent buy 1 "SPY"\n  expect alow\n}\n')
    document = Workspace().document(tmp_path / "desk_test.cap")
    assert len(document.latest.diagnostics) == 1
    (tmp_path / "desk_test.cap").write_text('test "more" {\n  given regime.value = bull\n  intent buy 1 "SPY"\n  expect deny by EXP-030\n}\n')
    document = Workspace().document(tmp_path / "desk_test.cap")
    assert document.latest.diagnostics == ()
    found = describe.hover(document, Names(document.good), document.text.index("EXP-030") + 2)
    assert "**EXP-030** Bear" in found[2]


def test_nothing_is_said_about_the_library():
    from importlib.resources import files

    workspace = Workspace()
    for name in ("caplex.grammar/facts.cap", "caplex.stdlib_rules/loss.cap"):
        package, _, file = name.partition("/")
        document = workspace.document(Path(str(files(package))) / file)
        assert document.latest.diagnostics == ()
        assert outline.symbols(document)
