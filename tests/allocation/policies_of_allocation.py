"""Allocations that the tests try: compiled, and as the reference reads them."""
from __future__ import annotations

from functools import lru_cache

import caplex
from caplex.compiler import driver
from caplex.compiler.semantics.model import CheckedModule
from caplex.compiler.source import Source

HEADER = """policy governor {
  version "1" language 1 currency USD mode enforce stages SYS closing faces every rule
  unlimited exposure unlimited loss overrides tightest wins
}
input bounds { floor : ratio ceiling : ratio threshold : ratio? scale : ratio? }
input guardian { paused : bool? }
"""
FREE = HEADER + """
allocate capital across strategies {
  score     40% * (strategy.pnl_7d else 0 USD) / 1_000 USD + 30% * strategy.sharpe_30d - 20% * clamp((strategy.winrate_30d else 0), 0..1)
  floor     bounds.floor
  ceiling   bounds.ceiling
  scale by  (bounds.scale else 1)
  freeze when (guardian.paused else false)
  rebalance when any share moves at least (bounds.threshold else 10pp)
}
"""
FIXED = HEADER + """
allocate capital across strategies {
  score     strategy.sharpe_30d
  floor     bounds.floor
  ceiling   bounds.ceiling
  scale by  clamp((bounds.scale else 1), 0..1)
  fixed "B" 30%
  fixed "Q" 12.5%
}
"""
EACH = HEADER + """
setting most : ratio = 40% within 0%..100% lower is safer "Largest share" { tighten for strategy "B" = 15% tighten for strategy "C" = 2% }
let merit = max((strategy.sharpe_30d else -2), -1)
allocate capital across strategies {
  score     merit * 2 + (strategy.winrate_30d else 0)
  floor     (if strategy.sharpe_30d > 3 then 10% else bounds.floor)
  ceiling   min(most, bounds.ceiling)
  scale by  bounds.scale
  freeze when guardian.paused
  rebalance when any share moves at least 5pp
}
"""
TEXTS = {"free": FREE, "fixed": FIXED, "each": EACH}


@lru_cache
def compiled(name: str) -> caplex.Policy:
    return caplex.loads(TEXTS[name], name=f"{name}.cap")


@lru_cache
def checked(name: str) -> CheckedModule:
    found, problems = driver.check_source(Source(f"{name}.cap", TEXTS[name]))
    assert found is not None, problems
    return found
