"""How long it takes to parse and check a policy of 1 000 rules, from text, nothing cached but the grammar's tables.

Processor time, so that what else runs on the machine does not count.

    python benchmarks/parse.py [--rules N] [--rounds N] [--json FILE]
"""
from __future__ import annotations

import argparse
import statistics
from time import process_time

from results import Result, option, write

import caplex

BUDGET_S = 0.5  # for 1 000 rules
HEADER = '''policy generated {{
  version "1"  language 1  mode enforce  currency USD  timezone "UTC"  stages {stages}
  closing skips {stages}  overrides tightest wins  lot 1
}}
'''
# One of each kind, so that the mixture is that of a desk and not of one construct.
KINDS = (
    '''## Rule {n} of the generated policy.
limit {family}-{n} "Position of group {n}" severity high {{
  when intent.symbol in ["S{n}", "T{n}"], abs(after.position.notional) at most {share}bp of account.equity else reduce
  because "{{intent.symbol}} would be {{after.position.notional}}; {{allowed}} is the most"
}}
''',
    '''rule {family}-{n} "Strategy {n} trades by day" severity medium {{
  deny when intent.strategy == "s{n}" and account.day_loss > {n} USD and position.quantity == 0
  because "lost {{account.day_loss}}"
}}
''',
    '''throttle {family}-{n} "Rate {n}" severity medium {{
  when intent.strategy == "s{n}"
  deny beyond {n} orders in any 1min for each strategy
}}
''',
    '''cooldown {family}-{n} "Pause {n}" {{
  when intent.symbol == "S{n}"
  deny during {n}s after last fill for each symbol
}}
''',
    '''limit {family}-{n} "Book {n}" severity low {{
  after.portfolio.gross + {n} USD at most 2x of account.equity - {n} * 1 USD else deny
}}
''',
)


def policy(rules: int, kinds: tuple[str, ...] = KINDS) -> str:
    families = ["ALPHA", "BRAVO", "CHARLIE", "DELTA"]
    body = [
        kinds[number % len(kinds)].format(n=number + 1, family=families[number * len(families) // rules], share=100 + number % 900)
        for number in range(rules)]
    loss = 'limit DELTA-99999 "Daily loss" { account.day_loss below 2% of account.day_start_equity else deny }\n'
    return HEADER.format(stages=", ".join(families)) + "\n".join(body) + loss


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rules", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=7)
    option(parser)
    chosen = parser.parse_args()
    text = policy(chosen.rules)
    spent = []
    for turn in range(chosen.rounds + 1):
        started = process_time()
        diagnostics = caplex.check_text(text)
        if turn:  # the first one loads the tables
            spent.append(process_time() - started)
    errors = [diagnostic for diagnostic in diagnostics if diagnostic.level == "error"]
    if errors:
        raise SystemExit(f"the generated policy has errors: {errors[0]}")
    middle = statistics.median(spent)
    write(chosen.json, "parse", [Result.of(f"parse and check {chosen.rules} rules", spent, "s", most=BUDGET_S if chosen.rules == 1000 else None)])
    if chosen.json == "-":
        return 0
    print(f"{chosen.rules} rules, {len(text.splitlines())} lines: median {middle:.3f} s, best {min(spent):.3f} s, worst {max(spent):.3f} s; "
          f"budget {BUDGET_S} s for 1 000")
    return 0 if middle <= BUDGET_S * chosen.rules / 1000 else 1


if __name__ == "__main__":
    raise SystemExit(main())
