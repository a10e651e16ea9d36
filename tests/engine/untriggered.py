"""Triggered orders, naively: after each price all that wait are gone through (TRG)."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

from app.engine.commands.delivery import BeginDelivery
from app.engine.commands.leaders import Recover, ReleaseIncident
from app.engine.commands.prices import Price
from app.engine.commands.triggered import AmendTriggered, PlaceGroup, PlaceTriggered
from app.engine.events import Trade
from app.engine.outcome import Outcome
from app.engine.results import GroupReceipt, TriggeredReceipt
from app.engine.state import State
from app.engine.traders import Order, TriggeredOrder

AT_OR_ABOVE = {
    ("buy", "stop"), ("buy", "stop_market"),
    ("sell", "take_profit"), ("sell", "take_profit_market"), ("sell", "trailing_stop"),
}  # fmt: skip


class Untriggered:
    """What waits, by number; `due` are those of an asset whose price was there, not yet placed."""

    def __init__(self) -> None:
        self.orders: dict[int, PlaceTriggered] = {}
        self.due: dict[str, set[int]] = defaultdict(set)
        self.best: dict[int, Decimal] = {}
        self.dormant: set[int] = set()
        self.last: dict[str, Decimal] = {}

    def observe(self, outcome: Outcome, state: State) -> None:
        """An accepted outcome: who is triggered, in which order, and what becomes of each."""
        before = {asset: set(due) for asset, due in self.due.items()}
        if isinstance(outcome.command, PlaceTriggered):
            self._accept(outcome.command, outcome.result, state)
        if isinstance(outcome.command, PlaceGroup):
            self._accept_group(outcome.command, outcome.result, state)
        if isinstance(outcome.command, AmendTriggered):
            self._amend(outcome.command, before, state)
        self._prices(outcome, state)
        self._wake(outcome, state)
        self._placed(outcome, state, before)
        for order in outcome.touched:
            if isinstance(order, TriggeredOrder) and order.status != "untriggered":
                self._ended(order, outcome, state)
        self.last |= {trade.symbol: trade.price for trade in outcome.of(Trade)}
        self._compare(state)
        self._groups(state)

    def _accept_group(self, command: PlaceGroup, result: object, state: State) -> None:
        assert isinstance(result, GroupReceipt), result
        entry = command.kind == "bracket" and command.first is None
        for place, (one, receipt) in enumerate(zip(command.waiting, result.waiting, strict=True)):
            if command.kind == "bracket" and not (entry and place == 0):
                self.dormant.add(receipt.order_id)
                self.orders[receipt.order_id] = one
            else:
                self._accept(one, receipt, state)

    def _wake(self, outcome: Outcome, state: State) -> None:
        """The entry of a bracket has filled: what closes waits for its price, or has it."""
        for order in outcome.touched:
            if not isinstance(order, TriggeredOrder) or order.order_id not in self.dormant:
                continue
            if order.dormant:
                continue
            number, market = order.order_id, state.markets[order.symbol]
            self.dormant.discard(number)
            assert market.mark is not None, order
            prices = [market.mark.price]
            if order.trigger_by == "last":
                prices = [t.price for t in outcome.of(Trade) if t.symbol == order.symbol][-1:]
            for price in prices:
                if order.trigger_price is None:
                    self.best[number] = price
                elif self._triggers(number, self.orders[number], price):
                    self.due[market.contract.settlement_asset].add(number)

    def _accept(self, command: PlaceTriggered, result: object, state: State) -> None:
        assert isinstance(result, TriggeredReceipt), result
        market = state.markets[command.symbol]
        assert market.mark is not None, command
        last = self.last.get(command.symbol) if command.trigger_by == "last" else None
        price = last or market.mark.price
        if command.trigger_price is None:
            self.best[result.order_id] = price
        else:
            assert not self._is_there(command, price), f"{command} was accepted"
        self.orders[result.order_id] = command

    def _amend(self, command: AmendTriggered, before: dict[str, set[int]], state: State) -> None:
        """It waits as before, with what was given of its terms, and not for what is there."""
        number, old = command.order_id, self.orders[command.order_id]
        given = {
            name: getattr(command, name)
            for name in ("quantity", "price", "trigger_price", "callback_rate")
            if getattr(command, name) is not None
        }
        new = self.orders[number] = replace(old, **given)
        market = state.markets[new.symbol]
        assert number not in before[market.contract.settlement_asset], f"{command} was accepted"
        for name in ("quantity", "price", "trigger_price", "callback_rate"):
            assert getattr(state.untriggered[number], name) == getattr(new, name), command
        if number not in self.dormant:
            assert market.mark is not None, new
            last = self.last.get(new.symbol) if new.trigger_by == "last" else None
            price = last or market.mark.price
            if number in self.best:
                best, rate = Fraction(self.best[number]), Fraction(new.callback_rate or 0)
                assert (
                    price < best * (1 + rate) if new.side == "buy" else price > best * (1 - rate)
                ), command
            else:
                assert not self._is_there(new, price), f"{command} was accepted"

    @staticmethod
    def _is_there(order: PlaceTriggered, price: Decimal) -> bool:
        assert order.trigger_price is not None, order
        if (order.side, order.type) in AT_OR_ABOVE:
            return price >= order.trigger_price
        return price <= order.trigger_price

    def _prices(self, outcome: Outcome, state: State) -> None:
        for trade in outcome.of(Trade):
            assert trade.time == outcome.time, trade
            self._price(trade.symbol, "last", trade.price, state)
        if isinstance(outcome.command, Price | BeginDelivery | Recover | ReleaseIncident):
            for symbol, market in state.markets.items():
                contract, mark = market.contract, market.mark
                alone = contract.settlement_asset in state.stalled
                if mark and not mark.awaited and contract.status != "halted" and not alone:
                    self._price(symbol, "mark", mark.price, state)

    def _price(self, symbol: str, by: str, price: Decimal, state: State) -> None:
        due = self.due[state.markets[symbol].contract.settlement_asset]
        for number, order in self.orders.items():
            if (order.symbol, order.trigger_by) != (symbol, by) or number in due | self.dormant:
                continue
            if self._triggers(number, order, price):
                due.add(number)

    def _triggers(self, number: int, order: PlaceTriggered, price: Decimal) -> bool:
        if order.callback_rate is None:
            return self._is_there(order, price)
        best = self.best.get(number)
        if best is None:
            if self._is_there(order, price):
                self.best[number] = price
            return False
        if order.side == "sell":
            self.best[number] = max(best, price)
            return Fraction(price) <= Fraction(best) * (1 - Fraction(order.callback_rate))
        self.best[number] = min(best, price)
        return Fraction(price) >= Fraction(best) * (1 + Fraction(order.callback_rate))

    def _placed(self, outcome: Outcome, state: State, before: dict[str, set[int]]) -> None:
        """Older ones first, but for those that this outcome's own trades have triggered."""
        placed = [
            (order.became, order)
            for order in outcome.touched
            if isinstance(order, TriggeredOrder) and order.became is not None
        ]
        last: dict[str, int] = defaultdict(int)
        for _, order in sorted(placed, key=lambda pair: pair[0]):
            asset = state.markets[order.symbol].contract.settlement_asset
            if order.order_id in before.get(asset, ()):
                assert order.order_id > last[asset], f"{order} was placed late"
                last[asset] = order.order_id
        for asset, number in last.items():
            left = [n for n in before[asset] if n < number and n in state.untriggered]
            assert not left, f"{left} are older than {number}"

    def _ended(self, order: TriggeredOrder, outcome: Outcome, state: State) -> None:
        command = self.orders.pop(order.order_id)
        self.best.pop(order.order_id, None)
        self.dormant.discard(order.order_id)
        due = self.due[state.markets[order.symbol].contract.settlement_asset]
        if order.status == "canceled":
            assert order.reason, order
            due.discard(order.order_id)
            return
        assert order.order_id in due, f"{order} ended before its price was there"
        due.remove(order.order_id)
        if order.status == "expired":
            assert order.reason, order
            assert order.became is None, order
            return
        (became,) = [
            one for one in outcome.touched
            if isinstance(one, Order) and one.order_id == order.became
        ]  # fmt: skip
        terms = (became.account_id, became.symbol, became.side, became.price)
        assert terms == (command.account_id, command.symbol, command.side, command.price), became
        against = {"long": "sell", "short": "buy"}.get(command.position_side) == command.side
        reduces = command.reduce_only or command.close_position or against
        assert became.reduce_only == reduces, became
        assert command.quantity is None or became.quantity <= command.quantity, became
        exactly = not became.reduce_only and order.group_id is None
        assert not exactly or became.quantity == command.quantity, became

    def _compare(self, state: State) -> None:
        """The same wait; fired are those that are due; none is left when the cascade has ended."""
        assert self.orders.keys() == state.untriggered.keys(), state.untriggered
        by_account = {n: o for own in state.untriggered_of.values() for n, o in own.items()}
        assert by_account == state.untriggered, state.untriggered_of
        for asset, due in self.due.items():
            assert not due or asset in state.cascades or asset in state.stalled, f"{due} wait"
        for number, order in state.untriggered.items():
            market = state.markets[order.symbol]
            is_due = number in self.due[market.contract.settlement_asset]
            assert is_due or not order.fired, order
            assert order.fired or not is_due or order.trigger_by == "mark", order
            follows = number in self.best and not order.fired
            if market.contract.settlement_asset not in state.cascades:
                assert follows == (order.trail is not None), order
            if order.trail is not None:
                assert state.trails[order.trail].best == self.best[number], order
        self._trails(state)
        self._watched(state)

    @staticmethod
    def _groups(state: State) -> None:
        """Whatever waits in a group has one that is not decided; what closes sleeps until the entry
        has filled something (TRG-2)."""
        for order in state.untriggered.values():
            assert order.group_id is None or order.group_id in state.groups, order
        for group in state.groups.values():
            waiting = [o for o in state.untriggered.values() if o.group_id == group.group_id]
            first = state.orders.get(group.leader or 0)
            closing = [o for o in waiting if o.order_id != group.leader]
            if group.kind == "oco":
                assert len(waiting) + (first is not None) == 2, group
                assert not any(order.dormant for order in waiting), group
                continue
            assert len(closing) == 2, group
            filled = group.leader is None or (first is not None and first.filled_quantity > 0)
            assert all(order.dormant != filled for order in closing), group
            assert (group.leader is None) or first or len(waiting) == 3, group

    @staticmethod
    def _trails(state: State) -> None:
        """Each trail has its orders, and no two of a price have the same best."""
        kinds = set()
        for trail in state.trails.values():
            own = [o for o in state.untriggered.values() if o.trail == trail.trail_id]
            assert trail.orders == len(own) > 0, trail
            kinds.add((trail.symbol, trail.trigger_by, trail.side, trail.best))
            for order in own:
                terms = (order.symbol, order.trigger_by, order.side)
                assert terms == (trail.symbol, trail.trigger_by, trail.side), order
        assert len(kinds) == len(state.trails), state.trails

    @staticmethod
    def _watched(state: State) -> None:
        """Prices are watched for those that are not fired, sorted, and for no others."""
        for symbol, market in state.markets.items():
            found = set()
            for watch in market.watches.values():
                assert watch.falling or watch.rising, f"{symbol} is watched for nobody"
                for entries, sign in ((watch.falling, 1), (watch.rising, -1)):
                    assert entries == sorted(entries), symbol
                    for key, number in entries:
                        assert key == sign * _price_of(state, state.untriggered[number]), symbol
                        found.add(number)
            own = [o for o in state.untriggered.values()
                   if o.symbol == symbol and not o.fired and not o.dormant]  # fmt: skip
            assert found == {o.order_id for o in own if o is _first(o, own)}, symbol


def _first(order: TriggeredOrder, own: list[TriggeredOrder]) -> TriggeredOrder:
    """The order that stands for it: of a trail the one with the lowest rate, then number."""
    if order.trail is None:
        return order
    trail = [o for o in own if o.trail == order.trail and o.callback_rate is not None]
    return min(trail, key=lambda o: (o.callback_rate or 0, o.order_id))


def _price_of(state: State, order: TriggeredOrder) -> Decimal:
    """What an order waits for."""
    if order.trail is None:
        assert order.trigger_price is not None, order
        return order.trigger_price
    assert order.callback_rate is not None, order
    sign = -1 if order.side == "sell" else 1
    return state.trails[order.trail].best * (1 + sign * order.callback_rate)
