"""PolicyGate's documents as it accepts them: shapes, kinds and ranges, and nothing about what they mean.

It coerces as the original does (``"5"`` and ``true`` are numbers to it), so that a file which loads there loads here.
Whether an infinite equity may trade is the policy's business.
"""
from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(gt=0, le=1)]
Count = Annotated[int, Field(gt=0)]
Rate = Annotated[int, Field(gt=0, le=10_000)]


class Contract(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Instrument(Contract):
    symbol: str
    asset_class: str


class Intent(Contract):
    intent_id: str
    timestamp: str
    strategy_id: str
    account_id: str
    instrument: Instrument
    side: Literal["buy", "sell"]
    order_type: Literal["market", "limit"]
    qty: Positive
    limit_price: Positive | None = None


class Portfolio(Contract):
    equity: Positive
    start_of_day_equity: Positive
    peak_equity: Positive
    positions: dict[str, float] = {}
    realized_pnl_today: float = 0.0
    unrealized_pnl: float = 0.0


class Market(Contract):
    timestamp: str
    prices: dict[str, float]


class Execution(Contract):
    orders_last_60s_global: Annotated[int, Field(ge=0)] = 0
    orders_last_60s_by_strategy: dict[str, int] = {}
    violations_last_window: list[tuple[str, str]] = []
    kill_switch_active: bool = False


class Exposure(Contract):
    max_position_pct: Share
    max_gross_exposure_x: Positive
    max_net_exposure_x: Positive | None = None


class Loss(Contract):
    daily_loss_limit_pct: Share
    max_drawdown_pct: Share


class Rates(Contract):
    max_orders_per_minute_global: Rate
    max_orders_per_minute_by_strategy: Rate


class KillSwitch(Contract):
    trip_on_rules: list[str] = []
    trip_after_n_violations: Count
    violation_window_seconds: Count


class Limits(Contract):
    exposure: Exposure
    loss: Loss
    execution: Rates
    kill_switch: KillSwitch


class Override(Contract):
    exposure: Exposure | None = None
    loss: Loss | None = None
    execution: Rates | None = None


class Overrides(Contract):
    symbols: dict[str, Override] = {}
    strategies: dict[str, Override] = {}


class Defaults(Contract):
    mode: Literal["enforce", "monitor"] = "enforce"
    decision: Literal["allow", "deny"] = "deny"


class Policy(Contract):
    version: Literal["0.1"]
    timezone: Annotated[str, Field(min_length=1)]
    defaults: Defaults
    limits: Limits
    overrides: Overrides = Overrides()


def fields_wrong(contract: type[Contract], document: Any) -> list[str]:
    """Dotted paths of what *contract* does not accept in *document*, in order; none if it accepts it."""
    try:
        contract.model_validate(document)
    except ValidationError as error:
        return sorted({".".join(str(step) for step in problem["loc"]) for problem in error.errors()})
    return []


def policy_as_written(document: Any) -> Any:
    """The policy *document* in the order of its documentation."""
    return Policy.model_validate(document).model_dump(exclude_unset=True)


def policy_fields_wrong(text: str) -> list[str]:
    """The same for a policy in YAML; a text that is no mapping has one problem, without a path."""
    try:
        document = YAML(typ="safe", pure=True).load(text)
    except YAMLError:
        return [""]
    return fields_wrong(Policy, document)


class AuditEvent(Contract):
    """A line of its audit log; the intent in it may be no other than PolicyGate takes."""

    event_id: str
    timestamp: str
    engine_version: Literal["0.2.0"]
    policy_hash: str
    run_id: str
    eval_ms: float
    intent: Intent
    portfolio_state: Portfolio
    market_snapshot: Market
    execution_state: Execution
    decision: dict[str, Any]


METRICS = {
    "daily_return": ("loss", "daily_loss_limit_pct"), "drawdown": ("loss", "max_drawdown_pct"),
    "new_position_pct": ("exposure", "max_position_pct"), "gross_exposure_x": ("exposure", "max_gross_exposure_x"),
    "net_exposure_x": ("exposure", "max_net_exposure_x")}
"""What it measures of every intent that has a price, in its order, and the limit of each."""

CONTRACTS = {"intent": Intent, "portfolio": Portfolio, "market": Market, "execution": Execution}
