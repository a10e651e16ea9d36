"""The stress library over HTTP (CAL-9)."""

from __future__ import annotations

from typing import Any

from tests.api.conftest import Api

LIBRARY = "/v1/stress-scenarios"
FALLS = {"BTC": {"hour": "0.1", "day": "0.2"}}
NEW = {"title": "Ours", "cause": "a feed", "falls": FALLS}


async def library(api: Api) -> dict[str, Any]:
    found = await api(f"GET {LIBRARY}", key=None)
    return {**{one["scenario_id"]: one for one in found["items"]}, "hash": found["stress_hash"]}


async def test_the_release_s_own(api: Api) -> None:
    found = await library(api)
    crash = found["2020-03-12"]
    assert (crash["version"], crash["enabled"], crash["at"]) == (0, True, None)
    assert crash["falls"]["BTC"] == {"hour": "0.3073", "day": "0.5335"}
    one = await api(f"GET {LIBRARY}/2020-03-12", key=None)
    assert one == {"scenario_id": "2020-03-12", "versions": [crash]}
    assert await api.refused(f"GET {LIBRARY}/1929-10-24", key=None) == (404, "unknown_scenario")


async def test_switching_one_off_needs_a_reason_which_is_kept(api: Api) -> None:
    """CAL-9. Each version stays; the same again is none; the hash is of what is on."""
    before = await library(api)
    path = f"{LIBRARY}/2021-12-04"
    refused = await api.refused(f"PUT {path}", {"enabled": False})
    assert refused == (422, "reason_required")
    off = {"enabled": False, "reason": "twice as fast as we list"}
    answer = await api(f"PUT {path}", off)
    assert (answer["version"], answer["reason"]) == (1, off["reason"])
    assert answer["falls"] == before["2021-12-04"]["falls"]
    assert await api(f"PUT {path}", off) == answer
    during = await library(api)
    assert during["hash"] != before["hash"]
    assert during["2021-12-04"] == {**answer, "by": None}
    await api(f"PUT {path}", {})
    after = await library(api)
    assert after["hash"] == before["hash"]
    versions = (await api(f"GET {path}"))["versions"]
    assert [one["version"] for one in versions] == [2, 1, 0]
    assert versions[1]["by"] == answer["by"] is not None
    assert {one["by"] for one in (await api(f"GET {path}", key=None))["versions"]} == {None}


async def test_a_new_one_and_another_version_of_it(api: Api) -> None:
    path = f"{LIBRARY}/ours"
    assert await api.refused(f"PUT {path}", {"title": "Ours"}) == (422, "invalid_scenario")
    assert await api.refused(f"PUT {path}", {"falls": FALLS}) == (422, "invalid_scenario")
    await api(f"PUT {path}", NEW)
    answer = await api(f"PUT {path}", {"title": "Ours, again"})
    assert (answer["version"], answer["title"], answer["falls"]) == (2, "Ours, again", FALLS)
    assert list(await library(api))[-2:] == ["ours", "hash"]


async def test_what_no_scenario_is(api: Api) -> None:
    for hour, day in (("0", "0.2"), ("0.3", "0.2"), ("0.1", "1"), ("-0.1", "0.2")):
        falls = {"BTC": {"hour": hour, "day": day}}
        refused = await api.refused(f"PUT {LIBRARY}/ours", {**NEW, "falls": falls})
        assert refused == (422, "invalid_scenario")
    assert await api.refused(f"PUT {LIBRARY}/x-mirrored", NEW) == (422, "invalid_scenario")
    assert await api.refused(f"PUT {LIBRARY}/alone-x", NEW) == (422, "invalid_scenario")
    assert await api.refused(f"PUT {LIBRARY}/a b", NEW) == (404, "unknown_scenario")
    untitled = {**NEW, "title": "\n"}
    assert await api.refused(f"PUT {LIBRARY}/ours", untitled) == (400, "malformed_body")
    assert await api.refused(f"PUT {LIBRARY}/ours", NEW, key="feed") == (403, "forbidden")
    assert await api.refused(f"PUT {LIBRARY}/ours", NEW, key=None) == (401, "unauthorized")
    assert "ours" not in await library(api)
