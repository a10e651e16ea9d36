"""What a command must come to, foretold from the state before it with naive arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime
from fractions import Fraction

from app.engine.commands import Command
from app.engine.commands.accounts import ConfigureContract, Withdraw
from app.engine.commands.orders import PlaceOrder
from app.engine.commands.prices import Tick
from app.engine.events import Liquidation
from app.engine.rejections import Rejection
from app.engine.results import OrderReceipt, Ticked
from app.engine.state import State
from app.engine.traders import Account, Position
from tests.engine.arithmetic import (
    UNITS,
    Leg,
    Scope,
    as_kept,
    available,
    cross_scope,
    exact_value,
    left_alone,
    leg_of_order,
    maintenance,
    mark_price,
    scopes,
    value,
)
from tests.engine.purse import room_for_fills
from tests.engine.switches import foretell_switch

SLACK = Fraction(20, UNITS)
"""Requirements are rounded up; so close to the line both answers are right."""


def spare(state: State, account: Account, asset: str) -> Fraction:
    """What is available (ORD-6), as far as the cross scope stays whole."""
    scope = cross_scope(state, account, asset)
    return min(available(state, account, asset), scope.equity - scope.maintenance)


def foretell_order(state: State, command: PlaceOrder) -> Fraction | None:
    """By how much a limit order's account can afford it (ORD-4 to ORD-6); None: not judged here."""
    account, market = state.accounts.get(command.account_id), state.markets[command.symbol]
    if account is None or command.price is None or market.mark is None:
        return None
    asset, price = market.contract.settlement_asset, command.price
    command = as_kept(command)
    leg = Leg(state, leg_of_order(state, command))
    worth = exact_value(market.contract, command.quantity, price)
    buys = command.side == "buy"
    extra = Fraction(0)
    if not command.reduce_only:
        after = leg.requirement(bids=worth) if buys else leg.requirement(asks=worth)
        extra = after - leg.requirement()
    worse = worth - exact_value(market.contract, command.quantity, mark_price(market))
    loss = max(Fraction(0), worse if buys else -worse)
    costs = loss + abs(worth) * Fraction(market.contract.taker_fee_rate)
    room = max(Fraction(0), spare(state, account, asset)) - extra - costs
    if _only_reduces(leg.position, command):
        wallet = leg.position.wallet
        scope = cross_scope(state, account, asset)
        if leg.isolated:
            balance = Fraction(wallet.balance) if wallet else Fraction(0)
            scope = Scope("isolated", balance, [leg], Fraction(0))
        room = max(room, scope.equity - costs - scope.maintenance)
    return room


def _only_reduces(position: Position, command: PlaceOrder) -> bool:
    if position.quantity * (1 if command.side == "sell" else -1) <= 0:
        return False
    resting = sum(
        order.remaining for order in position.orders.values()
        if order.side == command.side and not order.reduce_only
    )  # fmt: skip
    return command.reduce_only or resting + command.quantity <= abs(position.quantity)


def judge_order(
    at_limit: Fraction | None, fills: Fraction | None, command: PlaceOrder, result: object
) -> None:
    """Accepted iff affordable, at its limit and at the prices it would trade at (ORD-5, NUM-5)."""
    rooms = [room for room in (at_limit, fills) if room is not None]
    if not rooms or command.price is None:
        return
    room = min(rooms)
    if isinstance(result, OrderReceipt) and result.filled_quantity:
        assert room >= -SLACK, f"{command} was accepted, {float(-room)} is missing"
    elif isinstance(result, OrderReceipt):
        assert at_limit is None or at_limit >= -SLACK, f"{command}: {float(-at_limit)} is missing"
    elif isinstance(result, Rejection) and result.code == "insufficient_margin":
        assert room <= SLACK, f"{command} was refused, {float(room)} would be left: {result}"


def foretell_withdrawal(state: State, command: Withdraw) -> Fraction | None:
    """By how much a withdrawal is below the limit (ORD-6)."""
    account = state.accounts.get(command.account_id)
    if account is None:
        return None
    wallet = account.wallets.get(command.asset)
    balance = Fraction(wallet.balance) if wallet else Fraction(0)
    free = max(Fraction(0), min(balance, spare(state, account, command.asset)))
    return free - Fraction(command.amount)


def judge_withdrawal(room: Fraction | None, command: Withdraw, result: object) -> None:
    """At most what is available, at most the wallet (ORD-6)."""
    if room is None:
        return
    if isinstance(result, Rejection):
        refused = result.code == "insufficient_balance"
        assert not refused or room <= SLACK, f"{command} was refused with {float(room)} to spare"
    else:
        assert room >= -SLACK, f"{command} was paid, {float(-room)} too much"


LOWEST = -Fraction(10**30)
"""Of a scope with nothing to maintain."""

Place = tuple[Fraction, str, str]
"""A scope's place in the order of liquidation: ratio, account, contract or asset (LIQ-2)."""


class TickForetold:
    """Who a tick puts at risk, and in which order they are liquidated (LIQ-1, LIQ-2)."""

    def __init__(
        self, state: State, command: Tick, now: datetime, waiting: AbstractSet[str]
    ) -> None:
        market = state.markets[command.symbol]
        before, self.now, self.waiting = market.mark, now, waiting
        assert before is not None
        market.mark = replace(before, price=command.mark_price, time=now)
        try:
            self.accounts: set[str] = set()
            self.order: dict[tuple[str, str, str], Place] = {}
            alone = left_alone(state)
            for asset, scope in scopes(state):
                if alone & {asset, scope.name}:
                    continue
                if scope.at_risk and any(not leg.held_open(now, waiting) for leg in scope.legs):
                    self._enrol(scope)
        finally:
            market.mark = before

    def _enrol(self, scope: Scope) -> None:
        """Its orders are cancelled, the isolated ones as well: nothing is reserved any more."""
        mode, account, thing = scope.name.split("/")
        self.accounts.add(account)
        equity = scope.equity + scope.reserved
        if equity < scope.maintenance:
            kept = self._netted(scope)
            ratio = equity / kept if kept else LOWEST
            self.order[mode, account, thing] = (ratio, account, thing)

    def _netted(self, scope: Scope) -> Fraction:
        """The maintenance margin that netting the legs of each contract leaves (LIQ-2)."""
        kept = scope.maintenance
        for leg in scope.legs:
            other = [x for x in scope.legs if x.market is leg.market and x is not leg]
            if other and leg.position.side == "long" and not leg.held_open(self.now, self.waiting):
                rest = leg.position.quantity + other[0].position.quantity
                net = maintenance(
                    leg.contract, abs(value(leg.contract, rest, mark_price(leg.market)))
                )
                kept += net - leg.maintenance - other[0].maintenance
        return kept

    def judge(self, result: object, records: list[Liquidation], state: State) -> None:
        """The tick says how many; nobody else was liquidated; the lowest ratio came first."""
        assert isinstance(result, Ticked), result
        assert result.accounts_at_risk == len(self.accounts), (
            f"{result}: at risk are {sorted(self.accounts)}"
        )
        events: list[Place] = []
        for record in records:
            assert record.account_id in self.accounts, f"{record} was not at risk"
            if record.outcome == "orders_canceled":
                continue
            asset = state.markets[record.symbol].contract.settlement_asset
            own = f"{record.symbol}:{record.position_side}"
            thing = own if record.margin_mode == "isolated" else asset
            place = self.order[record.margin_mode, record.account_id, thing]
            if not events or events[-1] != place:
                events.append(place)
        assert events == sorted(events), f"liquidated in the order {events}"


Judge = Callable[[object, list[Liquidation], State], None]
"""Judges a command's result, the liquidations it caused and the state it left."""


def foretell(state: State, command: Command, now: datetime, waiting: AbstractSet[str]) -> Judge:
    """Foretell what can be foretold of a command that is about to be applied at `now`."""
    match command:
        case PlaceOrder():
            room, fills = foretell_order(state, command), room_for_fills(state, command)
            return lambda result, records, after: judge_order(room, fills, command, result)
        case Withdraw():
            left = foretell_withdrawal(state, command)
            return lambda result, records, after: judge_withdrawal(left, command, result)
        case ConfigureContract() if (switch := foretell_switch(state, command)) is not None:
            return lambda result, records, after: switch.judge(result)
        case Tick() if _is_foretold(state, command):
            halted = state.markets[command.symbol].contract.status == "halted"
            held = waiting if halted else waiting - {command.symbol}
            return TickForetold(state, command, now, held).judge
        case _:
            return lambda result, records, after: None


def _is_foretold(state: State, tick: Tick) -> bool:
    """Whether it is accepted, and nothing else is under way."""
    market = state.markets[tick.symbol]
    if market.contract.status == "settled" or (market.delivery and market.delivery.under_way):
        return False
    return market.mark is not None and not state.cascades
