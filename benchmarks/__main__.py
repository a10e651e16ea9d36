"""`python -m benchmarks`: run the rows and print the table."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import uvloop

from benchmarks import (
    calibration,
    cascades,
    growth,
    history,
    orders,
    peer,
    servers,
    settlements,
    start,
    takeover,
    ticks,
)
from benchmarks.options import QUICK, Options
from benchmarks.table import Row, markdown

FAMILIES: dict[str, Callable[[str, Options], Awaitable[list[Row]]]] = {
    "orders": orders.rows,
    "cascades": cascades.rows,
    "funding": settlements.rows,
    "start": start.rows,
    "history": history.rows,
    "takeover": takeover.rows,
    "ticks": ticks.rows,
    "growth": growth.rows,
    "calibration": calibration.rows,
    "peer": peer.rows,
}
NOTES = (
    "measured in pairs in one run, by turns; each figure is the median of the rounds",
    "F1: the order echoed by a bare FastAPI route; F2: FastAPI, asyncpg, an INSERT per request",
    "F3: pgbench's TPC-B with as many clients; all on one PostgreSQL with the service's settings",
    "NP: NumPy recomputing every position; those ticks are the engine's alone, in process",
    "exponent: how the engine's time grows from half to whole, in process, of the processor",
)


async def run(names: Sequence[str], options: Options) -> list[Row]:
    """The rows of these families, all on one PostgreSQL server."""
    rows = []
    async with servers.postgres() as server:
        for name in names:
            rows += await FAMILIES[name](server, options)
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line, run, print."""
    names, options = _parse(arguments)
    servers.pin()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        rows = runner.run(run(names, options))
    print(f"\n{markdown(rows, [*NOTES, peer.note()])}")


def _parse(arguments: Sequence[str] | None) -> tuple[list[str], Options]:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="The floors and the peers beside ours."
    )
    parser.add_argument("--only", choices=FAMILIES, action="append", help="rows of one family")
    parser.add_argument("--quick", action="store_true", help="see that every row runs, no more")
    parser.add_argument("--seconds", type=float, help="of each load (4)")
    parser.add_argument("--positions", type=int, help="where there are a million")
    parser.add_argument("--history", type=int, help="rows of fund history (10,000,000)")
    parser.add_argument("--rounds", type=int, help="of paired measurements (5)")
    given = parser.parse_args(arguments)
    changes = {
        name: value
        for name in ("seconds", "positions", "rounds", "history")
        if (value := getattr(given, name)) is not None
    }
    return given.only or list(FAMILIES), replace(QUICK if given.quick else Options(), **changes)


if __name__ == "__main__":
    main()
