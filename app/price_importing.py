"""`backstop prices import`: a file of closes, as it comes, posted to a running service (CAL-7).

Its columns become the service's own on the way; nothing of it is kept. A large file goes in parts,
each of which is imported whole or not at all.
"""

from __future__ import annotations

import csv
import gzip
import re
import sys
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import httpx

from app.importing import ImportingError, problem_of

PART_BYTES = 32 * 1024 * 1024
BATCH = 1000
TIMEOUT_SECONDS = 600
TIMES = ("time", "timestamp", "date")
CLOSES = ("close", "price")


class PriceFormat(NamedTuple):
    """Which columns of a file are what; None where its names say it. `symbol` is of all rows."""

    symbol: str | None = None
    time: str | None = None
    close: str | None = None
    volume: str | None = None


class PriceTarget(NamedTuple):
    """Where a file goes, and as what."""

    url: str
    admin_key: str
    interval: str
    source: str | None = None


def add_arguments(actions: Any) -> None:
    """Those of `backstop prices import`."""
    add = actions.add_parser(
        "import",
        help="import a file of closes into a running service",
        description="Import closes from a CSV file, which may be gzipped (.gz). Times are the ends"
        " of bars: RFC 3339, seconds or milliseconds since 1970, or dates, which are 24:00 UTC of"
        " them. A large file goes in parts, each imported whole or not at all.",
    )
    add.add_argument("file", type=Path, metavar="FILE.csv")
    add.add_argument("--interval", required=True, choices=("1h", "1d"), help="how long a bar is")
    add.add_argument("--symbol", help="whose closes they are, where no column says it")
    add.add_argument("--time-column", metavar="NAME", help="(time, timestamp or date)")
    add.add_argument("--close-column", metavar="NAME", help="(close or price)")
    add.add_argument("--volume-column", metavar="NAME", help="in the quote asset (volume, if any)")
    add.add_argument("--source", help="where they are from (the file's name)")
    add.add_argument("--url", help="the service (http://BACKSTOP_HOST:BACKSTOP_PORT)")
    add.add_argument("--admin-key", metavar="KEY", help="(BACKSTOP_ADMIN_KEY)")


def import_prices(path: Path, columns: PriceFormat, target: PriceTarget) -> str:
    """Import a file; returns what came of it, for reading. Raises `ImportingError`."""
    told: list[str] = []
    try:
        with _opened(path) as file:
            rows = _rows(file, columns)
            for first in rows:
                part = _Part(chain([first], rows), first[0])
                told += _told(_post(path, part, target), part.first_line)
                sys.stderr.write(f"{path.name}: line {part.last_line:,}\n")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise ImportingError("\n".join([*told, f"{path} cannot be read: {reason}"])) from error
    except ImportingError as error:
        raise ImportingError("\n".join([*told, str(error)])) from error
    if not told:
        raise ImportingError(f"{path} has no rows")
    return "\n".join(told)


def _opened(path: Path) -> TextIO:
    opens: Any = gzip.open if path.suffix == ".gz" else open
    found: TextIO = opens(path, "rt", encoding="utf-8-sig", newline="")
    return found


def _rows(file: TextIO, columns: PriceFormat) -> Iterator[tuple[int, str]]:
    """The number of each line with what the service is told of it."""
    reader = csv.DictReader(file, restval="")
    names = reader.fieldnames or ()
    symbol = None if columns.symbol else _named(names, None, ("symbol",), "--symbol")
    time = _named(names, columns.time, TIMES, "--time-column")
    close = _named(names, columns.close, CLOSES, "--close-column")
    volume = columns.volume or ("volume" if "volume" in names else None)
    if volume is not None:
        _named(names, volume, (), "--volume-column")
    for row in reader:
        whose = columns.symbol if symbol is None else row[symbol].strip()
        traded = "" if volume is None else row[volume].strip()
        yield reader.line_num, f"{whose},{_time(row[time].strip())},{row[close].strip()},{traded}\n"


def _named(names: Any, wanted: str | None, usual: tuple[str, ...], option: str) -> str:
    """The column of that name, or else the first of the usual ones."""
    for name in (wanted,) if wanted else usual:
        if name in names:
            return str(name)
    told = wanted or " or ".join(usual)
    raise ImportingError(f"there is no column {told} ({option}): the file has {', '.join(names)}")


def _time(text: str) -> str:
    """Seconds or milliseconds since 1970 as RFC 3339; else as it is: no time zone is guessed."""
    if not re.fullmatch(r"[0-9]{9,10}|[0-9]{12,13}", text, re.ASCII):
        return text
    seconds = int(text) / (1000 if len(text) > 10 else 1)
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


class _Part:
    """As many rows as one import takes, from a line of the file on."""

    def __init__(self, rows: Iterator[tuple[int, str]], first_line: int) -> None:
        self._rows = rows
        self.first_line = self.last_line = first_line

    def __iter__(self) -> Iterator[bytes]:
        sent, batch = 0, ["symbol,time,close,volume\n"]
        for line, row in self._rows:
            self.last_line = line
            batch.append(row)
            if len(batch) == BATCH:
                data = "".join(batch).encode()
                yield data
                sent, batch = sent + len(data), []
                if sent > PART_BYTES:
                    return
        yield "".join(batch).encode()


def _post(path: Path, part: _Part, target: PriceTarget) -> dict[str, Any]:
    address = f"{target.url.rstrip('/')}/v1/price-history/imports"
    name = re.sub(r"[^A-Za-z0-9._-]", "-", path.name.partition(".")[0]).lstrip("._-")[:64]
    query = {"interval": target.interval, "source": target.source or name or "file"}
    headers = {"Authorization": f"Bearer {target.admin_key}", "Content-Type": "text/csv"}
    try:
        answer = httpx.post(
            address,
            content=iter(part),
            params=query,
            headers=headers,
            timeout=TIMEOUT_SECONDS,
            trust_env=False,
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ImportingError(f"no service answers at {address}: {error}") from error
    if not answer.is_success:
        raise ImportingError(f"the service refuses: {problem_of(answer)}")
    found: dict[str, Any] = answer.json()
    return found


def _told(made: dict[str, Any], first_line: int) -> Iterator[str]:
    yield (
        f"import {made['import_id']}: {made['rows']:,} closes of {len(made['symbols']):,}"
        f" contracts, {made['first'][:16]}Z to {made['last'][:16]}Z,"
        f" refused {made['refused_count']:,} lines"
    )
    for one in made["refused"]:
        yield f"  line {first_line + one['line'] - 2:,}: {one['code']}"
    for one in made["warnings"]:
        when = f" {one['time'][:16]}Z" if one["time"] else ""
        yield f"  warning: {one['symbol']}{when} {one['code']}: {one['detail']}"
