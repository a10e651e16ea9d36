"""The rules' arithmetic once more, in fractions, written from RULES.md and nothing else.

Slow and obvious on purpose: the engine computes in decimals with shortcuts, this does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

from app.engine.commands.orders import PlaceOrder
from app.engine.contracts import Contract
from app.engine.markets import Market
from app.engine.state import State
from app.engine.traders import Account, Position, scope_of

UNITS = 10**8


def rounded(number: Fraction) -> Fraction:
    """To eight decimals, half-even (NUM-2)."""
    return Fraction(round(number * UNITS), UNITS)


def is_unit(number: Decimal) -> bool:
    """Whether an amount has at most eight decimals."""
    return (Fraction(number) * UNITS).denominator == 1


def price_unit(contract: Contract) -> Fraction:
    """What prices that are worked out are rounded to: four digits finer than the tick, and 1e-8."""
    digits = 0
    while (Fraction(contract.tick_size) * 10**digits).denominator != 1:
        digits += 1
    return Fraction(1, 10 ** max(8, digits + 4))


def value(contract: Contract, quantity: Decimal | Fraction, price: Decimal | Fraction) -> Fraction:
    """What a signed quantity is worth at a price, rounded once (CON-2, NUM-2).

    Signed so that profit is value less cost: an inverse long owes coin, and ever less of it.
    """
    return rounded(exact_value(contract, quantity, price))


def exact_value(
    contract: Contract, quantity: Decimal | Fraction, price: Decimal | Fraction
) -> Fraction:
    """What a signed quantity is worth at a price, unrounded."""
    units = Fraction(quantity) * Fraction(contract.contract_size)
    return units * Fraction(price) if contract.margining == "linear" else -units / Fraction(price)


def price_at(
    contract: Contract, quantity: Decimal | Fraction, worth: Decimal | Fraction
) -> Fraction | None:
    """The price at which a signed quantity is worth so much; None where none above zero is it."""
    units, worth = Fraction(quantity) * Fraction(contract.contract_size), Fraction(worth)
    if contract.margining == "linear":
        price = worth / units
    else:
        price = -units / worth if worth else Fraction(0)
    return price if price > 0 else None


def worth_of_price_unit(contract: Contract, quantity: Decimal, price: Decimal) -> Fraction:
    """How much the value at a price that was rounded may be off, at most."""
    if not price:
        return Fraction(1, UNITS)  # no unit of the coin, see `Valued.price_of`
    unit = price_unit(contract) / 2
    if contract.margining == "linear":
        return abs(exact_value(contract, quantity, unit))
    assert price > unit, f"{price} says nothing"
    return abs(exact_value(contract, quantity, Fraction(price) - unit)) - abs(
        exact_value(contract, quantity, price)
    )


def maintenance(contract: Contract, notional: Fraction) -> Fraction:
    """Maintenance margin as the sum over brackets of rate x the part of the notional inside.

    The same as notional x rate - cum (CON-4), without using cum; above the last cap its rate holds.
    """
    total = Fraction(0)
    last = contract.brackets[-1]
    for bracket in contract.brackets:
        cap = notional if bracket is last else min(notional, Fraction(bracket.notional_cap))
        part = max(Fraction(0), cap - Fraction(bracket.notional_floor))
        total += part * Fraction(bracket.maintenance_margin_rate)
    return total


def mark_price(market: Market) -> Fraction:
    """The newest mark; who holds a position has seen one (ORD-5)."""
    assert market.mark is not None, f"{market.contract.symbol} has positions or orders but no mark"
    return Fraction(market.mark.price)


def leverage_of(account: Account, contract: Contract) -> int:
    """The leverage an account chose, else 20 or what the lowest bracket allows (ORD-3)."""
    settings = account.settings.get(contract.symbol)
    return settings.leverage if settings else min(20, contract.brackets[0].max_leverage)


def is_isolated(account: Account, symbol: str) -> bool:
    """The margin mode an account chose in a contract (ORD-3)."""
    settings = account.settings.get(symbol)
    return settings is not None and settings.margin_mode == "isolated"


def as_kept(command: PlaceOrder) -> PlaceOrder:
    """An order that works against a leg of hedge mode only reduces it, said or not (ORD-3)."""
    against = {"long": "sell", "short": "buy"}.get(command.position_side) == command.side
    return replace(command, reduce_only=command.reduce_only or against)


def leg_of_order(state: State, command: PlaceOrder) -> Position:
    """The leg that an order trades, an empty one where there is none."""
    account, contract = state.accounts[command.account_id], state.markets[command.symbol].contract
    symbol, side = command.symbol, command.position_side
    found = account.positions.get((symbol, side))
    return found or Position(account.account_id, symbol, side, scope_of(account, contract, side))


class Leg:
    """A position with its arithmetic at the newest mark."""

    def __init__(self, state: State, position: Position) -> None:
        self.position = position
        self.market = state.markets[position.symbol]
        self.contract = self.market.contract
        self.account = state.accounts[position.account_id]
        self.isolated = is_isolated(self.account, position.symbol)

    @property
    def mark_value(self) -> Fraction:
        """Signed, rounded like a trade's value (CON-3)."""
        if self.position.quantity == 0:
            return Fraction(0)
        return value(self.contract, self.position.quantity, mark_price(self.market))

    @property
    def profit(self) -> Fraction:
        """Unrealised profit (CON-3)."""
        return self.mark_value - Fraction(self.position.cost)

    @property
    def maintenance(self) -> Fraction:
        """Maintenance margin of the position alone; orders have none."""
        return maintenance(self.contract, abs(self.mark_value))

    def requirement(
        self, *, orders: bool = True, bids: Fraction = Fraction(0), asks: Fraction = Fraction(0)
    ) -> Fraction:
        """ORD-4, of one leg: position at mark, orders at their limit, `bids` and `asks` on top."""
        if orders:
            for order in self.position.orders.values():
                if order.reduce_only:
                    continue
                assert order.price is not None
                worth = exact_value(self.contract, order.remaining, order.price)
                if order.side == "buy":
                    bids += worth
                else:
                    asks += worth
        worst = max(abs(self.mark_value + bids), abs(self.mark_value - asks))
        return worst / leverage_of(self.account, self.contract)

    @property
    def order_margin(self) -> Fraction:
        """What the open orders need beyond the position itself."""
        return self.requirement() - self.requirement(orders=False)

    def held_open(self, now: datetime, waiting: AbstractSet[str]) -> bool:
        """Whether a liquidation waits for this leg: stale mark or halted contract (MRK-4).

        `waiting` are the contracts that were halted and have not ticked since. The mark of a
        contract that is being settled is its last (DLV-1).
        """
        if self.market.delivery is not None and self.market.delivery.under_way:
            return False
        limit = self.contract.mark_staleness_seconds
        assert self.market.mark is not None
        age = now - self.market.mark.time
        stale = limit is not None and age.total_seconds() > limit
        return stale or self.contract.symbol in waiting


class Scope:
    """What margins itself: an isolated position, or an account's cross legs in one asset."""

    def __init__(self, name: str, wallet: Fraction, legs: list[Leg], reserved: Fraction) -> None:
        self.name = name
        self.wallet = wallet
        self.legs = legs
        self.reserved = reserved

    @property
    def equity(self) -> Fraction:
        """Wallet and profits, less the margin of open isolated orders (LIQ-1)."""
        return self.wallet + sum((leg.profit for leg in self.legs), Fraction(0)) - self.reserved

    @property
    def maintenance(self) -> Fraction:
        """The sum of the positions' maintenance margins."""
        return sum((leg.maintenance for leg in self.legs), Fraction(0))

    @property
    def at_risk(self) -> bool:
        """Strictly less (LIQ-1)."""
        return self.equity < self.maintenance


def legs_of(state: State, account: Account, asset: str) -> list[Leg]:
    """An account's legs that settle in an asset."""
    legs = [Leg(state, position) for position in account.positions.values()]
    return [leg for leg in legs if leg.contract.settlement_asset == asset]


def cross_scope(state: State, account: Account, asset: str) -> Scope:
    """An account's cross scope in an asset."""
    legs = legs_of(state, account, asset)
    wallet = account.wallets.get(asset)
    reserved = sum((leg.order_margin for leg in legs if leg.isolated), Fraction(0))
    balance = Fraction(wallet.balance) if wallet else Fraction(0)
    cross = [leg for leg in legs if not leg.isolated and leg.position.quantity]
    return Scope(f"cross/{account.account_id}/{asset}", balance, cross, reserved)


def available(state: State, account: Account, asset: str) -> Fraction:
    """Available balance before the cut at zero (ORD-6)."""
    legs = legs_of(state, account, asset)
    scope = cross_scope(state, account, asset)
    required = sum((leg.requirement() for leg in legs if not leg.isolated), Fraction(0))
    return scope.equity - required


def scopes(state: State) -> Iterator[tuple[str, Scope]]:
    """Every margin scope that holds a position, with its settlement asset."""
    for account in state.accounts.values():
        symbols = {symbol for symbol, _ in account.positions}
        for asset in sorted({state.markets[s].contract.settlement_asset for s in symbols}):
            yield asset, cross_scope(state, account, asset)
            for leg in legs_of(state, account, asset):
                if leg.isolated and leg.position.quantity:
                    wallet = leg.position.wallet
                    balance = Fraction(wallet.balance) if wallet else Fraction(0)
                    name = (
                        f"isolated/{account.account_id}/{leg.contract.symbol}:{leg.position.side}"
                    )
                    yield asset, Scope(name, balance, [leg], Fraction(0))


def left_alone(state: State) -> set[str]:
    """The names of scopes set aside, and the assets that have no cascades (REC-2)."""
    found = set()
    for one in state.incidents.values():
        if one.account_id and one.symbol:
            found.add(f"isolated/{one.account_id}/{one.symbol}:{one.position_side}")
        elif one.account_id:
            found.add(f"cross/{one.account_id}/{one.asset}")
        elif one.asset and one.times > 1:
            found.add(one.asset)
    return found


def is_left_alone(state: State, account_id: str, symbol: str, side: str) -> bool:
    """Whether an account's leg belongs to one of those."""
    asset = state.markets[symbol].contract.settlement_asset
    isolated = is_isolated(state.accounts[account_id], symbol)
    name = f"isolated/{account_id}/{symbol}:{side}" if isolated else f"cross/{account_id}/{asset}"
    return bool(left_alone(state) & {asset, name})


def affordable(state: State, account_id: str, symbol: str, price: Decimal) -> Decimal:
    """The largest quantity that the account's available balance pays for at a price (ORD-5)."""
    account, market = state.accounts[account_id], state.markets[symbol]
    contract = market.contract
    free = available(state, account, contract.settlement_asset)
    assert market.mark is not None
    worth, at_mark = (
        abs(exact_value(contract, contract.lot_size, one)) for one in (price, market.mark.price)
    )
    lot = worth / leverage_of(account, contract) + abs(worth - at_mark)
    lot += worth * Fraction(contract.taker_fee_rate)
    return int(max(free, Fraction(0)) / lot) * contract.lot_size
