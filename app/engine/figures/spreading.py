"""A bankrupt position's shares in proportion to size (ADL-1, `pro_rata`).

Who stands opposite bears quantity x own size / all sizes, to a lot: in the order of the queue, the
largest first, each gets what brings the shares so far up to the proportion of the sizes so far,
rounded up. They add up exactly, and none is a lot off its proportion. What somebody cannot bear is
spread again over the others, in a bounded number of rounds.

With many opposite positions that would be many tiny closes. So with more than `most` a share is at
least a grain, a `most`-th of the quantity, and they fall on places at even distances of size: as
often on a position, over many events, as its size says. Blocks on which none falls are passed over
by their sums, so that an event costs no walk along the whole queue.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from app.engine.figures import ranking
from app.engine.numbers import ZERO, ceil_quotient
from app.engine.queues import Leg, Ranking, RankingEntry

ROUNDS = 5
"""How often what was not borne is spread again; what is left then is closed along the queue."""


@dataclass(slots=True)
class Share:
    """What one place is to bear, so far."""

    rank: int
    entry: RankingEntry
    borne: Decimal = ZERO


@dataclass(slots=True)
class Spread:
    """The shares of one event; `size_of` a place is its unsigned quantity, and of a quantity it
    `bears` as much as it can.

    `spent` are those that bear no more, with their sizes also summed by the number of their block.
    """

    queue: Ranking
    size_of: Callable[[Leg], Decimal]
    bears: Callable[[Leg, Decimal], Decimal]
    lot: Decimal
    most: int
    shares: dict[Leg, Share] = field(default_factory=dict)
    spent: set[Leg] = field(default_factory=set)
    spent_in: dict[int, Decimal] = field(default_factory=dict)

    def over(self, quantity: Decimal) -> list[Share]:
        """The shares of an unsigned quantity, by rank; together at most that."""
        grain, left = self.lot, quantity
        if len(self.queue.places) > self.most:
            grain *= ceil_quotient(quantity, self.most * self.lot)
        for _ in range(ROUNDS):
            left -= self._round(left, grain)
            if not left:
                break
        return sorted(self.shares.values(), key=lambda share: share.rank)

    def without(self, leg: Leg) -> None:
        """Leave a place out, if there is such a one."""
        entry = self.queue.places.get(leg)
        if entry is not None:
            number = next(n for n, b in enumerate(self.queue.blocks) if b.entries[-1] >= entry)
            self._spend(number, leg)

    def _spend(self, number: int, leg: Leg) -> None:
        self.spent.add(leg)
        self.spent_in[number] = self.spent_in.get(number, ZERO) + self.size_of(leg)

    def _round(self, quantity: Decimal, grain: Decimal) -> Decimal:
        """Spread what is left over those who are not spent; returns how much of it they bear."""
        borne = ZERO
        for number, rank, entry, part in self._parts(quantity, grain):
            leg = entry[2:]
            share = self.shares.get(leg) or Share(rank, entry)
            wanted = min(share.borne + part, self.size_of(leg))
            found = self.bears(leg, wanted)
            if found < share.borne + part or wanted == self.size_of(leg):
                self._spend(number, leg)
            if found > share.borne:
                borne += found - share.borne
                share.borne = found
                self.shares[leg] = share
        return borne

    def _parts(
        self, quantity: Decimal, grain: Decimal
    ) -> Iterator[tuple[int, int, RankingEntry, Decimal]]:
        """Number of the block, rank, place and part of each on whom one falls."""
        blocks = self.queue.blocks
        sizes = [
            ranking.size(block, self.size_of) - self.spent_in.get(number, ZERO)
            for number, block in enumerate(blocks)
        ]
        total = sum(sizes, ZERO)
        quantity = min(quantity, total)
        given = seen = ZERO
        rank = 0
        for number, block in enumerate(blocks):
            if given == quantity or quantity * (seen + sizes[number]) <= given * total:
                seen += sizes[number]
                rank += len(block.entries)
                continue
            for entry in block.entries:
                rank += 1
                if entry[2:] in self.spent:
                    continue
                seen += self.size_of(entry[2:])
                if given < quantity and quantity * seen > given * total:
                    upto = ceil_quotient(quantity * seen, total * grain) * grain
                    before, given = given, min(quantity, upto)
                    yield number, rank, entry, given - before
