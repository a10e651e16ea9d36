"""Scenarios: filter, proxies and draws (CAL-7)."""

from __future__ import annotations

import numpy as np
import pytest

from app.calibration import paths


def test_the_volatility_is_exponentially_weighted() -> None:
    """Hull's example: decay 0.9, volatility 1 %, a return of 2 %."""
    calm = np.full((30, 1), 0.01)
    _, now = paths.volatilities(np.vstack([calm, [[0.02]]]), 0.9)
    assert now[0] == pytest.approx(0.01140175425099138)


def test_the_past_moves_as_it_would_today() -> None:
    """Divided by its own volatility, times today's or, with a floor, the long-run one."""
    returns = np.vstack([np.full((500, 1), 0.04), np.full((500, 1), 0.01)])
    returns[::2] *= -1
    floored, now = paths.filtered(returns, 0.9), paths.filtered(returns, 0.9, floor=False)
    assert now.now[0] == pytest.approx(0.01, rel=1e-3)
    assert np.abs(now.returns[450]) == pytest.approx(0.01, rel=1e-3)
    assert floored.long_run[0] == pytest.approx(np.sqrt((0.04**2 + 0.01**2) / 2))
    assert np.abs(floored.returns[450]) == pytest.approx(floored.long_run[0], rel=1e-3)
    assert (paths.unfiltered(returns).returns == returns).all()


def test_a_contract_that_never_moved_has_no_returns() -> None:
    assert (paths.filtered(np.zeros((40, 1)), 0.97).returns == 0).all()


def test_a_proxy_moves_at_least_as_much() -> None:
    random = np.random.default_rng(1)
    proxy = random.normal(size=100)
    own = 2 * proxy
    own[:30] = np.nan
    assert paths.proxy_multiplier(own, proxy) == pytest.approx(2)
    assert paths.proxy_multiplier(0.5 * own, proxy) == 1
    assert paths.proxy_multiplier(own[:80], proxy[:80]) == 1.5  # too few in common
    assert paths.proxy_multiplier(own, np.zeros(100)) == 1.5
    filled = paths.fill_gaps(own, proxy, 2.0)
    assert filled == pytest.approx(2 * proxy)


def test_draws_are_raw_bits() -> None:
    """The same on every machine and with every NumPy (CAL-11)."""
    assert paths.uniforms(42, 0, 4).tolist() == [
        0.9167441575549085, 0.9109866676343232, 0.8765925046098457, 0.3093184096141446,
    ]  # fmt: skip
    assert paths.uniforms(42, 1, 1)[0] == 0.4674907799518424


def test_blocks_go_on_and_jump(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "BLOCK", 3)
    assert paths.draw_rows(42, 0, 6, 1000, 3.0).tolist() == [
        [916, 917, 876, 877, 878, 879], [996, 997, 150, 151, 152, 153],
        [249, 250, 450, 451, 452, 453],
    ]  # fmt: skip


def test_the_last_row_is_followed_by_the_first() -> None:
    rows = paths.draw_rows(1, 0, 50, 7, 1e9)
    assert (np.diff(rows, axis=1) % 7 == 1).all()
    assert set(rows[:, 0].tolist()) == set(range(7))


def test_moves_add_up() -> None:
    returns = np.array([0.1, 0.2, -0.3])
    rows = np.array([[0, 1], [2, 2]])
    found = paths.Scenarios(returns[:, None], rows).logs(0, np.arange(2))
    assert found == pytest.approx(np.array([[0.1, -0.3], [0.3, -0.6]]))
    closes = np.array([[100.0], [110.0], [np.nan], [120.0]])
    assert paths.log_returns(closes)[0, 0] == pytest.approx(np.log(1.1))
    assert np.isnan(paths.log_returns(closes)[1:]).all()
