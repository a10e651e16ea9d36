"""The one door through which kept state changes: a `Step` per command.

A step moves money (`ledger`), changes what is listed and registered (`register`), positions and
orders, and remembers what it touched. It knows nothing of rules: those are in the modules that call
it. What others may write is derived, and a test names it (tests/architecture/test_one_door.py).
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Literal

from app.engine.commands import Command, OrderStatus, PositionSide, TriggeredStatus
from app.engine.figures import orderbook, watching
from app.engine.markets import Market
from app.engine.numbers import ZERO
from app.engine.outcome import Outcome, OutcomeOf
from app.engine.register import Register
from app.engine.scopes import Scope, cross_scope
from app.engine.state import State
from app.engine.traders import Account, Group, Order, Position, Trail, TriggeredOrder, scope_of


class Step(Register):
    """One command's changes to `state` at time `now`."""

    __slots__ = ("blamed", "handled", "met", "pending_before", "scopes", "shares")

    def __init__(self, state: State, command: Command, now: datetime) -> None:
        self.state = state
        self.now = now
        self.outcome: Outcome = OutcomeOf(state.counters.command + 1, now, command)
        self.scopes: dict[Scope, None] = {}
        """Margin scopes whose equity or margin changed: to be checked and re-armed."""
        self.met = 0
        """Resting orders that liquidations have met: together as many as one order may (ORD-10)."""
        self.shares = 0
        """Shares by size that were closed: about as many as one event has end a part (ADL-1)."""
        self.pending_before = frozenset(state.cascades)
        """Settlement assets whose cascades were under way before this step."""
        self.blamed: Scope | str | None = None
        """What an exception would be blamed on now (REC-2): a scope, or the cascade of an asset;
        None for the command itself."""
        self.handled: dict[Scope, None] = {}
        """Scopes that a part of a cascade has looked at or liquidated in this step."""

    @property
    def changed(self) -> bool:
        """Whether anything was changed yet."""
        return bool(self.outcome.touched or self.scopes)

    def finish(self) -> None:
        """Count the command: it is in the log from here on."""
        self.state.counters.command = self.outcome.sequence
        self.state.time = self.now

    # Positions

    def position(self, account: Account, symbol: str, side: PositionSide) -> Position:
        """The account's leg in a contract, opened empty when it does not exist."""
        position = account.positions.get((symbol, side))
        if position is None:
            contract = self.state.markets[symbol].contract
            position = Position(account.account_id, symbol, side, scope_of(account, contract, side))
            account.positions[symbol, side] = position
        return position

    def set_position(self, position: Position, quantity: Decimal, cost: Decimal) -> None:
        """Give a position its new signed quantity and cost."""
        market = self.state.markets[position.symbol]
        market.quantity_total += quantity - position.quantity
        market.cost_total += cost - position.cost
        was_long, is_long = position.quantity > 0, quantity > 0
        market.long_count += is_long - was_long
        if is_long or was_long:
            market.open_interest += max(ZERO, quantity) - max(ZERO, position.quantity)
        position.quantity = quantity
        position.cost = cost
        position.valued = None
        key = (position.account_id, position.side)
        if quantity == 0:
            assert cost == 0, position
            market.positions.pop(key, None)
        else:
            market.positions[key] = position
            account = self.state.accounts[position.account_id]
            account.positions[position.symbol, position.side] = position
        self.touch_position(position)

    def set_scope(self, position: Position) -> None:
        """Judge a position in the scope that its account's settings say by now (ORD-3)."""
        account = self.state.accounts[position.account_id]
        contract = self.state.markets[position.symbol].contract
        position.scope = scope_of(account, contract, position.side)
        if position.wallet is not None and not position.isolated:
            assert position.wallet.balance == 0, position
            self.state.wallets.pop(position.wallet.key, None)
            position.wallet = None
        self.touch_position(position)

    def touch_position(self, position: Position) -> None:
        """Remember that a position, its orders or its margin changed."""
        self.outcome.touched[position] = None
        self.scopes[position.scope] = None
        position.armed = position.weighed = None
        self.state.unranked[position.account_id] = None

    def touch_cross(self, account_id: str, asset: str) -> None:
        """Remember that a cross wallet's balance or what it holds back changed."""
        self.scopes[cross_scope(account_id, asset)] = None
        self.state.unranked[account_id] = None

    def touch_wallet(self, position: Position) -> None:
        """Remember that the balance behind a position changed, and nothing else of it."""
        self.scopes[position.scope] = None
        self.state.unranked[position.account_id] = None

    def forget_empty(self, position: Position) -> None:
        """Drop a leg that holds nothing: no quantity, no orders, no margin."""
        if position.quantity != 0 or position.orders:
            return
        wallet = position.wallet
        if wallet is None and position.isolated:
            wallet = self.state.wallets.get(position.scope.wallet_key)
        if wallet and wallet.balance != 0:
            return
        account = self.state.accounts[position.account_id]
        account.positions.pop((position.symbol, position.side), None)
        if wallet:
            self.state.wallets.pop(wallet.key, None)
            position.wallet = None

    # Orders

    def accept_order(self, order: Order) -> None:
        """Keep an order that came in; whether it rests is seen when it has met the book (ORD-1)."""
        self.outcome.touched[order] = None

    def expire_order(self, order: Order, reason: str) -> None:
        """End an order that does not rest: nothing is reserved for what is left of it."""
        assert order.order_id not in self.state.orders, order
        order.status = "expired"
        order.reason = reason
        self._touch_order(order)

    def open_order(self, order: Order, position: Position) -> None:
        """Rest an order in the book and reserve its value (ORD-4)."""
        assert order.price is not None
        self.state.orders[order.order_id] = order
        orderbook.insert(self.state.markets[order.symbol], order)
        position.orders[order.order_id] = order
        self.state.accounts[order.account_id].open_orders += 1
        if order.reduce_only:
            position.reducing[order.order_id] = order
        self._reserve(position, order, 1)
        self._touch_order(order)

    def close_order(self, order: Order, status: OrderStatus, reason: str | None = None) -> None:
        """End an open order: out of the book, its reservation released."""
        position = self._take_out(order)
        order.status = status
        order.reason = reason
        self._touch_order(order)
        self.touch_position(position)
        self.forget_empty(position)

    def lower_order(self, order: Order, quantity: Decimal) -> None:
        """Give an open order a lower quantity, where it stands (ORD-15)."""
        account = self.state.accounts[order.account_id]
        position = account.positions[order.symbol, order.position_side]
        self._reserve(position, order, -1)
        order.quantity = quantity
        self._reserve(position, order, 1)
        self._touch_order(order)

    def requeue_order(self, order: Order, quantity: Decimal, price: Decimal) -> None:
        """Take an open order out of the book, to come anew behind all others (ORD-15)."""
        self.touch_position(self._take_out(order))
        order.quantity = quantity
        order.price = price
        order.requeued = self.next_id("order")
        self._touch_order(order)

    def _take_out(self, order: Order) -> Position:
        account = self.state.accounts[order.account_id]
        position = account.positions[order.symbol, order.position_side]
        orderbook.remove(self.state.markets[order.symbol], order)
        del self.state.orders[order.order_id]
        del position.orders[order.order_id]
        account.open_orders -= 1
        position.reducing.pop(order.order_id, None)
        self._reserve(position, order, -1)
        return position

    def fill_order(self, order: Order, quantity: Decimal, notional: Decimal) -> None:
        """Book a fill on an order; a resting order that is complete is closed."""
        order.filled_value += notional
        if order.order_id not in self.state.orders:
            order.filled_quantity += quantity
            order.status = "filled" if order.remaining == 0 else "partially_filled"
            self._touch_order(order)
            return
        account = self.state.accounts[order.account_id]
        position = account.positions[order.symbol, order.position_side]
        self._reserve(position, order, -1)
        order.filled_quantity += quantity
        order.status = "partially_filled"
        if order.remaining == 0:
            self.close_order(order, "filled")
        else:
            self._reserve(position, order, 1)
            self._touch_order(order)

    def set_last(self, market: Market, price: Decimal) -> None:
        """A contract was traded: no row of its own keeps at what price, the trade's does."""
        market.last_price = price

    # Orders that wait for a price

    def accept_triggered(self, order: TriggeredOrder) -> None:
        """Keep an order that waits for its price; it reserves nothing (TRG-1)."""
        state = self.state
        state.untriggered[order.order_id] = order
        state.untriggered_of.setdefault(order.account_id, {})[order.order_id] = order
        if order.trigger_price is not None and not order.dormant:
            watching.insert(state.markets[order.symbol], order)
        self._touch(order)

    def wake(self, order: TriggeredOrder) -> None:
        """The entry of its group has filled: from now on it waits for its price (TRG-2)."""
        order.dormant = False
        if order.trigger_price is not None:
            watching.insert(self.state.markets[order.symbol], order)
        self._touch(order)

    def add_group(self, group: Group) -> None:
        """Keep a group, whose orders are accepted."""
        self.state.groups[group.group_id] = group
        self.lead_group(group, group.leader)

    def lead_group(self, group: Group, leader: int | None) -> None:
        """Another order is a group's first, or none any more."""
        grouped = self.state.grouped
        if group.leader is not None:
            grouped.pop(group.leader, None)
        group.leader = leader
        if leader is not None:
            grouped[leader] = group
        self._touch(group)

    def end_group(self, group: Group) -> None:
        """A group is decided, and nothing waits for that any more."""
        self.lead_group(group, None)
        group.orders = 0
        del self.state.groups[group.group_id]

    def follow(self, order: TriggeredOrder, price: Decimal) -> None:
        """A trailing stop follows the price from here on, with others whose best it is (TRG-1)."""
        state = self.state
        market = state.markets[order.symbol]
        if order.trigger_price is not None:
            watching.remove(market, order)
        trail = watching.at(market, order.trigger_by, order.side, price)
        if trail is None:
            trail = Trail(
                trail_id=order.order_id,
                symbol=order.symbol,
                side=order.side,
                trigger_by=order.trigger_by,
                best=price,
            )
            state.trails[trail.trail_id] = trail
        watching.join(market, trail, order)
        trail.orders += 1
        order.trail = trail.trail_id
        order.updated_at = self.now
        self.outcome.touched[trail] = self.outcome.touched[order] = None

    def amend_triggered(
        self,
        order: TriggeredOrder,
        quantity: Decimal | None,
        price: Decimal | None,
        trigger_price: Decimal | None,
        callback_rate: Decimal | None,
    ) -> None:
        """Give an order that waits other terms; one that follows a price stays in its trail."""
        market = self.state.markets[order.symbol]
        trail = None if order.trail is None else self.state.trails[order.trail]
        if trail is not None:
            watching.leave(market, trail, order)
        elif not order.dormant:
            watching.remove(market, order)
        order.quantity, order.price = quantity, price
        order.trigger_price, order.callback_rate = trigger_price, callback_rate
        if trail is not None:
            watching.join(market, trail, order)
        elif not order.dormant:
            watching.insert(market, order)
        order.updated_at = self.now
        self._touch(order)

    def merge_trail(self, trail: Trail, into: Trail) -> None:
        """Two trails have the same best price now: the orders of one are the other's."""
        for _, number in trail.waiting:
            order = self.state.untriggered[number]
            order.trail = into.trail_id
            self._touch(order)
        watching.merge(trail, into)
        into.orders += trail.orders
        trail.orders = 0
        del self.state.trails[trail.trail_id]
        self._touch(trail)

    def set_best(self, trail: Trail, price: Decimal) -> None:
        """Give a trail its best price."""
        trail.best = price
        self._touch(trail)

    def _unwatch(self, order: TriggeredOrder) -> None:
        market = self.state.markets[order.symbol]
        if order.dormant:
            return
        if order.trail is None:
            watching.remove(market, order)
            return
        trail = self.state.trails[order.trail]
        watching.leave(market, trail, order)
        order.trail = None
        trail.orders -= 1
        if not trail.orders:
            del self.state.trails[trail.trail_id]
        self._touch(trail)

    def fire(self, order: TriggeredOrder) -> None:
        """Its price is there: it is placed when its turn comes, wherever the price is by then."""
        self._unwatch(order)
        order.fired = True
        order.updated_at = self.now
        self._touch(order)

    def end_triggered(
        self,
        order: TriggeredOrder,
        status: TriggeredStatus,
        reason: str | None = None,
        became: int | None = None,
    ) -> None:
        """It waits no longer: it became an order, or it says why it did not."""
        state = self.state
        del state.untriggered[order.order_id]
        own = state.untriggered_of[order.account_id]
        del own[order.order_id]
        if not own:
            del state.untriggered_of[order.account_id]
        if not order.fired:
            self._unwatch(order)
        order.status, order.reason, order.became = status, reason, became
        order.updated_at = self.now
        self._touch(order)

    def _touch_order(self, order: Order) -> None:
        """Remember that an order changed."""
        order.updated_at = self.now
        self.outcome.touched[order] = None

    def _reserve(self, position: Position, order: Order, times: Literal[1, -1]) -> None:
        """Reserve, or release, the value of all that remains of an order (ORD-4).

        Never of a part: those of an inverse value need not add up to the whole.
        """
        if not order.reduce_only:
            position.weighed = None
            contract = self.state.markets[order.symbol].contract
            orderbook.reserve(contract, position, order, times * order.remaining)
