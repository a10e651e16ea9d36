"""What-ifs over HTTP, by the real processes (CAL-15)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.engine.invariants import state_hash
from app.jobs.desk import Desk
from app.jobs.supervisor import Supervisor
from app.store import database
from app.store.loader import load_state
from app.stressing import StressingError, parse_shocks, table
from tests.api.conftest import Api

TESTS = "POST /v1/stress-tests"
FALL = {"shocks": [{"symbol": "BTCUSDT", "change": "-0.3"}]}
EQUAL = {**FALL, "mode": "engine", "book": "none", "fund": "unlimited"}


@pytest.fixture
async def desk(api: Api, address: str) -> AsyncIterator[Desk]:
    """A service with all its processes; a long of 10,000 on a margin of 1,000, entered at mark."""
    found, supervisor = Desk(address), Supervisor(address)
    services = api.app.state.services
    services.desk, services.wake_jobs = found, supervisor.wake
    supervisor.start()
    await api.mark("BTCUSDT", "10000")
    for account in ("alice", "maker"):
        await api.open(account)
    await api.configure("alice", 10, "isolated")
    await api.seed_fund("usdt-major", "5000")
    await api.order("maker", "sell", "1", "10000")
    await api.order("alice", "buy", "1", "10000")
    yield found
    await supervisor.stop()
    await found.stop()


async def done(api: Api, body: dict[str, Any]) -> dict[str, Any]:
    """The job of an engine's what-if, at its end."""
    ticket = await api(TESTS, body, status=202)
    while True:
        job: dict[str, Any] = await api(f"GET /v1/jobs/{ticket['job_id']}")
        if job["status"] not in ("queued", "running"):
            return job
        await asyncio.sleep(0.1)


def row(answer: dict[str, Any], name: str = "usdt-major") -> dict[str, Any]:
    (found,) = (one for one in answer["funds"] if one["fund_id"] == name)
    return dict(found)


async def test_both_modes_say_the_same_and_touch_nothing(
    api: Api, desk: Desk, address: str
) -> None:
    """By hand: -30 % of 10,000 are 3,000, of which 1,000 are hers."""
    connection = await database.connect(address)
    before = state_hash(await load_state(connection))
    answer = await api(TESTS, FALL, key=None)
    assert row(answer)["loss"] == {"engine": None, "fast": "2000"}
    assert row(answer)["balance_after"] == "3000"
    contract = answer["contracts"][0]
    assert (contract["mark_before"], contract["mark_after"]) == ("10000", "7000")
    job = await done(api, EQUAL)
    assert job["status"] == "done", job["error"]
    result = job["result"]
    assert result["as_of"] == answer["as_of"]
    assert row(result)["loss"] == {"engine": "2000", "fast": "2000"}
    assert row(result)["balance_after"] == "3000"
    assert result["contracts"][0]["taken_over_quantity"] == "1"
    assert result["accounts"][0] == {
        "account_id": "alice", "liquidated_positions": 1, "fund_loss": "2000",
        "deleveraged_value": "0",
    }  # fmt: skip
    public = await api(f"GET /v1/jobs/{job['job_id']}", key=None)
    assert "accounts" not in public["result"]
    assert state_hash(await load_state(connection)) == before
    await connection.close()


async def test_as_it_is_the_cap_binds(api: Api, desk: Desk) -> None:
    """3,000 after the loss carry 3,000 of the 7,000: the rest of the position is closed by ADL."""
    job = await done(api, {**FALL, "mode": "engine"})
    contract = job["result"]["contracts"][0]
    assert float(contract["taken_over_quantity"]) + float(contract["deleveraged_quantity"]) == 1
    assert float(contract["deleveraged_quantity"]) > 0
    fund = row(job["result"])
    assert float(fund["cap_use"]) <= 1
    assert float(fund["loss"]["engine"]) < 2000 == float(fund["loss"]["fast"])


async def test_paths_and_scenarios(api: Api, desk: Desk) -> None:
    """10,000 -> 9,200 -> 6,900: she is at risk in the second step, and lacks 2,100 there."""
    steps = ["-0.08", "-0.25"]
    path = {"path": [[{"symbol": "BTCUSDT", "change": change}] for change in steps]}
    answer = await api(TESTS, path, key=None)
    assert answer["steps"] == 2
    assert row(answer)["loss"]["fast"] == "2100"
    crash = await api(TESTS, {"scenario": "2020-03-12", "asset": "USDT"}, key=None)
    assert crash["steps"] == 24
    # Steps of -1.7 % come to 9,020 before the worst hour: out there, between 9,036 and 9,000.
    assert row(crash)["loss"]["fast"] == "0"
    assert float(crash["contracts"][0]["mark_after"]) == pytest.approx(4665, abs=0.2)
    mirrored = await api(TESTS, {"scenario": "2020-03-12-mirrored", "asset": "USDT"}, key=None)
    assert float(mirrored["contracts"][0]["mark_after"]) > 10_000


async def test_what_is_taken_over_goes_on_falling(api: Api, desk: Desk) -> None:
    """At 7,000 it costs 2,000; from there to 6,300 the inventory loses 700 more."""
    steps = [[{"symbol": "BTCUSDT", "change": change}] for change in ("-0.3", "-0.1")]
    test = {"path": steps, "mode": "engine", "book": "none", "fund": "unlimited"}
    job = await done(api, test)
    fund = row(job["result"])
    assert fund["loss"] == {"engine": "2000", "fast": "2000"}
    assert (fund["inventory_profit"], fund["balance_after"]) == ("-700", "2300")


async def test_what_is_no_what_if(api: Api, desk: Desk) -> None:
    async def refused(body: dict[str, Any], key: str | None = "admin") -> tuple[int, str]:
        return await api.refused(TESTS, body, key=key)

    shocks = FALL["shocks"]
    assert await refused({}) == (422, "empty_shocks")
    assert await refused({"shocks": []}) == (422, "empty_shocks")
    assert await refused({"path": [[]]}) == (422, "empty_shocks")
    assert await refused({**FALL, "scenario": "2020-03-12"}) == (422, "empty_shocks")
    assert await refused({**FALL, "path": [shocks]}) == (422, "empty_shocks")
    assert await refused({"path": [shocks] * 49}) == (422, "too_many_steps")
    assert await refused({"shocks": shocks * 2}) == (422, "shocked_twice")
    for mode in ("fast", "engine"):
        for symbol, code in (("NOUSDT", "unknown_contract"), ("ETHUSDT", "no_mark")):
            body = {"shocks": [{"symbol": symbol, "change": "0.1"}], "mode": mode}
            assert await refused(body) == (422, code)
        gone = {"scenario": "1929-10-24", "mode": mode}
        assert await refused(gone) == (422, "unknown_scenario")
    to_nothing = {"shocks": [{"symbol": "*", "change": "-1"}]}
    assert await refused(to_nothing) == (422, "price_not_positive")
    assert await refused({**FALL, "mode": "slow"}) == (400, "malformed_body")
    assert await refused(EQUAL, None) == (401, "unauthorized")
    assert await refused(EQUAL, "alice") == (403, "forbidden")


async def test_the_command(api: Api, desk: Desk) -> None:
    """What `backstop stress` prints of an answer."""
    answer = await api(TESTS, {"shocks": parse_shocks(["BTCUSDT=-0.3"])}, key=None)
    lines = table(answer).splitlines()
    assert lines[0].startswith(f"as of command {answer['as_of']['sequence']}, ")
    assert ["usdt-major", "USDT", "5000", "2000", "3000"] in [line.split() for line in lines]
    assert ["BTCUSDT", "10000", "7000", "2000"] in [line.split() for line in lines]
    for text in ("BTCUSDT", "BTCUSDT=x", "=1", "BTCUSDT=-30%"):
        with pytest.raises(StressingError):
            parse_shocks([text])


async def test_a_process_that_dies_is_begun_anew(api: Api, desk: Desk) -> None:
    first = await api(TESTS, FALL, key=None)
    assert desk._process is not None
    desk._process.kill()
    assert await api.refused(TESTS, FALL, key=None) == (503, "busy")
    again = await api(TESTS, FALL, key=None)
    assert again["funds"] == first["funds"]
