"""Offloading by time (FND-5): each contract's step is a command of its own, due at its time.

Nobody is liquidated by it, and no mark moves: so it waits until the asset has no cascade, and what
it leaves to do, a triggered order say, is done in the parts of one.
"""

from __future__ import annotations

from app.engine.commands import Due
from app.engine.commands.funds import Offload
from app.engine.handling import handles
from app.engine.results import Done
from app.engine.state import State
from app.engine.step import Step
from app.engine.trading import offloading


def due(state: State) -> Due | None:
    """The step that is due first; those of assets with a cascade, or left alone, wait."""
    if state.offloads is None:
        state.offloads = _schedule(state)
    for one in state.offloads:
        if not (state.cascades or state.stalled) or not _must_wait(state, one):
            return one
    return None


def _schedule(state: State) -> list[Due]:
    """When what is held of which contract is offloaded next."""
    found = [
        (inventory.offload_at, fund.fund_id, symbol)
        for fund in state.funds.values()
        for symbol, inventory in fund.inventory.items()
        if inventory.offload_at is not None
    ]
    return [Due(time, Offload(fund_id, symbol, time)) for time, fund_id, symbol in sorted(found)]


def _must_wait(state: State, one: Due) -> bool:
    assert isinstance(one.command, Offload), one
    asset = state.markets[one.command.symbol].contract.settlement_asset
    return asset in state.cascades or asset in state.stalled


@handles(Offload)
def offload(step: Step, command: Offload) -> Done:
    """It is time: the fund's next step in a contract, or why there is none."""
    fund, market = step.state.funds[command.fund_id], step.state.markets[command.symbol]
    assert fund.inventory[command.symbol].offload_at == command.time, command
    offloading.offload(step, fund, market)
    return Done(command.fund_id)
