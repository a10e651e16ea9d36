"""MRK-6: engine time only moves forward and always moves, whatever the system's clock does."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from app.engine.commands.prices import ReportClock
from app.engine.numbers import EPOCH
from app.runner.clock import SECOND, Clock, steady_time

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
MOMENT = timedelta(microseconds=1)
"""Times are cut to microseconds."""


class Machine:
    """A machine's clocks, under the hands of a test, and the service's clock on it."""

    def __init__(self, now: datetime = START) -> None:
        self._wall = (now - EPOCH) // MOMENT * 1000
        self._steady = 123 * SECOND
        self.clock = Clock(lambda: self._wall, lambda: self._steady)

    def passes(self, duration: timedelta) -> None:
        nanoseconds = duration // MOMENT * 1000
        self._wall += nanoseconds
        self._steady += nanoseconds

    def is_set(self, change: timedelta) -> None:
        self._wall += change // MOMENT * 1000

    def alert(self) -> ReportClock | None:
        """What is told now, if the operators are to know."""
        told = self.clock.report()
        return None if told is None or told.cause == "drift" else told

    @property
    def wall(self) -> datetime:
        return EPOCH + timedelta(microseconds=self._wall // 1000)


@pytest.fixture
def machine() -> Machine:
    return Machine()


def test_with_a_right_clock_it_is_the_systems(machine: Machine) -> None:
    assert machine.clock.now() == START, "before it leads, too"
    machine.passes(HOUR)
    machine.clock.begin(START)
    for _ in range(1000):
        machine.passes(timedelta(milliseconds=7))
        assert machine.clock.now() == machine.wall
    assert machine.alert() is None


@pytest.mark.parametrize("change", [-HOUR, HOUR, timedelta(days=-20_000), timedelta(days=30_000)])
def test_a_jump_changes_no_duration_and_is_told_once(machine: Machine, change: timedelta) -> None:
    machine.clock.begin(None)
    before = machine.clock.now()
    machine.is_set(change)
    assert machine.clock.now() == before
    told = machine.alert()
    assert told is not None
    assert told.cause == "jump"
    assert timedelta(seconds=float(told.ahead_seconds)) == -change
    assert machine.alert() is None
    for hours in range(1, 100):
        machine.passes(HOUR)
        drawn = hours * HOUR / (1000 if change > timedelta() else -1000)
        assert machine.clock.now() - before == hours * HOUR + drawn
        assert machine.alert() is None, "that it fades is no jump"


@pytest.mark.parametrize("ahead", [timedelta(seconds=30), timedelta(seconds=-30)])
def test_a_small_difference_fades_at_a_thousandth(machine: Machine, ahead: timedelta) -> None:
    machine.clock.begin(None)
    machine.is_set(ahead)
    assert machine.alert() is None
    for seconds in range(1, 30_001):
        machine.passes(timedelta(seconds=1))
        left = machine.wall - machine.clock.now()
        assert left == ahead - ahead / 30 * timedelta(milliseconds=seconds).total_seconds()
    machine.passes(HOUR)
    assert machine.clock.now() == machine.wall


def test_small_steps_that_add_up_are_told(machine: Machine) -> None:
    machine.clock.begin(None)
    for _ in range(2):
        machine.is_set(timedelta(seconds=30))
        assert machine.alert() is None
    machine.is_set(timedelta(milliseconds=1))
    assert machine.alert()


def test_the_engine_is_told_of_the_difference_to_a_second(machine: Machine) -> None:
    machine.clock.begin(START + timedelta(seconds=1))
    assert machine.clock.report() is None
    machine.is_set(timedelta(seconds=-29))
    assert machine.clock.report() == ReportClock("drift", Decimal(30))
    machine.is_set(timedelta(seconds=-70))
    assert machine.clock.report() == ReportClock("jump", Decimal(100))
    machine.passes(timedelta(seconds=1000))
    assert machine.clock.report() is None
    machine.passes(timedelta(seconds=2))
    assert machine.clock.report() == ReportClock("drift", Decimal("98.998"))
    machine.clock.begin(None)
    assert machine.clock.report() == ReportClock("start", Decimal("98.998")), "at each start anew"
    assert machine.clock.report() is None


def test_a_log_from_the_future_is_gone_on_with(machine: Machine) -> None:
    future = datetime(2099, 1, 1, tzinfo=UTC)
    machine.clock.begin(future)
    told = machine.alert()
    assert told is not None
    assert told.cause == "start"
    assert told.ahead_seconds == (future - START).total_seconds()
    machine.passes(timedelta(days=1))
    assert machine.clock.now() - future == timedelta(days=1) * 0.999, "back towards the system's"
    machine.clock.begin(future + timedelta(days=2))  # another instance led meanwhile
    assert machine.clock.now() == future + timedelta(days=2)
    again = machine.alert()
    assert again is not None
    assert again.cause == "start", "at each start"


def test_a_log_a_little_ahead_is_no_alert(machine: Machine) -> None:
    """As between two machines."""
    machine.clock.begin(START + timedelta(seconds=60))
    assert machine.alert() is None
    assert machine.clock.now() == START + timedelta(seconds=60)


def test_time_passes_while_nobody_runs(machine: Machine) -> None:
    machine.clock.begin(START - 24 * HOUR)
    assert machine.clock.now() == START
    assert machine.alert() is None


def test_leading_again_is_no_reason_to_believe_the_system(machine: Machine) -> None:
    machine.clock.begin(None)
    machine.passes(HOUR)
    last = machine.clock.now()
    machine.is_set(24 * HOUR)
    machine.passes(HOUR)
    machine.clock.begin(last)
    told = machine.alert()
    assert told is not None
    assert machine.clock.now() - last == HOUR * 1.001
    assert (told.cause, told.ahead_seconds) == ("start", Decimal("-86396.4")), "but to tell"


def test_whatever_happens_it_moves_forward_at_the_pace_of_time(machine: Machine) -> None:
    chance = random.Random(6)
    machine.clock.begin(None)
    before, passed = machine.clock.now(), timedelta()
    first = before
    for _ in range(20_000):
        if chance.random() < 0.01:
            machine.is_set(timedelta(seconds=chance.uniform(-1e5, 1e5)))
            machine.alert()
        pause = timedelta(microseconds=int(10 ** chance.uniform(0, 8)))
        machine.passes(pause)
        passed += pause
        now = machine.clock.now()
        assert abs(now - before - pause) <= pause / 1000 + MOMENT
        assert now > before or pause <= MOMENT
        before = now
    assert abs(before - first - passed) <= passed / 1000 + MOMENT


def test_the_steady_clock_of_this_machine_moves_forward() -> None:
    assert 0 < steady_time() <= steady_time()
