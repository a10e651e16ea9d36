"""What paths cost funds: cross accounts with several positions (CAL-6).

An account is triggered in the first step in which its equity is below its maintenance margin, and
out with all legs at that step's prices, moved by the impact of all that is out with them; with a
gap, on the straight line between the two prices of the step, from where its margin was passed. What
it owes is charged to its contracts in proportion to the losses of its legs (LIQ-3).

A leg's value is linear in a place: its price, or its inverse. All legs of a contract share it, long
or short; `value` is what a leg is worth at the mark, signed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import sparse

from app.calibration.figures import Floats, Ints

LEGS = 300_000
"""Legs that are worked out at once, in all their scenarios."""


class Legs(NamedTuple):
    """The legs of all cross accounts, sorted by account: each at an index of the arrays.

    `value` is the signed value at mark (inverse: negative for a long), `cost` its signed cost;
    `rate` and `cum` are those of its bracket; equity without positions is by account in `wallet`.
    """

    account: Ints
    contract: Ints
    value: Floats
    cost: Floats
    rate: Floats
    cum: Floats
    wallet: Floats


class Out(NamedTuple):
    """Accounts that are out: which, in which scenario, in which step."""

    account: Ints
    scenario: Ints
    step: Ints


class Shares(NamedTuple):
    """What is owed: each by a leg, in a scenario, in a step."""

    leg: Ints
    amount: Floats
    scenario: Ints
    step: Ints


class CrossAccounts:
    """Cross accounts on paths of places relative to the mark's, (contracts, steps, scenarios)."""

    def __init__(self, legs: Legs, contracts: int, gap: float = 1.0) -> None:
        count = len(legs.wallet)
        self.legs, self.gap = legs, gap
        self.size, self.side = np.abs(legs.value), 2 * legs.contract + (legs.value < 0)
        cell, shape = (legs.account, legs.contract), (count, contracts)
        sensitivity = legs.value - legs.rate * np.abs(legs.value)
        self.base = legs.wallet - np.bincount(legs.account, legs.cost, count)
        self.margin_base = self.base + np.bincount(legs.account, legs.cum, count)
        graded = np.unique(legs.account[legs.cum > 0])
        equity = sparse.csr_matrix((legs.value, cell), shape)[graded]
        slack = sparse.csr_matrix((sensitivity, cell), shape)
        self.slack = sparse.vstack([slack, equity], format="csr")
        """Of all accounts, then the equity of those that may leave their bracket: what they must
        hold is never less than nothing."""
        self.gains, self.losses = self.slack.maximum(0).tocsr(), self.slack.minimum(0).tocsr()
        self.least = -np.concatenate([self.margin_base, self.base[graded]])[:, None]
        self.whose = np.concatenate([np.arange(count), graded])
        self.begins = np.concatenate([[0], np.cumsum(np.bincount(legs.account, minlength=count))])

    def triggered(self, places: Floats) -> list[Out]:
        """Who is out, where: the first step with equity below maintenance margin, or below zero.

        Of some scenarios after the other, each sorted by account: so few that little memory will do
        for all of their legs.
        """
        scenarios = places.shape[2]
        some = max(1, LEGS // max(1, len(self.legs.account)))
        low, high = np.minimum(places.min(axis=1), 1.0), np.maximum(places.max(axis=1), 1.0)
        return [
            self._triggered(places, low, high, slice(begin, min(begin + some, scenarios)))
            for begin in range(0, scenarios, some)
        ]

    def _triggered(self, places: Floats, low: Floats, high: Floats, some: slice) -> Out:
        contracts, steps, _ = places.shape
        least = np.asarray(self.gains @ low[:, some] + self.losses @ high[:, some])
        rows = np.flatnonzero((least < self.least).any(axis=1))
        part = np.ascontiguousarray(places[:, :, some].transpose(0, 2, 1))
        slack = np.asarray(self.slack[rows] @ part.reshape(contracts, -1))
        below = (slack < self.least[rows]).reshape(len(rows), part.shape[1], steps)
        first = np.where(below.any(axis=2), below.argmax(axis=2), steps)
        found = np.full((len(self.legs.wallet), part.shape[1]), steps)
        accounts = int(np.searchsorted(rows, len(found)))  # behind them, equity of some of these
        found[rows[:accounts]] = first[:accounts]
        graded = self.whose[rows[accounts:]]
        found[graded] = np.minimum(found[graded], first[accounts:])
        account, scenario = np.nonzero(found < steps)
        return Out(account, scenario + some.start, found[account, scenario])

    def legs_of(self, out: Out) -> tuple[Ints, Ints]:
        """The legs of those that are out: which legs, and each of which of them."""
        begins = self.begins[out.account]
        count = self.begins[out.account + 1] - begins
        whose = np.repeat(np.arange(len(count)), count)
        return np.arange(len(whose)) - np.repeat(np.cumsum(count) - count - begins, count), whose

    def sold(self, outs: Sequence[Out], shape: tuple[int, int, int]) -> Floats:
        """What their legs are worth at mark: (contracts, sides, steps, scenarios).

        `shape` is that of the places.
        """
        contracts, steps, scenarios = shape
        found = np.zeros((2 * contracts, steps, scenarios))
        for out in outs:
            if len(out.account):
                leg, whose = self.legs_of(out)
                first = int(out.scenario.min())
                width = int(out.scenario.max()) + 1 - first
                cell = (out.step * width + out.scenario - first)[whose]
                cell += self.side[leg] * (steps * width)
                part = np.bincount(cell, self.size[leg], 2 * contracts * steps * width)
                found[:, :, first : first + width] = part.reshape(-1, steps, width)
        return found.reshape(contracts, 2, steps, scenarios)

    def shares(self, places: Floats, out: Out, shifts: Floats | None = None) -> Shares:
        """What those that are out owe, by contract.

        `shifts` are by how much impact moves the places got: (contracts, sides, steps, scenarios).
        """
        leg, whose = self.legs_of(out)
        contract, cell = self.legs.contract[leg], out.step * places.shape[2] + out.scenario
        places_there, cells = places[0].size, cell[whose]
        place = places.reshape(-1)[contract * places_there + cells]
        got = self._between(places, out, leg, whose, place) if self.gap < 1 else place
        if shifts is not None:
            got = got + shifts.reshape(-1)[self.side[leg] * places_there + cells]
        profit = self.legs.value[leg] * got - self.legs.cost[leg]
        count = len(out.account)
        owed = -(self.legs.wallet[out.account] + np.bincount(whose, profit, count))
        lost = np.flatnonzero((owed > 0)[whose] & (profit < 0))
        whose, profit, leg = whose[lost], -profit[lost], leg[lost]
        total = np.bincount(whose, profit, count)
        return Shares(
            leg, owed[whose] * profit / total[whose], out.scenario[whose], out.step[whose]
        )

    def _between(self, places: Floats, out: Out, leg: Ints, whose: Ints, place: Floats) -> Floats:
        """On the line from the step before: where the margin is passed, and `gap` of the rest."""
        contract, step = self.legs.contract[leg], out.step[whose]
        before = np.where(step > 0, places[contract, step - 1, out.scenario[whose]], 1.0)
        value, count = self.legs.value[leg], len(out.account)
        sensitivity = value - self.legs.rate[leg] * np.abs(value)
        then, now = (
            self.margin_base[out.account] + np.bincount(whose, sensitivity * one, count)
            for one in (before, place)
        )
        fell = (then > 0) & (now < then)
        passed = np.minimum(np.divide(then, then - now, out=np.zeros(count), where=fell), 1.0)
        weight = passed + self.gap * (1 - passed)
        return np.asarray(before + weight[whose] * (place - before))
