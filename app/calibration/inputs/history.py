"""The past prices of all contracts, and the scenarios that are made of them (CAL-7)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import numpy as np

from app.calibration import paths
from app.calibration.figures import Floats
from app.calibration.inputs.book import PositionBook
from app.calibration.losses.model import ContractModel
from app.calibration.paths import Scenarios
from app.jobs.parameters import Parameters

LEAST_ROWS = 250
HOURLY_ROWS = 2160
"""Hours of the largest contract from which on hours are better than days."""
VOLUME_DAYS = 30


class InsufficientHistory(Exception):
    """There are too few rows, or none that can stand for a contract."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


@dataclass(frozen=True, slots=True)
class Closes:
    """Closes of the book's contracts, (times, contracts): not a number where there is none.

    `volume` is what each one trades in 24 hours, the mean of the last 30 days, in the settlement
    asset, or 0; `hours` are those of a step.
    """

    hours: int
    times: tuple[datetime, ...]
    closes: Floats
    volume: Floats
    digest: str


class Proxied(NamedTuple):
    """A contract that takes another's returns where it has none of its own."""

    contract: int
    proxy: int
    multiplier: float
    share: float


class Past(NamedTuple):
    """Returns as of today, (rows, contracts), in logs of prices; and who stands for whom."""

    filtered: paths.Filtered
    plain: Floats
    proxied: tuple[Proxied, ...]


def read(book: PositionBook, prices: Closes, parameters: Parameters) -> Past:
    """Fill the gaps by proxies and bring all to today's volatility."""
    raw = paths.log_returns(prices.closes)
    if len(raw) < LEAST_ROWS:
        detail = f"{len(raw)} rows of prices: at least {LEAST_ROWS} are needed"
        raise InsufficientHistory("insufficient_price_history", detail)
    plain, proxied = _fill(book, raw)
    if parameters.filter == "none":
        return Past(paths.unfiltered(plain), plain, proxied)
    decay = float(parameters.decay_per_day) ** (prices.hours / 24)
    found = paths.filtered(plain, decay, floor=parameters.volatility_floor)
    return Past(found, plain, proxied)


def _fill(book: PositionBook, raw: Floats) -> tuple[Floats, tuple[Proxied, ...]]:
    """Every contract's returns; the longest history of its fund, or of all, fills what it lacks."""
    there = (~np.isnan(raw)).sum(axis=0)
    filled, proxied = raw.copy(), []
    for number, terms in enumerate(book.contracts):
        gaps = np.isnan(raw[:, number])
        if not gaps.any():
            continue
        proxy = _proxy(book, there, number)
        if proxy == number or there[proxy] == 0:
            raise InsufficientHistory(
                "no_price_history", f"{terms.symbol} has no prices and no proxy"
            )
        multiplier = paths.proxy_multiplier(raw[:, number], raw[:, proxy])
        instead = np.nan_to_num(raw[:, proxy])
        filled[:, number] = paths.fill_gaps(raw[:, number], instead, multiplier)
        proxied.append(Proxied(number, proxy, multiplier, float(gaps.mean())))
    return filled, tuple(proxied)


def _proxy(book: PositionBook, there: Floats, contract: int) -> int:
    """The contract of the same fund with the longest history; where none has any, of them all."""
    same = [
        number
        for number, terms in enumerate(book.contracts)
        if terms.fund == book.contracts[contract].fund and number != contract
    ]
    for among in (same, [number for number in range(len(book.contracts)) if number != contract]):
        best = max(among, key=lambda number: (there[number], -number), default=contract)
        if there[best] > there[contract]:
            return best
    return contract


def terms(book: PositionBook, prices: Closes, history: Past) -> list[ContractModel]:
    """Contracts as the model takes them; one without volume turns its open interest over daily."""
    values, step = np.abs(book.values()), prices.hours / 24
    found = []
    for number, one in enumerate(book.contracts):
        here = (book.contract == number) & (book.quantity > 0)
        volume = prices.volume[number] or float(values[here].sum())
        volatility = float(max(history.filtered.now[number], history.filtered.long_run[number]))
        found.append(ContractModel(one.mark, one.inverse, one.fund, volatility, volume * step))
    return found


def signs(book: PositionBook) -> Floats:
    """By contract: how the log of its place moves with that of its price."""
    return np.array([-1.0 if terms.inverse else 1.0 for terms in book.contracts])


def scenarios(
    book: PositionBook, prices: Closes, history: Past, parameters: Parameters
) -> Scenarios:
    """With one step every row of the past once, else as many drawn paths as are asked for."""
    returns = history.filtered.returns * signs(book)
    steps = max(1, parameters.horizon_hours // prices.hours)
    if steps == 1:
        return Scenarios(returns, np.arange(len(returns))[:, None])
    blocks = -(-parameters.scenarios // paths.BLOCK)
    mean = float(parameters.mean_block_steps or steps)
    rows = [
        paths.draw_rows(parameters.seed, block, steps, len(returns), mean)
        for block in range(blocks)
    ]
    return Scenarios(returns, np.concatenate(rows)[: parameters.scenarios])
