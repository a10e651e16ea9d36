"""What holds of every book and every path (CAL-2 to CAL-6, CAL-11)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.calibration.figures import Floats
from app.calibration.inputs.book import PositionBook
from app.calibration.losses.model import ContractModel, Model
from app.calibration.paths import Scenarios, draw_rows
from app.calibration.runs import search
from app.calibration.runs.search import Search, Tasks
from tests.calibration import books, oracle

CONTRACTS, STEPS, PATHS = 6, 5, 12
seeds = st.integers(0, 2**32)
gaps = st.sampled_from((1.0, 0.5, 0.25))
factors = st.sampled_from((0.0, 1.0, 3.0))


def terms() -> list[ContractModel]:
    """Linear ones and an inverse one, of two funds."""
    return [
        ContractModel(mark, inverse, number % 2, 0.02, 2e5 * (1 / mark if inverse else 1))
        for number, (mark, inverse) in enumerate(
            zip((60_000.0, 0.3, 3_000.0, 20.0, 1.0, 500.0), 2 * (False, False, True), strict=True)
        )
    ]


def made(
    seed: int, gap: float = 1.0, factor: float = 1.0, *, calm: bool = False, margin: float = 1.0
) -> Model:
    """A random book: the same for a seed, whatever the gap, the impact and the margin."""
    random = np.random.default_rng(seed)
    scopes = []
    for one in terms():
        sides = [
            books.scopes(random, 15, one.mark, inverse=one.inverse, calm=calm) for _ in range(2)
        ]
        longs, shorts = (side._replace(wallet=side.wallet * margin) for side in sides)
        scopes.append((longs, shorts))
    legs = books.legs(random, 12, CONTRACTS, calm=calm)
    return Model(
        terms(), scopes, legs._replace(wallet=legs.wallet * margin),
        inventory=np.array([500.0, 0.0, -1.0, 0.0, 0.0, 0.0]), gap=gap,
        impact_factor=factor, impact_cap=0.05,
    )  # fmt: skip


def paths(seed: int, steps: int = STEPS) -> Floats:
    """(contracts, steps, paths)."""
    random = np.random.default_rng([seed, 1])
    return np.asarray(np.cumsum(random.standard_t(3, (CONTRACTS, steps, PATHS)) * 0.04, axis=1))


def not_less(more: Floats, less: Floats) -> None:
    assert (more >= less * (1 - 1e-9) - 1e-9 * less.max(initial=1.0)).all()


@given(seed=seeds, gap=gaps, factor=factors)
@settings(max_examples=40)
def test_all_together_is_one_after_the_other(seed: int, gap: float, factor: float) -> None:
    """Both margins, both sides, linear and inverse; what is sold together moves one price."""
    model, logs = made(seed, gap, factor, calm=gap < 1), paths(seed)
    slow = oracle.Whole(model, model.cross.legs, gap)
    expected = np.array([slow.losses(logs[:, :, n]) for n in range(PATHS)]).T
    assert model.losses(logs) == pytest.approx(expected, rel=1e-9, abs=1e-9 * expected.max())


@given(seed=seeds, gap=gaps, factor=factors)
@settings(max_examples=25)
def test_no_loss_is_above_its_bound_and_the_largest_are_found(
    seed: int, gap: float, factor: float
) -> None:
    returns = np.random.default_rng(seed).standard_t(3, (90, CONTRACTS)) * 0.03
    rows = draw_rows(seed, 0, STEPS, 90, STEPS)[:300]
    found = Search(Tasks(made(seed, gap, factor), Scenarios(returns, rows), 2))
    every, some = found.tasks.exact_part(np.arange(300))[0], np.arange(50)
    not_less(found.bounds, every)
    not_less(found.tasks.tight_part(some), every[:, some])
    for fund in range(2):
        assert found.largest(fund, 8).tolist() == np.sort(every[fund])[::-1][:8].tolist()


@given(seed=seeds, part=st.integers(1, 130))
@settings(max_examples=10)
def test_parts_of_any_size_give_the_same_bits(seed: int, part: int) -> None:
    """CAL-11."""
    returns = np.random.default_rng(seed).standard_t(3, (90, CONTRACTS)) * 0.03
    drawn = Scenarios(returns, draw_rows(seed, 0, STEPS, 90, STEPS)[:200])
    whole = Search(Tasks(made(seed), drawn, 2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "PART", part)
        divided = Search(Tasks(made(seed), drawn, 2))
        assert divided.largest(0, 20).tolist() == whole.largest(0, 20).tolist()
        assert (divided.bankrupt[:, divided.stage == 2] >= 0).all()


@given(seed=seeds)
@settings(max_examples=25)
def test_losses_do_not_fall_when_gap_or_impact_rises(seed: int) -> None:
    """Of who is not at risk at the mark: he may recover on the way to the end of a step."""
    logs = paths(seed)
    for less, more in (((0.3, 0), (1, 0)), ((1, 0), (1, 0.5)), ((0.5, 0.5), (0.5, 2))):
        low, high = (made(seed, *one, calm=True).losses(logs) for one in (less, more))
        not_less(high.sum(axis=0), low.sum(axis=0))


@given(seed=seeds, factor=factors, margin=st.floats(0.3, 0.95))
@settings(max_examples=25)
def test_in_one_step_losses_do_not_fall_when_leverage_rises(
    seed: int, factor: float, margin: float
) -> None:
    """In one: along a path who has more is out later, and that may be at a worse price (CAL-3)."""
    logs = paths(seed, 1)
    thin, thick = (made(seed, 1, factor, calm=True, margin=one) for one in (margin, 1.0))
    not_less(thin.losses(logs).sum(axis=0), thick.losses(logs).sum(axis=0))


def renumbered(book: PositionBook, seed: int) -> PositionBook:
    """The same positions of accounts with other numbers, in their order."""
    number = np.random.default_rng(seed).permutation(len(book.cross))
    account = number[book.account]
    order = np.lexsort((book.contract, account))
    wallets, owner = np.empty_like(book.cross), np.empty_like(book.owner)
    wallets[number], owner[number] = book.cross, book.owner
    return replace(
        book, account=account[order], contract=book.contract[order],
        quantity=book.quantity[order], cost=book.cost[order], wallet=book.wallet[order],
        cross=wallets, owner=owner,
    )  # fmt: skip


@given(seed=seeds)
@settings(max_examples=15)
def test_in_which_order_accounts_come_changes_nothing(seed: int) -> None:
    """To 1e-12: sums are made in another order."""
    contracts = [
        books.contract(f"C{n}", f"C{n}", one.fund, one.mark, inverse=one.inverse)
        for n, one in enumerate(terms())
    ]
    book, found = books.position_book(contracts, (1.0, 1.0), 80, seed), []
    for one in (book, renumbered(book, seed)):
        scopes, legs = one.scopes()
        model = Model(terms(), scopes, legs, gap=1.0, impact_factor=1.0, impact_cap=0.05)
        found.append(model.losses(paths(seed)))
    assert found[1] == pytest.approx(found[0], rel=1e-12, abs=1e-12 * found[0].max())
