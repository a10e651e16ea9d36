"""Starting on a server of one's own (DATABASE_URL): waiting, refusing, first start."""

import asyncio
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from limits import parse

from app import main
from app.engine.commands.leaders import Limits
from app.main import StartError, serve
from app.settings import Settings, SettingsError, read_settings
from app.store import database
from tests.conftest import new_database
from tests.runner.conftest import until


def test_settings_come_from_the_environment() -> None:
    assert read_settings({}) == Settings()
    assert read_settings({"BACKSTOP_PORT": ""}).port == 8000
    given = read_settings({
        "DATABASE_URL": "postgresql://x/y", "BACKSTOP_DATA_DIR": "d", "BACKSTOP_HOST": "::1",
        "BACKSTOP_PORT": "0", "BACKSTOP_ADMIN_KEY": "0123456789abcdef",
    })  # fmt: skip
    assert given == Settings("postgresql://x/y", Path("d"), "::1", 0, "0123456789abcdef")
    assert given.address == "http://[::1]:0"


@pytest.mark.parametrize("port", ["-1", "65536", "http", "8000.0", "٨"])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    with pytest.raises(SettingsError, match="BACKSTOP_PORT"):
        read_settings({"BACKSTOP_PORT": port})


def test_limits_come_from_the_environment() -> None:
    given = read_settings({
        "BACKSTOP_KEY_RATE": "off", "BACKSTOP_ADDRESS_RATE": "20/minute",
        "BACKSTOP_TRUSTED_PROXIES": "10.0.0.0/8, ::1,", "BACKSTOP_MATCHED_ORDERS": "10",
        "BACKSTOP_OPEN_ORDERS": "100000", "BACKSTOP_OPEN_ORDERS_PER_CONTRACT": "1",
        "BACKSTOP_DASK_SCHEDULER": "tcp://10.0.0.5:8786", "BACKSTOP_DAILY_REVIEW": "off",
    })  # fmt: skip
    assert given.dask_scheduler == "tcp://10.0.0.5:8786"
    assert (given.daily_review, Settings().daily_review) == (False, True)
    assert given.limits == Limits(10, 100_000, 1)
    assert given.key_rate is None
    assert given.address_rate == parse("20/minute")
    assert given.trusted_proxies == ("10.0.0.0/8", "::1")
    assert (
        read_settings({"BACKSTOP_ADDRESS_RATE": "", "BACKSTOP_TRUSTED_PROXIES": ""}) == Settings()
    )
    for name, text in (
        ("BACKSTOP_KEY_RATE", "0/second"), ("BACKSTOP_KEY_RATE", "many"),
        ("BACKSTOP_ADDRESS_RATE", "1/second;2/minute"), ("BACKSTOP_ADDRESS_RATE", "5/day"),
        ("BACKSTOP_OPEN_ORDERS", "0"), ("BACKSTOP_MATCHED_ORDERS", "1e3"),
        ("BACKSTOP_TRUSTED_PROXIES", "proxy"), ("BACKSTOP_TRUSTED_PROXIES", "10.0.0.1/8"),
        ("BACKSTOP_DAILY_REVIEW", "no"),
    ):  # fmt: skip
        with pytest.raises(SettingsError, match=name):
            read_settings({name: text})


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("me", False)],
)
def test_loopback(host: str, loopback: bool) -> None:
    assert Settings(host=host).loopback is loopback


async def serve_for_a_moment(settings: Settings) -> list[str]:
    """What the service announces until it serves; then it is told to stop."""
    said: list[str] = []
    task = asyncio.create_task(serve(settings, said.append))
    await until(lambda: task.done() or any("documentation" in line for line in said), 30)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return said


async def test_the_first_start_prepares_and_the_second_does_not(
    address: str, connection: asyncpg.Connection
) -> None:
    settings = Settings(address, port=0)
    first = "\n".join(await serve_for_a_moment(settings))
    (secret,) = re.findall(r"Admin key \(shown only now\): (bk_\S{43})", first)
    funds = await connection.fetchval("SELECT count(*) FROM funds")
    assert funds > 3
    assert await connection.fetchval("SELECT count(*) FROM contracts") > 20
    acts = await connection.fetch("SELECT key_id, reference, kind FROM admin_acts")
    assert {(row["key_id"], row["reference"]) for row in acts} == {("system", "first start")}
    assert {row["kind"] for row in acts} == {"CreateFund", "ImportContracts", "CreateKey"}
    assert len(acts) == await connection.fetchval("SELECT sequence - 1 FROM leadership")
    digests = [row["digest"] for row in await connection.fetch("SELECT digest FROM api_keys")]
    assert len(digests) == 1
    assert secret not in digests
    second = "\n".join(await serve_for_a_moment(settings))
    assert "Admin key" not in second
    given = Settings(address, port=0, admin_key="a key of the operator's own")
    for _ in range(2):
        third = "\n".join(await serve_for_a_moment(given))
        assert "Admin key" not in third
        assert await connection.fetchval("SELECT count(*) FROM api_keys") == 2
    assert await connection.fetchval("SELECT count(*) FROM funds") == funds


async def test_an_unreachable_server_is_waited_for_and_then_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(main, "PATIENCE_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    said: list[str] = []
    with pytest.raises(StartError, match=rf"127\.0\.0\.1:{port}/backstop cannot be reached"):
        await serve(Settings(f"postgresql://u:pw@127.0.0.1:{port}/backstop", port=0), said.append)
    assert any("Waiting for PostgreSQL" in line for line in said)
    assert not any("pw" in line for line in said)


async def test_a_database_that_does_not_exist_is_named(address: str) -> None:
    missing = re.sub(r"/backstop_test_\w+", "/no_such_database", address)
    with pytest.raises(StartError, match="no_such_database"):
        await serve(Settings(missing, port=0), lambda line: None)


@pytest.fixture
def latin(server: str) -> Iterator[str]:
    """A database that cannot hold every text."""
    with new_database(server, "template0 ENCODING 'LATIN1' LOCALE 'C'") as address:
        yield address


async def test_a_database_that_cannot_hold_every_text_is_refused(latin: str) -> None:
    """REC-4: before anything is made in it."""
    with pytest.raises(StartError, match=r"encoding is LATIN1.*CREATE DATABASE"):
        await serve(Settings(latin, port=0), lambda line: None)
    connection = await database.connect(latin)
    assert await connection.fetchval("SELECT to_regclass('leadership')") is None
    await connection.close()
