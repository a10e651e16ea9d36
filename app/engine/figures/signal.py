"""What a fund's losses and the side that was liquidated say together (SIG-1), by the hour."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import accumulate
from typing import Literal, NamedTuple

from app.engine.numbers import ZERO, divide_half_even

Signal = Literal["long_flush", "short_squeeze", "calm"]
HOUR = timedelta(hours=1)

FELL = Decimal("0.05")
"""From which drawdown on a fund fell. Fees earn a fund a small part of itself in a day: such a loss
is no everyday one, and still far from the 0.30 at which a breaker would stop takeovers."""
DOMINATED = Decimal("0.6")
"""From which share of the liquidated value on a side dominated: three parts of five."""


class Hour(NamedTuple):
    """What an hour that begins at `time` did to a fund in an asset.

    `high` is its highest balance in it, the one that it began with among them; `result` what the
    kinds of `memory.RESULTS` came to (FND-3); `longs` and `shorts` the liquidated values at mark of
    its contracts.
    """

    time: datetime
    high: Decimal
    result: Decimal
    longs: Decimal
    shorts: Decimal


class SignalReading(NamedTuple):
    """What a window of whole hours, which ends at `time`, says.

    `drawdown` is `lost` / `peak`, to eight decimals: what the sum of results fell from its highest,
    and the highest balance. `long_share` is None where nothing was liquidated.
    """

    time: datetime
    signal: Signal
    drawdown: Decimal
    lost: Decimal
    peak: Decimal
    long_share: Decimal | None
    longs: Decimal
    shorts: Decimal


def readings(hours: Sequence[Hour], window: int) -> Iterator[SignalReading]:
    """What each window of so many of the hours says, which follow on each other, oldest first."""
    sums = list(accumulate((hour.result for hour in hours), initial=ZERO))
    longs = list(accumulate((hour.longs for hour in hours), initial=ZERO))
    shorts = list(accumulate((hour.shorts for hour in hours), initial=ZERO))
    before_loss = _highest(sums, window + 1)
    peaks = _highest([hour.high for hour in hours], window)
    for begin, (highest, peak) in enumerate(zip(before_loss, peaks, strict=True)):
        end = begin + window
        yield _reading(
            hours[end - 1].time + HOUR,
            lost=highest - sums[end],
            peak=peak,
            longs=longs[end] - longs[begin],
            shorts=shorts[end] - shorts[begin],
        )


def _highest(values: Sequence[Decimal], width: int) -> Iterator[Decimal]:
    """The highest of each `width` values that follow on each other.

    Of those in the window only the ones that are higher than all after them may come to be it: each
    value is looked at twice, however wide the window is.
    """
    falling: deque[tuple[int, Decimal]] = deque()
    for number, value in enumerate(values):
        while falling and falling[-1][1] <= value:
            falling.pop()
        falling.append((number, value))
        if falling[0][0] <= number - width:
            falling.popleft()
        if number + 1 >= width:
            yield falling[0][1]


def _reading(
    time: datetime, lost: Decimal, peak: Decimal, longs: Decimal, shorts: Decimal
) -> SignalReading:
    liquidated = longs + shorts
    signal: Signal = "calm"
    if ZERO < FELL * peak <= lost and liquidated:
        if longs >= DOMINATED * liquidated:
            signal = "long_flush"
        elif shorts >= DOMINATED * liquidated:
            signal = "short_squeeze"
    return SignalReading(
        time=time,
        signal=signal,
        drawdown=divide_half_even(lost, peak) if peak else ZERO,
        lost=lost,
        peak=peak,
        long_share=divide_half_even(longs, liquidated) if liquidated else None,
        longs=longs,
        shorts=shorts,
    )
