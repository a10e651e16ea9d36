"""What one position is worth, maintains and requires at mark (CON-3, CON-4, ORD-3, ORD-4).

A position remembers its figures from when they were last asked for, and this is the only file that
writes them. That a read may do so nobody can tell: what is remembered is what would be worked out
anew. It counts for one `Mark` only, and every mark and bracket change makes another; a `Step` that
changes a position, its orders or its leverage forgets it. `invariants.check_all` works it out anew.
"""

from __future__ import annotations

from decimal import Decimal

from app.engine.contracts import Contract
from app.engine.markets import Market
from app.engine.numbers import ZERO, divide_up
from app.engine.traders import Account, ContractSettings, Position

DEFAULT_LEVERAGE = 20


def settings_of(account: Account, contract: Contract) -> ContractSettings:
    """The account's leverage and margin mode in a contract, or the defaults of ORD-3."""
    settings = account.settings.get(contract.symbol)
    if settings is None:
        return ContractSettings(account.account_id, contract.symbol, leverage_of(account, contract))
    return settings


def leverage_of(account: Account, contract: Contract) -> int:
    """The account's leverage in a contract, or the default of ORD-3."""
    settings = account.settings.get(contract.symbol)
    if settings is None:
        return min(DEFAULT_LEVERAGE, contract.brackets[0].max_leverage)
    return settings.leverage


def mark_value(market: Market, position: Position) -> Decimal:
    """The signed value of a position at mark, rounded like a trade's (CON-3)."""
    if position.valued is not market.mark:
        _value(market, position)
    return position.value


def profit(market: Market, position: Position) -> Decimal:
    """The unrealised profit of a position at mark (CON-3)."""
    return mark_value(market, position) - position.cost


def maintenance_margin(market: Market, position: Position) -> Decimal:
    """A position's maintenance margin at mark (CON-4)."""
    mark_value(market, position)  # works both out
    return position.margin


def _value(market: Market, position: Position) -> None:
    value = market.worth(position.quantity)
    remember(market, position, value, market.contract.maintenance_margin(abs(value)))


def remember(market: Market, position: Position, value: Decimal, maintenance: Decimal) -> None:
    """Remember what a position is worth and maintains at mark, worked out for it as it is."""
    position.value = value
    position.margin = maintenance
    position.valued = market.mark


def gross_requirement(market: Market, position: Position) -> Decimal:
    """max(|position + bids|, |position - asks|): position at mark, orders at limit (ORD-4)."""
    value = mark_value(market, position)
    return max(abs(value + position.bid_value), abs(value - position.ask_value))


def requirement(market: Market, position: Position, leverage: int) -> Decimal:
    """The margin requirement of a position with its open orders, rounded up (ORD-4)."""
    return divide_up(gross_requirement(market, position), leverage)


def order_margin(market: Market, position: Position, leverage: int) -> Decimal:
    """What the open orders of an isolated position require beyond the position itself."""
    beyond = gross_requirement(market, position) - abs(mark_value(market, position))
    return divide_up(beyond, leverage)


def weigh(account: Account, market: Market, position: Position) -> None:
    """Remember what a position, at this mark, adds to the available balance (`free`, ORD-6)."""
    position.free = free(account, market, position)
    position.weighed = market.mark


def free(account: Account, market: Market, position: Position) -> Decimal:
    """What a position adds to the available balance: less than nothing, as a rule."""
    if not position.isolated:
        required = requirement(market, position, leverage_of(account, market.contract))
        return position.profit - required  # valued by then
    if not position.orders:
        return ZERO
    return -order_margin(market, position, leverage_of(account, market.contract))
