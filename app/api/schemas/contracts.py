"""Contracts, books and prices."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from app.api.schemas.base import (
    LEFT_OUT,
    ActBody,
    Asset,
    Body,
    Exact,
    FundId,
    Number,
    Sequence,
    SourceName,
    Symbol,
    Time,
    View,
    example,
)
from app.engine.contracts import ContractStatus, FundingMode, Kind, MarkMode
from app.engine.valuation import Margining

BRACKET = {
    "notional_floor": "0", "notional_cap": "50000", "max_leverage": 100,
    "maintenance_margin_rate": "0.005", "cum": "0",
}  # fmt: skip
CONTRACT = {
    "symbol": "TESTUSDT",
    "base_asset": "TEST",
    "quote_asset": "USDT",
    "settlement_asset": "USDT",
    "kind": "perpetual",
    "margining": "linear",
    "contract_size": "1",
    "tick_size": "0.01",
    "lot_size": "0.001",
    "min_notional": "5",
    "maker_fee_rate": "0.0002",
    "taker_fee_rate": "0.0005",
    "clearance_fee_rate": "0.0125",
    "insurance_fund": "usdt-other",
    "price_band": None,
    "brackets": [BRACKET],
    "status": "trading",
}

SIZE = "Of the base asset (linear), or of the quote asset (inverse: 100 USD, say)."

MaxLeverage = Annotated[int, Field(ge=1, le=1000, examples=[100])]
FundingInterval = Annotated[int, Field(ge=-(2**31), le=2**31 - 1, examples=[8])]
"""Any integer that PostgreSQL holds; the engine says which are allowed."""
Seconds = Annotated[int, Field(ge=1, le=2**31 - 1, examples=[30])]


class BracketBody(Body):
    """One row of a leverage bracket table, notionals in the settlement asset (CON-4)."""

    notional_floor: Number
    notional_cap: Number
    max_leverage: MaxLeverage
    maintenance_margin_rate: Number
    cum: Number | None = Field(default=None, description="Computed when left out.")


class IndexSourceBody(Body):
    """A source of a contract's index, and how much it counts (MRK-3)."""

    name: SourceName
    weight: Number = Field(description="Above 0.")


IndexSources = Annotated[list[IndexSourceBody], Field(max_length=20)]
Brackets = Annotated[list[BracketBody], Field(min_length=1, max_length=100)]


class ContractBody(ActBody):
    """A new contract (CON-1). Rates and bands are fractions.

    A linear contract settles in its quote asset, an inverse one in its base asset, the coin.
    Prices are in the quote asset; values, and with them margins, fees, `min_notional` and the
    brackets' notionals, in the settlement asset.
    """

    symbol: Symbol
    base_asset: Asset
    quote_asset: Asset
    settlement_asset: Asset
    kind: Kind = "perpetual"
    margining: Margining = "linear"
    contract_size: Number = Field(description=SIZE)
    tick_size: Number
    lot_size: Number = Field(description="A whole number of contracts where they are inverse.")
    min_notional: Number
    maker_fee_rate: Number
    taker_fee_rate: Number
    clearance_fee_rate: Number
    insurance_fund: FundId
    price_band: Number | None = Field(
        default=None, description="How far from mark an order's price may be; null: any."
    )
    brackets: Brackets
    status: ContractStatus = "trading"
    delivery_at: Time | None = Field(
        default=None, description="Of a delivery contract, and of no other: still to come (DLV-1)."
    )
    settlement_fee_rate: Number | None = Field(
        default=None, description="What is charged at delivery, of the value; none when null."
    )
    mark_staleness_seconds: Seconds | None = None
    tick_jump_limit: Number | None = None
    liquidation_restore_ratio: Number | None = Field(
        default=None, description="1.1 when null or left out (LIQ-4)."
    )
    funding_interval_hours: FundingInterval | None = Field(
        default=None, description="1, 4 or 8, counted from midnight UTC; null: no funding (FPY-1)."
    )
    funding_rate_cap: Number | None = Field(default=None, description="0.02 when null.")
    funding_rate_floor: Number | None = Field(default=None, description="-0.02 when null.")
    funding_mode: FundingMode = Field(
        default="given", description="Where its rates come from: `derived` from its premium."
    )
    interest_rate: Number | None = Field(
        default=None,
        description="Of one interval, in a derived rate; 0.0001 for 8 hours when null.",
    )
    mark_mode: MarkMode = Field(
        default="given", description="`derived`: with each price of an index source (MRK-3)."
    )
    index_sources: IndexSources = Field(
        default=[],
        description="A derived mark needs one; without any, index prices come with ticks.",
    )
    mid_window_seconds: Seconds | None = Field(
        default=None, description="At most a day; 150 when null or left out."
    )

    open_interest_cap: Number | None = Field(
        default=None, description="The most that may be open, of either side; null: any (FND-12)."
    )
    open_interest_multiple: Number | None = Field(
        default=None,
        description="One side's notional is at most so many times the fund's balance; null: any.",
    )

    model_config = example(CONTRACT)


class ContractPatch(ActBody):
    """The terms to change; what is left out stays."""

    tick_size: Number = LEFT_OUT
    lot_size: Number = LEFT_OUT
    min_notional: Number = LEFT_OUT
    maker_fee_rate: Number = LEFT_OUT
    taker_fee_rate: Number = LEFT_OUT
    clearance_fee_rate: Number = LEFT_OUT
    insurance_fund: FundId = LEFT_OUT
    price_band: Number | None = LEFT_OUT
    brackets: Brackets = LEFT_OUT
    status: ContractStatus = LEFT_OUT
    delivery_at: Time | None = LEFT_OUT
    settlement_fee_rate: Number | None = LEFT_OUT
    mark_staleness_seconds: Seconds | None = LEFT_OUT
    tick_jump_limit: Number | None = LEFT_OUT
    liquidation_restore_ratio: Number | None = LEFT_OUT
    funding_interval_hours: FundingInterval | None = LEFT_OUT
    funding_rate_cap: Number | None = LEFT_OUT
    funding_rate_floor: Number | None = LEFT_OUT
    funding_mode: FundingMode = LEFT_OUT
    interest_rate: Number | None = LEFT_OUT
    mark_mode: MarkMode = LEFT_OUT
    index_sources: IndexSources = LEFT_OUT
    mid_window_seconds: Seconds | None = LEFT_OUT
    open_interest_cap: Number | None = LEFT_OUT
    open_interest_multiple: Number | None = LEFT_OUT

    model_config = example({"funding_interval_hours": 8})


class ImportBody(ActBody):
    """The exchange's own JSON, numbers as the exchange writes them."""

    exchange_info: dict[str, Any] = Field(description="The answer of `exchangeInfo`.")
    leverage_brackets: list[Any] = Field(description="The answer of `leverageBracket`.")

    model_config = example({"exchange_info": {"symbols": []}, "leverage_brackets": []})


class SkippedView(View):
    """A symbol that an import left out."""

    symbol: str
    reason: str


class ImportView(View):
    """What an import did."""

    created: int
    updated: int
    skipped: list[SkippedView]


class BracketView(View):
    """One row of a leverage bracket table (CON-4)."""

    notional_floor: Exact
    notional_cap: Exact
    max_leverage: int
    maintenance_margin_rate: Exact
    cum: Exact


class IndexSourceView(View):
    """A source of a contract's index (MRK-3)."""

    name: str
    weight: Exact


class ContractView(View):
    """The terms of a contract (CON-1)."""

    symbol: str
    base_asset: str
    quote_asset: str
    settlement_asset: str
    kind: Kind
    margining: Margining
    contract_size: Exact = Field(description=SIZE)
    tick_size: Exact
    lot_size: Exact
    min_notional: Exact
    maker_fee_rate: Exact
    taker_fee_rate: Exact
    clearance_fee_rate: Exact
    insurance_fund: str
    price_band: Exact | None
    brackets: list[BracketView]
    status: ContractStatus
    delivery_at: Time | None
    settlement_fee_rate: Exact | None
    mark_staleness_seconds: int | None
    tick_jump_limit: Exact | None
    liquidation_restore_ratio: Exact
    funding_interval_hours: int | None
    funding_rate_cap: Exact | None
    funding_rate_floor: Exact | None
    funding_mode: FundingMode
    interest_rate: Exact | None
    mark_mode: MarkMode
    index_sources: list[IndexSourceView]
    mid_window_seconds: int
    open_interest_cap: Exact | None
    open_interest_multiple: Exact | None


Level = Annotated[list[Exact], Field(min_length=2, max_length=2, examples=[["60000", "0.25"]])]


class BookView(View):
    """The best levels of a book, best first: price and open quantity."""

    symbol: str
    bids: list[Level]
    asks: list[Level]


class PriceView(View):
    """The newest mark price of a contract; `time` is when it was accepted."""

    symbol: str
    mark_price: Exact
    time: Time
    mode: MarkMode = Field(description="Whether marks are given or derived from the index.")
    index_price: Exact | None
    last_price: Exact | None = Field(description="Of the last trade.")
    source_time: Time | None
    sequence: int | None
    funding_rate: Exact | None = Field(
        description="Of the next funding, as it stands now: a derived one will move until then."
    )
    next_funding_time: Time | None


class TickBody(Body):
    """A mark price (MRK-1, MRK-6).

    Refused are a sequence or source time that is not newer than the last, and a source time older
    than the contract's staleness limit (`stale_tick`) or more than a minute ahead (`future_tick`).
    """

    symbol: Symbol
    mark_price: Number
    index_price: Number | None = None
    source_time: Time | None = None
    sequence: Sequence | None = None
    sequence_reset: bool = Field(
        default=False,
        description="The source starts its numbering anew: accepted whatever came before.",
    )
    funding_rate: Number | None = Field(
        default=None,
        description="For the next funding time, as `POST /v1/funding-rates` gives it (FPY-1).",
    )

    model_config = example({"symbol": "BTCUSDT", "mark_price": "60000.0", "sequence": 1001})


class TickView(View):
    """A tick that was applied, its liquidations finished and durable."""

    symbol: str
    mark_price: Exact
    time: Time
    accounts_at_risk: int = Field(description="How many accounts the tick put at risk.")


class TicksBody(Body):
    """Ticks, applied in order, each as if alone (MRK-2)."""

    ticks: Annotated[list[TickBody], Field(min_length=1, max_length=10_000)]

    model_config = example({"ticks": [{"symbol": "BTCUSDT", "mark_price": "60000.0"}]})


class RefusedTick(View):
    """A price of a batch that a rule refused."""

    index: int
    code: str


class TicksView(View):
    """What a batch of prices did."""

    accepted: int
    refused: list[RefusedTick]
    accounts_at_risk: int


class IndexPriceBody(Body):
    """What a source of a contract's index says (MRK-3).

    Refused are a source time before the last one's or more than ten seconds old (`stale_tick`), or
    more than a minute ahead (`future_tick`).
    """

    symbol: Symbol
    source: SourceName
    price: Number
    source_time: Time | None = None


class IndexPricesBody(Body):
    """Prices of index sources, applied in order, each as if alone; a derived mark follows each."""

    prices: Annotated[list[IndexPriceBody], Field(min_length=1, max_length=10_000)]

    model_config = example(
        {
            "prices": [
                {"symbol": "BTCUSDT", "source": "a", "price": "60000"},
                {"symbol": "BTCUSDT", "source": "b", "price": "60002.5"},
            ]
        }
    )


class SourceView(View):
    """A source of an index as it counts now; null is what it has not said."""

    source: str
    weight: Exact = Field(description="0: too old, or too far from the median.")
    price: Exact | None
    age_seconds: Exact | None
    deviation: Exact | None = Field(
        description="From the median of the fresh sources, a fraction; null without any."
    )
    source_time: Time | None


class IndexView(View):
    """A contract's index now, and its sources; `index_price` is null where none has weight."""

    symbol: str
    time: Time
    index_price: Exact | None
    sources: list[SourceView]
