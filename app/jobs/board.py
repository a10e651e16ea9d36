"""The table `jobs`, as those see it who ask for work, start it and do it.

    queued -> running -> done | failed | canceled | interrupted

Every change says from which status it leads, so whoever comes second changes nothing: a worker
whose job was canceled cannot store what it found.

A running job is watched by a process, its owner, which holds an advisory lock on its number for as
long as its session lives. So whether an owner is there is PostgreSQL's to say, and nobody has to
beat: what runs for nobody is interrupted by the next who looks.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Any, NamedTuple

import asyncpg

from app.runner.answers import AnswerConflict, AnswerKey
from app.store.tables import JobKind, JobStatus

LOCKS = int.from_bytes(b"jobs")
"""Leads the advisory locks of owners."""
MOST_QUEUED = 20
KEPT_DAYS = 90
"""How long a job is listed after its end. Calibrations stay for ever."""


class JobRunning(Exception):
    """The asset has a job that is not at its end: only one at a time."""

    def __init__(self, asset: str) -> None:
        super().__init__(f"a calibration of {asset} is queued or running")
        self.asset = asset


class TooManyJobs(Exception):
    """So many jobs are waiting that no more are taken."""


class JobGone(Exception):
    """The job is not running any more: it was canceled, or taken for dead."""


class NewJob(NamedTuple):
    """What is asked for: the only job of its `asset` where it has one, by an admin's key."""

    kind: JobKind
    request: Mapping[str, Any]
    asset: str | None
    requested_by: str


class Job(NamedTuple):
    """What a worker has to do, and for whom."""

    job_id: int
    kind: JobKind
    request: dict[str, Any]
    requested_by: str


class JobFailure(NamedTuple):
    """Why a job came to nothing: a stable code, and for people."""

    code: str
    detail: str


WORKER_DIED = "worker_died"
SERVICE_ENDED = JobFailure("service_ended", "the process that watched over it has ended")


# Asking


async def known(connection: asyncpg.Connection, by: str, key: AnswerKey | None) -> int | None:
    """The job that this request gave before; raises `AnswerConflict` if that was another one."""
    if key is None:
        return None
    query = "SELECT job_id, request_digest FROM jobs WHERE requested_by = $1 AND request_key = $2"
    row = await connection.fetchrow(query, by, key.key)
    if row is not None and row["request_digest"] != key.digest:
        raise AnswerConflict
    return None if row is None else int(row["job_id"])


async def request(
    connection: asyncpg.Connection, wanted: NewJob, key: AnswerKey | None = None
) -> int:
    """Queue a job, and return its number; under a `key` that was used before, the first one's.

    Raises `JobRunning`, `TooManyJobs` or `AnswerConflict`.
    """
    before = await known(connection, wanted.requested_by, key)
    if before is not None:
        return before
    if await connection.fetchval(_QUEUED) >= MOST_QUEUED:
        raise TooManyJobs
    try:
        return await _insert(connection, wanted, key)
    except asyncpg.UniqueViolationError as error:
        before = await known(connection, wanted.requested_by, key)  # the same, twice at once
        if before is None:
            raise JobRunning(wanted.asset or "") from error
        return before


async def _insert(
    connection: asyncpg.Connection,
    wanted: NewJob,
    key: AnswerKey | None = None,
    owner: int | None = None,
) -> int:
    named = (key.key, key.digest) if key else (None, None)
    values = wanted.kind, json.dumps(wanted.request), wanted.asset, wanted.requested_by
    job_id: int = await connection.fetchval(_INSERT, *values, *named, owner)
    return job_id


async def cancel(connection: asyncpg.Connection, job_id: int) -> JobStatus | None:
    """End what is not at its end; who watches it kills the worker. Returns the status since.

    None where there is no such job.
    """
    await connection.execute(_CANCEL, job_id)
    query = "SELECT status FROM jobs WHERE job_id = $1"
    status: JobStatus | None = await connection.fetchval(query, job_id)
    return status


# Watching


async def own(connection: asyncpg.Connection) -> int:
    """A number of one's own, held by a lock for as long as the connection lives."""
    while True:
        number = secrets.randbelow(2**31)
        if await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", LOCKS, number):
            return number


async def take(connection: asyncpg.Connection, owner: int) -> int | None:
    """Set the oldest queued job running, and return its number; None where there is none."""
    job_id: int | None = await connection.fetchval(_TAKE, owner)
    return job_id


async def begin(connection: asyncpg.Connection, wanted: NewJob, owner: int) -> int:
    """A job that its owner does at once, himself; raises `JobRunning`."""
    try:
        return await _insert(connection, wanted, owner=owner)
    except asyncpg.UniqueViolationError as error:
        raise JobRunning(wanted.asset or "") from error


async def running(connection: asyncpg.Connection, owner: int) -> set[int]:
    """An owner's jobs that are still to be done."""
    query = "SELECT job_id FROM jobs WHERE status = 'running' AND owner = $1"
    return {row["job_id"] for row in await connection.fetch(query, owner)}


async def hand_over(connection: asyncpg.Connection, before: int, owner: int) -> None:
    """The running jobs of a number are another's: its session was lost, but not the process."""
    query = "UPDATE jobs SET owner = $2 WHERE status = 'running' AND owner = $1"
    await connection.execute(query, before, owner)


async def interrupt(connection: asyncpg.Connection, owner: int | None = None) -> None:
    """End the running jobs of owners that are gone, and those of `owner`, which is about to go."""
    await connection.execute(_INTERRUPT, owner, _text(SERVICE_ENDED), LOCKS)


async def forget(connection: asyncpg.Connection) -> None:
    """Delete the jobs that ended long ago."""
    await connection.execute(
        "DELETE FROM jobs WHERE finished_at < now() - make_interval(days => $1)", KEPT_DAYS
    )


# Doing


async def read(connection: asyncpg.Connection, job_id: int) -> Job:
    """What is to be done; raises `JobGone` where it is not running."""
    query = """
        SELECT job_id, kind, request, requested_by FROM jobs
        WHERE job_id = $1 AND status = 'running'
    """
    row = await connection.fetchrow(query, job_id)
    if row is None:
        raise JobGone
    return Job(row["job_id"], row["kind"], json.loads(row["request"]), row["requested_by"])


async def tell(connection: asyncpg.Connection, job_id: int, stage: str, progress: float) -> None:
    """How far it is, from 0 to 1; it never goes back. Raises `JobGone`."""
    _check(await connection.execute(_TELL, job_id, stage, progress))


async def finish(connection: asyncpg.Connection, job_id: int, result: Mapping[str, Any]) -> None:
    """It is done; to be called within the transaction that stores what was found.

    Raises `JobGone`: then that must be rolled back.
    """
    _check(await connection.execute(_FINISH, job_id, json.dumps(result)))


async def fail(connection: asyncpg.Connection, job_id: int, failure: JobFailure) -> None:
    """It has come to nothing; does nothing where it is at its end already."""
    await connection.execute(_FAIL, job_id, _text(failure))


def _check(done: str) -> None:
    if done == "UPDATE 0":
        raise JobGone


def _text(failure: JobFailure) -> str:
    return json.dumps(failure._asdict())


_QUEUED = "SELECT count(*) FROM jobs WHERE status = 'queued'"
_INSERT = """
    INSERT INTO jobs (kind, request, asset, requested_by, request_key, request_digest, owner,
        status, progress, created_at, started_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7::bigint,
        CASE WHEN $7 IS NULL THEN 'queued' ELSE 'running' END, 0, now(),
        CASE WHEN $7 IS NOT NULL THEN now() END)
    RETURNING job_id
"""
_CANCEL = """
    UPDATE jobs SET status = 'canceled', finished_at = now()
    WHERE job_id = $1 AND status IN ('queued', 'running')
"""
_TAKE = """
    UPDATE jobs SET status = 'running', owner = $1, started_at = now()
    WHERE job_id = (
        SELECT job_id FROM jobs WHERE status = 'queued'
        ORDER BY job_id LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    RETURNING job_id
"""
_INTERRUPT = """
    UPDATE jobs SET status = 'interrupted', error = $2, finished_at = now()
    WHERE status = 'running' AND (owner = $1 OR NOT EXISTS (
        SELECT FROM pg_locks
        WHERE locktype = 'advisory' AND objsubid = 2 AND granted
            AND classid::bigint = $3 AND objid::bigint = owner
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    ))
"""
_TELL = """
    UPDATE jobs SET stage = $2, progress = GREATEST(progress, $3)
    WHERE job_id = $1 AND status = 'running'
"""
_FINISH = """
    UPDATE jobs SET status = 'done', progress = 1, stage = NULL, result = $2, finished_at = now()
    WHERE job_id = $1 AND status = 'running'
"""
_FAIL = """
    UPDATE jobs SET status = 'failed', error = $2, finished_at = now()
    WHERE job_id = $1 AND status = 'running'
"""
