"""Scenarios: the joint history of all contracts, made new (CAL-7).

Each hour of the past is divided by the volatility of its time and multiplied by today's, or by the
long-run one if that is larger. Paths are drawn from these hours in blocks, the same hours for all
contracts: what moved together moves together.

Draws come from the raw bits of PCG64, which NumPy guarantees, and each block of scenarios has its
own seed: who works a block out, and when, changes nothing (CAL-11).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.calibration.figures import Floats

Drawn = NDArray[np.int64]

BLOCK = 1000
"""Scenarios that are drawn from one seed."""
WARM_UP = 30
"""Rows whose mean square is the first volatility."""
DEFAULT_PROXY_MULTIPLIER = 1.5
LEAST_COMMON = 60
"""Rows in common from which the multiplier of a proxy is estimated."""


class Filtered(NamedTuple):
    """Log returns by row and contract as they would be today, and the volatilities behind them."""

    returns: Floats
    now: Floats
    long_run: Floats


def log_returns(closes: Floats) -> Floats:
    """Row by row; not a number where either close is missing."""
    return np.asarray(np.diff(np.log(closes), axis=0))


def proxy_multiplier(own: Floats, proxy: Floats) -> float:
    """How much a contract moves for what its proxy moves: at least as much."""
    common = ~(np.isnan(own) | np.isnan(proxy))
    if common.sum() < LEAST_COMMON:
        return DEFAULT_PROXY_MULTIPLIER
    own, proxy = own[common], proxy[common]
    moved = float((proxy**2).sum())
    return max(1.0, float(np.sqrt((own**2).sum() / moved))) if moved else DEFAULT_PROXY_MULTIPLIER


def fill_gaps(own: Floats, proxy: Floats, multiplier: float) -> Floats:
    """A contract's returns, with its proxy's, enlarged, where it has none."""
    return np.where(np.isnan(own), multiplier * proxy, own)


def volatilities(returns: Floats, decay: float) -> tuple[Floats, Floats]:
    """The volatility expected for each row from the rows before it, and for the next (EWMA)."""
    variance = np.empty((len(returns) + 1, returns.shape[1]))
    variance[0] = (returns[:WARM_UP] ** 2).mean(axis=0)
    squares = (1 - decay) * returns**2
    for row, square in enumerate(squares):
        variance[row + 1] = decay * variance[row] + square
    deviation = np.sqrt(variance)
    return deviation[:-1], deviation[-1]


def filtered(returns: Floats, decay: float, *, floor: bool = True) -> Filtered:
    """Past returns at today's volatility, or with a `floor` at the long-run one if it is larger.

    `decay` is per row: 0.97 a day is 0.97 ** (1/24) an hour.
    """
    past, now = volatilities(returns, decay)
    long_run = np.sqrt((returns**2).mean(axis=0))
    today = np.maximum(now, long_run) if floor else now
    standard = np.divide(returns, past, out=np.zeros_like(returns), where=past > 0)
    return Filtered(standard * today, now, long_run)


def unfiltered(returns: Floats) -> Filtered:
    """The past as it was: plain historical simulation."""
    long_run = np.sqrt((returns**2).mean(axis=0))
    return Filtered(returns, long_run, long_run)


def uniforms(seed: int, block: int, count: int) -> Floats:
    """Numbers from 0 to below 1 out of the raw bits of a block's own generator."""
    source = np.random.PCG64(np.random.SeedSequence(entropy=seed, spawn_key=(block,)))
    raw = np.asarray(source.random_raw(count), dtype=np.uint64)
    return np.asarray((raw >> np.uint64(11)).astype(np.float64) * 2.0**-53)


def draw_rows(seed: int, block: int, steps: int, rows: int, mean_block: float) -> Drawn:
    """Which row each step of a block's scenarios takes: (BLOCK, steps) (Politis and Romano 1994).

    A path goes on with the row that follows, the first after the last; with probability
    1 / `mean_block` it jumps to any.
    """
    chance = uniforms(seed, block, 2 * BLOCK * steps).reshape(2, BLOCK, steps)
    start = np.minimum((chance[0] * rows).astype(np.int64), rows - 1)
    jumps = chance[1] < 1 / mean_block
    jumps[:, 0] = True
    step = np.arange(steps)
    jumped = np.maximum.accumulate(np.where(jumps, step, 0), axis=1)
    found: Drawn = (np.take_along_axis(start, jumped, axis=1) + (step - jumped)) % rows
    return found


class Paths(NamedTuple):
    """Some scenarios: which row of `returns` each step takes, (steps, scenarios)."""

    returns: Floats
    rows: Drawn

    def logs(self, contract: int) -> Floats:
        """(steps, scenarios) of a contract, since the beginning, in logs of its place.

        A step is a row, so that all that is done with it runs along memory.
        """
        return np.asarray(np.cumsum(self.returns[:, contract][self.rows], axis=0))


class Scenarios(NamedTuple):
    """`returns` by row and contract, as logs of places; which `rows` each scenario takes.

    A contract's returns are best side by side in memory: `numpy.asfortranarray`.
    """

    returns: Floats
    rows: Drawn

    def paths(self, some: NDArray[np.int64]) -> Paths:
        """Those of some scenarios."""
        return Paths(self.returns, np.ascontiguousarray(self.rows[some].T))

    def logs(self, contract: int, some: NDArray[np.int64]) -> Floats:
        """(steps, scenarios) of a contract."""
        return self.paths(some).logs(contract)
