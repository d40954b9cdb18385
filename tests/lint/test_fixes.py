"""Fixes: what they write, that a safe one leaves the same policy, and that files are written whole or not at all."""
from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest

from caplex.compiler import driver, loading
from caplex.compiler.diagnostics.codes_reading import IDLE_PARENTHESES, UNUSED_LET
from caplex.compiler.diagnostics.codes_syntax import RESERVED_WORD
from caplex.compiler.diagnostics.diagnostic import Diagnostic, Edit, Fix
from caplex.compiler.lint.mending import edited, mend
from caplex.compiler.lint.offers import OFFERS
from caplex.compiler.lint.registry import MENDING
from caplex.compiler.lint.run import Asked, lint_source, mend_file
from caplex.compiler.source import Source, Span
from differential.policies import generate
from tests.lint.conftest import HEADER
from tests.lint.test_seeds import SEEDS, planted

Caplex = Callable[..., tuple[int, str, str]]
# A text with a defect, and the line that a fix makes of it.
SAFE = {
    "CAP209": ("", ""),  # needs a file beside it: below
    "CAP701": ("limit EXP-010 \"B\" { after.portfolio.gross at most 500% of account.equity else deny }", "5x of account.equity"),
    "CAP713": ("limit EXP-010 \"B\" { after.portfolio.gross at most 20% of account.equity + account.available else deny }",
               "at most (20% of account.equity) + account.available"),
    "CAP715": ('rule EXP-010 "L" { deny when account.day_loss > 5 USD }\n'
               'waiver W-010 of EXP-010 through 2026-06-30 approved by "CRO" ticket "R-1" including kill switches { when intent.symbol == "SH" }',
               'ticket "R-1" { when intent.symbol == "SH" }'),
    "CAP747": ('rule ORD-010 "B" { deny when not (intent.symbol in ["SPY"] ) }', 'rule ORD-010 "B" { require intent.symbol in ["SPY"] }'),
    "CAP748": ('rule ORD-010 "B" { deny when not (intent.side == buy) and not (intent.symbol in ["A"]) and not (venue.reject_rate is known) because "no" }',
               'deny when intent.side != buy and intent.symbol not in ["A"] and venue.reject_rate is not known because'),
    "CAP749": ('rule ORD-010 "P" { deny when (5 USD >= market.price and 1 USD <= market.price) because "cheap" }',
               "deny when (market.price within 1 USD..5 USD) because"),
    "CAP750": ('limit EXP-010 "B" { after.portfolio.gross at most (2x)of ((account.equity)) else deny }', "at most 2x of account.equity else deny"),
    "CAP751": ('limit LOSS-010 "D" { account.day_loss below 0.025 of account.day_start_equity else deny }\n'
               'limit LOSS-020 "E" { account.drawdown below 7% else deny }', "below 2.5% of account.day_start_equity"),
    "CAP752": ('policy p { version "1" language 1 currency USD stages ORD closing faces every rule overrides tightest wins unlimited loss unlimited exposure }\n'
               "## What is gone.\nlet lost = account.peak_equity - account.equity  # of the peak\n"
               'limit ORD-010 "O" { intent.notional at most 500 USD else deny }\n', "unlimited exposure }\nlimit ORD-010"),
    "CAP760": ('limit ORD-010 "O" { intent.notional at most 500 USD else deny }  # caplex: ignore CAP705 because of nothing\n', "else deny }\n"),
}
UNSAFE = {
    "CAP705": ('policy p { version "1" language 1 currency USD stages LOSS closing faces every rule overrides tightest wins unlimited exposure }\n'
               'limit LOSS-010 "D" { account.day_loss below 500 USD else deny }', "closing skips LOSS overrides"),
    "CAP707": ("setting spare : ratio = 5% \"Spare\"\nlimit ORD-010 \"O\" { intent.notional at most 500 USD else deny }", "}\nlimit ORD-010"),
    "CAP708": ('input curve { mid : price  as_of : instant? }\nrule ORD-010 "C" { deny when curve.mid < 5 USD }', "mid : price fresh within 5s  as_of"),
    "CAP720": ('limit EXP-010 "P" { after.position.notional at most 500 USD else reduce }', "abs(after.position.notional) at most"),
    "CAP721": ('limit EXP-010 "P" { abs(position.notional) at most 500 USD else deny }', "abs(after.position.notional) at most"),
    "CAP731": ('rule ORD-010 "L" code LISTED { deny when intent.symbol in ["GME ", "AMC"] }', '["GME", "AMC"]'),
    "CAP743": ('setting most : money = 500 USD "Most"\nlimit ORD-010 "O" { intent.notional at most most else deny }\n'
               'rule ORD-020 "B" { hold when intent.notional > 500 USD for approval by role "desk" }', "intent.notional > most for"),
}


def whole(text: str) -> str:
    return text if text.startswith("policy ") else HEADER.format(closing="closing skips LOSS, EXEC, EXP", more="overrides tightest wins") + text


def mended(text: str, tmp_path: Path, code: str, *, unsafe: bool = False) -> tuple[str, list[Diagnostic]]:
    path = tmp_path / "p.cap"
    path.write_text(text, encoding="utf-8")
    done = mend_file(path, Asked(select=(code, "CAP705")), unsafe=unsafe)
    assert done is not None
    assert path.read_text(encoding="utf-8") == text, "mending writes nothing"
    return done[1].text, list(done[1].applied)


def graph(text: str) -> str:
    """What is decided with, and nothing of how it is written."""
    return loading.loads(text, name="p.cap").graph_text


@pytest.mark.parametrize("code", [code for code in SAFE if code != "CAP209"])
def test_a_safe_fix_leaves_the_same_policy(code: str, tmp_path: Path) -> None:
    text, wanted = whole(SAFE[code][0]), SAFE[code][1]
    after, applied = mended(text, tmp_path, code)
    assert applied
    assert {each.code.id for each in applied} == {code}
    assert wanted in after, after
    assert _same(text, after)
    assert code not in {each.code.id for each in lint_source(Source("p.cap", after), tmp_path / "p.cap", Asked()).found}


def _same(before: str, after: str) -> bool:
    """The same graph; or, where a comparison is turned or two are told in another order, the same answers on every case."""
    return graph(before) == graph(after) or answers(before) == answers(after)


def answers(text: str) -> list[tuple[object, ...]]:
    policy = loading.loads(text, name="p.cap")
    told = []
    for price, side, symbol, rate in product(("0.5", "1", "3", "5", "6", None), ("buy", "sell"), ("A", "B"), ("0.01", None)):
        decision = policy.decide({
            "now": "2026-01-05T15:00:00Z",
            "intent": {"id": "i-1", "action": "open", "symbol": symbol, "side": side, "quantity": "2", "strategy": "m", "account": "a", "venue": "v"},
            "account": {"equity": "1000", "day_start_equity": "1000", "peak_equity": "1000", "available": "500"}, "positions": {}, "orders": [],
            "market": {symbol: {"as_of": "2026-01-05T15:00:00Z"} | ({"price": price} if price else {})}, "instruments": {symbol: {"lot": "1"}},
            "venues": {"v": {"reject_rate": rate} if rate else {}}, "switches": {},
        })
        told.append((price, side, symbol, rate, decision.verdict, decision.quantity, decision.violated))
    assert len({each[4] for each in told}) > 1, "cases that tell nothing apart"
    return told


@pytest.mark.parametrize("code", UNSAFE)
def test_an_unsafe_fix_waits_to_be_asked_for(code: str, tmp_path: Path) -> None:
    text, wanted = whole(UNSAFE[code][0]), UNSAFE[code][1]
    assert mended(text, tmp_path, code) == (text, [])
    after, applied = mended(text, tmp_path, code, unsafe=True)
    assert {each.code.id for each in applied} == {code}
    assert wanted in after, after
    checked, found = driver.check_source(Source("p.cap", after))
    assert checked is not None, [each.message for each in found]


@pytest.mark.parametrize("code", [code for code in SEEDS if code not in ("CAP716",)])
def test_in_a_large_policy_too(code: str, tmp_path: Path) -> None:
    """Whatever is planted: safe fixes leave what compiled compiling, and a second round finds nothing more to mend."""
    text = planted(code)
    after, applied = mended(text, tmp_path, code)
    if not applied:
        assert after == text
        return
    assert driver.check_source(Source("p.cap", after))[0] is not None
    assert mended(after, tmp_path, code) == (after, [])
    if code != "CAP748":
        assert graph(text) == graph(after)


@pytest.mark.parametrize("seed", range(12))
def test_generated_policies_are_mended_too(seed: int, tmp_path: Path) -> None:
    """Whatever a generator writes: with all fixes it compiles, and there is nothing more to mend."""
    text = generate(seed).text
    path = tmp_path / "p.cap"
    path.write_text(text, encoding="utf-8")
    for unsafe in (False, True):
        done = mend_file(path, Asked(), unsafe=unsafe)
        assert done is not None
        checked, found = driver.check_source(Source("p.cap", done[1].text))
        assert checked is not None, [each.message for each in found]
        path.write_text(done[1].text, encoding="utf-8")
        again = mend_file(path, Asked(), unsafe=unsafe)
        assert again is not None
        assert again[1].applied == ()


def test_edits_that_overlap_come_one_after_the_other(tmp_path: Path) -> None:
    text = whole('rule ORD-010 "B" { deny when not ((market.price) >= (1 USD) and (market.price) <= (5 USD)) }')
    after, applied = mended(text, tmp_path, "reading")
    assert "market.price within 1 USD..5 USD" in after
    assert len(applied) > 3
    assert graph(text) == graph(after)


def test_a_fix_that_breaks_the_policy_is_left_out() -> None:
    def look(source: Source) -> list[Diagnostic]:
        found = []
        for code, word, becomes in ((IDLE_PARENTHESES, "good", "better"), (UNUSED_LET, "fine", "broken")):
            at = source.text.find(word)
            if at >= 0:
                span = Span(source, at, at + len(word))
                found.append(Diagnostic(code, word, span, fix=Fix(word, True, (Edit(span, becomes),))))
        if "broken" in source.text:
            found.append(Diagnostic(RESERVED_WORD, "broken", Span(source, 0, 1)))
        return found

    done = mend(Source("p.cap", "good fine"), look)
    assert done.text == "better fine"
    assert [each.message for each in done.applied] == ["good"]


def test_edits_are_applied_from_the_end() -> None:
    source = Source("p", "abcdef")
    assert edited("abcdef", [Edit(Span(source, 1, 2), "XX"), Edit(Span(source, 4, 5), ""), Edit(Span(source, 6, 6), "!")]) == "aXXcdf!"


def test_the_command_mends_files(tmp_path: Path, caplex: Caplex) -> None:
    text = whole(SAFE["CAP701"][0] + "  # ü\r\n" + 'limit EXP-020 "S" { after.position.notional at most 500 USD else reduce }\n')
    path = tmp_path / "desk.cap"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    status, shown, told = caplex("lint", path, "--fix")
    after = path.read_bytes()
    assert after == b"\xef\xbb\xbf" + text.replace("500% of", "5x of").encode(), "mark and line ends stay"
    assert status == 0, shown  # gross bounds shorts too
    assert "1 mended" in told
    assert [each.name for each in tmp_path.iterdir()] == ["desk.cap"]


def test_what_remains_counts(tmp_path: Path, caplex: Caplex) -> None:
    path = tmp_path / "desk.cap"
    path.write_text(whole(UNSAFE["CAP720"][0]), encoding="utf-8")
    assert caplex("lint", path, "--fix")[0] == 1
    status, _, told = caplex("lint", path, "--unsafe-fixes")
    assert (status, "1 mended" in told) == (0, True)
    assert "abs(after.position.notional)" in path.read_text(encoding="utf-8")


def test_what_has_ended_and_what_is_watched_twice(tmp_path: Path, caplex: Caplex) -> None:
    head = HEADER.format(closing="closing skips LOSS, EXEC, EXP", more="mode monitor")
    path = tmp_path / "desk.cap"
    path.write_text(head + 'rule EXP-010 "L" severity low monitor through 2026-09-30 { deny when account.day_loss > 5 USD }\n'
                    'waiver W-010 of EXP-010 through 2026-06-30 approved by "CRO" ticket "R-1" { when intent.symbol == "SH" }\n', encoding="utf-8")
    assert caplex("lint", path, "--fix", "--as-of", "2026-07-01")[0] == 1
    assert caplex("lint", path, "--unsafe-fixes", "--as-of", "2026-07-01")[0] == 0
    assert path.read_text(encoding="utf-8") == head + 'rule EXP-010 "L" severity low { deny when account.day_loss > 5 USD }\n'


def test_an_import_that_nothing_uses(tmp_path: Path, caplex: Caplex) -> None:
    (tmp_path / "facts.cap").write_text("input desk { open : bool }\n", encoding="utf-8")
    (tmp_path / "names.cap").write_text("## Names.\nlet poor = account.equity < 5 USD\n", encoding="utf-8")
    path = tmp_path / "desk.cap"
    text = whole('use "names.cap" as names  # once\nrule ORD-010 "P" { deny when market.price < 5 USD }\n')
    path.write_text(text, encoding="utf-8")
    assert caplex("lint", path, "--fix")[0] == 0
    assert path.read_text(encoding="utf-8") == text.replace('use "names.cap" as names  # once\n', "")


def test_a_policy_with_errors_is_not_touched(tmp_path: Path, caplex: Caplex) -> None:
    text = whole('limit EXP-010 "B" { after.portfolio.gros at most 500% of account.equity else deny }')
    path = tmp_path / "desk.cap"
    path.write_text(text, encoding="utf-8")
    assert caplex("lint", path, "--fix")[0] == 1
    assert path.read_text(encoding="utf-8") == text


def test_the_page_of_lints_says_which_mend() -> None:
    """`MENDING` and `OFFERS` are what the fixes above are of; CAP714 and CAP716 are tried with the command."""
    assert set(SAFE) | set(UNSAFE) | {"CAP714", "CAP716"} == MENDING | set(OFFERS)
    assert len(SAFE) >= 8
