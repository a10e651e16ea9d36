"""The README's tour, the requests of the page of a crash and ARCHITECTURE.md's chain check, run as
they are printed there."""

from __future__ import annotations

import csv
import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from math import sin
from pathlib import Path

import pytest

from tests.conftest import reachable_directory
from tests.service import ROOT, Service

CRASH = "docs/fund-through-a-crash.md"
EVE = "docs/how-big-a-fund.md"


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of a page in a language, in order."""
    text = (ROOT / page).read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def links(page: str) -> list[str]:
    """Where a page's links lead that stay in the repository."""
    text = (ROOT / page).read_text("utf-8")
    return [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]


def asked(service: Service, page: str, **named: str) -> subprocess.CompletedProcess[str]:
    """Run a page's blocks of bash against a service."""
    return subprocess.run(
        ["bash", "-e", "-u", "-o", "pipefail"],
        input="\n".join(blocks(page, "bash")),
        env={**os.environ, "URL": service.address, "KEY": service.admin_key, **named},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def toured() -> Iterator[tuple[Service, str]]:
    """A service after the whole tour, and what the tour printed."""
    with reachable_directory() as directory:
        service = Service(directory / "data")
        try:
            tour = asked(service, "README.md")
            assert tour.returncode == 0, tour.stdout[-2000:] + tour.stderr
            yield service, tour.stdout
        finally:
            service.close()


def test_the_tour_ends_as_it_says(toured: tuple[Service, str]) -> None:
    service, _ = toured
    history = service.request("GET", "/v1/insurance-fund-history?fund=usdt-major").json()["items"]
    amounts = {row["kind"]: row["amount"] for row in history}
    assert [row["kind"] for row in reversed(history)] == [
        "seed_capital", "liquidation_clearance_fee", "bankruptcy_loss",
    ]  # fmt: skip
    assert amounts["seed_capital"] == "20000"
    assert not amounts["liquidation_clearance_fee"].startswith("-")
    assert amounts["bankruptcy_loss"].startswith("-")


def test_the_questions_after_a_crash_are_answered(toured: tuple[Service, str]) -> None:
    """Of the tour's fund, its second liquidation and its one event."""
    service, _ = toured
    named = {"FUND": "usdt-major", "SYMBOL": "BTCUSDT", "EVENT": "1", "LIQUIDATION": "2"}
    answers = asked(service, CRASH, **named)
    assert answers.returncode == 0, answers.stdout[-2000:] + answers.stderr
    for told in ("closed 1", "mixed 1", '"usdt-major"', '"pro_rata"', '"disclaimer"'):
        assert told in answers.stdout


def closes(path: Path) -> Path:
    """Daily closes up to 18 May 2021 and beyond, as the page's file has them."""
    days = [date(2020, 5, 1) + timedelta(days=number) for number in range(400)]
    lines = [
        f"{day},{50_000 * 1.04 ** sin(number**2):.2f},1000000000" for number, day in enumerate(days)
    ]
    path.write_text("\n".join(["date,price,volume", *lines]) + "\n", encoding="ascii")
    return path


def test_a_fund_is_calibrated_as_the_page_says(toured: tuple[Service, str], tmp_path: Path) -> None:
    """From made-up closes: the run is done, read, accepted, and the fund filled."""
    service, _ = toured
    daily = closes(tmp_path / "daily.csv")
    named = {"FUND": "usdt-major", "FUNDS": "usdt-major", "DAILY": str(daily)}
    answers = asked(service, EVE, **named)
    assert answers.returncode == 0, answers.stdout[-2000:] + answers.stderr
    for told in ('"status":"done"', "# Insurance fund usdt-major", "rank,loss,", '"daily_only"'):
        assert told in answers.stdout, told
    (fund,) = service.request("GET", "/v1/insurance-funds/usdt-major").json()["balances"]
    assert Decimal(fund["coverage"]) >= 1
    report = service.request("GET", f"/v1/calibrations/{fund['calibration_id']}/report").text
    assert "this is the minimum in force" in report
    assert "2021-05-19 00:00 UTC" in report


def test_the_tour_liquidates_one_in_the_book_and_one_at_the_fund(
    toured: tuple[Service, str],
) -> None:
    service, printed = toured
    liquidations = service.request("GET", "/v1/liquidations").json()["items"]
    assert len(liquidations) == 2
    (fee,) = service.request("GET", "/v1/clearance-fees").json()["items"]
    (deleveraged,) = service.request("GET", "/v1/adl-events").json()["items"]
    assert fee["liquidation_id"] != deleveraged["liquidation_id"]
    for told in ("58800", "bankruptcy_loss", "clearance_fee", '"bob"'):
        assert told in printed


def check_chain(export: str) -> subprocess.CompletedProcess[str]:
    """Run the printed check on an export."""
    (check,) = blocks("ARCHITECTURE.md", "python")
    return subprocess.run(
        [sys.executable, "-I", "-c", check],
        input=export, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_exported_chain_can_be_checked_by_anyone(toured: tuple[Service, str]) -> None:
    service, _ = toured
    path = "/v1/insurance-fund-history?fund=usdt-major&format=csv"
    export = service.request("GET", path).text
    rows = list(csv.DictReader(io.StringIO(export)))
    assert len(rows) == 3
    assert check_chain(export).returncode == 0
    for column in rows[1]:
        forged = [dict(row) for row in rows]
        forged[1][column] += "1"
        assert "AssertionError" in check_chain(written(forged)).stderr, column
    assert "AssertionError" in check_chain(written(rows[:1] + rows[2:])).stderr


def written(rows: list[dict[str, str]]) -> str:
    """Rows as a file like the export."""
    file = io.StringIO()
    writer = csv.DictWriter(file, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


@pytest.mark.parametrize(
    "page", ["README.md", "ARCHITECTURE.md", "RULES.md", "app/engine/README.md", CRASH, EVE]
)
def test_links_lead_somewhere(page: str) -> None:
    for link in links(page):
        path, _, heading = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), link
        if heading:
            titles = re.findall(r"^#+ (.*)$", target.read_text("utf-8"), re.MULTILINE)
            assert heading in {re.sub(r"[^\w -]", "", t).lower().replace(" ", "-") for t in titles}


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for page in ("README.md", "ARCHITECTURE.md"):
        named = re.findall(r"`(?:[A-Z_]+=\S+ )?make (\w+)", (ROOT / page).read_text("utf-8"))
        assert set(named) <= targets


def test_every_backstop_command_exists() -> None:
    text = "".join((ROOT / page).read_text("utf-8") for page in ("README.md", CRASH, EVE))
    for command in set(re.findall(r"backstop ([a-z]+)\b(?= |`)", text)):
        shown = subprocess.run(
            [sys.executable, "-m", "app.cli", command, "--help"],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert shown.returncode == 0, shown.stderr
