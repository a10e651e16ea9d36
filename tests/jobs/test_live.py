"""Live days against the quantile in force (CAL-14)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from app.jobs.live import DAY, MOST_DAYS, AcceptedQuantile, live, loss_of

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def accepted(number: int, after: timedelta, **other: Any) -> AcceptedQuantile:
    one = AcceptedQuantile(number, BEGIN + after, Decimal(100 * number), Decimal("0.999"), 24)
    return one._replace(**other)


@pytest.mark.parametrize(
    ("flows", "deleveraged", "loss"),
    [
        ({}, 0, 0),
        ({"bankruptcy_loss": -70, "deficit_cover": -20}, 10, 100),
        ({"bankruptcy_loss": -70, "takeover_gain": 30}, 0, 40),
        ({"takeover_gain": 30}, 20, 0),
        ({"inventory_settlement": -50, "offload_pnl": 30, "inventory_funding": -1}, 0, 21),
        ({"inventory_settlement": 50, "bankruptcy_loss": -5}, 0, 5),
        ({"liquidation_clearance_fee": 500, "top_up": 10, "bankruptcy_loss": -5}, 0, 5),
    ],
)
def test_the_loss_of_a_day(flows: dict[str, int], deleveraged: int, loss: int) -> None:
    """What inventory gained is not credited, nor are fees; what ADL covered counts (CAL-14)."""
    given = {kind: Decimal(amount) for kind, amount in flows.items()}
    assert loss_of(given, Decimal(deleveraged)) == loss


def test_days_count_with_the_quantile_that_was_in_force_when_they_began() -> None:
    """The first whole day after an acceptance is the first of it; the day under way is none."""
    first, second = accepted(1, timedelta(hours=5)), accepted(2, 3 * DAY + timedelta(seconds=1))
    losses = {BEGIN + day * DAY: Decimal(150) for day in range(10)}
    found = live([first, second], losses, BEGIN + 6 * DAY + timedelta(hours=23))
    assert found.days == [BEGIN + day * DAY for day in (1, 2, 3, 4, 5)]
    assert [one.day for one in found.exceeded] == [BEGIN + day * DAY for day in (1, 2, 3)]
    assert {one.calibration_id for one in found.exceeded} == {1}
    assert found.light == "red"
    assert live([second], losses, BEGIN + 6 * DAY).exceeded == []
    same = {BEGIN + 4 * DAY: Decimal(200)}
    assert live([second], same, BEGIN + 6 * DAY).exceeded == []  # not more than the quantile


def test_other_horizons_and_confidences_do_not_count() -> None:
    week = accepted(1, timedelta(), horizon_hours=168)
    rough, last = accepted(2, 2 * DAY, confidence=Decimal("0.99")), accepted(3, 4 * DAY)
    found = live([week, rough, last], {}, BEGIN + 6 * DAY)
    assert found.days == [BEGIN + 4 * DAY, BEGIN + 5 * DAY]
    assert (found.confidence, found.light) == (Decimal("0.999"), "green")


def test_without_a_calibration_there_is_no_day() -> None:
    found = live([], {}, BEGIN)
    assert (found.confidence, found.days, found.light) == (None, (), "green")
    assert live([accepted(1, timedelta(hours=1))], {}, BEGIN + DAY).days == []


def test_ten_years_are_looked_at() -> None:
    found = live([accepted(1, timedelta())], {}, BEGIN + 5000 * DAY)
    assert len(found.days) == MOST_DAYS
    assert found.days[-1] == BEGIN + 4999 * DAY


def test_a_review_is_asked_for_by_days_under_the_calibration_accepted_last() -> None:
    """What was lost before is why it was accepted, however red the light is (CAL-14)."""
    first, second = accepted(1, timedelta()), accepted(2, 6 * DAY)
    losses = {BEGIN + day * DAY: Decimal(250) for day in range(6)}
    now = BEGIN + 10 * DAY
    assert live([first], losses, now).asks_for_review
    found = live([first, second], losses, now)
    assert (found.light, found.asks_for_review) == ("red", False)
    losses[BEGIN + 7 * DAY] = Decimal(201)
    assert live([first, second], losses, now).asks_for_review
    long = live([second], losses, BEGIN + 400 * DAY)
    assert (long.light, len(long.exceeded), long.asks_for_review) == ("green", 1, False)
    assert not live([], losses, now).asks_for_review
