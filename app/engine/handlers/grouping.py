"""Groups of orders are accepted, all or none of them (TRG-2); `groups` decides about them."""

from __future__ import annotations

from app.engine.cascades import groups
from app.engine.commands.orders import PlaceOrder
from app.engine.commands.triggered import PlaceGroup, PlaceTriggered
from app.engine.handlers import triggered
from app.engine.handlers.orders import JUDGED, TRADES
from app.engine.handling import handles
from app.engine.rejections import Code, Rejected
from app.engine.results import GroupReceipt, OrderReceipt
from app.engine.step import Step
from app.engine.traders import Group
from app.engine.trading import meeting
from app.engine.trading.assessment import assess

SIZE = {"oco": 2, "bracket": 3}
PROFITS = ("take_profit", "take_profit_market")
STOPS = ("stop", "stop_market", "trailing_stop")


@handles(
    PlaceGroup,
    Code.invalid_group,
    *triggered.CHECKS,
    Code.funding_under_way,
    Code.stale_mark,
    Code.price_out_of_band,
    *JUDGED,
    moves=TRADES,
)
def place(step: Step, command: PlaceGroup) -> GroupReceipt:
    """Accept the orders of a group; the one that is placed at once meets the book (TRG-2)."""
    _check_kind(command)
    state, first, bracket = step.state, command.first, command.kind == "bracket"
    entries = 1 if first is None else 0  # what a bracket has behind its entry is dormant
    for number, waiting in enumerate(command.waiting):
        dormant = bracket and number >= entries
        triggered.check(state, waiting, step.now, others=number, dormant=dormant)
    plan = assess(state, first, step.now).plan if first else None
    group_id = state.counters.order + 1
    order = meeting.order_of(step, first) if first else None
    accepted = [
        triggered.accept(step, waiting, group_id, dormant=bracket and number >= entries)
        for number, waiting in enumerate(command.waiting)
    ]
    step.add_group(
        Group(
            group_id,
            command.kind,
            account_id=accepted[0].account_id,
            leader=group_id if bracket or first is not None else None,
            orders=SIZE[command.kind],
        )
    )
    receipt: OrderReceipt | None = None
    if order is not None and plan is not None:
        step.accept_order(order)
        receipt = meeting.meet(step, order, plan)
    groups.decide(step)
    told = tuple(map(triggered.receipt, accepted))
    return GroupReceipt(group_id, command.kind, first=receipt, waiting=told)


def _check_kind(command: PlaceGroup) -> None:
    """The orders are a group of that kind."""
    orders: list[PlaceOrder | PlaceTriggered] = [*command.waiting]
    if command.first is not None:
        orders.insert(0, command.first)
    if len(orders) != SIZE[command.kind]:
        raise _invalid(f"the kind {command.kind} has {SIZE[command.kind]} orders")
    if len({(one.account_id, one.symbol, one.position_side) for one in orders}) > 1:
        raise _invalid("its orders are of one account, contract and position side")
    if any(one.client_order_id is not None for one in orders):
        raise _invalid("its orders have no client_order_id")
    if command.kind == "bracket":
        _check_bracket(orders)
    elif command.first is not None and command.first.time_in_force not in ("gtc", "gtx"):
        raise _invalid("the order that does not wait for a price may rest")


def _check_bracket(orders: list[PlaceOrder | PlaceTriggered]) -> None:
    entry, profit, stop = orders
    assert isinstance(profit, PlaceTriggered)
    assert isinstance(stop, PlaceTriggered)
    if profit.type not in PROFITS or stop.type not in STOPS:
        raise _invalid("a bracket is an entry, what takes profit and what stops, in this order")
    for closing in (profit, stop):
        if closing.side == entry.side or not triggered.only_reduces(closing):
            raise _invalid("what takes profit and what stops reduce what the entry opens")


def _invalid(detail: str) -> Rejected:
    return Rejected(Code.invalid_group, detail)
