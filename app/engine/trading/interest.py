"""Open interest: how much of a contract is open, on either side, and how much may be (FND-12).

A fund that pays for a contract should not be asked for more than it can carry. What grows the open
interest beyond a contract's limit is refused; what closes, or passes a position on, never is. An
order that rests opens nothing: whoever meets it is judged.
"""

from __future__ import annotations

from decimal import Decimal

from app.engine.commands import Side
from app.engine.contracts import Contract
from app.engine.markets import Market
from app.engine.numbers import ZERO, plain
from app.engine.rejections import Code, Rejected
from app.engine.state import State
from app.engine.trading import funds
from app.engine.trading.matching import Plan


def is_limited(contract: Contract) -> bool:
    """Whether the contract may have only so much open."""
    return contract.open_interest_cap is not None or contract.open_interest_multiple is not None


def check_growth(state: State, market: Market, side: Side, plan: Plan) -> None:
    """Refuse an order of that side whose fills open more than the contract may have open."""
    grown = _growth(side, plan)
    if grown <= 0:
        return
    contract, after = market.contract, market.open_interest + grown
    if contract.open_interest_cap is not None and after > contract.open_interest_cap:
        raise Rejected(
            Code.open_interest_cap,
            "the contract would have more open than its cap",
            open_interest=plain(market.open_interest),
            growth=plain(grown),
            open_interest_cap=plain(contract.open_interest_cap),
        )
    if contract.open_interest_multiple is not None:
        _check_multiple(state, market, after, contract.open_interest_multiple)


def _check_multiple(state: State, market: Market, after: Decimal, multiple: Decimal) -> None:
    """One side's notional at mark is at most that multiple of what the contract's fund has."""
    contract = market.contract
    fund = funds.fund_of(state, contract)
    has = funds.balance(fund, contract.settlement_asset)
    notional = abs(market.worth(after))
    if notional > multiple * has:
        raise Rejected(
            Code.open_interest_cap,
            "one side of the contract would be worth more than its fund can carry",
            notional=plain(notional),
            open_interest_multiple=plain(multiple),
            fund_balance=plain(has),
        )


def _growth(side: Side, plan: Plan) -> Decimal:
    """How much a plan's fills add to what the longs hold: less than nothing where they close."""
    grown = ZERO
    for match in plan.matches:
        assert match.taken is not None, match  # an order's
        bought = match.made.quantity if side == "buy" else -match.made.quantity
        for after, quantity in (
            (match.taken.quantity, bought),
            (match.made.settlement.quantity, -bought),
        ):
            grown += max(ZERO, after) - max(ZERO, after - quantity)
    return grown
