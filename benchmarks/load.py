"""How long a policy takes from the file to the first decision: cold, and from the cache; in fresh processes.

    python benchmarks/load.py [--rules 100,1000,10000] [--rounds N] [--limits] [--check] [--json FILE]

Each round starts each program once, in turn: a Python that does nothing, `caplex.load` without a cache, with one, and the same
with a first decision; and `caplex check` both ways. Shown is the time of the processor within the process, which other programs
disturb least: of `load` alone, once the engine is imported, and of the imports on a line of their own. The first ratio is that of
the whole process to a Python that does nothing, the second that of the time to the one with the fewest rules. Before anything is timed, the policy from the cache must be the policy: same hash, generated source, graph and
decision. `--limits` takes limits of one symbol each in the place of the mixture. `--check` leaves with 1 if a budget is missed.
"""
from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median, quantiles

from parse import KINDS, policy
from results import Curve, Result, option, quartiles, write

BUDGET_MS = {"load, cold": 5000, "load, cached": 50}  # for 10 000 rules
FACTS = {
    "now": "2026-01-05T15:00:00Z", "intent": {"action": "open", "symbol": "S4", "side": "buy", "quantity": "5", "strategy": "s2"},
    "account": {"equity": "1000000", "day_loss": "0", "day_start_equity": "1000000"},
    "market": {"S4": {"price": "10", "as_of": "2026-01-05T15:00:00Z"}}, "positions": {}, "orders": [], "history": {},
}
TIMED = """
import sys, json
from time import process_time
begin = process_time()
import caplex, caplex.compiler.loading, caplex.compiler.codegen.plans, caplex.runtime.policy
start = process_time()
policy = caplex.load("generated.cap")
loaded = process_time()
told = None
if sys.argv[1] == "decide":
    decision = policy.decide(json.load(open("facts.json")))
    told = [str(decision.verdict), str(decision.quantity), str(decision.reason)]
if sys.argv[1] == "tell":
    import hashlib
    told = [policy.hash, policy.settings_hash, *(hashlib.sha256(text.encode()).hexdigest() for text in (policy.python, policy.graph_text)),
            json.dumps(policy.decide(json.load(open("facts.json"))).to_dict(), default=str, sort_keys=True)]
print(json.dumps([start - begin, process_time() - start, told]))
"""
PROGRAMS = {
    "load, cold": ([sys.executable, "-c", TIMED, "load"], False),
    "load, cached": ([sys.executable, "-c", TIMED, "load"], True),
    "load and decide, cached": ([sys.executable, "-c", TIMED, "decide"], True),
    "caplex check, cold": ([sys.executable, "-m", "caplex", "check", "generated.cap"], False),
    "caplex check, cached": ([sys.executable, "-m", "caplex", "check", "generated.cap"], True),
}


def run(command: list[str], folder: str, cache: str | None) -> tuple[float, str]:
    """Milliseconds of the processor that the process took, and what it said. Without *cache*, nothing is kept but the grammar's tables."""
    with tempfile.TemporaryDirectory() as empty:
        environment = {**os.environ, "CAPLEX_CACHE_DIR": cache or empty}
        environment.pop("CAPLEX_NO_CACHE", None)
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # what is installed has its byte code
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{command[2:]}: {done.returncode}\n{done.stderr}")
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000, done.stdout


def prepare(rules: int, kinds: tuple[str, ...], folder: str, cache: str) -> int:
    """Writes the policy, fills the cache, and sees that what comes from it is the same; bytes of the artifact."""
    Path(folder, "generated.cap").write_text(policy(rules, kinds), encoding="utf-8")
    Path(folder, "facts.json").write_text(json.dumps(FACTS), encoding="utf-8")
    tell = [sys.executable, "-c", TIMED, "tell"]
    told = [json.loads(run(tell, folder, cache)[1])[2] for _ in range(2)]
    if told[0] != told[1]:
        raise SystemExit(f"{rules} rules: the policy from the cache is another one\n{told[0]}\n{told[1]}")
    return max(file.stat().st_size for file in Path(cache, "policies").glob("*.bin"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rules", default="100,1000,10000")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--limits", action="store_true")
    parser.add_argument("--check", action="store_true")
    option(parser)
    options = parser.parse_args()
    sizes = [int(each) for each in options.rules.split(",")]
    missed = False
    with tempfile.TemporaryDirectory() as home:
        places = {rules: (os.path.join(home, str(rules)), os.path.join(home, f"cache-{rules}")) for rules in sizes}
        for rules, (folder, cache) in places.items():
            os.mkdir(folder)
            print(f"{rules} rules: the policy from the cache is the policy; {prepare(rules, KINDS[:1] if options.limits else KINDS, folder, cache) / 1e6:.1f} MB are kept")
        whole: dict[tuple[str, int], list[float]] = {}
        inside: dict[tuple[str, int], list[float]] = {}
        bare: list[float] = []
        importing: list[float] = []
        for _ in range(options.rounds):
            bare.append(run([sys.executable, "-c", "pass"], home, home)[0])
            for name, (command, warm) in PROGRAMS.items():
                for rules, (folder, cache) in places.items():
                    took, said = run(command, folder, cache if warm else None)
                    whole.setdefault((name, rules), []).append(took)
                    if command[1] == "-c":
                        imports, took, _ = json.loads(said)
                        inside.setdefault((name, rules), []).append(took * 1000)
                        importing.append(imports * 1000)
        print(f"\nPython that does nothing: {median(bare):.0f} ms; importing the engine: {median(importing):.0f} ms; {options.rounds} rounds; milliseconds of the processor\n")
        print(f"{'':26}{'rules':>7}{'ms':>9}{'quartiles':>16}{'per rule, µs':>14}{'process / Python':>18}{'/ least rules':>15}   budget")
        for (name, rules), took in whole.items():
            times = inside.get((name, rules), took)
            low, _, high = quantiles(times, n=4) if len(times) > 1 else (times[0],) * 3
            ratio = median(mine / theirs for mine, theirs in zip(took, bare, strict=True))
            least = median(mine / theirs for mine, theirs in zip(times, inside.get((name, sizes[0]), whole[name, sizes[0]]), strict=True))
            budget = BUDGET_MS.get(name) if rules == 10_000 else None
            over = budget is not None and median(times) > budget
            missed = missed or over
            print(f"{name:26}{rules:>7}{median(times):>9.1f}{f'{low:.1f} … {high:.1f}':>16}{median(times) / rules * 1000:>14.1f}{ratio:>18.1f}{least:>15.2f}"
                  f"{f'   ≤ {budget} ms' if budget else ''}{'   missed' if over else ''}")
        found, curves = results(whole, inside, bare, sizes)
    write(options.json, "load", found, curves, checked="the policy from the cache has the hashes, source, graph and decision of the policy")
    return 1 if missed and options.check else 0


def results(whole: dict[tuple[str, int], list[float]], inside: dict[tuple[str, int], list[float]], bare: list[float],
            sizes: list[int]) -> tuple[list[Result], list[Curve]]:
    """Milliseconds of each size, what the largest is to the least, and the whole process to a Python that does nothing."""
    found, curves = [], []
    for name in PROGRAMS:
        times = {rules: inside.get((name, rules), whole[name, rules]) for rules in sizes}
        for rules, took in times.items():
            budget = BUDGET_MS.get(name) if rules == 10_000 else None
            found.append(Result.of(f"{name}, {rules} rules", took, "ms", most=budget, better="lower"))
            found.append(Result.ratio(f"{name}, {rules} rules, process / Python", whole[name, rules], bare, better="lower"))
        if len(sizes) > 1:
            found.append(Result.ratio(f"{name}, {sizes[-1]} rules / {sizes[0]}", times[sizes[-1]], times[sizes[0]], better="lower"))
            bands = {rules: quartiles(took) for rules, took in times.items()}
            curves.append(Curve(f"{name}, by rules", "rules", [(rules, middle, low, high) for rules, (low, middle, high) in bands.items()], "ms"))
    return found, curves


if __name__ == "__main__":
    sys.exit(main())
