"""What paths cost funds: cross accounts with several positions (CAL-6).

An account is triggered in the first step in which its equity is below its maintenance margin, and
out with all legs at that step's prices, moved by the impact of all that is out with them; with a
gap, on the straight line between the two prices of the step, from where its margin was passed. What
it owes is charged to its contracts in proportion to the losses of its legs (LIQ-3).

A leg's value is linear in a place: its price, or its inverse. All legs of a contract share it, long
or short; `value` is what a leg is worth at the mark, signed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import sparse

from app.calibration.figures import Floats, Ints

CHUNK = 10
"""Scenarios of which all accounts are worked out at once."""


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
    """What is owed, by contract and scenario."""

    amount: Floats
    contract: Ints
    scenario: Ints


class CrossAccounts:
    """Cross accounts on paths of places relative to the mark's, (contracts, steps, scenarios)."""

    def __init__(self, legs: Legs, contracts: int, gap: float = 1.0) -> None:
        count = len(legs.wallet)
        self.legs, self.gap = legs, gap
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

    def triggered(self, places: Floats) -> Out:
        """Who is out, where: the first step with equity below maintenance margin, or below zero."""
        contracts, steps, scenarios = places.shape
        low, high = np.minimum(places.min(axis=1), 1.0), np.maximum(places.max(axis=1), 1.0)
        found: list[Out] = []
        for begin in range(0, scenarios, CHUNK):
            some = slice(begin, begin + CHUNK)
            least = np.asarray(self.gains @ low[:, some] + self.losses @ high[:, some])
            rows = np.flatnonzero((least < self.least).any(axis=1))
            part = np.ascontiguousarray(places[:, :, some])
            slack = np.asarray(self.slack[rows] @ part.reshape(contracts, -1))
            below = (slack < self.least[rows]).reshape(len(rows), steps, part.shape[2])
            row, scenario = np.nonzero(below.any(axis=1))
            step = below.argmax(axis=1)[row, scenario]
            found.append(_first(Out(self.whose[rows[row]], scenario + begin, step)))
        return Out(*map(np.concatenate, zip(*found, strict=True)))

    def legs_of(self, out: Out) -> tuple[Ints, Ints]:
        """The legs of those that are out: which legs, and each of which of them."""
        begins = self.begins[out.account]
        count = self.begins[out.account + 1] - begins
        whose = np.repeat(np.arange(len(count)), count)
        return np.arange(len(whose)) - np.repeat(np.cumsum(count) - count - begins, count), whose

    def shares(self, places: Floats, out: Out, worse: Floats | None = None) -> Shares:
        """What those that are out owe, by contract.

        `worse` is by how much the log price of each of their legs is moved by impact.
        """
        leg, whose = self.legs_of(out)
        contract, scenario = self.legs.contract[leg], out.scenario[whose]
        value, cost = self.legs.value[leg], self.legs.cost[leg]
        place = places[contract, out.step[whose], scenario]
        got = self._between(places, out, leg, whose, place) if self.gap < 1 else place
        if worse is not None:
            got = got + self.gap * place * np.expm1(np.where(value > 0, -worse, worse))
        profit = value * got - cost
        count = len(out.account)
        equity = self.legs.wallet[out.account] + np.bincount(whose, profit, count)
        owed = np.maximum(-equity, 0.0)
        loss = np.maximum(-profit, 0.0)
        total = np.bincount(whose, loss, count)
        part = np.divide(loss, total[whose], out=np.zeros_like(loss), where=total[whose] > 0)
        return Shares(owed[whose] * part, contract, scenario)

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


def _first(out: Out) -> Out:
    """Of each account and scenario the first step, sorted by both."""
    order = np.lexsort((out.step, out.scenario, out.account))
    account, scenario, step = (one[order] for one in out)
    again = (account[1:] == account[:-1]) & (scenario[1:] == scenario[:-1])
    new = np.concatenate([[True], ~again])[: len(account)]
    return Out(account[new], scenario[new], step[new])
