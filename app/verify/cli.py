"""`backstop verify`: where the database is, the summary, the exit code."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from datetime import UTC
from pathlib import Path

import asyncpg
import uvloop

from app.store import database
from app.store.embedded_files import EmbeddedPostgresError
from app.store.reach import reach
from app.verify.difference import Difference
from app.verify.growing import GROWING
from app.verify.log import OtherRules
from app.verify.progress import VerifyProgress
from app.verify.records import RECORDS
from app.verify.replay import Findings, verify
from app.verify.rows import TABLES

AGREES, DIFFERS, FAILED = 0, 1, 2


def run(database_url: str | None, data_dir: Path) -> int:
    """Verify a database and print the findings: 0 agrees, 1 differs, 2 could not be done."""
    progress = VerifyProgress(sys.stderr)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            findings = runner.run(_verify(database_url, data_dir, progress))
    except EmbeddedPostgresError as error:
        return _failed(progress, str(error))
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError) as error:
        return _failed(progress, f"this is not a database of this version of Backstop: {error}")
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
        return _failed(progress, f"the database cannot be read: {error}")
    except OtherRules as error:
        return _failed(progress, str(error))
    except KeyboardInterrupt:
        return _failed(progress, "interrupted; no difference was found so far")
    progress.close()
    sys.stdout.write(summary(findings, progress.seconds))
    return AGREES if findings.difference is None else DIFFERS


async def _verify(database_url: str | None, data_dir: Path, progress: VerifyProgress) -> Findings:
    async with reach(database_url, data_dir) as address:
        connection = await database.connect(address)
        try:
            return await verify(connection, progress.show)
        finally:
            connection.terminate()  # there is nothing to say goodbye for, and it may be gone


def _failed(progress: VerifyProgress, why: str) -> int:
    progress.close()
    sys.stderr.write(f"backstop: {why}\n")
    return FAILED


def summary(findings: Findings, seconds: float) -> str:
    """The findings for the operator."""
    rate = findings.commands / max(seconds, 0.001)
    done = f"{findings.commands:,} of {findings.end - findings.begin:,} commands"
    lines = [f"Replayed {done} in {seconds:,.1f} s ({rate:,.0f}/s)."]
    ours = f"{findings.begin + 1:,} to {findings.end:,}"
    lines.append(f"  rules       version {findings.rules_version}, commands {ours}")
    lines += [
        f"  not these   version {version}, commands {first:,} to {last:,}: to be verified with that"
        " release"
        for version, first, last in findings.others
    ]
    if findings.first and findings.last:
        lines.append(
            f"  log         {findings.first.astimezone(UTC):%Y-%m-%d %H:%M:%S} to "
            f"{findings.last.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC, {findings.leaders} leader(s)"
        )
    lines.append(f"  records     {_counts(findings.rows, (*RECORDS, *GROWING, 'admin_acts'))}")
    if findings.difference is None:
        lines.append(f"  state       {_counts(findings.rows, TABLES)}")
        lines.append(f"  state hash  {findings.state_hash}")
        vouched = f" This vouches for commands {ours} only." if findings.others else ""
        lines.append(f"Everything agrees, and every law holds.{vouched}")
    else:
        lines += _told(findings.difference)
    return "\n".join(lines) + "\n"


def _counts(rows: Counter[str], names: object) -> str:
    assert isinstance(names, tuple | dict)
    counts = [f"{name.replace('_', ' ')} {rows[name]:,}" for name in names if rows[name]]
    return ", ".join(counts) or "none"


def _told(difference: Difference) -> list[str]:
    where = f"command {difference.command:,}: " if difference.command is not None else ""
    lines = [f"DIFFERENT: {where}{difference.table} ({difference.key}) {difference.what}"]
    for column, expected, found in difference.values:
        lines += [f"  {column}", f"    recomputed    {expected}", f"    in the table  {found}"]
    return lines
