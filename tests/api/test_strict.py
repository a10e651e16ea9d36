"""What has two readings is refused, on every route that the OpenAPI document names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.api.conftest import Api

NAMES = {
    "account_id": "alice", "symbol": "BTCUSDT", "fund_id": "usdt-major", "order_id": "1",
    "liquidation_id": "1", "adl_event_id": "1", "key_id": "k", "incident_id": "1", "act_id": "1",
    "calibration_id": "c-1", "job_id": "j-1", "scenario_id": "2020-03-12",
}  # fmt: skip
"""What stands for a path's parameters."""

NOT_WHOLE = [
    "1.0", "%2B1", "+1", "%201", "1%20", "1_0", "0x1", "1e1", "01", "00", "-0", "-1", "1.", "",
    "%D9%A1", "%EF%BC%91", "%C2%B9", "1%00", "1%0A", "True", "true", "null", "1,0", "0b1",
]  # fmt: skip
NOT_FLAGS = ["True", "TRUE", "1", "0", "yes", "on", "t", "", "%20true", "true%0A", "null"]
NOT_TIMES = [
    "2026-01-31", "2026-01-31T12:00:00", "2026-01-31%2012:00:00Z", "1769860800", "1769860800.0",
    "2026-01-31T12:00Z", "2026-01-31T12:00:00Z%0A", "%202026-01-31T12:00:00Z", "20260131T120000Z",
    "2026-W05-6T12:00:00Z", "2026-01-31T24:00:00Z", "2026-01-31T12:00:60Z", "2026-02-30T12:00:00Z",
    "2026-01-31T12:00:00,5Z", "%D9%A22026-01-31T12:00:00Z", "now", "",
]  # fmt: skip


async def operations(api: Api) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """`METHOD /path` with names filled in, the operation, and all schemas."""
    document = await api("GET /openapi.json", key=None)
    return [
        (f"{method.upper()} {path.format_map(NAMES)}", operation, document["components"]["schemas"])
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def example(name: str, schemas: dict[str, Any]) -> Any:
    """A body of this schema."""
    if name in ("OrdersBody", "TicksBody"):
        one = example(name.replace("s", ""), schemas)
        return {name.removesuffix("Body").lower(): [one, one]}
    default = {"account_id": "bob", "position_mode": "one_way"}
    first, *_ = schemas[name].get("examples", [default])
    return first


def twice(body: Any) -> Iterator[str]:
    """The body as JSON with one of its keys given twice, for each of its objects."""
    if isinstance(body, dict):
        for name, value in body.items():
            again = f"{json.dumps(name)}: {json.dumps(value)}"
            yield json.dumps(body)[:-1] + f", {again}}}"
            escaped = f'"\\u{ord(name[0]):04x}{name[1:]}": null'
            yield f"{{{escaped}, {json.dumps(body)[1:]}"
            for inner in twice(value):
                others = {key: one for key, one in body.items() if key != name}
                rest = json.dumps(others)[1:-1]
                yield f"{{{json.dumps(name)}: {inner}{', ' if rest else ''}{rest}}}"
    elif isinstance(body, list) and body:
        rest = "".join(f", {json.dumps(one)}" for one in body[1:])
        yield from (f"[{inner}{rest}]" for inner in twice(body[0]))


async def test_a_key_that_is_there_twice(api: Api) -> None:
    """F5: whatever the two say, in every object of every body."""
    await api.open("alice")
    tried = 0
    for call, operation, schemas in await operations(api):
        content = operation.get("requestBody", {"content": {}})["content"]
        if "application/json" not in content:
            continue
        schema = content["application/json"]["schema"]
        for content in twice(example(schema["$ref"].rpartition("/")[2], schemas)):
            answer = await api.send(call, content=content.encode())
            assert answer.json()["code"] == "malformed_body", (call, content)
            assert answer.status_code == 400, (call, content)
            assert "twice" in answer.json()["detail"] or "\\u" in content, (call, answer.text)
            tried += 1
    assert tried > 100
    wallets = (await api("GET /v1/accounts/alice"))["wallets"]
    assert [wallet["wallet_balance"] for wallet in wallets] == ["10000"]


async def test_colons_are_no_keys(api: Api) -> None:
    """The quick count only decides when to look closely."""
    await api.open("alice")
    await api.mark("BTCUSDT", "60000")
    order = {
        "account_id": "alice", "symbol": "BTCUSDT", "side": "buy", "type": "limit",
        "quantity": "0.01", "price": "59000", "client_order_id": "a:b:c",
    }  # fmt: skip
    await api("POST /v1/orders", order, status=201)
    tick = {"symbol": "BTCUSDT", "mark_price": "60000", "source_time": "2026-01-31T12:00:00Z"}
    await api("POST /v1/prices", tick, key="feed")


async def test_numbers_and_times_of_queries(api: Api) -> None:
    """F9: plain digits only, RFC 3339 only, `true` or `false` only."""
    await api.open("alice")
    tried = 0
    for call, operation, _ in await operations(api):
        for parameter in operation.get("parameters", ()):
            if parameter["in"] != "query":
                continue
            schema = parameter["schema"]
            kinds = [schema, *schema.get("anyOf", ())]
            if any(kind.get("type") == "integer" for kind in kinds):
                odd = NOT_WHOLE
            elif any(kind.get("type") == "boolean" for kind in kinds):
                odd = NOT_FLAGS
            elif any(kind.get("format") == "date-time" for kind in kinds):
                odd = NOT_TIMES
            else:
                assert not any(kind.get("type") == "number" for kind in kinds)
                continue
            for value in odd:
                path = f"{call}?{parameter['name']}={value}"
                assert await api.refused(path) == (400, "malformed_query"), path
                tried += 1
    assert tried > 300
    assert len((await api("GET /v1/contracts?limit=10"))["items"]) == 10


async def test_queries_that_are_ambiguous_or_unknown(api: Api) -> None:
    """On every route but plain files: the same name twice, also alike, and names of no meaning."""
    await api.open("alice")
    for call, _, _ in await operations(api):
        for query in ("surprise=1", "limit=1&limit=1", "limit=1&limit=2", "Limit=1", "limit[]=1"):
            assert await api.refused(f"{call}?{query}") == (400, "malformed_query"), (call, query)


async def test_identifiers_of_paths(api: Api) -> None:
    """An order has one address."""
    await api.open("alice")
    await api.mark("BTCUSDT", "60000")
    placed = await api.order("alice", "buy", "0.01", "59000")
    assert placed["order_id"] == "1"
    assert (await api("GET /v1/orders/1"))["status"] == "new"
    for odd in ("01", "1.0", "+1", "%2B1", "1%20", "%201", "1_0", "0x1", "%D9%A1", "-1", "1%0A"):
        for method in ("GET", "DELETE"):
            refused = await api.refused(f"{method} /v1/orders/{odd}")
            assert refused == (404, "unknown_order"), odd
        for path, code in (
            ("liquidations", "unknown_liquidation"), ("adl-events", "unknown_adl_event"),
        ):  # fmt: skip
            assert await api.refused(f"GET /v1/{path}/{odd}") == (404, code), odd
