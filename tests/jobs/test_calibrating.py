"""Calibrations from a request to what is kept of them: real workers, and the command line."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from app.api.schemas.calibration_example import RESULT
from tests.conftest import reachable_directory
from tests.jobs.trading import LONG, Trading
from tests.service import PATIENCE_SECONDS, ROOT


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    with reachable_directory() as found:
        yield found


@pytest.fixture(scope="module")
def trading(directory: Path) -> Iterator[Trading]:
    """One for all tests: a run changes nothing."""
    found = Trading(directory / "data")
    found.fill()
    yield found
    found.service.close()


def calibrate(data: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """The command, to its end."""
    return subprocess.run(
        command(*arguments, "--data-dir", str(data)),
        cwd=ROOT, env={**os.environ, **settings}, capture_output=True, text=True,
        timeout=PATIENCE_SECONDS, check=False,
    )  # fmt: skip


def command(*arguments: str) -> Sequence[str]:
    return [sys.executable, "-m", "app.cli", "calibrate", *arguments]


def counted(trading: Trading) -> int:
    """How many calibrations are kept."""
    return len(trading.ask("GET", "/v1/calibrations?limit=1000")["items"])


def test_a_run_is_proposed(trading: Trading) -> None:
    """All funds of the asset, whole; the service itself has loaded no NumPy."""
    before = counted(trading)
    job = trading.until(trading.calibrate(seed=3), "done", "failed")
    assert job["error"] is None
    found = {one["fund_id"]: one for one in job["result"]["calibrations"]}
    assert {*found} == {"usdt-75x", "usdt-major", "usdt-other"}
    assert [one["calibration_id"] for one in found.values()] == job["calibration_ids"]
    number = found["usdt-major"]["calibration_id"]
    one = trading.ask("GET", f"/v1/calibrations/{number}")
    assert (one["status"], one["parameters"]["seed"]) == ("proposed", 3)
    assert one["sample"]["rows"] == 729
    assert one["in_force"]["required_minimum"] == "50000"
    assert one["required_minimum"] == found["usdt-major"]["required_minimum"]
    assert float(one["required_minimum"]) >= float(one["simulated"]["quantile"]) > 0
    assert counted(trading) == before + 3
    tested = trading.ask("GET", f"/v1/calibrations/{number}/backtest?from=2000-01-01")
    assert tested["walk_forward"]["tested"] == 229
    assert len(tested["days"]) == 729
    assert [event["loss"] for event in tested["events"]] == [
        event["loss"] for event in one["stressed"]["scenarios"]
    ]
    libraries = {one.path for one in psutil.Process(trading.service.process.pid).memory_maps()}
    assert any("asyncpg" in path for path in libraries)
    assert not any("numpy" in path or "scipy" in path for path in libraries)


def test_the_library_as_admins_have_edited_it(trading: Trading) -> None:
    """What is switched off is left out, and the report says so and why."""
    path = "/v1/stress-scenarios/2020-03-12"
    off = {"enabled": False, "reason": "no such market any more"}
    trading.ask("PUT", path, off)
    job = trading.until(trading.calibrate(), "done")
    one = trading.ask("GET", f"/v1/calibrations/{job['calibration_ids'][1]}")
    assert one["stressed"]["disabled"] == [{"scenario": "2020-03-12", "reason": off["reason"]}]
    assert "2020-03-12" not in {row["scenario"] for row in one["stressed"]["scenarios"]}
    again = calibrate(trading.data, "--reproduce", one["calibration_id"])
    assert again.returncode == 0, again.stderr + again.stdout
    trading.ask("PUT", path, {"enabled": True})


def test_a_run_that_has_nothing_to_go_by(trading: Trading) -> None:
    ticket = trading.ask("POST", "/v1/calibrations", {"asset": "BTC"})
    job = trading.until(ticket["job_id"], "done", "failed")
    assert job["error"]["code"] == "no_price_history"
    assert calibrate(trading.data, "--asset", "BTC").returncode == 1


def test_the_command_says_the_same(trading: Trading) -> None:
    """It proposes as the service does; on the same book, the same."""
    job = trading.until(trading.calibrate(), "done")
    whole = calibrate(trading.data, "--asset", "USDT", "--json")
    assert whole.returncode == 0, whole.stderr
    for number, told in zip(job["calibration_ids"], json.loads(whole.stdout), strict=True):
        names = number, told["calibration_id"]
        first, again = (trading.ask("GET", f"/v1/calibrations/{name}") for name in names)
        assert again == {**again, **told}
        assert {name: again[name] for name in RESULT} == {name: first[name] for name in RESULT}
    assert "refine" in whole.stderr
    table = calibrate(trading.data, "--fund", "usdt-major", "--csv", "--set", "gap=0.5")
    rows = {row["fund_id"]: row for row in csv.DictReader(io.StringIO(table.stdout))}
    quantile = json.loads(whole.stdout)[1]["simulated"]["quantile"]
    assert 0 < float(rows["usdt-major"]["simulated"]) < float(quantile)
    text = calibrate(trading.data, "--fund", "usdt-major").stdout
    assert "usdt-major" in text
    assert "99.9 % is the share" in text


def test_what_is_proposed_is_accepted(trading: Trading) -> None:
    """Of the fund that is named, by the service, as the admin whose key it is."""
    arguments = ("--fund", "usdt-major", "--accept", "--reason", "quarterly", "--csv")
    settings = {
        "BACKSTOP_ADMIN_KEY": trading.service.admin_key,
        "BACKSTOP_PORT": trading.service.address.rpartition(":")[2],
    }
    done = calibrate(trading.data, *arguments, **settings)
    assert done.returncode == 0, done.stderr
    rows = {row["fund_id"]: row for row in csv.DictReader(io.StringIO(done.stdout))}
    accepted = trading.ask("GET", f"/v1/calibrations/{rows['usdt-major']['calibration_id']}")
    assert accepted["status"] == "accepted"
    (balance,) = trading.ask("GET", "/v1/insurance-funds/usdt-major")["balances"]
    assert balance["required_minimum"] == accepted["required_minimum"]
    other = trading.ask("GET", f"/v1/calibrations/{rows['usdt-other']['calibration_id']}")
    assert other["status"] == "proposed"
    again = json.loads(calibrate(trading.data, "--asset", "USDT", "--json").stdout)[1]
    assert again["in_force"]["calibration_id"] == accepted["calibration_id"]
    keyless = calibrate(trading.data, *arguments)
    assert (keyless.returncode, keyless.stdout) == (2, "")


@pytest.mark.parametrize(("arguments", "code", "said"), [
    (["--asset", "USDT", "--set", "gap=0"], 2, "gap"),
    (["--asset", "USDT", "--set", "gab=1"], 2, "gab"),
    (["--asset", "USDT", "--set", "gap"], 2, "gap"),
    (["--asset", "USDT", "--seed", "x"], 2, "seed"),
    (["--asset", "USDT", "--seed", "1", "--set", "seed=2"], 2, "twice"),
    (["--asset", "EUR"], 1, "EUR"),
    (["--fund", "nobody"], 1, "nobody"),
    ([], 1, "--asset"),
])  # fmt: skip
def test_what_the_command_refuses(
    trading: Trading, arguments: list[str], code: int, said: str
) -> None:
    done = calibrate(trading.data, *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr


def test_the_command_waits_for_nobody(trading: Trading) -> None:
    """One run of an asset at a time, whoever does it."""
    job_id = trading.calibrate(**LONG)
    trading.worker(job_id)
    done = calibrate(trading.data, "--asset", "USDT")
    assert (done.returncode, done.stdout) == (1, "")
    assert "queued or running" in done.stderr
    trading.ask("DELETE", f"/v1/jobs/{job_id}")


def test_a_killed_worker_leaves_nothing(trading: Trading) -> None:
    before = counted(trading)
    job_id = trading.calibrate(**LONG)
    trading.worker(job_id).kill()
    assert trading.until(job_id, "failed")["error"]["code"] == "worker_died"
    assert counted(trading) == before


def test_a_killed_command_leaves_nothing(trading: Trading) -> None:
    """The service sees that it is gone."""
    before = counted(trading)
    long = [f"--set={name}={value}" for name, value in LONG.items()]
    arguments = command("--asset", "USDT", *long, "--data-dir", str(trading.data))
    with subprocess.Popen(arguments, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert any("prepare" in line for line in iter(process.stderr.readline, ""))
        process.kill()
    job_id = trading.ask("GET", "/v1/jobs?limit=1")["items"][0]["job_id"]
    assert trading.until(job_id, "interrupted")["error"]["code"] == "service_ended"
    assert counted(trading) == before


def test_a_killed_service_leaves_nothing(directory: Path, trading: Trading) -> None:
    """It and its worker are gone at once; the next start says what became of the job."""
    before = counted(trading)
    job_id = trading.calibrate(**LONG)
    worker = trading.worker(job_id)
    trading.service.process.kill()
    trading.service.close()
    psutil.wait_procs([worker], PATIENCE_SECONDS)
    assert not worker.is_running()
    key = trading.service.admin_key
    trading.service = Trading(trading.data, BACKSTOP_ADMIN_KEY=key).service
    assert trading.until(job_id, "interrupted")["error"]["code"] == "service_ended"
    assert counted(trading) == before
    trading.until(trading.calibrate(), "done")


def test_a_replica_only_looks(directory: Path, trading: Trading) -> None:
    """The same figures, and nothing is stored."""
    expected = json.loads(calibrate(trading.data, "--asset", "USDT", "--json").stdout)
    trading.service.close()
    copy = directory / "replica"
    shutil.copytree(trading.data, copy, symlinks=True)
    (copy / "postgres" / "data" / "standby.signal").touch()
    done = calibrate(copy, "--asset", "USDT", "--json")
    assert done.returncode == 0, done.stderr
    assert "nothing is stored" in done.stderr
    assert json.loads(done.stdout) == [{**one, "calibration_id": None} for one in expected]
