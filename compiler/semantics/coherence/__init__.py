"""Checks over a finished `CheckedModule`: what its parts say about each other.

One file per idea; each check is a generator of diagnostics over one `Context`. None of them reads a clock.
"""
from __future__ import annotations

from caplex.compiler.diagnostics.diagnostic import Diagnostic
from caplex.compiler.semantics.coherence import (
    allocation,
    claims,
    convexity,
    dates,
    dead,
    knobs,
    overrides,
    permissive,
    prices,
    rates,
    rearming,
    shadows,
    sizes,
    switches,
    trapped,
    wording,
)
from caplex.compiler.semantics.coherence.context import Check, Context
from caplex.compiler.semantics.model import CheckedModule

CHECKS: tuple[Check, ...] = (
    *convexity.CHECKS, *rates.CHECKS, *overrides.CHECKS, *switches.CHECKS, *rearming.CHECKS, *sizes.CHECKS, *allocation.CHECKS,
    *dead.CHECKS, *shadows.CHECKS, *trapped.CHECKS, *permissive.CHECKS, *claims.CHECKS, *prices.CHECKS, *knobs.CHECKS, *wording.CHECKS,
)


def check(checked: CheckedModule) -> list[Diagnostic]:
    """Errors and warnings about *checked*, in the order of the text."""
    context = Context(checked)
    return sorted((problem for each in CHECKS for problem in each(context)), key=Diagnostic.sort_key)


def past(checked: CheckedModule, as_of_ns: int) -> list[Diagnostic]:
    """What has ended by *as_of_ns* (``--as-of``): waivers, monitors, loosened settings, the policy itself."""
    return sorted(dates.past(checked, as_of_ns), key=Diagnostic.sort_key)
