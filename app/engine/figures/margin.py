"""A margin scope's equity and margins, and what is available (ORD-6, LIQ-1, MRK-4)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from app.engine.commands import MarginMode
from app.engine.commands.leaders import Incident
from app.engine.figures import calculator
from app.engine.figures.exposure import mark_value, order_margin, profit, settings_of, weigh
from app.engine.figures.health import Health
from app.engine.markets import Market
from app.engine.numbers import ZERO, divide_half_even, divide_up
from app.engine.scopes import Scope, blamed_scope, cross_scope
from app.engine.state import State
from app.engine.traders import OTHER_LEG, Account, Position


def scope_positions(state: State, scope: Scope) -> list[tuple[Market, Position]]:
    """The open positions of a margin scope: the leg of an isolated one may be cross by now."""
    account, markets = state.accounts[scope.account_id], state.markets
    if scope.isolated:
        position = account.positions.get(scope.leg)
        if position is None or not position.quantity or not position.scope.isolated:
            return []
        return [(markets[scope.symbol], position)]
    return [
        (markets[position.symbol], position)
        for position in account.positions.values()
        if position.scope == scope and position.quantity
    ]


def scope_balance(state: State, scope: Scope) -> Decimal:
    """The balance of the scope's wallet."""
    account = state.accounts[scope.account_id]
    if scope.isolated:
        position = account.positions.get(scope.leg)
        return position.wallet.balance if position is not None and position.wallet else ZERO
    wallet = account.wallets.get(scope.asset)
    return wallet.balance if wallet is not None else ZERO


def health(state: State, scope: Scope) -> Health:
    """Equity and maintenance margin of a scope at mark."""
    return health_of(state, scope, scope_positions(state, scope))


def health_of(state: State, scope: Scope, held: list[tuple[Market, Position]]) -> Health:
    """`health` of a scope whose open positions are known; it values each of them."""
    equity, required = scope_balance(state, scope), ZERO
    for market, position in held:
        equity += mark_value(market, position) - position.cost
        required += position.margin
    if not scope.isolated:
        equity -= isolated_order_margin(state, scope)
    return Health(equity, required, len(held))


class LegFigures(NamedTuple):
    """An open position at mark: its unrealised profit and maintenance margin."""

    market: Market
    position: Position
    profit: Decimal
    margin: Decimal


def beside(account: Account, position: Position) -> Position | None:
    """The open leg of hedge mode that stands before the same equity in the same contract.

    Isolated legs have an equity each.
    """
    if position.side == "both" or position.isolated:
        return None
    other = account.positions.get((position.symbol, OTHER_LEG[position.side]))
    return other if other is not None and other.quantity else None


class Figures(NamedTuple):
    """A scope worked out at mark: its health, and its legs."""

    health: Health
    legs: list[LegFigures]


def leg(market: Market, position: Position) -> LegFigures:
    """Work a position out at mark."""
    return LegFigures(market, position, profit(market, position), position.margin)


def in_order(legs: Collection[LegFigures]) -> list[LegFigures]:
    """Largest maintenance margin first; ties go by symbol and leg (LIQ-4)."""
    if len(legs) < 2:
        return list(legs)
    return sorted(legs, key=lambda leg: (-leg.margin, leg.position.symbol, leg.position.side))


def isolated_order_margin(state: State, cross: Scope) -> Decimal:
    """The margin of an account's open isolated orders, held back in its cross wallet (ORD-6)."""
    account = state.accounts[cross.account_id]
    total = ZERO
    for position in account.positions.values():
        if position.orders and position.isolated and position.scope.asset == cross.asset:
            leverage = account.settings[position.symbol].leverage
            total += order_margin(state.markets[position.symbol], position, leverage)
    return total


class Cross(NamedTuple):
    """An account's cross scope in an asset, worked out once.

    `slack` is what it can lose before it is at risk, the margin of open isolated orders counted
    (LIQ-1); `uncommitted` is the equity less the requirements of the cross positions and all orders
    (ORD-4, ORD-6): negative when they exceed it.
    """

    wallet: Decimal
    slack: Decimal
    uncommitted: Decimal

    @property
    def free(self) -> Decimal:
        """What can be committed without putting the scope at risk.

        A requirement can be less than the maintenance margin: the mark went up into a bracket that
        does not allow the leverage any more.
        """
        return max(ZERO, min(self.uncommitted, self.slack))

    @property
    def spendable(self) -> Decimal:
        """What may leave the cross wallet: what is free, but never more than the wallet (ORD-6)."""
        return max(ZERO, min(self.wallet, self.free))


def cross_of(state: State, account: Account, asset: str) -> Cross:
    """Work an account's cross scope out at mark."""
    wallet = account.wallets.get(asset)
    balance = wallet.balance if wallet is not None else ZERO
    slack = uncommitted = balance
    for position in account.positions.values():
        scope = position.scope
        if scope.asset != asset:
            continue
        market = state.markets[position.symbol]
        if position.weighed is not market.mark:
            weigh(account, market, position)
        uncommitted += position.free
        if scope.isolated:
            slack += position.free
        else:
            slack += position.value - position.cost - position.margin
    return Cross(balance, slack, uncommitted)


def spendable(state: State, account: Account, asset: str) -> Decimal:
    """What may leave the cross wallet."""
    return cross_of(state, account, asset).spendable


def is_stale(market: Market, now: datetime) -> bool:
    """Whether the newest mark is older than the contract's staleness limit, or awaited (MRK-4).

    A settlement price never is: it is the last (DLV-1).
    """
    limit = market.contract.mark_staleness_seconds
    if market.mark is None or market.mark.awaited:
        return True
    if limit is None or now - market.mark.time <= timedelta(seconds=limit):
        return False
    return market.delivery is None or not market.delivery.under_way


def can_liquidate(market: Market, now: datetime) -> bool:
    """MRK-4: positions without a fresh mark or in a halted contract are skipped."""
    return market.contract.status != "halted" and not is_stale(market, now)


def is_held_open(state: State, scope: Scope, now: datetime) -> bool:
    """Whether all that is left of a scope waits for a tick (MRK-4)."""
    return not any(can_liquidate(market, now) for market, _ in scope_positions(state, scope))


def leave_alone(state: State, incidents: Iterable[Incident]) -> None:
    """These incidents are open, and no others: what follows for whom (REC-2)."""
    state.incidents = {one.incident_id: one for one in incidents}
    found = state.incidents.values()
    state.aside = {scope: one.times for one in found if (scope := blamed_scope(one))}
    assets = [one for one in found if one.asset and one.account_id is None]
    state.careful = {one.asset: None for one in assets if one.asset}
    state.stalled = {one.asset: None for one in assets if one.asset and one.times > 1}


def is_aside(state: State, scope: Scope) -> bool:
    """Whether a scope is left alone: it failed, or all of its asset is stalled (REC-2)."""
    return bool(state.incidents) and (scope in state.aside or scope.asset in state.stalled)


def is_waiting(state: State, account_id: str) -> bool:
    """Whether an account has a scope that waits for liquidation (LIQ-10), or is left alone.

    While a cascade is still finding who is at risk, those it has not come to wait as well.
    """
    if not (state.cascades or state.held or state.incidents):
        return False
    account = state.accounts[account_id]
    scopes = [cross_scope(account_id, asset) for asset in account.wallets]
    scopes += [position.scope for position in account.positions.values()]
    waiting = [state.held, *(cascade.waiting for cascade in state.cascades.values())]
    if any(scope in some for some in waiting for scope in scopes):
        return True
    if any(scope.account_id == account_id for scope in state.aside):
        return True  # also where nothing of it is open: what is opened there, nobody looks at
    if any(scope.asset in state.stalled for scope in scopes):
        return True
    finding = any(cascade.looking for cascade in state.cascades.values())
    return finding and any(health(state, scope).at_risk for scope in dict.fromkeys(scopes))


# Summaries for readers


@dataclass(frozen=True, slots=True)
class WalletSummary:
    """The cross scope of an account in one asset; `margin_ratio` None without equity."""

    asset: str
    wallet_balance: Decimal
    unrealized_profit: Decimal
    equity: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    margin_ratio: Decimal | None
    available_balance: Decimal


def cross_summary(state: State, account: Account, asset: str) -> WalletSummary:
    """The figures of an account's cross scope; `initial_margin` holds all requirements (ORD-4)."""
    scope = cross_scope(account.account_id, asset)
    balance = scope_balance(state, scope)
    gained = ZERO
    maintained = ZERO
    for market, position in scope_positions(state, scope):
        gained += profit(market, position)
        maintained += position.margin
    equity = balance + gained
    uncommitted = cross_of(state, account, asset).uncommitted
    ratio = divide_half_even(maintained, equity) if equity > 0 else None
    return WalletSummary(
        asset=asset,
        wallet_balance=balance,
        unrealized_profit=gained,
        equity=equity,
        initial_margin=equity - uncommitted,
        maintenance_margin=maintained,
        margin_ratio=ratio,
        available_balance=max(ZERO, uncommitted),
    )


@dataclass(frozen=True, slots=True)
class PositionSummary:
    """One position as its owner reads it; prices (see `round_price`) None where there is none."""

    position: Position
    entry_price: Decimal
    mark_price: Decimal
    notional: Decimal
    unrealized_profit: Decimal
    margin_mode: MarginMode
    isolated_wallet: Decimal | None
    leverage: int
    initial_margin: Decimal
    maintenance_margin: Decimal
    liquidation_price: Decimal | None
    bankruptcy_price: Decimal | None


def position_summary(state: State, account: Account, position: Position) -> PositionSummary:
    """The figures of an open position. Its prices assume that every other mark stays; the legs of
    hedge mode that stand before one equity have the same ones.
    """
    market = state.markets[position.symbol]
    assert market.mark is not None
    assert position.quantity != 0
    settings = settings_of(account, market.contract)
    contract, quantity, cost = market.contract, position.quantity, position.cost
    notional = abs(mark_value(market, position))
    now = health(state, position.scope)
    behind, others = now.equity - position.profit, now.maintenance_margin - position.margin
    other = beside(account, position)
    if other is not None:
        behind, others = behind - profit(market, other), others - other.margin
        quantity, cost = quantity + other.quantity, cost + other.cost
    liquidation = liquidation_price(
        market, position.quantity, other, cost=cost, backing=behind - others
    )
    return PositionSummary(
        position=position,
        entry_price=contract.paid_price(position.cost, position.quantity),
        mark_price=market.mark.price,
        notional=notional,
        unrealized_profit=position.profit,
        margin_mode=settings.margin_mode,
        isolated_wallet=scope_balance(state, position.scope) if position.isolated else None,
        leverage=settings.leverage,
        initial_margin=divide_up(notional, settings.leverage),
        maintenance_margin=position.margin,
        liquidation_price=liquidation,
        bankruptcy_price=contract.shown(
            calculator.bankruptcy_price(contract, quantity, cost, behind)
        ),
    )


def liquidation_price(
    market: Market,
    quantity: Decimal,
    other: Position | None,
    *,
    cost: Decimal,
    backing: Decimal,
) -> Decimal | None:
    """The mark price, as readers are shown it, at which a position of signed `quantity`, with its
    `other` leg if it has one beside it, comes to be at risk (LIQ-1); None: at no price.

    `cost` and `backing`, what stands behind them, are of both legs. Of two prices, between which
    the legs are safe, it is the one nearer to mark.
    """
    contract, mark = market.contract, market.mark
    assert mark is not None
    if other is None:
        return contract.shown(
            calculator.liquidation_price(contract.brackets, contract, quantity, cost, backing)
        )
    legs = quantity, other.quantity
    found = calculator.hedged_prices(contract.brackets, contract, legs, cost, backing)
    return contract.shown(min(found, key=lambda price: abs(price - mark.price), default=None))
