"""The stress library, and what-ifs (CAL-9, CAL-15)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from app.api.schemas.base import (
    ASSET_PATTERN,
    LEFT_OUT,
    Body,
    Exact,
    Name,
    Number,
    Reference,
    Time,
    View,
    example,
)

SCENARIO_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9-]{0,63}$"
ScenarioId = Annotated[str, Field(pattern=SCENARIO_PATTERN, examples=["2020-03-12"])]
BaseAsset = Annotated[str, Field(pattern=ASSET_PATTERN, examples=["BTC"])]


class FallBody(Body):
    """Fractions that an asset lost in the worst hour and in the worst 24: 0 < hour <= day < 1."""

    hour: Number
    day: Number


class ScenarioBody(Body):
    """What is left out stays as it is; a new scenario needs `title` and `falls`.

    `falls` are by base asset. Without a `reason` no scenario is switched off.
    """

    enabled: bool = True
    reason: Reference | None = None
    title: Name = LEFT_OUT
    cause: Reference = LEFT_OUT
    falls: dict[BaseAsset, FallBody] = LEFT_OUT

    model_config = example(
        {"enabled": False, "reason": "no contract of ours was listed then"},
        {
            "title": "Our worst hour",
            "cause": "a feed that stood still",
            "falls": {"BTC": {"hour": "0.11", "day": "0.19"}},
        },
    )


class FallView(View):
    """What an asset lost, as a fraction, in the worst hour and in the worst 24."""

    hour: Exact
    day: Exact


class ScenarioView(View):
    """A crash. Of assets that it does not name, others fell as the median of those it does but BTC,
    ETH, LUNA, UST and FTT.

    `version` 0 is the release's own. `by` is a `key_id`, for admins alone. Its mirror image, which
    runs with it, is called `<scenario_id>-mirrored`.
    """

    scenario_id: str
    title: str
    cause: str
    enabled: bool
    reason: str | None
    falls: dict[str, FallView]
    version: int
    by: str | None
    at: Time | None


class LibraryView(View):
    """The stress library: the release's scenarios first, then those added here.

    A run with this library has its `stress_hash`, which is of the enabled ones alone.
    """

    items: list[ScenarioView]
    stress_hash: str


class ScenarioHistoryView(View):
    """A scenario as it stands and as it was, the newest version first."""

    scenario_id: str
    versions: list[ScenarioView]
