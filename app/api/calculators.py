"""Calculators: public, no account needed."""

from __future__ import annotations

from decimal import Decimal, localcontext

from app.api.contracts import brackets_of
from app.api.faults import Fault
from app.api.problems import Problem
from app.api.routing import problems, router
from app.api.schemas.calculators import LiquidationPriceBody, LiquidationPriceView
from app.engine import calculator
from app.engine.contracts import Bracket
from app.engine.numbers import EXACT, ZERO
from app.engine.rejections import Code
from app.engine.valuation import Terms

calculators = router("calculators")

UNBOUNDED = Decimal(10) ** 30
"""A cap that no notional reaches: one bracket for every size."""


@calculators.post(
    "/calculators/liquidation-price",
    responses=problems(
        Fault.malformed_body,
        Code.quantity_not_positive,
        Code.price_not_positive,
        Fault.contract_size_not_positive,
        Fault.brackets_or_rate,
        Code.invalid_brackets,
    ),
    summary="Liquidation price",
)
async def liquidation_price(body: LiquidationPriceBody) -> LiquidationPriceView:
    """Where a position, linear or inverse, is liquidated and where it is bankrupt.

    Prices are to eight decimals, or to four more than `entry_price` has where that is finer.
    The maintenance margin comes from `brackets`, or from one `maintenance_margin_rate` and `cum`.
    For an isolated position leave out what other positions add and give its own wallet.
    """
    if body.quantity <= 0:
        raise Problem(Code.quantity_not_positive, "quantity must be positive")
    if body.entry_price <= 0:
        raise Problem(Code.price_not_positive, "entry_price must be positive")
    if body.contract_size <= 0:
        raise Problem(Fault.contract_size_not_positive, "contract_size must be positive")
    with localcontext(EXACT):
        brackets = _brackets(body)
        quantity = body.quantity if body.side == "long" else -body.quantity
        terms = Terms(body.contract_size, body.entry_price, body.margining)
        cost = terms.unrounded_value(quantity, body.entry_price)
        behind = body.wallet_balance + body.other_unrealized_profit
        liquidation = calculator.liquidation_price(
            brackets, terms, quantity, cost, behind - body.other_maintenance_margin
        )
        bankruptcy = calculator.bankruptcy_price(terms, quantity, cost, behind)
        return LiquidationPriceView(
            liquidation_price=terms.shown(liquidation),
            bankruptcy_price=terms.shown(bankruptcy),
        )


def _brackets(body: LiquidationPriceBody) -> tuple[Bracket, ...]:
    """The bracket table of the request; raises the problem of one that is none."""
    rate = body.maintenance_margin_rate
    if body.brackets is not None:
        if rate is not None or body.cum is not None:
            raise _one_of_two()
        return brackets_of(body.brackets)
    if rate is None:
        raise _one_of_two()
    if not 0 < rate <= 1:
        raise Problem(Code.invalid_brackets, "maintenance_margin_rate is not in (0, 1]")
    cum = ZERO if body.cum is None else body.cum
    return (Bracket(ZERO, UNBOUNDED, 1, rate, cum),)


def _one_of_two() -> Problem:
    return Problem(
        Fault.brackets_or_rate, "give either brackets or maintenance_margin_rate (and cum)"
    )
