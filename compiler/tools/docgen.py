"""The reference pages, made from what the code says of itself: ``python -m caplex.compiler.tools.docgen [--check]``.

One function a page, each from the table that the engine itself uses. What no table says (a function's meaning, the cure
for a SYS reason) stands here beside the names, and a name without text or a text without a name fails.
"""
from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from textwrap import dedent
from typing import Final

import click

from caplex.compiler.diagnostics import catalogue
from caplex.compiler.diagnostics.diagnostic import Code
from caplex.compiler.semantics import builtins, schema
from caplex.compiler.semantics.builtins import Derived
from caplex.compiler.tools import event_words, pages_packs, words
from caplex.compiler.tools.pages import type_text
from caplex.compiler.tools.reasons import REASONS
from caplex.runtime.canonical import plain
from caplex.runtime.engine import events as engine_events
from caplex.runtime.layout import PLACES
from caplex.runtime.schema import FieldSpec, Kind, SectionSpec

HOME: Final = Path(__file__).resolve().parents[2] / "docs" / "reference"
MADE: Final = "<!-- Made by `python -m caplex.compiler.tools.docgen`; a test holds it equal to the code. Do not edit. -->"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; bars inside cells are escaped."""
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def page(title: str, purpose: str, *parts: str) -> str:
    return "\n\n".join([f"# {title}", MADE, purpose, *parts]) + "\n"


def told(names: Iterable[str], texts: Mapping[str, str], what: str) -> list[tuple[str, str]]:
    """Names in order, each with its text. A name without text, or a text without name, is a page that lies."""
    wanted = list(dict.fromkeys(names))
    assert set(wanted) == set(texts), f"{what}: {sorted(set(wanted) ^ set(texts))} stand in one place only"
    return [(name, texts[name]) for name in wanted]


# ── diagnostics ───────────────────────────────────────────────────────────────────────────────────────


def diagnostics() -> str:
    families: dict[str, list[Code]] = {}
    for code in catalogue.codes():
        families.setdefault(catalogue.family(code), []).append(code)
    parts = []
    for family, codes in families.items():
        parts.append(f"## {codes[0].id[:4]}xx: {family}")
        rows = [(f"[{code.id}](#{code.id.lower()})", f"`{code.name}`", code.level.value, code.title) for code in codes]
        parts.append(table(("code", "name", "level", "what"), rows))
        parts += [_code(code) for code in codes]
    return page(
        "Diagnostics",
        "Every finding that caplex can have about a policy or a document: its number, its name, why it is one, an example, and the cure.\n"
        "`caplex explain CAP203` prints one of them. Numbers and names are never reused. How to read a finding: [errors](../howto/errors.md).",
        *parts,
    )


def _code(code: Code) -> str:
    fence = "json" if code.id.startswith("CAP9") else "cap"
    # An anchor of its own: links stay good when a title is worded anew.
    parts = [f'<a id="{code.id.lower()}"></a>', f"### {code.id}: {code.title}", f"`{code.name}`, {code.level.value}.", code.why]
    if code.example:
        parts.append(f"Avoid:\n\n```{fence} example\n{code.example}\n```")
    if code.cure:
        parts.append(f"Prefer:\n\n```{fence} example\n{code.cure}\n```")
    return "\n\n".join(parts)


def lints() -> str:
    # By name, as the commands below: the lints stand above the tools.
    registry = import_module("caplex.compiler.lint.registry")
    fixes = import_module("caplex.compiler.lint.offers").OFFERS
    told_by_check = registry.checked_by_check()
    parts = []
    for group, meaning in registry.GROUPS.items():
        rows = [
            (f"[{number}](diagnostics.md#{number.lower()})", f"`{code.name}`", code.level.value, code.title,
             "yes" if number in told_by_check else "", "yes" if number in fixes or number in registry.MENDING else "")
            for number, (code, own) in registry.codes().items() if own == group
        ]
        parts += [f"## {group}", f"{meaning[0].upper()}{meaning[1:]}.", table(("code", "name", "level", "what", "`check` tells it too", "fix"), rows)]
    return page(
        "Lints",
        "What `caplex lint` looks for beside errors, by group: the words that `--select`, `--ignore`, `caplex.toml` and comments take.\n"
        "Each leads to its page: why, what to avoid, what to prefer. How to use them: [lint a policy](../howto/lint-a-policy.md).",
        *parts,
        "`past-its-date` is looked for on the day of `--as-of`; without it, on the first day that the policy is in effect.",
    )


# ── facts ─────────────────────────────────────────────────────────────────────────────────────────────

def facts() -> str:
    known = schema.builtin()
    paths = {spec.path for section in known.sections.values() for spec in section.fields.values()}
    assert set(words.ABSENT_MEANS) <= paths, sorted(set(words.ABSENT_MEANS) - paths)
    assert paths >= builtins.PLAIN_OPTIONAL
    parts = [
        "A field whose type ends in `?` is optional. Optional and missing is *absent*, which `is known` and `else` see.\n"
        "Required and missing is *unknown*: SYS-001, and whatever reads it cannot be evaluated.\n"
        "A value that is there and cannot be used is unknown in both cases: see [reasons](reasons.md).",
        "*Attested* fields are vouched for by the host; all other fields of an intent are claims, and must not lift a limit.\n"
        "*Neutral* is what a `test` takes where nothing is given.",
    ]
    for section in known.sections.values():
        parts += _section(section)
    parts += [
        "## Computed fields",
        "Never supplied, but for `intent.quantity`, `intent.notional` and `position.quantity`: a document that brings the others is unusable.",
        table(("field", "type", "read", "meaning"), [_derived(each) for each in builtins.DERIVED.values()]),
        "## Computed fields of rows",
        "Read through the variable of an aggregate, `sum(p.notional for p in positions)`.",
        table(("field", "type", "meaning"),
              [(f"`{each.name}`", type_text(each.type), each.doc) for row in builtins.ROW_DERIVED.values() for each in row]),
    ]
    return page(
        "Facts",
        "Every field that a policy may read: its type and range, how fresh it must be, who supplies it, and what it means if it is missing.\n"
        "How to bring them along: [facts from your system](../howto/facts-from-your-system.md). "
        "A policy adds sections of its own, or narrows these, with `input`.",
        *parts,
    )


def _section(section: SectionSpec) -> list[str]:
    rows = []
    for spec in section.fields.values():
        name = f"`{spec.path}`" + (" (attested)" if spec.attested else "")
        fresh = f"{plain(Fraction(spec.fresh_ns, 10**9))}s" if spec.fresh_ns else ""
        rows.append((name, _type(spec), _range(spec), fresh, spec.supplier, _neutral(spec), spec.doc, _missing(spec)))
    head = ["field", "type", "range", "fresh within", "supplied by", "neutral", "meaning", "missing means"]
    # A column that would be empty tells nothing.
    kept = [index for index in range(len(head)) if index < 2 or any(row[index] for row in rows)]
    shown = table([head[index] for index in kept], [[row[index] for index in kept] for row in rows])
    return [f"## {section.name}", "\n".join(part for part in (section.doc, _place(section)) if part), shown]


def _place(section: SectionSpec) -> str:
    """Where the section lies in a document."""
    place = ("inputs." if section.inputs else "") + PLACES.get(section.name, section.name)
    match section.shape:
        case "history":
            word = next(word for word, name in builtins.EVENTS.items() if name == section.name)
            kind = next(kind for kind, name in builtins.EVENT_OF.items() if name == section.name)
            return (f"In a document: `history.events`, where `type` is `{kind}`. "
                    f"In a policy: `{word}` in a window or a throttle, `{kind}` in a cooldown.")
        case "list":
            return f"In a document: `{place}`, a list of rows" + (", or rows by symbol." if place == "positions" else ".")
        case "row":
            own = f"; a bare read takes the row of the intent's {section.key}" if section.key in builtins.DIMENSIONS else ""
            return f"In a document: `{place}`, rows by {section.key}{own}."
        case _ if section.name == "account":
            return "In a document: `account`, or `accounts` by name, of which the intent's is taken."
        case _:
            return f"In a document: `{place}`, one record."


def _type(spec: FieldSpec) -> str:
    return f"{type_text(spec.type)}{'?' if spec.optional else ''}"


def _range(spec: FieldSpec) -> str:
    if spec.above is not None and spec.high is None:
        return f"above {plain(spec.above)}"
    low = f"above {plain(spec.above)}" if spec.above is not None else plain(spec.low) if spec.low is not None else None
    if low is None and spec.high is None:
        return ""
    return f"{low or '…'} to {plain(spec.high) if spec.high is not None else 'unlimited'}"


def _neutral(spec: FieldSpec) -> str:
    value = spec.neutral
    return "" if value is None else plain(value) if isinstance(value, Fraction) else str(value)


def _missing(spec: FieldSpec) -> str:
    return words.ABSENT_MEANS.get(spec.path, "absent" if spec.optional else "unknown, SYS-001")


def _derived(each: Derived) -> tuple[str, str, str, str]:
    of = f" of `{each.type.of}`" if each.type.of else ""
    return f"`{each.name}`", type_text(each.type) + of, words.READS[each.reads], each.doc


# ── built-in words ────────────────────────────────────────────────────────────────────────────────────

def builtin_words() -> str:
    singular = {section: kind for kind, section in builtins.EVENT_OF.items()}
    events = [(f"`{word}`", f"`{singular[builtins.EVENTS[word]]}`", text) for word, text in told(builtins.EVENTS, words.EVENTS, "events")]
    actions = [(f"`{name}`", "yes" if name in builtins.DEFAULT_ACTIONS else "no", text) for name, text in told(builtins.ACTIONS, words.ACTIONS, "actions")]
    return page(
        "Built-in words",
        "The functions, aggregates, actions, events and dimensions that every policy has.\nFields are listed in [facts](facts.md).",
        "## Functions",
        table(("function", "meaning"), [(f"`{name}`", text) for name, text in told(builtins.FUNCTIONS, words.FUNCTIONS, "functions")]),
        "## Aggregates",
        "They go over the rows of a list or of a history, filtered with `where`, and cut to a window with `in last D` or `today`.\n"
        "The inside of an aggregate does not read the size of the intent. One row that cannot be read makes the whole unknown; only `any` and `all` may know their answer all the same.",
        table(("aggregate", "meaning"), [(f"`{name}`", text) for name, text in told(builtins.AGGREGATES, words.AGGREGATES, "aggregates")]),
        "## Actions",
        "What an intent may be. `for open, transfer` after a rule's id says which it judges.",
        table(("action", "judged unless a rule says otherwise", "meaning"), actions),
        "## Events",
        "What throttles count and windows hold; a cooldown waits after the last one, in the singular.",
        table(("in a throttle or a window", "in a cooldown", "what it is"), events),
        "## Dimensions",
        "What overrides, `for each` and the scopes of switches go by.",
        table(("dimension", "meaning"), [(f"`{name}`", text) for name, text in told(builtins.DIMENSIONS, words.DIMENSIONS, "dimensions")]),
        "## Words in `because`",
        table(("word", "meaning"), [(f"`{name}`", text) for name, text in told(
            builtins.TOLD, {"observed": "What the rule measured.", "allowed": "The bound that it was held against."}, "told")]),
        "## Types of ratio",
        f"`{Kind.RATIO.value}` and plain numbers are one type that prints differently: `20%`, `25bp`, `2x`, `10pp` and `0.2` are numbers.",
    )


# ── commands ──────────────────────────────────────────────────────────────────────────────────────────


def commands() -> str:
    # By name: the command line stands above the tools, and a tool that imported it would turn the house upside down.
    group = import_module("caplex.compiler.cli.main").commands
    assert isinstance(group, click.Group)
    context = click.Context(group, info_name="caplex")
    parts = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        parts += _command(name, command)
    statuses = {
        0: "worked: ALLOW or MODIFY, no errors", 1: "worked, and the answer is no: DENY or HOLD, errors found",
        2: "wrong usage, or input that cannot be used", 70: "a bug in caplex", 74: "reading or writing failed", 75: "try again", 130: "interrupted",
    }
    known = {int(status) for status in import_module("caplex.compiler.cli.output").Status}
    assert known == set(statuses), known ^ set(statuses)
    return page(
        "Commands",
        "What can be typed, and how a run ends.\n`caplex COMMAND --help` prints the same.",
        *parts,
        "## Exit status",
        table(("status", "meaning"), [(str(number), text) for number, text in statuses.items()]),
        "Results go to standard output, everything else to standard error.\n"
        "Settings: a file gives way to `CAPLEX_SET_NAME` in the environment, and that to `--set`.",
    )


def _command(name: str, command: click.Command) -> list[str]:
    if isinstance(command, click.Group):
        return [part for each in sorted(command.commands) for part in _command(f"{name} {each}", command.commands[each])]
    purpose, *rest = re.split(r"\n\s*\n", (command.help or "").strip())
    parts = [f"## caplex {name}", " ".join(purpose.split())]
    arguments = [param for param in command.params if isinstance(param, click.Argument)]
    options = [param for param in command.params if isinstance(param, click.Option)]
    words = [_argument(each) for each in arguments]
    parts.append("```text\n" + " ".join(["caplex", name, *(["[OPTIONS]"] if options else []), *words]) + "\n```")
    for paragraph in rest:
        lines = paragraph.strip().splitlines()
        if lines[0].strip() == "\b":  # click's mark for lines that stay lines
            parts.append("```text\n" + "\n".join(line.rstrip() for line in dedent("\n".join(lines[1:])).splitlines()) + "\n```")
        else:
            # A help text names a page by its path; on a page that is a link.
            parts.append(re.sub(r"(?<![\w`/])docs/([\w/-]+\.md)", r"[\1](../\1)", " ".join(paragraph.split())))
    if options:
        parts.append(table(("option", "meaning"), [(f"`{_option(each)}`", _meaning(each)) for each in options]))
    return parts


def _argument(param: click.Argument) -> str:
    name = param.metavar or (param.name or "").upper()
    return name if param.metavar or param.nargs == 1 else f"{name}…"


def _option(param: click.Option) -> str:
    names = ", ".join([*param.opts, *param.secondary_opts])
    if param.is_flag:
        return names
    if param.metavar:
        return f"{names} {param.metavar}"
    return f"{names} {'|'.join(str(each) for each in param.type.choices)}" if isinstance(param.type, click.Choice) else f"{names} {param.type.name.upper()}"


def _meaning(param: click.Option) -> str:
    said = [param.help or ""]
    if param.required:
        said.append("Required.")
    if param.multiple:
        said.append("May stand more than once.")
    if param.show_default and isinstance(param.default, str):
        said.append(f"Default: `{param.default}`.")
    return " ".join(part for part in said if part)


# ── SYS reasons ───────────────────────────────────────────────────────────────────────────────────────

def reasons() -> str:
    assert [row[0] for row in REASONS] == [f"SYS-{number:03}" for number in range(1, 15)]
    return page(
        "SYS reasons",
        "Why a fact could not be used, or the engine itself takes something away.\n"
        "Their ids are fixed, the same in every policy, and no policy declares one. Their severity is `critical`.",
        table(("id", "what", "meaning", "cure"), REASONS),
        "One reason is given for each reading, and lists the rules that needed it.\n"
        "It stands where `SYS` stands in `stages`; if that is not there, at the first rule that needed the reading, whose `code` and `outcome` it takes.\n"
        "A rule that cannot be evaluated lets through the closing leg where closing skips its stage, and otherwise nothing.",
    )


# ── events and outcomes ───────────────────────────────────────────────────────────────────────────────


def events() -> str:
    required, optional = engine_events.REQUIRED, engine_events.OPTIONAL
    envelope = ("type", "at", "id", "venue_at", "tags")
    named = [*envelope, *(name for kind in required for name in (*required[kind], *(optional[kind] or ())))]
    fields = dict(told(named, event_words.FIELDS, "fields of events"))
    parts = [table(("event", "what it says"), [(f"[`{kind}`](#{kind})", text) for kind, text in told(required, event_words.TYPES, "events")])]
    for kind, needs in required.items():
        more = optional[kind]
        rows = [(f"`{name}`", "yes", fields[name]) for name in needs] + [(f"`{name}`", "", fields[name]) for name in more or ()]
        parts += [f'<a id="{kind}"></a>', f"## {kind}", event_words.TYPES[kind]]
        parts += [table(("field", "required", "meaning"), rows)] if rows else []
        parts += ["Its other fields are those of that section; what they may be is in [facts](facts.md)."] if more is None else []
    return page(
        "Events",
        "What an engine may be told, one JSON object each. How to bring them along: [keep state](../howto/keep-state.md) and\n"
        "[run a stream](../howto/run-a-stream.md). What each does to the state: CAP-STATE, CAP-ROOM and CAP-LATCH in [the specification](../spec.md).",
        "Every event has `type` and `at`, and may have these:",
        table(("field", "meaning"), [(f"`{name}`", fields[name]) for name in envelope]),
        "A field whose name begins with `x_` is nobody's. Any other that is not listed is an error, which names the nearest.\n"
        "Numbers are decimals, best as texts: `\"10.5\"`. Times are RFC 3339: `2026-01-05T15:00:00Z`.",
        *parts,
    )


def outcomes() -> str:
    def listed(names: Iterable[str], texts: Mapping[str, str], what: str) -> list[tuple[str, str]]:
        return [(f"`{name}`", text) for name, text in sorted(told(names, texts, what))]

    return page(
        "Outcomes",
        "What `engine.apply(event)` returns, and the journal keeps: `caplex.outcome/1`. An intent gets a decision instead.",
        table(("key", "meaning"), [(f"`{name}`", text) for name, text in event_words.PARTS.items()]),
        "## Statuses",
        table(("status", "meaning"), listed(event_words.statuses(), event_words.STATUSES, "statuses")),
        "## Discrepancies",
        "What a venue said does not fit what the engine knew. It was applied all the same, unless the meaning says otherwise.",
        table(("problem", "meaning"), listed(event_words.said("flag"), event_words.PROBLEMS, "discrepancies")),
        "## Refused acts",
        "Why an operator's act counts for nothing. It is recorded all the same.",
        table(("code", "meaning"), listed(event_words.said("Refusal"), event_words.REFUSALS, "refusals")),
        "## Orders and reservations",
        "Where an order may stand: " + ", ".join(f"`{status}`" for status in engine_events.STATUSES) + ".\n"
        "Where a reservation stands: `held`, `working`, `unknown`, `spent`, `released` (CAP-ROOM-2).",
    )


def packs() -> str:
    rows = [(f"[`{name}`](#{name})", first) for name, first in pages_packs.summaries()]
    return page(
        "Packs",
        "The standard library: rules that a desk need not write itself. Each pack with its settings, their ranges, and what its rules demand.\n"
        "How five of them make a desk policy of thirty lines: [examples/desk](../../examples/desk/README.md). "
        "`caplex explain stdlib.loss` prints one of these pages, `caplex explain stdlib.loss.LOSS-010` one of its rules with its source.",
        table(("pack", "what it is about"), rows), *pages_packs.together())


PAGES: Final[dict[str, Callable[[], str]]] = {
    "diagnostics.md": diagnostics, "lints.md": lints, "facts.md": facts, "builtins.md": builtin_words, "commands.md": commands, "reasons.md": reasons,
    "events.md": events, "outcomes.md": outcomes, "packs.md": packs,
}


def pages() -> dict[str, str]:
    """Every page by its file name."""
    return {name: make() for name, make in PAGES.items()}


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; name the pages that differ from what the code says now.")
def main(check: bool) -> None:
    """Write docs/reference, or check it."""
    if not HOME.parent.is_dir():
        raise click.UsageError("the pages are made in a checkout: there is no docs folder here")
    differ = [name for name, text in pages().items() if not (HOME / name).is_file() or (HOME / name).read_text(encoding="utf-8") != text]
    if check:
        for name in differ:
            click.echo(f"docs/reference/{name} is not what the code says", err=True)
        sys.exit(int(bool(differ)))
    HOME.mkdir(exist_ok=True)
    for name in differ:
        (HOME / name).write_text(pages()[name], encoding="utf-8", newline="\n")
        click.echo(f"docs/reference/{name}")


if __name__ == "__main__":
    main()
