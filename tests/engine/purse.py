"""A trader's money and position as fills come, in fractions: may an order do what it would do?

Written from ORD-5, NUM-5 and FND-4 alone; the engine's own answer comes from `standing`.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction
from math import ceil

from app.engine.commands.orders import PlaceOrder
from app.engine.numbers import EXACT
from app.engine.state import State
from app.engine.traders import Position
from app.engine.trading import matching
from tests.engine.arithmetic import (
    UNITS,
    Leg,
    as_kept,
    cross_scope,
    exact_value,
    leg_of_order,
    legs_of,
    leverage_of,
    maintenance,
    mark_price,
    rounded,
    value,
)

ZERO = Fraction(0)


def up(number: Fraction) -> Fraction:
    """To eight decimals, upwards: what a trader must provide."""
    return Fraction(ceil(number * UNITS), UNITS)


class Purse:
    """One account in one contract."""

    def __init__(self, state: State, command: PlaceOrder) -> None:
        account, market = state.accounts[command.account_id], state.markets[command.symbol]
        self.contract, self.mark = market.contract, mark_price(market)
        asset = market.contract.settlement_asset
        position = leg_of_order(state, command)
        self.position = position
        own = Leg(state, position)
        self.isolated, self.leverage = own.isolated, leverage_of(account, market.contract)
        self.quantity, self.cost = Fraction(position.quantity), Fraction(position.cost)
        self.bids, self.asks = Fraction(position.bid_value), Fraction(position.ask_value)
        self.own = Fraction(position.wallet.balance) if position.wallet else ZERO
        scope = cross_scope(state, account, asset)
        others = [leg for leg in legs_of(state, account, asset) if leg.position is not position]
        cross = [leg for leg in others if not leg.isolated]
        self.wallet = scope.wallet
        self.held_back = sum((leg.order_margin for leg in others if leg.isolated), ZERO)
        self.others_profit = sum((leg.profit for leg in cross), ZERO)
        self.others_margin = sum((leg.maintenance for leg in cross), ZERO)
        self.others_required = sum((leg.requirement() for leg in cross), ZERO)

    @property
    def worth(self) -> Fraction:
        """The position at mark."""
        return value(self.contract, self.quantity, self.mark)

    @property
    def margin(self) -> Fraction:
        """Its maintenance margin."""
        return maintenance(self.contract, abs(self.worth))

    @property
    def equity(self) -> Fraction:
        """The cross scope's."""
        equity = self.wallet + self.others_profit - self.held_back
        return equity - self.required() if self.isolated else equity + self.worth - self.cost

    def gross(self) -> Fraction:
        """ORD-4 before leverage."""
        return max(abs(self.worth + self.bids), abs(self.worth - self.asks))

    def required(self) -> Fraction:
        """What the position and its orders need of the cross wallet."""
        beyond = self.gross() - abs(self.worth) if self.isolated else self.gross()
        return up(beyond / self.leverage)

    def uncommitted(self) -> Fraction:
        """ORD-6 before the cut at zero."""
        return self.equity - self.others_required - (ZERO if self.isolated else self.required())

    def slack(self) -> Fraction:
        """By how much neither scope is at risk."""
        cross = self.equity - self.others_margin
        if not self.isolated:
            return cross - self.margin
        return min(cross, self.own + self.worth - self.cost - self.margin)

    def fill(self, quantity: Fraction, price: Fraction) -> None:
        """Trade a signed quantity; closing first, then opening (NUM-3)."""
        worth = value(self.contract, quantity, price)
        fee = rounded(abs(worth) * Fraction(self.contract.taker_fee_rate))
        closing = ZERO
        if self.quantity * quantity < 0:
            closing = max(min(abs(quantity), abs(self.quantity)), ZERO) * (
                1 if quantity > 0 else -1
            )
        closed = worth if closing == quantity else value(self.contract, closing, price)
        closing_fee = fee if closing == quantity else rounded(fee * closing / quantity)
        if closing:
            self._close(closing, closed, closing_fee)
        if closing != quantity:
            self._open(quantity - closing, worth - closed, fee - closing_fee)

    def _close(self, closing: Fraction, closed: Fraction, fee: Fraction) -> None:
        part = -closing / self.quantity
        share = self.cost if part == 1 else rounded(self.cost * part)
        gain = -closed - share - fee
        self.quantity, self.cost = self.quantity + closing, self.cost - share
        if not self.isolated:
            self.wallet += gain
            return
        theirs = self.own if part == 1 else rounded(self.own * part)
        back = theirs + gain
        self.own += gain
        if back < 0:  # a voluntary loss: the cross wallet pays what it can (FND-4)
            free = min(self.wallet, self.uncommitted(), self.equity - self.others_margin)
            back = -min(-back, max(ZERO, free))
        elif self.quantity:
            left = self.own + self.worth - self.cost - self.margin
            back = max(ZERO, min(back, Fraction(int(left * UNITS // 1), UNITS)))
        self.own -= back
        self.wallet += back

    def _open(self, opening: Fraction, opened: Fraction, fee: Fraction) -> None:
        self.quantity, self.cost = self.quantity + opening, self.cost + opened
        self.wallet -= fee
        if self.isolated:
            loss = max(ZERO, opened - value(self.contract, opening, self.mark))
            moved = up(abs(opened) / self.leverage) + loss
            self.wallet, self.own = self.wallet - moved, self.own + moved


def room_for_fills(state: State, command: PlaceOrder) -> Fraction | None:
    """By how much an account bears what an order would trade; None where it trades nothing.

    Which orders it meets is taken from the engine's plan; what they do to the account is not.
    """
    account, market = state.accounts.get(command.account_id), state.markets[command.symbol]
    if account is None or market.mark is None or command.quantity <= 0:
        return None
    command = as_kept(command)
    purse = Purse(state, command)
    with localcontext(EXACT):
        taker = matching.Taker(account, purse.position, command.side)
        plan = matching.plan(
            state,
            market,
            taker,
            command.quantity,
            limit=command.price,
            prevention=command.self_trade_prevention,
        )
    if not plan.matches or command.price is None:
        return None
    sign = 1 if command.side == "buy" else -1
    reduces = sign * purse.quantity < 0 and (
        command.reduce_only
        or resting_quantity(purse.position, command) + command.quantity <= abs(purse.quantity)
    )
    floor, lowest = min(ZERO, purse.uncommitted()), None
    for match in plan.matches:
        assert match.maker.price is not None
        purse.fill(sign * Fraction(match.made.quantity), Fraction(match.maker.price))
        lowest = purse.slack() if lowest is None else min(lowest, purse.slack())
    assert lowest is not None
    if reduces:
        return lowest
    if command.time_in_force == "gtc" and plan.stopped is None:
        left = command.quantity - plan.filled
        rest = exact_value(purse.contract, left, command.price)
        if command.side == "buy":
            purse.bids += rest
        else:
            purse.asks += rest
    return min(lowest, purse.slack(), purse.uncommitted() - floor)


def resting_quantity(position: Position, command: PlaceOrder) -> Decimal:
    """What the account has open on the order's side, without what only reduces."""
    return position.bid_quantity if command.side == "buy" else position.ask_quantity
