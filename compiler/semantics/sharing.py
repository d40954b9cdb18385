"""Allocations: between what capital may be shared out, and what each clause reads."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from caplex.compiler.diagnostics import codes_sizing as codes
from caplex.compiler.semantics import units
from caplex.compiler.semantics.infer import Infer
from caplex.compiler.semantics.report import at, guess, listing
from caplex.compiler.semantics.resolve import Place
from caplex.compiler.syntax import ast
from caplex.runtime.layout import PLACES
from caplex.runtime.schema import SectionSpec

PER_NAME: Final = frozenset({"score", "floor", "ceiling"})
"""Read for each name, whose rows they see; the other clauses are read once for all names."""


def section_of(sections: Mapping[str, SectionSpec], name: str) -> SectionSpec | None:
    """The section that *name* means, as policies write it (`strategy`) or as documents do (`strategies`); None if it has no rows by name."""
    found = sections.get(name) or next((spec for spec in sections.values() if PLACES.get(spec.name) == name), None)
    return found if found is not None and found.shape == "row" else None


def check(walker: Infer, allocate: ast.Allocate) -> None:
    """What the clauses of *allocate* are, and what they read. Optional metrics may be read bare: an absent one refuses the plan."""
    sections = walker.checked.schema.sections
    section = section_of(sections, allocate.across.text)
    if section is None or section.key is None:
        known = sorted(PLACES.get(spec.name, spec.name) for spec in sections.values() if spec.shape == "row")
        walker.say(at(codes.ALLOCATION_ACROSS, f"`{allocate.across.text}` has no rows by name", allocate.across.span,
                      "nothing to share out between", help=guess(allocate.across.text, known) or f"there are {listing(known)}"))
        return
    for clause in allocate.clauses:
        before, walker.reads = walker.reads, set()
        own = frozenset({section.key} if clause.kind in PER_NAME else ())
        with walker.standing(Place(text=True, shares=own)):
            if clause.kind == "freeze when":
                walker.condition(clause.value)
            else:
                walker.expect(clause.value, units.RATIO, f"`{clause.kind}`")
        facts = {path for path in walker.reads if not path.startswith("setting ")}
        if clause.kind == "score" and facts and not any(walker.depends_on_intent(path) for path in facts):
            walker.say(at(codes.ALLOCATION_READS, "the score is the same for every name", clause.value.span,
                          f"reads no field of `{section.name}`"))
        walker.reads = before
