"""Stressed scenarios as paths (CAL-9)."""

from __future__ import annotations

import numpy as np
import pytest

from app.calibration.losses import stress
from app.catalogue.stress import crashes


def test_a_crash_is_an_even_fall_but_for_its_worst_hour() -> None:
    """Bitcoin on 2020-03-12: 53.35 % in all, 30.73 % of it within an hour."""
    moves = stress.path(crashes()[0].fall("BTC"))
    prices = np.exp(np.concatenate([[0.0], moves]))
    steps = prices[1:] / prices[:-1]
    assert len(moves) == 24
    assert prices[-1] == pytest.approx(1 - 0.5335)
    assert steps[11] == pytest.approx(1 - 0.3073)
    assert np.delete(steps, 11) == pytest.approx((0.4665 / 0.6927) ** (1 / 23))


def test_the_mirror_image_rises_by_half_in_logs() -> None:
    moves = stress.price_moves(crashes(), ["BTC", "SOL"])
    assert moves.shape == (2, 24, 16)
    assert np.exp(moves[0, 11, 8] - moves[0, 10, 8]) == pytest.approx((1 - 0.3073) ** -0.5)
    assert moves[:, :, 8:] == pytest.approx(-0.5 * moves[:, :, :8])
