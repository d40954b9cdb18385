"""`caplex explain`: a decision told in full, or the page of a diagnostic, a pack, a fact."""
from __future__ import annotations

import re
import sys

import click

from caplex.compiler.cli import output
from caplex.compiler.cli.helping import completes, nearest
from caplex.compiler.cli.options import Outside, output_format, settings_options
from caplex.compiler.cli.output import Status, Stop


@click.command("explain")
@click.argument("subject", metavar="SUBJECT", shell_complete=completes("subjects"))
@click.argument("part", metavar="[PART]", required=False, shell_complete=completes("parts"))
@click.option("--facts", "facts_file", metavar="FILE|-", help="The facts document, JSON.", shell_complete=completes("documents"))
@click.option("--what-if", "changes", metavar="PATH=VALUE", multiple=True, help="Change a fact first: account.equity=90000.")
@click.option("--journal", metavar="FILE", help="SUBJECT is a decision or an intent of this journal: told from the record.")
@settings_options
@output_format("text", "json", "md", "html")
@click.option("-o", "--output", "target", metavar="FILE", help="Write the decision there instead of to the terminal.")
def explain_command(subject: str, part: str | None, facts_file: str | None, changes: tuple[str, ...], journal: str | None,
                    outside: Outside, format: str, target: str | None) -> int:
    """Tell a decision in full, or print the page of whatever has a name.

    SUBJECT is a policy, a fact, a pack, a diagnostic, a reason or a built-in word; PART is a rule, a setting or a fact of the policy.

    \b
    A decision, rule by rule:
      caplex explain desk.cap --facts facts.json
      caplex explain desk.cap --facts facts.json --what-if intent.quantity=100

    \b
    A decision of the past, from the record:
      caplex explain --journal desk.journal i-1234

    \b
    A policy, its rules and its settings:
      caplex explain desk.cap
      caplex explain desk.cap EXP-010
      caplex explain desk.cap max_position

    \b
    What the language brings along:
      caplex explain market.price
      caplex explain stdlib.order_sanity
      caplex explain CAP203
      caplex explain SYS-002
      caplex explain event fill

    Exit status: 0 it was told; 2 nothing has that name, or the policy does not compile.

    More: docs/howto/read-a-denial.md, docs/howto/command-line.md.
    """
    if journal is not None:
        from caplex.compiler.cli.recorded import explain_recorded

        if facts_file is not None or changes or part is not None:
            raise click.UsageError("`--journal` brings its own facts: `--facts`, `--what-if` and a part exclude it")
        return explain_recorded(journal, subject, format)
    if facts_file is not None and part is not None:
        raise click.UsageError("a decision is told whole: leave out `--facts`, or the part")
    if facts_file is not None:
        from caplex.compiler.cli.telling import tell_decision

        return tell_decision(subject, facts_file, changes, outside, format, target)
    if changes:
        raise click.UsageError("`--what-if` wants `--facts FILE`")
    if target is not None:
        raise click.UsageError("`-o` wants `--facts FILE`: it takes a decision")
    return _page(subject, part, outside, format)


# ── pages ─────────────────────────────────────────────────────────────────────────────────────────────


def _page(subject: str, part: str | None, outside: Outside, format: str) -> int:
    from caplex.compiler.tools import pages

    if format == "html":
        raise click.UsageError("`--format html` is for decisions, with `--facts`; a page is `text`, `md` or `json`")
    policy = pages.is_policy(subject)
    if part is not None and not policy and subject != "event":
        raise click.UsageError(f"`{subject}` has no parts; only a policy has, as `caplex explain desk.cap {part}`")
    page = pages.page_of(subject, part, settings=outside.settings() if policy else None, mode=outside.mode)
    if page is None:
        raise Stop(Status.USAGE, _unknown(subject, part, outside))
    if format == "json":
        output.say_json(page.to_dict())
    elif format == "text" and sys.stdout.isatty():
        _draw(_visible(page.markdown))
    else:
        output.say(_visible(page.markdown if format == "md" else pages.unfenced(page.markdown)).rstrip("\n"))
    if policy and part is None:
        output.finish()
        output.tell("\n`--facts FILE` explains a decision of this policy")
    return Status.WORKED


def _visible(markdown: str) -> str:
    """Texts of policies hold nothing that moves a cursor; names of files and values from outside may."""
    from caplex.compiler.diagnostics.render import visible

    return "\n".join(map(visible, markdown.split("\n")))


def _draw(markdown: str) -> None:
    from rich.console import Console
    from rich.markdown import Markdown

    colour = output.has_colour(sys.stdout)
    Console(file=sys.stdout, width=output.width(sys.stdout), no_color=not colour, highlight=False).print(Markdown(markdown))


def _unknown(subject: str, part: str | None, outside: Outside) -> str:
    from caplex.compiler.tools import pages

    if part is not None and subject == "event":
        from caplex.runtime.engine.events import REQUIRED

        return f"no event is called `{part}`; {nearest(part, REQUIRED, 'one of ' + ', '.join(sorted(REQUIRED)))}"
    if part is not None:
        from caplex.compiler.tools.pages_policies import parts

        near = nearest(part, [*parts(subject, settings=outside.settings()), *pages.names()], f"`caplex explain {subject}` lists what it has")
        return f"`{subject}` has no rule, setting or fact `{part}`; {near}"
    if re.fullmatch(r"[A-Z][A-Z0-9]*-[0-9]+", subject):
        return f"`{subject}` is the id of a rule: say of which policy, as `caplex explain desk.cap {subject}`"
    near = nearest(subject, pages.names())
    return f"`{subject}` is no diagnostic, reason, pack, fact or policy" + (f"; {near}" if near else "")
