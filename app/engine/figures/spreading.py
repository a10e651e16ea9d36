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

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import accumulate

from app.engine.figures import ranking
from app.engine.numbers import ZERO, ceil_quotient
from app.engine.queues import Leg, Ranking, RankingEntry

ROUNDS = 5
"""How often what was not borne is spread again; what is left then is closed along the queue."""

Piece = tuple[int, int, RankingEntry, Decimal]
"""What falls on a place: number of its block, rank, entry, quantity."""


@dataclass(slots=True)
class Share:
    """What one place is to bear, so far."""

    rank: int
    entry: RankingEntry
    borne: Decimal = ZERO


@dataclass(slots=True)
class Spread:
    """The shares of one event in a queue by size: of a quantity a place `bears` what it can.

    `closed` is how much smaller than in the queue places are by now. `spent` are those that bear no
    more, `less` what sizes they all take from the sums of blocks, by number.
    """

    queue: Ranking
    bears: Callable[[Leg, Decimal], Decimal]
    lot: Decimal
    most: int
    closed: dict[Leg, Decimal] = field(default_factory=dict)
    shares: dict[Leg, Share] = field(default_factory=dict)
    spent: set[Leg] = field(default_factory=set)
    less: dict[int, Decimal] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for leg in self.closed:
            entry = self.queue.places[leg]
            taken = ranking.size_of(entry) - self._size(entry)
            self._take(ranking.block_number(self.queue, entry), taken)

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
            self._spend(ranking.block_number(self.queue, entry), entry)

    def _size(self, entry: RankingEntry) -> Decimal:
        size = ranking.size_of(entry)
        return max(ZERO, size - self.closed.get(entry[2:], ZERO)) if self.closed else size

    def _spend(self, number: int, entry: RankingEntry) -> None:
        self._take(number, self._size(entry))
        self.spent.add(entry[2:])

    def _take(self, number: int, size: Decimal) -> None:
        self.less[number] = self.less.get(number, ZERO) + size

    def _round(self, quantity: Decimal, grain: Decimal) -> Decimal:
        """Spread what is left over those who are not spent; returns how much of it they bear."""
        borne = ZERO
        for number, rank, entry, part in self._parts(quantity, grain):
            leg, size = entry[2:], self._size(entry)
            share = self.shares.get(leg) or Share(rank, entry)
            wanted = min(share.borne + part, size)
            found = self.bears(leg, wanted)
            if found < share.borne + part or found == size:
                self._spend(number, entry)
            if found > share.borne:
                borne += found - share.borne
                share.borne = found
                self.shares[leg] = share
        return borne

    def _parts(self, quantity: Decimal, grain: Decimal) -> Iterator[Piece]:
        """What falls on whom, by rank."""
        blocks = self.queue.blocks
        sizes = [ranking.size(b) - self.less.get(n, ZERO) for n, b in enumerate(blocks)]
        total = sum(sizes, ZERO)
        quantity = min(quantity, total)
        given = seen = ZERO
        rank = 0
        for number, size in enumerate(sizes):
            entries = blocks[number].entries
            if given < quantity and quantity * (seen + size) > given * total:
                sums = self._sums(number, seen)
                place = -1
                while given < quantity and quantity * sums[-1] > given * total:
                    place = bisect_right(sums, given * total, place + 1, key=quantity.__mul__)
                    upto = ceil_quotient(quantity * sums[place], total * grain) * grain
                    before, given = given, min(quantity, upto)
                    yield number, rank + place + 1, entries[place], given - before
            seen += size
            rank += len(entries)

    def _sums(self, number: int, before: Decimal) -> list[Decimal]:
        """The sizes so far at each place of a block; who is spent has none."""
        entries = self.queue.blocks[number].entries
        if number not in self.less:
            return list(accumulate([ranking.size_of(e) for e in entries], initial=before))[1:]
        spent = self.spent
        found = [ZERO if entry[2:] in spent else self._size(entry) for entry in entries]
        return list(accumulate(found, initial=before))[1:]
