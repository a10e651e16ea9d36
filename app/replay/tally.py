"""What the replay itself did, counted as it happens."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any


@dataclass(slots=True)
class Tally:
    """Counts, and money paid in by asset and by (fund, asset).

    `at_risk` sums what ticks answered: accounts that they put at risk and that were liquidated.
    """

    ticks: int = 0
    ticks_refused: Counter[str] = field(default_factory=Counter)
    at_risk: int = 0
    orders: int = 0
    orders_refused: Counter[str] = field(default_factory=Counter)
    settings_refused: Counter[str] = field(default_factory=Counter)
    deposits: int = 0
    deposited: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    contributed: dict[tuple[str, str], Decimal] = field(
        default_factory=lambda: defaultdict(Decimal)
    )

    def count_orders(self, results: Iterable[dict[str, Any]]) -> None:
        """Count the results of an order batch."""
        for result in results:
            self.orders += 1
            if result["status"] != 201:
                self.orders_refused[result["problem"]["code"]] += 1

    def paid_in(self) -> dict[str, Decimal]:
        """Everything that came from outside, by asset."""
        total = defaultdict(Decimal, self.deposited)
        for (_, asset), amount in self.contributed.items():
            total[asset] += amount
        return dict(total)
