"""Health, metrics, the documentation page and the OpenAPI document."""

from __future__ import annotations

import re

from app.api.application import create_app
from app.store import database
from tests.api.conftest import Api, client_of


async def test_health(api: Api) -> None:
    assert await api("GET /healthz", key=None) == {"status": "alive"}
    assert await api("GET /readyz", key=None) == {"status": "ready"}
    assert await api("GET /leaderz", key=None) == {"status": "leader"}


async def test_metrics(api: Api) -> None:
    await api("GET /v1/contracts/BTCUSDT", key=None)
    await api.mark("BTCUSDT", "60000")
    await api.refused("GET /v1/contracts/NOPE", key=None)
    await api.refused("POST /v1/prices", {}, key=None)
    await api.seed_fund("usdt-major", "12.5")
    text = (await api.send("GET /metrics", key=None)).text
    for line in (
        'backstop_http_requests_total{route="/v1/contracts/{symbol}",method="GET",status="200"} 1',
        'backstop_http_requests_total{route="/v1/contracts/{symbol}",method="GET",status="404"} 1',
        'backstop_http_requests_total{route="/v1/prices",method="POST",status="200"} 1',
        'backstop_http_requests_total{route="/v1/prices",method="POST",status="401"} 1',
        'backstop_http_request_seconds_count{route="/v1/prices"} 2',
        'backstop_commands_total{kind="Tick"} 1',
        "backstop_leader 1",
        'backstop_fund_balance{fund="usdt-major",asset="USDT"} 12.5',
        "backstop_accounts 0",
    ):
        assert line in text
    name = r"[a-z_]+(\{([a-z]+=\"[^\"]*\",?)+\})?"
    assert all(
        re.fullmatch(rf"{name} [0-9.e+-]+|# (HELP|TYPE) .+", line) for line in text.splitlines()
    )


async def test_metrics_need_a_key_where_others_can_reach_them(api: Api, address: str) -> None:
    pool = database.create_engine(address)
    app = create_app(api.runner, pool, open_metrics=False)
    async with client_of(app) as client:
        await api.open("alice")
        for key, status in ((None, 401), ("alice", 403), ("feed", 403), ("admin", 200)):
            headers = {"Authorization": f"Bearer {api.keys[key]}"} if key else {}
            assert (await client.get("/metrics", headers=headers)).status_code == status
    await pool.dispose()


async def test_docs_need_nothing_from_elsewhere(api: Api) -> None:
    """Every file the page names is ours, and its policy forbids all others and inline scripts."""
    page = await api.send("GET /docs", key=None)
    assert "script-src 'self';" in page.headers["content-security-policy"]
    assert not re.search(r"<script>|https?://|onload=", page.text)
    files = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(files) == 5
    for path in files:
        answer = await api.send(f"GET {path}", key=None)
        assert answer.status_code == 200, path
        assert len(answer.content) > 100
    script = (await api.send("GET /docs/start.js", key=None)).text
    assert '"/openapi.json"' in script


async def test_openapi(api: Api) -> None:
    """Every operation is described, with its errors and an example of its body."""
    document = await api("GET /openapi.json", key=None)
    operations = [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    assert len(operations) > 50
    identifiers = [operation["operationId"] for _, _, operation in operations]
    assert len(set(identifiers)) == len(identifiers)
    for method, path, operation in operations:
        assert operation["summary"], path
        assert operation["description"], path
        assert operation["tags"], path
        for status, response in operation["responses"].items():
            if status >= "400":
                assert list(response["content"]) == ["application/problem+json"], (path, status)
        if method in {"post", "put", "patch"}:
            ((kind, body),) = operation["requestBody"]["content"].items()
            assert kind == ("text/csv" if path.endswith("/imports") else "application/json"), path
            assert kind == "text/csv" or body["schema"]["$ref"].startswith("#/components/"), path
    text = str(document)
    for name in set(re.findall(r"#/components/schemas/(\w+)", text)):
        assert name in document["components"]["schemas"], name


async def test_lean_routes_are_documented_like_the_others(api: Api) -> None:
    document = await api("GET /openapi.json", key=None)
    for path in ("/v1/orders", "/v1/orders/batch", "/v1/prices", "/v1/prices/batch"):
        operation = document["paths"][path]["post"]
        assert operation["security"] == [{"bearer": []}]
        assert {"400", "401", "403", "409", "413", "503"} <= operation["responses"].keys()
        assert [one["name"] for one in operation["parameters"]] == ["Idempotency-Key"]
