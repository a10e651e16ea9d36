"""Orders that wait for a price, as they are loaded (TRG-1)."""

from __future__ import annotations

from app.engine.figures import watching
from app.engine.state import State
from app.engine.traders import Group, Trail, TriggeredOrder
from app.store.rowsource import RowSource, exact
from app.store.tables import ALIVE


async def load_untriggered(source: RowSource, state: State) -> None:
    """The orders that wait for a price; those that are fired wait for it no more."""
    for row in await source.fetch("order_groups"):
        group = Group(*row)
        state.groups[group.group_id] = group
        if group.leader is not None:
            state.grouped[group.leader] = group
    for row in await source.fetch("trails"):
        trail = exact(Trail(*row), "trails")
        state.trails[trail.trail_id] = trail
    for order in await _keep(source, state):
        market = state.markets[order.symbol]
        if order.dormant:
            continue
        if order.trail is not None:
            watching.join(market, state.trails[order.trail], order)
        elif not order.fired:
            watching.insert(market, order)


async def load_waiting(source: RowSource, state: State, account_id: str) -> None:
    """Those of one account, which nothing watches for."""
    await _keep(source, state, "AND account_id = $1", account_id)


async def _keep(
    source: RowSource, state: State, which: str = "", *values: object
) -> list[TriggeredOrder]:
    rest = f"{ALIVE['triggered_orders']} {which} ORDER BY order_id"
    kept = []
    for row in await source.fetch("triggered_orders", rest, *values):
        order = exact(TriggeredOrder(*row), "triggered_orders")
        state.untriggered[order.order_id] = order
        state.untriggered_of.setdefault(order.account_id, {})[order.order_id] = order
        kept.append(order)
    return kept
