"""The ADL queue of a contract's side: made, kept and walked (ADL-1, ADL-5)."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from itertools import chain, islice

from app.engine.commands import PositionMode, PositionSide
from app.engine.events import QueueEntry
from app.engine.figures import exposure, margin
from app.engine.markets import Market
from app.engine.numbers import ONE, ZERO, Quotient, plain, ratio
from app.engine.policies import AdlPolicy
from app.engine.queues import Block, Leg, Ranking, RankingEntry
from app.engine.state import State
from app.engine.traders import Position

LAST = Decimal("-1E+60")
"""The score of a scope whose equity is not positive: it ranks last."""
NO_PLACE = -LAST, Quotient(ZERO)

BLOCK = 256
"""Entries of a full block: a change moves at most these, a walk can pass over as many at once."""

QUANTILES = 5
SIDES: tuple[PositionSide, ...] = ("both", "long", "short")
LEGS: dict[PositionMode, tuple[PositionSide, ...]] = {
    "one_way": ("both",),
    "hedge": ("long", "short"),
}


def score(unrealized_profit: Decimal, notional: Decimal, equity: Decimal) -> Decimal:
    """pnl% x effective leverage if profitable, pnl% / effective leverage if not, to 34 digits."""
    return -place(unrealized_profit, notional, equity)[0]


def place(
    unrealized_profit: Decimal, notional: Decimal, equity: Decimal
) -> tuple[Decimal, Quotient]:
    """The negative score as a key to sort by, exactly: the best comes first (ADL-1, `current`).

    pnl% x effective leverage is profit / equity; pnl% / effective leverage is profit x equity /
    notional squared.
    """
    if equity <= 0 or notional == 0:
        return NO_PLACE
    if unrealized_profit > 0:
        found = Quotient(-unrealized_profit, equity)
    else:
        found = Quotient(-unrealized_profit, notional) * Quotient(equity, notional)
    return ratio(found.dividend, found.divisor), found


def legacy_place(
    unrealized_profit: Decimal, balance: Decimal, equity: Decimal, maintenance: Decimal
) -> tuple[Decimal, Quotient]:
    """The same by max(0, profit) / max(1, wallet balance) x maintenance margin / equity (ADL-1)."""
    if equity <= 0:
        return NO_PLACE
    gained = Quotient(-max(ZERO, unrealized_profit), max(ONE, balance))
    found = gained * Quotient(maintenance, equity)
    return ratio(found.dividend, found.divisor), found


def place_of(
    state: State, market: Market, position: Position, policy: AdlPolicy
) -> tuple[Decimal, Quotient]:
    """A position's place under a policy; balance, equity and margin are those of its margin scope.

    `pro_rata` ranks by size: it says in which order shares are made up. Nothing is worked out of a
    scope that is left alone: it ranks last (REC-2).
    """
    scope = position.scope
    if margin.is_aside(state, scope):
        return NO_PLACE
    equity = balance = margin.scope_balance(state, scope)
    held = margin.scope_positions(state, scope)
    for other_market, other in held:
        equity += exposure.profit(other_market, other)
    if policy == "current":
        notional = abs(exposure.mark_value(market, position))
        return place(position.profit, notional, equity)
    if policy == "legacy":
        maintenance = sum([other.margin for _, other in held], ZERO)
        return legacy_place(position.profit, balance, equity, maintenance)
    return size_place(abs(position.quantity), equity)


def size_place(quantity: Decimal, equity: Decimal) -> tuple[Decimal, Quotient]:
    """The largest comes first, as a key to sort by (ADL-1, `pro_rata`)."""
    return (-quantity, Quotient(-quantity)) if equity > 0 else NO_PLACE


def policy_of(state: State, market: Market) -> AdlPolicy:
    """How counterparties of a contract are chosen now: as its fund says (ADL-1)."""
    return state.funds[market.contract.insurance_fund].policy.adl_policy


# Made, kept, forgotten


def ready(state: State, market: Market, now: datetime, *, longs: bool) -> bool:
    """Whether the queue of a side is there, or can be made at once; else `make` must go on."""
    ranking = market.rankings.get(longs)
    few = market.count(longs=longs) <= state.bounds.large
    if ranking is not None and (
        _expired(state, market, ranking, now) or (ranking.unranked and few)
    ):
        ranking = None  # also one that is half made, and that nobody goes on with: the others left
    if ranking is None:
        ranking = market.rankings[longs] = Ranking(policy_of(state, market))
        state.ranked[market.contract.symbol] = market
        ranking.unranked = list(market.positions.values())  # in an order that no restart changes
        ranking.large = not few
        if not ranking.large:
            _score(state, market, ranking, len(ranking.unranked), longs=longs)
    return not ranking.unranked


def among(state: State, market: Market, account_ids: Iterable[str], *, longs: bool) -> Ranking:
    """A queue of some accounts alone, ranked as all are; nobody keeps it (FND-12)."""
    ranking = Ranking(policy_of(state, market))
    legs = [(account_id, side) for account_id in account_ids for side in SIDES]
    ranking.unranked = [market.positions[leg] for leg in legs if leg in market.positions]
    _score(state, market, ranking, len(legs), longs=longs)
    return ranking


def _expired(state: State, market: Market, ranking: Ranking, now: datetime) -> bool:
    """Whether it is too old, or of a former policy; not while a liquidation awaits it."""
    made_at = ranking.made_at
    if ranking.pinned or (ranking.large and made_at is None):
        return False
    if ranking.policy != policy_of(state, market):
        return True
    return made_at is not None and now - made_at > state.bounds.kept


def unpin(state: State) -> None:
    """A liquidation is done: what it awaited grows old again (ADL-5)."""
    for market in state.ranked.values():
        for ranking in market.rankings.values():
            ranking.pinned = False


def make(state: State, market: Market, now: datetime, *, longs: bool) -> bool:
    """The next bounded step of making a large queue; whether that finished it (ADL-5)."""
    ranking = market.rankings[longs]
    _score(state, market, ranking, state.bounds.ranks, longs=longs)
    if not ranking.unranked:
        ranking.made_at = now
        ranking.pinned = True  # it may await others still, which take their time
    return not ranking.unranked


def _score(state: State, market: Market, ranking: Ranking, most: int, *, longs: bool) -> None:
    found: list[RankingEntry] = []
    for position in ranking.unranked[-most:]:
        if position.quantity and (position.quantity > 0) == longs:
            key = position.account_id, position.side
            if key in ranking.places:  # it changed while the queue is made
                _remove(ranking, ranking.places[key])
            ranking.places[key] = entry = (*place_of(state, market, position, ranking.policy), *key)
            found.append(entry)
    del ranking.unranked[-most:]
    found.sort()
    if not ranking.blocks:
        ranking.blocks = [Block(found[i : i + BLOCK]) for i in range(0, len(found), BLOCK)]
        return
    for entry in found:
        _insert(ranking, entry)


def queue(state: State, market: Market, now: datetime, *, longs: bool) -> Ranking:
    """The queue of a side, with what changed since it was last asked for; it must be `ready`."""
    assert ready(state, market, now, longs=longs), market.contract.symbol
    for account_id in state.unranked:
        _catch_up(state, account_id)
    state.unranked.clear()
    return market.rankings[longs]


def leave_mode(state: State, account_id: str) -> None:
    """An account is to have other legs: places of those that it had are given up."""
    if account_id in state.unranked:
        del state.unranked[account_id]
        _catch_up(state, account_id)


def _catch_up(state: State, account_id: str) -> None:
    """An account changed since queues were last asked for."""
    legs = LEGS[state.accounts[account_id].position_mode]
    for market in state.ranked.values():
        for side in legs:
            for opposite, ranking in market.rankings.items():
                _changed(state, market, ranking, (account_id, side), longs=opposite)


def _changed(state: State, market: Market, ranking: Ranking, key: Leg, *, longs: bool) -> None:
    """A position may have changed: one in a large queue keeps its rank, a new one is its last.

    By size, though, places are of now in any queue: who has borne a share is smaller.
    """
    keeps = ranking.large and ranking.policy != "pro_rata"
    old = ranking.places.get(key)
    position = market.positions.get(key)
    if position is not None and (position.quantity > 0) != longs:
        position = None
    if old is not None:
        ranking.shown.pop(key, None)
        ranking.rooms.pop(key, None)
        _block(ranking, old).room = None
        if position is not None and keeps:
            return
        _remove(ranking, old)
        del ranking.places[key]
    if position is not None:
        new = NO_PLACE if keeps else place_of(state, market, position, ranking.policy)
        ranking.places[key] = entry = (*new, *key)
        _insert(ranking, entry)


def forget(state: State, asset: str) -> None:
    """A mark changed: the queues of the asset's contracts are void, but large ones serve on."""
    for symbol, market in list(state.ranked.items()):
        if market.contract.settlement_asset != asset:
            continue
        for longs in list(market.rankings):
            if (
                market.rankings[longs].made_at is None
                or market.count(longs=longs) <= state.bounds.large
            ):
                del market.rankings[longs]
        if not market.rankings:
            del state.ranked[symbol]
    forget_rooms(state, asset)
    if not state.ranked:
        state.unranked.clear()


def forget_rooms(state: State, asset: str) -> None:
    """Marks or brackets of the asset changed: what its counterparties have is not known."""
    for market in state.ranked.values():
        if market.contract.settlement_asset == asset:
            for ranking in market.rankings.values():
                ranking.rooms, ranking.shown = {}, {}
                ranking.version += 1


def forget_all(state: State) -> None:
    """A new leader makes every queue anew."""
    for market in state.markets.values():
        market.rankings.clear()
    state.ranked.clear()
    state.unranked.clear()


def remember_room(ranking: Ranking, position: Position, room: Decimal) -> None:
    """A counterparty can bear a loss of `room` on one lot, and no more."""
    ranking.rooms[position.account_id, position.side] = room


def size_of(entry: RankingEntry) -> Decimal:
    """How large a place is in a queue by size, which is its score; nothing without equity."""
    return -entry[0] if entry[0] < 0 else ZERO


def size(block: Block) -> Decimal:
    """How large the places of a block are together, in a queue by size."""
    if block.size is None:
        block.size = sum([size_of(entry) for entry in block.entries], ZERO)
    return block.size


# Entries, in blocks of bounded length


def _last(block: Block) -> RankingEntry:
    return block.entries[-1]


def block_number(ranking: Ranking, entry: RankingEntry) -> int:
    """In which of the queue's blocks a place is."""
    return bisect_left(ranking.blocks, entry, key=_last)


def _block(ranking: Ranking, entry: RankingEntry) -> Block:
    return ranking.blocks[block_number(ranking, entry)]


def _insert(ranking: Ranking, entry: RankingEntry) -> None:
    blocks = ranking.blocks
    if not blocks:
        blocks.append(Block([]))
    number = min(bisect_left(blocks, entry, key=_last), len(blocks) - 1) if blocks[0].entries else 0
    block = blocks[number]
    insort(block.entries, entry)
    block.room = None
    if block.size is not None:
        block.size += size_of(entry)
    if len(block.entries) > 2 * BLOCK:
        blocks.insert(number + 1, Block(block.entries[BLOCK:]))
        del block.entries[BLOCK:]
        block.size = None


def _remove(ranking: Ranking, entry: RankingEntry) -> None:
    number = block_number(ranking, entry)
    block = ranking.blocks[number]
    entries = block.entries
    del entries[bisect_left(entries, entry)]
    if block.size is not None:
        block.size -= size_of(entry)
    if not entries:
        del ranking.blocks[number]


def entries(ranking: Ranking) -> Iterator[RankingEntry]:
    """All places, the first to be deleveraged first."""
    return chain.from_iterable(block.entries for block in ranking.blocks)


def walk(ranking: Ranking, loss: Callable[[], Decimal]) -> Iterator[tuple[int, RankingEntry]]:
    """The places with their ranks, but for those known to have no room for `loss` on one lot.

    The walker tells what it finds out in `rooms`. A block of nothing but small rooms is passed over
    as a whole: so many events after one another do not look at the same counterparties again.
    """
    rank = 0
    for block in ranking.blocks:
        if block.version == ranking.version and block.room is not None and block.room < loss():
            rank += len(block.entries)
            continue
        for entry in block.entries:
            rank += 1
            room = ranking.rooms.get(entry[2:])
            if room is None or room >= loss():
                yield rank, entry
        rooms = [ranking.rooms.get(entry[2:]) for entry in block.entries]
        known = [room for room in rooms if room is not None]
        block.room = max(known) if len(known) == len(rooms) else None
        block.version = ranking.version


def head(state: State, ranking: Ranking, market: Market, length: int) -> tuple[QueueEntry, ...]:
    """The first places of the queue as an event keeps them (ADL-3)."""
    shown = ranking.shown
    first = islice(entries(ranking), length)
    return tuple([shown.get(entry[2:]) or _show(state, ranking, market, entry) for entry in first])


def _show(state: State, ranking: Ranking, market: Market, entry: RankingEntry) -> QueueEntry:
    """A place with what its scope has, by which any policy could be followed (ADL-1)."""
    key = entry[2:]
    position = market.positions[key]
    shown = QueueEntry(*key, plain(-entry[0]), plain(abs(position.quantity)))
    if not margin.is_aside(state, position.scope):
        balance = margin.scope_balance(state, position.scope)
        held = margin.scope_positions(state, position.scope)
        health = margin.health_of(state, position.scope, held)
        equity = balance + sum([other.profit for _, other in held], ZERO)
        figures = (position.profit, balance, equity, health.maintenance_margin, health.slack)
        shown = QueueEntry(*shown[:4], *map(plain, figures))
    ranking.shown[key] = shown
    return shown


def quantile(rank: int, length: int) -> int:
    """The lights: 4 for the fifth of the queue that goes first, 0 for the last (ADL-3)."""
    return QUANTILES - 1 - (rank - 1) * QUANTILES // length
