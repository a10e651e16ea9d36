"""Lists that PostgreSQL writes say what their schemas say (`app/store/queries/items.py`)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import asyncpg
import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.engine.interfaces import CacheStats

from app.api.acts import without_secrets
from app.api.schemas.accounts import LedgerEntryView
from app.api.schemas.acts import AdminActView
from app.api.schemas.adl import AdlEventView, AdlNoticeView
from app.api.schemas.base import View
from app.api.schemas.funds import AlertView
from app.api.schemas.history import HistoryView, TreasuryHistoryView
from app.api.schemas.liquidations import ClearanceFeeView, LiquidationView
from tests.api.conftest import Api, crash

LISTS: dict[str, tuple[type[View], str]] = {
    "liquidations": (LiquidationView, "SELECT * FROM liquidations ORDER BY liquidation_id DESC"),
    "clearance-fees": (ClearanceFeeView, "SELECT * FROM clearance_fees ORDER BY 1 DESC"),
    "adl-events": (AdlEventView, "SELECT * FROM adl_events ORDER BY adl_event_id DESC"),
    "accounts/carol/adl-notices": (
        AdlNoticeView,
        """SELECT part.*, time, symbol, fund_id, mark_price, adl_policy, 'short' AS side
        FROM adl_counterparties AS part JOIN adl_events USING (adl_event_id)
        WHERE account_id = 'carol' ORDER BY adl_event_id DESC, number DESC""",
    ),
    "alerts": (AlertView, "SELECT * FROM alerts ORDER BY alert_id DESC"),
    "insurance-fund-history": (
        HistoryView,
        "SELECT * FROM fund_history ORDER BY time DESC, fund_id DESC, sequence DESC",
    ),
    "treasury/history": (
        TreasuryHistoryView,
        "SELECT * FROM treasury_history ORDER BY sequence DESC",
    ),
    "admin-acts": (
        AdminActView,
        """SELECT a.*, a.sequence AS act_id, body
        FROM admin_acts AS a JOIN commands USING (sequence)
        ORDER BY a.sequence DESC""",
    ),
    "accounts/alice/ledger": (
        LedgerEntryView,
        """SELECT transfer_id, time, kind, asset, symbol, reference, wallet, balance_after,
                  CASE WHEN receives THEN amount ELSE -amount END AS amount
        FROM transfers, LATERAL (VALUES
            (false, source, source_balance), (true, destination, destination_balance)
        ) AS side (receives, of, balance_after), LATERAL (VALUES
            ('cross/alice/USDT', 'cross'), ('isolated/alice/USDT/BTCUSDT:both', 'BTCUSDT:both')
        ) AS named (key, wallet)
        WHERE key = of ORDER BY transfer_id DESC, receives DESC""",
    ),
}
"""Each list with its view, and a query for all that it is of."""


@pytest.fixture
async def past(api: Api) -> Api:
    """A service with rows in each list: alice was closed, dave deleveraged; keys, and reasons."""
    treasury = {"asset": "USDT", "amount": "10.50", "reference": 'a "reason", with \\ and ü'}
    await api("POST /v1/treasury/contributions", treasury, status=201)
    await crash(api, fund="100", cushion="1")
    await api.mark("BTCUSDT", "47690")
    await api.open("dave", "5000")
    await api.configure("dave", 20, "isolated")
    await api.order("carol", "sell", "1", "47690")
    await api.order("dave", "buy", "1", "47690")
    await api.mark("BTCUSDT", "45000")
    await api("POST /v1/api-keys", {"name": "n", "scope": "feed"}, status=201)
    return api


def as_json(view: type[View], rows: Sequence[asyncpg.Record]) -> Any:
    """What pydantic makes of rows."""
    shown = []
    for row in rows:
        known = dict(row)
        for name in {"body", "detail"} & known.keys():
            known[name] = without_secrets(json.loads(known[name]))
        if "fund_id" in known:
            known["fund"] = known["fund_id"]
        shown.append(view.of(known).model_dump(mode="json"))
    return shown


@pytest.mark.parametrize("name", LISTS)
async def test_a_list_is_what_its_schema_makes_of_the_rows(
    name: str, past: Api, connection: asyncpg.Connection
) -> None:
    """Value by value, in the schema's order of names."""
    view, query = LISTS[name]
    rows = await connection.fetch(query)
    answer = await past(f"GET /v1/{name}?limit=1000")
    assert rows
    assert answer == {"items": as_json(view, rows), "next_cursor": None}
    assert [list(item) for item in answer["items"]] == [list(view.model_fields)] * len(rows)


async def test_no_list_has_its_statement_compiled_again(past: Api) -> None:
    """A statement that SQLAlchemy cannot keep takes longer than the page of rows."""
    compiled: list[str] = []

    def seen(*call: Any) -> None:
        statement, context = call[2], call[4]
        if context.cache_hit is not CacheStats.CACHE_HIT:
            compiled.append(statement)

    event.listen(Engine, "before_cursor_execute", seen)
    try:
        for name in LISTS:
            await past(f"GET /v1/{name}")
            assert compiled, name
            compiled.clear()
            await past(f"GET /v1/{name}")
            assert compiled == [], name
    finally:
        event.remove(Engine, "before_cursor_execute", seen)
