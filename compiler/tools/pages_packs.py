"""Pages of the packs that come along, and of their rules."""
from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files

from caplex.compiler.semantics.report import listing
from caplex.compiler.semantics.symbols import family
from caplex.compiler.tools.pages import Page

STANDARD = "stdlib"


def names() -> Iterator[str]:
    """Packs, and their rules."""
    for name in packs():
        yield f"{STANDARD}.{name}"
        yield from (f"{STANDARD}.{name}.{rule.rule_id.text}" for rule in _module(name).rules)


@cache
def packs() -> tuple[str, ...]:
    found = (entry.name for entry in files("caplex.stdlib_rules").iterdir())
    return tuple(sorted(name.removesuffix(".cap") for name in found if name.endswith(".cap") and not name.endswith("_test.cap")))


def page(subject: str) -> Page | None:
    """The page of ``stdlib.NAME``, of its rule ``stdlib.NAME.EXP-010`` or of its setting ``stdlib.NAME.max_order_value``."""
    _, name, *rest = subject.split(".")
    if name not in packs() or len(rest) > 1:
        return None
    pack = _module(name)
    if rest:
        return pack.part(subject, rest[0])
    return Page(subject, "pack", pack.markdown())


def summaries() -> list[tuple[str, str]]:
    """Each pack and the first paragraph of its page."""
    return [(name, " ".join(_module(name).doc.partition("\n\n")[0].split())) for name in packs()]


def together() -> list[str]:
    """The pages of all packs, as parts of one: headings a level lower, snippets as the pieces that they are."""
    return [f'<a id="{name}"></a>\n\n' + re.sub(r"^#", "##", _module(name).markdown().strip(), flags=re.M).replace("```cap\n", "```cap fragment\n")
            for name in packs()]


@cache
def _module(name: str) -> _Pack:
    return _Pack(name)


class _Pack:
    """A pack's tree, and what is told of it."""

    def __init__(self, name: str) -> None:
        from caplex.compiler.source import Source
        from caplex.compiler.syntax import ast
        from caplex.compiler.syntax.parser import parse

        self.name = name
        text = files("caplex.stdlib_rules").joinpath(f"{name}.cap").read_text(encoding="utf-8")
        module, problems = parse(Source(f"{STANDARD}/{name}.cap", text))
        assert module is not None, [problem.message for problem in problems]
        self.doc = _first_words(text)
        self.settings = [item for item in module.items if isinstance(item, ast.Setting)]
        self.rules = [item for item in module.items if isinstance(item, (ast.Rule, ast.Limit, ast.Throttle, ast.Cooldown, ast.KillSwitch))]
        self.tests = [item for item in module.items if isinstance(item, ast.Test)]
        # What the author calls it where it is shown: its own name may be that of a section of the facts.
        shown = re.search(rf"^ *use {STANDARD}\.{name} as (\w+)", self.doc, re.M)
        self.alias = shown.group(1) if shown else name
        self.brings = {item.alias.text: item.target[-1] for item in module.items
                       if isinstance(item, ast.Use) and item.alias is not None and isinstance(item.target, tuple)}

    def stages(self) -> list[str]:
        """Families of its rules, and of those that it brings along."""
        found = dict.fromkeys(family(rule.rule_id.text) for rule in self.rules)
        for name in self.brings.values():
            found |= dict.fromkeys(_module(name).stages())
        return list(found)

    def markdown(self) -> str:
        from caplex.compiler.tools.pages_rules import demands

        stages = self.stages()
        parts = [f"# {STANDARD}.{self.name}", self.doc]
        parts.append("## Import\n\n```cap\n" + f"use {STANDARD}.{self.name} as {self.alias}\n```\n\n"
                     f"Its rules stand in {listing(stages, most=20)}, which `stages` must name. Settings are given in brackets behind it."
                     + "".join(f" It brings `{STANDARD}.{name}` as `{self.alias}.{alias}`." for alias, name in self.brings.items()))
        if self.settings:
            parts.append("\n".join(["## Settings", "", *(_setting_line(each) for each in self.settings)]))
        parts.append("\n".join(["## Rules", "", *(
            f"- `{rule.rule_id.text}` {rule.title or ''}: {' '.join(demands(rule))}{_serves(rule)}" for rule in self.rules)]))
        parts.append(f"`caplex explain {STANDARD}.{self.name}.{self.rules[0].rule_id.text}` tells more of a rule; it has {len(self.tests)} tests.")
        return "\n\n".join(part for part in parts if part) + "\n"

    def part(self, subject: str, name: str) -> Page | None:
        from caplex.compiler.tools.pages_rules import because, demands, kind_of, source_text

        for rule in self.rules:
            if rule.rule_id.text == name:
                severity = rule.attributes.severity
                facts = [f"- Kind: {kind_of(rule)}", f"- Stage: `{family(name)}`", *([f"- Severity: {severity}"] if severity else []),
                         *([f"- Cites: {rule.attributes.cites}"] if rule.attributes.cites else [])]
                told = because(rule)
                parts = [f"# {name}: {rule.title or kind_of(rule)}", rule.doc, "## What it demands\n\n" + " ".join(demands(rule)),
                         "## What it is\n\n" + "\n".join(facts), f"## Because\n\n> {told}" if told else "", "## Source\n\n" + source_text(rule)]
                tests = [each.title for each in self.tests if name in each.span.text]
                if tests:
                    parts.append("\n".join(["## Tests", "", *(f"- {title}" for title in tests)]))
                return Page(subject, "rule", "\n\n".join(part for part in parts if part) + "\n")
        for setting in self.settings:
            if setting.name.text == name:
                return Page(subject, "setting", f"# {name}\n\n{_setting_line(setting)}\n\n## Source\n\n{source_text(setting)}\n")
        return None


def _serves(rule: object) -> str:
    from caplex.compiler.syntax import ast

    assert isinstance(rule, ast.Rule | ast.Limit | ast.Throttle | ast.Cooldown | ast.KillSwitch)
    return f" Serves {rule.attributes.cites}." if rule.attributes.cites else ""


def _setting_line(setting: object) -> str:
    from caplex.compiler.syntax import ast
    from caplex.compiler.syntax.expression_printer import Level, show_at

    assert isinstance(setting, ast.Setting)
    parts = [f"- `{setting.name.text}` = `{show_at(setting.value, Level.SUM)}`"]
    if setting.low is not None and setting.high is not None:
        parts.append(f"within `{show_at(setting.low, Level.SUM)}..{show_at(setting.high, Level.SUM)}`")
    if setting.safer is not None:
        parts.append(f"{setting.safer} is safer")
    told = " ".join(part for part in (setting.title and setting.title + ".", setting.doc) if part)
    return ", ".join(parts) + (f". {told}" if told else "")


def _first_words(text: str) -> str:
    """The doc comment at the top of the file."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("##"):
            break
        lines.append(line.removeprefix("##").removeprefix(" ").rstrip())
    return "\n".join(lines)
