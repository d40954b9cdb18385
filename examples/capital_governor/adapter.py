"""The capital governor's documents, answered by `policy.cap`.

Reads one JSON object a line, ``{"id", "kind", "input"}``, and writes one result a line, in the same order. It
translates and decides nothing: what the governor measures becomes facts, its bounds become settings, and shares go back
into the files that other programs read.

    python adapter.py < cases.jsonl                                        answer cases
    python adapter.py --metrics meta.json                                  the metrics file as facts
    python adapter.py --metrics meta.json -o allocations.json --also allocations_override.json --every 300s
"""
from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timezone
from decimal import ROUND_HALF_DOWN, Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import caplex
from caplex.compiler.tools.rounds import Rounds, Undelivered, Unusable, notice, send
from caplex.runtime.canonical import to_decimal
from caplex.runtime.clock import NotATime, parse_duration

HERE = Path(__file__).resolve().parent
Document = Mapping[str, Any]

METRICS = {"pnl_7d": "pnl_7d", "sharpe_30d": "sharpe_30d", "winrate_30d": "winrate_30d", "max_dd_30d": "max_drawdown_30d"}
SETTINGS = {"min_alloc": "min_allocation", "max_alloc": "max_allocation", "threshold": "threshold"}
ANY_TIME = "2026-01-05T00:00:00Z"  # cases bring no time, and nothing here depends on it
BOUNDS = "CAP510"  # the compiler's word for a floor above the ceiling


class Refused(Exception):
    """What was given is not one of the governor's documents, or holds numbers that cannot be used."""


@lru_cache(maxsize=256)
def policy(**settings: str) -> caplex.Policy:
    return caplex.load(HERE / "policy.cap", settings=settings)


def settings_of(given: Document) -> dict[str, str]:
    return {name: digits(given[key]) for key, name in SETTINGS.items() if given.get(key) is not None}


def digits(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        raise Refused(f"{value!r} is not a number")
    return f"{Decimal(value):f}"


# ── metrics → facts ───────────────────────────────────────────────────────────────────────────────────


def facts_of(meta: Document, now: str | None = None) -> dict[str, Any]:
    """The metrics file as a facts document."""
    guardian, regime = meta.get("guardian") or {}, meta.get("market_regime") or {}
    return {
        "now": now or meta.get("timestamp"),
        "strategies": {agent: metrics_of(metrics) for agent, metrics in (meta.get("per_agent") or {}).items()},
        "inputs": {"guardian": {"paused": guardian.get("is_paused")}, "regime": {"risk_multiplier": regime.get("risk_multiplier")}}}


def metrics_of(metrics: Document) -> dict[str, Any]:
    """Its drawdown is in percentage points; any metric that the policy does not read is left out."""
    found = {name: metrics[key] for key, name in METRICS.items() if metrics.get(key) is not None}
    if "max_drawdown_30d" in found:
        found["max_drawdown_30d"] = f"{found['max_drawdown_30d']}%"
    return found


# ── shares → its files ────────────────────────────────────────────────────────────────────────────────


def file_of(made: caplex.Allocation) -> str:
    """The plan as the file that other programs read."""
    told = made.to_dict()
    return json.dumps({
        "allocations": {name: float(share) for name, share in made.shares.items()}, "source": "capital_governor", "timestamp": made.at,
        "min_allocation": float(told["bounds"]["floor"] or "0"), "max_allocation": float(told["bounds"]["ceiling"] or "1"),
        "unallocated": float(made.unallocated), "policy": told["source"]}, indent=2) + "\n"


def held_in(path: Path) -> Document | None:
    return read(path)["allocations"] if path.exists() else None


def read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal, object_hook=plain)
    except (OSError, ValueError) as error:
        raise Unusable(f"`{path}`: {error}") from None


def plain(value: dict[str, Any]) -> Any:
    """Strict JSON has no word for a number that is not finite: ``{"$f": "nan"}`` is one."""
    return Decimal(value["$f"]) if list(value) == ["$f"] else value


# ── cases ─────────────────────────────────────────────────────────────────────────────────────────────


def shared_out(made: caplex.Allocation) -> dict[str, Any]:
    if made.ruled.lost and made.state == "refused":
        raise Refused("; ".join(reason["message"] for reason in made.to_dict()["reasons"]))
    shares = made.proposed if made.state == "keep" else made.shares
    return {"allocations": {name: f"{share:f}" for name, share in (shares or {}).items()}, "unallocated": f"{made.unallocated:f}",
            "infeasible": made.infeasible, "warnings": [each["message"] for each in made.to_dict()["warnings"]]}


def within_bounds(given: Document, share_out: Callable[[caplex.Policy], caplex.Allocation]) -> dict[str, Any]:
    try:
        return shared_out(share_out(policy(**settings_of(given))))
    except caplex.PolicyError as error:
        if BOUNDS not in [found.code.id for found in error.diagnostics]:
            raise
        return {"allocations": dict(given.get("current") or {}), "unallocated": "1", "infeasible": True, "warnings": []}


def agent_score(given: Document) -> dict[str, Any]:
    made = policy().allocate({"now": ANY_TIME, "strategies": {"agent": metrics_of(given["metrics"])}}, name="capital")
    shared_out(made)
    score = made.names["agent"].score
    printed = to_decimal(score).quantize(Decimal("0.0001"), ROUND_HALF_DOWN)  # four decimals, as it prints them; its floats fall short of a half
    return {"score": str(printed), "exact": str(to_decimal(score))}


def normalize(given: Document) -> dict[str, Any]:
    facts = {"now": ANY_TIME, "inputs": {"scores": {name: {"score": score} for name, score in given["scores"].items()}}}
    return within_bounds(given, lambda rules: rules.allocate(facts, name="scored"))


def allocate(given: Document) -> dict[str, Any]:
    facts = facts_of(given["meta"], ANY_TIME)
    return within_bounds(given, lambda rules: rules.allocate(facts, given.get("current") or {}, name="capital"))


def should_reallocate(given: Document) -> dict[str, Any]:
    only = {"threshold": given.get("threshold")}
    try:
        return {"reallocate": policy(**settings_of(only)).rebalances(given["new"], given["current"], name="capital")}
    except ValueError as error:
        raise Refused(str(error)) from None


KINDS: dict[str, Callable[[Document], dict[str, Any]]] = {
    "agent_score": agent_score, "normalize": normalize, "allocate": allocate, "should_reallocate": should_reallocate}


def answer(line: str) -> dict[str, Any]:
    """The result of one case; a refusal says why."""
    try:
        case = json.loads(line, parse_float=Decimal, object_hook=plain)
        kind = case["kind"]
        if kind not in KINDS:
            raise Refused(f"kind {kind!r} is not one of the governor's")
        return KINDS[kind](case["input"])
    except (Refused, caplex.CaplexError) as error:
        return {"refused": True, "error": str(error)}
    except (AttributeError, KeyError, TypeError, ValueError, ArithmeticError) as error:
        return {"refused": True, "error": f"not a document of the capital governor: {type(error).__name__}: {error}"}


def answers(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        if line.strip():
            yield json.dumps(answer(line))


# ── its own use ───────────────────────────────────────────────────────────────────────────────────────


def metrics_in(path: Path) -> dict[str, Any]:
    """Facts of the metrics file; a file without a timestamp was measured when it was written."""
    meta = read(path)
    if not isinstance(meta, Mapping):
        raise Unusable(f"`{path}` is no metrics file")
    written = datetime.fromtimestamp(path.stat().st_mtime, timezone.utc).isoformat()
    return facts_of(meta, meta.get("timestamp") or written)


def run(arguments: argparse.Namespace) -> None:
    interval = parse_duration(arguments.every) if arguments.every else None
    files = [file for file in (arguments.out, arguments.also) if file is not None]
    rounds = Rounds(policy(), lambda: metrics_in(arguments.metrics), lambda: held_in(arguments.out) if arguments.out else None, files,
                    write=file_of, name="capital", most_ns=parse_duration(arguments.max_age) if arguments.max_age else None)
    for made in [rounds.once()] if interval is None else rounds.every(interval, arguments.max_rounds):
        if isinstance(made, Exception):
            print(f"this round was not made: {made}", file=sys.stderr)
            continue
        print(made.explain().text(terms=False), flush=True)
        if arguments.notify and made.state == "rebalance":
            try:
                send(arguments.notify, notice(made))
            except Undelivered as error:
                print(f"nobody was told: {error}", file=sys.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(description="The capital governor's documents, answered by policy.cap.")
    parser.add_argument("--metrics", type=Path, help="the governor's metrics file")
    parser.add_argument("-o", dest="out", type=Path, help="allocations.json")
    parser.add_argument("--also", type=Path, help="allocations_override.json; both are written, or none")
    parser.add_argument("--every", help="again and again: 300s")
    parser.add_argument("--max-rounds", type=int)
    parser.add_argument("--max-age", help="how old the metrics may be")
    parser.add_argument("--notify", help="a file, or exec:COMMAND")
    arguments = parser.parse_args()
    try:
        if arguments.metrics is None:
            for line in answers(sys.stdin):
                print(line)
        elif arguments.out is None and arguments.every is None:
            print(json.dumps(metrics_in(arguments.metrics), indent=2, default=str))
        else:
            run(arguments)
    except KeyboardInterrupt:
        return 130
    except (Unusable, NotATime, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
