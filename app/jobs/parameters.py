"""What a run is made with, and what may be asked of one (CAL-8, CAL-11)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

METHOD = "fhs-1"
"""Raised with any change of a formula: what was made by another is not made again."""


class InvalidParameters(Exception):
    """A parameter that cannot be, named."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.field, self.detail = field, detail


@dataclass(frozen=True, slots=True)
class Parameters:
    """All of them are stored with what they gave. Fractions are decimals, as in the API.

    A step is one `interval`; a horizon is whole steps: of days that are taken for want of hours, as
    many as it begins. `gap` is that of an ordinary step,
    `stress_gap` that of a crash's worst hour (CAL-4, CAL-9).
    """

    confidence: Decimal = Decimal("0.999")
    horizon_hours: int = 24
    interval: Literal["1h", "1d"] | None = None
    scenarios: int = 100_000
    seed: int = 1
    mean_block_steps: int | None = None
    filter: Literal["ewma", "none"] = "ewma"
    decay_per_day: Decimal = Decimal("0.97")
    volatility_floor: bool = True
    lookback_days: int = 3650
    gap: Decimal = Decimal(1)
    stress_gap: Decimal = Decimal("0.25")
    impact_factor: Decimal = Decimal(1)
    impact_cap: Decimal = Decimal("0.05")
    cover_n: int = 2
    buffer: Decimal = Decimal(0)
    use: Literal["point", "upper"] = "point"
    tail_count: int = 500

    def __post_init__(self) -> None:
        """Raises `InvalidParameters`."""
        for name, (low, high) in BOUNDS.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise InvalidParameters(name, f"{name} is from {low} to {high}")
        for name in ("gap", "stress_gap", "decay_per_day"):
            if not 0 < getattr(self, name) <= 1:
                raise InvalidParameters(name, f"{name} is above 0 and at most 1")
        if self.interval == "1d" and self.horizon_hours % 24:
            raise InvalidParameters("horizon_hours", "a horizon is whole steps: here of 24 hours")
        least = 10 / (1 - self.confidence)
        if self.scenarios < least:
            raise InvalidParameters(
                "scenarios", f"a quantile of {self.confidence} needs {least:.0f}"
            )

    @property
    def level(self) -> float:
        """The confidence, as a number to reckon with."""
        return float(self.confidence)


BOUNDS: dict[str, tuple[Any, Any]] = {
    "confidence": (Decimal("0.9"), Decimal("0.9999")),
    "horizon_hours": (1, 240),
    "scenarios": (1, 1_000_000),
    "seed": (0, 2**63 - 1),
    "mean_block_steps": (1, 10_000),
    "lookback_days": (30, 36_500),
    "impact_factor": (Decimal(0), Decimal(100)),
    "impact_cap": (Decimal(0), Decimal(1)),
    "cover_n": (1, 100),
    "buffer": (Decimal(0), Decimal(10)),
    "tail_count": (50, 10_000),
}
NAMES = tuple(field.name for field in fields(Parameters))


def read_parameters(given: Mapping[str, Any]) -> Parameters:
    """Those that are given, by name, as stored JSON or a command line has them, and the defaults.

    Raises `InvalidParameters`.
    """
    for name in given:
        if name not in NAMES:
            raise InvalidParameters(name, f"there is no parameter {name[:50]!a}")
    try:
        return _ADAPTER.validate_python(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        field = str(first["loc"][0])
        raise InvalidParameters(field, f"{field}: {first['msg']}") from error


def stored(parameters: Parameters) -> dict[str, Any]:
    """All of them as JSON has them: decimals as text."""
    found: dict[str, Any] = _ADAPTER.dump_python(parameters, mode="json")
    return found


_ADAPTER = TypeAdapter(Parameters)
