"""Leaders with other rules after one another (REC-1)."""

from __future__ import annotations

from collections.abc import Callable

import asyncpg
import pytest

from app.engine.commands.keys import CreateKey
from app.engine.engine import Engine
from app.engine.invariants import state_hash
from app.engine.results import Done
from app.main import StartError, create_key
from app.runner.keys import make_key
from app.runner.runner import NotLeader, Runner
from app.runner.term import Term
from app.settings import Settings
from app.store.loader import load_state
from app.store.snapshots import newest
from tests.runner.conftest import until

Release = Callable[[int], None]


@pytest.fixture
def release(monkeypatch: pytest.MonkeyPatch) -> Release:
    """Runners that start from here on have these rules."""
    return lambda version: monkeypatch.setattr(Engine, "rules_version", version)


async def write(runner: Runner) -> None:
    """One command that is logged."""
    (result,) = (await runner.submit([CreateKey(make_key("operator", "admin")[0])])).results
    assert isinstance(result, Done)


async def versions(connection: asyncpg.Connection) -> list[int]:
    """Of all commands, in order."""
    rows = await connection.fetch("SELECT rules_version FROM commands ORDER BY sequence")
    return [row[0] for row in rows]


async def kept(connection: asyncpg.Connection) -> list[tuple[int, int]]:
    """Sequence and version of all snapshots."""
    rows = await connection.fetch("SELECT sequence, rules_version FROM snapshots ORDER BY 1, 2")
    return [tuple(row) for row in rows]


async def test_a_snapshot_is_kept_where_newer_rules_begin(
    address: str, connection: asyncpg.Connection, release: Release
) -> None:
    """Once: neither at the first start of all, nor at the next one of the same release."""
    hashes = []
    for version in (4, 4, 6, 6):
        release(version)
        async with Runner(address) as runner:
            await write(runner)
            hashes.append(state_hash(runner.engine.state))
    assert await versions(connection) == [4, 4, 4, 4, 6, 6, 6, 6]
    assert await kept(connection) == [(4, 6)]
    snapshot = await newest(connection, 6)
    assert snapshot is not None
    assert snapshot.state_hash == hashes[1]
    assert state_hash(await load_state(connection, snapshot)) == hashes[1]


async def test_a_log_from_before_versions_is_led(
    address: str, connection: asyncpg.Connection
) -> None:
    async with Runner(address) as runner:
        await write(runner)
    await connection.execute("UPDATE commands SET rules_version = DEFAULT")
    async with Runner(address) as runner:
        await write(runner)
    now = Engine.rules_version
    assert await versions(connection) == [0, 0, now, now]
    assert await kept(connection) == [(2, now)]


async def test_older_rules_do_not_lead(
    address: str, connection: asyncpg.Connection, release: Release
) -> None:
    """Neither beside a newer leader, whom they do not disturb, nor after its end."""
    release(6)
    async with Runner(address) as newer:
        await write(newer)
        release(5)
        async with Runner(address) as older:
            for _ in range(2):
                assert not older.leading
                assert older.refusal is not None
                assert "of rules version 6, and this release has 5" in older.refusal
                with pytest.raises(NotLeader, match="this release has 5"):
                    await write(older)
                assert newer.metrics.terms_failed == 0
                await newer.stop()
            release(6)  # it is asked again and again: so the database may be put back
            await until(lambda: older.leading)
            assert older.refusal is None
    assert await versions(connection) == [6] * 3
    assert await kept(connection) == []


async def test_no_key_is_made_by_older_rules(
    address: str, connection: asyncpg.Connection, release: Release
) -> None:
    release(6)
    async with Runner(address) as runner:
        await write(runner)
    release(5)
    settings = Settings(database_url=address)
    with pytest.raises(StartError, match="this release has 5"):
        await create_key(settings, lambda line: None, "operator", "admin", None)
    assert await versions(connection) == [6, 6]


async def test_an_older_leader_is_followed_by_a_newer_one(
    address: str, connection: asyncpg.Connection, release: Release
) -> None:
    """The newer stands by until the older ends, and keeps what that has left."""
    release(1)
    async with Runner(address) as older:
        release(2)
        async with Runner(address) as newer:
            assert not newer.leading
            assert newer.refusal is None
            await write(older)
            await older.stop()
            await until(lambda: newer.leading)
            await write(newer)
    assert await versions(connection) == [1, 1, 2, 2]
    assert await kept(connection) == [(2, 2)]


async def test_a_leader_that_is_lost_after_its_snapshot(
    address: str,
    connection: asyncpg.Connection,
    release: Release,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The next one finds it there; nothing of the new rules was applied yet."""
    release(1)
    async with Runner(address) as runner:
        await write(runner)
    release(2)
    recover, faults = Term.recover, iter([ConnectionError("lost")])

    async def lost_once(term: Term, *given: object) -> None:
        for fault in faults:
            raise fault
        await recover(term, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(Term, "recover", lost_once)
    async with Runner(address) as runner:
        assert not runner.leading
        assert await kept(connection) == [(2, 2)]
        assert await versions(connection) == [1, 1]
        await until(lambda: runner.leading)
    assert await kept(connection) == [(2, 2)]
    assert await versions(connection) == [1, 1, 2]
