"""What is traded (CON): a contract's terms and its maintenance margin."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from app.engine.numbers import ONE, ZERO, begin_of, in_range, is_multiple
from app.engine.rejections import Code, Rejected
from app.engine.valuation import Margining, Valued

Kind = Literal["perpetual", "delivery"]
ContractStatus = Literal["trading", "reduce_only", "halted", "settled"]
FundingMode = Literal["given", "derived"]
MarkMode = Literal["given", "derived"]

DEFAULT_RESTORE_RATIO = Decimal("1.1")
DEFAULT_FUNDING_LIMIT = Decimal("0.02")
"""How far a funding rate may be from zero, where the contract does not say."""
FUNDING_HOURS = (1, 4, 8)
DEFAULT_INTEREST = Decimal("0.0000125")
"""By the hour, where the contract does not say: 0.01 % in eight."""
DEFAULT_MID_WINDOW = 150
"""Seconds over which (mid - index) is averaged (MRK-3), where the contract does not say."""
LONGEST_MID_WINDOW = 86_400
MOST_SOURCES = 20

RANGES = {
    "contract_size": "above 0",
    "tick_size": "above 0",
    "lot_size": "above 0, and of an inverse contract a whole number",
    "min_notional": "at least 0",
    "taker_fee_rate": "from 0 to below 1",
    "maker_fee_rate": "from -taker_fee_rate to below 1",
    "clearance_fee_rate": "from 0 to below 1",
    "price_band": "above 0 and below 1, or null",
    "tick_jump_limit": "above 0, or null",
    "mark_staleness_seconds": "above 0, or null",
    "liquidation_restore_ratio": "at least 1",
    "interest_rate": "above -1 and below 1, or null",
    "delivery_at": "a delivery contract needs it, and no other has it",
    "settlement_fee_rate": "from 0 to below 1, and only of a delivery contract",
    "funding_interval_hours": "1, 4 or 8, or null; a delivery contract has no funding",
    "funding_rate_cap": "above -1 and below 1",
    "funding_rate_floor": "above -1, and at most the cap",
    "index_sources": f"at most {MOST_SOURCES} of different names, their weights above 0; a derived"
    " mark needs one",
    "mid_window_seconds": f"from 1 to {LONGEST_MID_WINDOW}",
    "open_interest_cap": "at least 0, or null",
    "open_interest_multiple": "at least 0, or null",
}
"""What a term may be (CON-1), as a refusal says it."""

LEFT_OUT = {"left_out": True}
"""Of a field that neither the log nor a hash of the state names while it has its default: as they
were before there was such a field."""


@dataclass(frozen=True, slots=True)
class Bracket:
    """One row of a leverage bracket table (CON-4); notionals in the settlement asset."""

    notional_floor: Decimal
    notional_cap: Decimal
    max_leverage: int
    maintenance_margin_rate: Decimal
    cum: Decimal


class Funded:
    """Something with the terms by which a funding has a rate (FPY-1)."""

    __slots__ = ()

    if TYPE_CHECKING:  # whoever has rates says himself which of his fields these are
        funding_interval_hours: int | None
        funding_rate_cap: Decimal | None
        funding_rate_floor: Decimal | None
        funding_mode: FundingMode
        interest_rate: Decimal | None

    def funding_limits(self) -> tuple[Decimal, Decimal]:
        """The lowest and the highest funding rate (FPY-1)."""
        floor, cap = self.funding_rate_floor, self.funding_rate_cap
        return (
            -DEFAULT_FUNDING_LIMIT if floor is None else floor,
            DEFAULT_FUNDING_LIMIT if cap is None else cap,
        )

    def interest(self) -> Decimal:
        """The interest of one funding interval, which a derived rate is drawn to (FPY-1)."""
        if self.interest_rate is not None:
            return self.interest_rate
        assert self.funding_interval_hours is not None, self
        return DEFAULT_INTEREST * self.funding_interval_hours


@dataclass(frozen=True, slots=True)
class IndexSource:
    """Where prices for a contract's index come from, and how much they count (MRK-3)."""

    name: str
    weight: Decimal


@dataclass(frozen=True, slots=True)
class FundingTerms(Funded):
    """The terms alone, where there is no more of a contract."""

    funding_interval_hours: int | None
    funding_rate_cap: Decimal | None
    funding_rate_floor: Decimal | None
    funding_mode: FundingMode
    interest_rate: Decimal | None


@dataclass(frozen=True, slots=True)
class Contract(Valued, Funded):
    """The terms of a contract (CON-1). Rates are fractions; sizes are in the units of the field.

    `contract_size` is what one contract is of: of the base asset (linear), of the quote asset
    (inverse). Values and margins, so `min_notional` and the brackets, are in the settlement asset.
    """

    symbol: str
    base_asset: str
    quote_asset: str
    settlement_asset: str
    kind: Kind
    margining: Margining
    contract_size: Decimal
    tick_size: Decimal
    lot_size: Decimal
    min_notional: Decimal
    maker_fee_rate: Decimal
    taker_fee_rate: Decimal
    clearance_fee_rate: Decimal
    insurance_fund: str
    brackets: tuple[Bracket, ...]
    price_band: Decimal | None = None
    status: ContractStatus = "trading"
    delivery_at: datetime | None = None
    mark_staleness_seconds: int | None = None
    tick_jump_limit: Decimal | None = None
    liquidation_restore_ratio: Decimal = DEFAULT_RESTORE_RATIO
    funding_interval_hours: int | None = field(default=None, metadata=LEFT_OUT)
    funding_rate_cap: Decimal | None = field(default=None, metadata=LEFT_OUT)
    funding_rate_floor: Decimal | None = field(default=None, metadata=LEFT_OUT)
    mark_mode: MarkMode = field(default="given", metadata=LEFT_OUT)
    index_sources: tuple[IndexSource, ...] = field(default=(), metadata=LEFT_OUT)
    mid_window_seconds: int = field(default=DEFAULT_MID_WINDOW, metadata=LEFT_OUT)

    funding_mode: FundingMode = field(default="given", metadata=LEFT_OUT)
    interest_rate: Decimal | None = field(default=None, metadata=LEFT_OUT)
    settlement_fee_rate: Decimal | None = field(default=None, metadata=LEFT_OUT)
    open_interest_cap: Decimal | None = field(default=None, metadata=LEFT_OUT)
    open_interest_multiple: Decimal | None = field(default=None, metadata=LEFT_OUT)

    def funding_after(self, time: datetime) -> datetime | None:
        """The first funding time after `time`: whole intervals since midnight UTC (FPY-1)."""
        if self.funding_interval_hours is None or self.status == "settled":
            return None
        interval = timedelta(hours=self.funding_interval_hours)
        return begin_of(time, interval) + interval

    def bracket(self, notional: Decimal) -> Bracket:
        """The bracket a notional falls into: floors are inclusive (CON-4)."""
        for bracket in self.brackets:
            if notional < bracket.notional_cap:
                return bracket
        return self.brackets[-1]

    def maintenance_margin(self, notional: Decimal) -> Decimal:
        """notional x rate - cum, exact (CON-4)."""
        bracket = self.bracket(notional)
        return notional * bracket.maintenance_margin_rate - bracket.cum

    def max_leverage(self, notional: Decimal) -> int:
        """The leverage the notional's bracket allows; 0 beyond the last bracket's cap."""
        bracket = self.bracket(notional)
        if notional > self.brackets[-1].notional_cap:
            return 0
        return bracket.max_leverage


def build_brackets(
    rows: list[tuple[Decimal, Decimal, int, Decimal, Decimal | None]],
) -> tuple[Bracket, ...]:
    """Brackets from (floor, cap, max leverage, rate, cum or None) with cum checked or computed.

    Raises `Rejected("invalid_brackets")` naming the row (from 1) that does not follow CON-4.
    """
    if not rows:
        raise Rejected(Code.invalid_brackets, "a contract needs at least one bracket", row=0)
    brackets: list[Bracket] = []
    for number, (floor, cap, leverage, rate, given) in enumerate(rows, start=1):
        assert in_range(floor), floor  # a cap is only compared
        assert in_range(rate), rate
        previous = brackets[-1] if brackets else None
        cum = floor * (rate - previous.maintenance_margin_rate) + previous.cum if previous else ZERO
        bracket = Bracket(floor, cap, leverage, rate, cum)
        problem = _bracket_problem(previous, bracket, given)
        if problem:
            raise Rejected(Code.invalid_brackets, f"row {number}: {problem}", row=number)
        brackets.append(bracket)
    return tuple(brackets)


def _bracket_problem(
    previous: Bracket | None, bracket: Bracket, given: Decimal | None
) -> str | None:
    floor, cap = bracket.notional_floor, bracket.notional_cap
    leverage, rate = bracket.max_leverage, bracket.maintenance_margin_rate
    expected_floor = previous.notional_cap if previous else ZERO
    if floor != expected_floor:
        return f"notional_floor is {floor}, not {expected_floor}: the table must be contiguous"
    if cap <= floor:
        return f"notional_cap {cap} is not above notional_floor {floor}"
    if not 0 < rate <= 1:
        return f"maintenance_margin_rate {rate} is not in (0, 1]"
    if leverage < 1 or leverage * rate > 1:
        return f"1 / max_leverage {leverage} is below maintenance_margin_rate {rate}"
    if previous and rate < previous.maintenance_margin_rate:
        return f"maintenance_margin_rate {rate} falls below the row before"
    if previous and leverage > previous.max_leverage:
        return f"max_leverage {leverage} rises above the row before"
    if given is not None and given != bracket.cum:
        return f"cum is {given}, not {bracket.cum}"
    return None


def check_contract(contract: Contract) -> None:
    """Refuse a new contract that cannot be traded: `Rejected`, see `check_terms`.

    Assets never change, so whoever changes a contract need not answer for them again.
    """
    check_terms(contract)
    linear = contract.margining == "linear"
    if contract.settlement_asset != (contract.quote_asset if linear else contract.base_asset):
        raise _invalid(
            "settlement_asset",
            "a linear contract settles in its quote asset, an inverse one in its base asset",
        )
    if contract.base_asset == contract.quote_asset:
        raise _invalid("base_asset", "base_asset is the quote asset too")


def check_terms(contract: Contract) -> None:
    """Refuse terms that cannot be traded: `Rejected("invalid_contract")` naming the field,
    `invalid_brackets` naming the row. Whether a delivery time is still to come is `listing`'s.
    """
    numbers = [getattr(contract, one.name) for one in fields(contract)]
    assert all(in_range(number) for number in numbers if isinstance(number, Decimal)), contract
    lowest, highest = contract.funding_limits()
    dated = contract.kind == "delivery"
    problems = {
        "contract_size": contract.contract_size <= 0,
        "tick_size": contract.tick_size <= 0,
        "lot_size": contract.lot_size <= 0 or not _is_whole(contract),
        "min_notional": contract.min_notional < 0,
        "taker_fee_rate": not 0 <= contract.taker_fee_rate < 1,
        "maker_fee_rate": not -contract.taker_fee_rate <= contract.maker_fee_rate < 1,
        "clearance_fee_rate": not 0 <= contract.clearance_fee_rate < 1,
        "price_band": contract.price_band is not None and not 0 < contract.price_band < 1,
        "tick_jump_limit": contract.tick_jump_limit is not None and contract.tick_jump_limit <= 0,
        "mark_staleness_seconds": contract.mark_staleness_seconds is not None
        and contract.mark_staleness_seconds <= 0,
        "liquidation_restore_ratio": contract.liquidation_restore_ratio < ONE,
        "interest_rate": contract.interest_rate is not None
        and not -ONE < contract.interest_rate < ONE,
        "delivery_at": dated != (contract.delivery_at is not None),
        "settlement_fee_rate": not 0 <= (contract.settlement_fee_rate or ZERO) < 1
        or (contract.settlement_fee_rate is not None and not dated),
        "funding_interval_hours": contract.funding_interval_hours not in (None, *FUNDING_HOURS)
        or (contract.funding_interval_hours is not None and dated),
        "funding_rate_cap": not -ONE < highest < ONE,
        "funding_rate_floor": not -ONE < lowest <= highest,
        "index_sources": _sources_are_wrong(contract),
        "mid_window_seconds": not 0 < contract.mid_window_seconds <= LONGEST_MID_WINDOW,
        "open_interest_cap": (contract.open_interest_cap or ZERO) < 0,
        "open_interest_multiple": (contract.open_interest_multiple or ZERO) < 0,
    }
    for name, wrong in problems.items():
        if wrong:
            raise _invalid(name, f"{name} is out of range: {RANGES[name]}")
    if contract.funding_mode == "derived" and contract.funding_interval_hours is None:
        raise _invalid("funding_mode", "a derived rate needs a funding interval")
    build_brackets(
        [
            (b.notional_floor, b.notional_cap, b.max_leverage, b.maintenance_margin_rate, b.cum)
            for b in contract.brackets
        ]
    )
    if contract.min_notional > contract.brackets[-1].notional_cap:
        raise _invalid("min_notional", "min_notional is beyond the last bracket")


def _sources_are_wrong(contract: Contract) -> bool:
    """Two of one name, a weight that is none, too many; or none for a mark to be derived from."""
    sources = contract.index_sources
    assert all(in_range(source.weight) for source in sources), contract
    return (
        len({source.name for source in sources}) < len(sources)
        or any(source.weight <= 0 for source in sources)
        or len(sources) > MOST_SOURCES
        or (contract.mark_mode == "derived" and not sources)
    )


def _is_whole(contract: Contract) -> bool:
    """Inverse contracts are traded whole."""
    return contract.margining == "linear" or is_multiple(contract.lot_size, ONE)


def _invalid(field: str, detail: str) -> Rejected:
    return Rejected(Code.invalid_contract, detail, field=field)
