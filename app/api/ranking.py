"""The ADL queues of the contracts as readers see them (ADL-1, ADL-3), remembered for a moment."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from typing import Literal, get_args

from asyncpg import Connection

from app.engine.commands import PositionSide
from app.engine.figures import margin
from app.engine.figures import ranking as rules
from app.engine.numbers import EXACT, ZERO
from app.engine.policies import AdlPolicy
from app.engine.queues import RankingEntry
from app.engine.state import State
from app.store.loader import load_funds, load_holders, load_market
from app.store.reads import Reads, raw

REMEMBERED_SECONDS = 1.0
REMEMBERED_FACTOR = 10

Direction = Literal["long", "short"]
Sides = dict[Direction, list[tuple[RankingEntry, Decimal]]]
"""Places with the quantities at them."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a position stands in the queue of its side; rank 1 is deleveraged first."""

    side: Direction
    rank: int
    quantile: int
    score: Decimal
    quantity: Decimal
    account_id: str
    position_side: str


@dataclass(slots=True)
class Near:
    """Positions of one side whose scopes are near liquidation, and what they are worth together."""

    count: int = 0
    notional: Decimal = ZERO


@dataclass(slots=True)
class Queues:
    """A contract's queues: all places, longs first, and each by account and leg.

    With what of either side is near liquidation.
    """

    places: list[Place] = field(default_factory=list)
    by_leg: dict[tuple[str, str], Place] = field(default_factory=dict)
    longs: int = 0
    near: dict[Direction, Near] = field(default_factory=lambda: {"long": Near(), "short": Near()})

    def of_side(self, side: Direction | None) -> Sequence[Place]:
        """The places of a side, or all."""
        if side is None:
            return self.places
        return self.places[: self.longs] if side == "long" else self.places[self.longs :]

    def of_account(self, account_id: str) -> Sequence[Place]:
        """An account's own places, longs first."""
        found = [self.by_leg.get((account_id, leg)) for leg in get_args(PositionSide)]
        return sorted((place for place in found if place), key=lambda place: place.side)


class Rankings:
    """The queues by contract. Ranking costs as much as the contract has positions; hence one at a
    time, not on the event loop, and for ten times as long as it took not again."""

    def __init__(self, database: Reads) -> None:
        self._database = database
        self._known: dict[str, tuple[float, Queues]] = {}
        self._lock = asyncio.Lock()

    async def of(self, symbol: str) -> Queues:
        """The queues of an existing contract, at most a second old, or ten times their cost.

        Who waits for them holds no connection meanwhile.
        """
        if (known := self._fresh(symbol)) is not None:
            return known
        async with self._lock:
            if (known := self._fresh(symbol)) is not None:
                return known
            began = time.monotonic()
            sides: Sides = {"long": [], "short": []}
            queues = Queues()
            async with self._database.connect() as connection:
                source = await raw(connection)
                policy = await _policy(source, symbol)
                async with aclosing(load_holders(source, symbol)) as parts:
                    async for state in parts:
                        await asyncio.to_thread(_place, state, symbol, policy, sides)
                        await asyncio.to_thread(_find_near, state, symbol, queues.near)
            await asyncio.to_thread(_rank, sides, queues)
            now = time.monotonic()
            until = now + max(REMEMBERED_SECONDS, REMEMBERED_FACTOR * (now - began))
            self._known[symbol] = until, queues
            return queues

    def _fresh(self, symbol: str) -> Queues | None:
        until, queues = self._known.get(symbol, (0.0, None))
        return queues if time.monotonic() < until else None


async def _policy(source: Connection, symbol: str) -> AdlPolicy:
    market = await load_market(source, symbol)
    assert market is not None, symbol
    fund_id = market.contract.insurance_fund
    return (await load_funds(source, [fund_id])).funds[fund_id].policy.adl_policy


def _place(state: State, symbol: str, policy: AdlPolicy, sides: Sides) -> None:
    """Add the places of some holders, as the engine itself would rank them."""
    market = state.markets[symbol]
    with localcontext(EXACT):
        for leg, position in market.positions.items():
            side: Direction = "long" if position.quantity > 0 else "short"
            entry = (*rules.place_of(state, market, position, policy), *leg)
            sides[side].append((entry, abs(position.quantity)))


def _find_near(state: State, symbol: str, near: dict[Direction, Near]) -> None:
    """Add the positions of some holders that are near liquidation: a loss of once more what their
    scope must maintain puts it at risk."""
    market = state.markets[symbol]
    with localcontext(EXACT):
        for position in market.positions.values():
            found = margin.health(state, position.scope)
            if found.equity < 2 * found.maintenance_margin:
                side = near["long" if position.quantity > 0 else "short"]
                side.count += 1
                side.notional += abs(market.worth(position.quantity))


def _rank(sides: Sides, queues: Queues) -> None:
    for side, entries in sides.items():
        entries.sort()
        for rank, ((negative, _, account_id, leg), quantity) in enumerate(entries, start=1):
            quantile = rules.quantile(rank, len(entries))
            place = Place(
                side=side,
                rank=rank,
                quantile=quantile,
                score=-negative,
                quantity=quantity,
                account_id=account_id,
                position_side=leg,
            )
            queues.places.append(place)
            queues.by_leg[account_id, leg] = place
            queues.longs += side == "long"
