"""What shocks cost by CAL-2: no resting orders, unlimited funds, all within a second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from app.calibration.figures import Floats
from app.calibration.inputs.book import PositionBook
from app.calibration.losses.cross import Legs
from app.calibration.losses.model import ContractModel, Model


class FastLosses(NamedTuple):
    """By contract: what scopes cost its fund, and what its inventory loses to the end."""

    scopes: Floats
    inventory: Floats


class FastBook:
    """A book made ready: what it takes does not hang on the shocks."""

    def __init__(self, book: PositionBook) -> None:
        self.book = book
        scopes, legs = book.scopes()
        terms = [ContractModel(one.mark, one.inverse, one.fund, 0.0, 0.0) for one in book.contracts]
        self.model = Model(
            terms, scopes, legs, inventory=book.held(), gap=1, impact_factor=0, impact_cap=0
        )

    @property
    def legs(self) -> Legs:
        """Those of cross accounts with several positions."""
        return self.model.cross.legs

    def losses(self, path: Sequence[Mapping[str, Decimal]]) -> FastLosses:
        """What marks in turn cost; a step names those that change, by symbol."""
        contracts = self.book.contracts
        if not contracts:
            return FastLosses(np.zeros(0), np.zeros(0))
        logs = np.zeros((len(contracts), len(path), 1))
        for number, terms in enumerate(contracts):
            now, sign = terms.mark, -1.0 if terms.inverse else 1.0
            for step, marks in enumerate(path):
                now = float(marks.get(terms.symbol, now))
                logs[number, step, 0] = sign * np.log(now / terms.mark)
        held = [self.model.held(number, logs[number, -1])[0] for number in range(len(contracts))]
        return FastLosses(self.model.losses(logs)[:, 0], np.array(held))
