"""The inputs merged by time and cut into steps: what the service is told at one moment."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import pairwise
from pathlib import Path

from app.replay.inputs import Candle, InputError, Print, Quote, Window, read_events

STEP_MS = 1000
"""Events of the same second make one step."""

CANDLE_MS = 60_000

LONGEST_STEP = Decimal("0.01")
"""How far a price goes at most from tick to tick inside a candle, while `MOST_TICKS` allows."""
MOST_TICKS = 60

MARK_UNIT = Decimal("0.00000001")
"""Points between a candle's prices are rounded to it, or to their last digit, if that is finer."""


@dataclass(frozen=True, slots=True)
class Point:
    """A price on the way through a candle."""

    time: int
    symbol: str
    price: Decimal


@dataclass(slots=True)
class ReplayStep:
    """One second: the trades printed in it, the newest quotes, mark and index prices.

    The mark is the middle of the quote where there is one, else the last trade's price. Candles are
    the index; and the mark too, of a contract that has neither quotes nor trades.
    """

    time: int
    prints: list[Print] = field(default_factory=list)
    quotes: dict[str, Quote] = field(default_factory=dict)
    marks: dict[str, Decimal] = field(default_factory=dict)
    indexes: dict[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Survey:
    """What the inputs hold: counts, the first price of each symbol, the first and last time.

    `traded` are the symbols of which there are quotes or trades.
    """

    candles: int
    quotes: int
    prints: int
    first_prices: dict[str, Decimal]
    traded: frozenset[str]
    start: int
    end: int


def survey(paths: Sequence[Path], window: Window) -> Survey:
    """Read everything once, so that a bad row is found before the service is touched."""
    counts = {Candle: 0, Quote: 0, Print: 0}
    first: dict[str, tuple[int, Decimal]] = {}
    traded: set[str] = set()
    start, end = window.end, window.start
    for path in paths:
        for event in read_events(path, window):
            counts[type(event)] += 1
            length = CANDLE_MS if isinstance(event, Candle) else 0
            if not length:
                traded.add(event.symbol)
            start, end = min(start, event.time), max(end, event.time + length)
            if event.symbol not in first or event.time < first[event.symbol][0]:
                first[event.symbol] = (event.time, _price(event))
    if not first:
        raise InputError("nothing to replay: no row lies inside the time window and symbols")
    prices = {symbol: price for symbol, (_, price) in sorted(first.items())}
    return Survey(
        candles=counts[Candle],
        quotes=counts[Quote],
        prints=counts[Print],
        first_prices=prices,
        traded=frozenset(traded),
        start=start,
        end=end,
    )


def steps(
    paths: Sequence[Path],
    window: Window,
    ticks_per_candle: int,
    every: int,
    traded: AbstractSet[str] = frozenset(),
) -> Iterator[ReplayStep]:
    """The inputs in time order; `every` joins that many candles to one.

    `traded` are the contracts whose marks come from quotes or trades.
    """
    streams = [_points(path, window, ticks_per_candle, every) for path in paths]
    current: ReplayStep | None = None
    for event in heapq.merge(*streams, key=lambda event: event.time):
        second = event.time - event.time % STEP_MS
        if current is None or current.time != second:
            if current is not None:
                yield current
            current = ReplayStep(second)
        _add(current, event, traded)
    if current is not None:
        yield current


def _add(step: ReplayStep, event: Point | Quote | Print, traded: AbstractSet[str]) -> None:
    if isinstance(event, Point):
        step.indexes[event.symbol] = event.price
        if event.symbol not in traded:
            step.marks[event.symbol] = event.price
    elif isinstance(event, Quote):
        step.quotes[event.symbol] = event
        step.marks[event.symbol] = event.mid
    else:
        step.prints.append(event)
        if event.symbol not in step.quotes:
            step.marks[event.symbol] = event.price


def _points(
    path: Path, window: Window, ticks_per_candle: int, every: int
) -> Iterator[Point | Quote | Print]:
    waiting: list[Candle] = []
    for event in read_events(path, window):
        if not isinstance(event, Candle):
            yield event
            continue
        waiting.append(event)
        if len(waiting) == every:
            yield from candle_path(joined(waiting), ticks_per_candle, every)
            waiting.clear()
    if waiting:
        yield from candle_path(joined(waiting), ticks_per_candle, len(waiting))


def joined(candles: Sequence[Candle]) -> Candle:
    """Several candles as one: first open, last close, the extremes of all."""
    first = candles[0]
    return Candle(
        first.time,
        first.symbol,
        open=first.open,
        high=max(candle.high for candle in candles),
        low=min(candle.low for candle in candles),
        close=candles[-1].close,
    )


def candle_path(candle: Candle, ticks: int, minutes: int = 1) -> list[Point]:
    """At least `ticks` prices through a candle, evenly in time.

    The order is the plausible one: a falling candle first rises to its high, then falls to its
    low, then closes; a rising one the other way round. Fewer than four ticks leave out the open,
    then the nearer extreme, and with one tick only the close is left; more are put between, and
    a candle with a long way to go gets twice as many, or four times, ...: see `LONGEST_STEP`.
    """
    falling = candle.close < candle.open
    near, far = (candle.high, candle.low) if falling else (candle.low, candle.high)
    turns = [candle.open, near, far, candle.close]
    if ticks < len(turns):
        prices = {1: turns[3:], 2: turns[2:], 3: turns[1:]}[ticks]
    else:
        way = sum(abs(end - start) for start, end in pairwise(turns)) / candle.open
        while way / ticks > LONGEST_STEP and ticks * 2 <= MOST_TICKS:
            ticks *= 2
        prices = _between(turns, ticks)
    gap = minutes * CANDLE_MS // ticks
    return [
        Point(candle.time + number * gap, candle.symbol, price)
        for number, price in enumerate(prices)
    ]


def _between(turns: list[Decimal], count: int) -> list[Decimal]:
    """`turns` with points between them, `count` in all: each on what is then the longest step."""
    legs = [(start, end, 1) for start, end in pairwise(turns)]
    for _ in range(count - len(turns)):
        longest = max(range(len(legs)), key=lambda n: abs(legs[n][1] - legs[n][0]) / legs[n][2])
        start, end, parts = legs[longest]
        legs[longest] = (start, end, parts + 1)
    finest = min(int(turn.normalize().as_tuple().exponent) for turn in turns)
    unit = min(MARK_UNIT, Decimal(1).scaleb(finest))
    prices = [turns[0]]
    for start, end, parts in legs:
        for number in range(1, parts):
            price = start + (end - start) * number / parts
            prices.append(price.quantize(unit, ROUND_HALF_EVEN))
        prices.append(end)
    return prices


def _price(event: Candle | Quote | Print) -> Decimal:
    if isinstance(event, Candle):
        return event.open
    return event.mid if isinstance(event, Quote) else event.price
