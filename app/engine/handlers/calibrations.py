"""What becomes of a calibration: accepted, rejected, superseded, expired; reviewed (CAL-12, -14).

Of one of a fund and an asset that was proposed, the first of these is what it stays. So here all
that must not happen twice is decided; who did it is told beside the log. A review is due an
interval after the last one accepted, whatever the minimum was changed to since: a number set by
hand is no review.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from app.engine.commands import Due
from app.engine.commands.calibrations import (
    VALID,
    AcceptCalibration,
    RejectCalibration,
    RemindOfReview,
    ReportBacktest,
    ReportDrift,
)
from app.engine.handlers.funds import fund_named, set_minimum
from app.engine.handling import handles
from app.engine.numbers import plain, time_text
from app.engine.rejections import Code, Rejected
from app.engine.results import Done
from app.engine.state import Fund, State, Verdict
from app.engine.step import Step
from app.engine.trading.amounts import check_amount, check_asset

AGAIN = timedelta(days=1)
"""After a reminder the next comes."""


@handles(
    AcceptCalibration,
    Code.unknown_fund,
    Code.amount_not_positive,
    Code.too_many_decimals,
    Code.unknown_asset,
    Code.calibration_decided,
    Code.calibration_superseded,
    Code.calibration_expired,
    Code.reason_required,
)
def accept(step: Step, command: AcceptCalibration) -> Done:
    """Require of the fund what the calibration asks (FND-7), from now on."""
    fund, asset = fund_named(step.state, command.fund_id), command.asset
    check_amount(command.required_minimum)
    check_asset(step, asset)
    _check_open(step, fund, command)
    before = fund.required_minimum.get(asset)
    if before is not None and command.required_minimum < before and not command.reason:
        raise Rejected(
            Code.reason_required,
            "a lower minimum than in force needs a reason",
            required_minimum=plain(command.required_minimum),
            in_force=plain(before),
        )
    _decide(step, command, command.required_minimum, before)
    set_minimum(step, fund, asset, command.required_minimum)
    return Done(str(command.calibration_id))


@handles(
    RejectCalibration,
    Code.unknown_fund,
    Code.calibration_decided,
    Code.calibration_superseded,
    Code.calibration_expired,
)
def reject(step: Step, command: RejectCalibration) -> Done:
    """Decide that a calibration is not accepted; what is required of the fund stays."""
    _check_open(step, fund_named(step.state, command.fund_id), command)
    _decide(step, command)
    return Done(str(command.calibration_id))


def _check_open(step: Step, fund: Fund, command: AcceptCalibration | RejectCalibration) -> None:
    """Whether the calibration is proposed still."""
    number, last = command.calibration_id, fund.calibrations.get(command.asset)
    decided = step.state.verdicts.get(number)
    if decided is not None:
        word = "accepted" if decided.accepted else "rejected"
        raise Rejected(
            Code.calibration_decided,
            f"the calibration was {word} before",
            status=word,
            decided_at=time_text(decided.time),
        )
    if last is not None and number < last.calibration_id:
        raise Rejected(
            Code.calibration_superseded,
            "a newer calibration of the fund is accepted",
            calibration_id=last.calibration_id,
        )
    if step.now > command.proposed_at + VALID:
        raise Rejected(
            Code.calibration_expired,
            "the calibration was proposed more than 7 days ago",
            proposed_at=time_text(command.proposed_at),
        )


def _decide(
    step: Step,
    command: AcceptCalibration | RejectCalibration,
    minimum: Decimal | None = None,
    before: Decimal | None = None,
) -> None:
    """Keep what was decided; with a minimum it was accepted."""
    step.decide(
        Verdict(
            calibration_id=command.calibration_id,
            fund_id=command.fund_id,
            asset=command.asset,
            accepted=minimum is not None,
            sequence=step.outcome.sequence,
            time=step.now,
            reason=command.reason,
            required_minimum=minimum,
            previous_minimum=before,
        )
    )


def due(state: State) -> Due | None:
    """The reminder that is due first: of a review that is overdue, then once a day."""
    if state.reminders is None:
        found = [
            (_reminder(fund, last), fund.fund_id, asset)
            for fund in state.funds.values()
            for asset, last in fund.calibrations.items()
            if asset in fund.required_minimum
        ]
        state.reminders = [
            Due(at, RemindOfReview(fund_id, asset, at)) for at, fund_id, asset in sorted(found)
        ]
    return state.reminders[0] if state.reminders else None


def _reminder(fund: Fund, last: Verdict) -> datetime:
    due_at = fund.review_due_at(last.asset)
    assert due_at is not None, last
    return due_at if last.reminded_at is None else max(due_at, last.reminded_at + AGAIN)


@handles(RemindOfReview)
def remind_of_review(step: Step, command: RemindOfReview) -> Done:
    """It is time: tell the operators, who are told again in a day."""
    fund, asset = step.state.funds[command.fund_id], command.asset
    last, due_at = fund.calibrations[asset], fund.review_due_at(asset)
    assert due_at is not None, command
    assert _reminder(fund, last) == command.time, command
    step.alert(
        "calibration_overdue",
        fund.fund_id,
        asset,
        calibration_id=last.calibration_id,
        accepted_at=time_text(last.time),
        review_due_at=time_text(due_at),
    )
    step.remind(last)
    return Done(fund.fund_id)


@handles(ReportDrift)
def report_drift(step: Step, command: ReportDrift) -> Done:
    """Tell the operators that losses have outgrown what is required of a fund."""
    fund, asset = step.state.funds[command.fund_id], command.asset
    step.alert(
        "calibration_drift",
        fund.fund_id,
        asset,
        calibration_id=command.calibration_id,
        proposed_minimum=command.proposed_minimum,
        required_minimum=fund.required_minimum.get(asset, ""),
    )
    return Done(fund.fund_id)


@handles(ReportBacktest)
def report_backtest(step: Step, command: ReportBacktest) -> Done:
    """Tell the operators that the light is red, and that a review is due now; once.

    Of a calibration that is no more the one accepted last nothing is told: it was reviewed.
    """
    fund, asset = step.state.funds[command.fund_id], command.asset
    last = fund.calibrations.get(asset)
    if last is None or last.calibration_id != command.calibration_id or last.red_at is not None:
        return Done(fund.fund_id)
    step.alert(
        "backtest_red",
        fund.fund_id,
        asset,
        calibration_id=last.calibration_id,
        days=command.days,
        exceedances=command.exceedances,
    )
    step.redden(last)
    return Done(fund.fund_id)
