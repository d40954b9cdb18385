"""`caplex switch`: how the kill switches of a journal stand, and the acts of people on them."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from caplex.compiler.cli import output
from caplex.compiler.cli.auditing import _told as journal_troubles
from caplex.compiler.cli.options import output_format
from caplex.compiler.cli.output import Status, Stop

if TYPE_CHECKING:
    from caplex.runtime.policy import Policy

R = TypeVar("R")
SCHEMA = "caplex.switches/1"


@click.group("switch", no_args_is_help=False)
def switch_command() -> None:
    """Kill switches of an engine: their state, and what people do about them.

    \b
    caplex switch status --journal desk.journal

    More: docs/howto/kill-switch.md.
    """


@switch_command.command("status")
@click.argument("policy", required=False)
@click.option("--journal", metavar="FILE", required=True, help="Of the engine.")
@click.option("--at", metavar="TIME", help="As of this instant instead of now.")
@output_format("text", "json")
def status_command(policy: str | None, journal: str, at: str | None, format: str) -> int:
    """Tell which switches are tripped, since when and why, and what is missing to arm them.

    \b
    caplex switch status --journal desk.journal
    """
    from caplex.compiler.recorded import compile_recorded
    from caplex.runtime.clock import format_instant
    from caplex.runtime.replay import fold

    given = _load(policy) if policy is not None else None
    with journal_troubles():
        machine = fold(journal, load=compile_recorded if given is None else lambda record: given)
    now = max(_at_ns(at), machine.state.now_ns if at is None else 0)
    rows = machine.latches().to_dict(now)
    if format == "json":
        output.say_json({"schema": SCHEMA, "at": format_instant(now), "switches": rows})
    elif not rows:
        output.say("the policy has no switches")
    else:
        output.say("\n".join(line for row in rows for line in switch_lines(row)))
    return Status.WORKED


def _load(path: str) -> Policy:
    import caplex

    return caplex.load(path)


def _at_ns(text: str | None) -> int:
    from caplex.runtime.clock import NotATime, from_datetime, parse_instant
    from caplex.runtime.engine.stamp import system_clock

    if text is None:
        return from_datetime(system_clock())
    try:
        return parse_instant(text)
    except NotATime as error:
        raise click.UsageError(f"`--at {text}` is no time: {error}") from None


# ── telling ───────────────────────────────────────────────────────────────────────────────────────────


def switch_lines(row: Mapping[str, Any]) -> list[str]:
    """One switch in one scope: a sentence, and one for what is missing."""
    from caplex.compiler.diagnostics.render import visible

    where = " on " + ", ".join(row["scope"].values()) if row["scope"] else ""
    title = f" ({row['title']})" if row.get("title") else ""
    if row["state"] != "tripped":
        return [visible(f"{row['id']}{where}{title}: armed")]
    cause = row["cause"] or {}
    seen = f", {cause['observed']}" if cause.get("observed") is not None else ""
    lines = [f"{row['id']}{where}{title}: tripped since {_short(row['since'])} by {cause.get('expression')}{seen}"]
    request = row.get("request")
    if request is not None:
        lines.append("  " + _asked(request))
    return [visible(line) for line in lines]


def _asked(request: Mapping[str, Any]) -> str:
    """``RQ-17 of risk-1 (1 of 2 risk-officer: risk-1) lacks 1 more risk-officer, not before 15:40:00Z, and drawdown < 8%``."""
    people = request.get("approvals")
    lacks = []
    for what in request["missing"]:
        if what == "approvals" and people is not None:
            more = people["need"] - len(people["have"])
            lacks.append(f"{more} more {people['role']}" if people["have"] else f"{more} {people['role']}")
        elif what == "time":
            lacks.append(f"not before {_short(request['not_before'])}")
        else:
            lacks.append(str((request.get("condition") or {}).get("expression") or what))
    needs = "; needs " + (", and ".join([", ".join(lacks[:-1]), lacks[-1]]) if len(lacks) > 1 else lacks[0]) if lacks else ""
    if "id" not in request:
        return ("nobody has asked to arm it" if people is not None else "it arms itself") + needs
    have = ", ".join(each["by"] for each in people["have"]) if people is not None else ""
    state = "" if request.get("state") == "open" else f" ({request.get('state')})"
    return f"{request['id']} of {request['by']}{state}, approved by {have or 'nobody'}{needs}"


def _short(at: Any) -> str:
    return str(at).replace(".000000Z", "Z")


# ── acts ──────────────────────────────────────────────────────────────────────────────────────────────


def _act_options(command: Callable[..., R]) -> Callable[..., R]:
    for option in reversed((
        click.argument("id"),
        click.option("--journal", metavar="FILE", required=True, help="Of the engine; it must not run at the same time."),
        click.option("--by", metavar="NAME", required=True, help="Who acts."),
        click.option("--key", "key_file", metavar="NAME.key", help="The private key that signs the act."),
        click.option("--trust-operators", is_flag=True, help="Ask for no signature: simulation only; it is recorded."),
        click.option("--roles", "roles_file", metavar="FILE", help="Who may act: JSON or YAML."),
        click.option("--scope", "scopes", metavar="account=acct-1", multiple=True, help="Where a switch stands in several scopes."),
        click.option("--reason", metavar="TEXT", help="Why."),
        click.option("--ticket", metavar="ID", help="Where it is written down."),
        click.option("--request", metavar="RQ", help="Id of the request to arm again."),
        click.option("--at", metavar="TIME", help="When, instead of now."),
        output_format("text", "json"),
    )):
        command = option(command)
    return command


@switch_command.command("trip")
@_act_options
def trip_command(**options: Any) -> int:
    """Trip the switch ID by hand.

    \b
    caplex switch trip KILL-010 --journal desk.journal --by risk-1 --key risk-1.key --roles roles.json --reason "odd prices"
    """
    return _act("trip", **options)


@switch_command.command("rearm")
@_act_options
def rearm_command(**options: Any) -> int:
    """Ask that the switch ID be armed again; who asks and holds the role is the first who approves.

    \b
    caplex switch rearm KILL-010 --journal desk.journal --by risk-1 --key risk-1.key --roles roles.json --ticket RISK-501
    """
    return _act("rearm", **options)


@switch_command.command("approve")
@_act_options
def approve_command(**options: Any) -> int:
    """Approve the open request for the switch ID, the request ID, or the hold ID.

    \b
    caplex switch approve KILL-010 --journal desk.journal --by risk-2 --key risk-2.key --roles roles.json
    """
    return _act("approve", **options)


def _act(
    act: str, *, id: str, journal: str, by: str, key_file: str | None, trust_operators: bool, roles_file: str | None, scopes: tuple[str, ...],
    reason: str | None, ticket: str | None, request: str | None, at: str | None, format: str,
) -> int:
    from caplex.compiler.cli.operators import read_roles
    from caplex.compiler.recorded import compile_recorded
    from caplex.runtime.clock import format_instant
    from caplex.runtime.engine.engine import Engine
    from caplex.runtime.signing import read_private, sign_event

    if key_file is None and not trust_operators:
        raise click.UsageError("`--key NAME.key` signs the act; `--trust-operators` asks for no signature, in a simulation")
    private = read_private(key_file) if key_file is not None else None
    roles = read_roles(roles_file) if roles_file is not None else None
    if roles is None and not trust_operators:
        raise click.UsageError("`--roles FILE` says who may act")
    scope = _scope(scopes)
    when = format_instant(_at_ns(at))
    with journal_troubles(), Engine(_recorded(journal), journal, operators=roles, trust_operators=trust_operators, recorded=compile_recorded) as engine:
        target = _target(act, id, request, scope, engine.switches)
        event: dict[str, Any] = {"type": "operator", "at": when, "act": act, "target": target, "by": by, "x_via": "switch"}
        event |= {name: value for name, value in (("reason", reason), ("ticket", ticket)) if value is not None}
        event["id"] = _name("op", event)
        if act == "rearm":
            event["request_id"] = request or _name("RQ", event)
        about = _concerned(engine.switches, target)
        outcome = engine.apply(sign_event(event, private) if private is not None else event).to_dict()
        rows = [dict(row) for row in engine.switches if row["id"] in about]
    if format == "json":
        output.say_json({"schema": SCHEMA, "at": when, "outcome": outcome, "switches": rows})
    else:
        for line in act_lines(outcome, rows):
            output.say(line)
    return Status.NO if outcome["status"] == "rejected" else Status.WORKED


def _recorded(journal: str) -> Policy:
    """The policy that the journal was written under last."""
    from caplex.compiler.recorded import compile_recorded
    from caplex.runtime.journal import read

    last = None
    for record in read(journal, skip_torn=True):
        if record.kind == "policy":
            last = record.body
    if last is None:
        raise Stop(Status.USAGE, f"`{journal}` names no policy yet: an engine must have run")
    return compile_recorded(last)


def _name(prefix: str, event: Mapping[str, Any]) -> str:
    """An id that follows from what the act says."""
    from caplex.runtime.canonical import sha256

    return f"{prefix}-{sha256(event).removeprefix('sha256:')[:10]}"


def _scope(pairs: tuple[str, ...]) -> dict[str, str]:
    scope = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name or not value:
            raise click.UsageError(f"`--scope {pair}`: account=acct-1 is wanted")
        scope[name] = value
    return scope


def _target(act: str, id: str, request: str | None, scope: Mapping[str, str], rows: Any) -> dict[str, Any]:
    """Whom the act is about. An approval of a switch is one of its open request."""
    if act != "approve":
        return {"switch": id, **({"scope": dict(scope)} if scope else {})}
    if request is not None:
        return {"request_id": request}
    asked = [row["request"]["id"] for row in rows if row["id"] == id and (row.get("request") or {}).get("state") == "open"
             and all(row["scope"].get(name) == value for name, value in scope.items())]
    if len(asked) > 1:
        raise click.UsageError(f"several requests are open for `{id}`: {', '.join(asked)}; name one with `--request`, or a `--scope`")
    if asked:
        return {"request_id": asked[0]}
    if any(row["id"] == id for row in rows):
        raise Stop(Status.NO, f"nobody has asked to arm `{id}`; `caplex switch rearm {id}` asks")
    return {"hold_id": id} if id.startswith("h-") else {"request_id": id} if id.startswith("RQ") else {"intent_id": id}


def _concerned(rows: Any, target: Mapping[str, Any]) -> set[str]:
    """The switches that an act is about; none if it is about an order on hold."""
    return {row["id"] for row in rows if row["id"] == target.get("switch") or (
        "request_id" in target and (row.get("request") or {}).get("id") == target["request_id"])}


def act_lines(outcome: Mapping[str, Any], rows: list[dict[str, Any]]) -> list[str]:
    """What the act came to, in a sentence or two."""
    from caplex.compiler.diagnostics.render import visible

    if outcome["status"] == "rejected":
        lines = [f"refused: {outcome['rejected']['message']}"]
    elif outcome["status"] == "repeat":
        lines = ["this act was taken before; it counts once"]
    else:
        lines = [f"tripped: {each['switch']}" for each in outcome["tripped"]]
        lines += [f"armed: {each['switch']}{' by ' + ', '.join(each['by']) if each['by'] else ''}" for each in outcome.get("rearmed") or ()]
        lines += [f"to do: {duty['do']} {duty.get('text') or ' '.join(duty.get('orders') or ())}".rstrip() for duty in outcome["obligations"]]
        lines += [f"released: {each['intent_id']} {each['verdict']} {each['quantity']}" for each in outcome.get("released") or ()]
    return [visible(line) for line in lines] + [line for row in rows for line in switch_lines(row)]
