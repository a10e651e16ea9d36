"""Calibrations as they are asked for, and listed (CAL)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from app.api.schemas.base import (
    LEFT_OUT,
    Asset,
    Body,
    CalibrationId,
    Exact,
    Number,
    Time,
    View,
    example,
)
from app.api.schemas.calibrations import AsOf
from app.api.schemas.jobs import JobId
from app.jobs.calibrations import CalibrationStatus


class ParametersBody(Body):
    """What a run is made with; what is left out has its default. All are stored with the result.

    `gap` is the share of a step's move beyond the liquidation price that happens before a position
    is out, `stress_gap` that of a crash's worst hour. A quantile needs at least 10 / (1 -
    `confidence`) scenarios.
    """

    confidence: Number = LEFT_OUT
    horizon_hours: int = LEFT_OUT
    interval: Literal["1h", "1d"] | None = LEFT_OUT
    scenarios: int = LEFT_OUT
    seed: int = LEFT_OUT
    mean_block_steps: int | None = LEFT_OUT
    filter: Literal["ewma", "none"] = LEFT_OUT
    decay_per_day: Number = LEFT_OUT
    volatility_floor: bool = LEFT_OUT
    lookback_days: int = LEFT_OUT
    gap: Number = LEFT_OUT
    stress_gap: Number = LEFT_OUT
    impact_factor: Number = LEFT_OUT
    impact_cap: Number = LEFT_OUT
    cover_n: int = LEFT_OUT
    buffer: Number = LEFT_OUT
    use: Literal["point", "upper"] = LEFT_OUT
    tail_count: int = LEFT_OUT


DEFAULTS = ParametersBody()


class CalibrationBody(Body):
    """A run for all funds of an asset."""

    model_config = example({"asset": "USDT", "parameters": {"seed": 7, "gap": "0.5"}})

    asset: Asset
    parameters: ParametersBody = DEFAULTS


class FundCalibrationBody(Body):
    """A run for a fund's asset. `asset` must be given where its contracts settle in several."""

    model_config = example({"parameters": {"seed": 7}})

    asset: Asset | None = None
    parameters: ParametersBody = DEFAULTS


class CalibrationItem(View):
    """A calibration of a fund, without what it rests on."""

    calibration_id: CalibrationId
    job_id: JobId
    fund_id: str
    asset: str
    status: CalibrationStatus
    method_version: str = Field(examples=["fhs-1"])
    as_of: AsOf
    required_minimum: Exact
    proposed_at: Time
    decided_at: Time | None
    decided_by: str | None
    reason: str | None
    review_due_at: Time | None
