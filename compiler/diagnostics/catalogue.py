"""Every code there is, from the modules that declare them: the manual and `caplex explain CAPnnn` are made from it."""
from __future__ import annotations

from functools import cache
from types import ModuleType

from caplex.compiler.diagnostics import (
    codes_importing,
    codes_input,
    codes_lint,
    codes_names,
    codes_reading,
    codes_risk,
    codes_rules,
    codes_sizing,
    codes_stages,
    codes_switches,
    codes_syntax,
    codes_tests,
    codes_types,
)
from caplex.compiler.diagnostics.diagnostic import Code

# The one list: a test holds it equal to the files `codes_*.py`.
MODULES: tuple[ModuleType, ...] = (
    codes_syntax,
    codes_names,
    codes_types,
    codes_rules,
    codes_stages,
    codes_sizing,
    codes_switches,
    codes_lint,
    codes_risk,
    codes_reading,
    codes_tests,
    codes_input,
    codes_importing,
)

FAMILIES = {
    "1": "syntax",
    "2": "names and facts",
    "3": "types and units",
    "4": "rules, stages, overrides",
    "5": "sizing and allocation",
    "6": "switches and state",
    "7": "lint, risk first",
    "8": "verification and tests",
    "9": "input data",
}


@cache
def codes() -> tuple[Code, ...]:
    """All codes, by number. A number or a name that is used twice is a bug of ours."""
    found: dict[str, Code] = {}
    names: set[str] = set()
    for module in MODULES:
        for code in module.CODES:
            assert code.id not in found, f"{code.id} stands for `{found[code.id].name}` and for `{code.name}`"
            assert code.name not in names, f"two codes are named `{code.name}`"
            found[code.id] = code
            names.add(code.name)
    return tuple(found[number] for number in sorted(found))


def lookup(name: str) -> Code | None:
    """The code with this number (in any case) or name."""
    wanted = name.strip()
    for code in codes():
        if wanted.upper() == code.id or wanted.lower() == code.name:
            return code
    return None


def family(code: Code) -> str:
    """What the first digit of its number says."""
    return FAMILIES[code.id.removeprefix("CAP")[0]]


def page(code: Code) -> str:
    """The page of *code* in Markdown."""
    parts = [
        f"# {code.id}: {code.title}",
        f"`{code.name}`, {_article(code.level.value)} {code.level.value}. Family: {family(code)}.",
        f"## Why\n\n{code.why}",
    ]
    fence = "json" if code.id.startswith("CAP9") else "cap"
    if code.example:
        parts.append(f"## Avoid\n\n```{fence}\n{code.example}\n```")
    if code.cure:
        parts.append(f"## Prefer\n\n```{fence}\n{code.cure}\n```")
    return "\n\n".join(parts) + "\n"


def index() -> str:
    """All codes in one Markdown table, a family after the other."""
    rows = ["| code | name | level | what |", "|---|---|---|---|"]
    rows += [f"| {code.id} | `{code.name}` | {code.level.value} | {code.title} |" for code in codes()]
    return "\n".join(rows) + "\n"


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"
