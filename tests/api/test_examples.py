"""The documentation's examples can be pasted: each body has one, and none is malformed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tests.api.conftest import Api, crash

NAMES = {
    "symbol": "BTCUSDT", "account_id": "alice", "fund_id": "usdt-major", "order_id": "1",
    "liquidation_id": "1", "adl_event_id": "1", "incident_id": "1",
    "job_id": "j-1", "calibration_id": "c-1", "scenario_id": "2020-03-12",
}  # fmt: skip


def needed(operation: dict[str, Any]) -> str:
    """The query of an operation, of the examples of what it needs."""
    return "&".join(
        f"{one['name']}={one['schema']['examples'][0]}"
        for one in operation.get("parameters", [])
        if one["in"] == "query" and one["required"]
    )


def bodies(document: dict[str, Any]) -> Iterator[tuple[str, str, list[Any]]]:
    """Each operation that takes a body: its method, its path, and its examples."""
    schemas = document["components"]["schemas"]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {})
            if not content:
                continue
            ((kind, media),) = content.items()
            if kind == "text/csv":
                yield method.upper(), f"{path}?{needed(operation)}", [media["example"].encode()]
                continue
            schema = media["schema"]
            if "$ref" in schema:
                schema = schemas[schema["$ref"].rpartition("/")[2]]
            named = [example["value"] for example in media.get("examples", {}).values()]
            yield method.upper(), path, named or schema.get("examples", [])


async def test_every_body_has_an_example_that_can_be_pasted(api: Api) -> None:
    """In this order, on the default catalogue: what state it is in may refuse one, its form not."""
    await crash(api)
    asked = list(bodies(api.app.openapi()))
    assert len(asked) > 30
    for method, path, examples in asked:
        assert examples, (method, path)
        there = re.sub(r"{(\w+)}", lambda name: NAMES[name[1]], path)
        for example in examples:
            sent = {"content" if isinstance(example, bytes) else "body": example}
            answer = await api.send(f"{method} {there}", **sent)
            assert answer.status_code != 400, (method, path, example, answer.text)


async def test_every_parameter_that_is_needed_has_an_example(api: Api) -> None:
    """Of paths and queries; keys of ours are made up by the service."""
    for path, operations in api.app.openapi()["paths"].items():
        for operation in operations.values():
            for parameter in operation.get("parameters", []):
                if parameter["required"] and parameter["name"] != "key_id":
                    assert parameter["schema"].get("examples"), (path, parameter["name"])
