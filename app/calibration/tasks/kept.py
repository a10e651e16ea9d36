"""What a run was made from, as bytes that are kept, and back (CAL-11).

    pack(RunInputs(...)) -> bytes        unpack(bytes) -> RunInputs(...)

Past prices are not among them: no import is ever changed or deleted, so it is enough to know which
of them there were.
"""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from app.calibration.inputs.book import ContractTerms, FundTerms, PositionBook
from app.calibration.runs.setup import InForce
from app.catalogue.stress import Crash, Fall
from app.engine.numbers import plain, time_text

MOST_BYTES = 16 * 2**20
"""What is larger is not kept: about 500,000 positions."""
ARRAYS = ("account", "contract", "quantity", "cost", "wallet", "cross", "owner", "inventory")


class RunInputs(NamedTuple):
    """The inputs: `last_import` is the newest of the imports of prices that were there (0: none).

    `disabled` are scenarios that are left out, with the reason; `in_force` is by fund.
    """

    book: PositionBook
    last_import: int
    events: tuple[Crash, ...]
    disabled: Mapping[str, str]
    in_force: Mapping[str, InForce]


def pack(kept: RunInputs) -> bytes:
    """Compressed; the same inputs give the same bytes."""
    book = kept.book
    contracts = [{**one._asdict(), "brackets": one.brackets.tolist()} for one in book.contracts]
    told = {
        "asset": book.asset,
        "sequence": book.sequence,
        "time": time_text(book.time),
        "digest": book.digest,
        "stale": book.stale,
        "contracts": contracts,
        "funds": [one._asdict() for one in book.funds],
        "last_import": kept.last_import,
        "events": [_crash_text(one) for one in kept.events],
        "disabled": dict(kept.disabled),
        "in_force": {
            fund: [number, plain(minimum)] for fund, (number, minimum) in kept.in_force.items()
        },
    }
    found = io.BytesIO()
    line = json.dumps(told).encode() + b"\n"
    found.write(line)
    for name in ARRAYS:
        np.lib.format.write_array(found, getattr(book, name), allow_pickle=False)
    return zlib.compress(found.getvalue())


def unpack(body: bytes) -> RunInputs:
    """What `pack` was given: to the last bit."""
    source = io.BytesIO(zlib.decompress(body))
    told: dict[str, Any] = json.loads(source.readline())
    arrays = {name: np.lib.format.read_array(source, allow_pickle=False) for name in ARRAYS}
    book = PositionBook(
        asset=told["asset"],
        sequence=told["sequence"],
        time=datetime.fromisoformat(told["time"]),
        contracts=tuple(
            ContractTerms(**{**one, "brackets": np.array(one["brackets"])})
            for one in told["contracts"]
        ),
        funds=tuple(FundTerms(**one) for one in told["funds"]),
        digest=told["digest"],
        stale=tuple(told["stale"]),
        **arrays,
    )
    in_force = {
        fund: InForce(number, Decimal(minimum))
        for fund, (number, minimum) in told["in_force"].items()
    }
    events = tuple(map(_crash, told["events"]))
    return RunInputs(book, told["last_import"], events, told["disabled"], in_force)


def _crash_text(one: Crash) -> dict[str, Any]:
    falls = {asset: [plain(fall.hour), plain(fall.day)] for asset, fall in one.falls.items()}
    return {**one._asdict(), "falls": falls}


def _crash(told: Mapping[str, Any]) -> Crash:
    falls = {asset: Fall(*map(Decimal, pair)) for asset, pair in told["falls"].items()}
    return Crash(**{**told, "falls": MappingProxyType(falls)})
