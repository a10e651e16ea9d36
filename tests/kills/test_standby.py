"""Two instances on one database: one leads, the other stands by and takes over."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any

import asyncpg
import httpx
import pytest

from tests.kills.audit import Audit
from tests.kills.load import Load
from tests.kills.service import ADMIN_KEY, PATIENCE_SECONDS, Service

TREASURY = "/v1/treasury/contributions"


@pytest.fixture
def pair(tmp_path: Path, address: str) -> Iterator[tuple[Service, Service]]:
    """Two instances that are not started yet."""
    services = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        services.append(Service(tmp_path / name, address))
    yield services[0], services[1]
    for service in services:
        service.end()


async def request(
    service: Service, method: str, path: str, body: Any = None, key: str | None = None
) -> httpx.Response:
    """A request with the admin key."""
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    if key:
        headers["Idempotency-Key"] = key
    async with httpx.AsyncClient(base_url=service.address, timeout=PATIENCE_SECONDS) as client:
        return await client.request(method, path, json=body, headers=headers)


async def contribute(service: Service, amount: str, key: str | None = None) -> httpx.Response:
    """Pay the exchange's own money into its treasury; `amount` is unlike any other."""
    body = {"asset": "USDT", "amount": amount, "reference": amount}
    return await request(service, "POST", TREASURY, body, key)


async def paid(connection: asyncpg.Connection) -> list[str]:
    """The amounts that were paid in, in order."""
    rows = await connection.fetch("SELECT reference FROM transfers ORDER BY transfer_id")
    return [row["reference"] for row in rows]


async def start(pair: tuple[Service, Service]) -> tuple[Service, Service]:
    """The leader and the standby, serving."""
    leader, standby = pair
    leader.start()
    await leader.until_leading()
    standby.start()
    await standby.until("/readyz", 200)
    return pair


def refuses(answer: httpx.Response) -> bool:
    """Whether a write was refused for want of leadership."""
    return (
        answer.status_code == 503
        and answer.json()["code"] == "not_leader"
        and int(answer.headers["Retry-After"]) >= 1
    )


async def test_the_second_reads_and_takes_over_when_the_first_dies(
    pair: tuple[Service, Service],
    connection: asyncpg.Connection,
    measured: Callable[[str, float], None],
) -> None:
    leader, standby = await start(pair)
    assert (await contribute(leader, "1")).is_success
    assert (await request(standby, "GET", "/leaderz")).status_code == 503
    assert refuses(await contribute(standby, "2"))
    read = await request(standby, "GET", "/v1/treasury")
    assert {row["asset"]: row["treasury"] for row in read.json()["items"]}["USDT"] == "1"
    leader.kill()
    killed = monotonic()
    while not (await contribute(standby, "3")).is_success:
        await asyncio.sleep(0.05)
    measured("kill -9 of the leader, with a standby", monotonic() - killed)
    leader.start()
    await leader.until("/readyz", 200)
    assert refuses(await contribute(leader, "4"))
    assert await paid(connection) == ["1", "3"]


async def test_a_warm_takeover_under_load_loses_nothing(
    pair: tuple[Service, Service],
    connection: asyncpg.Connection,
    measured: Callable[[str, float], None],
) -> None:
    """REC-3: what was acknowledged is there, once; cascades are under way again and again."""
    leader, standby = await start(pair)
    await until_warm(standby)
    async with Load(leader.address, random.Random(3)) as load:
        await load.prepare()
        running = asyncio.create_task(load.run())
        await asyncio.sleep(2)
        leader.kill()
        load.move(standby.address)
        measured("kill -9 under load, with a warm standby", await load.first_answer(monotonic()))
        leader.start()
        await until_warm(leader)
        await asyncio.sleep(1)
        standby.kill()
        load.move(leader.address)
        await load.first_answer(monotonic())
        load.stop()
        await running
        await Audit().check(connection, load)


async def test_a_standby_that_finds_a_difference_will_not_lead(
    pair: tuple[Service, Service], connection: asyncpg.Connection
) -> None:
    """REC-3: money was put into the treasury behind the leader's back; started anew, it leads."""
    leader, standby = pair
    leader.start()
    await leader.until_leading()
    assert (await contribute(leader, "1")).is_success
    put = "UPDATE wallets SET balance = balance + $2 WHERE key = $1"
    await connection.execute(put, "treasury/USDT", 5)
    await connection.execute(put, "external/USDT", -5)
    standby.start()
    await until_warm(standby)
    assert (await contribute(leader, "2")).is_success
    await until_ready_says(standby, "differs")
    assert (await contribute(leader, "3")).is_success
    leader.kill()
    for _ in range(10):
        refused = await contribute(standby, "4")
        assert refuses(refused)
        assert "differs from what was committed" in refused.json()["detail"]
    standby.kill()
    standby.start()
    await standby.until_leading()
    assert (await contribute(standby, "5")).is_success
    assert await paid(connection) == ["1", "2", "3", "5"]


async def until_warm(service: Service) -> None:
    await until_ready_says(service, "warm")


async def until_ready_says(service: Service, state: str) -> None:
    """Wait until `/readyz` says this of the standby."""
    deadline = monotonic() + PATIENCE_SECONDS
    while monotonic() < deadline:
        with suppress(httpx.TransportError):
            ready = await request(service, "GET", "/readyz")
            if ready.is_success and ready.json().get("standby", {}).get("state") == state:
                return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{service.address} is not {state}")


async def test_a_paused_leader_is_replaced_and_cannot_commit(
    pair: tuple[Service, Service],
    connection: asyncpg.Connection,
    measured: Callable[[str, float], None],
) -> None:
    old, new = await start(pair)
    assert (await contribute(old, "1")).is_success
    old.signal(signal.SIGSTOP)
    stopped = monotonic()
    sent = [
        asyncio.create_task(contribute(old, "2")),
        asyncio.create_task(contribute(old, "3", key="three")),
    ]
    await new.until_leading()
    assert (await contribute(new, "3", key="three")).is_success
    measured("SIGSTOP of the leader, with a standby", monotonic() - stopped)
    assert not any(task.done() for task in sent)

    old.signal(signal.SIGCONT)
    for answer in await asyncio.gather(*sent):
        assert refuses(answer), answer.text
    assert await paid(connection) == ["1", "3"]
    await old.until("/leaderz", 503)
    assert refuses(await contribute(old, "4"))
    assert (await contribute(new, "5")).is_success

    new.kill()
    await old.until_leading()
    again = await contribute(old, "3", key="three")
    assert again.is_success
    assert (await contribute(old, "6")).is_success
    assert await paid(connection) == ["1", "3", "5", "6"]


async def test_a_rolling_upgrade(
    pair: tuple[Service, Service], connection: asyncpg.Connection
) -> None:
    """New rules stand by beside old ones and take over; the old can no longer commit (REC-1).

    Neither what it had begun, nor when the new one is gone.
    """
    old, new = pair
    old.start(rules_version=1)
    await old.until_leading()
    new.start(rules_version=2)
    await new.until("/readyz", 200)
    assert (await contribute(old, "1")).is_success
    assert refuses(await contribute(new, "2"))
    old.signal(signal.SIGSTOP)
    sent = asyncio.create_task(contribute(old, "3"))
    await new.until_leading()
    assert (await contribute(new, "4")).is_success
    old.signal(signal.SIGCONT)
    assert refuses(await sent)
    new.kill()

    async def why() -> str:
        answer = await contribute(old, "5")
        assert refuses(answer)
        return str(answer.json()["detail"])

    while "the log is of rules version 2, and this release has 1" not in await why():
        await asyncio.sleep(0.05)
    assert (await request(old, "GET", "/leaderz")).json()["detail"] == await why()
    assert (await request(old, "GET", "/readyz")).is_success

    new.start(rules_version=2)
    await new.until_leading()
    assert (await contribute(new, "6")).is_success
    assert await paid(connection) == ["1", "4", "6"]
    (kept,) = await connection.fetch(
        "SELECT s.rules_version, c.rules_version FROM snapshots s JOIN commands c USING (sequence)"
    )
    assert tuple(kept) == (2, 1)


async def test_a_leader_paused_in_a_commit_is_replaced(
    pair: tuple[Service, Service], connection: asyncpg.Connection
) -> None:
    """Its commit waits in the database and locks the epoch: it is ended and leaves nothing."""
    old, new = await start(pair)
    same = connection.transaction()
    await same.start()
    await connection.execute(
        "INSERT INTO transfers VALUES (1, now(), 'deposit', 'USDT', 1, 'v', 0, 'w', 0)"
    )
    sent = asyncio.create_task(contribute(old, "1", key="one"))
    while not await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
        await asyncio.sleep(0.02)
    old.signal(signal.SIGSTOP)
    with pytest.raises(asyncpg.LockNotAvailableError):
        async with connection.transaction():
            await connection.execute("SELECT FROM leadership FOR UPDATE NOWAIT")
    await new.until_leading()
    await same.rollback()
    assert (await contribute(new, "2")).is_success
    assert (await contribute(new, "1", key="one")).is_success
    old.signal(signal.SIGCONT)
    assert refuses(await sent)
    assert await paid(connection) == ["2", "1"]
