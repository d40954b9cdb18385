"""`caplex run`: a stream of events through the engine, with a broker or without, told line by line."""
from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from caplex.compiler.cli import output
from caplex.compiler.cli.auditing import _told as journal_troubles
from caplex.compiler.cli.options import Outside, output_format, settings_options
from caplex.compiler.cli.output import Status, Stop

if TYPE_CHECKING:
    from caplex.compiler.cli.feeding import Feed
    from caplex.runtime.brokers.protocol import Broker
    from caplex.runtime.policy import Policy
    from caplex.runtime.stream import Stream

ABSENT = ("alpaca", "tradier", "ccxt")
FAILS = ("deny", "trip", "discrepancy")
EVERY = 2_000


@click.command("run")
@click.argument("policy")
@click.option("--events", "events_file", metavar="FILE.jsonl|-", required=True, help="Events, one JSON object a line.")
@click.option("--journal", metavar="FILE", help="Write everything there, and go on with what is there.")
@click.option("--broker", "broker_name", metavar="sim|none", default="none", show_default=True, help="Who gets the orders.")
@click.option("--seed", default="0", show_default=True, metavar="N", help="Of the simulated broker.")
@click.option("--fill", type=click.Choice(["full", "partial", "none"]), default="full", show_default=True, help="How the simulated broker fills.")
@click.option("--delay", metavar="SECONDS", default="0", show_default=True, help="How long its reports are on their way.")
@click.option("--reject-rate", metavar="SHARE", default="0", show_default=True, help="Share of orders that it refuses.")
@click.option("--unknown-rate", metavar="SHARE", default="0", show_default=True, help="Share of orders whose answer is lost.")
@click.option("--shadow", "shadows", metavar="OTHER.cap", multiple=True, help="A policy that decides beside it and spends nothing.")
@click.option("--summary", "summary_file", metavar="FILE", help="Write the summary there, JSON.")
@click.option("--roles", "roles_file", metavar="FILE", help="Who may act: JSON or YAML.")
@click.option("--trust-operators", is_flag=True, help="Ask operators for no signature: simulation only; it is recorded.")
@click.option("--durability", type=click.Choice(["each", "group", "os"]), default="group", show_default=True, help="When lines reach the disk.")
@click.option("--fail-on", metavar="deny,trip,discrepancy", default="", help="Exit 1 if one of these happened.")
@click.option("--watch", is_flag=True, help="Take the policy over anew when its file changes; with --trust-operators.")
@click.option("--watch-as", metavar="NAME", default="watch", show_default=True, help="Who does that, as the journal tells it.")
@click.option("--keep-state", is_flag=True, help="Go on with the journal of another policy, if its owner lets this one take over.")
@click.option("--activation", "activation_file", metavar="ACT.json", help="The signed act by which they do; with --keep-state.")
@click.option("--activated-by", metavar="NAME", help="Who lets it, where nobody signs; with --keep-state.")
@click.option("--strict", is_flag=True, help="Stop at the first line that is no event.")
@settings_options
@output_format("text", "json")
def run_command(
    policy: str, events_file: str, journal: str | None, broker_name: str, seed: str, fill: str, delay: str, reject_rate: str, unknown_rate: str,
    shadows: tuple[str, ...], summary_file: str | None, roles_file: str | None, trust_operators: bool, durability: str, fail_on: str, watch: bool, watch_as: str, keep_state: bool,
    activation_file: str | None, activated_by: str | None, strict: bool,
    outside: Outside, format: str,
) -> int:
    """Run a stream of events under POLICY: decide, write down, send, take reports.

    Started again on the same journal and events, it goes on where it stopped.

    \b
    caplex run desk.cap --events day.jsonl --journal desk.journal --broker sim
    caplex run desk.cap --events - --fail-on trip < day.jsonl

    A line `{"type": "policy", "act": "activate", "at": …, "path": "desk2.cap", "by": …, "signature": …}` lets another policy
    take over, if it is signed by the owner of the present one and names the hash of the new one. With `--keep-state` such an act
    lets POLICY go on with the journal of another one:

    \b
    caplex run desk2.cap --events day.jsonl --journal desk.journal --keep-state --activated-by night-shift
    """
    import caplex
    from caplex.compiler.cli.feeding import Feed
    from caplex.compiler.cli.operators import read_roles
    from caplex.compiler.cli.watching import Files
    from caplex.runtime.stream import BrokerFailed, Stream

    if watch and not trust_operators:
        raise click.UsageError("`--watch` believes whoever can write the file: it needs `--trust-operators`. Without it a signed line of the type "
                               "`policy` activates a policy")
    change = _policy_change(keep_state, activation_file, activated_by)
    wanted = _fails(fail_on)
    broker = _broker(broker_name, seed=seed, fill=fill, delay_s=delay, reject_rate=reject_rate, unknown_rate=unknown_rate)


    def load(path: str) -> Policy:
        return caplex.load(path, settings=outside.settings(), mode=outside.mode)

    compiled = load(policy)
    others = [caplex.load(each) for each in shadows]
    roles = read_roles(roles_file) if roles_file is not None else None
    printer = Printer(format)
    failed: str | None = None
    with Feed(events_file) as feed, journal_troubles(), caplex.Engine(
            compiled, journal=journal, shadows=others, operators=roles, trust_operators=trust_operators, durability=durability,  # type: ignore[arg-type]
            recorded=_recorded, on_policy_change="keep_state" if watch or keep_state else "refuse",
            policy_change=change or (watch_as if watch else None)) as engine:
        stream = Stream(engine, broker, tell=printer.keep, load=load)
        printer.flush()
        clock = Watch()
        files = Files(policy, engine) if watch else None

        def before_each() -> None:
            if files is not None and files.changed():
                stream.reload_changed(policy, watch_as)

        try:
            _feed(stream, feed, printer, clock, before_each, strict=strict)
            if not feed.interrupted:
                stream.finish()
        except BrokerFailed as error:
            failed = str(error)
        printer.flush()
        summary = {**stream.tally.to_dict(engine, stream.run), "latency": clock.to_dict(), "interrupted": feed.interrupted}
    clock.clear()
    if summary_file is not None:
        import json

        output.write(summary_file, json.dumps(summary, indent=2, ensure_ascii=False) + "\n")
    printer.summary(summary)
    if failed is not None:
        raise Stop(Status.IO, failed)
    if feed.interrupted:
        return Status.INTERRUPTED
    happened = {"deny": summary["decisions"]["DENY"], "trip": sum(summary["tripped"].values()), "discrepancy": summary["discrepancies"]}
    return Status.NO if summary["refused"] or any(happened[each] for each in wanted) else Status.WORKED


def _policy_change(keep_state: bool, file: str | None, name: str | None) -> Mapping[str, Any] | str | None:
    """Who lets the policy go on with the journal of another one."""
    if (file is not None or name is not None) and not keep_state:
        raise click.UsageError("`--activation` and `--activated-by` say who keeps the state: they go with `--keep-state`")
    if file is not None and name is not None:
        raise click.UsageError("`--activation` names who acts: leave out `--activated-by`")
    if file is None:
        return name
    from caplex.compiler.cli.documents import read_object

    return read_object(file)


def _recorded(body: Mapping[str, Any]) -> Policy:
    """A policy of an earlier era; the compiler is imported where there is one."""
    from caplex.compiler.recorded import compile_recorded

    return compile_recorded(body)


def _feed(stream: Stream, feed: Feed, printer: Printer, watch: Watch, before_each: Callable[[], None], *, strict: bool) -> None:
    for number, given in feed:
        before_each()
        if isinstance(given, str):
            stream.tally.events += 1
            stream.refuse(feed.place(number), given, code=given.code)
        else:
            began = time.perf_counter_ns()
            stream.take(given, feed.place(number))
            watch.saw(time.perf_counter_ns() - began)
        printer.flush()
        if strict and stream.tally.refused:
            return
        watch.show(number, stream)


def _fails(text: str) -> list[str]:
    wanted = [each.strip() for each in text.split(",") if each.strip()]
    for each in wanted:
        if each not in FAILS:
            raise click.UsageError(f"`--fail-on {each}`: one of {', '.join(FAILS)}")
    return wanted


def _broker(name: str, **how: str) -> Broker | None:
    if name in ABSENT:
        raise Stop(Status.USAGE, f"the broker `{name}` is not part of this version; `--broker sim` simulates one")
    if name == "none":
        return None
    if name != "sim":
        raise click.UsageError(f"`--broker {name}`: sim or none")
    from fractions import Fraction

    from caplex.runtime.brokers.sim import SimBroker

    for option in ("delay_s", "reject_rate", "unknown_rate"):
        try:
            sane = Fraction(how[option]) >= 0
        except (ValueError, ZeroDivisionError):
            sane = False
        if not sane:
            raise click.UsageError(f"`--{option.removesuffix('_s').replace('_', '-')} {how[option]}`: a number from 0 is wanted")
    return SimBroker(**how)  # type: ignore[arg-type]


# ── what is printed ───────────────────────────────────────────────────────────────────────────────────


class Printer:
    """Collects what an event came to, and prints it when the event is done: a closed pipe stops between events."""

    def __init__(self, format: str) -> None:
        self._json = format == "json"
        self._kept: list[tuple[str, Mapping[str, Any]]] = []

    def keep(self, kind: str, said: Mapping[str, Any]) -> None:
        self._kept.append((kind, said))

    def flush(self) -> None:
        kept, self._kept = self._kept, []
        for kind, said in kept:
            if kind == "refused":
                output.tell(f"{said['place']}: error[{said['code']}]: {said['message']}")
            if self._json:
                output.say_json(said, one_line=True)
            elif kind != "refused":
                output.say(_painted(kind, said))

    def summary(self, summary: Mapping[str, Any]) -> None:
        if self._json:
            output.say_json(summary, one_line=True)
        else:
            output.say("\n".join(summary_lines(summary)))


_COLOURS = {"DENY": "31", "HOLD": "33", "MODIFY": "33", "ALLOW": "32", "trip": "1;31", "obligation": "35", "discrepancy": "36", "rejected": "33", "activation": "35"}


def _painted(kind: str, said: Mapping[str, Any]) -> str:
    line = line_of(kind, said)
    colour = _COLOURS.get(str(said.get("verdict")) if kind == "decision" else kind)
    return f"\x1b[{colour}m{line}\x1b[0m" if colour and output.has_colour(sys.stdout) else line


def line_of(kind: str, said: Mapping[str, Any]) -> str:
    """One thing that happened, in one line without control characters."""
    from caplex.compiler.diagnostics.render import visible

    at = short(said.get("at"))
    match kind:
        case "decision":
            text = decision_line(said)
        case "trip":
            text = f"TRIPPED  {said['switch']}{_where(said['scope'])}: {_cause(said['cause'])}"
        case "rearmed":
            people = ", ".join(said["by"])
            text = f"ARMED  {said['switch']}{_where(said['scope'])}{f' by {people}' if people else ''}"
        case "obligation":
            what = said.get("text") or " ".join(said.get("orders") or ()) or "nothing to do"
            text = f"OBLIGATION  {said['id']}  {said['do']}: {what}"
        case "discrepancy":
            text = f"DISCREPANCY  {said['message']}"
        case "activation":
            policy = said.get("policy")
            name = f"{policy['name']} {policy['version']}, {policy['hash'][:19]}…, " if policy and said["status"] == "activated" else ""
            text = f"POLICY {said['status'].upper()}  {name}" + (str(said["message"]) if "message" in said else f"by {said['by']}")
        case "rejected":
            text = f"REFUSED  {said['event']['id']}: {said['message']}"
        case _:
            size = " ".join(str(said[name]) for name in ("side", "quantity", "symbol") if name in said)
            price = f" at {said['price']}" if "price" in said else ""
            why = f": {said.get('message') or said.get('because')}" if said.get("message") or said.get("because") else ""
            text = "  ".join(each for each in (said["event"], str(said.get("intent_id") or said.get("order_id") or "-"), size + price) if each) + why
    return visible(f"{at}  {text}")


def decision_line(told: Mapping[str, Any]) -> str:
    """``MODIFY  i-1234  buy 25 of 300 AAPL  EXP-010: AAPL would be …``."""
    of, size = told.get("requested"), told.get("quantity")
    amount = of if told["verdict"] not in ("ALLOW", "MODIFY") else size if of in (None, size) else f"{size} of {of}"
    order = " ".join(str(each) for each in (told.get("side"), amount, told.get("symbol")) if each is not None)
    reasons = told.get("reasons") or ()
    first = next((each for each in reasons if each["rule"] == told.get("decided_by")), reasons[0] if reasons else None)
    why = f"{first['rule']}: {first['message']}" if first else ""
    again = f"again {told['repeat_of']}" if told.get("repeat_of") else ""
    flips = ", ".join(f"{each['policy']['name']} would {each['verdict']}" for each in told.get("shadows") or () if each["flip"])
    return "  ".join(each for each in (told["verdict"], str(told.get("intent_id")), order, again, why, flips) if each)


def _where(scope: Mapping[str, str]) -> str:
    return " on " + ", ".join(scope.values()) if scope else ""


def _cause(cause: Mapping[str, Any]) -> str:
    seen = f", {cause['observed']}" if cause.get("observed") is not None else ""
    return f"{cause['expression']}{seen}"


def short(at: Any) -> str:
    """An instant without a fraction that is zero."""
    return str(at).replace(".000000Z", "Z")


def summary_lines(summary: Mapping[str, Any]) -> list[str]:
    """The summary for people."""
    count = {name: value for name, value in summary["decisions"].items() if value}
    lines = [f"{summary['events']} events" + "".join(
        f", {summary[name]} {word}" for name, word in (("taken_before", "taken before"), ("repeats", "repeated"), ("refused", "refused"), ("late", "late"))
        if summary[name])]
    lines.append("decisions  " + (", ".join(f"{value} {name}" for name, value in count.items()) or "none"))
    if summary["rules"]:
        lines.append("by rule    " + ", ".join(f"{rule} {number}" for rule, number in summary["rules"].items()))
    orders = [f"{summary[name]} {name}" for name in ("submitted", "filled", "rejected", "cancelled", "unknown") if summary[name]]
    if orders:
        lines.append("orders     " + ", ".join(orders))
    for name, word in (("tripped", "tripped"), ):
        if summary[name]:
            lines.append(f"{word}    " + ", ".join(f"{switch} {number}" for switch, number in summary[name].items()))
    for row in summary["switches"]:
        lines.append(f"stays tripped  {row['id']}{_where(row['scope'])}")
    for shadow in summary["shadows"]:
        lines.append(f"shadow     {shadow['policy']}: {shadow['flips']} of {shadow['decided']} would be decided otherwise")
    if summary["discrepancies"]:
        lines.append(f"discrepancies  {summary['discrepancies']}")
    if summary["pending"]:
        lines.append("pending    " + ", ".join(summary["pending"]))
    if summary["positions"]:
        lines.append("positions  " + ", ".join(f"{row['symbol']} {row['quantity']}" for row in summary["positions"]))
    if summary["latency"]:
        lines.append("latency    " + ", ".join(f"{name} {value} µs" for name, value in summary["latency"].items()))
    lines.append(f"run {summary['run'] or '-'}  policy {summary['policy']['hash'][:19]}…  state {summary['digest'][:19]}…"
                 + ("  interrupted" if summary["interrupted"] else ""))
    return lines


class Watch:
    """Wall-clock time of each event, and progress for who looks on. Neither reaches the journal."""

    def __init__(self) -> None:
        self._seen: Counter[int] = Counter()  # by microseconds to two digits, so that memory stays as it is
        self._shows = sys.stderr.isatty() and not sys.stdout.isatty()

    def saw(self, ns: int) -> None:
        micro = max(1, ns // 1000)
        step = 10 ** max(0, len(str(micro)) - 2)
        self._seen[micro // step * step] += 1

    def to_dict(self) -> dict[str, int]:
        """Percentiles in microseconds."""
        total, found = sum(self._seen.values()), {}
        for name, share in (("p50", 50), ("p95", 95), ("p99", 99)):
            passed = 0
            for micro, number in sorted(self._seen.items()):
                passed += number
                if passed * 100 >= share * total:
                    found[name] = micro
                    break
        return found

    def show(self, number: int, stream: Stream) -> None:
        if self._shows and number % EVERY == 0:
            denied = stream.tally.verdicts["DENY"]
            output.show_progress(f"{number:,} lines, {sum(stream.tally.verdicts.values()):,} decisions, {denied:,} denied ")

    def clear(self) -> None:
        if self._shows:
            output.show_progress("")
