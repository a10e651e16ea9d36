"""What is kept of contracts' prices, as it is loaded."""

from __future__ import annotations

from decimal import Decimal

from app.engine.marks import Mark, MidSample, SourcePrice
from app.engine.state import State
from app.store.rowsource import RowSource, exact


async def load(source: RowSource, state: State, where: str, *values: object) -> None:
    """Marks, and what indexes and derived marks come from, of the contracts that are loaded."""
    markets = state.markets
    for row in await source.fetch("marks", where, *values):
        markets[row["symbol"]].mark = exact(Mark(*row), "marks")
    for row in await source.fetch("source_prices", where, *values):
        price = exact(SourcePrice(*row), "source_prices")
        markets[price.symbol].sources[price.source] = price
    _await_silence(state)
    for row in await source.fetch("mid_samples", f"{where} ORDER BY time", *values):
        sample = exact(MidSample(*row), "mid_samples")
        markets[sample.symbol].mids[sample.place] = sample


def _await_silence(state: State) -> None:
    """Those indexes fall silent that had not when the last command was applied (MRK-3)."""
    for symbol, market in state.markets.items():
        silent_at = max((price.stale_at for price in market.sources.values()), default=None)
        if silent_at is not None and state.time is not None and silent_at > state.time:
            market.silent_at = silent_at
            state.silences.append((silent_at, symbol))
    state.silences.sort()


async def load_traded(source: RowSource, state: State) -> None:
    """At what each contract was traded last, out of the records up to the state's own, of which a
    snapshot has none: a row of their own would be written with every order that fills."""
    markets, until = state.markets, state.counters.trade
    for symbol, price in await source.connection.fetch(_newest("true"), list(markets), until):
        markets[symbol].last_price = Decimal(price)
    agreed = _newest("liquidation_id IS NULL AND taker_account_id IS NOT NULL")
    for symbol, price in await source.connection.fetch(agreed, list(markets), until):
        markets[symbol].agreed_price = Decimal(price)


def _newest(which: str) -> str:
    return f"""
        SELECT wanted.symbol, price::text FROM unnest($1::text[]) AS wanted (symbol), LATERAL (
            SELECT price FROM trades
            WHERE trades.symbol = wanted.symbol AND trade_id <= $2 AND {which}
            ORDER BY trade_id DESC LIMIT 1
        ) AS trade
    """  # noqa: S608 - words of our own
