"""Databases that are older than the code keep what they hold."""

from __future__ import annotations

import asyncio
import json
import runpy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from app.store import database
from tests.conftest import new_database
from tests.store.states import NASTY
from tests.store.test_tables import catalogue
from tests.verify.conftest import short_cascade_steps
from tests.verify.market import live


async def migrate(address: str, move: Callable[[Config, str], None], revision: str) -> None:
    """Up or down to a revision."""

    def run(connection: Connection) -> None:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(database.MIGRATIONS))
        move(config, revision)

    engine = database.create_engine(address)
    async with engine.begin() as connection:
        await connection.run_sync(run)
    await engine.dispose()


@pytest.fixture
def third(server: str) -> Iterator[str]:
    """A database at the third revision: a row per step of a liquidation."""
    with new_database(server) as address:
        asyncio.run(migrate(address, command.upgrade, "0003"))
        yield address


RECORDS = """
    INSERT INTO liquidations
    SELECT id, 1, now(), 'a', 'S', 'f', 'long', 'both', 'cross', 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0,
        0, 0, 0, 'closed'
    FROM generate_series(1, 2) AS id;
    INSERT INTO adl_events
    SELECT 1, 1, now(), 'S', 'f', 'long', 1, 1, 1, 0, 1, 0, 1, '[{
        "rank": 1, "account_id": "b", "position_side": "both", "score": "2.5", "quantity": "1"
    }]';
    INSERT INTO alerts VALUES (1, now(), 'adl', 'f', 'USDT', '{"quantity": "1"}')
    """
STORY: list[list[Any]] = [["trigger", {"a": NASTY}]]
STORY += [["fill", {"trade_id": str(number)}] for number in range(10)]


async def test_stories_move_into_the_rows_of_their_liquidations(third: str) -> None:
    """The fourth to the sixth and back: steps in the order of their numbers; JSON as it was."""
    before = await catalogue(third)
    connection = await database.connect(third)
    await connection.execute(RECORDS)
    for number, (kind, detail) in reversed([*enumerate(STORY, start=1)]):
        await connection.execute(
            "INSERT INTO liquidation_steps VALUES (2, $1, $2, $3)", number, kind, json.dumps(detail)
        )
    records = [
        "SELECT * FROM liquidation_steps ORDER BY number", "SELECT queue FROM adl_events",
        "SELECT detail FROM alerts",
    ]  # fmt: skip
    held = [await connection.fetch(query) for query in records]
    await migrate(third, command.upgrade, "0004")
    moved = await connection.fetch("""
        (SELECT steps FROM liquidations ORDER BY liquidation_id)
        UNION ALL SELECT queue FROM adl_events
        UNION ALL SELECT detail FROM alerts""")
    assert [json.loads(value) for (value,) in moved] == [
        [], STORY, [["b", "both", "2.5", "1"]], {"quantity": "1"}
    ]  # fmt: skip
    await migrate(third, command.upgrade, "0006")
    assert await connection.fetchval("SELECT ranked_at = time FROM adl_events")
    await migrate(third, command.downgrade, "0003")
    assert [await connection.fetch(query) for query in records] == held
    assert await catalogue(third) == before
    await connection.close()


@pytest.fixture
def sixth(server: str) -> Iterator[str]:
    """A database at the sixth revision: commands without a version of the rules."""
    with new_database(server) as address:
        asyncio.run(migrate(address, command.upgrade, "0006"))
        yield address


async def test_commands_from_before_versions_have_none(sixth: str) -> None:
    """The seventh and back; a leader of an earlier release writes on as it did (REC-1)."""
    before = await catalogue(sixth)
    connection = await database.connect(sixth)
    written = """
        INSERT INTO commands (sequence, time, epoch, kind, body)
        VALUES ($1, now(), 1, 'Recover', '{}')
    """
    await connection.execute(written, 1)
    await migrate(sixth, command.upgrade, "0007")
    await connection.execute(written, 2)
    versions = await connection.fetch("SELECT rules_version FROM commands")
    assert [row[0] for row in versions] == [0, 0]
    await migrate(sixth, command.downgrade, "0006")
    assert await catalogue(sixth) == before
    assert await connection.fetchval("SELECT count(*) FROM commands") == 2
    await connection.close()


async def test_what_a_fund_has_from_before_is_added_up(address: str) -> None:
    """The twenty-fourth makes of history, liquidations and ADL the same as grew batch by batch
    (HIS-2, HIS-3), to the last unit of values that are rounded."""
    with short_cascade_steps():
        await live(address, seed=8, terms=2, batches=4)
    connection = await database.connect(address)
    module = runpy.run_path(str(database.MIGRATIONS / "versions/0024_fund_buckets.py"))
    for name, made_again in zip(FUND_TABLES, module["FILLED"], strict=True):
        query = f"SELECT * FROM {name} ORDER BY 1, 2, 3, 4, 5, 6"
        grown = await connection.fetch(query)
        assert len(grown) > 10
        await connection.execute(f"TRUNCATE {name}")
        await connection.execute(made_again)
        assert await connection.fetch(query) == grown
    kinds = await connection.fetch("SELECT DISTINCT kind, asset FROM fund_volumes")
    assert {("liquidation", "BTC"), ("takeover", "USDT"), ("adl", "USDT")} <= {*map(tuple, kinds)}
    await connection.close()


FUND_TABLES = ("fund_intervals", "fund_flows", "fund_volumes")


async def test_what_came_before_candles_has_them(address: str) -> None:
    """The sixteenth makes of log and trades the same as grew batch by batch (MRK-5)."""
    with short_cascade_steps():
        await live(address, seed=8, terms=2, batches=4)
    connection = await database.connect(address)
    query = """
        SELECT * FROM candles WHERE symbol <> 'CUSDC' OR source = 'trades' -- its marks are derived
        ORDER BY symbol, source, interval, time
    """
    grown = await connection.fetch(query)
    assert {row["source"] for row in grown} == {"mark", "index", "trades"}
    _, made_again = runpy.run_path(str(database.MIGRATIONS / "versions/0016_candles.py"))[
        "STATEMENTS"
    ]
    await connection.execute("TRUNCATE candles")
    await connection.execute(made_again)
    assert await connection.fetch(query) == grown
    await connection.close()
