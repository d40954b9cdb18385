"""A small workspace for the tests of the language server, and how they say where something stands."""
from __future__ import annotations

from pathlib import Path

from caplex.compiler.lsp.document import Document
from caplex.compiler.lsp.names import Names
from caplex.compiler.lsp.workspace import Workspace

HEADER = """## The desk of the tests.
policy desk {
  version "1.0.0"
  language 1
  mode enforce
  currency USD
  timezone "UTC"
  stages SYS, KILL, ORD, LOSS, EXP
  closing skips LOSS, EXP
  overrides tightest wins
  unlimited exposure
  unlimited loss
}
"""
POLICY = HEADER + """
use stdlib.order_sanity as sanity (max_order_value = 75_000 USD)
use "limits.cap" as limits

input regime { value : one of bull, bear fresh within 1d }

## How much of equity one name may be.
setting max_position : ratio = 8% within 0%..25% lower is safer "Largest position" {
  tighten for symbol "GE" = 4%
}

let loss_share = account.day_loss / account.day_start_equity

limit EXP-010 "Position size" severity high {
  abs(after.position.notional) at most max_position of account.equity else reduce
  because "{intent.symbol} would be {after.position.notional}; {max_position} allows {allowed}"
}

limit EXP-020 "Gross" {
  after.portfolio.gross at most limits.gross_limit of account.equity else deny
}

rule LOSS-010 "Loss" severity high {
  deny when loss_share > 2% or intent.quantity > 20_000
}

rule EXP-030 "Bear" { deny opening when regime.value == bear }

kill switch KILL-010 "Drawdown" for account {
  trip when account.drawdown >= 10%
  while tripped deny opening
  rearm by 2 of "risk-officer"
}

waiver EXP-900 of EXP-020 through 2027-01-01 approved by "risk" ticket "R-1" { when intent.symbol == "SPY" }

test "a small order passes" {
  given account.equity = 2_000_000 USD
  given regime.value = bull
  given market["SPY"].price = 100 USD
  given market["SPY"].bid = 99.9 USD
  given market["SPY"].ask = 100.1 USD
  intent buy 10 "SPY"
  expect allow
}

test "a large one is denied" {
  given regime.value = bear
  given market["SPY"].price = 100 USD
  given market["SPY"].bid = 99.9 USD
  given market["SPY"].ask = 100.1 USD
  intent buy 500 "SPY"
  expect deny by EXP-030
}
"""
LIMITS = """## Limits that desks share.
setting gross_limit : ratio = 1x within 0x..2x lower is safer "Gross exposure"

limit EXP-500 "Shared gross" { after.portfolio.gross at most gross_limit of account.equity else deny }
"""


def written(folder: Path, policy: str = POLICY) -> Path:
    """The workspace in *folder*; the path of the policy."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "limits.cap").write_text(LIMITS, encoding="utf-8")
    (folder / "desk.cap").write_text(policy, encoding="utf-8")
    return folder / "desk.cap"


def opened(folder: Path, policy: str = POLICY) -> tuple[Workspace, Document, Names]:
    """The policy as an open document, checked."""
    path = written(folder, policy)
    workspace = Workspace()
    workspace.folders = [folder]
    document = workspace.open(path, policy, 1)
    document.settle(workspace.check(path, policy, workspace.texts()), document.mark)
    assert document.good is not None
    return workspace, document, Names(document.good)


def at(text: str, marked: str) -> int:
    """The offset of the ``|`` in *marked*, whose other characters stand in *text* once."""
    before, _, after = marked.partition("|")
    assert text.count(before + after) == 1, f"{text.count(before + after)} times: {before + after}"
    return text.index(before + after) + len(before)
