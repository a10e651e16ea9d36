"""What may be asked of a run (CAL-8)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from app.calibration.runs.run import prepare
from app.catalogue.stress import crashes
from app.jobs.parameters import InvalidParameters, Parameters
from tests.calibration import books


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("confidence", {"confidence": Decimal("0.89")}),
        ("confidence", {"confidence": Decimal("0.99991")}),
        ("scenarios", {"scenarios": 9_999}),
        ("scenarios", {"scenarios": 1_000_001}),
        ("scenarios", {"confidence": Decimal("0.9999"), "scenarios": 99_999}),
        ("gap", {"gap": Decimal(0)}),
        ("gap", {"gap": Decimal("1.01")}),
        ("stress_gap", {"stress_gap": Decimal(0)}),
        ("decay_per_day", {"decay_per_day": Decimal(0)}),
        ("cover_n", {"cover_n": 0}),
        ("buffer", {"buffer": Decimal(-1)}),
        ("horizon_hours", {"interval": "1d", "horizon_hours": 36}),
    ],
)
def test_what_cannot_be_is_named(field: str, given: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameters) as raised:
        Parameters(**given)
    assert raised.value.field == field


def test_the_bounds_themselves_may_be() -> None:
    Parameters(confidence=Decimal("0.9"), scenarios=100)
    Parameters(confidence=Decimal("0.9999"), scenarios=100_000)
    Parameters(scenarios=1_000_000)


@pytest.mark.parametrize(("hours", "horizon", "steps"), [(1, 24, 24), (24, 24, 1), (24, 30, 2)])
def test_a_horizon_is_whole_steps(hours: int, horizon: int, steps: int) -> None:
    """Days for want of hours: rather too long than too short."""
    book = books.position_book([books.contract("BTCUSDT", "BTC", 0, 60_000.0)], (1.0,), 5)
    parameters = Parameters(scenarios=10_000, horizon_hours=horizon)
    assert prepare(book, books.closes(1, 300, hours), parameters, crashes()).steps == steps
