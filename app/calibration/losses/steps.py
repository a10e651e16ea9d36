"""What paths cost a fund: all scopes with one position, of one contract and side (CAL-2 to CAL-5).

Sorted by trigger and summed up once, so that a step of a path that makes a new extreme costs a few
searches, however many scopes it triggers. Moves are adverse log moves from the mark, (steps,
scenarios): a step is a row, and all of it lies side by side in memory.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.calibration.figures import Floats, Ints
from app.calibration.losses.lines import Axis

GRID = 1024
"""Points to a log move of 1 at which the largest possible impact is known beforehand."""
ROUNDING = 1 - 1e-6


class Impact(NamedTuple):
    """By how much a price is worse for what is sold in one step: min(cap, factor x root)."""

    factor: float
    volume: float
    cap: float

    def __call__(self, notional: Floats) -> Floats:
        """The adverse log move; the notional is at mark (CAL-5)."""
        return np.asarray(np.minimum(self.cap, self.factor * np.sqrt(notional / self.volume)))


class _Group(NamedTuple):
    """Scopes of which the one that is triggered first is bankrupt first, with sums up to each."""

    triggers: Floats
    kinks: Floats
    slopes: Floats
    products: Floats

    @classmethod
    def of(cls, triggers: Floats, kinks: Floats, slopes: Floats, places: Floats) -> _Group:
        products = np.where(slopes > 0, slopes * places, 0.0)
        return cls(triggers, kinks, sums(slopes), sums(products))


class Lines:
    """The lines of a contract's side, for a `gap` (CAL-4).

    With a gap below 1 a scope is out between its trigger and the step's end: the same line with
    another slope and kink.
    """

    def __init__(
        self,
        axis: Axis,
        *,
        slope: Floats,
        trigger: Floats,
        kink: Floats,
        notional: Floats,
        rate: Floats,
        cum: Floats,
        gap: float = 1.0,
    ) -> None:
        """Who is at risk already is out from the mark on, in the first step that leaves it so."""
        if gap < 1:
            begins = np.maximum(trigger, axis.place(np.zeros(1)))
            kink, slope = (kink - (1 - gap) * begins) / gap, slope * gap
        moves, kinks = axis.move(trigger), axis.move(kink)
        slope = np.where(np.isfinite(kinks), slope, 0.0)
        order = np.lexsort((kinks, moves))
        order = order[np.isfinite(moves[order])]
        self.axis, self.worth = axis, axis.scale / gap  # of one unit of slope, at mark
        self.triggers, self.kinks, self.places = moves[order], kinks[order], kink[order]
        self.slopes, self.notionals = slope[order], sums(notional[order])
        distance = self.kinks - self.triggers
        self.least = max(0.0, float(distance.min()) * ROUNDING) if len(order) else 0.0
        self.start = min(0.0, float(self.triggers[0])) if len(order) else 0.0
        self._split(rate[order], cum[order])

    def _split(self, rate: Floats, cum: Floats) -> None:
        """Without `cum`, and of one rate, kinks come in the order of triggers."""
        simple = cum == 0
        self.groups = [self._group(simple & (rate == one)) for one in (np.unique(rate[simple]))]
        rest = ~simple
        self.rest = self.triggers[rest], self.places[rest], self.slopes[rest]

    def _group(self, chosen: NDArray[np.bool_]) -> _Group:
        return _Group.of(
            self.triggers[chosen], self.kinks[chosen], self.slopes[chosen], self.places[chosen]
        )

    def notional(self, before: Floats, now: Floats) -> Floats:
        """At mark, of what is triggered between two moves."""
        low, high = (np.searchsorted(self.triggers, one, "left") for one in (before, now))
        return np.asarray(self.notionals[np.maximum(low, high)] - self.notionals[low])

    def upto(self, move: Floats) -> Floats:
        """At mark, of all that is triggered on the way to a move."""
        return np.asarray(self.notionals[np.searchsorted(self.triggers, move, "left")])

    def _before(self, moves: Floats) -> Floats:
        """The largest move before each step; at first, that below which nothing is triggered."""
        extreme = np.maximum.accumulate(moves, axis=0)
        first = np.full((1, moves.shape[1]), self.start)
        return np.asarray(np.maximum(np.vstack([first, extreme[:-1]]), self.start))

    def sold(self, moves: Floats, also: Floats, step: Ints, scenario: Ints) -> Floats:
        """The notional that is triggered in those steps, with what `also` is sold there."""
        now, then = moves[step, scenario], self._before(moves)[step, scenario]
        return np.asarray(self.notional(then, np.maximum(now, then)) + also[step, scenario])

    def losses(
        self,
        moves: Floats,
        impact: Impact | None = None,
        also: Floats | None = None,
        only: NDArray[np.bool_] | None = None,
        bankrupt: Floats | None = None,
    ) -> Floats:
        """The loss of each scenario; `also` is what else is sold in each step, at mark.

        With `only`, of those who are out in these steps. To `bankrupt` is added what those that
        lose are worth at mark.
        """
        scenarios = moves.shape[1]
        if not len(self.triggers):
            return np.zeros(scenarios)
        before = self._before(moves)
        reach = moves if impact is None else moves + self._most(moves, impact, also)
        new = (moves > before) & (moves > self.triggers[0]) & (reach > before + self.least)
        if only is not None:
            new &= only[:, None]
        step, scenario = np.nonzero(new)
        now, then = moves[step, scenario], before[step, scenario]
        order = np.argsort(now)  # sorted needles make a search several times faster
        now, then, step, scenario = now[order], then[order], step[order], scenario[order]
        got = now
        if impact is not None:
            sold = self.notional(then, now)
            got = now + impact(sold if also is None else sold + also[step, scenario])
        costs, slopes = self._costs(then, now, got)
        if bankrupt is not None:
            bankrupt += self.worth * np.bincount(scenario, slopes, scenarios)
        return np.asarray(np.bincount(scenario, costs, scenarios), np.float64)

    def _most(self, moves: Floats, impact: Impact, also: Floats | None) -> Floats:
        """The impact if all up to a move were triggered in one step, with the most besides."""
        edges = np.arange(1, GRID + 2) / GRID
        edges[-1] = np.inf
        besides = 0.0 if also is None else also.max()
        most = impact(self.upto(edges) + besides)
        return np.asarray(most[np.clip(moves * GRID, 0, GRID).astype(np.int64)])

    def _costs(self, then: Floats, now: Floats, got: Floats) -> tuple[Floats, Floats]:
        """What each event costs: triggered between `then` and `now`, and out at `got`.

        And the slopes of those that lose, together.
        """
        place = self.axis.place(got)
        costs, slope = np.zeros(len(now)), np.zeros(len(now))
        for group in self.groups:
            low = np.searchsorted(group.triggers, then, "left")
            high = np.searchsorted(group.triggers, now, "left")
            bankrupt = np.clip(np.searchsorted(group.kinks, got, "left"), low, high)
            lost = group.slopes[bankrupt] - group.slopes[low]
            costs += place * lost - (group.products[bankrupt] - group.products[low])
            slope += lost
        triggers, kinks, slopes = self.rest
        if len(triggers):
            low = np.searchsorted(triggers, then, "left")
            count = np.searchsorted(triggers, now, "left") - low
            event = np.repeat(np.arange(len(now)), count)
            one = np.arange(len(event)) - np.repeat(np.cumsum(count) - count - low, count)
            beyond = place[event] - kinks[one]
            costs += np.bincount(event, slopes[one] * np.maximum(beyond, 0.0), len(now))
            slope += np.bincount(event, slopes[one] * (beyond > 0), len(now))
        return costs, slope


class Bound:
    """slope x max(0, y - kink), summed up: no path to an extreme can cost more."""

    def __init__(self, axis: Axis, slope: Floats, kink: Floats) -> None:
        """`kink` is a place on the axis."""
        moves = axis.move(kink)
        order = np.argsort(moves, kind="stable")
        order = order[np.isfinite(moves[order])]
        self.axis, self.kinks = axis, moves[order]
        self.slopes, self.products = sums(slope[order]), sums(slope[order] * kink[order])

    def __call__(self, extreme: Floats) -> Floats:
        """Of each adverse log move."""
        order = np.argsort(extreme)
        upto = np.empty(len(extreme), np.int64)
        upto[order] = np.searchsorted(self.kinks, extreme[order], "left")
        return np.asarray(self.axis.place(extreme) * self.slopes[upto] - self.products[upto])


def sums(values: Floats) -> Floats:
    """The sum of the first n values at n."""
    return np.concatenate([[0.0], np.cumsum(values)])
