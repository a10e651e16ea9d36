"""The tables as declared are the tables as migrated."""

import re
from typing import Any

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from app.store import database
from app.store.tables import metadata
from tests.conftest import new_database

CATALOGUE = {
    # Not their order: what a migration adds comes last. Nor defaults: those are for rows that were
    # there, and for a leader of an earlier release.
    "columns": """
        SELECT table_name, column_name, data_type, is_nullable
        FROM information_schema.columns
        WHERE table_schema = 'public' AND table_name <> 'alembic_version'
        ORDER BY 1, 2""",
    "constraints": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace AND conrelid <> 'alembic_version'::regclass
        ORDER BY 1, 2""",
    "indexes": """
        SELECT tablename, indexname, indexdef FROM pg_indexes
        WHERE schemaname = 'public' AND tablename <> 'alembic_version'
        ORDER BY 1, 2""",
    "options": """
        SELECT relname, reloptions FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
            AND relname <> 'alembic_version'
        ORDER BY 1""",
}


async def catalogue(address: str) -> dict[str, Any]:
    """What PostgreSQL itself says about the tables, CHECKs and column order included."""
    connection = await database.connect(address)
    try:
        return {
            name: [tuple(map(in_order, row)) for row in await connection.fetch(query)]
            for name, query in CATALOGUE.items()
        }
    finally:
        await connection.close()


def in_order(fact: Any) -> Any:
    """A fact, the words of a CHECK sorted: one that is added to a Literal may stand anywhere."""
    if not isinstance(fact, str):
        return fact
    return re.sub(r"ARRAY\[(.*?)\]", lambda words: ", ".join(sorted(words[1].split(", "))), fact)


async def test_the_metadata_is_the_migrations(address: str) -> None:
    """Alembic finds nothing to change."""

    def differences(connection: Connection) -> Any:
        return compare_metadata(MigrationContext.configure(connection), metadata)

    engine = database.create_engine(address)
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()


@pytest.fixture
def bare(server: str, migrated: str) -> Any:
    """A database that is created from the metadata instead."""
    with new_database(server) as address:
        yield address


async def test_every_check_and_index_is_the_same(address: str, bare: str) -> None:
    """Alembic does not compare CHECKs, partial indexes and options: PostgreSQL's catalogue does."""
    engine = database.create_engine(bare)
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
        await connection.exec_driver_sql("CREATE TABLE alembic_version ()")
    await engine.dispose()
    declared, migrated = await catalogue(bare), await catalogue(address)
    for name in CATALOGUE:
        assert declared[name] == migrated[name], name


async def test_migrating_again_changes_nothing(address: str) -> None:
    """Every start migrates; the leadership row stays."""
    await database.migrate(address)
    connection = await database.connect(address)
    assert await connection.fetchval("SELECT count(*) FROM leadership") == 1
    await connection.close()


UNLAWFUL = [
    ("INSERT INTO wallets VALUES ('w', 'fund', 'f', 'USDT', 'main', -1)", "fund_not_negative"),
    ("INSERT INTO wallets VALUES ('w', 'cross', 'a', 'USDT', '', 0.000000001)", "booked"),
    ("INSERT INTO wallets VALUES ('w', 'cross', 'a', 'USDT', '', 'NaN')", "booked"),
    ("INSERT INTO wallets VALUES ('w', 'cross', 'a', 'USDT', '', 'Infinity')", "booked"),
    ("INSERT INTO wallets VALUES ('w', 'piggy', 'a', 'USDT', '', 0)", "kind"),
    ("INSERT INTO positions VALUES ('a', 'S', 'both', 0, 0)", "held"),
    ("INSERT INTO positions VALUES ('a', 'S', 'long', -1, 0)", "leg"),
    ("INSERT INTO marks VALUES ('S', 'NaN', now(), NULL, NULL, NULL, false)", "positive"),
    ("INSERT INTO leadership SELECT false, 0, 0, NULL, 0, 0, 0, 0, 0, 0, 0", "one"),
    (
        "INSERT INTO clearance_fees VALUES (1, now(), 'S', 'f', 'USDT', 1, 9, 3, 1, 1, false)",
        "split",
    ),
    (
        "INSERT INTO transfers VALUES (1, now(), 'deposit', 'USDT', 1, 'w', 0, 'w', 0)",
        "two_sides",
    ),
    (
        "INSERT INTO transfers VALUES (1, now(), 'deposit', 'USDT', 0, 'v', 0, 'w', 0)",
        "positive",
    ),
]


async def test_a_row_against_the_laws_is_refused(connection: asyncpg.Connection) -> None:
    """NUM-2, NUM-4: the second lock on the door."""
    for statement, law in UNLAWFUL:
        with pytest.raises(asyncpg.CheckViolationError, match=f'constraint "[a-z_]*_{law}"'):
            await connection.execute(statement)


async def test_the_database_rounds_nothing(connection: asyncpg.Connection) -> None:
    """NUM-1: 15 integer and 12 fraction digits, and more, come back as they were."""
    value = "123456789012345.123456789012"
    await connection.execute(f"INSERT INTO positions VALUES ('a', 'S', 'both', {value}, 0)")
    assert str(await connection.fetchval("SELECT quantity FROM positions")) == value
