"""Readers of recorded market data: minute candles, quotes and trades, as CSV or gzipped CSV.

A file's kind is told by its first line. Every row is checked; the first bad one raises
`InputError` naming file and line. Times are milliseconds since 1970, UTC.
"""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Literal, TextIO

from app.engine.numbers import in_range

CANDLE_COLUMNS = ("open_time_ms", "open", "high", "low", "close", "volume")
QUOTE_COLUMNS = ("ts_ms", "symbol", "bid", "bid_qty", "ask", "ask_qty")
TRADE_COLUMNS = ("ts_ms", "symbol", "taker_side", "price", "qty", "trade_id", "type")

LAST_TIME = 253_402_300_799_999  # the year 9999


class InputError(Exception):
    """What cannot be read: `file:line: why`."""


@dataclass(frozen=True, slots=True)
class Candle:
    """One minute of a contract."""

    time: int
    symbol: str
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal


@dataclass(frozen=True, slots=True)
class Quote:
    """The best bid and ask with their quantities."""

    time: int
    symbol: str
    bid: Decimal
    bid_quantity: Decimal
    ask: Decimal
    ask_quantity: Decimal

    @property
    def mid(self) -> Decimal:
        """The middle of bid and ask, exact."""
        return (self.bid + self.ask) / 2


@dataclass(frozen=True, slots=True)
class Print:
    """A trade as it was printed on the tape."""

    time: int
    symbol: str
    taker_side: Literal["buy", "sell"]
    price: Decimal
    quantity: Decimal


Event = Candle | Quote | Print
CsvRow = dict[str, str]


@dataclass(frozen=True, slots=True)
class Window:
    """What of the inputs is wanted: start <= time < end (ms), and symbols (empty: all)."""

    start: int = 0
    end: int = LAST_TIME
    symbols: frozenset[str] = frozenset()

    def has(self, event: Event) -> bool:
        """Whether the event lies inside."""
        wanted = not self.symbols or event.symbol in self.symbols
        return wanted and self.start <= event.time < self.end


def read_events(path: Path, window: Window) -> Iterator[Event]:
    """The events of one file inside the window, in time order; what is later is not read."""
    latest = -1
    try:
        with _open(path) as lines:
            reader = csv.reader(lines, strict=True)
            columns = tuple(next(reader, ()))
            parse = _parser(path, columns)
            for row in reader:
                event = _event(path, reader.line_num, parse, columns, row)
                latest = _in_order(path, reader.line_num, event, latest)
                if event.time >= window.end:
                    return
                if window.has(event):
                    yield event
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: {error}") from error


def _open(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")


def _parser(path: Path, columns: tuple[str, ...]) -> Callable[[CsvRow], Event]:
    if columns == CANDLE_COLUMNS:
        symbol, mark, _ = path.name.partition("_1m")
        if not mark or not symbol:
            raise InputError(f"{path}: a candle file is named after its symbol: BTCUSDT_1m.csv.gz")
        return lambda row: _candle(symbol.upper(), row)
    if columns == QUOTE_COLUMNS:
        return _quote
    if columns == TRADE_COLUMNS:
        return _print
    known = "; ".join(",".join(names) for names in (CANDLE_COLUMNS, QUOTE_COLUMNS, TRADE_COLUMNS))
    raise InputError(f"{path}:1: columns are {','.join(columns) or 'missing'}, not one of {known}")


def _event(
    path: Path,
    line: int,
    parse: Callable[[CsvRow], Event],
    columns: tuple[str, ...],
    row: list[str],
) -> Event:
    if len(row) != len(columns):
        raise InputError(f"{path}:{line}: {len(row)} fields, not {len(columns)}")
    try:
        return parse(dict(zip(columns, row, strict=True)))
    except ValueError as error:
        raise InputError(f"{path}:{line}: {error}") from error


def _in_order(path: Path, line: int, event: Event, latest: int) -> int:
    if event.time < latest or (isinstance(event, Candle) and event.time == latest):
        raise InputError(f"{path}:{line}: time {event.time} does not follow {latest}")
    return event.time


def _candle(symbol: str, row: CsvRow) -> Candle:
    opened, high, low, close = (_positive(row, name) for name in ("open", "high", "low", "close"))
    _decimal(row, "volume")
    if not low <= min(opened, close) <= max(opened, close) <= high:
        raise ValueError(f"open {opened} and close {close} are not between {low} and {high}")
    return Candle(_time(row["open_time_ms"]), symbol, open=opened, high=high, low=low, close=close)


def _quote(row: CsvRow) -> Quote:
    quote = Quote(
        _time(row["ts_ms"]),
        _symbol(row),
        bid=_positive(row, "bid"),
        bid_quantity=_decimal(row, "bid_qty"),
        ask=_positive(row, "ask"),
        ask_quantity=_decimal(row, "ask_qty"),
    )
    if quote.bid >= quote.ask:
        raise ValueError(f"bid {quote.bid} is not below ask {quote.ask}")
    return quote


def _print(row: CsvRow) -> Print:
    side: Literal["buy", "sell"]
    match row["taker_side"]:
        case "BUY":
            side = "buy"
        case "SELL":
            side = "sell"
        case other:
            raise ValueError(f"taker_side is {other!r}, not BUY or SELL")
    return Print(
        _time(row["ts_ms"]), _symbol(row), side, _positive(row, "price"), _positive(row, "qty")
    )


def _symbol(row: CsvRow) -> str:
    symbol = row["symbol"]
    if not symbol or not symbol.isascii() or not symbol.replace("_", "").isalnum():
        raise ValueError(f"symbol is {symbol!r}")
    return symbol


def _time(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 15 or int(text) > LAST_TIME:
        raise ValueError(f"time is {text!r}, not milliseconds since 1970")
    return int(text)


def _positive(row: CsvRow, name: str) -> Decimal:
    value = _decimal(row, name)
    if value <= 0:
        raise ValueError(f"{name} is {row[name]}, not positive")
    return value


def _decimal(row: CsvRow, name: str) -> Decimal:
    try:
        value = Decimal(row[name])
    except InvalidOperation:
        raise ValueError(f"{name} is {row[name]!r}, not a number") from None
    if not value.is_finite() or value < 0:
        raise ValueError(f"{name} is {row[name]!r}, not a number of zero or more")
    if not in_range(value):
        raise ValueError(f"{name} is {row[name]!r}: too many digits")
    return value
