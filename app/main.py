"""The composition root: settings -> PostgreSQL -> runner -> API -> HTTP server, and back down."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from time import monotonic

import asyncpg
from alembic.util import CommandError
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import ASGIApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from app.api.application import create_app
from app.api.limits import ConnectionLimits, connection_limit
from app.api.rates import Rates
from app.api.server import Server
from app.catalogue.default import default_commands
from app.engine.commands import KeyScope
from app.engine.commands.keys import CreateKey
from app.engine.rejections import Rejection
from app.jobs.desk import Desk
from app.jobs.review import Reviews
from app.jobs.supervisor import Supervisor
from app.runner.keys import digest_of, make_key
from app.runner.runner import Busy, By, NotLeader, Runner
from app.settings import Settings
from app.store import database
from app.store.address import shown
from app.store.embedded import EmbeddedPostgres
from app.store.embedded_files import EmbeddedPostgresError

log = logging.getLogger("backstop")

Announce = Callable[[str], None]
"""How the operator is told something: one line."""

PATIENCE_SECONDS = 15.0
"""How long a server behind DATABASE_URL may take to answer."""
GRACE_SECONDS = 3
SYSTEM = "system"
"""In the place of a key: what this program does of itself. No key is called so."""
FIRST_START = By(SYSTEM, "first start")
"""How long open connections may take to end."""


class StartError(Exception):
    """Why it cannot be done, for the operator: a sentence, no traceback."""


async def serve(settings: Settings, announce: Announce) -> None:
    """Serve until SIGINT, SIGTERM or SIGHUP (its terminal is gone); raises `StartError`.

    When the embedded PostgreSQL dies, all but the listening socket is built anew around it.
    """
    with _listener(settings) as listener, _until_signal():
        settings = replace(settings, port=listener.getsockname()[1])
        while True:
            async with AsyncExitStack() as stack:
                embedded, address = await stack.enter_async_context(
                    open_database(settings, announce)
                )
                runner = await stack.enter_async_context(Runner(address, limits=settings.limits))
                await _serve_http(settings, announce, listener, runner, address, embedded)
            log.error("the embedded PostgreSQL ended unexpectedly; starting it again")


@asynccontextmanager
async def open_database(
    settings: Settings, announce: Announce
) -> AsyncIterator[tuple[EmbeddedPostgres | None, str]]:
    """A migrated database: embedded, or the one of DATABASE_URL; and its address.

    Raises `StartError`.
    """
    embedded = None if settings.database_url else EmbeddedPostgres(settings.data_dir)
    try:
        if embedded:
            announce(f"Starting PostgreSQL in {settings.data_dir} ...")
            address = await embedded.start()
        else:
            address = settings.database_url or ""
        await _wait_for(address, announce)
        await _migrate(address)
        yield embedded, address
    except EmbeddedPostgresError as error:
        raise StartError(str(error)) from error
    finally:
        if embedded:
            await embedded.stop()


async def create_key(
    settings: Settings, announce: Announce, name: str, scope: KeyScope, account_id: str | None
) -> str:
    """Register an API key while no service runs, by leading for a moment; returns the secret."""
    async with (
        open_database(settings, announce) as (_, address),
        Runner(address, limits=settings.limits) as runner,
    ):
        if not runner.leading:
            raise StartError(runner.refusal or "another Backstop leads on this database")
        key, secret = make_key(name, scope, account_id)
        answer = await runner.submit([CreateKey(key)], by=By(SYSTEM, "backstop keys create"))
        if isinstance(answer.results[0], Rejection):
            raise StartError(answer.results[0].detail)
        return secret


# HTTP


def _is_news(record: logging.LogRecord) -> bool:
    """Not the tracebacks of requests that the end of the grace period cancelled."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


async def _serve_http(
    settings: Settings,
    announce: Announce,
    listener: socket.socket,
    runner: Runner,
    address: str,
    embedded: EmbeddedPostgres | None,
) -> None:
    """Serve until cancelled or until the embedded server is dead."""
    engine = database.create_engine(address, await _read_slots(address))
    rates = Rates(settings.key_rate, settings.address_rate)
    supervisor = Supervisor(address, dask_scheduler=settings.dask_scheduler)
    desk = Desk(address)
    reviews = Reviews(runner, address, engine)
    loopback = settings.loopback
    app = create_app(runner, engine, rates, supervisor.wake, desk, open_metrics=loopback)
    server = Server(
        behind(settings.trusted_proxies, app),
        app.state.services.metrics,
        ConnectionLimits(connection_limit()),
        GRACE_SECONDS,
    )
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    ends = {asyncio.create_task(embedded.wait())} if embedded else set()
    preparing = asyncio.create_task(_prepare(settings, announce, runner))
    serving: asyncio.Task[None] | None = None
    supervisor.start()
    if settings.daily_review:
        reviews.start()
    try:
        while runner.leading and not any(task.done() for task in (preparing, *ends)):
            await asyncio.wait({preparing, *ends}, timeout=0.5, return_when=asyncio.FIRST_COMPLETED)
        if preparing.done():
            preparing.result()
        serving = asyncio.create_task(server.serve([listener.dup()]))
        announce(f"Backstop serves on {settings.address}")
        announce(f"API documentation: {settings.address}/docs")
        await asyncio.wait({serving, *ends}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (preparing, *ends):
            task.cancel()
        if serving is not None:
            server.should_exit = True
            await serving
        await reviews.stop()
        await supervisor.stop()
        await desk.stop()
        await engine.dispose()


async def _prepare(settings: Settings, announce: Announce, runner: Runner) -> None:
    """What a first start needs, as soon as this process leads: the catalogue, an admin key."""
    while True:
        try:
            await _load_catalogue(runner)
            await _register_admin(settings, announce, runner)
        except (NotLeader, Busy):
            await asyncio.sleep(0.5)
        else:
            return


async def _load_catalogue(runner: Runner) -> None:
    state = runner.engine.state
    if state.markets or state.funds:
        return
    answer = await runner.submit(default_commands(runner.now()), by=FIRST_START)
    for result in answer.results:
        if isinstance(result, Rejection):
            raise StartError(f"the default catalogue was refused: {result.detail}")


async def _register_admin(settings: Settings, announce: Announce, runner: Runner) -> None:
    """Register BACKSTOP_ADMIN_KEY if it is new; without any admin key, draw one and show it."""
    keys = runner.engine.state.keys.values()
    given = settings.admin_key
    if given is None:
        known = any(key.key.scope == "admin" and key.revoked_at is None for key in keys)
    else:
        known = any(key.key.digest == digest_of(given) for key in keys)
    if known:
        return
    key, secret = make_key("BACKSTOP_ADMIN_KEY" if given else "first start", "admin", None, given)
    answer = await runner.submit([CreateKey(key)], by=By(SYSTEM, key.name))
    if isinstance(answer.results[0], Rejection):
        raise StartError(f"the admin key was refused: {answer.results[0].detail}")
    if not given:
        announce(f"Admin key (shown only now): {secret}")


# The process


@contextmanager
def _listener(settings: Settings) -> Iterator[socket.socket]:
    """The listening socket, there before anything slow is started."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listener = socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        reason = str(error.strerror or error).partition(" (")[0]
        raise StartError(f"cannot listen on {where}: {reason}") from error
    with listener:
        yield listener


@contextmanager
def _until_signal() -> Iterator[None]:
    """Leave the body in order when one of these signals comes; further ones change nothing."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as it is under nohup
        numbers.append(signal.SIGHUP)
    requested = False

    def request() -> None:
        nonlocal requested
        requested = True
        for number in numbers:
            # Not left to the loop: it would bring the default action back when it closes, and a
            # signal that comes after that would end a process which is ending in order.
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)
        if task:
            task.cancel()

    for number in numbers:
        loop.add_signal_handler(number, request)
    try:
        yield
    except asyncio.CancelledError:
        if not requested:
            raise


async def _wait_for(address: str, announce: Announce) -> None:
    """Wait until the server takes connections and writes; raises `StartError`."""
    where = f"PostgreSQL at {shown(address)}"
    deadline = monotonic() + PATIENCE_SECONDS
    while True:
        try:
            await _try(address)
        except (OSError, asyncpg.CannotConnectNowError, database.ReadOnlyServer) as error:
            if monotonic() > deadline:
                raise StartError(f"{where} cannot be reached: {error}") from error
            announce(f"Waiting for {where} ...")
            await asyncio.sleep(1)
        except database.UnfitServer as error:
            raise StartError(f"{where} cannot be used: {error}") from error
        except (asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
            raise StartError(f"{where} refuses: {error}") from error
        else:
            return


def behind(proxies: Sequence[str], app: ASGIApp) -> ASGIApp:
    """The application, which takes a client's address from these proxies, and from nobody else."""
    if not proxies:
        return app
    return ProxyHeadersMiddleware(app, list(proxies))  # type: ignore[arg-type,return-value]


async def _read_slots(address: str) -> int:
    try:
        return await database.read_slots(address)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise StartError(
            f"PostgreSQL does not say how many connections it takes: {error}"
        ) from error


async def _try(address: str) -> None:
    """Connect and look whether the server can keep what it is given (REC-4)."""
    connection = await database.connect(address)
    try:
        await database.check_server(connection)
    finally:
        connection.terminate()


async def _migrate(address: str) -> None:
    try:
        await database.migrate(address)
    except (SQLAlchemyError, CommandError) as error:
        first_line = str(error).partition("\n")[0]
        raise StartError(f"the database cannot be migrated: {first_line}") from error
