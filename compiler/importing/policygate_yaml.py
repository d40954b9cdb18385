"""PolicyGate's YAML: every value with its place, every comment with the key that it speaks of.

It is as strict as the original about shapes, and stricter about values: a truth is no number, and a key that stands twice
is refused, where the original took the last one.
"""
from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from caplex.compiler.diagnostics.codes_importing import DIFFERS, MISSING, UNKNOWN, UNREADABLE, UNUSABLE
from caplex.compiler.diagnostics.diagnostic import Diagnostic
from caplex.compiler.importing.found import decimal, plain, twice, unknown, unusable
from caplex.compiler.importing.policygate import OPTIONAL, RULES, Comments, Imported, Path_
from caplex.compiler.source import Source, Span

Read = Callable[["Reader", Path_, "Node"], Any]


class Reader:
    """One file: what is wrong with it, and where each key that the policy will say stands."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.wrong: list[Diagnostic] = []
        self.keys: list[tuple[int, Path_]] = []  # line of each key, in the order of the file

    def span(self, node: Node) -> Span:
        return Span(self.source, node.start_mark.index, node.end_mark.index)

    def line(self, node: Node) -> int:
        """Counted as the messages count it, but from 0; YAML knows line ends that nobody else does."""
        return self.source.position(node.start_mark.index).line - 1

    def mapping(self, path: Path_, node: Node, known: Mapping[str, Read], optional: tuple[str, ...] = ()) -> dict[str, Any]:
        """The mapping at *path*, of which every key is known, none stands twice, and none is missing that is not optional."""
        found: dict[str, Any] = {}
        seen: set[str] = set()
        for name, key, value in self._pairs(path, node):
            seen.add(name)
            read = known.get(name)
            if name == "<<":
                help_ = "write them out: what a limit is must be seen where it stands"
                self.wrong.append(Diagnostic(UNKNOWN, f"{_called(path)} takes over keys by `<<`", self.span(key), help=help_))
            elif read is None:
                help_ = "the keys of PolicyGate here: " + ", ".join(f"`{each}`" for each in known)
                self.wrong.append(unknown(_called(path), name, self.span(key), known, help_))
            elif value.tag == "tag:yaml.org,2002:null" and name in optional:
                continue
            else:
                found[name] = read(self, (*path, name), value)
        misspelt = sorted(seen - known.keys())
        for name in known if isinstance(node, MappingNode) and "<<" not in seen else ():
            # One that is there under a name that is nearly its own has been told of.
            if name not in seen and name not in optional and not get_close_matches(name, misspelt, n=1):
                self.wrong.append(Diagnostic(MISSING, f"{_called(path)} has no `{name}`", self.head(node), help="PolicyGate requires it"))
        return found

    def names(self, path: Path_, node: Node, read: Read) -> dict[str, Any]:
        """A mapping by names that the desk chose: symbols, strategies."""
        return {name: read(self, (*path, name), value) for name, _, value in self._pairs(path, node)}

    def _pairs(self, path: Path_, node: Node) -> Iterator[tuple[str, ScalarNode, Node]]:
        if not isinstance(node, MappingNode):
            self.wrong.append(Diagnostic(UNUSABLE, f"{_called(path)} is no mapping", self.head(node), help="it holds `name: value` lines"))
            return
        first: dict[str, ScalarNode] = {}
        for key, value in node.value:
            name = str(key.value)
            if name in first:
                self.wrong.append(twice(name, self.span(key), self.span(first[name])))
                continue
            first[name] = key
            self.keys.append((self.line(key), (*path, name)))
            yield name, key, value

    def head(self, node: Node) -> Span:
        """The first line of *node*, without what follows."""
        start = node.start_mark.index
        return Span(self.source, start, start + len(self.source.text[start:node.end_mark.index].split("\n", 1)[0].rstrip()))

    def refuse(self, path: Path_, node: Node, wanted: str, help: str | None = None) -> None:
        self.wrong.append(unusable(path[-1], _said(node), wanted, self.head(node), help))


def _text(node: Node) -> str | None:
    """What stands there as it stands there; None for a list or a mapping."""
    return str(node.value) if isinstance(node, ScalarNode) else None


def _said(node: Node) -> str:
    return str(node.value) if isinstance(node, ScalarNode) else "a list" if isinstance(node, SequenceNode) else "a mapping"


def _called(path: Path_) -> str:
    return f"`{'.'.join(path)}`" if path else "PolicyGate's configuration"


# ── values ────────────────────────────────────────────────────────────────────────────────────────────


def _number(wanted: str, fits: Callable[[Decimal], bool], *, share: bool = False) -> Read:
    def read(reader: Reader, path: Path_, node: Node) -> Decimal:
        text = _text(node)
        value = decimal(text) if text is not None and node.tag != "tag:yaml.org,2002:bool" else None
        if value is not None and fits(value):
            return value
        reader.refuse(path, node, wanted, _as_share(text) if share and text is not None else None)
        return Decimal(1)

    return read


def _as_share(text: str) -> str | None:
    value = decimal(text.removesuffix("%").strip())
    return f"for {plain(value)}% write {plain(value / 100)}" if value is not None and 0 < value <= 100 else None


def _whole(value: Decimal) -> bool:
    return value == value.to_integral_value()


SHARE: Final = _number("it is a share of equity, above 0 and at most 1", lambda value: 0 < value <= 1, share=True)
MULTIPLE: Final = _number("it is a multiple of equity, above 0", lambda value: value > 0)
RATE: Final = _number("it is a whole number of orders, 1 to 10000", lambda value: _whole(value) and 1 <= value <= 10_000)
COUNT: Final = _number("it is a whole number, 1 or more", lambda value: _whole(value) and value >= 1)


def _one_of(*words: str) -> Read:
    def read(reader: Reader, path: Path_, node: Node) -> str:
        text = _text(node)
        if text is not None and text in words and node.tag == "tag:yaml.org,2002:str":
            return text
        help_ = f"put quotes around it: `'{text}'`" if text in words else None
        reader.refuse(path, node, "it is " + " or ".join(f"`{word}`" for word in words), help_)
        return words[0]

    return read


def _zone(reader: Reader, path: Path_, node: Node) -> str:
    from zoneinfo import ZoneInfo

    try:
        if text := _text(node):
            return ZoneInfo(text).key
    except (KeyError, ValueError, OSError):  # none of this name; a name that is no path below the zones; a folder of zones
        pass
    reader.refuse(path, node, "it is a time zone, such as `UTC` or `America/New_York`")
    return "UTC"


def _rules(reader: Reader, path: Path_, node: Node) -> list[str]:
    if not isinstance(node, SequenceNode):
        reader.refuse(path, node, "it is a list of rules, such as `[LOSS-002]`")
        return []
    found = []
    for number, item in enumerate(node.value):
        reader.keys.append((reader.line(item), (*path, str(number))))
        said = _said(item)
        if isinstance(item, ScalarNode) and said in RULES:
            found.append(said)
        else:
            reader.wrong.append(unknown("PolicyGate", said, reader.head(item), RULES, "its rules: " + ", ".join(f"`{rule}`" for rule in RULES)))
    return found


def _block(known: Mapping[str, Read], *optional: str) -> Read:
    return lambda reader, path, node: reader.mapping(path, node, known, (*OPTIONAL, *optional))


def _named(read: Read) -> Read:
    return lambda reader, path, node: reader.names(path, node, read)


EXPOSURE: Final = _block({"max_position_pct": SHARE, "max_gross_exposure_x": MULTIPLE, "max_net_exposure_x": MULTIPLE})
LOSS: Final = _block({"daily_loss_limit_pct": SHARE, "max_drawdown_pct": SHARE})
EXECUTION: Final = _block({"max_orders_per_minute_global": RATE, "max_orders_per_minute_by_strategy": RATE})
SWITCH: Final = _block({"trip_on_rules": _rules, "trip_after_n_violations": COUNT, "violation_window_seconds": COUNT}, "trip_on_rules")
OVERRIDE: Final = _block({"exposure": EXPOSURE, "loss": LOSS, "execution": EXECUTION}, "exposure", "loss", "execution")
WHOLE: Final[Mapping[str, Read]] = {
    "version": _one_of("0.1"),
    "timezone": _zone,
    "defaults": _block({"mode": _one_of("enforce", "monitor"), "decision": _one_of("deny", "allow")}, "mode", "decision"),
    "limits": _block({"exposure": EXPOSURE, "loss": LOSS, "execution": EXECUTION, "kill_switch": SWITCH}),
    "overrides": _block({"symbols": _named(OVERRIDE), "strategies": _named(OVERRIDE)}, "symbols", "strategies"),
}
"""PolicyGate's configuration, version 0.1."""


# ── the file ──────────────────────────────────────────────────────────────────────────────────────────


def read(source: Source) -> tuple[Imported | None, list[Diagnostic]]:
    """The configuration in *source*; None where it cannot be used, and what is wrong or else worth knowing."""
    reader = Reader(source)
    try:
        node = YAML(typ="rt", pure=True).compose(source.text)
        if node is None:
            return None, [Diagnostic(UNREADABLE, "the file is empty", Span(source, 0, 0), help="it holds PolicyGate's configuration")]
        config = reader.mapping((), node, WHOLE, ("overrides",))
        comments = _comments(reader)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = min(mark.index, len(source.text)) if mark is not None else 0
        return None, [Diagnostic(UNREADABLE, f"this is no YAML: {error.problem or error.context}", Span(source, place, place))]
    except RecursionError:
        return None, [Diagnostic(UNREADABLE, "this is nested too deeply to be a configuration", Span(source, 0, 0))]
    except (YAMLError, ValueError) as error:
        return None, [Diagnostic(UNREADABLE, f"this is no YAML: {str(error).splitlines()[0]}", Span(source, 0, 0))]
    if reader.wrong:
        return None, reader.wrong
    config["defaults"] = {"mode": "enforce", "decision": "deny", **config["defaults"]}
    if config["defaults"]["decision"] == "allow":
        line = next(line for line, path in reader.keys if path == ("defaults", "decision"))
        said = "`decision: allow` has no effect: what no rule stops is allowed, and what cannot be judged is denied"
        start = source.starts()[line]
        reader.wrong.append(Diagnostic(DIFFERS, said, Span(source, start, start + len(source.line(line + 1))), help="leave it out"))
    return Imported(config, comments), reader.wrong


def _comments(reader: Reader) -> Comments:
    """Each comment goes with a key that the policy says: the one beside it, or else the next one."""
    above: dict[Path_, list[str]] = {}
    beside: dict[Path_, str] = {}
    last: list[str] = []
    said = [(line, path) for line, path in sorted(reader.keys, key=lambda key: key[0]) if _is_said(path)]
    for line, text, alone in _remarks(reader.source):
        here = next((path for at, path in said if at == line), None)
        after = next((path for at, path in said if at > line), None)
        if not alone and here is not None and here not in beside:
            beside[here] = text
        elif after is not None:
            above.setdefault(after, []).append(text)
        else:
            last.append(text)
    return Comments({path: tuple(texts) for path, texts in above.items()}, beside, tuple(last))


def _is_said(path: Path_) -> bool:
    """Does the policy have a line for the key at *path*?"""
    match path:
        case ("version",) | ("timezone",) | ("defaults", "mode"):
            return True
        case ("limits", "kill_switch", "trip_on_rules", *rest):
            return len(rest) == 1
        case ("limits", _, _) | ("overrides", _, _, _, _):
            return True
    return False


def _remarks(source: Source) -> Iterator[tuple[int, str, bool]]:
    """Comments: the line, counted from 0, the text, and whether the line holds nothing else. A `#` within a value is none."""
    taken = [(token.start_mark.index, token.end_mark.index) for token in YAML(typ="safe", pure=True).scan(source.text) if token.id == "<scalar>"]
    for match in re.finditer(r"(?:^|(?<=\s))#[^\n]*", source.text, re.M):
        if any(start <= match.start() < end for start, end in taken):
            continue
        place = source.position(match.start())
        yield place.line - 1, match.group().rstrip(), not source.line(place.line)[: place.column - 1].strip()
