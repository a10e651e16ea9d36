"""All of an asset's positions, ready for paths: exact losses, and bounds that nothing exceeds.

Paths are told as logs of places relative to the mark's: of the price, or of its inverse for an
inverse contract, (contracts, steps, scenarios). A contract has two sides: 0 loses where the place
falls (linear longs, inverse shorts), 1 where it rises.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.calibration.figures import Floats, places_of
from app.calibration.losses.cross import CrossAccounts, Legs, Shares
from app.calibration.losses.lines import Axis, Scopes, bankruptcy, trigger
from app.calibration.losses.steps import Bound, Impact, Lines

GRID = 2048
"""Points to a log move of 1 at which the bounds of a side are worked out."""
SIGNS = (-1.0, 1.0)
"""Of the sides: in which direction of the place they lose."""


class ContractModel(NamedTuple):
    """A contract: mark, whether it is inverse, whose fund; volatility and volume of a step."""

    mark: float
    inverse: bool
    fund: int
    volatility: float
    volume: float


class SideBook:
    """One side of a contract: lines of the scopes with one position, and bounds of all."""

    def __init__(
        self, axis: Axis, scopes: Scopes, legs: SideLegs, *, inverse: bool, gap: float
    ) -> None:
        long = (axis.sign > 0) == inverse
        self.lines = Lines(
            axis,
            slope=scopes.quantity,
            trigger=trigger(scopes, long=long, inverse=inverse),
            kink=bankruptcy(scopes, long=long, inverse=inverse),
            notional=scopes.quantity * axis.scale,
            rate=scopes.rate,
            cum=scopes.cum,
            gap=gap,
        )
        self.notional = float(legs.size.sum())
        relative, mixed = Axis(axis.sign, 1.0), legs.mixed
        with_own, without = axis.sign + legs.own / legs.size, axis.sign + legs.profit / legs.size
        self.certain = (
            Bound(axis, self.lines.slopes, self.lines.places),
            Bound(relative, legs.size[~mixed], with_own[~mixed]),
        )
        self.mixed = Bound(relative, legs.size[mixed], with_own[mixed])
        self.loose = Bound(relative, legs.size[mixed], without[mixed])

    def bounds(self, extreme: Floats, impact: Impact | None) -> Floats:
        """What no path to an adverse move costs more than: (3, scenarios), as `Model.bounds`."""
        extreme = self._got(extreme, impact)
        alone, legs = self.certain
        return np.array([alone(extreme) + legs(extreme), self.mixed(extreme), self.loose(extreme)])

    def tighter(self, moves: Floats, impact: Impact | None) -> Floats:
        """The same of whole paths, with what scopes with one position cost by them."""
        extreme = self._got(np.maximum(moves.max(axis=0), 0.0), impact)
        also = None if impact is None else np.full(moves.shape, self.notional)
        alone = self.lines.losses(moves, impact, also)
        legs = self.certain[1](extreme)
        return np.array([alone + legs, self.mixed(extreme), self.loose(extreme)])

    def _got(self, extreme: Floats, impact: Impact | None) -> Floats:
        """The worst price on the way to an extreme: all that may be, sold in one step."""
        if impact is None:
            return extreme
        sold = self.lines.upto(extreme) + self.notional
        return np.asarray(extreme + impact(sold))


def _at_most(side: SideBook, extreme: Floats, impact: Impact | None) -> Floats:
    """Its bounds, a little higher: at the next of so few moves that each is worked out once."""
    point = np.ceil(extreme * GRID).astype(np.int64)
    return side.bounds(np.arange(point.max(initial=0) + 1) / GRID, impact)[:, point]


class Ends(NamedTuple):
    """Of many paths of a contract: how far down and up each goes, both from 0; its last move."""

    low: Floats
    high: Floats
    last: Floats

    @classmethod
    def of(cls, logs: Floats) -> Ends:
        """Of paths (steps, scenarios)."""
        low, high = (np.maximum(one, 0.0) for one in (-logs.min(axis=0), logs.max(axis=0)))
        return cls(low, high, logs[-1])


class SideLegs(NamedTuple):
    """Legs of cross accounts on one side: unsigned value at mark, profit, equity counted on.

    `mixed` says whose account has legs of several funds.
    """

    size: Floats
    profit: Floats
    own: Floats
    mixed: NDArray[np.bool_]


class Model:
    """An asset's contracts with all positions in them."""

    def __init__(
        self,
        terms: Sequence[ContractModel],
        scopes: Sequence[tuple[Scopes, Scopes]],
        legs: Legs,
        *,
        inventory: Floats | None = None,
        gap: float,
        impact_factor: float,
        impact_cap: float,
    ) -> None:
        """`scopes` are those with one position, by contract: longs and shorts.

        `inventory` is what the funds hold, by contract: its signed value at mark.
        """
        self.funds = np.array([one.fund for one in terms])
        self.inventory = np.zeros(len(terms)) if inventory is None else inventory
        self.cross = CrossAccounts(legs, len(terms), gap)
        self.impacts = impacts(terms, impact_factor, impact_cap)
        own, mixed = _own_equity(legs), _mixed(legs, self.funds)
        here = places_of(2 * legs.contract + (legs.value < 0), 2 * len(terms))
        self.sides: list[tuple[SideBook, SideBook]] = []
        for number, one in enumerate(terms):
            pair = []
            for sign in SIGNS:
                long = (sign < 0) != one.inverse
                these = here[2 * number + (sign > 0)]
                some = SideLegs(
                    np.abs(legs.value[these]),
                    legs.value[these] - legs.cost[these],
                    own[these],
                    mixed[these],
                )
                axis = Axis.of(one.mark, long=long, inverse=one.inverse)
                chosen = scopes[number][0 if long else 1]
                pair.append(SideBook(axis, chosen, some, inverse=one.inverse, gap=gap))
            self.sides.append((pair[0], pair[1]))

    def bounds(self, contract: int, ends: Ends) -> Floats:
        """What no path of a contract costs more than, by its extremes alone: (3, scenarios).

        The three: what its fund may lose by all but accounts with legs of several funds; what all
        funds together may lose by those; what its own fund may.
        """
        falls, rises = self.sides[contract]
        impact = self.impacts[contract]
        found = _at_most(falls, ends.low, impact) + _at_most(rises, ends.high, impact)
        found[0] += self.held(contract, ends.last)
        return found

    def tighter(self, contract: int, logs: Floats) -> Floats:
        """The same, less of it, by whole paths."""
        falls, rises = self.sides[contract]
        impact = self.impacts[contract]
        found = falls.tighter(-logs, impact) + rises.tighter(logs, impact)
        found[0] += self.held(contract, logs[-1])
        return found

    def held(self, contract: int, last: Floats) -> Floats:
        """What the fund loses by its inventory, held to the end of each path; no gains (CAL-2)."""
        value, impact = self.inventory[contract], self.impacts[contract]
        if not value:
            return np.zeros(len(last))
        worse = 0.0 if impact is None else impact(np.abs(value[None]))[0]
        return np.asarray(np.maximum(-value * np.expm1(last - worse * np.sign(value)), 0.0))

    def losses(
        self,
        logs: Floats,
        only: NDArray[np.bool_] | None = None,
        bankrupt: Floats | None = None,
    ) -> Floats:
        """Exactly, by contract and scenario (CAL-2), without inventory.

        With `only`, what those cost who are out in these steps. To `bankrupt`, of the same shape,
        is added what the positions that are lost by are worth at mark.
        """
        places = np.exp(logs)
        outs = self.cross.triggered(places)
        also = self.cross.sold(outs, logs.shape)
        found, shifts = np.zeros(logs.shape[::2]), np.zeros(also.shape)
        for contract, number in product(range(len(logs)), range(2)):
            lines, impact = self.sides[contract][number].lines, self.impacts[contract]
            moves, besides = SIGNS[number] * logs[contract], also[contract, number]
            lost = None if bankrupt is None else bankrupt[contract]
            found[contract] += lines.losses(moves, impact, besides, only, lost)
            if impact is not None:
                here = np.nonzero(besides)
                worse = SIGNS[number] * impact(lines.sold(moves, besides, *here))
                shifts[contract, number][here] = places[contract][here] * np.expm1(worse)
        shifts *= self.cross.gap
        for out in outs:
            self._charge(self.cross.shares(places, out, shifts), only, found, bankrupt)
        return found

    def all_losses(self, logs: Floats, bankrupt: Floats | None = None) -> Floats:
        """With inventory, held to the end of each path."""
        found = self.losses(logs, bankrupt=bankrupt)
        for contract, one in enumerate(logs):
            found[contract] += self.held(contract, one[-1])
        return found

    def _charge(
        self,
        shares: Shares,
        only: NDArray[np.bool_] | None,
        found: Floats,
        bankrupt: Floats | None,
    ) -> None:
        """Add what cross accounts owe to `found`, and what they are bankrupt with."""
        chosen = slice(None) if only is None else only[shares.step]
        leg, amount = shares.leg[chosen], shares.amount[chosen]
        cell = self.cross.legs.contract[leg] * found.shape[1] + shares.scenario[chosen]
        found += np.bincount(cell, amount, found.size).reshape(found.shape)
        if bankrupt is not None:
            worth = np.where(amount > 0, self.cross.size[leg], 0.0)
            bankrupt += np.bincount(cell, worth, found.size).reshape(found.shape)


def impacts(terms: Sequence[ContractModel], factor: float, cap: float) -> list[Impact | None]:
    """By contract; None: what is sold moves no price."""
    return [
        Impact(factor * one.volatility, one.volume, cap) if factor and one.volume else None
        for one in terms
    ]


def _own_equity(legs: Legs) -> Floats:
    """The part of its account's equity that a leg counts on, by its size: they add up to all."""
    count = len(legs.wallet)
    equity = legs.wallet + np.bincount(legs.account, legs.value - legs.cost, count)
    size = np.abs(legs.value)
    gross = np.bincount(legs.account, size, count)
    return np.asarray((equity / np.maximum(gross, 1e-300))[legs.account] * size)


def _mixed(legs: Legs, funds: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which legs are of accounts that have legs of several funds."""
    fund, count = funds[legs.contract], len(legs.wallet)
    low, high = np.full(count, len(funds)), np.full(count, -1)
    np.minimum.at(low, legs.account, fund)
    np.maximum.at(high, legs.account, fund)
    return np.asarray((low < high)[legs.account])
