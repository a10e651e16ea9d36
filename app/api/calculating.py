"""What a calculator is asked about: a contract, what is held of it, an order for it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from app.api.contracts import brackets_of
from app.api.faults import Fault
from app.api.problems import Problem
from app.api.schemas.calculators import (
    LegBody,
    LiquidationPriceBody,
    MaxQuantityBody,
    OrderCostBody,
    TermsBody,
)
from app.api.services import Services
from app.engine.commands import OrderType
from app.engine.contracts import Bracket, Contract
from app.engine.figures import calculator
from app.engine.figures.admission import check_leverage, check_price, check_quantity
from app.engine.figures.outlay import Wanted
from app.engine.numbers import (
    FRACTION_DIGITS,
    ONE,
    ZERO,
    divide_up,
    is_multiple,
    plain,
)
from app.engine.rejections import Code, Rejected
from app.store.loader import load_contract
from app.store.reads import raw

UNBOUNDED = Decimal(10) ** 50
"""A cap that no notional reaches: one bracket for every size."""
ANY_LEVERAGE = 2**31
FINEST = ONE.scaleb(-FRACTION_DIGITS)
TERMS = ("margining", "contract_size", "brackets", "maintenance_margin_rate", "cum")


async def contract_of(services: Services, body: TermsBody, *, margined: bool = False) -> Contract:
    """The contract that a calculator is asked about: a listed one, or one of the body's terms.

    `margined`: it must say how much maintenance margin it needs. Raises `Problem` and `Rejected`.
    """
    prices = list(_prices(body))
    if any(price <= 0 for price in prices):
        raise Problem(Code.price_not_positive, "prices must be positive")
    if body.symbol is None:
        return _unlisted(body, prices, margined=margined)
    given = sorted(
        name
        for name in body.model_fields_set.intersection(TERMS)
        if getattr(body, name) is not None
    )
    if given:
        raise Problem(
            Fault.symbol_or_terms, "the contract says these itself", {"given": ", ".join(given)}
        )
    async with services.database.connect() as reading:
        contract = await load_contract(await raw(reading), body.symbol)
    if contract is None:
        raise Problem(Code.unknown_contract, f"there is no contract {body.symbol}")
    return contract


def _prices(body: TermsBody) -> Iterator[Decimal]:
    """All prices of a request, but for those of legs that are none."""
    for name, value in body:
        if isinstance(value, LegBody):
            if value.quantity:
                yield value.entry_price
        elif name.endswith("price") and value is not None:
            yield value


def _unlisted(body: TermsBody, prices: list[Decimal], *, margined: bool) -> Contract:
    """A contract that nobody listed; its tick size is the last digit of the prices given."""
    if body.contract_size <= 0:
        raise Problem(Fault.contract_size_not_positive, "contract_size must be positive")
    return Contract(
        symbol="",
        base_asset="",
        quote_asset="",
        settlement_asset="",
        kind="perpetual",
        margining=body.margining,
        contract_size=body.contract_size,
        tick_size=ONE.scaleb(min(map(_last_digit, prices), default=0)),
        lot_size=ONE if body.margining == "inverse" else FINEST,
        min_notional=ZERO,
        maker_fee_rate=ZERO,
        taker_fee_rate=ZERO,
        clearance_fee_rate=ZERO,
        insurance_fund="",
        brackets=_brackets(body, margined=margined),
    )


def _last_digit(price: Decimal) -> int:
    return int(price.normalize().as_tuple().exponent)


def _brackets(body: TermsBody, *, margined: bool) -> tuple[Bracket, ...]:
    """The bracket table of the request, or one bracket for every size."""
    rate = cum = None
    if isinstance(body, LiquidationPriceBody):
        rate, cum = body.maintenance_margin_rate, body.cum
    if body.brackets is not None:
        if rate is not None or cum is not None:
            raise _one_of_two()
        return brackets_of(body.brackets)
    if rate is None:
        if margined or cum is not None:
            raise _one_of_two()
        return (Bracket(ZERO, UNBOUNDED, ANY_LEVERAGE, ZERO, ZERO),)
    if not 0 < rate <= 1:
        raise Problem(Code.invalid_brackets, "maintenance_margin_rate is not in (0, 1]")
    return (Bracket(ZERO, UNBOUNDED, ANY_LEVERAGE, rate, ZERO if cum is None else cum),)


def _one_of_two() -> Problem:
    return Problem(
        Fault.brackets_or_rate, "give either brackets or maintenance_margin_rate (and cum)"
    )


class Holding(NamedTuple):
    """One leg, or a long and a short one, as signed quantity and cost; and the wallet and other
    profits behind.
    """

    legs: list[tuple[Decimal, Decimal]]
    behind: Decimal

    def net(self) -> tuple[Decimal, Decimal]:
        """Quantity and cost of both legs together."""
        quantities, costs = zip(*self.legs, strict=True)
        return sum(quantities, ZERO), sum(costs, ZERO)


def held_of(contract: Contract, body: LiquidationPriceBody) -> Holding:
    """What the body says is held. Raises `Problem` and `Rejected`."""
    legs = [_leg(contract, *of) for of in _legs_of(body)]
    if (body.wallet_balance is None) == (body.leverage is None):
        raise Problem(Fault.wallet_or_leverage, "give either wallet_balance or leverage")
    others = body.other_unrealized_profit or body.other_maintenance_margin
    if body.margin_mode == "isolated" and (others or len(legs) > 1):
        raise Problem(
            Fault.isolated_alone,
            "an isolated leg is asked about alone, without what is of other positions",
        )
    behind = body.other_unrealized_profit
    if body.wallet_balance is not None:
        return Holding(legs, behind + body.wallet_balance)
    assert body.leverage is not None
    for _, cost in legs:
        check_allowed(contract, body.leverage, abs(cost))
        behind += divide_up(abs(cost), body.leverage)
    return Holding(legs, behind)


def _legs_of(body: LiquidationPriceBody) -> list[tuple[str, Decimal, Decimal]]:
    """Side, quantity and entry price of what is held: of both legs the long one first."""
    alone = (body.side, body.quantity, body.entry_price)
    given = {"long": body.long, "short": body.short}
    legs = [(side, leg.quantity, leg.entry_price) for side, leg in given.items() if leg is not None]
    if legs and alone == (None, None, None):
        held = [leg for leg in legs if leg[1]]
        if not held:
            raise Problem(Code.quantity_not_positive, "no leg has a quantity")
        return held
    side, quantity, entry_price = alone
    if legs or side is None or quantity is None or entry_price is None:
        raise Problem(
            Fault.side_or_legs,
            "give side, quantity and entry_price, or the legs: long, short, or both",
        )
    return [(side, quantity, entry_price)]


def _leg(
    contract: Contract, side: str, quantity: Decimal, entry_price: Decimal
) -> tuple[Decimal, Decimal]:
    check_quantity(contract, quantity)
    signed = quantity if side == "long" else -quantity
    return signed, contract.value(signed, entry_price)


def check_allowed(contract: Contract, leverage: int, *notionals: Decimal) -> None:
    """A leverage is one that the brackets of these notionals allow; raises `Rejected`."""
    if leverage < 1:
        raise Rejected(Code.leverage_too_low, "leverage is at least 1")
    check_leverage(contract, leverage, max(notionals, default=ZERO))


def liquidation_price_of(
    contract: Contract, held: Holding, body: LiquidationPriceBody
) -> Decimal | None:
    """Where a leg, or the scope of both, comes to be at risk; None: at no price."""
    quantity, cost = held.net()
    backing = held.behind - body.other_maintenance_margin
    if len(held.legs) == 1:
        return calculator.liquidation_price(contract.brackets, contract, quantity, cost, backing)
    (long, _), (short, _) = held.legs
    found = calculator.hedged_prices(contract.brackets, contract, (long, short), cost, backing)
    mark = body.mark_price
    if mark is None:
        return (found[0] if quantity > 0 else found[-1]) if found else None
    return min(found, key=lambda price: abs(price - mark), default=None)


def wanted_of(contract: Contract, body: OrderCostBody | MaxQuantityBody, kind: OrderType) -> Wanted:
    """The order that is asked about. Raises `Rejected`."""
    limit, opposite = body.price, body.best_opposite_price
    if kind == "market":
        if limit is not None:
            raise Rejected(Code.price_not_allowed, "a market order has no price")
        limit = opposite
    if limit is None:
        raise Rejected(
            Code.price_required, "a limit order needs price, a market order best_opposite_price"
        )
    for price in (limit, opposite):
        if price is not None:
            check_price(contract, price)
    trades = opposite is not None and (
        opposite <= limit if body.side == "buy" else opposite >= limit
    )
    return Wanted(
        side=body.side,
        price=limit,
        meets=opposite if trades else None,
        mark=body.mark_price,
        leverage=body.leverage,
        fee_rate=_fee_rate(contract, body.taker_fee_rate),
    )


def _fee_rate(contract: Contract, given: Decimal | None) -> Decimal:
    if given is None:
        return contract.taker_fee_rate
    if not 0 <= given < 1:
        raise Rejected(
            Code.invalid_contract, "taker_fee_rate is out of range", field="taker_fee_rate"
        )
    return given


def lot_size_of(contract: Contract, body: MaxQuantityBody) -> Decimal:
    """The lot size that counts: the given one, or the listed contract's. Raises its problems."""
    lot = body.lot_size
    if lot is None:
        if body.symbol is None:
            raise Problem(Fault.symbol_or_terms, "without a symbol lot_size is needed")
        return contract.lot_size
    if lot <= 0:
        raise Rejected(Code.invalid_contract, "lot_size is out of range", field="lot_size")
    if not is_multiple(lot, contract.lot_size):
        raise Rejected(
            Code.quantity_off_lot,
            "lot_size must be a multiple of the contract's",
            lot_size=plain(contract.lot_size),
        )
    return lot
