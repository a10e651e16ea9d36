"""`backstop calibrate`: a run on the command line, or one made again."""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import os
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import uvloop

from app.calibration.runs.result import Told
from app.calibration.tasks import calibrating, reproducing
from app.calibration.tasks.accepting import NotAccepted, accept
from app.calibration.tasks.shown import Shown
from app.jobs import board, calibrations
from app.jobs.board import Job, JobRunning
from app.jobs.calibrations import NothingToCalibrate
from app.jobs.parameters import InvalidParameters, Parameters, read_parameters
from app.jobs.working import JobFailed, carry_out
from app.store import database
from app.store.embedded_files import EmbeddedPostgresError
from app.store.reach import reach

OK, FAILED, USAGE = 0, 1, 2
DIFFERS, CANNOT_TELL = 1, 2
COMMAND_LINE = "command line"
"""In the place of a key: who may write to the database may run."""


class CannotCalibrate(Exception):
    """Why not, in a sentence for the operator."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be asked."""
    whose = parser.add_mutually_exclusive_group()
    whose.add_argument("--fund", metavar="F", help="for the asset that this fund insures")
    whose.add_argument("--asset", metavar="A", help="for all funds of a settlement asset")
    whose.add_argument(
        "--reproduce",
        metavar="ID",
        help="make a calibration again from what is stored: 1 if a figure differs, 2 if it cannot",
    )
    parser.add_argument("--seed", metavar="N", help="of the draws (1)")
    parser.add_argument(
        "--set",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="a parameter, as gap=0.5; may be repeated",
    )
    parser.add_argument(
        "--accept",
        action="store_true",
        help="accept what is proposed, through the running service, with BACKSTOP_ADMIN_KEY",
    )
    parser.add_argument("--reason", help="why it is accepted: needed where less is required")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="print the whole reports")
    how.add_argument("--csv", action="store_true", help="print a row for each fund")


def run(
    options: argparse.Namespace,
    database_url: str | None,
    data_dir: Path,
    service: str,
    admin_key: str | None,
) -> int:
    """Do it: 0 done, 1 failed or different, 2 wrong usage.

    `service` is the address of the running one, which accepts, as the admin of this key.
    """
    if options.accept and not admin_key:
        return _failed("an admin's key is needed to accept: BACKSTOP_ADMIN_KEY", USAGE)
    try:
        asked = _parameters(options)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            code, found = runner.run(_run(options, asked, database_url, data_dir))
        if options.accept:
            mine = [one for one in found if options.fund in (None, one["fund_id"])]
            for said in accept(mine, service, admin_key or "", options.reason):
                sys.stderr.write(f"{said}\n")
    except NotAccepted as error:
        return _failed(str(error))
    except InvalidParameters as error:
        return _failed(error.detail, USAGE)
    except (CannotCalibrate, EmbeddedPostgresError) as error:
        return _failed(str(error))
    except JobFailed as error:
        return _failed(f"{error.failure.code}: {error.failure.detail}")
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError) as error:
        return _failed(f"this is not a database of this version of Backstop: {error}")
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return _failed(f"the database cannot be used: {error}")
    return code


def _parameters(options: argparse.Namespace) -> Parameters:
    given = {} if options.seed is None else {"seed": options.seed}
    for text in options.set:
        name, _, value = text.partition("=")
        if name in given:
            raise InvalidParameters(name, f"{name} is given twice")
        given[name] = value
    return read_parameters(given)


async def _run(
    options: argparse.Namespace, asked: Parameters, database_url: str | None, data_dir: Path
) -> tuple[int, Sequence[Told]]:
    """The exit code so far, and what is proposed."""
    async with reach(database_url, data_dir) as address:
        connection = await database.connect(address)
        try:
            if options.reproduce is not None:
                return await _reproduce(connection, options.reproduce), []
            asset = await _asset(connection, options)
            if await connection.fetchval("SELECT pg_is_in_recovery()"):
                found = await _only_look(connection, asset, asked)
            else:
                found = await _propose(address, connection, asset, asked)
        finally:
            connection.terminate()
    _print(found, options)
    return OK, found


async def _reproduce(connection: asyncpg.Connection, name: str) -> int:
    """Print each figure beside the stored one, and of the single losses those that differ."""
    if not re.fullmatch(r"c-[0-9]{1,18}", name):
        return _failed(f"{name[:50]!a} is no calibration: they are c-1, c-2 and so on", CANNOT_TELL)
    task = Shown(Job(0, "calibration", {}, COMMAND_LINE), connection)
    try:
        found = await reproducing.reproduce(connection, int(name[2:]), task.tell)
    except JobFailed as error:
        return _failed(f"{error.failure.code}: {error.failure.detail}", CANNOT_TELL)
    finally:
        task.close()
    differ = [one for one in found if not one.agrees]
    shown = [one for one in found if not (one.agrees and one.name.startswith("losses"))]
    width = max(len(one.name) for one in shown)
    for one in shown:
        mark = "" if one.agrees else "  DIFFERS"
        sys.stdout.write(f"{one.name:<{width}}  {one.stored!s:>24}  {one.again!s:>24}{mark}\n")
    said = f"{len(differ):,} differ" if differ else "all agree to a millionth"
    sys.stdout.write(f"{len(found):,} figures: {said}.\n")
    return DIFFERS if differ else OK


async def _asset(connection: asyncpg.Connection, options: argparse.Namespace) -> str:
    """Which one is meant."""
    rows = await connection.fetch(_INSURED, options.fund)
    assets = [row["settlement_asset"] for row in rows]
    if options.asset is not None:
        return str(options.asset)
    if len(assets) == 1:
        return str(assets[0])
    whose = f"fund {options.fund} insures" if options.fund else "funds insure"
    if not assets:
        raise CannotCalibrate(f"{whose} no contract")
    raise CannotCalibrate(f"{whose} contracts in {', '.join(assets)}: name one with --asset")


async def _only_look(connection: asyncpg.Connection, asset: str, asked: Parameters) -> list[Told]:
    """On a replica, which takes no rows."""
    task = Shown(Job(0, "calibration", {}, COMMAND_LINE), connection)
    try:
        done = await calibrating.run(connection, asset, asked, task.tell)
    finally:
        task.close()
    sys.stderr.write("This database is a replica: nothing is stored, so nothing is proposed.\n")
    return [{"calibration_id": None, **told} for told in calibrating.documents(done)]


async def _propose(
    address: str, connection: asyncpg.Connection, asset: str, asked: Parameters
) -> list[Told]:
    """As a job that this process does itself, and that others see."""
    owner = await board.own(connection)
    try:
        wanted = await calibrations.wanted(connection, asset, asked, COMMAND_LINE)
        job_id = await board.begin(connection, wanted, owner)
    except (NothingToCalibrate, JobRunning) as error:
        raise CannotCalibrate(str(error)) from error
    try:
        await carry_out(address, job_id, {"calibration": calibrating.calibration}, Shown)
    except asyncio.CancelledError:
        await board.interrupt(connection, owner)
        os._exit(FAILED)  # it is deep in its figures, and would go on
    why = await connection.fetchval("SELECT error FROM jobs WHERE job_id = $1", job_id)
    if why is not None:
        raise JobFailed(**json.loads(why))
    rows = await connection.fetch(_FOUND, job_id)
    return [
        {
            "calibration_id": calibrations.calibration_text(row["calibration_id"]),
            **json.loads(row["result"]),
        }
        for row in rows
    ]


def _print(found: Sequence[Told], options: argparse.Namespace) -> None:
    if options.json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
    elif options.csv:
        csv.writer(sys.stdout, lineterminator="\n").writerows([COLUMNS, *map(_row, found)])
    else:
        sys.stdout.write(summary(found))


COLUMNS = (
    "calibration_id", "fund_id", "asset", "required_minimum", "binding", "simulated",
    "expected_shortfall", "stressed", "cover_n", "in_force", "warnings",
)  # fmt: skip


def _row(told: Told) -> Sequence[str]:
    simulated, in_force = told["simulated"], told["in_force"]
    values = {
        **{name: told.get(name) for name in COLUMNS},
        "simulated": simulated["quantile"],
        "expected_shortfall": simulated["expected_shortfall"],
        "stressed": told["stressed"]["loss"],
        "cover_n": told["cover_n"]["loss"],
        "in_force": in_force and in_force["required_minimum"],
        "warnings": " ".join(told["warnings"]),
    }
    return ["" if value is None else value for value in values.values()]


def summary(found: Sequence[Told]) -> str:
    """The minimums for the operator, and what they were made from."""
    first = found[0]
    sample, as_of = first["sample"], first["as_of"]
    time = datetime.fromisoformat(as_of["time"]).astimezone(UTC)
    lines = [
        f"{first['asset']}: positions of command {as_of['sequence']:,}, {time:%Y-%m-%d %H:%M} UTC",
        f"{sample['rows']:,} returns of {sample['interval']}, {sample['scenarios']:,} scenarios",
        "",
    ]
    table = [
        ("fund", "calibration", "minimum", "by", "simulated", "stressed", "cover"),
        *(
            (
                told["fund_id"],
                told["calibration_id"] or "-",
                told["required_minimum"],
                told["binding"],
                told["simulated"]["quantile"],
                told["stressed"]["loss"],
                told["cover_n"]["loss"],
            )
            for told in found
        ),
    ]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        cells = (
            cell.rjust(width) if place in NUMBERS else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join(cells).rstrip())
    warnings = sorted({code for told in found for code in told["warnings"]})
    if warnings:
        lines += ["", f"Beware: {', '.join(warnings)}"]
    return "\n".join([*lines, "", first["statement"]]) + "\n"


NUMBERS = (2, 4, 5, 6)


def _failed(why: str, code: int = FAILED) -> int:
    sys.stderr.write(f"backstop: {why}\n")
    return code


_INSURED = """
    SELECT DISTINCT settlement_asset FROM contracts
    WHERE status <> 'settled' AND ($1::text IS NULL OR insurance_fund = $1)
    ORDER BY settlement_asset
"""
_FOUND = """
    SELECT calibration_id, result FROM calibrations WHERE run_id = $1 ORDER BY calibration_id
"""
