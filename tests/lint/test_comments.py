"""Comments that silence a finding: where they hold, what they must say, and when they are of no use."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from caplex.compiler.diagnostics.diagnostic import Diagnostic
from caplex.compiler.lint.run import Asked, lint_source
from caplex.compiler.source import Source
from tests.lint.conftest import HEADER

Look = Callable[..., list[Diagnostic]]
RULE = 'limit EXP-010 "Book" { after.portfolio.gross at most 500% of account.equity else deny }'
HELD = [
    f"# caplex: ignore CAP701 because the mandate says 500%\n{RULE}",
    f"{RULE}  # caplex: ignore above-the-whole because the mandate says 500%",
    f"# caplex: ignore cap701 because the mandate says 500%\n\n# The whole book.\n## Its page.\n{RULE}",
    f"#caplex:ignore CAP701, because the mandate says 500%\n{RULE}",
]


def codes(found: list[Diagnostic]) -> list[str]:
    return [each.code.id for each in found]


@pytest.mark.parametrize("text", HELD)
def test_holds_on_its_line_or_the_next(text: str, look: Look) -> None:
    assert codes(look(text)) == []


def test_what_is_silenced_is_kept_with_its_reason(tmp_path: Path) -> None:
    header = HEADER.format(closing="closing skips LOSS, EXEC, EXP", more="overrides tightest wins")
    file = lint_source(Source("p.cap", header + HELD[0]), tmp_path / "p.cap", Asked())
    assert [(each.found.code.id, each.by.reason) for each in file.silenced] == [("CAP701", "the mandate says 500%")]
    assert file.failing == ()


@pytest.mark.parametrize(("text", "wanted"), [
    (f"# caplex: ignore CAP701\n{RULE}", ["CAP761", "CAP701"]),
    (f"# caplex: ignore CAP701 because\n{RULE}", ["CAP761", "CAP701"]),
    (f"# caplex: ignore CAP705 because it is so\n{RULE}", ["CAP760", "CAP701"]),
    (f"{RULE}\n# caplex: ignore CAP701 because it is so\n", ["CAP701", "CAP760"]),
    (f"# caplex: ignore above-the-hole because it is so\n{RULE}", ["CAP762", "CAP701"]),
    (f"# caplex: ignore risk because it is so\n{RULE}", ["CAP762", "CAP701"]),
    (f"# caplex: ignore because it is so\n{RULE}", ["CAP762", "CAP701"]),
    (f"# caplex: silence CAP701 because it is so\n{RULE}", ["CAP762", "CAP701"]),
    (f"# caplex: ignore CAP760 because it is so\n{RULE}", ["CAP762", "CAP701"]),
    (f"# caplex: ignore CAP701, CAP705 because it is so\n{RULE}", ["CAP760"]),
    (f'rule ORD-010 "# caplex: ignore CAP701" {{ deny when market.price < 5 USD }}\n{RULE}', ["CAP701"]),
])
def test_what_it_must_say(text: str, wanted: list[str], look: Look) -> None:
    assert codes(look(text)) == wanted


def test_the_nearest_name_is_told(look: Look) -> None:
    found = look(f"# caplex: ignore above-the-hole because it is so\n{RULE}")
    assert found[0].message == "no lint is named `above-the-hole`; did you mean `above-the-whole`?"


def test_an_error_is_never_silenced(look: Look) -> None:
    found = look("# caplex: ignore CAP203 because it is so\nlimit EXP-010 \"Book\" { after.portfolio.gros at most 5x of account.equity else deny }")
    assert codes(found) == ["CAP762", "CAP203"]


def test_what_was_not_looked_for_blames_no_comment(look: Look) -> None:
    text = f"# caplex: ignore CAP741 because ids are enough\n{RULE}"
    assert codes(look(text, ignore=("CAP741", "CAP701"))) == []
    assert codes(look(text, ignore=("CAP701",))) == ["CAP760"]
    assert codes(look("# caplex: ignore CAP716 because it was kept\n" + RULE, ignore=("CAP701",))) == []


def test_what_lies_in_an_import_is_silenced_at_its_use(tmp_path: Path) -> None:
    (tmp_path / "rates.cap").write_text('## Rates.\nthrottle RATE-010 "Rate" { deny beyond 5 orders in any 1min }\n', encoding="utf-8")
    header = 'policy p { version "1" language 1 currency USD stages RATE closing faces every rule unlimited exposure unlimited loss }\n'
    clause = lint_source(Source("p.cap", header + 'use "rates.cap" as rates\n'), tmp_path / "p.cap", Asked())
    assert [each.code.id for each in clause.found] == ["CAP705"]
    header = header.replace("stages RATE closing faces every rule", "stages RATE, EXP closing skips EXP")
    for comment, wanted in (("", ["CAP705"]), ("  # caplex: ignore CAP705 because rates hold for closing too", [])):
        file = lint_source(Source("p.cap", header + 'use "rates.cap" as rates' + comment + "\n"), tmp_path / "p.cap", Asked())
        assert [each.code.id for each in file.found] == wanted
