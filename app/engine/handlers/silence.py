"""Indexes that fall silent: of none of their sources is a price fresh any more (MRK-3)."""

from __future__ import annotations

from app.engine.commands import Due
from app.engine.commands.prices import LoseIndex
from app.engine.handling import handles
from app.engine.results import Done
from app.engine.state import State
from app.engine.step import Step


def due(state: State) -> Due | None:
    """The index that is lost first unless a source says something; of two the first symbol's."""
    if not state.silences:
        return None
    time, symbol = state.silences[0]
    return Due(time, LoseIndex(symbol))


@handles(LoseIndex)
def lose_index(step: Step, command: LoseIndex) -> Done:
    """Tell the operators, once; not of an index that nobody wants any more."""
    market = step.state.markets[command.symbol]
    step.end_silence(market)
    contract = market.contract
    if contract.index_sources and contract.status != "settled":
        step.alert("index_lost", None, None, symbol=command.symbol, cause="silent")
    return Done(command.symbol)
