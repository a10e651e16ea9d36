"""Backtests of calibrations, as they are kept (CAL-14).

{"days": [[DATE, LOSS], ...], "walk_forward": null or what `app/api/schemas/backtests.py` says}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import asyncpg


async def keep_backtests(
    connection: asyncpg.Connection, found: Mapping[int, Mapping[str, Any]]
) -> None:
    """Store them by calibration, in the transaction that stores these."""
    query = "INSERT INTO backtests (calibration_id, body) VALUES ($1, $2)"
    await connection.executemany(query, [(one, json.dumps(body)) for one, body in found.items()])
