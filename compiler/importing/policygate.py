"""PolicyGate's configuration as a `.cap` policy: its nine rules, with its limits, overrides and switch.

`policy_text` takes the configuration as a document, `read` takes its YAML, with the comments and a place for every error.
The text itself is `policygate.cap.j2`, beside this file.
"""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import jinja2

    from caplex.compiler.diagnostics.diagnostic import Diagnostic
    from caplex.compiler.source import Source

Document = Mapping[str, Any]
Path_ = tuple[str, ...]

# Setting of the policy: type, block and key in PolicyGate's configuration, title.
SETTINGS: Final = {
    "daily_loss_limit": ("ratio", "loss", "daily_loss_limit_pct", "Share of the day's first equity that may be lost"),
    "max_drawdown": ("ratio", "loss", "max_drawdown_pct", "Share of peak equity that may be lost"),
    "max_orders_per_minute": ("count", "execution", "max_orders_per_minute_global", "Orders of the account in a minute"),
    "max_orders_per_minute_by_strategy": (
        "count", "execution", "max_orders_per_minute_by_strategy", "Orders of one strategy in a minute"),
    "max_position": ("ratio", "exposure", "max_position_pct", "Largest share of equity in one symbol"),
    "max_gross": ("ratio", "exposure", "max_gross_exposure_x", "Largest gross book, in multiples of equity"),
    "max_net": ("ratio", "exposure", "max_net_exposure_x", "Largest net book, in multiples of equity"),
    "trip_after_n_violations": ("count", "kill_switch", "trip_after_n_violations", "Violations that trip the switch"),
    "violation_window": ("duration", "kill_switch", "violation_window_seconds", "Window in which violations are counted"),
}
OPTIONAL: Final = ("max_net_exposure_x",)
DIMENSIONS: Final = {"symbols": "symbol", "strategies": "strategy"}
RULES: Final = {name: name for name in ("KILL-001", "LOSS-001", "LOSS-002", "EXEC-001", "EXEC-002", "EXP-001", "EXP-002", "EXP-003")} | {
    "SYS-001": "DATA-010"}
"""PolicyGate's rules, as the policy calls them."""


@dataclass(frozen=True, slots=True)
class Comments:
    """What stood above a key of the file and beside it, and what came after the last one."""

    above: Mapping[Path_, tuple[str, ...]] = field(default_factory=dict)
    beside: Mapping[Path_, str] = field(default_factory=dict)
    last: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Imported:
    """A configuration that can be used, with what its author wrote about it."""

    config: Document
    comments: Comments = Comments()


class NotANumber(ValueError):
    """A limit that is no finite number."""


def read(source: Source) -> tuple[Imported | None, list[Diagnostic]]:
    """The configuration in *source*, YAML; None where it cannot be used, and what is wrong or else worth knowing."""
    from caplex.compiler.importing.policygate_yaml import read

    return read(source)


def policy_text(imported: Imported, *, counted: bool = True) -> str:
    """The `.cap` policy that says what the configuration says; *counted*: the host counts orders, and not the engine.

    Raises:
        NotANumber: A limit is none.
    """
    config, comments = imported.config, imported.comments
    from caplex.compiler.formatting.format import format_text

    limits, trips = config["limits"], ("limits", "kill_switch", "trip_on_rules")
    return format_text(_template().render(
        counted=counted, version=config["version"], timezone=config["timezone"], mode=config["defaults"]["mode"],
        notes={name: _notes(comments, path) for name, path in {
            "version": ("version",), "timezone": ("timezone",), "mode": ("defaults", "mode"), "trips": trips}.items()},
        last=[_comment(text) for text in comments.last],
        trip_on_rules=[{"id": RULES.get(rule, rule), **_notes(comments, (*trips, str(number)))}
                       for number, rule in enumerate(limits["kill_switch"].get("trip_on_rules", ()))],
        settings=[
            {"name": name, "type": kind, "title": title, "value": _value(kind, _entry(limits[block], key)),
             "overrides": list(_overrides(config.get("overrides") or {}, kind, block, key, comments)), **_notes(comments, ("limits", block, key))}
            for name, (kind, block, key, title) in SETTINGS.items()]))


def _overrides(overrides: Document, kind: str, block: str, key: str, comments: Comments) -> Iterator[dict[str, Any]]:
    """PolicyGate overrides whole blocks: what a block leaves out, where it may, is unset there and not inherited."""
    for group, dimension in DIMENSIONS.items():
        for name, blocks in (overrides.get(group) or {}).items():
            if blocks.get(block):
                yield {"dimension": dimension, "key": name, "value": _value(kind, _entry(blocks[block], key)),
                       **_notes(comments, ("overrides", group, name, block, key))}


def _entry(block: Document, key: str) -> Any:
    return block.get(key) if key in OPTIONAL else block[key]


def _value(kind: str, value: Any) -> str:
    if value is None:
        return "unlimited"
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)) or not Decimal(value).is_finite():
        raise NotANumber(f"{value!r} is not a number")
    return f"{Decimal(value):f}s" if kind == "duration" else f"{Decimal(value):f}"


def _notes(comments: Comments, path: Path_) -> dict[str, Any]:
    beside = comments.beside.get(path)
    return {"above": [_comment(text) for text in comments.above.get(path, ())], "beside": f"  {_comment(beside)}" if beside else ""}


def _comment(text: str) -> str:
    """One `#`: two would be the documentation of what follows. What a policy may not hold is left as a question mark."""
    said = "".join(c if c.isprintable() else "?" for c in text.lstrip("#").strip().replace("\t", " "))
    return f"# {said}" if said else "#"


@cache
def _template() -> jinja2.Template:
    import jinja2

    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["quoted"] = quoted
    return environment.from_string((Path(__file__).resolve().parent / "policygate.cap.j2").read_text(encoding="utf-8"))


def quoted(text: str) -> str:
    """A text of the language; what is not printable ASCII is escaped, so nobody's symbol can end it early."""
    escaped = "".join(c if c.isascii() and c.isprintable() and c not in '"\\' else f"\\u{{{ord(c):X}}}" for c in str(text))
    return f'"{escaped}"'
