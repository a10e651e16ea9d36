"""Calibrations that were decided, in what a standby compares (CAL-12, REC-3)."""

from __future__ import annotations

from app.engine.invariants import state_hash
from tests.engine.scenario import Scenario
from tests.engine.world import differences, dump, replayed

LINES = (
    "fund F automatic_top_up=yes",
    "contract TEST",
    "grant USDT 500",
    "accept F USDT 1 1000",
    "reject F USDT 2 reason=wrong",
    "later 7776000",
    "due",
)


def decided(*more: str) -> Scenario:
    scenario = Scenario()
    for line in (*LINES, *more):
        scenario.line(line)
    return scenario


def test_a_replay_of_what_was_decided_gives_the_same() -> None:
    world = decided().world
    again = replayed(world).state
    assert not list(differences(dump(world.state), dump(again)))
    assert state_hash(again) == state_hash(world.state)


def test_a_decision_and_a_reminder_are_part_of_the_state() -> None:
    """Two states that differ in nothing else: who was reminded, and why something was rejected."""
    one, other = decided().world.state, decided().world.state
    assert state_hash(one) == state_hash(other)
    assert other.verdicts[1].reminded_at is not None
    other.verdicts[1].reminded_at = None
    assert state_hash(one) != state_hash(other)
    one.verdicts[1].reminded_at = None
    other.verdicts[2].reason = "too high"
    assert state_hash(one) != state_hash(other)
