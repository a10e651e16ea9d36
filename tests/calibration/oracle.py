"""Losses scope by scope and step by step, as the rules say them: what the fast ones are held to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.calibration.figures import Floats, Ints
from app.calibration.losses.cross import Legs
from app.calibration.losses.lines import Axis
from app.calibration.losses.model import SIGNS, Model
from app.calibration.losses.steps import Impact, Lines


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


class Whole:
    """All positions of a model along one path, step by step: what is sold together moves a price.

    Scopes with one position are of contract and side, as the model has them; places are relative.
    """

    def __init__(self, model: Model, legs: Legs, gap: float) -> None:
        self.model, self.legs, self.gap = model, legs, gap

    def losses(self, logs: Floats) -> Floats:
        """By contract, of one path (contracts, steps)."""
        model, legs = self.model, self.legs
        found = np.zeros(len(logs))
        alone = [[np.ones(len(side.lines.triggers), bool) for side in pair] for pair in model.sides]
        inside = np.ones(len(legs.wallet), bool)
        before = np.zeros(len(logs))
        for now in logs.T:
            out = [n for n in range(len(inside)) if inside[n] and self._at_risk(n, now)]
            which = np.isin(legs.account, out)
            worse = np.zeros((len(logs), 2))
            hit = [[self._hit(n, s, now[n]) & alone[n][s] for s in (0, 1)] for n in range(len(now))]
            for n, pair in enumerate(model.sides):
                for s, side in enumerate(pair):
                    impact = model.impacts[n]
                    mine = which & (legs.contract == n) & ((legs.value < 0) == bool(s))
                    sold = np.diff(side.lines.notionals)[hit[n][s]].sum()
                    sold += np.abs(legs.value[mine]).sum()
                    worse[n, s] = 0 if impact is None else impact(np.array([sold]))[0]
                    found[n] += self._lost(side.lines, SIGNS[s] * now[n] + worse[n, s], hit[n][s])
                    alone[n][s] &= ~hit[n][s]
            for account in out:
                self._out(account, np.exp(before), np.exp(now), worse, found)
                inside[account] = False
            before = now
        return found

    def _hit(self, contract: int, side: int, log: float) -> NDArray[np.bool_]:
        return np.asarray(self.model.sides[contract][side].lines.triggers < SIGNS[side] * log)

    def _lost(self, lines: Lines, move: float, out: NDArray[np.bool_]) -> float:
        """Kinks and slopes are what a gap makes of them."""
        place = lines.axis.place(np.array([move]))[0]
        lost = np.where(lines.slopes > 0, lines.slopes * (place - lines.places), 0.0)
        return float(np.maximum(lost, 0)[out].sum())

    def _account(self, account: int, place: Floats) -> tuple[float, float, Floats, Ints]:
        """Equity, equity less margin, profits of the legs, and the legs."""
        mine = np.flatnonzero(self.legs.account == account)
        at = place[self.legs.contract[mine]]
        profit = self.legs.value[mine] * at - self.legs.cost[mine]
        margin = self.legs.rate[mine] * np.abs(self.legs.value[mine]) * at - self.legs.cum[mine]
        equity = float(self.legs.wallet[account] + profit.sum())
        return equity, equity - float(margin.sum()), profit, mine

    def _at_risk(self, account: int, log: Floats) -> bool:
        equity, slack, _, _ = self._account(account, np.exp(log))
        return slack < 0 or equity < 0

    def _out(
        self, account: int, before: Floats, place: Floats, worse: Floats, found: Floats
    ) -> None:
        _, then, _, mine = self._account(account, before)
        _, now, _, _ = self._account(account, place)
        passed = min(1.0, then / (then - now)) if then > 0 and now < then else 0.0
        value, contract = self.legs.value[mine], self.legs.contract[mine]
        step = (place - before)[contract]
        got = before[contract] + (passed + self.gap * (1 - passed)) * step
        moved = np.where(value > 0, -worse[contract, 0], worse[contract, 1])
        got = got + self.gap * place[contract] * np.expm1(moved)
        profit = value * got - self.legs.cost[mine]
        owed = max(0.0, -(self.legs.wallet[account] + float(profit.sum())))
        losses = np.maximum(-profit, 0)
        if owed:
            np.add.at(found, contract, owed * losses / losses.sum())
