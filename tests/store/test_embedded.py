"""The embedded PostgreSQL, run for real: as root and as an ordinary user alike.

What only root does, becoming another user, is in `test_embedded_under_root.py`.
"""

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest

from app.store.embedded import EmbeddedPostgres, packaged_binaries
from app.store.embedded_files import EmbeddedPostgresError
from tests.store.clusters import ask, made, starts_with_all_its_data

AS_ROOT = os.geteuid() == 0
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="a request to the Linux kernel")

# Only so that a broken server fails a test instead of stopping all of them; nothing is measured.
PATIENCE = 60


UVLOOP = ("asyncio", {"use_uvloop": True})
# The service runs on uvloop, a tool may not: the two start and watch processes in their own ways.
on_both_loops = pytest.mark.parametrize(
    "anyio_backend", ["asyncio", UVLOOP], ids=["asyncio", "uvloop"]
)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return UVLOOP


def as_owner(cluster: Path) -> dict[str, Any]:
    """Arguments that make a subprocess run as the user whom the server runs as."""
    if not AS_ROOT:
        return {}
    status = cluster.stat()
    return {"user": status.st_uid, "group": status.st_gid, "extra_groups": []}


@on_both_loops
async def test_it_is_durable_private_and_exact(data: Path) -> None:
    server = EmbeddedPostgres(data)
    address = await server.start()
    try:
        expected = {
            "fsync": "on",
            "synchronous_commit": "on",
            "full_page_writes": "on",
            "data_checksums": "on",
            "listen_addresses": "",
            "server_encoding": "UTF8",
            "TimeZone": "UTC",
        }
        for name, value in expected.items():
            assert await ask(address, f"SELECT current_setting('{name}')") == value
        assert await ask(address, "SELECT current_database()::text") == "backstop"
        assert await ask(address, "SELECT 'B' < 'a'"), "sorted by code point, on every machine"
        socket = (data / "socket").readlink()
        assert socket.stat().st_mode & 0o777 == 0o700
        assert psutil.Process(server.process_id).uids().real != 0
    finally:
        await server.stop()
    assert not socket.exists()
    assert not psutil.pid_exists(server.process_id)


async def test_data_outlives_a_restart(data: Path) -> None:
    await made(data)
    assert await starts_with_all_its_data(data)


async def test_stop_before_start_and_twice_is_harmless(data: Path) -> None:
    server = EmbeddedPostgres(data)
    await server.stop()
    await server.start()
    await server.stop()
    await server.stop()
    assert await server.wait() == 0
    with pytest.raises(RuntimeError, match="not started"):
        await EmbeddedPostgres(data).wait()


async def test_the_environment_of_a_postgres_user_changes_nothing(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"PGPORT": "1", "PGDATA": "/nowhere", "PGHOST": "x", "PGUSER": "y"}.items():
        monkeypatch.setenv(name, value)
    await made(data)
    assert await starts_with_all_its_data(data)


async def test_one_service_per_data_directory(data: Path) -> None:
    first = EmbeddedPostgres(data)
    address = await first.start()
    try:
        with pytest.raises(EmbeddedPostgresError, match=r"Another Backstop runs.*DATABASE_URL"):
            await EmbeddedPostgres(data).start()
        assert await ask(address, "SELECT 1") == 1
    finally:
        await first.stop()


@on_both_loops
async def test_a_killed_server_is_noticed_and_recovers(data: Path) -> None:
    server = EmbeddedPostgres(data)
    address = await server.start()
    await ask(address, "CREATE TABLE kept AS SELECT 42 AS number")
    os.kill(server.process_id, signal.SIGKILL)
    async with asyncio.timeout(PATIENCE):
        assert await server.wait() == -signal.SIGKILL
    await server.stop()
    assert await starts_with_all_its_data(data)


async def test_a_process_that_outlived_a_killed_server_is_ended(data: Path) -> None:
    server = EmbeddedPostgres(data)
    address = await server.start()
    await ask(address, "CREATE TABLE kept AS SELECT 42 AS number")
    connection = await asyncpg.connect(address)
    backend = psutil.Process(await connection.fetchval("SELECT pg_backend_pid()"))
    # Busy and never waiting for anything, it does not notice that its parent is gone.
    busy = asyncio.create_task(connection.execute("DO $$ BEGIN LOOP END LOOP; END $$"))
    looping = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'DO%'"
    while not await ask(address, looping):
        await asyncio.sleep(0.01)
    os.kill(server.process_id, signal.SIGKILL)
    await server.wait()
    await server.stop()
    assert backend.is_running()
    assert await starts_with_all_its_data(data)
    assert not backend.is_running()
    with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        await busy
    connection.terminate()


SERVICE = """
import pathlib, sys, uvloop
from app.store.embedded import EmbeddedPostgres

async def serve():
    server = EmbeddedPostgres(pathlib.Path(sys.argv[1]))
    await server.start()
    print(server.process_id, flush=True)
    await server.wait()

uvloop.run(serve())
"""


@on_linux
async def test_it_ends_with_a_killed_service(data: Path) -> None:
    await made(data)
    with subprocess.Popen(
        [sys.executable, "-c", SERVICE, str(data)],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    ) as service:
        assert service.stdout is not None
        server = psutil.Process(int(service.stdout.readline()))
        left_behind = (data / "socket").readlink()
        service.kill()
    await asyncio.to_thread(server.wait, PATIENCE)
    assert await starts_with_all_its_data(data)
    assert not left_behind.exists()


async def test_a_server_that_still_runs_is_stopped(data: Path) -> None:
    cluster = await made(data)
    options = f"-c listen_addresses='' -c unix_socket_directories={cluster}"
    # In a closed checkout the server's user can run only the copies.
    copies = (data / "postgres" / "binaries").glob("*/*/bin")
    binaries = next(copies, packaged_binaries())
    subprocess.run(
        [binaries / "pg_ctl", "-D", cluster, "-w", "-l", "/dev/null", "-o", options, "start"],
        check=True,
        stdout=subprocess.DEVNULL,
        **as_owner(cluster),
    )
    left = psutil.Process(int((cluster / "postmaster.pid").read_text().split()[0]))
    assert await starts_with_all_its_data(data)
    assert not left.is_running() or left.status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("dead", [True, False], ids=["zombie", "recycled"])
async def test_another_process_is_not_taken_for_the_server(data: Path, dead: bool) -> None:
    cluster = await made(data)
    command = ["true"] if dead else ["sleep", "1000"]
    with subprocess.Popen(command, **as_owner(cluster)) as other:
        if dead:
            os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
        marker = cluster / "postmaster.pid"
        marker.write_text(f"{other.pid}\n{cluster}\n1\n5432\n/tmp\n\n")
        if AS_ROOT:
            os.chown(marker, cluster.stat().st_uid, cluster.stat().st_gid)
        assert await starts_with_all_its_data(data)
        assert dead or other.poll() is None
        other.kill()


async def test_an_unfinished_cluster_is_made_again(data: Path) -> None:
    unfinished = data / "postgres" / "data.new"
    unfinished.mkdir(parents=True, mode=0o700)
    (unfinished / "half").write_text("")
    await made(data)
    assert not unfinished.exists()


async def test_the_name_of_the_data_directory_may_be_long_and_odd(data: Path) -> None:
    long = data / ("it's a, long name " * 8)
    await made(long)
    assert await starts_with_all_its_data(long)


async def test_a_closed_directory_is_no_obstacle(closed: Path) -> None:
    await made(closed)
    assert await starts_with_all_its_data(closed)
    home = closed / "postgres"
    assert home.is_symlink() is AS_ROOT
    assert (home / "data" / "PG_VERSION").exists()


async def test_a_missing_program_is_explained(data: Path) -> None:
    with pytest.raises(EmbeddedPostgresError, match="DATABASE_URL"):
        await EmbeddedPostgres(data, Path("/nowhere/bin")).start()


async def test_a_data_directory_that_cannot_be_made_is_explained() -> None:
    with pytest.raises(EmbeddedPostgresError, match="DATABASE_URL"):
        await EmbeddedPostgres(Path("/dev/null/data")).start()


async def test_a_server_that_refuses_to_start_is_explained(data: Path) -> None:
    cluster = await made(data)
    (cluster / "PG_VERSION").write_text("1\n")
    with pytest.raises(EmbeddedPostgresError, match=r"(?s)incompatible.*DATABASE_URL"):
        await EmbeddedPostgres(data).start()
