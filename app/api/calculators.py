"""Calculators: public, no account needed."""

from __future__ import annotations

from dataclasses import replace
from decimal import localcontext
from typing import Annotated

from fastapi import Body

from app.api.calculating import (
    check_allowed,
    contract_of,
    held_of,
    liquidation_price_of,
    lot_size_of,
    wanted_of,
)
from app.api.faults import AnyCode, Fault
from app.api.routing import problems, router
from app.api.schemas import worked
from app.api.schemas.calculators import (
    BankruptcyPriceBody,
    BankruptcyPriceView,
    LiquidationPriceBody,
    LiquidationPriceView,
    MaxQuantityBody,
    MaxQuantityView,
    OrderCostBody,
    OrderCostView,
    ProfitBody,
    ProfitView,
    TargetPriceBody,
    TargetPriceView,
)
from app.api.schemas.worked import answered, asked
from app.api.services import ServicesDep
from app.engine.figures import calculator, outlay
from app.engine.figures.admission import check_quantity
from app.engine.numbers import EXACT, ZERO, divide_half_even, divide_up
from app.engine.rejections import Code

calculators = router("calculators")

TERMS: tuple[AnyCode, ...] = (
    Fault.malformed_body,
    Fault.symbol_or_terms,
    Code.unknown_contract,
    Fault.contract_size_not_positive,
    Code.invalid_brackets,
    Code.price_not_positive,
)
QUANTITY = (Code.quantity_not_positive, Code.quantity_off_lot)
LEVERAGE = (Code.leverage_too_low, Code.leverage_too_high, Code.position_too_large)
POSITION = (
    *TERMS,
    Fault.brackets_or_rate,
    Fault.side_or_legs,
    *QUANTITY,
    Fault.wallet_or_leverage,
    Fault.isolated_alone,
    *LEVERAGE,
)
ORDER = (*TERMS, Code.invalid_contract, Code.price_off_tick, *LEVERAGE)


@calculators.post(
    "/calculators/liquidation-price",
    responses={**problems(*POSITION), **answered(worked.LIQUIDATION_PRICE)},
    summary="Liquidation price",
)
async def liquidation_price(
    services: ServicesDep,
    body: Annotated[LiquidationPriceBody, Body(openapi_examples=asked(worked.LIQUIDATION_PRICE))],
) -> LiquidationPriceView:
    """Where a position, linear or inverse, is liquidated and where it is bankrupt.

    The bracket is that of the notional at the answer. In hedge mode `long` and `short` stand in
    place of side, quantity and entry price; cross legs share one price. An isolated position has
    its own wallet alone, so no other positions and no second leg.
    """
    contract = await contract_of(services, body, margined=True)
    with localcontext(EXACT):
        held = held_of(contract, body)
        quantity, cost = held.net()
        return LiquidationPriceView(
            liquidation_price=contract.shown(liquidation_price_of(contract, held, body)),
            bankruptcy_price=contract.shown(
                calculator.bankruptcy_price(contract, quantity, cost, held.behind)
            ),
        )


@calculators.post(
    "/calculators/bankruptcy-price",
    responses={**problems(*POSITION), **answered(worked.BANKRUPTCY_PRICE)},
    summary="Bankruptcy price",
)
async def bankruptcy_price(
    services: ServicesDep,
    body: Annotated[BankruptcyPriceBody, Body(openapi_examples=asked(worked.BANKRUPTCY_PRICE))],
) -> BankruptcyPriceView:
    """Where a position, or both legs of hedge mode, have used up what stands behind them."""
    contract = await contract_of(services, body)
    with localcontext(EXACT):
        held = held_of(contract, body)
        quantity, cost = held.net()
        price = calculator.bankruptcy_price(contract, quantity, cost, held.behind)
        return BankruptcyPriceView(bankruptcy_price=contract.shown(price))


@calculators.post(
    "/calculators/profit",
    responses={**problems(*TERMS, *QUANTITY, *LEVERAGE), **answered(worked.PROFIT)},
    summary="Profit",
)
async def profit(
    services: ServicesDep, body: Annotated[ProfitBody, Body(openapi_examples=asked(worked.PROFIT))]
) -> ProfitView:
    """What a position gains between two prices, before fees, as it is booked; and per margin."""
    contract = await contract_of(services, body)
    with localcontext(EXACT):
        check_quantity(contract, body.quantity)
        quantity = body.quantity if body.side == "long" else -body.quantity
        notional = abs(contract.value(quantity, body.entry_price))
        check_allowed(contract, body.leverage, notional)
        margin = divide_up(notional, body.leverage)
        gained = calculator.profit(contract, quantity, body.entry_price, body.exit_price)
        return ProfitView(
            profit=gained,
            return_=divide_half_even(gained, margin) if margin else None,
            initial_margin=margin,
        )


@calculators.post(
    "/calculators/target-price",
    responses={**problems(*TERMS, *LEVERAGE), **answered(worked.TARGET_PRICE)},
    summary="Target price",
)
async def target_price(
    services: ServicesDep,
    body: Annotated[TargetPriceBody, Body(openapi_examples=asked(worked.TARGET_PRICE))],
) -> TargetPriceView:
    """The price at which a position has gained so many times its initial margin, before fees."""
    contract = await contract_of(services, body)
    with localcontext(EXACT):
        check_allowed(contract, body.leverage)
        price = calculator.target_price(
            contract,
            long=body.side == "long",
            entry=body.entry_price,
            leverage=body.leverage,
            target=body.return_,
        )
        return TargetPriceView(price=contract.shown(price))


@calculators.post(
    "/calculators/order-cost",
    responses={
        **problems(*ORDER, *QUANTITY, Code.price_required, Code.price_not_allowed),
        **answered(worked.ORDER_COST),
    },
    summary="Order cost",
)
async def order_cost(
    services: ServicesDep,
    body: Annotated[OrderCostBody, Body(openapi_examples=asked(worked.ORDER_COST))],
) -> OrderCostView:
    """What must be available for an order that opens a position: what a preview calls `required`.

    A limit order that would trade with `best_opposite_price` at once costs what is more, there or
    at its limit (ORD-5).
    """
    contract = await contract_of(services, body)
    with localcontext(EXACT):
        check_quantity(contract, body.quantity)
        wanted = wanted_of(contract, body, body.type)
        prices = [price for price in (wanted.price, wanted.meets) if price is not None]
        values = [contract.unrounded_value(body.quantity, price) for price in prices]
        check_allowed(contract, body.leverage, *map(abs, values))
        found = outlay.order_cost(contract, wanted, body.quantity)
        return OrderCostView(
            initial_margin=found.initial_margin,
            open_loss=contract.needed(found.open_loss),
            fee=contract.needed(found.fee),
            cost=contract.needed(found.total),
        )


@calculators.post(
    "/calculators/max-quantity",
    responses={**problems(*ORDER, Code.quantity_off_lot), **answered(worked.MAX_QUANTITY)},
    summary="Maximum quantity",
)
async def max_quantity(
    services: ServicesDep,
    body: Annotated[MaxQuantityBody, Body(openapi_examples=asked(worked.MAX_QUANTITY))],
) -> MaxQuantityView:
    """The largest order at a price that is accepted with so much available, of an account without a
    position or orders in the contract; one lot more is refused.

    With a `best_opposite_price` that it would trade with at once, it is accepted in either margin
    mode: a cross position is margined at mark. Smaller than the contract's minimum notional is 0.
    """
    contract = await contract_of(services, body)
    with localcontext(EXACT):
        contract = replace(contract, lot_size=lot_size_of(contract, body))
        wanted = wanted_of(contract, body, "limit")
        check_allowed(contract, body.leverage)
        available = max(ZERO, body.available_balance)
        return MaxQuantityView(quantity=outlay.max_quantity(contract, wanted, available))
