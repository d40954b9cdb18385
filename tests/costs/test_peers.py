"""The rules in the languages of the peers: the same decisions as the exact oracle, before anybody times anything."""
from __future__ import annotations

from fractions import Fraction
from importlib.util import find_spec

import baseline
import peers
import peers_rules
import pytest

MODULES = {"policygate-capital": "policygate_capital", "cedarpy": "cedarpy", "regopy": "regopy", "zen-engine": "zen", "datalogic-py": "datalogic_py",
           "common-expression-language": "cel", "rule-engine": "rule_engine"}


def test_the_shared_text_is_the_eighteen_rules():
    """Evaluated by Python itself."""
    mask, room = (compile(text, "<rules>", "eval") for text in (peers_rules.MASK, peers_rules.ROOM))
    for (intent, state), (verdict, broken, quantity) in zip(baseline.cases(float), peers.oracle(), strict=True):
        facts = peers_rules.flat(intent, state)
        assert eval(mask, {"abs": abs}, facts) == broken
        if verdict == "MODIFY":
            assert eval(room, {}, facts) == pytest.approx(float(quantity))


def test_the_oracle_is_the_baselines():
    for (intent, state), (verdict, broken, _) in zip(baseline.cases(Fraction), peers.oracle(), strict=True):
        wanted, rules, _ = baseline._hand(Fraction)(intent, state)
        assert (verdict, broken) == (wanted, sum(peers_rules.BIT[rule] for rule in rules))


def test_of_nine_rules_the_others_say_nothing():
    nine = sum(peers_rules.BIT[rule] for rule in peers.NINE)
    told = peers.oracle(peers.NINE)
    assert all(broken & ~nine == 0 for _, broken, _ in told)
    assert {verdict for verdict, _, _ in told} == {"ALLOW", "MODIFY", "DENY"}


def test_ours_are_equal_in_all():
    for one in [each for each in peers.caplex_forms() if each.name != "caplex, facts as a dict"]:
        peers.compare(one, peers.oracle(peers.NINE) if "nine" in one.name else peers.oracle())
        assert set(one.same.values()) == {64}


@pytest.mark.parametrize("package", peers.PEERS)
def test_a_peer_is_asked_the_same(package):
    if find_spec(MODULES[package]) is None:
        pytest.skip("not installed")
    for one in peers.PEERS[package]():
        peers.compare(one, peers.oracle(peers.NINE) if "nine" in one.name else peers.oracle())
        assert one.same["rules"] == 64
        assert one.same["verdict"] >= 63
        # Cedar cannot say how much would fit, PolicyGate rounds it, the others reckon in floats.
        assert one.same["quantity"] >= 56


def test_ratios_name_what_differs():
    one = peers.Form("x", "cedarpy", [1] * 64, abs, abs, 60, note="a note", same={"verdict": 64, "rules": 64, "quantity": 60})
    ours = peers.Form("caplex", "caplex", [1] * 64, abs, abs)
    (told,) = peers.results([ours, one], {"caplex": [1, 2, 1], "x": [100, 180, 110]})
    assert (told.name, told.median, told.kept, told.better) == ("x / caplex", 100, True, "higher")
    assert told.note == "a note; quantity as the oracle's in 60 of 64"
    one.beside, sized = True, peers.Form(peers.SPECIALISED, "caplex", [1] * 64, abs, abs)
    found = {each.name: (each.median, each.kept) for each in peers.results([ours, sized, one], {"caplex": [1, 2, 1], "x": [100, 180, 110], peers.SPECIALISED: [0.5, 1, 0.5]})}
    assert found == {"caplex, specialised / caplex": (0.5, None), "x / caplex": (100, True), "x, against a specialised policy / caplex, specialised": (200, None)}
