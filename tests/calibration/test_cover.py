"""The largest owners failing together (CAL-10)."""

from __future__ import annotations

import numpy as np
import pytest

from app.calibration.inputs.book import FundTerms, PositionBook
from app.calibration.losses.steps import Impact
from app.calibration.runs.cover import Owners, cover
from tests.calibration import books


def book(owner: tuple[int, ...] = (0, 1, 2), *, cross: bool = False) -> PositionBook:
    """CAL-2's: long 10 with 100, long 20 with 400, short 10 with 200, all entered at 100."""
    quantity, wallet = np.array([10.0, 20.0, -10.0]), np.array([100.0, 400.0, 200.0])
    return PositionBook(
        asset="USDT", sequence=1, time=books.NOW,
        contracts=(books.contract("AUSDT", "A", 0, 100.0),), funds=(FundTerms("f", 0.0, 1.0),),
        account=np.arange(3), contract=np.zeros(3, np.int64), quantity=quantity,
        cost=100 * quantity, wallet=np.full(3, np.nan) if cross else wallet,
        cross=wallet if cross else np.zeros(3), owner=np.array(owner), inventory=np.zeros(1),
        digest="",
    )  # fmt: skip


def ends(*prices: float) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.log(np.array([prices]) / 100)


@pytest.mark.parametrize("cross", [False, True])
def test_two_owners_in_the_worst_scenario(cross: bool) -> None:
    """CAL-10: at 70 both longs owe 200, whatever their margin mode."""
    (found,) = cover(book(cross=cross), ends(85, 70, 140), [None], 2)
    assert found.scenario == 1
    assert (found.loss, found.largest) == pytest.approx((400, 200))
    assert cover(book(), ends(70), [None], 1)[0].loss == pytest.approx(200)


def test_accounts_of_one_owner_fail_together() -> None:
    (found,) = cover(book((0, 0, 1)), ends(70), [None], 1)
    assert (found.loss, found.largest) == pytest.approx((400, 400))


def test_all_that_an_owner_has_of_a_side_moves_its_price() -> None:
    """Sold are 3,000 by one owner, or 1,000 and 2,000 by two."""
    impact = Impact(0.02, 50_000, 0.05)
    together, apart = (
        Owners(book(owner), [impact]).losses(ends(70)[:, 0]).sum()
        for owner in ((0, 0, 1), (0, 1, 2))
    )
    worse = [70 * np.exp(-impact(np.array([sold]))[0]) for sold in (3000.0, 1000.0, 2000.0)]
    assert together == pytest.approx(30 * (100 - worse[0]) - 500)
    assert apart == pytest.approx(10 * (100 - worse[1]) - 100 + 20 * (100 - worse[2]) - 400)
