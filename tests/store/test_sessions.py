"""REC-4: sessions are as the service wants them, whatever role and database say; what cannot be
made durable is refused."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import psutil
import pytest
from sqlalchemy import text

from app.engine.commands.keys import CreateKey
from app.runner import lease
from app.runner.keys import make_key
from app.runner.runner import Runner
from app.store import database, embedded
from app.store.database import SESSION, UnfitServer
from app.store.embedded import EmbeddedPostgres
from tests.conftest import new_database

HOSTILE = {
    "synchronous_commit": "off",
    "search_path": "elsewhere",
    "default_transaction_isolation": "serializable",
    "default_transaction_read_only": "on",
    "default_transaction_deferrable": "on",
    "TimeZone": "'Pacific/Chatham'",
    "DateStyle": "'German, DMY'",
    "IntervalStyle": "iso_8601",
    "bytea_output": "escape",
    "array_nulls": "off",
    "standard_conforming_strings": "off",
    "transform_null_equals": "on",
    "client_encoding": "LATIN1",
    "statement_timeout": "1",
    "lock_timeout": "1",
    "idle_in_transaction_session_timeout": "1",
    "idle_session_timeout": "1",
}
"""What an operator, or a default made for others, may have set on the role or the database."""


async def execute(address: str, *statements: str) -> None:
    """Run statements with a bare session."""
    connection = await asyncpg.connect(address)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture
async def hostile(address: str, server: str) -> AsyncIterator[str]:
    """A migrated database, and a role for it, both with settings that do harm; the role's address.

    What each session is told stands on the role, on the database, and on both together.
    """
    name = urlsplit(address).path.removeprefix("/")
    await execute(
        address, f"CREATE ROLE {name} SUPERUSER LOGIN PASSWORD 'x'",
        *(f"ALTER ROLE {name} SET {setting} = {value}" for setting, value in HOSTILE.items()),
        *(f"ALTER DATABASE {name} SET {setting} = {value}" for setting, value in HOSTILE.items()),
        *(
            f"ALTER ROLE {name} IN DATABASE {name} SET {setting} = {value}"
            for setting, value in HOSTILE.items()
        ),
    )  # fmt: skip
    parts = urlsplit(address)
    place = parts.netloc.rpartition("@")[2]
    yield parts._replace(netloc=f"{name}:x@{place}").geturl()
    await execute(
        server, f"ALTER DATABASE {name} RESET ALL",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        f" WHERE usename = '{name}' AND datname = '{name}'",
        f"ALTER ROLE {name} IN DATABASE {name} RESET ALL", f"DROP ROLE {name}",
    )  # fmt: skip


ALL = "SELECT json_object_agg(name, current_setting(name))::text FROM pg_settings"


def as_wanted(settings: dict[str, str]) -> bool:
    """Whether a session is as the service wants it."""
    wanted = SESSION | {
        "synchronous_commit": "on", "client_encoding": "UTF8", "transaction_read_only": "off",
        "transaction_isolation": "read committed",
    }  # fmt: skip
    return {name: settings[name] for name in wanted} == wanted


async def test_a_session_is_as_the_service_wants_it(hostile: str) -> None:
    connection = await database.connect(hostile)
    try:
        assert as_wanted(json.loads(await connection.fetchval(ALL)))
        await database.check_server(connection)
        await asyncio.sleep(0.05)  # past every time-out of the role
        assert await connection.fetchval("SELECT 1") == 1
    finally:
        await connection.close()


async def test_sessions_of_the_reading_pool_too(hostile: str) -> None:
    engine = database.create_engine(hostile)
    try:
        async with engine.connect() as pooled:
            settings = json.loads((await pooled.execute(text(ALL))).scalar_one())
    finally:
        await engine.dispose()
    assert settings.pop("statement_timeout") == f"{database.STATEMENT_SECONDS}s"
    idle = settings.pop("idle_in_transaction_session_timeout")
    assert idle == f"{database.ABANDONED_SECONDS}s"
    assert as_wanted({
        **settings, "statement_timeout": "0", "idle_in_transaction_session_timeout": "0"
    })  # fmt: skip


async def test_a_leader_leads_on_and_commits_to_disk(
    hostile: str, connection: asyncpg.Connection
) -> None:
    async with Runner(hostile) as runner:
        assert runner.leading
        await asyncio.sleep(1.5)  # longer than a heartbeat
        assert runner.leading
        assert runner.metrics.terms_failed == 0
        async with lease.claim(hostile) as claim, claim.connect() as writer:
            assert await writer.fetchval("SHOW synchronous_commit") == "on"
            assert await writer.fetchval("SHOW tcp_keepalives_count") in ("0", "3")
            assert await writer.fetchval("SHOW idle_in_transaction_session_timeout") == "15s"


async def test_a_power_cut_takes_nothing_acknowledged(data: Path) -> None:
    """With synchronous_commit off on the role, what was answered last was lost."""
    postgres = EmbeddedPostgres(data)
    address = await postgres.start()
    try:
        await execute(address, "ALTER ROLE postgres SET synchronous_commit = off")
        await database.migrate(address)
        async with Runner(address) as runner:
            for _ in range(300):
                await runner.submit([CreateKey(make_key("x", "admin")[0])])
            family = psutil.Process(postgres.process_id).children(recursive=True)
            os.kill(postgres.process_id, signal.SIGKILL)
            for process in family:
                process.kill()
            psutil.wait_procs(family, 10)
            await postgres.wait()
    finally:
        await postgres.stop()
    again = EmbeddedPostgres(data)
    try:
        connection = await database.connect(await again.start())
        count = "SELECT count(*) FROM commands WHERE kind = 'CreateKey'"
        assert await connection.fetchval(count) == 300
        await connection.close()
    finally:
        await again.stop()


@pytest.mark.parametrize(
    ("configured", "used"),
    [("off", "on"), ("local", "on"), ("remote_write", "on"), ("on", "on"),
     ("remote_apply", "remote_apply")],
)  # fmt: skip
async def test_a_commit_waits_for_the_disk_or_for_more(
    address: str, configured: str, used: str
) -> None:
    name = urlsplit(address).path.removeprefix("/")
    await execute(address, f"ALTER DATABASE {name} SET synchronous_commit = {configured}")
    connection = await database.connect(address)
    assert await connection.fetchval("SHOW synchronous_commit") == used
    await connection.close()


@pytest.fixture(params=["LATIN1", "WIN1252", "SQL_ASCII"])
def narrow(request: pytest.FixtureRequest, server: str) -> Iterator[tuple[str, str]]:
    """A database that cannot hold every text: its encoding and address."""
    encoding = str(request.param)
    with new_database(server, f"template0 ENCODING '{encoding}' LOCALE 'C'") as address:
        yield encoding, address


async def test_a_database_that_cannot_hold_every_text_is_unfit(narrow: tuple[str, str]) -> None:
    encoding, address = narrow
    connection = await database.connect(address)
    with pytest.raises(UnfitServer, match=rf"encoding is {encoding}.*ENCODING 'UTF8'"):
        await database.check_server(connection)
    await connection.close()


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes"])
async def test_a_server_that_does_not_write_to_disk_is_unfit(
    data: Path, setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(embedded.SETTINGS, setting, "off")
    postgres = EmbeddedPostgres(data)
    try:
        connection = await database.connect(await postgres.start())
        with pytest.raises(UnfitServer, match=rf"{setting} is off"):
            await database.check_server(connection)
        await connection.close()
    finally:
        await postgres.stop()


async def test_settings_that_did_not_arrive_are_noticed(address: str) -> None:
    """As behind a pooler that drops what a session asks for, or gives it another's session."""
    connection = await database.connect(address)
    await connection.execute("SET idle_session_timeout = '1h'; SET array_nulls = off")
    with pytest.raises(UnfitServer, match=r"\(array_nulls, idle_session_timeout\).*pooler"):
        await database.check_server(connection)
    await connection.execute("RESET ALL; SET synchronous_commit = local")
    with pytest.raises(UnfitServer, match=r"synchronous_commit"):
        await database.check_server(connection)
    await connection.close()
