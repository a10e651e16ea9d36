"""`backstop demo`: arguments, the order of things, exit code."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import httpx
import uvloop

from app.demo.chart import ASCII, BLOCKS, can_draw_blocks
from app.demo.host import throw_away
from app.demo.market import COINS, write_crash
from app.demo.story import Watch, tell
from app.replay.cli import replay
from app.replay.client import Service, ServiceError, connect
from app.replay.inputs import InputError, Window
from app.replay.report import render
from app.replay.steps import survey

DESCRIPTION = """\
Show a market crash in under a minute, without any files: traders, liquidations, clearance fees,
takeovers, ADL, and the fund history it left. Runs a service of its own that is gone afterwards, or
with --url plays against a running one. Exits with 1 if a law does not hold.
"""

FUND_SEED_CAPITAL = Decimal(5_000)
"""Little, so that takeovers reach the cap of FND-2 and ADL begins."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.description = DESCRIPTION
    add = parser.add_argument
    add("--seed", type=int, default=1, help="same seed, same crash (default: %(default)s)")
    add("--traders", type=int, default=150, metavar="N", help="default: %(default)s")
    add("--minutes", type=int, default=72, metavar="N", help="of the crash (default: %(default)s)")
    add("--url", help="a running service to play against, instead of one of its own")
    add("--admin-key", metavar="KEY", help="of that service (default: BACKSTOP_ADMIN_KEY)")


def run(args: argparse.Namespace, admin_key: str | None) -> int:
    """Run the demo: 0, or 1 if a law does not hold, or 2 if it could not be run."""
    admin_key = args.admin_key or admin_key
    if args.url and not admin_key:
        return _failed("an admin's key is needed: --admin-key, or BACKSTOP_ADMIN_KEY")
    if not (1 <= args.traders <= 10_000 and 10 <= args.minutes <= 1440):
        return _failed("--traders is 1 to 10000, --minutes is 10 to 1440")
    try:
        with (
            _service(args.url, admin_key) as (url, key),
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            text, holds = runner.run(_play(args, url, key))
    except (InputError, ServiceError, httpx.InvalidURL, OSError) as error:
        return _failed(str(error))
    except KeyboardInterrupt:
        return _failed("interrupted")
    sys.stdout.write(text)
    return 0 if holds else 1


@contextmanager
def _service(url: str | None, admin_key: str | None) -> Iterator[tuple[str, str]]:
    if url and admin_key:
        yield url, admin_key
        return
    _say("starting a service with a PostgreSQL of its own ...")
    with throw_away() as found:
        try:
            yield found
        finally:
            _say("ending it and removing its data ...")


async def _play(args: argparse.Namespace, url: str, admin_key: str) -> tuple[str, bool]:
    """The crash and what is told of it; and whether all laws hold."""
    with tempfile.TemporaryDirectory(prefix="backstop-demo-") as folder:
        files = write_crash(Path(folder), args.seed, args.minutes)
        plan = argparse.Namespace(
            files=files,
            seed=args.seed,
            traders=args.traders,
            ticks_per_candle=4,
            every=1,
            fund_seed_capital=FUND_SEED_CAPITAL,
            offload=None,
        )
        watch = Watch(COINS[0].symbol)
        async with connect(url, admin_key) as http:
            service = Service(http)
            await service.greet()
            newest = (await service.get("/v1/liquidations", limit=1))["items"]
            last = int(newest[0]["liquidation_id"]) if newest else 0
            report = await replay(service, plan, Window(), survey(files, Window()), watch.see)
            blocks = BLOCKS if can_draw_blocks(sys.stdout.encoding) else ASCII
            text = render(report) + await tell(service, watch, last, blocks)
    return text, all(law["holds"] for law in report["laws"])


def _say(what: str) -> None:
    sys.stderr.write(f"{what}\n")
    sys.stderr.flush()


def _failed(why: str) -> int:
    sys.stderr.write(f"backstop demo: {why}\n")
    return 2
