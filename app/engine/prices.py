"""Mark prices (MRK-1), and whose time they are of (MRK-6)."""

from __future__ import annotations

from datetime import timedelta

from app.engine import cascade, indexes, rates
from app.engine.assessment import market_of
from app.engine.commands.prices import ReportClock, Tick
from app.engine.handlers import Drives, handles
from app.engine.markets import Market
from app.engine.marks import Mark
from app.engine.numbers import INTEGER_DIGITS, ONE, plain, ratio
from app.engine.rejections import Code, Rejected
from app.engine.results import Done, Ticked
from app.engine.step import Step

FUTURE = timedelta(minutes=1)
"""How far a source's clock may be ahead of ours."""


@handles(
    Tick,
    Code.unknown_contract,
    Code.contract_not_trading,
    Code.price_not_positive,
    Code.future_tick,
    Code.stale_tick,
    Code.tick_out_of_band,
    Code.no_funding,
    Code.funding_rate_is_derived,
    Code.funding_rate_out_of_range,
)
def tick(step: Step, command: Tick) -> Ticked | Drives:
    """Accept a mark price; the cascade that it may begin is `cascade`'s."""
    assert command.mark_price.adjusted() < INTEGER_DIGITS, command
    market = market_of(step.state, command.symbol)
    if market.contract.status == "settled":
        raise Rejected(Code.contract_not_trading, f"{command.symbol} is settled")
    if command.mark_price <= 0 or (command.index_price is not None and command.index_price <= 0):
        raise Rejected(Code.price_not_positive, "a price must be positive")
    _check_source_time(step, command, market)
    last = market.mark
    if last is not None:
        if not command.sequence_reset:
            _check_newer(command, last)
        _check_jump(command, last, market)
    if command.funding_rate is not None:
        funding = rates.check_given(market, command.funding_rate)
        if funding.rate != command.funding_rate:  # as a rule it is the same from tick to tick
            step.set_funding_rate(funding, command.funding_rate)
    sequence = command.sequence
    if sequence is None and last is not None and not command.sequence_reset:
        sequence = last.sequence
    mark = Mark(
        command.symbol,
        price=command.mark_price,
        time=step.now,
        index_price=command.index_price,
        source_time=command.source_time,
        sequence=sequence,
    )
    step.set_mark(market, mark)
    if command.index_price is not None:
        indexes.observe(step, market, command.index_price)
    return cascade.begin_tick(step, command)


@handles(ReportClock)
def report_clock(step: Step, command: ReportClock) -> Done:
    """Remember how far the system's clock is from ours; tell the operators of a jump (MRK-6)."""
    step.set_ahead(timedelta(milliseconds=int(command.ahead_seconds * 1000)))
    if command.cause != "drift":
        ahead = plain(command.ahead_seconds)
        step.alert("clock_jump", None, None, cause=command.cause, ahead_seconds=ahead)
    return Done()


def _check_source_time(step: Step, command: Tick, market: Market) -> None:
    """Refuse what is too old to be a mark, and what would lock out all that follow (MRK-6).

    Where our time and the system's clock differ, either may be the wrong one, and the source's is
    whichever it is closer to: a clock that was set must not silence the feeds.
    """
    time, limit = command.source_time, market.contract.mark_staleness_seconds
    if time is None:
        return
    now = min(step.now, step.now - step.state.ahead, key=lambda clock: abs(clock - time))
    if time - now > FUTURE:
        raise Rejected(
            Code.future_tick,
            "the tick's source_time is more than a minute ahead",
            source_time=time.isoformat(),
            time=now.isoformat(),
        )
    if limit is not None and now - time > timedelta(seconds=limit):
        raise Rejected(
            Code.stale_tick,
            "the tick's source_time is older than the staleness limit",
            source_time=time.isoformat(),
            time=now.isoformat(),
            mark_staleness_seconds=limit,
        )


def _check_newer(command: Tick, last: Mark) -> None:
    if command.sequence is not None and last.sequence is not None:
        if command.sequence <= last.sequence:
            raise Rejected(
                Code.stale_tick,
                "the tick is not newer than the last",
                sequence=command.sequence,
                last_sequence=last.sequence,
            )
    elif (
        command.source_time is not None
        and last.source_time is not None
        and command.source_time < last.source_time
    ):
        raise Rejected(
            Code.stale_tick,
            "the tick is older than the last",
            source_time=command.source_time.isoformat(),
            last_source_time=last.source_time.isoformat(),
        )


def _check_jump(command: Tick, last: Mark, market: Market) -> None:
    limit = market.contract.tick_jump_limit
    if limit is not None and abs(command.mark_price - last.price) > limit * last.price:
        raise Rejected(
            Code.tick_out_of_band,
            "the tick jumps further than the contract allows",
            change=plain(ratio(command.mark_price, last.price) - ONE),
            tick_jump_limit=plain(limit),
        )
