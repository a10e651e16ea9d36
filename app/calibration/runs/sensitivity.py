"""What the quantile would be with one assumption changed (CAL-13).

On the first of the run's scenarios only, each way with the same ones: to be compared with what
these few give unchanged, not with the run's own quantile.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from dataclasses import replace
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from app.calibration import figures, paths
from app.calibration.inputs import history
from app.calibration.losses.model import Model, impacts
from app.calibration.runs.search import Map, Search, Tasks
from app.calibration.runs.setup import Run, model
from app.jobs.parameters import Parameters

LEAST, PART = 2000, 50
"""Drawn scenarios: at least so many (or all), and one of so many."""
BATCH = 50
"""Of so few scenarios only the largest few losses are looked for."""


class Changed(NamedTuple):
    """A fund's quantile with one assumption changed, and unchanged on the same scenarios."""

    name: str
    value: str
    quantile: float
    unchanged: float
    scenarios: int


class Change(NamedTuple):
    """An assumption, changed: a parameter's name and value, or who is out when."""

    name: str
    value: str


HALF_GAP = Change("gap", "0.5")
NO_IMPACT = Change("impact_factor", "0")
NO_FILTER = Change("filter", "none")
NO_MARGIN = Change("trigger", "bankruptcy")
"""Nobody is out before his equity is gone: what partial liquidation may cost at most."""


def sensitivity(run: Run, base: Model, each: Map = map) -> list[list[Changed]]:
    """By fund: each assumption that the run did not make anyway."""
    count = len(run.scenarios.rows)
    if run.steps > 1:  # drawn: any first ones are a sample; single steps come as the past did
        count = min(count, max(LEAST, count // PART))
    scenarios = run.scenarios._replace(rows=run.scenarios.rows[:count])
    # Processes get no more than they need; read-only mappings do not even travel.
    prices = replace(run.prices, closes=run.prices.closes[:0])
    few = run._replace(scenarios=scenarios, prices=prices, events=(), disabled={}, in_force={})
    ways = Ways(few, base)
    changes = list(_changes(run.parameters))
    unchanged, *quantiles = each(ways.quantiles, [None, *changes])
    return [
        [
            Changed(*change, found[fund], unchanged[fund], count)
            for change, found in zip(changes, quantiles, strict=True)
        ]
        for fund in range(len(run.book.funds))
    ]


def _changes(parameters: Parameters) -> Iterator[Change]:
    if parameters.gap != Decimal(HALF_GAP.value):
        yield HALF_GAP
    if parameters.impact_factor:
        yield NO_IMPACT
    if parameters.filter != NO_FILTER.value:
        yield NO_FILTER
    yield NO_MARGIN


class Ways(NamedTuple):
    """A run of few scenarios with the model that it is made with: each change is a task."""

    run: Run
    base: Model

    def quantiles(self, change: Change | None) -> list[float]:
        """By fund, with one change, or none."""
        run, some = self._changed(change)
        level, count, funds = run.parameters.level, len(run.scenarios.rows), len(run.book.funds)
        search = Search(Tasks(some, run.scenarios, funds), batch=BATCH)
        needed = count - int(level * (count - 1))
        return [
            figures.linear_from_top(search.largest(fund, needed), count, level)
            for fund in range(funds)
        ]

    def _changed(self, change: Change | None) -> tuple[Run, Model]:
        run = self.run
        if change == HALF_GAP:
            return run, model(run, Decimal(HALF_GAP.value))
        if change == NO_MARGIN:
            return run, model(run, run.parameters.gap, at_bankruptcy=True)
        if change == NO_FILTER:
            run = _unfiltered(run)
        factor = 0.0 if change == NO_IMPACT else float(run.parameters.impact_factor)
        other = copy(self.base)
        other.impacts = impacts(run.terms, factor, float(run.parameters.impact_cap))
        return run, other


def _unfiltered(run: Run) -> Run:
    """The same hours as they were."""
    past = run.history._replace(filtered=paths.unfiltered(run.history.plain))
    returns = np.asfortranarray(run.history.plain * history.signs(run.book))
    return run._replace(
        history=past,
        terms=history.terms(run.book, run.prices, past),
        scenarios=run.scenarios._replace(returns=returns),
    )
