"""A stored calibration made again, from what is stored, and compared figure by figure (CAL-11)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import asyncpg

from app.calibration.runs import result
from app.calibration.runs.run import Progress
from app.calibration.tasks.calibrating import work_out
from app.calibration.tasks.kept import unpack
from app.jobs.parameters import METHOD, read_parameters
from app.jobs.working import JobFailed

TOLERANCE = Decimal("1e-6")
OF_THE_MAKER = ("code_version", "numpy_version")
"""Who made it is told for the record; another may make it again."""
_number = re.compile(r"-?[0-9]+(\.[0-9]+)?").fullmatch


class ComparedFigure(NamedTuple):
    """A figure, or a word, beside the stored one; None: there is none."""

    name: str
    stored: Any
    again: Any

    @property
    def agrees(self) -> bool:
        """To a millionth, where both are numbers."""
        if not (_is_number(self.stored) and _is_number(self.again)):
            return bool(self.stored == self.again)
        one, other = Decimal(str(self.stored)), Decimal(str(self.again))
        return abs(one - other) <= TOLERANCE * max(abs(one), abs(other))


async def reproduce(
    connection: asyncpg.Connection, number: int, tell: Progress
) -> list[ComparedFigure]:
    """All figures of a calibration; raises `JobFailed` where it cannot be made again."""
    row = await connection.fetchrow(_STORED, number)
    if row is None:
        raise JobFailed("unknown_calibration", f"there is no calibration c-{number}")
    if row["method_version"] != METHOD:
        detail = f"it was made by {row['method_version']}, and this release has {METHOD}"
        raise JobFailed("method_retired", detail)
    if row["body"] is None:
        raise JobFailed("inputs_not_kept", "its book was too large to be kept")
    stored = json.loads(row["result"]), json.loads(row["losses"])
    inputs, asked = unpack(row["body"]), read_parameters(json.loads(row["parameters"]))
    await _forget_later_imports(connection, inputs.last_import)
    done = await work_out(connection, inputs, asked, tell)
    funds = inputs.book.funds
    (one,) = (one for one in done.found if funds[one.fund].fund_id == row["fund_id"])
    again = result.document(done.run, one), result.losses(done.run, one)
    return [*compared("", stored[0], again[0]), *compared("losses", stored[1], again[1])]


async def _forget_later_imports(connection: asyncpg.Connection, last: int) -> None:
    """For this session the price history is that of then.

    A view of the same name stands before the table: nobody who reads closes has to know of it.
    """
    newer = "SELECT EXISTS (SELECT FROM price_imports WHERE import_id > $1)"
    if await connection.fetchval(newer, last):
        await connection.execute(f"""
            CREATE TEMPORARY VIEW price_history AS
            SELECT * FROM public.price_history WHERE import_id <= {int(last)}
        """)  # noqa: S608 - a number


def compared(name: str, stored: Any, again: Any) -> Iterator[ComparedFigure]:
    """Leaf by leaf, by where it stands."""
    if isinstance(stored, Mapping) and isinstance(again, Mapping):
        for key in dict.fromkeys((*stored, *again)):
            if key not in OF_THE_MAKER:
                inner = f"{name}.{key}" if name else str(key)
                yield from compared(inner, stored.get(key), again.get(key))
    elif _is_list(stored) and _is_list(again) and len(stored) == len(again):
        for place, (one, other) in enumerate(zip(stored, again, strict=True)):
            yield from compared(f"{name}[{place}]", one, other)
    else:
        yield ComparedFigure(name, stored, again)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _is_number(value: Any) -> bool:
    return not isinstance(value, bool) and bool(_number(str(value)))


_STORED = """
    SELECT fund_id, method_version, parameters, result, losses, body
    FROM calibrations LEFT JOIN calibration_inputs USING (run_id) WHERE calibration_id = $1
"""
