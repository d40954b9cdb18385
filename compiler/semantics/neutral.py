"""The neutral header: what a module without one is checked and tested under (docs/spec.md, CAP-TEST-11)."""
from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from caplex.compiler.diagnostics.diagnostic import Diagnostic
from caplex.compiler.semantics import symbols
from caplex.compiler.semantics.symbols import Loader, family
from caplex.compiler.source import Source
from caplex.compiler.syntax import ast
from caplex.compiler.syntax.parser import parse
from caplex.compiler.syntax.words import HARD

NAME: Final = "the neutral header"
_JUDGES = ast.Rule | ast.Limit | ast.Throttle | ast.Cooldown
_AMOUNT: Final = re.compile(r"(?<![\w.])\d[\d_.]*[ ]([A-Z]{3,5})\b")
_HEADER: Final = re.compile(r"\bpolicy\s+\w+\s*\{")


def neutral_header(items: Iterable[ast.Item], name: str = "pack", currency: str = "USD") -> str:
    """The header that a module of *items* stands under: every family it has, switches first; closing skips what is no switch."""
    switches: dict[str, None] = {}
    others: dict[str, None] = {}
    for item in items:
        if isinstance(item, ast.KillSwitch):
            switches[family(item.rule_id.text)] = None
        elif isinstance(item, _JUDGES):
            others[family(item.rule_id.text)] = None
    skipped = [name for name in others if name not in switches]
    stages = ", ".join(dict.fromkeys(["SYS", *switches, *others]))
    closing = "skips " + ", ".join(skipped) if skipped else "faces every rule"
    return (f'policy {name} {{\n  version "0"\n  language 1\n  mode enforce\n  currency {currency}\n  timezone "UTC"\n  stages {stages}\n'
            f"  closing {closing}\n  overrides tightest wins\n  unlimited exposure\n  unlimited loss\n}}\n")


def under_neutral(module: ast.Module, load: Loader, identity: str, name: str, ids: Iterator[int], *, own_currency: bool = False) -> ast.Module:
    """*module*, which has no header, under the neutral one.

    Args:
        load: Is asked for its imports, and is not to be used again.
        own_currency: In the currency of its amounts, if they are in one.
    """
    scope, _ = symbols.collect(module, load, identity)
    items = [item for each in scope.walk() for item in each.module.items]
    fits = re.fullmatch(r"[a-z][a-z0-9_]*", name) is not None and name not in HARD
    said = set(_AMOUNT.findall(module.span.source.text)) if own_currency else set()
    currency = said.pop() if len(said) == 1 else "USD"
    found, problems = parse(Source(NAME, neutral_header(items, name if fits else "pack", currency)), ids=ids)
    assert found is not None, problems
    assert found.header is not None, problems
    return replace(module, header=found.header)


def of_header(found: Diagnostic) -> bool:
    """Whether it is of the neutral header, which nobody wrote."""
    return found.span is not None and found.span.source.name == NAME


def stands_alone(module: ast.Module) -> bool:
    """Whether a file without header is a module: it says something, and no header of its has ended up in a comment."""
    return module.header is None and bool(module.items) and _HEADER.search(module.span.source.text) is None
