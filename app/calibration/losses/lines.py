"""From a position to a line: how much a fund loses when its scope is out at a price (CAL-2).

A price is told on an *axis* on which adverse is up and the loss is linear. With sign = 1 for linear
shorts and inverse longs, else -1, and scale = mark (linear) or 1 / mark (inverse),

    y = sign x scale x exp(sign x a)          of an adverse log move a from the mark
    linear long: -P     linear short: P     inverse long: 1 / P     inverse short: -1 / P

A scope with one position is a line there: it is out in the first step whose a is beyond its
trigger, and then its fund loses slope x max(0, y - kink).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from app.calibration.figures import Floats


class Axis(NamedTuple):
    """Where prices of one contract stand for one side."""

    sign: float
    scale: float

    @classmethod
    def of(cls, mark: float, *, long: bool, inverse: bool) -> Axis:
        """The axis of a contract's side at its mark."""
        return cls(1.0 if long == inverse else -1.0, 1 / mark if inverse else mark)

    def place(self, adverse: Floats) -> Floats:
        """Where an adverse log move leads."""
        return np.asarray(self.sign * self.scale * np.exp(self.sign * adverse))

    def move(self, place: Floats) -> Floats:
        """The adverse log move that leads there; infinite where no price does."""
        ratio = self.sign * place / self.scale
        found = np.full(len(ratio), np.inf)
        reached = ratio > 0
        found[reached] = self.sign * np.log(ratio[reached])
        return found


class Scopes(NamedTuple):
    """Scopes with one position, of one contract and side, each at an index of all arrays.

    `quantity` is unsigned and x contract size, `cost` too is unsigned, in the settlement asset;
    `rate` and `cum` are those of the bracket that holds the position at mark.
    """

    quantity: Floats
    cost: Floats
    wallet: Floats
    rate: Floats
    cum: Floats


def bankruptcy(scopes: Scopes, *, long: bool, inverse: bool) -> Floats:
    """Where nothing of a scope's equity is left."""
    side = 1.0 if long else -1.0
    if inverse:
        return np.asarray(side * (scopes.cost + side * scopes.wallet) / scopes.quantity)
    return np.asarray(-side * (scopes.cost - side * scopes.wallet) / scopes.quantity)


def trigger(scopes: Scopes, *, long: bool, inverse: bool) -> Floats:
    """Where a scope's equity is its maintenance margin, at the latest where nothing of it is left.

    A large position that loses value leaves its bracket, and never has less than nothing to hold.
    """
    side = 1.0 if long else -1.0
    kink, cum = bankruptcy(scopes, long=long, inverse=inverse), scopes.cum / scopes.quantity
    rate = side * scopes.rate
    found = (kink + cum) / ((1 + rate) if inverse else (1 - rate))
    return np.asarray(np.minimum(found, kink))
