"""A file of closes, read as it comes: what each line says, or why it says nothing (CAL-7).

    symbol,time,close,volume
    BTCUSDT,2026-01-31T12:00:00Z,60123.5,812345678

Nothing is quoted and nothing is padded. `time` is the end of the bar; a date is 24:00 UTC of it.
`volume`, what was traded in the bar in the quote asset, may be left out, of a line or of all.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Literal, NamedTuple

from app.api.problems import malformed
from app.api.schemas.base import parse_time
from app.engine.numbers import EPOCH
from app.store.closes import width_of
from app.store.tables.price_history import PriceInterval

LineCode = Literal[
    "malformed_line",
    "unknown_contract",
    "malformed_time",
    "time_not_on_interval",
    "time_in_future",
    "malformed_price",
    "price_not_positive",
    "malformed_volume",
    "duplicate_time",
]
HEADERS = ("symbol,time,close", "symbol,time,close,volume")
LONGEST_LINE = 1000
LISTED = 100
"""How many of the refused lines are named."""
DAY = timedelta(days=1)
LEAST, MOST = 1e-18, 1e18

_date = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII).fullmatch
_number = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,2})?", re.ASCII).fullmatch


class RefusedLine(NamedTuple):
    """The number of a line, the header's being 1, and why it is not imported."""

    line: int
    code: LineCode


class Unread(Exception):
    """Why a line says nothing."""

    def __init__(self, code: LineCode) -> None:
        super().__init__(code)
        self.code = code


class PriceFile:
    """What has come of a file. Memory does not grow with it."""

    def __init__(self, interval: PriceInterval, symbols: Container[str], now: datetime) -> None:
        self.hash = hashlib.sha256()
        self.refused: list[RefusedLine] = []
        self.refused_count = 0
        self._width, self._symbols, self._now = width_of(interval), symbols, now
        self._line = 0
        self._columns = 0
        self._rest = b""
        self._time_of = lru_cache(maxsize=10_000)(self._read_time)

    def refuse(self, line: int, code: LineCode) -> None:
        """Count it, and name it if it is one of the first."""
        self.refused_count += 1
        if len(self.refused) < LISTED:
            self.refused.append(RefusedLine(line, code))

    def take(self, data: bytes) -> list[bytes]:
        """Some more of it; returns the lines that are whole. Raises 400."""
        self.hash.update(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LONGEST_LINE:
            raise malformed(f"line {self._line + len(lines) + 1} is too long")
        return lines

    def end(self) -> list[bytes]:
        """What comes after the last newline, if anything does. Raises 400."""
        rest, self._rest = self._rest, b""
        return [rest] if rest else []

    def rows(self, lines: list[bytes]) -> bytes:
        """Lines as PostgreSQL's COPY takes them, with their numbers. Raises 400 for the header."""
        found = []
        for raw in lines:
            self._line += 1
            if self._line == 1:
                self._read_header(raw)
                continue
            try:
                found.append(self._read(raw))
            except Unread as unread:
                self.refuse(self._line, unread.code)
        return "".join(found).encode()

    def check(self) -> None:
        """Raise 400 for a file without a header."""
        if not self._columns:
            self._read_header(b"")

    def _read_header(self, raw: bytes) -> None:
        header = raw.decode("utf-8-sig", "replace").removesuffix("\r")
        if header not in HEADERS:
            shown = header[:100]
            raise malformed(f"the first line is {' or '.join(HEADERS)}, and not {shown!a}")
        self._columns = header.count(",") + 1

    def _read(self, raw: bytes) -> str:
        """A row of line, symbol, time, close and volume; raises `Unread`."""
        try:
            fields = raw.decode().removesuffix("\r").split(",")
        except UnicodeDecodeError:
            raise Unread("malformed_line") from None
        if len(fields) != self._columns:
            raise Unread("malformed_line")
        symbol, time, close, volume = fields if self._columns == 4 else (*fields, "")
        if symbol not in self._symbols:
            raise Unread("unknown_contract")
        end = self._time_of(time)
        _check(close, "malformed_price", "price_not_positive")
        if volume:
            _check(volume, "malformed_volume", None)
        return f"{self._line}\t{symbol}\t{end}\t{close}\t{volume or 'NULL'}\n"

    def _read_time(self, text: str) -> str:
        """The end of a bar, as PostgreSQL reads it; raises `Unread`."""
        try:
            time = parse_time(f"{text}T00:00:00Z") + DAY if _date(text) else parse_time(text)
        except (ValueError, OverflowError):
            raise Unread("malformed_time") from None
        if (time - EPOCH) % self._width:
            raise Unread("time_not_on_interval")
        if time > self._now:
            raise Unread("time_in_future")
        return time.isoformat()


def _check(text: str, malformed_code: LineCode, zero: LineCode | None) -> None:
    """Raise `Unread` for what is no number, too large or too small; `zero` for one not above 0."""
    if not _number(text):
        raise Unread(malformed_code)
    value = float(text)
    if zero and value <= 0:
        raise Unread(zero)
    if not (LEAST <= value < MOST or (zero is None and value == 0)):
        raise Unread(malformed_code)
