"""`backstop replay FILE...`: arguments, progress, exit code."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import httpx
import uvloop

from app.replay.client import Service, ServiceError, connect
from app.replay.drive import Replay, ReplayPlan
from app.replay.inputs import InputError, Window
from app.replay.progress import ReplayProgress
from app.replay.report import look_before, render, write_report
from app.replay.setup import find_contracts
from app.replay.steps import ReplayStep, Survey, steps, survey

DESCRIPTION = """\
Drive a running service from recorded market data, with a seeded population of traders and market
makers, and report what came of it: orders, trades, liquidations, clearance fees, takeovers, ADL,
fund balances before and after, and whether the laws hold. Exits with 1 if one does not.
"""

FORMATS = """\
input files (CSV with a header line, .csv or .csv.gz; times in milliseconds since 1970, UTC; rows
in time order; what a file holds is told by its header):
  minute candles  open_time_ms,open,high,low,close,volume
                  symbol from the file name: BTCUSDT_1m.csv.gz
  quotes          ts_ms,symbol,bid,bid_qty,ask,ask_qty
  trades          ts_ms,symbol,taker_side,price,qty,trade_id,type      taker_side BUY or SELL

example: the crash of 19 May 2021 with small funds
  backstop replay data/*_1m.csv.gz --from 2021-05-19 --to 2021-05-20 --fund-seed-capital 20000
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description, parser.epilog = DESCRIPTION, FORMATS
    add = parser.add_argument
    add("files", nargs="+", type=Path, metavar="FILE", help="recorded market data")
    add("--url", help="the service (default: http://BACKSTOP_HOST:BACKSTOP_PORT)")
    add("--admin-key", metavar="KEY", help="an admin's API key (default: BACKSTOP_ADMIN_KEY)")
    add("--seed", type=int, default=1, help="same seed, same run (default: %(default)s)")
    add("--traders", type=_count, default=1000, metavar="N", help="default: %(default)s")
    add("--from", dest="start", type=_time, metavar="TIME", help="2021-05-19, or with T12:00:00Z")
    add("--to", dest="end", type=_time, metavar="TIME", help="up to, but not including")
    add("--symbols", type=_symbols, default=frozenset(), metavar="A,B", help="only these contracts")
    add(
        "--fund-seed-capital",
        type=_amount,
        default=Decimal(100_000),
        metavar="AMOUNT",
        help="paid into each fund involved; small provokes ADL (default: %(default)s)",
    )
    add(
        "--offload",
        type=_count,
        metavar="SECONDS",
        help="have the funds involved sell what they take over, a step in so many seconds of the "
        "service's time, until the replay ends; a minute of candles takes little of that",
    )
    add("--ticks-per-candle", type=_count, default=4, metavar="N", help="default: %(default)s")
    add(
        "--every",
        type=_count,
        default=1,
        metavar="N",
        help="join N candles to one, keeping the extremes (default: %(default)s)",
    )
    add("--json", type=Path, metavar="FILE", help="write the report, with every digit, as JSON")


def run(args: argparse.Namespace, address: str, admin_key: str | None) -> int:
    """Run the command: 0, or 1 if a law does not hold, or 2 if it could not be run.

    `address` and `admin_key` are those of the environment; the arguments go before them.
    """
    url, admin_key = args.url or address, args.admin_key or admin_key
    if not admin_key:
        return _failed("an admin's key is needed: --admin-key, or BACKSTOP_ADMIN_KEY")
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            report = runner.run(_run(args, url, admin_key))
        text = render(report)
        if args.json:
            args.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    except (InputError, ServiceError, httpx.InvalidURL, OSError) as error:
        return _failed(str(error))
    except KeyboardInterrupt:
        return _failed("interrupted")
    sys.stdout.write(text)
    return 0 if all(law["holds"] for law in report["laws"]) else 1


async def _run(args: argparse.Namespace, url: str, admin_key: str) -> dict[str, Any]:
    window = Window(args.start or 0, args.end or Window().end, args.symbols)
    found = survey(args.files, window)
    async with connect(url, admin_key) as http:
        service = Service(http)
        await service.greet()
        return await replay(service, args, window, found)


async def replay(
    service: Service,
    args: argparse.Namespace,
    window: Window,
    found: Survey,
    watch: Callable[[ReplayStep], None] | None = None,
) -> dict[str, Any]:
    """Replay the inputs against a service; returns the report. `watch` sees each step done."""
    began = time.monotonic()
    contracts = await find_contracts(service, found.first_prices)
    before = await look_before(service, list(contracts))
    plan = ReplayPlan(
        seed=args.seed,
        start=found.start,
        traders=args.traders,
        prefix=f"replay-{args.seed}",
        prices=found.first_prices,
        fund_seed_capital=args.fund_seed_capital,
        offload_seconds=args.offload,
    )
    run = Replay(service, plan, contracts)
    progress = ReplayProgress(found.start, found.end, run.tally, sys.stderr)
    progress.say(f"opening {args.traders:,} accounts ...")
    await run.open()

    def done(step: ReplayStep) -> None:
        progress.show(step.time)
        if watch:
            watch(step)

    inputs = steps(args.files, window, args.ticks_per_candle, args.every, found.traded)
    await run.run(inputs, done)
    progress.show(found.end, last=True)
    await run.end()
    progress.say("reading the books ...")
    report = await write_report(service, before, run.tally, list(contracts))
    return {"run": _facts(args, found, time.monotonic() - began), **report}


def _facts(args: argparse.Namespace, found: Survey, seconds: float) -> dict[str, Any]:
    return {
        "files": [path.name for path in args.files],
        "symbols": list(found.first_prices),
        "start": _text(found.start),
        "end": _text(found.end),
        "candles": found.candles,
        "quotes": found.quotes,
        "prints": found.prints,
        "seed": args.seed,
        "traders": args.traders,
        "ticks_per_candle": args.ticks_per_candle,
        "every": args.every,
        "offload": args.offload,
        "seconds": round(seconds, 1),
    }


def _failed(why: str) -> int:
    sys.stderr.write(f"backstop replay: {why}\n")
    return 2


def _text(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _argument(parse: Callable[[str], Any], what: str) -> Callable[[str], Any]:
    """An argument type whose refusal says what was expected."""

    def checked(text: str) -> Any:
        try:
            return parse(text)
        except (ValueError, InvalidOperation):
            raise argparse.ArgumentTypeError(f"{text!r} is not {what}") from None

    return checked


def _parse_time(text: str) -> int:
    parsed = datetime.fromisoformat(text)
    aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    return int(aware.timestamp() * 1000)


def _parse_count(text: str) -> int:
    number = int(text)
    if not 0 < number <= 100_000:
        raise ValueError
    return number


def _parse_amount(text: str) -> Decimal:
    value = Decimal(text)
    if not 0 <= value < Decimal("1e15"):
        raise ValueError
    return value


_time = _argument(_parse_time, "a date or time in UTC")
_count = _argument(_parse_count, "a whole number from 1 to 100000")
_amount = _argument(_parse_amount, "an amount of zero or more")
_symbols = _argument(lambda text: frozenset(text.upper().split(",")), "a list of symbols")
