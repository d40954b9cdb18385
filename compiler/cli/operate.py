"""Commands for who runs policies: `decide`, `demo`."""
from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from caplex.compiler.cli import output
from caplex.compiler.cli.helping import completes
from caplex.compiler.cli.options import Outside, output_format, settings_options
from caplex.compiler.cli.output import Status, Stop

if TYPE_CHECKING:
    from caplex.compiler.cli.batches import Summary
    from caplex.runtime.policy import Policy

DETAILED = {"ALLOW": 0, "DENY": 1, "MODIFY": 10, "HOLD": 11}
PERMITS = frozenset({"ALLOW", "MODIFY"})


@click.command("decide")
@click.argument("policy", shell_complete=completes("policies"))
@click.option("--facts", "facts_file", metavar="FILE|-", help="The facts document, JSON; with `--batch`, what holds for every intent.", shell_complete=completes("documents"))
@click.option("--intent", "intent_file", metavar="FILE", help="An intent that stands for the one in the facts.", shell_complete=completes("documents"))
@click.option("--batch", "batch_file", metavar="FILE", help="Many intents: one JSON object a line (an intent, or facts with one), or columns in .parquet.",
              shell_complete=completes("documents"))
@click.option("-o", "--output", "target", metavar="FILE", help="Where the answers of a batch go: .jsonl; for columns also .parquet, .csv.")
@settings_options
@click.option("--detailed-exitcode", is_flag=True, help="0 ALLOW, 1 DENY, 10 MODIFY, 11 HOLD.")
@output_format("text", "json")
def decide_command(
    policy: str, facts_file: str | None, intent_file: str | None, batch_file: str | None, target: str | None, outside: Outside,
    detailed_exitcode: bool, format: str,
) -> int:
    """Decide one intent, or many, under POLICY.

    \b
    caplex decide desk.cap --facts facts.json
    caplex decide desk.cap --facts facts.json --intent intent.json
    caplex decide desk.cap --facts facts.json --batch intents.jsonl --format json
    caplex decide desk.cap --facts facts.json --batch intents.parquet -o answers.parquet
    caplex decide desk.cap --facts facts.json --set max_position=5%

    Exit status: 0 ALLOW or MODIFY, of a batch all of them; 1 DENY or HOLD; 2 the policy or the document cannot be used.

    More: docs/howto/read-a-denial.md, docs/howto/facts-from-your-system.md, docs/howto/decide-many.md.
    """
    import caplex

    if intent_file is not None and batch_file is not None:
        raise click.UsageError("`--intent` and `--batch` exclude each other")
    if [facts_file, intent_file, batch_file].count("-") > 1:
        raise click.UsageError("only one document can come from standard input")
    if facts_file is None and batch_file is None:
        raise click.UsageError("Missing option '--facts'")
    if target is not None and batch_file is None:
        raise click.UsageError("`-o` is where the answers of a `--batch` go")
    if batch_file is not None:
        found = _batch(policy, facts_file, batch_file, target, outside, format)
        return DETAILED[found.only] if detailed_exitcode and found.only else found.status
    compiled = caplex.load(policy, settings=outside.settings(), mode=outside.mode)
    assert facts_file is not None
    verdict = _decide(compiled, _document(facts_file, intent_file), format=format, one_line=False)
    if detailed_exitcode:
        return DETAILED[verdict]
    return Status.WORKED if verdict in PERMITS else Status.NO


def _batch(policy: str, facts_file: str | None, batch_file: str, target: str | None, outside: Outside, format: str) -> Summary:
    import caplex
    from caplex.compiler.cli import batches

    batches.check_target(batch_file, target)
    compiled = caplex.load(policy, settings=outside.settings(), mode=outside.mode)
    facts = {} if facts_file is None else _document(facts_file, None)
    if batches.is_columns(batch_file):
        summary = batches.decide_columns(compiled, batch_file, facts, target, format)
    else:
        summary = batches.decide_lines(lambda document: compiled.decide(document).to_dict(), batch_file, facts, target, lambda told: _show(told, format, one_line=True))
    summary.tell()
    return summary


def _document(facts_file: str, intent_file: str | None) -> dict[str, Any]:
    from caplex.compiler.cli.documents import read_object
    from caplex.compiler.cli.telling import refuse_decision

    facts = read_object(facts_file)
    refuse_decision(facts, facts_file)
    return facts if intent_file is None else {**facts, "intent": read_object(intent_file)}


def _decide(policy: Policy, document: dict[str, Any], *, format: str, one_line: bool) -> str:
    told = policy.decide(document).to_dict()
    _show(told, format, one_line=one_line)
    return str(told["verdict"])


def _show(told: dict[str, Any], format: str, *, one_line: bool) -> None:
    if format == "json":
        output.say_json(told, one_line=one_line)
    else:
        output.say(tell_decision(told))


def tell_decision(told: dict[str, Any]) -> str:
    """The decision document *told* in a line, and a line for each reason and each thing that went wrong."""
    of = told.get("requested")
    size = told.get("quantity")
    amount = f"{size}" if of in (None, size) else f"{size} of {of}"
    words = [told["verdict"], told.get("side"), amount if told["verdict"] in PERMITS else of, told.get("symbol")]
    lines = ["  ".join([words[0], " ".join(str(word) for word in words[1:] if word is not None)]).rstrip()]
    parts = (("", "reasons"), ("warning: ", "warnings"), ("monitored: ", "monitored"))
    reasons = [(mark, reason) for mark, part in parts for reason in told.get(part, ())]
    column = max((len(reason["rule"]) for _, reason in reasons), default=0)
    for mark, reason in reasons:
        title = f"{reason['title']}: " if reason.get("title") and not reason["message"].startswith(reason["title"]) else ""
        lines.append(f"  {reason['rule']:<{column}}  {mark}{title}{reason['message']}")
    from caplex.compiler.diagnostics.render import visible

    return "\n".join(visible(line) for line in lines)


@click.command("demo")
@click.option("--copy", "folder", metavar="DIR", help="Only put its policy, prices and facts into the new folder DIR.")
def demo_command(folder: str | None) -> int:
    """Watch a real policy decide the crash of 2020.

    \b
    caplex demo
    caplex demo --copy my-desk

    The prices are real, each verdict is decided while it is told, and nothing leaves this machine.

    Exit status: 0 once told.

    More: docs/tutorial.md, examples/quickstart/README.md.
    """
    from caplex import demo

    if folder is None:
        return demo.run(sys.stdout, width=output.width(sys.stdout), colour=output.has_colour(sys.stdout), program=_program())
    try:
        demo.copy(Path(folder))
    except FileExistsError:
        raise Stop(Status.USAGE, f"`{folder}` is there already; name a new folder") from None
    output.say(f"the policy and its facts lie in `{folder}`; `{_program()} check {shlex.quote(folder)}` reads them")
    return Status.WORKED


def _program() -> str:
    """How to call this again from here: the name where the path of the shell finds it, else as it was called."""
    called = sys.argv[0]
    found = shutil.which("caplex")
    if Path(called).name.startswith("__main__"):
        return f"{shlex.quote(sys.executable)} -m caplex"
    if found is not None and Path(found).exists() and Path(called).exists() and Path(found).samefile(called):
        return "caplex"
    return shlex.quote(called) if Path(called).name.removesuffix(".exe") == "caplex" else "caplex"
