"""The OpenAPI document is true: no 5xx, and no answer that it does not describe."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.api.conftest import Api, crash

CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance",
    "response_headers_conformance", "response_schema_conformance", "negative_data_rejection",
    "ignored_auth", "allow_header_conformance",
)  # fmt: skip


async def test_schemathesis(api: Api, served: int, tmp_path: Path) -> None:
    """Documented examples, the corners of every schema, and some random calls, as an admin."""
    await crash(api)
    await api.mark("BTCUSDT", "47000")
    await api.order("bob", "buy", "0.01", "46000", client_order_id="b-1")
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("schemathesis"),
        "run", f"http://127.0.0.1:{served}/openapi.json",
        "--header", f"Authorization: Bearer {api.keys['admin']}",
        "--phases", "examples,coverage,fuzzing", "--max-examples", "3", "--seed", "1",
        "--checks", ",".join(CHECKS), "--continue-on-failure", "--no-color",
        # It would revoke the key that all other calls are made with.
        "--exclude-operation-id", "revoke_key_v1_api_keys__key_id__delete",
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()[-8000:]
    assert api.runner.leading
    assert api.runner.metrics.terms_failed == 0
