"""The ADL queue of a contract's side, kept sorted while a cascade lasts (ADL-1)."""

from __future__ import annotations

from bisect import bisect_left, insort
from decimal import Decimal

from app.engine import margin
from app.engine.commands import PositionMode, PositionSide
from app.engine.events import QueueEntry
from app.engine.numbers import ONE, plain, ratio
from app.engine.state import Market, Position, Ranking, RankingEntry, State

LAST = Decimal("-1E+60")
"""The score of a scope whose equity is not positive: it ranks last."""

QUANTILES = 5
LEGS: dict[PositionMode, tuple[PositionSide, ...]] = {
    "one_way": ("both",),
    "hedge": ("long", "short"),
}


def score(unrealized_profit: Decimal, notional: Decimal, equity: Decimal) -> Decimal:
    """pnl% x effective leverage if profitable, pnl% / effective leverage if not (ADL-1)."""
    if equity <= 0 or notional == 0:
        return LAST
    pnl = ratio(unrealized_profit, notional)
    leverage = ratio(notional, equity)
    return ratio(pnl * leverage, ONE) if unrealized_profit > 0 else ratio(pnl, leverage)


def position_score(state: State, market: Market, position: Position) -> Decimal:
    """A position's score; the equity is that of its margin scope."""
    scope = position.scope
    equity = margin.scope_balance(state, scope)
    for other_market, other in margin.scope_positions(state, scope):
        equity += margin.mark_value(other_market, other) - other.cost
    value = margin.mark_value(market, position)
    return score(value - position.cost, abs(value), equity)


def queue(state: State, market: Market, *, longs: bool) -> Ranking:
    """The ranked queue of a side, best first: made when first asked for, then kept up to date."""
    _refresh(state)
    ranking = market.rankings.get(longs)
    if ranking is None:
        ranking = market.rankings[longs] = Ranking()
        state.ranked[market.contract.symbol] = market
        for key, position in market.positions.items():
            if (position.quantity > 0) == longs:
                entry = (-position_score(state, market, position), *key)
                ranking.keys[key] = entry
                ranking.entries.append(entry)
        ranking.entries.sort()
    return ranking


def head(ranking: Ranking, market: Market, length: int) -> tuple[QueueEntry, ...]:
    """The first places of the queue as an event keeps them (ADL-3)."""
    shown = ranking.shown
    first = ranking.entries[:length]
    return tuple([shown.get(entry[1:]) or _show(ranking, market, entry) for entry in first])


def _show(ranking: Ranking, market: Market, entry: RankingEntry) -> QueueEntry:
    key = entry[1:]
    quantity = plain(abs(market.positions[key].quantity))
    ranking.shown[key] = QueueEntry(*key, plain(-entry[0]), quantity)
    return ranking.shown[key]


def _refresh(state: State) -> None:
    """Rank the accounts anew that changed since the queues were made."""
    for account_id in state.unranked:
        for market in state.ranked.values():
            for side in LEGS[state.accounts[account_id].position_mode]:
                _rank_anew(state, market, (account_id, side))
    state.unranked.clear()


def _rank_anew(state: State, market: Market, key: tuple[str, PositionSide]) -> None:
    position = market.positions.get(key)
    for longs, ranking in market.rankings.items():
        old = ranking.keys.pop(key, None)
        ranking.shown.pop(key, None)
        if old is not None:
            del ranking.entries[bisect_left(ranking.entries, old)]
        if position is not None and (position.quantity > 0) == longs:
            entry = (-position_score(state, market, position), *key)
            ranking.keys[key] = entry
            insort(ranking.entries, entry)


def forget(state: State, asset: str) -> None:
    """A mark changed: the queues of the asset's contracts are void."""
    for symbol, market in list(state.ranked.items()):
        if market.contract.settlement_asset == asset:
            market.rankings.clear()
            del state.ranked[symbol]
    if not state.ranked:
        state.unranked.clear()


def quantile(rank: int, length: int) -> int:
    """The lights: 4 for the fifth of the queue that goes first, 0 for the last (ADL-3)."""
    return QUANTILES - 1 - (rank - 1) * QUANTILES // length
