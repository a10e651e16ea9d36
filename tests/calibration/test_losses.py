"""What paths cost: the rules' examples, and the fast way against the slow (CAL-2 to CAL-6)."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from app.calibration.figures import Floats
from app.calibration.losses.cross import CrossAccounts, Legs
from app.calibration.losses.lines import Axis, Scopes, bankruptcy, trigger
from app.calibration.losses.steps import Bound, Impact, Lines
from tests.calibration import books, oracle

GAPS = (1.0, 0.5, 0.2)


def lines(
    scopes: Scopes, mark: float, *, long: bool, inverse: bool = False, gap: float = 1
) -> Lines:
    axis = Axis.of(mark, long=long, inverse=inverse)
    return Lines(
        axis, slope=scopes.quantity, trigger=trigger(scopes, long=long, inverse=inverse),
        kink=bankruptcy(scopes, long=long, inverse=inverse),
        notional=scopes.quantity * axis.scale, rate=scopes.rate, cum=scopes.cum, gap=gap,
    )  # fmt: skip


def held(*positions: tuple[float, float], rate: float = 0.01) -> Scopes:
    """Quantities with their wallets, entered at 100."""
    quantity, wallet = (np.array(one, dtype=float) for one in zip(*positions, strict=True))
    flat = np.zeros(len(quantity))
    return Scopes(quantity, quantity * 100, wallet, flat + rate, flat)


def cost(*paths: tuple[float, ...], gap: float = 1, impact: Impact | None = None) -> list[float]:
    """CAL-2's book at mark 100 along paths of prices."""
    logs = np.log(np.array(paths).T / 100)
    longs = lines(held((10, 100), (20, 400)), 100, long=True, gap=gap)
    shorts = lines(held((10, 200)), 100, long=False, gap=gap)
    found: list[float] = (longs.losses(-logs, impact) + shorts.losses(logs, impact)).tolist()
    return found


def test_losses_of_one_step() -> None:
    assert cost((95,), (85,), (70,), (140,)) == pytest.approx([0, 50, 400, 200])


def test_the_path_matters() -> None:
    """CAL-3: out at the first close beyond the trigger, and never in again."""
    assert cost((88, 96), (92, 84), (90.5, 80), (96, 88)) == pytest.approx([20, 60, 0, 20])


def test_the_gap() -> None:
    """CAL-4."""
    assert cost((88,), gap=0.5) == pytest.approx([60 / 11])
    assert cost((88,), gap=0.25) == pytest.approx([0])
    assert cost((80,), gap=0.5) == pytest.approx([500 / 11])


def test_the_impact() -> None:
    """CAL-5."""
    impact = Impact(0.02, 50_000, 0.05)
    assert impact(np.array([1000.0]))[0] == pytest.approx(0.00282842712474619)
    assert cost((88,), impact=impact) == pytest.approx([22.48549919])


def test_an_inverse_long() -> None:
    """CAL-6: 100 contracts of 10 USD at 100, with 1 coin, at 80."""
    one = Scopes(*(np.array([x]) for x in (1000.0, 10.0, 1.0, 0.01, 0.0)))
    found = lines(one, 100, long=True, inverse=True).losses(-np.log(np.array([[0.8]])))
    assert found == pytest.approx([1.5])


def test_what_can_never_lose_costs_nothing() -> None:
    """A long that has all its value as margin; an inverse short likewise."""
    one = held((1, 150))
    down = np.full((1, 1), 20.0)
    assert lines(one, 100, long=True).losses(down) == [0]
    coin = Scopes(*(np.array([x]) for x in (1000.0, 10.0, 11.0, 0.01, 0.0)))
    assert lines(coin, 100, long=False, inverse=True).losses(down) == [0]
    assert (
        lines(held((1, 1))._replace(), 100, long=True).losses(np.zeros((2, 3))).tolist() == [0] * 3
    )


@pytest.mark.parametrize(("long", "inverse"), [*product((True, False), repeat=2)])
def test_fast_is_slow(long: bool, inverse: bool) -> None:
    """Both margins, sides, gaps, with and without impact; and no bound is broken."""
    random = np.random.default_rng([7, long, inverse])
    for mark in (100.0, 0.003, 60_000.0):
        some, moves = books.scopes(random, 200, mark, inverse=inverse), books.paths(random, 12, 30)
        axis = Axis.of(mark, long=long, inverse=inverse)
        kink = bankruptcy(some, long=long, inverse=inverse)
        told = some.quantity, trigger(some, long=long, inverse=inverse), kink
        notional = some.quantity * axis.scale
        worth = 1 / mark if inverse else 1
        for gap, impact in product(GAPS, (None, Impact(0.01, 5e6 * worth, 0.05))):
            bankrupt, book = np.zeros(30), lines(some, mark, long=long, inverse=inverse, gap=gap)
            fast = book.losses(moves, impact, bankrupt=bankrupt)
            slow, lost = oracle.alone(axis, moves, (*told, notional), gap, impact)
            assert fast == pytest.approx(slow, rel=1e-12, abs=1e-12 * slow.max())
            assert bankrupt == pytest.approx(lost, rel=1e-9)
            if gap == 1 and impact is None:
                most = Bound(axis, some.quantity, kink)(np.maximum(moves.max(axis=0), 0))
                assert (most >= fast * (1 - 1e-12)).all()


def shares(cross: CrossAccounts, places: Floats) -> Floats:
    found = np.zeros(places.shape[::2])
    for out in cross.triggered(places):
        part = cross.shares(places, out)
        np.add.at(found, (cross.legs.contract[part.leg], part.scenario), part.amount)
    return found


def test_a_cross_account() -> None:
    """CAL-6: wallet 100, long 10 X at 100, short 1 Y at 500, rates of 1 %."""
    both = np.array([1000.0, -500.0])
    account = Legs(
        np.zeros(2, int), np.arange(2), both, both, np.full(2, 0.01), np.zeros(2), np.array([100.0])
    )
    places = np.array([[0.8, 0.8], [0.96, 1.1]])[:, None, :]
    owed = shares(CrossAccounts(account, 2), places)
    assert owed == pytest.approx(np.array([[80, 120], [0, 30]]))
    half = shares(CrossAccounts(account, 2, 0.5), places[:, :, :1])
    assert half == pytest.approx(np.array([[33.0258717], [0]]))


@pytest.mark.parametrize("gap", GAPS)
def test_cross_accounts_are_worked_out_together_as_one_by_one(gap: float) -> None:
    random = np.random.default_rng(3)
    some, places = books.legs(random, 60, 12), np.exp(books.paths(random, 12, 8, 25))
    slow = oracle.crossed(some, places, gap)
    assert shares(CrossAccounts(some, 12, gap), places) == pytest.approx(slow, rel=1e-12, abs=1e-9)


def test_one_leg_is_a_scope_with_one_position() -> None:
    """CAL-4 for both: the straight line, from where the margin is passed.

    Who is at risk at the mark and recovers first is out a little later with one position.
    """
    for gap in GAPS:
        random = np.random.default_rng(5)
        some = books.scopes(random, 100, 100.0, inverse=False, calm=gap < 1)
        value, one, moves = some.quantity * 100, np.arange(100), books.paths(random, 8, 40)
        account = Legs(one, one * 0, value, some.cost, some.rate, some.cum, some.wallet)
        fast = lines(some, 100, long=True, gap=gap).losses(moves)
        slow = shares(CrossAccounts(account, 1, gap), np.exp(-moves)[None])[0]
        assert slow == pytest.approx(fast)
