"""Losses scope by scope and step by step, as the rules say them: what the fast ones are held to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.calibration.figures import Floats
from app.calibration.losses.cross import Legs
from app.calibration.losses.lines import Axis
from app.calibration.losses.steps import Impact


def alone(
    axis: Axis,
    moves: Floats,
    lines: tuple[Floats, Floats, Floats, Floats],
    gap: float = 1.0,
    impact: Impact | None = None,
) -> Floats:
    """By scenario: scopes with one position. `lines` are slopes, triggers, kinks and notionals.

    Losses, and the notionals of those that lose: (2, scenarios).
    """
    slope, trigger, kink, notional = lines
    found = np.zeros((2, moves.shape[1]))
    begins = np.maximum(trigger, axis.place(np.zeros(1)))
    for scenario in range(moves.shape[1]):
        there = np.ones(len(slope), dtype=bool)
        for move in moves[:, scenario]:
            out = there & (trigger < axis.place(np.array([move])))
            if not out.any():
                continue
            worse = 0.0 if impact is None else impact(np.array([notional[out].sum()]))[0]
            place = axis.place(np.array([move + worse]))[0]
            at = begins[out] + gap * (place - begins[out])
            found[0, scenario] += float((slope[out] * np.maximum(at - kink[out], 0)).sum())
            found[1, scenario] += float(notional[out][at > kink[out]].sum())
            there &= ~out
    return found


def crossed(legs: Legs, places: Floats, gap: float = 1.0) -> Floats:
    """By contract and scenario: cross accounts, one after the other."""
    contracts, _, scenarios = places.shape
    found = np.zeros((contracts, scenarios))
    for scenario in range(scenarios):
        for account, wallet in enumerate(legs.wallet):
            mine = np.flatnonzero(legs.account == account)
            _one(legs, mine, float(wallet), places[:, :, scenario], gap, found[:, scenario])
    return found


def _one(
    legs: Legs, mine: NDArray[np.int64], wallet: float, places: Floats, gap: float, found: Floats
) -> None:
    contract, value, cost = legs.contract[mine], legs.value[mine], legs.cost[mine]

    def slack(place: Floats) -> float:
        margin = legs.rate[mine] * np.abs(value) * place - legs.cum[mine]
        return float(wallet + (value * place - cost - margin).sum())

    before = np.ones(len(mine))
    for place in places[contract].T:
        equity = wallet + float((value * place - cost).sum())
        if slack(place) < 0 or equity < 0:
            then = slack(before)
            passed = min(1.0, then / (then - slack(place))) if then > 0 else 0.0  # at risk at mark
            got = before + (passed + gap * (1 - passed)) * (place - before)
            profit = value * got - cost
            owed, losses = max(0.0, -(wallet + float(profit.sum()))), np.maximum(-profit, 0)
            if owed:
                np.add.at(found, contract, owed * losses / losses.sum())
            return
        before = place
