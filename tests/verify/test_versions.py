"""Two releases with other rules in one log: each vouches for its own part (REC-1)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import asyncpg
import pytest

from app.engine.bounds import Bounds
from app.engine.engine import Engine
from app.store.snapshots import TABLES
from app.verify.cli import summary
from app.verify.difference import Difference
from app.verify.log import OtherRules
from app.verify.replay import Findings, verify
from tests.conftest import new_database
from tests.verify.conftest import connected
from tests.verify.market import live


@contextmanager
def release(version: int) -> Iterator[None]:
    """A release in which a cascade's steps are as long as its version says."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Engine, "rules_version", version)
        patch.setattr(Engine, "bounds", Bounds(liquidations=version, finds=1 + version))
        yield


@pytest.fixture(scope="module")
def upgraded(server: str, migrated: str) -> Iterator[str]:
    """The address of a database that three releases have led, each twice; not to be changed."""
    with new_database(server, template=migrated) as address:
        for version in (1, 2, 3):
            with release(version):
                asyncio.run(live(address, seed=version, terms=2, batches=3))
        yield address


@pytest.fixture
async def market(upgraded: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to that database; what is done over it is undone at the end."""
    async with connected(upgraded) as connection:
        transaction = connection.transaction(isolation="repeatable_read")
        await transaction.start()
        yield connection
        await transaction.rollback()


async def verified(market: asyncpg.Connection, version: int) -> Findings:
    """What a release finds."""
    with release(version):
        return await verify(market, lambda done, total: None)


async def difference(market: asyncpg.Connection, version: int) -> Difference:
    """What a release finds: there is something."""
    found = (await verified(market, version)).difference
    assert found is not None
    return found


async def borders(market: asyncpg.Connection) -> list[int]:
    """The last command of each version."""
    query = "SELECT max(sequence) FROM commands GROUP BY rules_version ORDER BY rules_version"
    return [row[0] for row in await market.fetch(query)]


async def test_each_release_vouches_for_its_part(market: asyncpg.Connection) -> None:
    first, second, last = await borders(market)
    parts = {1: (0, first), 2: (first, second), 3: (second, last)}
    for version, (begin, end) in parts.items():
        findings = await verified(market, version)
        assert findings.difference is None
        assert (findings.begin, findings.end) == (begin, end)
        assert findings.commands == end - begin
        assert findings.leaders == 2
        for table in ("transfers", "trades", "fund_history", "liquidations"):
            assert findings.rows[table] > 0
        others = {other: parts[other] for other in parts if other != version}
        assert findings.others == [
            (other, begin + 1, end) for other, (begin, end) in others.items()
        ]
        text = summary(findings, 1)
        assert f"version {version}, commands {begin + 1:,} to {end:,}\n" in text
        assert text.count("to be verified with that release") == 2
        assert text.endswith(f"This vouches for commands {begin + 1:,} to {end:,} only.\n")


async def test_the_parts_meet_in_the_snapshots(market: asyncpg.Connection) -> None:
    """What one release ends with, the next begins with: the same hash."""
    for version in (1, 2):
        findings = await verified(market, version)
        stored = await market.fetchval(
            "SELECT state_hash FROM snapshots WHERE sequence = $1", findings.end
        )
        assert findings.state_hash == stored


async def test_a_log_replays_only_with_its_own_rules(market: asyncpg.Connection) -> None:
    """Were it not for versions, the newest release would not understand the log."""
    await market.execute("UPDATE commands SET rules_version = 3")
    await market.execute("DELETE FROM snapshots")
    assert (await difference(market, 3)).command is not None


@pytest.mark.parametrize("name", TABLES)
async def test_a_tampered_snapshot_is_found(market: asyncpg.Connection, name: str) -> None:
    """By the release that begins with it and by the one before; every kind of state counts."""
    snapshot = f"name = '{name}' AND rules_version = 3"
    assert await market.execute(f"DELETE FROM snapshot_parts WHERE {snapshot}") == "DELETE 1"
    found = await difference(market, 3)
    assert found.table == "snapshots"
    assert found.key.endswith(", 3")
    assert found.what.startswith(("cannot be loaded", "does not have its hash"))


@pytest.mark.parametrize(
    "statement",
    [
        """UPDATE snapshot_parts SET content = jsonb_set(content::jsonb, '{0,balance}', '77.5')
           WHERE name = 'wallets' AND rules_version = 3""",
        """UPDATE snapshot_parts SET content = jsonb_set(content::jsonb, '{0,balance}', '"much"')
           WHERE name = 'wallets' AND rules_version = 3""",
        """UPDATE snapshot_parts SET content = jsonb_set(content::jsonb, '{0,last_trade}', '1')
           WHERE name = 'leadership' AND rules_version = 3""",
        "UPDATE snapshots SET state_hash = repeat('a', 64) WHERE rules_version = 3",
        """UPDATE snapshot_parts SET content = (
               SELECT content FROM snapshot_parts WHERE name = 'marks' AND rules_version = 2
           ) WHERE name = 'marks' AND rules_version = 3""",
    ],
)
async def test_a_changed_snapshot_is_found(market: asyncpg.Connection, statement: str) -> None:
    assert await market.execute(statement) == "UPDATE 1"
    assert (await difference(market, 3)).table == "snapshots"


async def test_a_snapshot_that_was_made_up_is_found_by_the_release_before(
    market: asyncpg.Connection,
) -> None:
    """Its hash agrees with what it holds, but not with what the commands before it give."""
    await market.execute(
        """UPDATE snapshot_parts SET content = (
               SELECT jsonb_agg(CASE account ->> 'account_id' WHEN 'idle'
                   THEN jsonb_set(account, '{created_at}', '"2020-01-01T00:00:00+00:00"')
                   ELSE account END)
               FROM jsonb_array_elements(content::jsonb) AS account
           ) WHERE name = 'accounts' AND rules_version = 3"""
    )
    ((_, hash_of_it, _),) = (await difference(market, 3)).values
    await market.execute("UPDATE snapshots SET state_hash = $1 WHERE rules_version = 3", hash_of_it)
    found = await difference(market, 2)
    assert (found.table, found.what) == ("snapshots", "differs from the replay")
    # The tables have the account as it was, and no command since the snapshot touched it.
    found = await difference(market, 3)
    assert (found.table, found.command) == ("accounts", None)


async def test_a_missing_snapshot_is_found(market: asyncpg.Connection) -> None:
    await market.execute("DELETE FROM snapshots WHERE rules_version = 2")
    found = await difference(market, 1)
    assert (found.table, found.what) == ("snapshots", "is missing in the table")
    with pytest.raises(OtherRules, match="command 1 was applied under rules version 1"):
        await verified(market, 2)


async def test_what_is_tampered_with_after_the_snapshot_is_found(
    market: asyncpg.Connection,
) -> None:
    """The first and the last row of each kind that its commands wrote, and any row of the state."""
    last = (await borders(market))[-1]
    for table in ("transfers", "trades", "liquidations", "fund_history"):
        key = "time > (SELECT time FROM snapshots WHERE rules_version = 3)"
        row = await market.fetchrow(
            f"SELECT ctid::text AS place, time FROM {table} WHERE {key} ORDER BY time LIMIT 1"
        )
        assert row is not None
        async with undone(market):
            await market.execute(
                f"UPDATE {table} SET time = time + interval '1 us' WHERE ctid = $1::text::tid",
                row["place"],
            )
            found = await difference(market, 3)
            assert found.table == table
            assert found.command is not None
            assert found.command <= last
    await market.execute("UPDATE account_contracts SET leverage = 3 WHERE account_id = 'trader-01'")
    assert (await difference(market, 3)).table == "account_contracts"


@asynccontextmanager
async def undone(connection: asyncpg.Connection) -> AsyncIterator[None]:
    """What is done in the body is undone at its end."""
    transaction = connection.transaction()
    await transaction.start()
    yield
    await transaction.rollback()


@pytest.mark.parametrize("version", [0, 1, 3])
async def test_rules_change_with_a_leader_only(market: asyncpg.Connection, version: int) -> None:
    """A command that claims other rules would end a part before it, or begin one after it."""
    begin = (await borders(market))[0]
    await market.execute(
        "UPDATE commands SET rules_version = $1 WHERE sequence = $2", version, begin + 9
    )
    if version > 2:
        found = await difference(market, 2)
        assert (found.table, found.command) == ("commands", begin + 9)
        assert "has rules version 3, its leader 2" in found.what
    else:
        with pytest.raises(OtherRules, match=f"command {begin + 9} was applied under"):
            await verified(market, 2)


async def test_a_log_from_before_versions_is_not_replayed(market: asyncpg.Connection) -> None:
    """Nor is one whose end an older release has written."""
    first, _, last = await borders(market)
    await market.execute("UPDATE commands SET rules_version = 0 WHERE rules_version = 1")
    with pytest.raises(OtherRules, match="command 1 was applied under rules version 0"):
        await verified(market, 1)
    findings = await verified(market, 2)
    assert findings.difference is None
    assert findings.others[0] == (0, 1, first)
    await market.execute("UPDATE commands SET rules_version = 0 WHERE sequence = $1", last)
    with pytest.raises(OtherRules, match=f"command {last} was applied under rules version 0"):
        await verified(market, 3)
