"""The reference pages are what the generator makes of the code now."""
from __future__ import annotations

import pytest
from click.testing import CliRunner
from guide_pages import DOCS

from caplex.compiler.diagnostics import catalogue
from caplex.compiler.semantics import schema
from caplex.compiler.tools import docgen, event_words
from caplex.runtime.engine import events

MADE = docgen.pages()


@pytest.mark.parametrize("name", sorted(MADE))
def test_the_page_is_what_the_code_says(name):
    path = DOCS / "reference" / name
    assert path.is_file(), f"{name} is missing; `python -m caplex.compiler.tools.docgen` writes it"
    assert path.read_text(encoding="utf-8") == MADE[name], f"{name} is old; `python -m caplex.compiler.tools.docgen` writes it anew"


def test_no_page_is_there_that_nobody_makes():
    assert {path.name for path in (DOCS / "reference").iterdir()} == set(MADE)


def test_every_code_and_every_field_has_its_place():
    for code in catalogue.codes():
        assert MADE["diagnostics.md"].count(f'<a id="{code.id.lower()}"></a>') == 1, code.id
    for section in schema.builtin().sections.values():
        for spec in section.fields.values():
            assert f"| `{spec.path}`" in MADE["facts.md"], spec.path


def test_every_event_status_discrepancy_and_refusal_has_its_place():
    for kind in events.REQUIRED:
        assert MADE["events.md"].count(f'<a id="{kind}"></a>') == 1, kind
        told = event_words.event_page(kind)
        assert told is not None
        for name in events.REQUIRED[kind]:
            assert f"- `{name}`: " in told, (kind, name)
    for name in ("unknown_order", "overfill", "late_fill", "lacks_role", "overtaken_by_trip", "no_roles_file", "id_reused", "applied", "rejected"):
        assert f"| `{name}` | " in MADE["outcomes.md"], name
    assert event_words.said("Refusal") == set(event_words.REFUSALS)
    assert event_words.said("flag") == set(event_words.PROBLEMS)
    assert event_words.event_page("fil") is None


def test_reasons_that_only_an_engine_gives_have_their_row():
    for name in ("SYS-009", "SYS-011", "SYS-014"):
        assert f"| {name} | " in MADE["reasons.md"]


def test_check_is_quiet_when_nothing_differs_and_names_what_does(tmp_path, monkeypatch):
    home = tmp_path / "docs" / "reference"
    home.parent.mkdir()
    monkeypatch.setattr(docgen, "HOME", home)
    assert CliRunner().invoke(docgen.main, ["--check"]).exit_code == 1
    assert CliRunner().invoke(docgen.main, []).exit_code == 0
    assert CliRunner().invoke(docgen.main, ["--check"]).exit_code == 0
    (home / "reasons.md").write_text("SYS-001 is nothing to worry about\n", encoding="utf-8")
    answer = CliRunner().invoke(docgen.main, ["--check"])
    assert (answer.exit_code, "reasons.md" in answer.output, "facts.md" in answer.output) == (1, True, False)


def test_a_word_without_text_makes_no_page():
    with pytest.raises(AssertionError, match="floor"):
        docgen.told(("abs", "floor"), {"abs": "…"}, "functions")
