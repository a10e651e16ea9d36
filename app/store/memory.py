"""What the limits of funds remember, loaded (FND-3, FND-12)."""

from __future__ import annotations

from app.engine.memory import FundMemory, Minute
from app.engine.state import State
from app.store.rowsource import RowSource, exact


async def load(source: RowSource, state: State, where: str, *values: object) -> None:
    """Into the funds that are there, with their wallets."""
    for row in await source.fetch("fund_memory", where, *values):
        memory = exact(FundMemory(*row), "fund_memory")
        fund = state.funds[memory.fund_id]
        if fund.policy.drawdown_breaker is not None:
            memory.seen = fund.balance(memory.asset)
        fund.memory[memory.asset] = memory
    for row in await source.fetch("fund_minutes", f"{where} ORDER BY minute", *values):
        minute = exact(Minute(*row), "fund_minutes")
        memory = state.funds[minute.fund_id].memory[minute.asset]
        memory.minutes.setdefault(minute.measure, []).append(minute)
        if minute.measure == "paid":
            memory.spent += minute.amount
