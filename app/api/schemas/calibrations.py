"""Calibrations of insurance funds: what a run says of each, and what became of it (CAL)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from app.api.schemas.base import (
    ActBody,
    Asset,
    Exact,
    FundId,
    Reference,
    Symbol,
    Time,
    View,
    example,
)
from app.api.schemas.calibration_example import LOSSES, PROPOSED, RESULT
from app.jobs.calibrations import CalibrationStatus

Binding = Literal["simulated", "stressed", "cover_n"]
BandView = tuple[Exact | None, Exact | None]
"""Of a band, lower and upper; null where the sample has none."""


class AcceptBody(ActBody):
    """Why it is accepted: needed where less is required than was."""

    reason: Reference | None = None

    model_config = example({"reason": "COMP was delisted"})


class RejectBody(ActBody):
    """Why it is not accepted."""

    reason: Reference

    model_config = example({"reason": "SOL's prices were those of another contract"})


class AsOf(View):
    """The last command that the book had seen, and when."""

    sequence: int
    time: Time


class Hashes(View):
    """SHA-256 of what a run was made from (CAL-11)."""

    book: str
    prices: str
    stress: str


class ParametersView(View):
    """What a run was made with (CAL-7 to CAL-10); interval and mean block as the run chose them."""

    confidence: Exact
    horizon_hours: int
    interval: Literal["1h", "1d"]
    scenarios: int
    seed: int
    mean_block_steps: int
    filter: Literal["ewma", "none"]
    decay_per_day: Exact
    volatility_floor: bool
    lookback_days: int
    gap: Exact
    stress_gap: Exact
    impact_factor: Exact
    impact_cap: Exact
    cover_n: int
    buffer: Exact
    use: Literal["point", "upper"]
    tail_count: int


class ProxiedView(View):
    """A contract that takes `multiplier` times another's returns for a `share` of the rows."""

    symbol: Symbol
    proxy: Symbol
    multiplier: Exact
    share: Exact


class SampleView(View):
    """The past, and what was drawn from it.

    `rows` are returns of one `interval`; `first` and `last` are when the first and the last of them
    end. `effective_rows` of them are independent for paths of that many `steps`: of one step all,
    and then nothing is drawn and `seed` is null.
    """

    interval: Literal["1h", "1d"]
    rows: int
    effective_rows: int
    first: Time
    last: Time
    steps: int
    scenarios: int
    seed: int | None
    proxied: list[ProxiedView]


class TailView(View):
    """A generalised Pareto distribution of the losses above a threshold: a cross-check alone.

    `expected_shortfall` is null where the fitted tail has no mean.
    """

    threshold: Exact
    exceedances: int
    xi: Exact
    beta: Exact
    quantile: Exact
    expected_shortfall: Exact | None


class SimulatedView(View):
    """The quantile of the losses over the horizon, and how sure it is (CAL-8).

    `draw_band` is how much it hangs on the draws, at 95 %; `history_band` is the least and the most
    when any eighth of the past is left out.
    """

    quantile: Exact
    expected_shortfall: Exact
    draw_band: BandView
    history_band: BandView
    evt: TailView | None


class StressedScenarioView(View):
    """A loss in a crash, in its mirror image, or by one contract (`symbol`) alone (CAL-9).

    `loss` counts: its worst hour has a gap of its own. With the gap of an ordinary step throughout
    it would be `loss_with_gap`, and `loss_at_once` if the worst hour were a single step from mark.
    `covered` by what the fund had.
    """

    scenario: str
    symbol: Symbol | None
    loss: Exact
    loss_with_gap: Exact
    loss_at_once: Exact
    covered: bool


class DisabledView(View):
    """A scenario that was left out, and why."""

    scenario: str
    reason: str


class StressedView(View):
    """The library's losses; `worst` is null where it has no scenario for the book."""

    worst: str | None
    loss: Exact
    scenarios: list[StressedScenarioView]
    disabled: list[DisabledView]


class CoverView(View):
    """The loss by the `n` largest owners in the worst scenario; the largest's share (CAL-10)."""

    n: int
    scenario: str | None
    loss: Exact
    largest_share: Exact | None


class InForceView(View):
    """What the fund had to hold at the time, and by which calibration (null: set by hand).

    `change` is how much more the new one is, as a fraction; null from 0.
    """

    calibration_id: str | None
    required_minimum: Exact
    change: Exact | None


class SampledView(View):
    """How many scenarios stand for those of which only a bound is known; null: it was counted."""

    probability_at_balance: int | None
    at_in_force: int | None
    at_minimum: int | None
    cap_binds: int | None


class AdlView(View):
    """How often the fund would not have enough, and traders would be deleveraged (CAL-13).

    Shares of scenarios whose loss exceeds the `balance` that the fund had, the minimum in force
    (null: there is none), and the proposed minimum; and in which more is bankrupt than the fund may
    take over after its loss (`cap_binds`, FND-2). `bankrupt_notional_quantile` is of what is worth
    at mark that the fund loses by: no less than that, for it is of the scenarios with the largest
    losses.
    """

    balance: Exact
    probability_at_balance: Exact
    at_in_force: Exact | None
    at_minimum: Exact
    cap_binds: Exact
    bankrupt_notional_quantile: Exact
    sampled: SampledView


class ReverseStressView(View):
    """What empties the fund: how many times the worst scenario; which move of all in one hour.

    To 0.0001; null where not even ten times the one, or a fall by 99.99 %, does.
    """

    multiple_of_worst: Exact | None
    uniform_hour: Exact | None


class SensitivityView(View):
    """The quantile with one assumption changed, to be compared with `unchanged`.

    Both are of the first `scenarios` only. Changes are a parameter's, or `trigger`: `bankruptcy`,
    where nobody is out before his equity is gone.
    """

    change: dict[str, str]
    quantile: Exact
    unchanged: Exact
    scenarios: int


class CalibratedContractView(View):
    """A contract of the fund.

    `rows` are its own prices' simple returns of one interval, with their quantiles (null without
    any), unfiltered: what anybody finds in the prices. Volatilities are of one interval, now and in
    the long run. `open_interest` is long and short, `inventory` what funds hold of it, signed: at
    mark, in the settlement asset. `share_of_loss` is its part of the largest losses.
    """

    symbol: Symbol
    rows: int
    low: Exact | None = Field(alias="q0.1%")
    high: Exact | None = Field(alias="q99.9%")
    volatility_now: Exact
    volatility_floor: Exact
    mark: Exact
    mark_stale: bool
    open_interest: tuple[Exact, Exact]
    inventory: Exact
    share_of_loss: Exact


class CalibrationView(View):
    """What a fund must hold, and why (CAL-1, CAL-13).

    The largest of three losses (`binding` names it), with a buffer, rounded up to three digits.
    Warnings are codes: `sample_too_small`, `daily_only`, `proxied`, `stale_marks`,
    `scenarios_disabled`, `no_upper_limit` (the sample has no upper end of the band: the largest
    loss stands for it), `tail_differs` (the fitted tail's quantile by more than a quarter).

    A key, `decided_by`, accepted or rejected it at `decided_at`, for a `reason`. What was accepted
    last is to be reviewed at `review_due_at` (CAL-12).
    """

    calibration_id: str
    fund_id: FundId
    asset: Asset
    status: CalibrationStatus
    proposed_at: Time
    decided_at: Time | None
    decided_by: str | None
    reason: str | None
    review_due_at: Time | None
    method_version: str
    code_version: str
    numpy_version: str
    as_of: AsOf
    hashes: Hashes
    parameters: ParametersView
    sample: SampleView
    simulated: SimulatedView
    stressed: StressedView
    cover_n: CoverView
    binding: Binding
    required_minimum: Exact
    in_force: InForceView | None
    adl: AdlView
    reverse_stress: ReverseStressView
    sensitivity: list[SensitivityView]
    contracts: list[CalibratedContractView]
    warnings: list[str]
    statement: str

    model_config = example({**PROPOSED, **RESULT})


class BlockView(View):
    """A stretch of the past: so many steps from a row on, whose return ends at `time`."""

    row: int
    time: Time
    steps: int


class LossPartView(View):
    """What one contract costs."""

    symbol: Symbol
    loss: Exact


class LossView(View):
    """A large loss: the scenario's number, what it is made of; by contract for the largest 20."""

    rank: int
    loss: Exact
    scenario: int
    blocks: list[BlockView]
    by_contract: list[LossPartView] | None


class BinView(View):
    """Scenarios with a loss in this range: `known`, or of which it is a `bound`."""

    low: Exact = Field(alias="from")
    high: Exact = Field(alias="to")
    known: int
    bound: int


class CalibrationLossesView(View):
    """The largest losses of a fund, in falling order, and how all are spread, in 100 ranges.

    What cannot matter to the quantile is not worked out: of such a scenario there is a bound.
    """

    scenarios: int
    tail: list[LossView]
    histogram: list[BinView]

    model_config = example(LOSSES)
