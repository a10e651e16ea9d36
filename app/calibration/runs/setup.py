"""A run's inputs, made ready: positions, their past, the paths they are taken along (CAL-7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from app.calibration.inputs import history
from app.calibration.inputs.book import PositionBook
from app.calibration.inputs.history import Closes, Past
from app.calibration.losses.cross import Legs
from app.calibration.losses.lines import Scopes
from app.calibration.losses.model import ContractModel, Model
from app.calibration.paths import Scenarios
from app.catalogue.stress import Crash
from app.jobs.parameters import Parameters

NOTHING: Mapping[str, str] = MappingProxyType({})

Held = TypeVar("Held", Scopes, Legs)


class InForce(NamedTuple):
    """What a fund must hold now, and by which calibration; None: it was set by hand."""

    calibration_id: str | None
    required_minimum: Decimal


class Run(NamedTuple):
    """All that a run is made from.

    `disabled` are stress scenarios that are left out, with the reason; `in_force` is by fund.
    """

    book: PositionBook
    prices: Closes
    parameters: Parameters
    history: Past
    terms: Sequence[ContractModel]
    scenarios: Scenarios
    events: Sequence[Crash]
    disabled: Mapping[str, str]
    in_force: Mapping[str, InForce]

    @property
    def hours(self) -> int:
        """Of a step."""
        return self.prices.hours

    @property
    def steps(self) -> int:
        """Of a path."""
        return int(self.scenarios.rows.shape[1])


def prepare(
    book: PositionBook,
    prices: Closes,
    parameters: Parameters,
    events: Sequence[Crash],
    *,
    disabled: Mapping[str, str] = NOTHING,
    in_force: Mapping[str, InForce] = MappingProxyType({}),
) -> Run:
    """Raises `history.InsufficientHistory`."""
    past = history.read(book, prices, parameters)
    return Run(
        book=book,
        prices=prices,
        parameters=parameters,
        history=past,
        terms=history.terms(book, prices, past),
        scenarios=history.scenarios(book, prices, past, parameters),
        events=events,
        disabled=disabled,
        in_force=in_force,
    )


def model(run: Run, gap: Decimal, *, at_bankruptcy: bool = False) -> Model:
    """The book's model with a gap.

    `at_bankruptcy`: nothing is out before all of its equity is gone, as if there were no
    maintenance margin.
    """
    scopes, legs = run.book.scopes()
    if at_bankruptcy:
        scopes = [(_unmargined(longs), _unmargined(shorts)) for longs, shorts in scopes]
        legs = _unmargined(legs)
    return Model(
        run.terms,
        scopes,
        legs,
        inventory=run.book.held(),
        gap=float(gap),
        impact_factor=float(run.parameters.impact_factor),
        impact_cap=float(run.parameters.impact_cap),
    )


def _unmargined(held: Held) -> Held:
    return held._replace(rate=0 * held.rate, cum=0 * held.cum)
