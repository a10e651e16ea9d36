"""The pages of a calibration over HTTP."""

from __future__ import annotations

import asyncpg
import pytest

from app.api.schemas.calibration_example import LOSSES, RESULT
from app.reporting import html
from tests.api.calibrated import kept
from tests.api.conftest import Api
from tests.reporting.pages import Reader, drawn

REPORT = "GET /v1/calibrations/c-1/report"
LARGEST = "GET /v1/calibrations/c-1/losses"
PICTURE = "GET /v1/calibrations/c-1/distribution.svg"
EVERY = (REPORT, f"{REPORT}?format=md", LARGEST, f"{LARGEST}?format=csv", PICTURE)


@pytest.fixture(autouse=True)
async def _one(connection: asyncpg.Connection) -> None:
    """A calibration that is stored."""
    await kept(connection, "usdt-major")


async def test_the_report_is_a_page(api: Api) -> None:
    answer = await api.send(REPORT, key=None)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"] == html.POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    said = Reader(answer.text).text
    for told in (RESULT["fund_id"], RESULT["statement"], "backstop calibrate --reproduce c-1"):
        assert str(told) in said


async def test_the_report_as_markdown(api: Api) -> None:
    answer = await api.send(f"{REPORT}?format=md", key=None)
    assert answer.headers["content-type"] == "text/markdown; charset=utf-8"
    assert answer.text.startswith("# Insurance fund usdt-major: required minimum in USDT\n")


async def test_the_picture(api: Api) -> None:
    answer = await api.send(PICTURE, key=None)
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.headers["content-security-policy"] == html.allowed(html.CHART_STYLE)
    drawn(answer.text)


async def test_the_losses(api: Api) -> None:
    assert await api(LARGEST, key=None) == LOSSES
    answer = await api.send(f"{LARGEST}?format=csv", key=None)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="c-1-losses.csv"'
    assert answer.text.splitlines()[1].startswith(f"1,{LOSSES['tail'][0]['loss']},")


@pytest.mark.parametrize("call", EVERY)
async def test_what_is_known_is_not_sent_again(api: Api, call: str) -> None:
    first = await api.send(call, key=None)
    tag = first.headers["etag"]
    for named in (tag, f'"other", W/{tag}'):
        again = await api.send(call, key=None, headers={"If-None-Match": named})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
    other = await api.send(call, key=None, headers={"If-None-Match": '"other"'})
    assert other.content == first.content


@pytest.mark.parametrize("call", EVERY)
async def test_a_calibration_that_is_not_there(api: Api, call: str) -> None:
    for name in ("c-2", "j-1", "x"):
        answer = call.replace("c-1", name)
        assert await api.refused(answer, key=None) == (404, "unknown_calibration")


async def test_another_format(api: Api) -> None:
    for call in (REPORT, LARGEST):
        assert await api.refused(f"{call}?format=pdf") == (400, "malformed_query")
    assert await api.refused(f"{PICTURE}?width=5") == (400, "malformed_query")
