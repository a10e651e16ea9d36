"""The laws of NUM-4, checked on the engine's state by looking at everything, every time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Set as AbstractSet
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

from app.engine.figures.margin import is_aside
from app.engine.markets import BookSide, Market
from app.engine.scopes import leg_of
from app.engine.state import State
from tests.engine.arithmetic import (
    exact_value,
    is_isolated,
    is_unit,
    left_alone,
    scopes,
    value,
)

MAY_BE_NEGATIVE = ("revenue", "treasury", "clearing", "external")
"""Clearing and external are counterweights; of somebody's money, only revenue and treasury."""


def check_laws(
    state: State, now: datetime, paid_in: dict[str, Fraction], waiting: AbstractSet[str]
) -> None:
    """Every law, after a command; `paid_in` is what came from outside less what went back.

    `waiting` are the contracts that were halted and have not ticked since (MRK-4).
    """
    conservation(state, paid_in)
    for market in state.markets.values():
        contract_sums(state, market)
        book(state, market)
    wallets_not_negative(state)
    topped_up(state)
    margin(state, now, waiting)
    bookkeeping(state)


def topped_up(state: State) -> None:
    """Who is to be topped up and is below a minimum waits for money, or a cascade's end (FND-7)."""
    for fund in state.funds.values():
        for asset, minimum in fund.required_minimum.items():
            held = sum((w.balance for w in fund.wallets if w.asset == asset), Decimal(0))
            treasury = state.wallets.get(f"treasury/{asset}")
            if fund.policy.automatic_top_up and held < minimum and asset not in state.cascades:
                assert not treasury or treasury.balance <= 0, f"{fund.fund_id} lacks {asset}"


def conservation(state: State, paid_in: dict[str, Fraction]) -> None:
    """The sum of all wallets of an asset is what was paid in and not paid out."""
    totals: dict[str, Fraction] = defaultdict(Fraction)
    external: dict[str, Fraction] = defaultdict(Fraction)
    for key, wallet in state.wallets.items():
        assert wallet.key == key, f"wallet {wallet.key} is filed under {key}"
        assert is_unit(wallet.balance), f"{key} holds {wallet.balance}, not whole units"
        sums = external if wallet.kind == "external" else totals
        sums[wallet.asset] += Fraction(wallet.balance)
    for asset in {*totals, *paid_in, *external}:
        total, paid = totals[asset], paid_in.get(asset, Fraction(0))
        assert total == paid, f"wallets of {asset} sum to {show(total)}, paid in were {show(paid)}"
        assert external[asset] == -paid, f"external {asset} is {show(external[asset])}"


def contract_sums(state: State, market: Market) -> None:
    """Quantities of a contract sum to zero; its clearing account and all costs do as well."""
    symbol = market.contract.symbol
    holdings = [
        (p.quantity, p.cost)
        for account in state.accounts.values()
        for p in account.positions.values()
        if p.symbol == symbol
    ]
    holdings += [(i.quantity, i.cost) for f in state.funds.values() for i in f.inventory.values()
                 if i.symbol == symbol]  # fmt: skip
    if market.delivery is not None:  # the exchange stands between who is closed and who is not
        holdings += [(market.delivery.quantity, market.delivery.cost)]
    quantity = sum((Fraction(q) for q, _ in holdings), Fraction(0))
    cost = sum((Fraction(c) for _, c in holdings), Fraction(0))
    clearing = Fraction(market.clearing.balance)
    assert quantity == 0, f"quantities of {symbol} sum to {show(quantity)}"
    assert clearing + cost == 0, f"clearing of {symbol}: {show(clearing)} + costs {show(cost)} != 0"
    longs = [q for q, _ in holdings[: len(holdings) - (market.delivery is not None)] if q > 0]
    assert market.open_interest == sum(longs), f"{symbol}: {market.open_interest} open, not {longs}"
    assert market.quantity_total == 0, symbol
    assert market.cost_total == -market.clearing.balance, symbol
    assert state.wallets.get(market.clearing.key) is market.clearing, market.clearing.key
    for q, c in holdings:
        assert q % market.contract.lot_size == 0, f"{symbol}: {q} is not a multiple of the lot"
        residue = market.delivery is not None and market.delivery.under_way
        assert q != 0 or c == 0 or residue, f"{symbol}: cost {c} without a quantity"


def wallets_not_negative(state: State) -> None:
    """No fund wallet is negative; a trader's only while its scope has a position."""
    for wallet in state.wallets.values():
        if wallet.balance >= 0 or wallet.kind in MAY_BE_NEGATIVE:
            continue
        assert wallet.kind != "fund", f"{wallet.key} is {wallet.balance}"
        if wallet.asset in state.cascades:
            continue
        account = state.accounts[wallet.owner]
        held = [
            p
            for p in account.positions.values()
            if p.quantity != 0
            and (
                p.wallet is wallet
                if wallet.kind == "isolated"
                else not is_isolated(account, p.symbol)
                and state.markets[p.symbol].contract.settlement_asset == wallet.asset
            )
        ]
        assert held, f"{wallet.key} is {wallet.balance} without a position"


def margin(state: State, now: datetime, waiting: AbstractSet[str]) -> None:
    """No scope is left at risk, but in a cascade, held open (MRK-4), or set aside (REC-2)."""
    alone = left_alone(state)
    for asset, scope in scopes(state):
        if asset in state.cascades or not scope.at_risk or alone & {asset, scope.name}:
            continue
        ready = [leg.contract.symbol for leg in scope.legs if not leg.held_open(now, waiting)]
        assert scope.legs, f"{scope.name} has equity {show(scope.equity)} and no position"
        assert not ready, (
            f"{scope.name} is left at risk in {ready}: equity {show(scope.equity)}"
            f" < maintenance margin {show(scope.maintenance)}"
        )
        for leg in scope.legs:
            assert not leg.position.orders, f"{scope.name} at risk keeps orders"


def book(state: State, market: Market) -> None:
    """The book holds exactly the open orders, sorted, not crossed, in time priority (ORD-2)."""
    symbol = market.contract.symbol
    resting: dict[int, str] = {}
    for side, levels in (("buy", market.bids), ("sell", market.asks)):
        _sorted_levels(symbol, side, levels)
        for price, level in levels.levels.items():
            places = [order.requeued or order.order_id for order in level.values()]
            assert places == sorted(set(places)), f"{symbol} {price}: not in time priority"
            for order_id, order in level.items():
                assert (order.order_id, order.price, order.side) == (order_id, price, side), order
                assert order.remaining > 0, order
                assert order.status in ("new", "partially_filled"), order
                resting[order_id] = order.account_id
    expected = {o.order_id: o.account_id for o in state.orders.values() if o.symbol == symbol}
    assert resting == expected, f"{symbol}: book {resting}, open orders {expected}"
    bids, asks = (_met(state, symbol, side) for side in ("buy", "sell"))
    assert not bids or not asks or max(bids) < min(asks), f"{symbol}: crossed book"


def _met(state: State, symbol: str, side: str) -> list[Decimal]:
    """The prices of orders that others can meet: not of those whose scope is set aside (REC-2)."""
    return [
        order.price
        for order in state.orders.values()
        if (order.symbol, order.side) == (symbol, side)
        and order.price is not None
        and not is_aside(
            state,
            state.accounts[order.account_id].positions[symbol, order.position_side].scope,
        )
    ]


def _sorted_levels(symbol: str, side: str, levels: BookSide) -> None:
    best_last = sorted(levels.levels, reverse=side == "sell")
    assert levels.prices == best_last, f"{symbol} {side}: {levels.prices}"
    assert all(levels.levels.values()), f"{symbol} {side}: an empty level"


def bookkeeping(state: State) -> None:
    """What the state keeps twice agrees with itself."""
    for account in state.accounts.values():
        for asset, wallet in account.wallets.items():
            assert state.wallets.get(f"cross/{account.account_id}/{asset}") is wallet, wallet
        for (symbol, side), p in account.positions.items():
            assert (p.account_id, p.symbol, p.side) == (account.account_id, symbol, side)
            legs = {"one_way": ("both",), "hedge": ("long", "short")}[account.position_mode]
            assert side in legs, f"{p} in {account.position_mode} mode"
            assert side == "both" or p.quantity * (1 if side == "long" else -1) >= 0, f"turned: {p}"
            market = state.markets[symbol]
            indexed = market.positions.get((p.account_id, side))
            assert (indexed is p) == (p.quantity != 0), f"{p.account_id} {symbol}: not indexed"
            assert p.wallet is None or is_isolated(account, symbol), f"{p}: isolated wallet"
            assert p.quantity or p.orders or (p.wallet and p.wallet.balance), f"{p}: empty leg kept"
            key = (account.account_id, symbol, side)
            own = {
                o.order_id: o
                for o in state.orders.values()
                if (o.account_id, o.symbol, o.position_side) == key
            }
            assert p.orders == own, f"{p.account_id} {symbol}: {p.orders} but open are {own}"
            for name, wanted in (("bid", "buy"), ("ask", "sell")):
                counted = [o for o in own.values() if o.side == wanted and not o.reduce_only]
                quantity = sum((o.remaining for o in counted), Decimal(0))
                worth = sum(
                    (exact_value(market.contract, o.remaining, o.price or Decimal(1))
                     for o in counted), Fraction(0),
                )  # fmt: skip
                # An inverse value need have no last digit: to 24 decimals each, none for none.
                near = 0 if market.contract.margining == "linear" else Fraction(
                    len(counted), 2 * 10**24
                )  # fmt: skip
                off = abs(Fraction(getattr(p, f"{name}_value")) - worth)
                assert getattr(p, f"{name}_quantity") == quantity, f"{p}: {name}_quantity"
                assert off <= near, f"{p}: {name}_value"
    kept = {id(p) for account in state.accounts.values() for p in account.positions.values()}
    for market in state.markets.values():
        assert {id(p) for p in market.positions.values()} <= kept, market.contract.symbol
    for wallet in state.wallets.values():
        if wallet.kind == "isolated":
            symbol, side = leg_of(wallet.name)
            position = state.accounts[wallet.owner].positions.get((symbol, side))
            assert position is not None, f"orphan {wallet.key}"
            assert position.wallet is wallet, f"orphan {wallet.key}"


def net_notional(state: State, fund_id: str, asset: str) -> Fraction:
    """A fund's inventory at mark, each contract's net in absolute value, summed (FND-2)."""
    total = Fraction(0)
    for symbol, inventory in state.funds[fund_id].inventory.items():
        market = state.markets[symbol]
        if market.contract.settlement_asset == asset and market.mark is not None:
            total += abs(value(market.contract, inventory.quantity, market.mark.price))
    return total


def show(number: Fraction) -> str:
    """A readable decimal."""
    return f"{float(number):.12g}" if number.denominator > UNIT_LIMIT else str(Decimal(
        number.numerator) / Decimal(number.denominator))  # fmt: skip


UNIT_LIMIT = 10**12
