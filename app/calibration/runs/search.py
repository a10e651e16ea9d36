"""Only what matters is worked out exactly, and it is exact (CAL-11).

What no scenario exceeds is known of all of them for little. Taken by that bound, the largest first,
a bound is replaced by a tighter one and that by the loss itself; once the k-th largest loss is not
below the bound of all that are left, the k largest are known. So are the quantile, its bands and
the tail, as if every scenario had been worked out.

A task is a pure function of the model, the scenarios and a part of them, and which parts there are
hangs on nothing but the bounds: whoever works a task out, the figures are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.calibration.figures import Floats
from app.calibration.losses.model import Ends, Model
from app.calibration.paths import BLOCK, Scenarios

CELL = 50
"""Contracts whose bounds are summed up together, so that a sum is the same whoever makes it."""
SPAN = 10 * BLOCK
"""Scenarios whose bounds one task works out."""
BATCH = 300
"""Scenarios between two looks at whether it is enough; how many they are changes no figure."""
PART = 50
"""Scenarios that one task works out."""

UNKNOWN, TIGHT, EXACT = 0, 1, 2

Map = Callable[[Callable[..., Any], Iterable[Any]], Iterable[Any]]
"""Applies a function to tasks, in their order; who does it does not matter."""


class Tasks(NamedTuple):
    """What tasks are made of; whoever has it works any of them out."""

    model: Model
    scenarios: Scenarios
    funds: int

    def bound_part(self, task: tuple[int, int, int, int]) -> Floats:
        """First bounds of some scenarios, of a cell's contracts: (2 x funds + 1, scenarios)."""
        first, last, cell, end = task
        begins = range(first, last, BLOCK)  # so few at once that all of it stays in the cache
        parts = [np.arange(begin, min(begin + BLOCK, last)) for begin in begins]
        paths = [self.scenarios.paths(some) for some in parts]
        found = np.zeros((2 * self.funds + 1, last - first))
        for contract in range(cell, end):
            ends = [Ends.of(one.logs(contract)) for one in paths]
            joined = Ends(*map(np.concatenate, zip(*ends, strict=True)))
            self._add(found, contract, self.model.bounds(contract, joined))
        return found

    def tight_part(self, some: NDArray[np.int64]) -> Floats:
        """Tighter bounds: (funds, scenarios)."""
        found, paths = np.zeros((2 * self.funds + 1, len(some))), self.scenarios.paths(some)
        for contract in range(len(self.model.funds)):
            self._add(found, contract, self.model.tighter(contract, paths.logs(contract)))
        return self.joined(found)

    def exact_part(self, some: NDArray[np.int64]) -> Floats:
        """Losses, and what is worth at mark that is lost by: (2, funds, scenarios)."""
        bankrupt = np.zeros((len(self.model.funds), len(some)))
        found = np.zeros((2, self.funds, len(some)))
        np.add.at(found[0], self.model.funds, self.by_contract(some, bankrupt))
        np.add.at(found[1], self.model.funds, bankrupt)
        return found

    def by_contract(self, some: NDArray[np.int64], bankrupt: Floats | None = None) -> Floats:
        """Losses with those by inventory: (contracts, scenarios)."""
        contracts, paths = range(len(self.model.funds)), self.scenarios.paths(some)
        logs = np.array([paths.logs(contract) for contract in contracts])
        return self.model.all_losses(logs, bankrupt)

    def _add(self, found: Floats, contract: int, part: Floats) -> None:
        certain, mixed, loose = part
        fund = int(self.model.funds[contract])
        found[fund] += certain
        found[self.funds + fund] += loose
        found[-1] += mixed

    def joined(self, found: Floats) -> Floats:
        """By fund, of what `bound_part` tells apart."""
        certain, loose, mixed = found[: self.funds], found[self.funds : -1], found[-1]
        return np.asarray(certain + np.minimum(loose, mixed))


class Search:
    """The losses of an asset's funds in all scenarios, as far as they are asked for."""

    def __init__(self, tasks: Tasks, each: Map = map, batch: int = BATCH) -> None:
        self.tasks, self.each, self.batch = tasks, each, batch
        count = len(tasks.scenarios.rows)
        self.stage = np.zeros(count, np.int8)
        self.losses = np.full((tasks.funds, count), np.nan)
        self.bankrupt = np.full((tasks.funds, count), np.nan)
        self.bounds = np.concatenate([*self._first_bounds(count)], axis=1)

    def _first_bounds(self, count: int) -> Iterator[Floats]:
        contracts = len(self.tasks.model.funds)
        cells = range(0, contracts, CELL)
        spans = range(0, count, SPAN)
        parts = [
            (first, min(first + SPAN, count), cell, min(cell + CELL, contracts))
            for first in spans
            for cell in cells
        ]
        found = iter(self.each(self.tasks.bound_part, parts))
        for _ in spans:
            total = next(found)
            for _ in cells[1:]:
                total = total + next(found)
            yield self.tasks.joined(total)

    def largest(self, fund: int, count: int, among: NDArray[np.bool_] | None = None) -> Floats:
        """The `count` largest losses of a fund, in falling order, `among` some scenarios."""
        chosen = np.ones(len(self.stage), dtype=bool) if among is None else among
        count = min(count, int(chosen.sum()))
        while True:
            left = np.flatnonzero(chosen & (self.stage < EXACT))
            known = np.sort(self.losses[fund, chosen & (self.stage == EXACT)])[::-1]
            if not len(left):
                return known[:count]
            order = np.argsort(-self.bounds[fund, left], kind="stable")[: self.batch]
            batch = left[order]
            if len(known) >= count and known[count - 1] >= self.bounds[fund, batch[0]]:
                return known[:count]
            self._refine(batch)

    def worst(self, fund: int, count: int) -> NDArray[np.int64]:
        """The scenarios of the largest losses that are known, in falling order of these."""
        known = np.flatnonzero(self.stage == EXACT)
        return known[np.argsort(-self.losses[fund, known], kind="stable")[:count]]

    def work_out(self, some: NDArray[np.int64]) -> None:
        """Exactly, whatever their bounds are."""
        while len(left := some[self.stage[some] < EXACT]):
            self._refine(left)

    def _refine(self, batch: NDArray[np.int64]) -> None:
        """One stage further, each of them."""
        stage = self.stage[batch]
        for before, task in ((UNKNOWN, self.tasks.tight_part), (TIGHT, self.tasks.exact_part)):
            chosen = batch[stage == before]
            parts = in_parts(chosen)
            for some, found in zip(parts, self.each(task, parts), strict=True):
                if before == TIGHT:
                    self.losses[:, some], self.bankrupt[:, some] = found
                    self.bounds[:, some] = found[0]
                else:
                    self.bounds[:, some] = np.minimum(self.bounds[:, some], found)
            self.stage[chosen] += 1


def in_parts(some: NDArray[np.int64]) -> Sequence[NDArray[np.int64]]:
    """What one task each works out."""
    return [some[begin : begin + PART] for begin in range(0, len(some), PART)]
