"""The texts of `cites`, taken apart."""
from __future__ import annotations

import pytest

from caplex.compiler.tools.document.citations import citations, coverage


@pytest.mark.parametrize(("text", "found"), [
    ("RTS 6, article 12(1)", [("RTS 6", "article 12(1)", "")]),
    ("RTS 6, article 15(1)(a); override: article 15(6)", [("RTS 6", "article 15(1)(a)", ""), ("RTS 6", "article 15(6)", "override")]),
    ("RTS 6, articles 15(2) and 15(4)", [("RTS 6", "article 15(2)", ""), ("RTS 6", "article 15(4)", "")]),
    ("A, sections 1, 2 and 3", [("A", "section 1", ""), ("A", "section 2", ""), ("A", "section 3", "")]),
    ("MiFID II RTS 6, article 15(3)", [("MiFID II RTS 6", "article 15(3)", "")]),
    ("MiFID II, RTS 6", [("MiFID II, RTS 6", "", "")]),
    ("17 CFR 240.15c3-5(c)(2)(ii)", [("17 CFR 240.15c3-5", "(c)(2)(ii)", "")]),
    ("17 CFR 240.15c3-5(c)(2)(i); Regulation SHO 203(b)(1)", [("17 CFR 240.15c3-5", "(c)(2)(i)", ""), ("Regulation SHO 203", "(b)(1)", "")]),
    ("SEC rule 15c3-5 (c)(1)(ii)", [("SEC rule 15c3-5", "(c)(1)(ii)", "")]),
    ("House rules, § 4", [("House rules", "§ 4", "")]),
    ("Committee minutes of 2026-01-12", [("Committee minutes of 2026-01-12", "", "")]),
    ("article 5", [("article 5", "", "")]),
    ("", []), (None, []), (" ; ", []),
])
def test_what_is_cited(text, found):
    assert [tuple(each) for each in citations(text)] == found


def test_places_are_in_the_order_of_the_document():
    rules = [{"id": f"A-{number}", "title": "", "cites": cites, "monitored": monitored} for number, (cites, monitored) in enumerate([
        ("Law, article 12", None), ("Law, article 9; Act 2", None), (None, None), ("Law, article 9", "")])]
    found = coverage(rules)
    assert [(each["document"], [(place["place"], [served["rule"] for served in place["served_by"]]) for place in each["places"]])
            for each in found["documents"]] == [("Act 2", [("", ["A-1"])]), ("Law", [("article 9", ["A-1", "A-3"]), ("article 12", ["A-0"])])]
    assert [served["enforced"] for served in found["documents"][1]["places"][0]["served_by"]] == [True, False]
    assert (found["without"], found["citing"], found["rules"]) == (["A-2"], 3, 4)
