"""The past prices of a book's contracts, as PostgreSQL has them at one moment (CAL-7, CAL-11).

    await read_closes(connection, book, parameters)    `Closes` up to the book's time

What is read is what is hashed: `digest` is the SHA-256 of these lines, each with its newline,
contracts in the byte order of their symbols, each one's by time. Times are RFC 3339 with six
decimals and Z, decimals plain, as in the hash chain (HIS-4).

    SYMBOL|INTERVAL|TIME|CLOSE

A close takes some 4 µs, two of them PostgreSQL's: 100 contracts with two years of hours, 1,750,000
closes, 7 s, and little more memory than the table that they become.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

import asyncpg
import numpy as np

from app.calibration.figures import Floats, Ints
from app.calibration.inputs.book import PositionBook
from app.calibration.inputs.history import HOURLY_ROWS, VOLUME_DAYS, Closes, StandIn
from app.engine.numbers import EPOCH, time_text
from app.jobs.parameters import Parameters
from app.store.closes import closes, width_of
from app.store.tables.price_history import PriceInterval


class Bars(NamedTuple):
    """Which closes a run looks at: those of an interval after `start` and up to `end`."""

    interval: PriceInterval
    start: datetime
    end: datetime

    @property
    def width(self) -> timedelta:
        """How long a bar lasts."""
        return width_of(self.interval)

    @property
    def arguments(self) -> tuple[PriceInterval, timedelta, datetime, datetime]:
        """Of a query for closes, after the symbol."""
        return self.interval, self.width, self.start, self.end


class Series(NamedTuple):
    """A contract's closes; `places` counts bars since 1970."""

    places: Ints
    closes: Floats


async def read_closes(
    connection: asyncpg.Connection, book: PositionBook, parameters: Parameters
) -> Closes:
    """Closes of the book's contracts, and of those that may stand for them, as of the book's time.

    In one transaction, on a connection of one's own. A contract without any has an empty column:
    whether that will do, `history.read` says.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        bars = await _bars(connection, book, parameters)
        others = await _others(connection, book, bars)
        symbols = [terms.symbol for terms in book.contracts]
        symbols += [other.symbol for other in others]
        digest, columns = hashlib.sha256(), {}
        for symbol in sorted(symbols, key=str.encode):
            columns[symbol] = await _column(connection, symbol, bars, digest.update)
        volume = await _volumes(connection, book, bars)
    first, table = _side_by_side([columns[symbol] for symbol in symbols])
    return Closes(
        hours=bars.width // timedelta(hours=1),
        times=tuple(EPOCH + (first + row) * bars.width for row in range(len(table))),
        closes=table,
        volume=volume,
        digest=digest.hexdigest(),
        others=others,
    )


async def _bars(connection: asyncpg.Connection, book: PositionBook, parameters: Parameters) -> Bars:
    """Hours, if the largest contract has enough of them, else days."""
    start = book.time - timedelta(days=parameters.lookback_days)
    hours = Bars("1h", start, book.time)
    if parameters.interval is not None:
        return hours._replace(interval=parameters.interval)
    held = np.bincount(book.contract, np.abs(book.values()), len(book.contracts))
    if len(held):
        largest = book.contracts[int(held.argmax())].symbol
        if await connection.fetchval(COUNT, largest, *hours.arguments) >= HOURLY_ROWS:
            return hours
    return hours._replace(interval="1d")


async def _others(
    connection: asyncpg.Connection, book: PositionBook, bars: Bars
) -> tuple[StandIn, ...]:
    """Contracts of the asset in which nothing is held, where the closes of one begin before all
    that are in the book: of each fund the earliest, and of the asset."""
    rows = await connection.fetch(FIRST, book.asset, *bars.arguments)
    inside = {terms.symbol for terms in book.contracts}
    numbers = {book.funds[terms.fund].fund_id: terms.fund for terms in book.contracts}
    found: dict[str, StandIn] = {}
    for fund, number in (*numbers.items(), (None, None)):
        among = [row for row in rows if fund in (None, row["insurance_fund"])]
        among.sort(key=lambda row: (row["first"], row["symbol"] not in inside, row["symbol"]))
        if among and among[0]["symbol"] not in inside:
            found.setdefault(among[0]["symbol"], StandIn(among[0]["symbol"], number))
    return tuple(found.values())


async def _column(
    connection: asyncpg.Connection, symbol: str, bars: Bars, hash_in: Callable[[bytes], None]
) -> Series:
    """A contract's closes, which are hashed on the way."""
    received = bytearray()

    async def take(data: bytes) -> None:
        received.extend(data)

    await connection.copy_from_query(CLOSES, symbol, *bars.arguments, output=take)
    fields = bytes(received).split()
    places, texts = [*map(int, fields[0::2])], fields[1::2]
    begin = b"%b|%b|" % (symbol.encode(), bars.interval.encode())
    hash_in(b"".join(map(b"".join, _lines(begin, bars, places, texts))))
    return Series(np.array(places, np.int64), np.array([*map(float, texts)]))


def _lines(
    begin: bytes, bars: Bars, places: Sequence[int], closes: Sequence[bytes]
) -> Iterator[tuple[bytes, ...]]:
    for place, close in zip(places, closes, strict=True):
        yield begin, _time_of(bars.width, place), b"|", close, b"\n"


@lru_cache(maxsize=200_000)
def _time_of(width: timedelta, place: int) -> bytes:
    return time_text(EPOCH + place * width).encode()


async def _volumes(connection: asyncpg.Connection, book: PositionBook, bars: Bars) -> Floats:
    """What each contract trades in 24 hours, in the settlement asset: as imported, else as it was
    traded here; 0 for neither."""
    symbols = [terms.symbol for terms in book.contracts]
    month = bars.end - timedelta(days=VOLUME_DAYS)
    rows = await connection.fetch(VOLUMES, symbols, *bars._replace(start=month).arguments)
    found = np.zeros(len(symbols))
    for number, (terms, row) in enumerate(zip(book.contracts, rows, strict=True)):
        if row["quoted"] is not None:
            daily = row["quoted"] * (timedelta(days=1) / bars.width)
            found[number] = daily / terms.mark if terms.inverse else daily
        elif row["traded"] is not None:
            found[number] = abs(terms.worth(np.array([row["traded"] / VOLUME_DAYS]))[0])
    return found


def _side_by_side(columns: Sequence[Series]) -> tuple[int, Floats]:
    """The first place of all, and from there on a row for each; not a number where none is."""
    ends = [(int(one.places[0]), int(one.places[-1])) for one in columns if len(one.places)]
    if not ends:
        return 0, np.empty((0, len(columns)))
    first, last = min(begin for begin, _ in ends), max(end for _, end in ends)
    table = np.full((last - first + 1, len(columns)), np.nan)
    for number, one in enumerate(columns):
        table[one.places - first, number] = one.closes
    return first, table


_ARGUMENTS = "$2", "$3::interval", "$4::timestamptz", "$5::timestamptz"

COUNT = f"SELECT count(*) FROM ({closes('$1', *_ARGUMENTS)}) AS found"  # noqa: S608 - names of our own

CLOSES = f"""
    SELECT (date_part('epoch', time) / date_part('epoch', $3::interval))::bigint, trim_scale(close)
    FROM ({closes("$1", *_ARGUMENTS)}) AS found ORDER BY time
"""  # noqa: S608 - names of our own

FIRST = """
    SELECT * FROM (
        SELECT symbol, insurance_fund, LEAST(
            (SELECT min(time) FROM price_history WHERE symbol = c.symbol AND interval = $2
                AND time > $4 AND time <= $5),
            (SELECT min(time) + $3 FROM candles WHERE symbol = c.symbol AND source = 'mark'
                AND interval = $2 AND time > $4 - $3::interval AND time <= $5 - $3::interval)
        ) AS first FROM contracts AS c WHERE settlement_asset = $1
    ) AS found WHERE first IS NOT NULL
"""

VOLUMES = f"""
    SELECT (
        SELECT avg(volume)::float8 FROM ({closes("wanted.symbol", *_ARGUMENTS)}) AS found
    ) AS quoted, (
        SELECT sum(volume)::float8 FROM candles
        WHERE symbol = wanted.symbol AND source = 'trades' AND interval = '1d'
            AND time >= $4 AND time < $5
    ) AS traded
    FROM unnest($1::text[]) WITH ORDINALITY AS wanted (symbol, number) ORDER BY number
"""  # noqa: S608 - names of our own
