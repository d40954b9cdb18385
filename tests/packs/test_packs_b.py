"""The second half of the standard library: each pack is imported as its page shows, in any currency, beside the others."""
from __future__ import annotations

import re
from pathlib import Path

import pytest

import caplex
from caplex.compiler.source import Source
from caplex.compiler.syntax import ast
from caplex.compiler.syntax.parser import parse
from caplex.compiler.tools import pages_packs

ROOT = Path(__file__).resolve().parents[2]
SEVEN = ("entry_gate", "market_fitness", "scale_in", "session", "sizing", "strategy", "venue")
FOUR = ("ai_agent_treasury", "crypto_perps", "mifid_rts6", "us_equities_15c3_5")
DESKS = {"agent_treasury": 1, "crypto_desk": 5, "equities_desk": 5}
FIRM = {"mifid_rts6": r"RTS 6, articles? \d+", "us_equities_15c3_5": r"17 CFR 240\.15c3-5\(c\)\(\d\)\(i+\)"}


def text_of(name: str) -> str:
    return (ROOT / "stdlib_rules" / f"{name}.cap").read_text(encoding="utf-8")


def tree_of(name: str) -> ast.Module:
    module, problems = parse(Source(name, text_of(name)))
    assert module is not None, problems
    return module


def rules_of(name: str) -> list[ast.RuleItem]:
    return [item for item in tree_of(name).items if isinstance(item, ast.Rule | ast.Limit | ast.Throttle | ast.Cooldown | ast.KillSwitch)]


def settings_of(name: str) -> list[ast.Setting]:
    return [item for item in tree_of(name).items if isinstance(item, ast.Setting)]


def desk(*uses: str, currency: str = "USD", closing: str = "skips") -> str:
    stages: dict[str, None] = {}
    for use in uses:
        found = re.match(r"use stdlib\.(\w+)", use)
        assert found is not None
        stages |= dict.fromkeys(pages_packs._module(found.group(1)).stages())
    skipped = [stage for stage in stages if stage != "KILL"]
    how = f"skips {', '.join(skipped)}" if closing == "skips" else "faces every rule"
    return (f'policy desk {{ version "1" language 1 mode enforce currency {currency} timezone "UTC" stages SYS, {", ".join(stages)} closing {how}\n'
            "overrides tightest wins unlimited loss unlimited exposure }\n" + "\n".join(uses) + "\n")


def check(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "desk.cap"
    path.write_text(text, encoding="utf-8")
    return [f"{found.code.id}: {found.message}" for found in caplex.check(path)]


def shown(name: str) -> str:
    """The line of the pack's own page that shows how to import it."""
    (line,) = re.findall(rf"^##     (use stdlib\.{name} as .*)$", text_of(name), re.M)
    return line


# ── importing ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", [*SEVEN, *FOUR])
def test_it_is_imported_as_its_page_shows(name: str, tmp_path: Path) -> None:
    currency = "EUR" if "EUR" in shown(name) else "USD"
    assert check(tmp_path, desk(shown(name), currency=currency)) == []


@pytest.mark.parametrize("name", [*SEVEN, *FOUR])
def test_the_page_imports_it_under_a_name_that_is_free(name: str, tmp_path: Path) -> None:
    page = pages_packs.page(f"stdlib.{name}")
    assert page is not None
    (line,) = re.findall(rf"^use stdlib\.{name} as \w+$", page.markdown, re.M)
    assert check(tmp_path, desk(line)) == []


@pytest.mark.parametrize("name", [*SEVEN, *FOUR])
def test_it_serves_a_desk_of_another_currency(name: str, tmp_path: Path) -> None:
    money = [setting.name.text for setting in settings_of(name) if setting.type.name == "money"]
    given = ", ".join(f"{each} = 1_000 USDT" for each in money)
    assert check(tmp_path, desk(f"use stdlib.{name} as pack" + (f" ({given})" if given else ""), currency="USDT")) == []


def test_the_seven_stand_beside_each_other(tmp_path: Path) -> None:
    assert check(tmp_path, desk(*(shown(name) for name in SEVEN))) == []


@pytest.mark.parametrize(("use", "told"), [
    ("use stdlib.venue as exchange (max_open_order = 5)", "has no setting `max_open_order`"),
    ("use stdlib.market_fitness as fitness (max_spread = 20%)", "max_spread"),
    ("use stdlib.session as hours (entry_cutoff = 15)", "entry_cutoff"),
    ("use stdlib.strategy as strategy", "`strategy` is already a section of the facts"),
])
def test_a_wrong_import_is_named(use: str, told: str, tmp_path: Path) -> None:
    assert any(told in line for line in check(tmp_path, desk(use)))


@pytest.mark.parametrize(("setting", "safer", "looser"), [
    ("fitness.max_age", "1s", "10s"), ("fitness.max_spread", "10bp", "60bp"), ("fitness.max_participation", "1%", "6%"),
])
def test_from_outside_a_setting_moves_to_its_safer_side_only(setting: str, safer: str, looser: str, tmp_path: Path) -> None:
    path = tmp_path / "desk.cap"
    path.write_text(desk("use stdlib.market_fitness as fitness"), encoding="utf-8")
    assert caplex.load(path, settings={setting: safer}).settings_hash != caplex.load(path).settings_hash
    with pytest.raises(caplex.PolicyError, match="may only move down"):
        caplex.load(path, settings={setting: looser})


# ── what a reader finds ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", [*SEVEN, *FOUR])
def test_every_rule_and_setting_speaks(name: str) -> None:
    rules = rules_of(name)
    assert len(rules) >= 3
    for rule in rules:
        assert rule.title, rule.rule_id.text
        assert rule.attributes.severity, rule.rule_id.text
        assert rule.doc, rule.rule_id.text
        if not isinstance(rule, ast.KillSwitch):
            assert rule.because is not None, rule.rule_id.text
        if isinstance(rule, ast.Limit | ast.Throttle):
            assert re.search(r"\{(observed|price|intent)", rule.because.span.text), rule.rule_id.text
    for setting in settings_of(name):
        assert setting.title, setting.name.text
        assert setting.doc, setting.name.text
        if setting.type.name not in ("bool", "set of"):
            assert setting.safer, setting.name.text
            assert setting.low is not None, setting.name.text
    assert "Where the numbers come from:" in text_of(name)
    assert not re.search(r"https?:|www\.", text_of(name))


@pytest.mark.parametrize("name", FIRM)
def test_every_rule_says_which_article_it_serves(name: str) -> None:
    for rule in rules_of(name):
        assert rule.attributes.cites, rule.rule_id.text
        assert re.search(FIRM[name], rule.attributes.cites), rule.attributes.cites
        page = pages_packs.page(f"stdlib.{name}.{rule.rule_id.text}")
        assert page is not None
        assert f"- Cites: {rule.attributes.cites}" in page.markdown


def test_a_pack_that_brings_others_names_their_stages() -> None:
    page = pages_packs.page("stdlib.us_equities_15c3_5")
    assert page is not None
    assert "`MAR`, `SESS`, `MKT`" in page.markdown
    assert "It brings `stdlib.session` as `broker.hours`." in page.markdown


# ── desks made of them ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", DESKS)
def test_a_desk_of_packs_is_short(name: str) -> None:
    text = (ROOT / "examples" / name / "policy.cap").read_text(encoding="utf-8")
    assert sum(bool(line.strip()) and not line.startswith("#") for line in text.splitlines()) < 40
    assert len(re.findall(r"^use stdlib\.", text, re.M)) >= DESKS[name]


def facts(**market: str) -> dict[str, object]:
    now = "2026-01-05T15:00:00Z"
    return {"now": now, "intent": {"id": "i", "action": "open", "symbol": "X", "side": "buy", "quantity": "10"}, "positions": {}, "orders": [],
            "account": {"equity": "100000"}, "instruments": {"X": {"lot": "1"}}, "market": {"X": {"price": "100", "as_of": now, **market}}}


@pytest.mark.parametrize("lost", ["bid", "ask", "halted", "depth", "adv", "volatility", "normal_volatility", "mark", "index", "as_of"])
def test_a_reading_that_the_host_lost_opens_nothing(lost: str, tmp_path: Path) -> None:
    path = tmp_path / "desk.cap"
    path.write_text(desk("use stdlib.market_fitness as fitness"), encoding="utf-8")
    policy = caplex.load(path)
    whole = {"bid": "99.99", "ask": "100.01", "mark": "100", "index": "100", "depth": "1000", "adv": "10000", "volatility": "20%", "normal_volatility": "20%"}
    document = facts(**whole)
    document["market"]["X"]["halted"] = False  # type: ignore[index]
    assert policy.decide(document).verdict == "ALLOW"
    del document["market"]["X"][lost]  # type: ignore[attr-defined, index]
    decision = policy.decide(document)
    assert decision.verdict == "DENY"
    assert decision.reasons[0].rule in ("SYS-001", "SYS-002")


@pytest.mark.parametrize(("switch", "spared"), [
    ("with_depth", ("depth",)), ("with_adv", ("adv",)), ("with_volatility", ("volatility", "normal_volatility")), ("with_index", ("mark", "index")),
])
def test_what_the_host_does_not_have_is_left_out_in_sight(switch: str, spared: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "desk.cap"
    path.write_text(desk(f"use stdlib.market_fitness as fitness ({switch} = false)"), encoding="utf-8")
    whole = {"bid": "99.99", "ask": "100.01", "mark": "100", "index": "100", "depth": "1000", "adv": "10000", "volatility": "20%", "normal_volatility": "20%"}
    document = facts(**{name: value for name, value in whole.items() if name not in spared})
    document["market"]["X"]["halted"] = False  # type: ignore[index]
    assert caplex.load(path).decide(document).verdict == "ALLOW"


@pytest.mark.parametrize(("method", "needed"), [
    ("", {}), ("risk", {"stop_loss": "90"}), ("confidence", {"confidence": "50%"}), ("kelly", {"stop_loss": "90", "take_profit": "130"}),
])
def test_a_size_needs_what_its_methods_read(method: str, needed: dict[str, str], tmp_path: Path) -> None:
    off = ", ".join(f"with_{each} = false" for each in ("confidence", "risk", "volatility", "kelly") if each != method)
    path = tmp_path / "desk.cap"
    path.write_text(desk(f"use stdlib.sizing as tickets ({off})"), encoding="utf-8")
    policy = caplex.load(path)
    document = facts() | {"strategies": {"trend": {"winrate_30d": "60%"}}}
    document["intent"].update(needed | {"strategy": "trend"})  # type: ignore[attr-defined]
    assert policy.decide(document).verdict == "ALLOW"
    for name in needed:
        del document["intent"][name]  # type: ignore[attr-defined]
        assert policy.decide(document).verdict == "DENY"


def test_a_method_that_nobody_knows_is_named(tmp_path: Path) -> None:
    assert any("has no setting `with_keli`" in line for line in check(tmp_path, desk("use stdlib.sizing as tickets (with_keli = false)")))
