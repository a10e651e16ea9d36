"""The stress library, and what-ifs (CAL-9, CAL-15)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from app.api.schemas.base import (
    ASSET_PATTERN,
    LEFT_OUT,
    Asset,
    Body,
    Exact,
    Name,
    Number,
    Reference,
    Time,
    View,
    example,
)
from app.jobs.stress import MOST_SHOCKS, BookUse, FundUse, Mode

SCENARIO_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9-]{0,63}$"
ScenarioId = Annotated[str, Field(pattern=SCENARIO_PATTERN, examples=["2020-03-12"])]
BaseAsset = Annotated[str, Field(pattern=ASSET_PATTERN, examples=["BTC"])]


class FallBody(Body):
    """Fractions that an asset lost in the worst hour and in the worst 24: 0 < hour <= day < 1."""

    hour: Number
    day: Number


class ScenarioBody(Body):
    """What is left out stays as it is; a new scenario needs `title` and `falls`.

    `falls` are by base asset. Without a `reason` no scenario is switched off.
    """

    enabled: bool = True
    reason: Reference | None = None
    title: Name = LEFT_OUT
    cause: Reference = LEFT_OUT
    falls: dict[BaseAsset, FallBody] = LEFT_OUT

    model_config = example(
        {"enabled": False, "reason": "no contract of ours was listed then"},
        {
            "title": "Our worst hour",
            "cause": "a feed that stood still",
            "falls": {"BTC": {"hour": "0.11", "day": "0.19"}},
        },
    )


class FallView(View):
    """What an asset lost, as a fraction, in the worst hour and in the worst 24."""

    hour: Exact
    day: Exact


class ScenarioView(View):
    """A crash. Of assets that it does not name, others fell as the median of those it does but BTC,
    ETH, LUNA, UST and FTT.

    `version` 0 is the release's own. `by` is a `key_id`, for admins alone. Its mirror image, which
    runs with it, is called `<scenario_id>-mirrored`.
    """

    scenario_id: str
    title: str
    cause: str
    enabled: bool
    reason: str | None
    falls: dict[str, FallView]
    version: int
    by: str | None
    at: Time | None


class LibraryView(View):
    """The stress library: the release's scenarios first, then those added here.

    A run with this library has its `stress_hash`, which is of the enabled ones alone.
    """

    items: list[ScenarioView]
    stress_hash: str


class ScenarioHistoryView(View):
    """A scenario as it stands and as it was, the newest version first."""

    scenario_id: str
    versions: list[ScenarioView]


class ShockBody(Body):
    """A contract's price changes by a fraction, above -1; `*` is all that are not named."""

    symbol: Annotated[str, Field(pattern=r"^([A-Z0-9_]{1,32}|\*)$", examples=["BTCUSDT"])]
    change: Number


Shocks = Annotated[list[ShockBody], Field(max_length=MOST_SHOCKS)]


class StressTestBody(Body):
    """What if: `shocks` at once, a `path` of them, or a `scenario` of the stress library.

    With an `asset`, of the contracts that settle in it alone. `book` and `fund` are for `engine`:
    with `none` all resting orders are cancelled first, `unlimited` funds take over everything.
    """

    shocks: Shocks = LEFT_OUT
    path: Literal["instant"] | Annotated[list[Shocks], Field(max_length=100)] = "instant"
    scenario: Annotated[str, Field(pattern=SCENARIO_PATTERN, examples=["2020-03-12"])] = LEFT_OUT
    mode: Mode = "fast"
    book: BookUse = "as_is"
    fund: FundUse = "as_is"
    asset: Asset = LEFT_OUT

    model_config = example(
        {"shocks": [{"symbol": "BTCUSDT", "change": "-0.3"}, {"symbol": "*", "change": "-0.5"}]},
        {"scenario": "2020-03-12", "asset": "USDT"},
    )


class StressAsOf(View):
    """The last command that the book holds."""

    sequence: int
    time: Time


class StressLoss(View):
    """What a fund loses, by the real waterfall (null: not asked) and by the formula (CAL-2)."""

    engine: Exact | None
    fast: Exact


class StressedFund(View):
    """A fund in an asset, its inventory at mark. What is null only the engine tells.

    `inventory_loss` is the formula's, of what the fund holds now; `inventory_profit` is the
    engine's, what it takes over included. By the formula the balance
    after is without fees and gains, and below zero where it is not enough.
    """

    fund_id: str
    asset: str
    loss: StressLoss
    inventory_loss: Exact
    gain: Exact | None
    clearance_fees: Exact | None
    inventory_profit: Exact | None
    balance_before: Exact
    balance_after: Exact
    net_notional_after: Exact | None
    cap_use: Exact | None
    emergency_injection: Exact | None
    exhausted: bool


class StressedContract(View):
    """A contract whose price changes; values are at the marks of the time."""

    symbol: str
    fund_id: str
    asset: str
    mark_before: Exact
    mark_after: Exact
    loss: StressLoss
    liquidations: int | None
    bankrupt_quantity: Exact | None
    bankrupt_value: Exact | None
    taken_over_quantity: Exact | None
    taken_over_value: Exact | None
    deleveraged_quantity: Exact | None
    deleveraged_value: Exact | None
    overshoot: Exact | None


class StressWarning(View):
    """What makes the answer another one than one would think."""

    code: Literal["stale_mark", "halted", "set_aside"]
    subject: str


class StressTestView(View):
    """A what-if: of the book `as_of`, which is `age_seconds` old. Nothing was changed."""

    mode: Mode
    scenario: str | None
    steps: int
    book: BookUse
    fund: FundUse
    as_of: StressAsOf
    age_seconds: float
    funds: list[StressedFund]
    contracts: list[StressedContract]
    accounts: None = Field(description="The engine's answer to an admin names accounts.")
    warnings: list[StressWarning]
