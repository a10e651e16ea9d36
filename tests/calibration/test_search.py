"""Only what matters is worked out, and it is as if all were (CAL-2, CAL-11)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest

from app.calibration.losses.model import ContractModel, Model
from app.calibration.paths import BLOCK, Scenarios, draw_rows
from app.calibration.runs import search
from app.calibration.runs.search import Search, Tasks
from tests.calibration import books

CONTRACTS, FUNDS, STEPS, HISTORY = 7, 3, 6, 400


def model(gap: float = 1, impact: float = 1, *, calm: bool = False) -> Model:
    """Linear and inverse contracts, cross accounts with legs of several funds."""
    random = np.random.default_rng(11)
    terms, scopes = [], []
    for number in range(CONTRACTS):
        mark, inverse = float(np.exp(random.normal(3, 2))), number % 3 == 2
        worth = 1 / mark if inverse else 1.0
        terms.append(ContractModel(mark, inverse, number % FUNDS, 0.02, 2e6 * worth))
        scopes.append(
            (
                books.scopes(random, 60, mark, inverse=inverse, calm=calm),
                books.scopes(random, 40, mark, inverse=inverse, calm=calm),
            )
        )
    legs = books.legs(random, 30, CONTRACTS, calm=calm)
    inventory = np.where(np.arange(CONTRACTS) % 2, 500.0, -200.0)
    return Model(
        terms, scopes, legs, inventory=inventory, gap=gap, impact_factor=impact, impact_cap=0.05
    )


def scenarios() -> Scenarios:
    returns = np.random.default_rng(2).standard_t(3, (HISTORY, CONTRACTS)) * 0.015
    return Scenarios(returns, draw_rows(5, 0, STEPS, HISTORY, STEPS))


def everything(found: Search) -> Any:
    return found.tasks.exact_part(np.arange(BLOCK))[0]


@pytest.mark.parametrize(("gap", "impact"), [(1, 1), (1, 0), (0.3, 1)])
def test_the_largest_are_the_largest_of_all(gap: float, impact: float) -> None:
    """Bit for bit; and no bound is broken, at any stage."""
    found = Search(Tasks(model(gap, impact), scenarios(), FUNDS))
    exact = everything(found)
    assert (found.bounds >= exact * (1 - 1e-12) - 1e-9).all()
    some = np.arange(300)
    assert (found.tasks.tight_part(some) >= exact[:, some] * (1 - 1e-12) - 1e-9).all()
    for fund in range(FUNDS):
        assert found.largest(fund, 12).tolist() == np.sort(exact[fund])[::-1][:12].tolist()
    assert (found.stage < search.EXACT).any()  # not all of it had to be
    half = np.arange(BLOCK) % 2 == 0
    assert found.largest(1, 5, half).tolist() == np.sort(exact[1, half])[::-1][:5].tolist()
    assert len(found.largest(1, 10 * BLOCK)) == BLOCK


@pytest.mark.parametrize(("cell", "batch", "part"), [(50, 250, 125), (50, 250, 7), (50, 250, 1)])
def test_however_it_is_divided_the_figures_are_the_same(
    monkeypatch: pytest.MonkeyPatch, cell: int, batch: int, part: int
) -> None:
    """CAL-11: tasks in any sizes, done in any order."""
    whole = Search(Tasks(model(), scenarios(), FUNDS)).largest(0, 20)
    monkeypatch.setattr(search, "PART", part)

    def backwards(task: Callable[..., Any], tasks: Iterable[Any]) -> Iterable[Any]:
        return [task(one) for one in [*tasks][::-1]][::-1]

    assert (Search(Tasks(model(), scenarios(), FUNDS), backwards).largest(0, 20) == whole).all()


def test_losses_do_not_fall_when_gap_or_impact_rise() -> None:
    """Of those who are not at risk at the mark: these may recover on the way to the step's end."""
    logs = np.array([scenarios().logs(contract, np.arange(200)) for contract in range(CONTRACTS)])
    for less, more in (((0.3, 0), (1, 0)), ((1, 0), (1, 0.5)), ((1, 0.5), (1, 2))):
        low, high = (model(*one, calm=True).losses(logs).sum(axis=0) for one in (less, more))
        assert (high >= low * (1 - 1e-9) - 1e-9).all()
