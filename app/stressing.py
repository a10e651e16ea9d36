"""`backstop stress`: a what-if asked of a running service (CAL-15)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from time import sleep
from typing import Any

import httpx

TIMEOUT_SECONDS = 120
LOOK_SECONDS = 0.5
_SHOCK = re.compile(r"([A-Z0-9_]{1,32}|\*)=(-?[0-9]+(?:\.[0-9]+)?)")
FUND = ("fund", "asset", "balance", "loss (engine)", "loss (fast)", "balance after")
CONTRACT = ("contract", "mark", "mark after", "loss (engine)", "loss (fast)", "ADL value")


class StressingError(Exception):
    """Why it cannot be done: one line."""


def parse_shocks(texts: Sequence[str]) -> list[dict[str, str]]:
    """Shocks as `BTCUSDT=-0.3` and `*=-0.5`; raises `StressingError`."""
    found = []
    for text in texts:
        match = _SHOCK.fullmatch(text)
        if match is None:
            raise StressingError(f"{text!r} is no shock, for example BTCUSDT=-0.3")
        found.append({"symbol": match[1], "change": match[2]})
    return found


def ask(url: str, admin_key: str | None, body: Mapping[str, Any]) -> dict[str, Any]:
    """The answer, once it is there; raises `StressingError`."""
    headers = {} if admin_key is None else {"Authorization": f"Bearer {admin_key}"}
    base = f"{url.rstrip('/')}/v1"
    with httpx.Client(headers=headers, timeout=TIMEOUT_SECONDS, trust_env=False) as client:
        try:
            answer = _json(client.post(f"{base}/stress-tests", json=dict(body)))
            while "job_id" in answer:
                job = _json(client.get(f"{base}/jobs/{answer['job_id']}"))
                if job["status"] == "done":
                    return dict(job["result"])
                if job["status"] not in ("queued", "running"):
                    raise StressingError(f"the job is {job['status']}: {job['error']}")
                sleep(LOOK_SECONDS)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise StressingError(f"no service answers at {url}: {error}") from error
    return answer


def table(answer: Mapping[str, Any]) -> str:
    """For reading: funds, then contracts that cost something or were closed by ADL."""
    as_of = answer["as_of"]
    funds = [
        (one["fund_id"], one["asset"], one["balance_before"], *_loss(one), one["balance_after"])
        for one in answer["funds"]
    ]
    contracts = [
        (
            one["symbol"],
            one["mark_before"],
            one["mark_after"],
            *_loss(one),
            one["deleveraged_value"] or "",
        )
        for one in answer["contracts"]
        if any(float(part or 0) for part in (*_loss(one), one["deleveraged_value"]))
    ]
    warnings = [f"{one['code']}: {one['subject']}" for one in answer["warnings"]]
    head = f"as of command {as_of['sequence']}, {as_of['time']}; nothing was changed"
    return "\n".join([head, "", *_lines(FUND, funds), "", *_lines(CONTRACT, contracts), *warnings])


def _loss(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["loss"]["engine"] or "", row["loss"]["fast"]


def _lines(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[place]) for row in (head, *rows)) for place in range(len(head))]
    return [
        "  ".join(
            text.ljust(width) if place == 0 else text.rjust(width)
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (head, *rows)
    ]


def _json(answer: httpx.Response) -> dict[str, Any]:
    if not answer.is_success:
        try:
            problem = answer.json()
            why = f"{answer.status_code} {problem['code']}: {problem['detail']}"
        except (ValueError, KeyError, TypeError):
            why = f"{answer.status_code} {answer.text[:200]!r}"
        raise StressingError(f"the service refuses: {why}")
    found: dict[str, Any] = json.loads(answer.content)
    return found
