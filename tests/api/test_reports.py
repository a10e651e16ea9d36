"""A fund's daily reports over HTTP (HIS-3)."""

from __future__ import annotations

import csv
import io
from datetime import date, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from app.store.rows import collect
from app.store.tables import metadata
from tests.api.conftest import Api, crash
from tests.store.states import Exchange

PATH = "/v1/insurance-funds/{}/daily-reports"


async def pages(api: Api, fund: str, query: str = "", limit: int = 100) -> list[dict[str, Any]]:
    """All reports, page by page, as anyone sees them."""
    return await api.listed(f"{PATH.format(fund)}?limit={limit}{query}", key=None)


async def test_a_day(api: Api) -> None:
    """A takeover at a loss of 10.5, of a long of 1 BTC at a mark of 47,000."""
    await crash(api)
    await api.mark("BTCUSDT", "47000")
    (report,) = await pages(api, "usdt-major")
    history = (await api("GET /v1/insurance-fund-history?fund=usdt-major&limit=1"))["items"][0]
    now = datetime.fromisoformat(history["time"])
    assert report == {
        "date": f"{now:%Y-%m-%d}", "asset": "USDT", "complete": False,
        "opening": "0", "closing": "989.5",
        "inflow_by_kind": {"seed_capital": "1000"}, "outflow_by_kind": {"bankruptcy_loss": "10.5"},
        "net_flow": "989.5",
        "liquidations": {
            "long": {"count": 1, "value": "47000"}, "short": {"count": 0, "value": "0"},
        },
        "takeovers": 1, "taken_over_value": "987", "adl_events": 1, "adl_value": "46013",
        "largest_loss": "10.5",
        "head": {"sequence": history["sequence"], "hash": history["hash"]},
    }  # fmt: skip
    assert await pages(api, "usdc") == []
    assert await api.refused("GET " + PATH.format("nope")) == (404, "unknown_fund")


@pytest.fixture
async def quiet(api: Api, connection: asyncpg.Connection) -> Api:
    """A fund that got money on the 1st and the 20th of January alone, put beside the service."""
    await api("POST /v1/insurance-funds", {"fund_id": "quiet", "name": "Quiet"}, status=201)
    exchange = Exchange()
    fund = exchange.open_fund("quiet")
    exchange.state.counters.command = 19 * 86400
    exchange.move(fund, "", "7")
    batch = collect(exchange.outcomes, [], exchange.state.counters)
    there: dict[str, Any] = {**batch.merges, "fund_history": batch.appends["fund_history"]}
    for name, rows in there.items():
        columns = metadata.tables[name].columns.keys()
        await connection.copy_records_to_table(name, records=rows, columns=columns)
    return api


async def test_every_day_has_a_report(quiet: Api) -> None:
    """Also those without a change: they have the balance and the head of the last that had one."""
    found = await pages(quiet, "quiet", limit=50)
    days = [date.fromisoformat(report["date"]) for report in found]
    assert days == [days[0] - timedelta(days=n) for n in range(len(days))]
    assert days[-1] == date(2026, 1, 1)
    assert days[0] >= date(2026, 11, 1)
    assert [report["complete"] for report in found] == [False] + [True] * (len(days) - 1)
    balances = [(report["opening"], report["closing"]) for report in found]
    held = {("0", "1000"): 1, ("1000", "1000"): 18, ("1000", "1007"): 1, ("1007", "1007"): 0}
    assert balances == [
        (opening, closing)
        for (opening, closing), times in reversed(held.items())
        for _ in range(times or len(days) - 20)
    ]
    heads = {report["head"]["sequence"]: report["date"] for report in found}
    assert heads == {3: "2026-01-20", 2: "2026-01-01"}
    assert {report["net_flow"] for report in found} == {"0", "7", "1000"}


async def test_from_and_to_are_widened(quiet: Api) -> None:
    """To whole days, whatever lies outside."""
    everything = await pages(quiet, "quiet", limit=1000)
    last = len(everything)

    async def found(query: str) -> list[dict[str, Any]]:
        return await pages(quiet, "quiet", f"&{query}", limit=7)

    of_days = "from=2026-01-19T12:00:00Z&to=2026-01-21T00:00:01Z"
    assert await found(of_days) == everything[last - 21 : last - 18]
    assert await found("asset=USDT&to=2026-01-03T00:00:00Z") == everything[last - 2 :]
    assert await found("asset=USDT&to=2026-01-03") == everything[last - 2 :]
    assert await found("from=2026-01-19&to=2026-01-22") == everything[last - 21 : last - 18]
    assert await found("from=0001-01-01T00:00:00Z&to=9999-12-31T00:00:00Z") == everything
    for query in ("asset=BTC", "to=2026-01-01T00:00:00Z", "from=9999-01-01T00:00:00Z"):
        assert await found(query) == []
    for query in (
        "asset=usdt",
        "from=2026-02-30",
        "to=1",
        "from=2026-1-1",
        "cursor=WzFd",
        "kind=top_up",
        "limit=0",
    ):
        call = f"GET {PATH.format('quiet')}?{query}"
        assert await quiet.refused(call) == (400, "malformed_query"), query


async def test_as_csv(quiet: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """All days as lines, with a column for each kind that came in or went out."""
    monkeypatch.setattr("app.store.queries.reports.EXPORTED", 50)
    path = f"GET {PATH.format('quiet')}?format=csv"
    answer = await quiet.send(path, key=None)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    lines = list(csv.DictReader(io.StringIO(answer.text)))
    reports = await pages(quiet, "quiet", limit=1000)
    assert len(lines) == len(reports)
    for line, report in zip(lines, reports, strict=True):
        assert line.pop("complete") == str(report.pop("complete")).lower()
        flows = {
            name: amount for name, amount in line.items()
            if name.startswith(("inflow_", "outflow_")) and amount != "0"
        }  # fmt: skip
        assert flows == {
            f"{way}_{kind}": amount for way in ("inflow", "outflow")
            for kind, amount in report[f"{way}_by_kind"].items()
        }  # fmt: skip
        for side, told in report["liquidations"].items():
            for name, value in told.items():
                assert line[f"{side}_liquidation_{name}"] == str(value)
        for name, value in report["head"].items():
            assert line[f"head_{name}"] == str(value)
        for name in report.keys() & line.keys():
            assert line[name] == str(report[name])
    assert len((await quiet.send(f"{path}&to=2026-01-03T00:00:00Z")).text.splitlines()) == 3
    assert await quiet.refused(f"GET {PATH.format('nope')}?format=csv") == (404, "unknown_fund")
    page = await quiet(f"GET {PATH.format('quiet')}?limit=1")
    refused = await quiet.refused(f"{path}&cursor={page['next_cursor']}")
    assert refused == (400, "malformed_query")
