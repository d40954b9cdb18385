"""Checking grows with the policy and no faster."""
from __future__ import annotations

from itertools import count

from caplex.compiler.semantics.analyse import analyse
from caplex.compiler.source import Source
from caplex.compiler.syntax.parser import parse

HEADER = ('policy p { version "1" language 1 currency USD stages LOSS, EXEC, EXP closing skips LOSS, EXEC, EXP unlimited loss }\n'
          "setting cap : ratio = 10% within 0%..100% lower is safer\nlet dd = 1 - account.equity / account.peak_equity\n")


def steps(rules: int) -> int:
    """Lines that `analyse` runs for a policy of so many rules: a clock that no machine disturbs."""
    import sys

    text = HEADER + "\n".join(
        f'limit EXP-{n} {{ when intent.symbol == "S{n}", abs(after.position.notional) at most cap of account.equity else reduce }}\n'
        f"throttle EXEC-{n} {{ deny beyond {n} orders in any 1min for each strategy }}\nrule LOSS-{n} {{ deny when dd >= {n % 50 + 1}% }}"
        for n in range(1, rules // 3 + 1)
    )
    module, _ = parse(Source("p.cap", text))
    assert module is not None
    ticks = count()
    sys.setprofile(lambda *_: next(ticks))
    try:
        checked, problems = analyse(module)
    finally:
        sys.setprofile(None)
    assert checked is not None, [problem.message for problem in problems if problem.is_error]
    return next(ticks)


def test_twice_the_rules_cost_twice_the_calls() -> None:
    steps(30)
    assert steps(600) < 2.5 * steps(300)
