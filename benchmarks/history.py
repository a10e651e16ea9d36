"""Every page, filter and interval of a long past, over HTTP: what one answer takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from urllib.parse import urlencode

from app.api.paging import cursor_of
from app.engine.numbers import time_text
from benchmarks import records, servers
from benchmarks.load import Load, drive, request
from benchmarks.options import Options
from benchmarks.table import Row, duration, say

GOAL_MS = 10.0
TRIED_BEFORE = 20
"""Requests of a kind before those that count: as many connections learn the statement."""
DAYS = 730

Ask = Callable[["Past"], str]


class Past:
    """What is asked about: places and words drawn from a fixed seed."""

    def __init__(self, rows: int, now: datetime) -> None:
        self.rows = rows
        self.now = now
        self.random = Random(1)

    def moment(self) -> datetime:
        """A time in the past, at least a day ago."""
        return self.now - timedelta(seconds=self.random.uniform(1, DAYS) * 86_400)

    def place(self, share: float) -> str:
        """The cursor of a list by number, of which there are that share of the rows."""
        return cursor_of(self.random.randint(1, max(1, int(self.rows * share))))

    def account(self) -> str:
        """The busiest account in half of the cases, else any."""
        return f"h{self.random.choice((0, self.random.randrange(records.accounts(self.rows))))}"


def _history(query: dict[str, str]) -> str:
    return f"/v1/insurance-fund-history?{urlencode(query)}"


def _between(past: Past, days: float, **query: str) -> str:
    start = past.moment()
    query |= {"from": time_text(start), "to": time_text(start + timedelta(days=days))}
    return _history(query)


def _numbered(path: str, share: float, **query: str) -> Ask:
    """A page of a list by number, the first or a deep one."""

    def asked(past: Past) -> str:
        place = {"cursor": past.place(share)} if past.random.random() < 0.5 else {}
        return f"/v1/{path}?{urlencode({**query, **place})}"

    return asked


def _raw(**query: str) -> Ask:
    def asked(past: Past) -> str:
        place = cursor_of(past.moment(), "usdt-major", 1)
        return _history({**query, "cursor": place} if past.random.random() < 0.5 else query)

    return asked


def _times(days: float, **query: str) -> Ask:
    return lambda past: _between(past, days, **query)


def _of_account(past: Past, path: str, **query: str) -> str:
    return f"/v1/{path}?{urlencode({'account_id': past.account(), **query})}"


def _ledger(past: Past, **query: str) -> str:
    return f"/v1/accounts/{past.account()}/ledger?{urlencode(query)}"


def _reports(past: Past) -> str:
    start = past.moment()
    days = {"from": time_text(start), "to": time_text(start + timedelta(days=31))}
    return f"/v1/insurance-funds/usdt-major/daily-reports?{urlencode(days)}"


def _signals(past: Past, **query: str) -> str:
    place = {"cursor": cursor_of(past.moment())} if past.random.random() < 0.5 else {}
    return f"/v1/insurance-funds/usdt-major/signals?{urlencode({**query, **place})}"


MAJOR, OTHER = {"fund": "usdt-major"}, {"fund": "usdt-other"}
RARE = {"kind": "adjustment"}
LOSS = {"kind": "bankruptcy_loss"}
OFTEN, SELDOM = {"symbol": "EGLDUSD_PERP"}, {"symbol": "ETHUSDT"}
LIQUIDATIONS, FEES, EVENTS, ALERTS = "liquidations", "clearance-fees", "adl-events", "alerts"

QUESTIONS: dict[str, Ask] = {
    "history": _raw(),
    "history, a page of 1,000": _raw(limit="1000"),
    "history of a fund": _raw(**MAJOR),
    "of a kind": _raw(**LOSS),
    "of a rare kind": _raw(**RARE),
    "of a contract": _raw(**OFTEN),
    "of another contract": _raw(**SELDOM),
    "of an asset": _raw(asset="BTC"),
    "of a fund's rare asset": _raw(**MAJOR, asset="BNB"),
    "of a fund and kind": _raw(**MAJOR, **LOSS),
    "of a fund and a rare kind": _raw(**MAJOR, **RARE),
    "of an asset and a rare kind": _raw(asset="USDT", **RARE),
    "of a contract and a rare kind": _raw(**OFTEN, **RARE),
    "of a contract and another's fund": _raw(**OFTEN, **OTHER),
    "of a contract and another asset": _raw(**OFTEN, asset="USDC"),
    "of fund, asset, kind and contract": _raw(**MAJOR, asset="USDT", **LOSS, **SELDOM),
    "history of ten minutes": _times(0.007),
    "of a day, fund and rare kind": _times(1, **MAJOR, **RARE),
    "of a year and a contract": _times(365, **OFTEN),
    "by the minute": _times(1, **MAJOR, asset="USDT", interval="1m"),
    "by the hour": _times(90, **MAJOR, asset="USDT", interval="1h"),
    "by the day": _times(365, **MAJOR, asset="USDT", interval="1d"),
    "by the day, the newest": lambda _: _history({**MAJOR, "asset": "USDT", "interval": "1d"}),
    "a fund": lambda _: "/v1/insurance-funds/usdt-major",
    "a fund's head": lambda _: "/v1/insurance-funds/usdt-major/history-head",
    "daily reports": lambda _: "/v1/insurance-funds/usdt-major/daily-reports",
    "of a month": _reports,
    "admin acts": lambda _: "/v1/admin-acts",
    "a fund's signal": lambda _: "/v1/insurance-funds/usdt-major/signal",
    "of a week": lambda _: "/v1/insurance-funds/usdt-major/signal?window=7d",
    "a fund's signals": _signals,
    "of a week ": lambda past: _signals(past, window="7d"),
    "liquidations": _numbered(LIQUIDATIONS, 0.1),
    "liquidations, a page of 1,000": _numbered(LIQUIDATIONS, 0.1, limit="1000"),
    "liquidations of a contract": _numbered(LIQUIDATIONS, 0.1, **OFTEN),
    "of a fund ": _numbered(LIQUIDATIONS, 0.1, **MAJOR),
    "of an outcome": _numbered(LIQUIDATIONS, 0.1, outcome="closed"),
    "of a rare outcome": _numbered(LIQUIDATIONS, 0.1, outcome="reduced"),
    "of a contract and a rare outcome": _numbered(LIQUIDATIONS, 0.1, **SELDOM, outcome="reduced"),
    "of a fund and a rare outcome": _numbered(LIQUIDATIONS, 0.1, **MAJOR, outcome="reduced"),
    "of a contract and another's fund ": _numbered(LIQUIDATIONS, 0.1, **OFTEN, **OTHER),
    "of an account": lambda past: _of_account(past, LIQUIDATIONS),
    "of an account and outcome": lambda past: _of_account(past, LIQUIDATIONS, outcome="reduced"),
    "one liquidation": lambda past: f"/v1/liquidations/{past.random.randint(1, past.rows // 10)}",
    "clearance fees": _numbered(FEES, 0.1),
    "clearance fees of a contract": _numbered(FEES, 0.1, **OFTEN),
    "of a fund  ": _numbered(FEES, 0.1, **MAJOR),
    "of a contract and another's fund  ": _numbered(FEES, 0.1, **OFTEN, **OTHER),
    "ADL events": _numbered(EVENTS, 0.009),
    "ADL events of an account": lambda past: _of_account(past, EVENTS),
    "alerts": _numbered(ALERTS, 0.009),
    "alerts of a fund": _numbered(ALERTS, 0.009, **OTHER),
    "alerts of a rare kind": _numbered(ALERTS, 0.009, kind="fund_empty"),
    "alerts of a fund and a rare kind": _numbered(ALERTS, 0.009, **OTHER, kind="fund_empty"),
    "an account's ledger": _ledger,
    "an account's ledger of a kind": lambda past: _ledger(past, kind="funding"),
    "of a rare kind ": lambda past: _ledger(past, kind="withdrawal"),
    "of a rare asset": lambda past: _ledger(past, asset="BTC"),
    "of a rare asset and kind": lambda past: _ledger(past, asset="BTC", kind="withdrawal"),
}


async def rows(server: str, options: Options) -> list[Row]:
    """Load the past once, then ask everything in turn."""
    async with servers.new_database(server) as database:
        say(f"history: writing {options.history:,} rows")
        await servers.prepare(database, records.seed())
        await records.write(database, options.history)
        past = Past(options.history, datetime.now(UTC))
        async with servers.service(database) as found:
            return [await _asked(found, past, what, options) for what in QUESTIONS]


async def _asked(address: str, past: Past, what: str, options: Options) -> Row:
    def requests(count: int) -> Iterator[bytes]:
        return (request("GET", QUESTIONS[what](past), key=servers.ADMIN_KEY) for _ in range(count))

    await _all_answered(address, requests(min(TRIED_BEFORE, options.questions)))
    load = await _all_answered(address, requests(options.questions))
    p50, p99 = load.quantile(0.5), load.quantile(0.99)
    say(f"history: {what}: {duration(p50)}, p99 {duration(p99)}")
    return Row(
        what.strip(), f"p99 {duration(p99)}", f"p50 {duration(p50)}", p99 * 1e3, "ms", GOAL_MS,
        at_least=False,
    )  # fmt: skip


async def _all_answered(address: str, requests: Iterator[bytes]) -> Load:
    load = await drive(address, [requests])
    if load.refused:
        raise RuntimeError(load.refused[0].decode())
    return load
