"""A calibration made again from what is stored (CAL-11)."""

from __future__ import annotations

import json
from collections.abc import Iterator

import asyncpg
import pytest

from app.calibration.tasks.reproducing import compared
from tests.conftest import reachable_directory
from tests.jobs.test_calibrating import calibrate
from tests.jobs.trading import Trading, closes


@pytest.fixture(scope="module")
def trading() -> Iterator[Trading]:
    """With one calibration: of usdt-major it is c-2."""
    with reachable_directory() as directory:
        found = Trading(directory / "data")
        found.fill()
        found.until(found.calibrate(seed=5, horizon_hours=48), "done")
        yield found
        found.service.close()


async def change(trading: Trading, statement: str, *values: object) -> None:
    connection = await asyncpg.connect(trading.database)
    await connection.execute(statement, *values)
    await connection.close()


async def test_every_figure_is_as_it_was(trading: Trading) -> None:
    """Whatever was traded, marked and imported since."""
    trading.ask("POST", "/v1/prices", {"symbol": "BTCUSDT", "mark_price": "61000"})
    await change(
        trading,
        """
        INSERT INTO price_imports
            (interval, source, sha256, rows, first, last, created_by, created_at)
        VALUES ('1d', 'later', 'x', 1, now(), now(), 'k', now())
    """,
    )
    later = "INSERT INTO price_history (symbol, interval, time, import_id, close)"
    for time, close in [*closes()][-5:]:
        await change(trading, f"{later} VALUES ('BTCUSDT', '1d', $1, 2, $2)", time, close * 2)
    done = calibrate(trading.data, "--reproduce", "c-2")
    assert done.returncode == 0, done.stderr + done.stdout
    assert "all agree" in done.stdout
    stored = trading.ask("GET", "/v1/calibrations/c-2")
    (line,) = (one for one in done.stdout.splitlines() if one.startswith("simulated.quantile "))
    assert line.split()[1:] == 2 * [stored["simulated"]["quantile"]]
    fresh = calibrate(trading.data, "--asset", "USDT", "--json", "--set", "horizon_hours=48")
    again = json.loads(fresh.stdout)[1]
    assert again["hashes"]["prices"] != stored["hashes"]["prices"]
    assert again["hashes"]["book"] != stored["hashes"]["book"]


async def test_a_figure_that_was_changed_is_found(trading: Trading) -> None:
    figure = 'replace(result::text, \'"quantile": "\', \'"quantile": "1\')::json'
    await change(trading, f"UPDATE calibrations SET result = {figure} WHERE calibration_id = 2")
    done = calibrate(trading.data, "--reproduce", "c-2")
    assert done.returncode == 1
    differing = [line.split()[0] for line in done.stdout.splitlines() if "DIFFERS" in line]
    assert "simulated.quantile" in differing
    assert "cover_n.loss" not in differing


@pytest.mark.parametrize(("spoil", "name", "code"), [
    ("SELECT 1", "c-99", "unknown_calibration"),
    ("SELECT 1", "99", "no calibration"),
    ("UPDATE calibrations SET method_version = 'fhs-0' WHERE calibration_id = 3", "c-3",
     "method_retired"),
    ("DELETE FROM calibration_inputs", "c-1", "inputs_not_kept"),
])  # fmt: skip
async def test_what_cannot_be_made_again(
    trading: Trading, spoil: str, name: str, code: str
) -> None:
    await change(trading, spoil)
    done = calibrate(trading.data, "--reproduce", name)
    assert (done.returncode, done.stdout) == (2, "")
    assert code in done.stderr


@pytest.mark.parametrize(("stored", "again", "differ"), [
    ({"a": "1"}, {"a": "1.0000005"}, []),
    ({"a": "1"}, {"a": "1.000002"}, ["a"]),
    ({"a": "0"}, {"a": "0.00000001"}, ["a"]),
    ({"a": ["1", None]}, {"a": ["1", "2"]}, ["a[1]"]),
    ({"a": ["1"]}, {"a": ["1", "2"]}, ["a"]),
    ({"a": {"b": "x"}}, {"a": {"b": "y"}}, ["a.b"]),
    ({"a": "1"}, {"b": "1"}, ["a", "b"]),
    ({"numpy_version": "1"}, {"numpy_version": "2"}, []),
])  # fmt: skip
def test_what_agrees(stored: object, again: object, differ: list[str]) -> None:
    """Numbers to a millionth of the larger, all else as it is."""
    assert [one.name for one in compared("", stored, again) if not one.agrees] == differ
