"""Whole runs: what a fund must hold, and what is said of it (CAL-1, CAL-8, CAL-13)."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from app.api.schemas.calibration_example import PROPOSED
from app.api.schemas.calibrations import CalibrationLossesView, CalibrationView
from app.calibration import figures
from app.calibration.inputs.book import PositionBook
from app.calibration.runs import result, sensitivity
from app.calibration.runs.exceeding import Frequency
from app.calibration.runs.reverse import Reverse
from app.calibration.runs.run import Calibration, InForce, Run, calibrate, prepare
from app.calibration.runs.search import Tasks
from app.calibration.runs.setup import model
from app.catalogue.stress import crashes
from app.jobs.parameters import Parameters
from tests.calibration import books

CONTRACTS = (
    books.contract("BTCUSDT", "BTC", 0, 60_000.0),
    books.contract("SOLUSDT", "SOL", 1, 150.0),
    books.contract("ETHUSD", "ETH", 0, 3_000.0, inverse=True),
    books.contract("NEWUSDT", "NEW", 1, 0.2),
)
FEW = Parameters(scenarios=1000, confidence=Decimal("0.99"), tail_count=50)


def book(balances: tuple[float, ...] = (50_000.0, 5_000.0), accounts: int = 120) -> PositionBook:
    return books.position_book(CONTRACTS, balances, accounts)


def run(some: PositionBook, parameters: Parameters = FEW, *, hours: int = 1, **more: Any) -> Run:
    prices = books.closes(len(some.contracts), 600, hours)
    return prepare(some, prices, parameters, more.pop("events", crashes()), **more)


def assert_is(frequency: Frequency, so: NDArray[np.bool_]) -> None:
    """Exactly, or nearly where it is sampled."""
    near = 0.0 if frequency.sampled is None else 0.02
    assert frequency.value == pytest.approx(so.mean(), rel=1e-12, abs=near)


@pytest.fixture(scope="module")
def whole() -> tuple[Run, list[Calibration]]:
    made = run(book(), in_force={"fund-0": InForce("c-3", Decimal(20_000))})
    return made, calibrate(made)


def test_figures_are_those_of_all_scenarios(whole: tuple[Run, list[Calibration]]) -> None:
    made, found = whole
    tasks = Tasks(model(made, Decimal(1)), made.scenarios, 2)
    every, bankrupt = tasks.exact_part(np.arange(1000))
    parts = figures.parts_of(len(made.scenarios.returns))[made.scenarios.rows]
    touched = np.array([(parts == one).any(axis=1) for one in range(8)]).T
    for fund, one in enumerate(found):
        losses, level = every[fund], 0.99
        assert one.simulated.quantile == figures.quantile(losses, level)
        assert one.simulated.expected_shortfall == pytest.approx(
            figures.expected_shortfall(losses, level)
        )
        assert one.simulated.draw_band == figures.draw_band(losses, level)
        assert one.simulated.history_band == figures.history_band(losses, touched, level)
        balance = made.book.funds[fund].balance
        assert one.adl.at_minimum == ((losses > float(one.required_minimum)).mean(), None)
        assert_is(one.adl.at_balance, losses > balance)
        assert_is(one.adl.cap_binds, bankrupt[fund] > balance - losses)
        notional = figures.quantile(bankrupt[fund], level)
        assert 0.9 * notional <= one.adl.bankrupt_notional <= notional
        assert one.histogram.known.sum() + one.histogram.bound.sum() == 1000
    assert found[0].adl.at_in_force is not None
    assert_is(found[0].adl.at_in_force, every[0] > 20_000)
    assert found[1].adl.at_in_force is None


def test_what_is_rare_is_counted_and_what_is_not_is_sampled() -> None:
    """Of a poor fund most scenarios are open: some that are spread evenly stand for them."""
    made = run(book((1000.0, 1000.0), 40), replace(FEW, scenarios=5000))
    work = Tasks(model(made, Decimal(1)), made.scenarios, 2)
    losses, bankrupt = work.exact_part(np.arange(5000))
    for fund, one in enumerate(calibrate(made)):
        assert one.adl.at_minimum.sampled is None
        assert_is(one.adl.at_balance, losses[fund] > 1000)
        assert_is(one.adl.cap_binds, bankrupt[fund] > 1000 - losses[fund])
        assert one.adl.cap_binds.sampled == 200


def test_assumptions_changed_are_runs_with_them_changed(
    whole: tuple[Run, list[Calibration]],
) -> None:
    """All thousand scenarios are taken: what is told is the other run's quantile."""
    made, found = whole
    others = {
        "gap": replace(FEW, gap=Decimal("0.5")),
        "impact_factor": replace(FEW, impact_factor=Decimal(0)),
        "filter": replace(FEW, filter="none"),
    }
    for number, (name, parameters) in enumerate(others.items()):
        for one, other in zip(found, calibrate(run(book(), parameters)), strict=True):
            changed = one.sensitivity[number]
            assert (changed.name, changed.scenarios) == (name, 1000)
            assert changed.unchanged == one.simulated.quantile
            assert changed.quantile == pytest.approx(other.simulated.quantile)
            assert name not in {row.name for row in other.sensitivity}
    assert [row.name for row in found[0].sensitivity] == [*others, "trigger"]
    late = Tasks(model(made, Decimal(1), at_bankruptcy=True), made.scenarios, 2)
    for fund, one in enumerate(found):
        losses = late.exact_part(np.arange(1000))[0, fund]
        assert one.sensitivity[-1].quantile == figures.quantile(losses, 0.99)
        assert one.sensitivity[0].quantile < one.simulated.quantile


def test_what_is_said_is_what_the_schema_says(whole: tuple[Run, list[Calibration]]) -> None:
    made, found = whole
    for one in found:
        told = json.loads(json.dumps(result.document(made, one)))
        view = CalibrationView(**PROPOSED, **told)
        assert view.model_dump(mode="json", by_alias=True, exclude=set(PROPOSED)) == told
        losses = json.loads(json.dumps(result.losses(made, one)))
        assert CalibrationLossesView(**losses).model_dump(mode="json", by_alias=True) == losses
        assert sum(block["steps"] for block in losses["tail"][0]["blocks"]) == 24
        assert [row["by_contract"] is None for row in losses["tail"]].index(True) == 20
        first = losses["tail"][0]
        parts = sum(Decimal(part["loss"]) for part in first["by_contract"])
        assert float(parts) == pytest.approx(float(first["loss"]))
        shares = sum(Decimal(row["share_of_loss"]) for row in told["contracts"])
        assert float(shares) == pytest.approx(1)
    said = result.statement(made)
    assert said.startswith("99 % is the share of simulated 24-hour periods")
    assert "a 1 % day occurs with probability 97.4 %" in said


def test_the_largest_candidate_is_rounded_up(whole: tuple[Run, list[Calibration]]) -> None:
    """CAL-1."""
    for one in whole[1]:
        candidates = {
            "simulated": one.simulated.quantile,
            "stressed": max(row.loss for row in one.stressed.scenarios.values()),
            "cover_n": one.cover.loss,
        }
        largest = candidates[one.binding]
        assert largest == max(candidates.values())
        assert largest <= one.required_minimum <= largest * 1.01
        assert len(one.required_minimum.as_tuple().digits) <= 3
        assert {"alone-down", "alone-up"} < set(one.stressed.scenarios)


def test_the_worst_is_reached_by_a_multiple_and_by_a_uniform_fall() -> None:
    """CAL-13: what empties a fund of a tenth of the worst is less than the worst."""
    some = run(book())
    worst = [one.stressed.loss for one in calibrate(some)]
    poor = run(book((worst[0] / 10, 0.0)))
    first, empty = calibrate(poor)
    assert 0 < (first.reverse.multiple or 0) < 1
    assert 0 < (first.reverse.fall or 0) < 1
    assert empty.reverse == Reverse(0.0, 0.0)
    rich = calibrate(run(book((1e12, 1e12))))
    assert [one.reverse for one in rich] == [Reverse(None, None)] * 2


def test_with_nothing_open_nothing_is_needed() -> None:
    """A book without positions; a fund without contracts."""
    nothing = run(replace(book((1.0, 1.0, 1.0), 0), inventory=np.zeros(4)))
    for one in calibrate(nothing):
        told = result.document(nothing, one)
        CalibrationView(**PROPOSED, **told)
        assert told["required_minimum"] == "0"
        assert told["adl"]["probability_at_balance"] == "0"
        assert told["simulated"]["expected_shortfall"] == "0"
        assert told["cover_n"]["largest_share"] is None


def test_without_scenarios_there_is_no_stressed_loss() -> None:
    leaders = books.position_book(CONTRACTS[:1], (10.0,), 50)
    made = run(leaders, events=(), disabled={"2020-03-12": "a test"})
    (one,) = calibrate(made)
    told = result.document(made, one)
    CalibrationView(**PROPOSED, **told)
    assert told["stressed"]["disabled"] == [{"scenario": "2020-03-12", "reason": "a test"}]
    assert (told["stressed"]["worst"], told["cover_n"]["scenario"]) == (None, None)
    assert told["binding"] == "simulated"
    assert "scenarios_disabled" in told["warnings"]


def test_prices_that_never_moved_cost_nothing() -> None:
    some = book()
    prices = books.closes(4, 600, 1)
    flat = replace(prices, closes=np.ones_like(prices.closes))
    for one in calibrate(prepare(some, flat, FEW, crashes())):
        assert one.simulated.quantile == 0


def test_an_upper_limit_that_the_sample_has_not_is_its_largest_loss() -> None:
    """599 days have no upper limit of 99.9 % (CAL-8)."""
    daily = Parameters(scenarios=10_000, use="upper")
    for one in calibrate(run(book(), daily, hours=24)):
        assert one.simulated.draw_band.high is None
        assert one.simulated.upper == one.simulated.largest[0] >= one.simulated.quantile
        assert {"no_upper_limit", "daily_only", "sample_too_small"} <= set(one.warnings)


def test_old_marks_and_proxies_are_named() -> None:
    some = replace(book(), stale=("NEWUSDT",))
    prices = books.closes(4, 600, 1)
    prices.closes[:300, 3] = np.nan
    made = prepare(some, prices, FEW, crashes())
    first, second = calibrate(made)
    assert {"stale_marks", "proxied"}.isdisjoint(first.warnings)
    assert {"stale_marks", "proxied"} <= set(second.warnings)
    told = result.document(made, second)
    assert told["contracts"][1]["mark_stale"]
    assert told["contracts"][1]["rows"] == 300
    assert told["sample"]["proxied"][0]["symbol"] == "NEWUSDT"


def test_rows_are_told_by_their_own_times() -> None:
    """An hour of which nothing is known is no row: those after it are numbered on."""
    prices = books.closes(4, 600, 1)
    prices.closes[100] = np.nan
    made = prepare(book(), prices, FEW, crashes())
    told = result.document(made, calibrate(made)[0])["sample"]
    assert (told["rows"], told["first"][:13], told["last"][:13]) == (
        598, "2026-11-02T21", "2026-11-27T20",
    )  # fmt: skip
    assert made.history.ends[99] == prices.times[102]


def test_single_steps_are_all_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """They come in the order of the past: the first of them are no sample."""
    monkeypatch.setattr(sensitivity, "LEAST", 100)
    for hours, scenarios in ((24, 600), (1, 100)):
        for one in calibrate(run(book(), FEW, hours=hours)):
            assert {row.scenarios for row in one.sensitivity} == {scenarios}
            if hours == 24:
                assert {row.unchanged for row in one.sensitivity} == {one.simulated.quantile}
