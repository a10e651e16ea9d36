"""What ended a term in the engine is remembered, and not applied again (REC-2)."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import traceback
from dataclasses import replace
from pathlib import Path

from app.engine.commands import Command
from app.engine.commands.accounts import OpenAccount
from app.engine.commands.keys import CreateKey
from app.engine.commands.leaders import Recover
from app.engine.commands.prices import ReportClock
from app.engine.engine import Engine
from app.engine.invariants import LawBroken
from app.engine.outcome import Failure
from app.engine.rejections import Code, Rejection
from app.engine.state import State
from app.runner import lease
from app.store import codec, incidents

log = logging.getLogger("backstop.incidents")

RECORD_SECONDS = 10.0
"""A database that does not answer for so long is not waited for: the lock is given up."""
LONGEST_ERROR = 1000


def digest_of(command: Command) -> str:
    """What a command that is sent again has in common with its first: all but what is drawn.

    The runner's own commands are always the same one.
    """
    if isinstance(command, CreateKey | OpenAccount):
        command = replace(command, key=replace(command.key, key_id="", digest=""))
    kind, body = codec.encode_command(command)
    if isinstance(command, Recover | ReportClock):
        body = ""
    return hashlib.sha256(f"{kind}\n{body}".encode()).hexdigest()


def refusal(state: State, command: Command) -> Rejection | None:
    """Why a command is not applied: the same has failed, and was not released since."""
    kind = type(command).__name__
    suspects = [one for one in state.incidents.values() if one.digest and one.command == kind]
    if not suspects or isinstance(command, Recover):  # nobody leads without
        return None
    digest = digest_of(command)
    for one in suspects:
        if one.digest == digest:
            return Rejection.of(
                Code.incident,
                "applying this has failed before; it waits for its release",
                incident_id=one.incident_id,
            )
    return None


async def remember(claim: lease.Lease, epoch: int, engine: Engine, error: Exception) -> None:
    """Record what ended a term, if it was the engine, before the lock is given up.

    On a connection of its own, for nobody knows what the term's are doing. Where that fails it is
    logged, and no more.
    """
    failure = _failure(engine, error)
    if failure is None:
        return
    try:
        async with asyncio.timeout(RECORD_SECONDS), claim.connect() as connection:
            # The time-out alone would wait for a dead server to roll back.
            asyncio.get_running_loop().call_later(RECORD_SECONDS, connection.terminate)
            digest = digest_of(failure.command)
            number = await incidents.record(connection, epoch, failure, digest, _text(error))
    except Exception:
        log.exception("the incident could not be recorded: %s", failure)
    else:
        log.error("incident %d: %s", number, failure)


def _failure(engine: Engine, error: Exception) -> Failure | None:
    """What failed in the engine; None where it was something else, or where memory ran out."""
    if isinstance(error, MemoryError):
        return None
    if isinstance(error, LawBroken) and engine.failure is None:  # what was loaded is broken
        counters, time = engine.state.counters, engine.state.time
        return None if time is None else Failure(counters.command, time, Recover(), None)
    return engine.failure


def _text(error: Exception) -> str:
    """What was raised, and where."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(where.filename).name}:{where.lineno}, {where.name}"
    return f"{type(error).__name__}: {error}"[:LONGEST_ERROR] + f" ({place})"
