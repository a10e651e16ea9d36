"""A calibration as the rules say it, scope by scope and hour by hour: nothing of it is shared.

Plain numbers and loops, from the rules alone (CAL-1 to CAL-10); what a book, its prices and its
scenarios are is all that it knows of the other one. A price is told by its *place*: itself, or for
an inverse contract its inverse; a position is worth `unit` x place, signed so that profit is worth
less cost.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, floor, isnan, log, log1p, sqrt
from statistics import median

import numpy as np

from app.calibration.inputs.book import PositionBook
from app.calibration.inputs.history import Closes
from app.catalogue.stress import Crash
from app.jobs.parameters import Parameters

Table = list[list[float]]
Gaps = Callable[[int], float]


@dataclass
class Leg:
    """A position."""

    account: int
    contract: int
    unit: float
    cost: float
    rate: float
    cum: float
    mark: float

    @property
    def notional(self) -> float:
        return abs(self.unit) * self.mark


@dataclass
class Scope:
    """What is liquidated together."""

    wallet: float
    legs: list[Leg]

    def equity(self, places: Sequence[float]) -> float:
        return self.wallet + sum(leg.unit * places[leg.contract] - leg.cost for leg in self.legs)

    def slack(self, places: Sequence[float]) -> float:
        margin = sum(leg.rate * abs(leg.unit) * places[leg.contract] - leg.cum for leg in self.legs)
        return self.equity(places) - margin


class Naive:
    """A book and its past."""

    def __init__(
        self, book: PositionBook, prices: Closes, parameters: Parameters, crashes: Sequence[Crash]
    ) -> None:
        self.book, self.prices, self.parameters, self.crashes = book, prices, parameters, crashes
        self.contracts = range(len(book.contracts))
        self.marks = [1 / one.mark if one.inverse else one.mark for one in book.contracts]
        self.scopes = self._scopes()
        self.held = [self._worth(c, book.inventory[c]) for c in self.contracts]
        self.returns = self._returns()
        self._volatilities()

    def _worth(self, contract: int, quantity: float) -> float:
        """Signed, at mark."""
        terms = self.book.contracts[contract]
        units = float(quantity) * terms.size
        return -units / terms.mark if terms.inverse else units * terms.mark

    def _scopes(self) -> list[Scope]:
        """Each isolated position, and each account's cross positions together."""
        book, found, cross = self.book, [], defaultdict(list)
        for row in range(len(book.quantity)):
            contract = int(book.contract[row])
            value = self._worth(contract, book.quantity[row])
            rate, cum = 0.0, 0.0
            for least, its_rate, its_cum in book.contracts[contract].brackets:
                if abs(value) >= least:
                    rate, cum = float(its_rate), float(its_cum)
            mark = self.marks[contract]
            leg = Leg(
                int(book.account[row]), contract, value / mark, float(book.cost[row]), rate, cum,
                mark,
            )  # fmt: skip
            if isnan(book.wallet[row]):
                cross[leg.account].append(leg)
            else:
                found.append(Scope(float(book.wallet[row]), [leg]))
        return found + [Scope(float(book.cross[one]), legs) for one, legs in cross.items()]

    # CAL-7

    def _returns(self) -> Table:
        """Log returns by row and contract; who has none takes enlarged ones of another."""
        raw = []
        for before, after in zip(self.prices.closes, self.prices.closes[1:], strict=False):
            raw.append([log(b / a) for a, b in zip(before, after, strict=True)])
        rows = [sum(not isnan(row[c]) for row in raw) for c in self.contracts]
        filled = [list(row) for row in raw]
        for contract in self.contracts:
            if rows[contract] < len(raw):
                proxy = self._proxy(contract, rows)
                times = self._times(raw, contract, proxy)
                for row, its in zip(filled, raw, strict=True):
                    if isnan(row[contract]):
                        row[contract] = times * its[proxy]
        return filled

    def _proxy(self, contract: int, rows: Sequence[int]) -> int:
        fund = self.book.contracts[contract].fund
        others = [c for c in self.contracts if c != contract and rows[c] > rows[contract]]
        same = [c for c in others if self.book.contracts[c].fund == fund]
        return max(same or others, key=lambda c: (rows[c], -c))

    @staticmethod
    def _times(raw: Table, contract: int, proxy: int) -> float:
        both = [(r[contract], r[proxy]) for r in raw if not isnan(r[contract] + r[proxy])]
        if len(both) < 60:
            return 1.5
        own, its = sum(a * a for a, _ in both), sum(b * b for _, b in both)
        return max(1.0, sqrt(own / its))

    def _volatilities(self) -> None:
        """Today's scale of each contract, and the past at it."""
        decay = float(self.parameters.decay_per_day) ** (self.prices.hours / 24)
        count = len(self.returns)
        self.scaled = [[0.0] * len(self.contracts) for _ in range(count)]
        self.sigma = []
        for contract in self.contracts:
            own = [row[contract] for row in self.returns]
            long_run = sqrt(sum(r * r for r in own) / count)
            if self.parameters.filter == "none":
                self.sigma.append(long_run)
                for row in range(count):
                    self.scaled[row][contract] = own[row]
                continue
            variance, standard = sum(r * r for r in own[:30]) / 30, []
            for move in own:
                standard.append(move / sqrt(variance))
                variance = decay * variance + (1 - decay) * move * move
            now = sqrt(variance)
            self.sigma.append(max(now, long_run))
            today = max(now, long_run) if self.parameters.volatility_floor else now
            for row in range(count):
                self.scaled[row][contract] = standard[row] * today

    def drawn(self) -> list[list[int]]:
        """Which rows each scenario takes."""
        rows = len(self.returns)
        steps = -(-self.parameters.horizon_hours // self.prices.hours)
        if steps == 1:
            return [[row] for row in range(rows)]
        mean = self.parameters.mean_block_steps or steps
        found: list[list[int]] = []
        for block in range(-(-self.parameters.scenarios // 1000)):
            seed = np.random.SeedSequence(entropy=self.parameters.seed, spawn_key=(block,))
            raw = [int(one) >> 11 for one in np.random.PCG64(seed).random_raw(2 * 1000 * steps)]
            chance = [one * 2.0**-53 for one in raw]
            for scenario in range(1000):
                path: list[int] = []
                for step in range(steps):
                    place = scenario * steps + step
                    if not step or chance[1000 * steps + place] < 1 / mean:
                        path.append(floor(chance[place] * rows))
                    else:
                        path.append((path[-1] + 1) % rows)
                found.append(path)
        return found[: self.parameters.scenarios]

    def path(self, rows: Sequence[int]) -> Table:
        """Log moves of prices since the beginning, by step and contract."""
        moves, found = [0.0] * len(self.contracts), []
        for row in rows:
            moves = [m + r for m, r in zip(moves, self.scaled[row], strict=True)]
            found.append(moves)
        return found

    # CAL-2 to CAL-6

    def places(self, moves: Sequence[float]) -> list[float]:
        """After log moves of prices."""
        return [
            self.marks[c] * exp(-moves[c] if self.book.contracts[c].inverse else moves[c])
            for c in self.contracts
        ]

    def impact(self, contract: int, notional: float) -> float:
        """By how much the log of a price is worse (CAL-5)."""
        volume = float(self.prices.volume[contract])
        if not volume:
            longs = (leg for s in self.scopes for leg in s.legs if leg.contract == contract)
            volume = sum(one.notional for one in longs if self._is_long(one))
        volume *= self.prices.hours / 24
        if not volume or not self.parameters.impact_factor:
            return 0.0
        root = sqrt(notional / volume)
        cap, factor = float(self.parameters.impact_cap), float(self.parameters.impact_factor)
        return min(cap, factor * self.sigma[contract] * root)

    def _is_long(self, leg: Leg) -> bool:
        return (leg.unit > 0) != self.book.contracts[leg.contract].inverse

    def losses(self, path: Table, gaps: Gaps) -> list[float]:
        """By fund, of one path of log moves."""
        found, there = [0.0] * len(self.book.funds), list(self.scopes)
        before = self.marks
        for step, moves in enumerate(path):
            places = self.places(moves)
            out = [scope for scope in there if scope.slack(places) < 0]
            sold: dict[tuple[int, bool], float] = defaultdict(float)
            for leg in (leg for scope in out for leg in scope.legs):
                sold[leg.contract, leg.unit > 0] += leg.notional
            for scope in out:
                self._charge(found, scope, before, places, gaps(step), sold)
            there = [scope for scope in there if scope not in out]
            before = places
        for contract in self.contracts:
            fund = self.book.contracts[contract].fund
            found[fund] += self._inventory(contract, path[-1])
        return found

    def _inventory(self, contract: int, moves: Sequence[float]) -> float:
        value = self.held[contract]
        if not value:
            return 0.0
        end = self.places(moves)[contract] / self.marks[contract]
        worse = self.impact(contract, abs(value))
        end *= exp(-worse) if value > 0 else exp(worse)
        return max(0.0, value - value * end)

    def _charge(
        self, found: list[float], scope: Scope, before: Sequence[float], now: Sequence[float],
        gap: float, sold: dict[tuple[int, bool], float],
    ) -> None:  # fmt: skip
        """A scope is out: what it lacks is charged by the losses of its legs (LIQ-3)."""
        together = len(scope.legs) > 1
        weight = self._weight(scope, before, now, gap) if together else gap
        profits = []
        for leg in scope.legs:
            place = now[leg.contract]
            worse = self.impact(leg.contract, sold[leg.contract, leg.unit > 0])
            reached = place * exp(-worse if leg.unit > 0 else worse)
            begin = before[leg.contract] if together else self._begin(scope.wallet, leg)
            got = begin + weight * (place - begin) + gap * (reached - place)
            profits.append(leg.unit * got - leg.cost)
        self._split(found, scope, profits)

    @staticmethod
    def _weight(scope: Scope, before: Sequence[float], now: Sequence[float], gap: float) -> float:
        """How far on the line between two prices: to where the margin is passed, and `gap` of the
        rest (CAL-4)."""
        then, after = scope.slack(before), scope.slack(now)
        passed = then / (then - after) if then > 0 else 0.0
        return passed + gap * (1 - passed)

    def _split(self, found: list[float], scope: Scope, profits: Sequence[float]) -> None:
        owed = max(0.0, -(scope.wallet + sum(profits)))
        lost = [max(0.0, -one) for one in profits]
        for leg, loss in zip(scope.legs, lost, strict=True):
            if owed:
                found[self.book.contracts[leg.contract].fund] += owed * loss / sum(lost)

    @staticmethod
    def _begin(wallet: float, leg: Leg) -> float:
        """Where a single position's equity is its margin, or the mark if that is beyond it."""
        risk = leg.unit - leg.rate * abs(leg.unit)
        trigger = (leg.cost - wallet - leg.cum) / risk
        return min(trigger, leg.mark) if leg.unit > 0 else max(trigger, leg.mark)

    # CAL-9, CAL-10

    def crash_path(self, crash: Crash, times: float) -> Table:
        """11 even steps, the worst hour, 12 even steps; `times` as large in logs."""
        each = []
        for terms in self.book.contracts:
            fall = crash.falls.get(terms.base_asset)
            unlike = ("BTC", "ETH", "LUNA", "UST", "FTT")
            others = [one for asset, one in crash.falls.items() if asset not in unlike]
            hour = fall.hour if fall else median(one.hour for one in others)
            day = fall.day if fall else median(one.day for one in others)
            worst, whole = times * log1p(-float(hour)), times * log1p(-float(day))
            even = (whole - worst) / 23
            each.append([even * (s + 1) if s < 11 else even * s + worst for s in range(24)])
        return [[one[step] for one in each] for step in range(24)]

    def stressed(self) -> dict[str, list[float]]:
        """By scenario and fund."""
        ordinary, hour = float(self.parameters.gap), float(self.parameters.stress_gap)
        found = {}
        for times, name in ((1.0, ""), (-0.5, "-mirrored")):
            for crash in self.crashes:
                path = self.crash_path(crash, times)
                told = self.losses(path, lambda step: hour if step == 11 else ordinary)
                found[crash.scenario_id + name] = told
        for move, name in ((log(0.2), "alone-down"), (log(2.0), "alone-up")):
            worst = [0.0] * len(self.book.funds)
            for contract, terms in enumerate(self.book.contracts):
                if terms.base_asset not in ("BTC", "ETH"):
                    path = [[move if c == contract else 0.0 for c in self.contracts]]
                    lost = self.losses(path, lambda _step: hour)
                    worst = [max(a, b) for a, b in zip(worst, lost, strict=True)]
            found[name] = worst
        return found

    def cover(self) -> list[float]:
        """By fund: its N largest owners in the worst scenario, nothing closed before the end."""
        worst = [0.0] * len(self.book.funds)
        for times in (1.0, -0.5):
            for crash in self.crashes:
                by_owner = self._owners(self.crash_path(crash, times)[-1])
                for fund in range(len(worst)):
                    ordered = sorted((one[fund] for one in by_owner.values()), reverse=True)
                    together = sum(ordered[: self.parameters.cover_n])
                    worst[fund] = max(worst[fund], together)
        return worst

    def _owners(self, moves: Sequence[float]) -> dict[int, list[float]]:
        places = self.places(moves)
        sold: dict[tuple[int, int, bool], float] = defaultdict(float)
        for scope in self.scopes:
            for leg in scope.legs:
                owner = int(self.book.owner[leg.account])
                sold[owner, leg.contract, leg.unit > 0] += leg.notional
        found: dict[int, list[float]] = defaultdict(lambda: [0.0] * len(self.book.funds))
        for scope in self.scopes:
            owner = int(self.book.owner[scope.legs[0].account])
            mine = {(c, up): q for (one, c, up), q in sold.items() if one == owner}
            profits = []
            for leg in scope.legs:
                worse = self.impact(leg.contract, mine[leg.contract, leg.unit > 0])
                got = places[leg.contract] * exp(-worse if leg.unit > 0 else worse)
                profits.append(leg.unit * got - leg.cost)
            self._split(found[owner], scope, profits)
        return found
