"""A made-up market crash as minute candles: quiet, a slide, a violent drop with gaps, a rebound."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from app.replay.inputs import CANDLE_COLUMNS, Candle
from app.replay.steps import CANDLE_MS
from app.replay.terms import amount

START_MS = 1_767_225_600_000
"""1 January 2026, where the made-up day begins."""


@dataclass(frozen=True, slots=True)
class Coin:
    """A contract of the demo: first price, digits of a price, how much harder than BTC it falls."""

    symbol: str
    price: str
    digits: int
    weight: float


COINS = (
    Coin("BTCUSDT", "60000", 1, 1.0),
    Coin("LINKUSDT", "15", 3, 1.3),
    Coin("SOLUSDT", "150", 2, 1.2),
)
"""Each of another insurance fund (CON-5)."""


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of the story: its share of the minutes, the price's change over it as a fraction,
    the noise of a minute, and the most a candle opens below the close before it."""

    share: float
    change: float
    noise: float
    gap: float


PHASES = (
    Phase(0.25, 0.005, 0.0010, 0.0),
    Phase(0.30, -0.070, 0.0020, 0.0),
    Phase(0.15, -0.120, 0.0060, 0.035),
    Phase(0.30, 0.090, 0.0035, 0.0),
)


def write_crash(folder: Path, seed: int, minutes: int) -> list[Path]:
    """One candle file per contract; the same seed and minutes give the same files."""
    chance = random.Random(seed)  # noqa: S311 - the same crash again is the point
    paths = []
    for coin in COINS:
        path = folder / f"{coin.symbol}_1m.csv"
        rows = [",".join(CANDLE_COLUMNS), *map(_row, crash(chance, coin, minutes))]
        path.write_text("\n".join(rows) + "\n", encoding="utf-8")
        paths.append(path)
    return paths


def crash(chance: random.Random, coin: Coin, minutes: int) -> Iterator[Candle]:
    """The candles of one contract; floats go no further than the drawing of changes."""
    close = Decimal(coin.price)
    for minute, phase in enumerate(_phases(minutes)):
        drift = phase.change / max(1, round(phase.share * minutes))
        opened = _moved(coin, close, -phase.gap * chance.random())
        close = _moved(coin, opened, drift + chance.uniform(-phase.noise, phase.noise))
        wick = chance.uniform(0, phase.noise)
        yield Candle(
            START_MS + minute * CANDLE_MS,
            coin.symbol,
            open=opened,
            high=_moved(coin, max(opened, close), wick),
            low=_moved(coin, min(opened, close), -wick),
            close=close,
        )


def _phases(minutes: int) -> list[Phase]:
    """The phase of each minute; the last one takes what rounding leaves."""
    phases = [phase for phase in PHASES for _ in range(round(phase.share * minutes))]
    return (phases + [PHASES[-1]] * minutes)[:minutes]


def _moved(coin: Coin, price: Decimal, change: float) -> Decimal:
    return (price * (1 + amount(change * coin.weight))).quantize(Decimal(1).scaleb(-coin.digits))


def _row(candle: Candle) -> str:
    prices = (candle.open, candle.high, candle.low, candle.close)
    return ",".join([str(candle.time), *map(str, prices), "0"])
