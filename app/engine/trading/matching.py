"""Matching: first a plan, changing nothing, then its execution (ORD-1, ORD-2, ORD-9 to ORD-11)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from typing import NamedTuple

from app.engine.commands import SelfTradePrevention, Side
from app.engine.contracts import Contract
from app.engine.events import Trade
from app.engine.figures import margin, orderbook
from app.engine.figures.settlement import Settlement
from app.engine.figures.standing import Standing
from app.engine.markets import Market
from app.engine.numbers import ZERO, round_value
from app.engine.queues import Leg
from app.engine.results import Fill
from app.engine.state import State
from app.engine.step import Step
from app.engine.traders import OTHER_LEG, Account, Order, Position
from app.engine.trading import firing, funds, positions


class Made(NamedTuple):
    """The maker's side of a fill; `value` is what it adds to the maker's cost, signed."""

    making: Standing
    quantity: Decimal
    value: Decimal
    notional: Decimal
    fee: Decimal
    settlement: Settlement


class Match(NamedTuple):
    """A resting order to be filled: what that does to either side (a fund's inventory: None)."""

    maker: Order
    made: Made
    taker_fee: Decimal
    taken: Settlement | None


@dataclass(slots=True)
class Plan:
    """What an incoming order would do: fills, orders to cancel, and why it stopped early.

    `spent` are resting orders that are filled as far as there is to reduce, and can fill no more.

    `taker` is how the incoming side would stand after its fills, `opened` whether any of them opens
    or grows a position. `unborne`: its last fill would put the taker at risk (ORD-5, NUM-5).
    """

    taker: Standing | None = None
    matches: list[Match] = field(default_factory=list)
    cancels: list[tuple[Order, str]] = field(default_factory=list)
    spent: list[Order] = field(default_factory=list)
    filled: Decimal = ZERO
    met: int = 0
    opened: bool = False
    stopped: str | None = None
    unborne: bool = False

    @property
    def worst_price(self) -> Decimal | None:
        """The price of the last fill; None without one."""
        return self.matches[-1].maker.price if self.matches else None


class Taker(NamedTuple):
    """The incoming side of a match; `order_id` None for a liquidation order, `account` and
    `position` as well for a fund's inventory, which has no margin to be judged by (FND-5).

    `standing` is how it stands before, where that is known. One that `only_reduces` may use what
    its other orders need: that is no reason not to close, for they can go (ORD-5).
    """

    account: Account | None
    position: Position | None
    side: Side
    order_id: int | None = None
    liquidation_id: int | None = None
    standing: Standing | None = None
    only_reduces: bool = False


def plan(
    state: State,
    market: Market,
    taker: Taker,
    quantity: Decimal,
    *,
    limit: Decimal | None,
    prevention: SelfTradePrevention,
    met: int = 0,
) -> Plan:
    """Walk the opposite side of the book, best first, for `quantity` within `limit`.

    `met` resting orders have been met already, of those that one command may meet (ORD-10).

    What it passes over, it removes (ORD-11): so what it fills is the depth that can be had.
    """
    result = Plan(met=met)
    own = taker.account.account_id if taker.account else None
    makers: dict[Leg, Standing] = {}
    for maker in _makers(state, market, orderbook.opposite(taker.side)):
        assert maker.price is not None
        left = quantity - result.filled
        if left == 0 or not orderbook.crosses(taker.side, limit, maker.price):
            break
        if result.met >= state.limits.matched_orders:
            result.stopped = "match_limit"
            break
        result.met += 1
        if maker.account_id == own:
            if prevention != "expire_taker":
                result.cancels.append((maker, "self_trade"))
            if prevention != "expire_maker":
                result.stopped = "self_trade"
                break
            continue
        made = _make(state, makers, maker, left)
        if isinstance(made, str):
            result.cancels.append((maker, made))
            continue
        if made.quantity < min(left, maker.remaining):
            result.spent.append(maker)
        _take(state, taker, result, maker, made)
        if result.unborne:
            break
    return result


def _makers(state: State, market: Market, side: Side) -> Iterator[Order]:
    """The resting orders that can be met, best first.

    A scope that is left alone has none, but where they could not be cancelled (REC-2).
    """
    best = orderbook.best_first(market, side)
    if not state.incidents:
        return best
    return (order for order in best if not margin.is_aside(state, _position(state, order).scope))


def _position(state: State, order: Order) -> Position:
    return state.accounts[order.account_id].positions[order.symbol, order.position_side]


def _make(state: State, makers: dict[Leg, Standing], maker: Order, most: Decimal) -> Made | str:
    """Fill a resting order by `most`; or the reason why it is cancelled (ORD-9, ORD-13)."""
    leg = maker.account_id, maker.position_side
    making = makers.get(leg)
    if making is None:
        making = makers[leg] = _making(state, makers, maker)
    contract, price = making.market.contract, maker.price
    size = min(most, fillable(contract, maker, making.quantity))
    if size == 0:
        return "nothing_to_reduce" if maker.reduce_only else "contract_reduce_only"
    assert price is not None
    signed = size if maker.side == "buy" else -size
    value = contract.value(signed, price)
    notional = abs(value)
    fee = round_value(notional * contract.maker_fee_rate)
    before = making.snapshot()
    made = making.fill(signed, value=value, price=price, fee=fee, manner="trade")
    if not making.whole():
        making.restore(before)
        return "would_be_at_risk"
    return Made(making, size, value, notional, fee, made)


def _take(state: State, taker: Taker, result: Plan, maker: Order, made: Made) -> None:
    """The incoming side of that fill; judged too, but for a liquidation (ORD-5)."""
    if taker.account is None:
        result.filled += made.quantity
        result.matches.append(Match(maker, made, ZERO, None))
        return
    if result.taker is None:
        result.taker = _taking(state, taker)
    price, charged = maker.price, taker.liquidation_id is None
    assert price is not None
    fee = ZERO
    if charged:
        fee = round_value(made.notional * made.making.market.contract.taker_fee_rate)
    signed = made.quantity if taker.side == "buy" else -made.quantity
    taken = result.taker.fill(
        signed,
        value=-made.value,
        price=price,
        fee=fee,
        manner="trade" if charged else "liquidation",
    )
    result.opened = result.opened or taken.opens
    result.unborne = charged and not result.taker.whole()
    result.filled += made.quantity
    result.matches.append(Match(maker, made, fee, taken))


def _taking(state: State, taker: Taker) -> Standing:
    """The taker's standing before the first fill."""
    assert taker.account is not None, taker
    assert taker.position is not None, taker
    if taker.standing is None:
        judged = taker.liquidation_id is None
        return Standing.of(state, taker.account, taker.position, judged=judged)
    taking = taker.standing.copy()
    if taker.only_reduces:
        taking.forget_orders()
    return taking


def depth(state: State, market: Market, side: Side, levels: int) -> list[tuple[Decimal, Decimal]]:
    """The best `levels` of a side as (price, quantity): what can be had, by one order (ORD-11)."""
    found: dict[Decimal, Decimal] = {}
    makers: dict[Leg, Standing] = {}
    for maker in islice(_makers(state, market, side), state.limits.matched_orders):
        assert maker.price is not None
        if len(found) == levels and maker.price not in found:
            break
        made = _make(state, makers, maker, maker.remaining)
        if isinstance(made, Made):
            found[maker.price] = found.get(maker.price, ZERO) + made.quantity
    return list(found.items())


def _making(state: State, makers: dict[Leg, Standing], maker: Order) -> Standing:
    """The maker's standing; what its own orders in the contract hold back is there for fills.

    The account's other leg in hedge mode, which the plan may meet too, stands before the same cross
    scope.
    """
    account = state.accounts[maker.account_id]
    making = Standing.of(state, account, _position(state, maker))
    making.forget_orders()
    if maker.position_side == "both":
        return making
    other = account.positions.get((maker.symbol, OTHER_LEG[maker.position_side]))
    if other is not None:
        twin = makers[account.account_id, other.side] = Standing.of(state, account, other)
        twin.forget_orders()
        making.join(twin)
    return making


def fillable(contract: Contract, maker: Order, held: Decimal) -> Decimal:
    """What a resting order can still fill: no more than there is to reduce, where it must (ORD-13).

    `held` is the signed quantity of its position by then.
    """
    if not maker.reduce_only and contract.status != "reduce_only":
        return maker.remaining
    to_reduce = max(ZERO, held if maker.side == "sell" else -held)
    return min(maker.remaining, to_reduce)


def execute(step: Step, market: Market, taker: Taker, result: Plan) -> list[Fill]:
    """Carry a plan out: cancels and fills, both sides of each booked at the same rounded value."""
    for order, reason in result.cancels:
        canceled = reason in ("would_be_at_risk", "contract_reduce_only")
        step.close_order(order, "canceled" if canceled else "expired", reason)
    fills = [_fill(step, market, taker, match) for match in result.matches]
    for order in result.spent:
        if order.order_id in step.state.orders:  # reduce-only ones end with their position
            step.close_order(order, "canceled", "contract_reduce_only")
    return fills


def _fill(step: Step, market: Market, taker: Taker, match: Match) -> Fill:
    maker, price = match.maker, match.maker.price
    assert price is not None
    trade_id = step.next_id("trade")
    made, reference = match.made, f"trade/{trade_id}"
    step.fill_order(maker, made.quantity, made.notional)
    positions.book(step, made.making.account, made.making.position, made.settlement, reference)
    account, position = taker.account, taker.position
    if account is not None and position is not None and match.taken is not None:
        positions.book(step, account, position, match.taken, reference)
    step.outcome.records.append(
        Trade(
            trade_id=trade_id,
            time=step.now,
            symbol=market.contract.symbol,
            price=price,
            quantity=made.quantity,
            value=made.notional,
            taker_side=taker.side,
            taker_account_id=account.account_id if account else None,
            taker_order_id=taker.order_id,
            taker_fee=match.taker_fee,
            maker_account_id=maker.account_id,
            maker_order_id=maker.order_id,
            maker_fee=made.fee,
            liquidation_id=taker.liquidation_id,
            taker_position_side=position.side if position else "both",
            maker_position_side=maker.position_side,
        )
    )
    funds.share_fees(step, market.contract, made.fee + match.taker_fee, reference)
    step.set_last(market, price)
    if account is not None and taker.liquidation_id is None:
        step.set_agreed_price(market, price)
    if market.watches:
        firing.traded(step, market, price)
    return Fill(trade_id, price=price, quantity=made.quantity, fee=match.taker_fee)
