"""The past prices of all contracts, and the scenarios that are made of them (CAL-7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import numpy as np

from app.calibration import paths
from app.calibration.figures import Floats, Ints
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


class StandIn(NamedTuple):
    """A contract in which nothing is held, which may stand for others: whose `fund`, if the book
    has it."""

    symbol: str
    fund: int | None


@dataclass(frozen=True, slots=True)
class Closes:
    """Closes of the book's contracts, then of `others`: (times, contracts), not a number where
    there is none. From each of the times to the next it is one step, of `hours`.

    `volume` is what each of the book's trades in 24 hours, the mean of the last 30 days, in the
    settlement asset, or 0.
    """

    hours: int
    times: tuple[datetime, ...]
    closes: Floats
    volume: Floats
    digest: str
    others: tuple[StandIn, ...] = ()


class Proxied(NamedTuple):
    """A contract that takes another's returns in a `share` of the rows, for it has none itself."""

    contract: int
    proxy: str
    multiplier: float
    share: float


class Past(NamedTuple):
    """Returns as of today, (rows, contracts), in logs of prices; and who stands for whom.

    `ends` is when the step of each row ends.
    """

    filtered: paths.Filtered
    plain: Floats
    proxied: tuple[Proxied, ...]
    ends: tuple[datetime, ...]


def read(book: PositionBook, prices: Closes, parameters: Parameters) -> Past:
    """Fill the gaps by proxies and bring all to today's volatility.

    A step of which nothing is known, of no contract, is no row.
    """
    raw = paths.log_returns(prices.closes)
    known = np.flatnonzero(~np.isnan(raw).all(axis=1))
    raw, ends = raw[known], tuple(prices.times[row + 1] for row in known)
    if not len(raw):
        raise InsufficientHistory("no_price_history", "no contract has any past prices")
    if len(raw) < LEAST_ROWS:
        detail = f"{len(raw)} rows of prices: at least {LEAST_ROWS} are needed"
        raise InsufficientHistory("insufficient_price_history", detail)
    plain, proxied = _fill(book, prices.others, raw)
    if parameters.filter == "none":
        return Past(paths.unfiltered(plain), plain, proxied, ends)
    decay = float(parameters.decay_per_day) ** (prices.hours / 24)
    found = paths.filtered(plain, decay, floor=parameters.volatility_floor)
    return Past(found, plain, proxied, ends)


def _fill(
    book: PositionBook, others: Sequence[StandIn], raw: Floats
) -> tuple[Floats, tuple[Proxied, ...]]:
    """Every contract's returns; where its proxy has none either, the next one stands for it."""
    symbols = [*(one.symbol for one in book.contracts), *(one.symbol for one in others)]
    filled, proxied = raw[:, : len(book.contracts)].copy(), []
    known = np.asarray(~np.isnan(raw))
    begins = np.where(known.any(axis=0), known.argmax(axis=0), len(raw))
    for number in range(len(book.contracts)):
        for proxy in _proxies(book, others, begins, number):
            lacks = np.isnan(filled[:, number])
            if not lacks.any():
                break
            here = lacks & known[:, proxy]
            if here.any():
                multiplier = paths.proxy_multiplier(raw[:, number], raw[:, proxy])
                instead = paths.fill_gaps(filled[:, number], raw[:, proxy], multiplier)
                filled[:, number] = instead
                proxied.append(Proxied(number, symbols[proxy], multiplier, float(here.mean())))
    return filled, tuple(proxied)


def _proxies(
    book: PositionBook, others: Sequence[StandIn], begins: Ints, contract: int
) -> list[int]:
    """Who may stand for a contract: the one of its fund whose history begins first, if that is
    before its own, then any in that order."""
    funds = [*(one.fund for one in book.contracts), *(one.fund for one in others)]
    among = [number for number in range(len(funds)) if number != contract]
    longest = sorted(among, key=lambda number: (begins[number], number))
    first = [
        number
        for number in longest
        if funds[number] == funds[contract] and begins[number] < begins[contract]
    ][:1]
    return [*first, *(number for number in longest if number not in first)]


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
    returns = np.asfortranarray(history.filtered.returns * signs(book))
    steps = -(-parameters.horizon_hours // prices.hours)
    if steps == 1:
        return Scenarios(returns, np.arange(len(returns))[:, None])
    blocks = -(-parameters.scenarios // paths.BLOCK)
    mean = float(parameters.mean_block_steps or steps)
    rows = [
        paths.draw_rows(parameters.seed, block, steps, len(returns), mean)
        for block in range(blocks)
    ]
    return Scenarios(returns, np.concatenate(rows)[: parameters.scenarios])
