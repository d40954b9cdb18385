"""The hash of the settings is that of the policy, not of the process: a recorded policy is known again anywhere."""
from __future__ import annotations

import os
import subprocess
import sys

POLICY = """
policy desk { version "1"  language 1  mode enforce  currency USD  stages SYS, EXP  closing faces every rule  unlimited loss  lot 1 }
setting names : set of symbol = ["AAPL", "GE", "MSFT"]  "Symbols that are traded"
rule EXP-010 { require intent.symbol in names }
limit EXP-020 { intent.notional at most 10_000 USD  else reduce }
"""


def test_it_is_the_same_in_every_process():
    program = f"import caplex; print(caplex.loads({POLICY!r}).settings_hash)"
    hashes = {subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONHASHSEED": seed}).stdout
              for seed in ("0", "1")}
    assert len(hashes) == 1
