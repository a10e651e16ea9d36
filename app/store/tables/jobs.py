"""Long work beside the engine, and what a calibration says of each fund (CAL).

Not the engine's: these rows are written by whoever asks for work, starts it and does it, and no
replay makes them.
"""

from __future__ import annotations

from typing import Literal

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Double,
    Identity,
    Index,
    LargeBinary,
    Numeric,
    Table,
)
from sqlalchemy import text as sql

from app.store.tables.columns import law, metadata, moment, number, one_of, text

JobKind = Literal["calibration", "stress_test"]
JobStatus = Literal["queued", "running", "done", "failed", "canceled", "interrupted"]
UNFINISHED = "status IN ('queued', 'running')"
"""Of jobs: what is still to be done."""


def drawn(name: str) -> Column[int]:
    """A key that PostgreSQL draws: unlike the engine's, such numbers may have gaps."""
    return Column(name, BigInteger, Identity(), primary_key=True)


jobs = Table(
    "jobs",
    metadata,
    drawn("job_id"),
    text("kind"),
    text("status"),
    text("asset", null=True),
    Column("request", JSON, nullable=False),
    Column("progress", Double, nullable=False),
    text("stage", null=True),
    Column("result", JSON, nullable=True),
    Column("error", JSON, nullable=True),
    text("requested_by"),
    text("request_key", null=True),
    text("request_digest", null=True),
    number("owner", null=True),
    moment("created_at"),
    moment("started_at", null=True),
    moment("finished_at", null=True),
    one_of("kind", JobKind),
    one_of("status", JobStatus),
    law("progress", "progress >= 0 AND progress <= 1"),
    law("finished", f"(finished_at IS NULL) = ({UNFINISHED})"),
    law("owned", "status <> 'running' OR (owner IS NOT NULL AND started_at IS NOT NULL)"),
    law("error", "(error IS NOT NULL) = (status IN ('failed', 'interrupted'))"),
    law("keyed", "(request_key IS NULL) = (request_digest IS NULL)"),
    Index("jobs_one_of_an_asset", "asset", unique=True, postgresql_where=sql(UNFINISHED)),
    Index("jobs_unfinished", "job_id", postgresql_where=sql(UNFINISHED)),
    Index("jobs_finished", "finished_at", postgresql_where=sql("finished_at IS NOT NULL")),
    Index(
        "jobs_request",
        "requested_by",
        "request_key",
        unique=True,
        postgresql_where=sql("request_key IS NOT NULL"),
    ),
)
"""`asset` is that of a job which is the only one of its settlement asset while it lasts. `owner` is
the number of the process that watches it, which it holds a lock on (`app/jobs/board.py`)."""

calibrations = Table(
    "calibrations",
    metadata,
    drawn("calibration_id"),
    number("run_id"),
    text("fund_id"),
    text("asset"),
    text("method_version"),
    Column("parameters", JSON, nullable=False),
    number("as_of_sequence"),
    moment("as_of_time"),
    text("book_hash"),
    text("prices_hash"),
    text("stress_hash"),
    text("code_version"),
    text("numpy_version"),
    Column("result", JSON, nullable=False),
    Column("losses", JSON, nullable=False),
    Column("required_minimum", Numeric, nullable=False),
    text("proposed_by"),
    moment("proposed_at"),
    law("minimum", "required_minimum >= 0 AND required_minimum < 'Infinity'"),
    Index(None, "run_id", "fund_id", unique=True),
    Index(None, "fund_id", "calibration_id"),
    Index(None, "asset", "calibration_id"),
)
"""One for each fund of a run, all written with the run's end; never changed, never deleted.

`run_id` is the job's number. What became of it is derived: see `app/jobs/calibrations.py`."""

calibration_inputs = Table(
    "calibration_inputs",
    metadata,
    number("run_id", key=True),
    Column("body", LargeBinary, nullable=False),
)
"""What a run was made from, compressed, so that it can be made again (CAL-11)."""

backtests = Table(
    "backtests",
    metadata,
    number("calibration_id", key=True),
    Column("body", JSON, nullable=False),
)
"""How a calibration's method would have done before (CAL-14): see `app/jobs/backtests.py`."""

BESIDE = (
    "jobs", "calibrations", "calibration_inputs", "price_history", "price_imports",
    "stress_scenarios", "backtests",
)  # fmt: skip
"""Tables that the engine's commits do not write."""
