"""What is held of profits, as it is loaded (FND-12)."""

from __future__ import annotations

from app.engine.state import Payout, State
from app.engine.traders import HeldProfit
from app.store.rowsource import RowSource, exact


async def load_holds(source: RowSource, state: State) -> None:
    """What accounts have won, the oldest part first, and when the funds paid last."""
    async for chunk in source.chunks("held_profits", "ORDER BY account_id, symbol, since"):
        for row in chunk:
            part = exact(HeldProfit(*row), "held_profits")
            own = state.profits.setdefault(part.account_id, {})
            own.setdefault(part.symbol, []).append(part)
    for row in await source.fetch("payouts"):
        payout = Payout(*row)
        state.payouts[payout.symbol] = payout
