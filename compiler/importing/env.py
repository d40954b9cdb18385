"""The entry gate's `POLICY_*` variables as settings of `examples/entry_gate/policy.cap`.

The original read eleven variables, took what was missing from its defaults, took NaN for a limit, and took everything but
`true` for false. Here a variable that it does not have, that stands twice, or whose value cannot be used, is refused by name.
"""
from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from typing import Final

from caplex.compiler.diagnostics.codes_importing import UNKNOWN, UNREADABLE
from caplex.compiler.diagnostics.diagnostic import Diagnostic
from caplex.compiler.importing.found import at_line, decimal, plain, twice, unknown, unusable
from caplex.compiler.source import Source, Span

PREFIX: Final = "POLICY_"


@dataclass(frozen=True, slots=True)
class Kind:
    """How a value is written: what is taken, in words, and the setting's text for it; None where it cannot be used."""

    wanted: str
    read: Callable[[str], str | None]
    cure: Callable[[str], str | None] = lambda text: None


@dataclass(frozen=True, slots=True)
class Assigned:
    """A variable that was found: the setting it moves, the text of its value there, and where it stands."""

    variable: str
    setting: str
    value: str
    span: Span


def _within(text: str, low: int, high: int | None, *, whole: bool) -> Decimal | None:
    value = decimal(text)
    if value is None or value < low or (high is not None and value > high) or (whole and not re.fullmatch(r"[+]?\d+", text)):
        return None
    return value


def _plain(text: str, low: int = 0, high: int | None = None, *, whole: bool = False, unit: str = "") -> str | None:
    value = _within(text, low, high, whole=whole)
    return None if value is None else plain(value) + unit


def _percent(text: str) -> str | None:
    value = decimal(text.removesuffix("%").strip())
    return None if value is None or not 0 <= value <= 100 else f"for {plain(value)}% write {plain(value / 100)}"


def _seconds(text: str) -> str | None:
    unit = re.fullmatch(r"(\d+)\s*s", text)
    return f"the variable counts seconds: write {unit.group(1)}" if unit else None


def _boolean(text: str) -> str | None:
    return text.lower() if text.lower() in ("true", "false") else None


def _was_false(text: str) -> str | None:
    return f"write true or false; the original read `{text}` as false" if text else "write true or false"


SHARE: Final = Kind("it is a share between 0 and 1", lambda text: _plain(text, 0, 1), _percent)
MONEY: Final = Kind("it is an amount of USDT, 0 or more", lambda text: _plain(text, unit=" USDT"))
COUNT: Final = Kind("it is a whole number, 0 or more", lambda text: _plain(text, whole=True))
SECONDS: Final = Kind("it is a whole number of seconds, 0 or more", lambda text: _plain(text, whole=True, unit="s"), _seconds)
SWITCH: Final = Kind("it is true or false", _boolean, _was_false)

VARIABLES: Final[Mapping[str, tuple[str, Kind]]] = {
    "MIN_CONFIDENCE": ("min_confidence", SHARE),
    "COOLDOWN_GLOBAL": ("cooldown_global", SECONDS),
    "COOLDOWN_SYMBOL": ("cooldown_symbol", SECONDS),
    "MAX_POSITIONS_TOTAL": ("max_positions", COUNT),
    "MAX_EXPOSURE_TOTAL": ("max_exposure", MONEY),
    "MAX_EXPOSURE_PER_SYMBOL": ("max_symbol_exposure", MONEY),
    "MAX_POSITIONS_PER_SYMBOL": ("max_symbol_positions", COUNT),
    "MAX_POSITIONS_PER_REGIME": ("max_regime_positions", COUNT),
    "ALLOW_SCALE_IN": ("allow_scale_in", SWITCH),
    "SCALE_IN_CONFIDENCE_DELTA": ("scale_in_delta", SHARE),
    "SCALE_IN_MAX_COUNT": ("scale_in_max", COUNT),
}
"""Without the prefix: the setting, and how its value is written."""

_LINE: Final = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=(.*)")


def from_environment(environment: Mapping[str, str], prefix: str = PREFIX) -> Source:
    """The variables of a process, as the file that would say the same; others' variables are nobody's business."""
    return Source("the environment", "".join(
        "{}={}\n".format(name, environment[name].replace("\n", "\\n")) for name in sorted(environment) if name.startswith(prefix)))


def read(source: Source, prefix: str = PREFIX) -> tuple[list[Assigned], list[Diagnostic]]:
    """What stands in a file of ``NAME=VALUE`` lines, in the order of the variables above, and what is wrong with it."""
    found: dict[str, Assigned] = {}
    seen: dict[str, Span] = {}
    wrong: list[Diagnostic] = []
    known = [prefix + name for name in VARIABLES]
    for number, text in _lines(source):
        span = at_line(source, number)
        match = _LINE.fullmatch(text)
        if match is None:
            if text.split(maxsplit=1)[0].startswith(prefix):
                wrong.append(Diagnostic(UNREADABLE, "this line is no NAME=VALUE", span, help="a variable and its value are parted by `=`"))
            continue
        name, value = match.group(1), _unquoted(match.group(2))
        if not name.startswith(prefix):
            near = get_close_matches(name, known, n=1, cutoff=0.9)
            if near:
                wrong.append(Diagnostic(UNKNOWN, f"`{name}` is read by nobody", span, help=f"did you mean `{near[0]}`?"))
            continue
        if name in seen:
            wrong.append(twice(name, span, seen[name]))
            continue
        seen[name] = span
        entry = VARIABLES.get(name.removeprefix(prefix))
        if entry is None:
            wrong.append(unknown("the entry gate", name, span, known, "its eleven variables are listed by `caplex import env --help`"))
            continue
        setting, kind = entry
        taken = kind.read(value)
        if taken is None:
            wrong.append(unusable(name, value, kind.wanted, span, kind.cure(value)))
        else:
            found[setting] = Assigned(name, setting, taken, span)
    return [found[setting] for setting, _ in VARIABLES.values() if setting in found], wrong


def _lines(source: Source) -> Iterator[tuple[int, str]]:
    """Lines that say something, with their numbers."""
    for number in range(1, len(source.starts()) + 1):
        text = source.line(number).strip()
        if text and not text.startswith("#"):
            yield number, text


def _unquoted(text: str) -> str:
    """The value as a shell reads it: quotes belong to nobody, and a comment begins behind white space."""
    text = text.strip()
    if len(text) > 1 and text[0] in "\"'" and (end := text.find(text[0], 1)) > 0 and (not text[end + 1:].strip() or text[end + 1:].lstrip().startswith("#")):
        return text[1:end]
    return re.split(r"(?:^|\s)#", text, maxsplit=1)[0].rstrip()


def settings_text(found: list[Assigned], source: Source) -> str:
    """The settings file that says what the variables said. What was not set keeps the policy's own default, and is not written."""
    lines = [f"# Made by `caplex import env` from {source.name}, for the settings of the entry gate's policy.",
             "# What does not stand here keeps the default that the policy names."]
    for each in found:
        place = f", line {each.span.begin.line}" if source.name != "the environment" else ""
        lines.append(f"{each.setting}: {each.value}  # {each.variable}{place}")
    return "\n".join(lines) + "\n" + ("" if found else "{}\n")
