"""Pages of the packs that come along, and of their rules."""
from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.resources import files

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

    def markdown(self) -> str:
        from caplex.compiler.tools.pages_rules import demands

        stages = list(dict.fromkeys(rule.rule_id.text.partition("-")[0] for rule in self.rules))
        parts = [f"# {STANDARD}.{self.name}", self.doc]
        parts.append("## Import\n\n```cap\n" + f"use {STANDARD}.{self.name} as {self.name}\n```\n\n"
                     f"Its rules stand in {' and '.join(f'`{stage}`' for stage in stages)}, which `stages` must name. Settings are given in brackets behind it.")
        if self.settings:
            parts.append("\n".join(["## Settings", "", *(_setting_line(each) for each in self.settings)]))
        parts.append("\n".join(["## Rules", "", *(
            f"- `{rule.rule_id.text}` {rule.title or ''}: {' '.join(demands(rule))}" for rule in self.rules)]))
        parts.append(f"`caplex explain {STANDARD}.{self.name}.{self.rules[0].rule_id.text}` tells more of a rule; it has {len(self.tests)} tests.")
        return "\n\n".join(part for part in parts if part) + "\n"

    def part(self, subject: str, name: str) -> Page | None:
        from caplex.compiler.tools.pages_rules import because, demands, kind_of, source_text

        for rule in self.rules:
            if rule.rule_id.text == name:
                severity = rule.attributes.severity
                facts = [f"- Kind: {kind_of(rule)}", f"- Stage: `{name.partition('-')[0]}`", *([f"- Severity: {severity}"] if severity else [])]
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
