"""What a run was made of, kept with what it found: to the bit, and in few bytes (CAL-11).

A body is a byte with the version of this form and a zlib stream: a line of JSON, which tells what
is no array and each array's kind and shape, and then the arrays. Nothing in it is executed.

Almost all numbers are decimals of at most eight places. As whole numbers of the last place, each as
its difference from the one before, byte by byte, they take a third of the room of floats.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.calibration.inputs.book import ContractTerms, FundTerms, PositionBook
from app.calibration.inputs.history import Closes, StandIn
from app.catalogue.stress import Crash, Fall

VERSION = 1
LARGEST = 16 * 2**20
"""Bytes; what would be larger is not kept."""
PLACES = 1e8
EXACT = 2.0**53
"""Whole numbers below it are floats, each of them."""
NONE = np.iinfo(np.int64).min
"""Stands for not a number."""
EPOCH, SECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(seconds=1)

BOOK = ("account", "contract", "quantity", "cost", "wallet", "cross", "owner", "inventory")
CLOSES = ("closes", "volume")

Numbers = NDArray[np.float64] | NDArray[np.int64]


class UnknownForm(Exception):
    """A body of another release's form."""


class Inputs(NamedTuple):
    """All that a run is made of but for its parameters; `disabled` crashes with their reasons."""

    book: PositionBook
    prices: Closes
    events: Sequence[Crash]
    disabled: Mapping[str, str]


def pack(inputs: Inputs) -> bytes | None:
    """The body; None where it is larger than `LARGEST`."""
    book, prices = inputs.book, inputs.prices
    arrays: dict[str, Numbers] = {name: getattr(book, name) for name in BOOK}
    arrays |= {name: getattr(prices, name) for name in CLOSES}
    arrays["times"] = np.array([(one - EPOCH) // SECOND for one in prices.times], np.int64)
    coded = {name: _coded(array) for name, array in arrays.items()}
    head = {
        **_told(inputs),
        "arrays": [(name, kind, arrays[name].shape) for name, (kind, _) in coded.items()],
    }
    stream = zlib.compressobj(6)
    found = bytearray([VERSION])
    found += stream.compress(json.dumps(head).encode() + b"\n")
    for _, one in coded.values():
        found += stream.compress(one)
        if len(found) > LARGEST:
            return None
    found += stream.flush()
    return bytes(found) if len(found) <= LARGEST else None


def _told(inputs: Inputs) -> dict[str, Any]:
    """What is no array, as JSON: floats are the same when they are read again."""
    book, prices = inputs.book, inputs.prices
    return {
        "asset": book.asset,
        "sequence": book.sequence,
        "time": book.time.isoformat(),
        "contracts": [one._replace(brackets=one.brackets.tolist()) for one in book.contracts],
        "funds": book.funds,
        "digest": book.digest,
        "stale": book.stale,
        "hours": prices.hours,
        "prices": prices.digest,
        "others": prices.others,
        "events": [_of_crash(one) for one in inputs.events],
        "disabled": dict(inputs.disabled),
    }


def _of_crash(crash: Crash) -> tuple[Any, ...]:
    falls = {asset: [str(fall.hour), str(fall.day)] for asset, fall in crash.falls.items()}
    return crash.scenario_id, crash.title, crash.cause, falls


def unpack(body: bytes) -> Inputs:
    """What `pack` packed; raises `UnknownForm`."""
    if body[:1] != bytes([VERSION]):
        raise UnknownForm(f"form {body[0] if body else None} is not {VERSION}")
    line, _, rest = zlib.decompress(body[1:]).partition(b"\n")
    head = json.loads(line)
    arrays = dict(_arrays(head["arrays"], rest))
    times = tuple(EPOCH + SECOND * one for one in arrays.pop("times").tolist())
    contracts = (ContractTerms(*one) for one in head["contracts"])
    book = PositionBook(
        asset=head["asset"],
        sequence=head["sequence"],
        time=datetime.fromisoformat(head["time"]),
        contracts=tuple(one._replace(brackets=np.array(one.brackets)) for one in contracts),
        funds=tuple(FundTerms(*one) for one in head["funds"]),
        digest=head["digest"],
        stale=tuple(head["stale"]),
        **{name: arrays[name] for name in BOOK},
    )
    prices = Closes(
        hours=head["hours"],
        times=times,
        digest=head["prices"],
        others=tuple(StandIn(*one) for one in head["others"]),
        **{name: arrays[name] for name in CLOSES},
    )
    events = tuple(_crash(*one) for one in head["events"])
    return Inputs(book, prices, events, head["disabled"])


def _crash(scenario_id: str, title: str, cause: str, falls: Mapping[str, Sequence[str]]) -> Crash:
    fractions = {asset: Fall(*map(Decimal, one)) for asset, one in falls.items()}
    return Crash(scenario_id, title, cause, fractions)


def _coded(array: Numbers) -> tuple[str, bytes]:
    """Its kind, and bytes: whole numbers, decimals as such, or floats."""
    if array.dtype == np.int64:
        return "whole", _whole(array.astype(np.int64))
    missing = np.isnan(array)
    scaled = np.rint(np.where(missing, 0.0, array) * PLACES)
    if (np.abs(scaled) < EXACT).all() and (scaled / PLACES == np.where(missing, 0.0, array)).all():
        return "decimal", _whole(np.where(missing, NONE, scaled.astype(np.int64)))
    return "float", np.ascontiguousarray(array).tobytes()


def _whole(array: NDArray[np.int64]) -> bytes:
    """Differences along the first axis, the bytes of a place side by side."""
    steps = np.diff(array, axis=0, prepend=np.zeros_like(array[:1]))
    return np.ascontiguousarray(steps.reshape(-1, 1).view(np.uint8).T).tobytes()


def _arrays(told: Sequence[Any], rest: bytes) -> Iterator[tuple[str, Any]]:
    begin = 0
    for name, kind, shape in told:
        size = 8 * int(np.prod(shape))
        yield name, _decoded(kind, rest[begin : begin + size], shape)
        begin += size


def _decoded(kind: str, data: bytes, shape: Sequence[int]) -> Numbers:
    if kind == "float":
        return np.frombuffer(data).reshape(shape)
    steps = np.ascontiguousarray(np.frombuffer(data, np.uint8).reshape(8, -1).T)
    whole: NDArray[np.int64] = np.cumsum(steps.view(np.int64).reshape(shape), axis=0)
    if kind == "whole":
        return whole
    return np.where(whole == NONE, np.nan, whole / PLACES)
