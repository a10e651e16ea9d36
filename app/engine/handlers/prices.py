"""Mark prices (MRK-1), those that an index derives (MRK-3), and whose time they are of (MRK-6)."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from app.engine.cascades import cascade, rates
from app.engine.commands.prices import IndexTick, ReportClock, Tick
from app.engine.figures import derived, sources
from app.engine.handlers import indexes
from app.engine.handling import Drives, handles
from app.engine.markets import Market
from app.engine.marks import FRESH, Mark, SourcePrice
from app.engine.numbers import INTEGER_DIGITS, ONE, plain, ratio, time_text
from app.engine.rejections import Code, Rejected
from app.engine.results import Done, Ticked
from app.engine.step import Step
from app.engine.trading.assessment import market_of

FUTURE = timedelta(minutes=1)
"""How far a source's clock may be ahead of ours."""
NO_TIME = timedelta()
SECOND = timedelta(seconds=1)


@handles(
    Tick,
    Code.unknown_contract,
    Code.contract_not_trading,
    Code.settlement_under_way,
    Code.mark_is_derived,
    Code.index_has_sources,
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
    market = _market_of(step, command.symbol)
    _check_given(command, market)
    _age(step, command.source_time, market.contract.mark_staleness_seconds)
    last = market.mark
    if last is not None:
        if not command.sequence_reset:
            _check_newer(command, last)
        _check_jump(command.mark_price, last, market)
    if command.funding_rate is not None:
        funding = rates.check_given(market, command.funding_rate)
        if funding.rate != command.funding_rate:  # as a rule it is the same from tick to tick
            step.set_funding_rate(funding, command.funding_rate)
    step.set_mark(market, _given(step, command, market))
    if command.index_price is not None:
        indexes.observe(step, market, command.index_price)
    return cascade.begin_tick(step, command)


def _check_given(command: Tick, market: Market) -> None:
    """Refuse prices that are no prices, and those that this contract derives or has sources of."""
    contract, index_price = market.contract, command.index_price
    if contract.mark_mode == "derived":
        raise Rejected(Code.mark_is_derived, f"the mark of {command.symbol} is derived")
    if index_price is not None and contract.index_sources:
        raise Rejected(Code.index_has_sources, f"the index of {command.symbol} has sources")
    if command.mark_price <= 0 or (index_price is not None and index_price <= 0):
        raise Rejected(Code.price_not_positive, "a price must be positive")


def _given(step: Step, command: Tick, market: Market) -> Mark:
    """The mark that a tick gives; what it does not say stays as far as that holds on."""
    last, sequence, index_price = market.mark, command.sequence, command.index_price
    if last is not None:
        if sequence is None and not command.sequence_reset:
            sequence = last.sequence
        if market.contract.index_sources:
            index_price = last.index_price
    return Mark(
        command.symbol,
        price=command.mark_price,
        time=step.now,
        index_price=index_price,
        source_time=command.source_time,
        sequence=sequence,
    )


@handles(
    IndexTick,
    Code.unknown_contract,
    Code.contract_not_trading,
    Code.settlement_under_way,
    Code.unknown_index_source,
    Code.price_not_positive,
    Code.future_tick,
    Code.stale_tick,
    Code.tick_out_of_band,
)
def take_source_price(step: Step, command: IndexTick) -> Done | Ticked | Drives:
    """Accept what a source of an index says; where that derives a mark, it goes a tick's way.

    The mark is checked before anything is kept: what is refused has changed nothing.
    """
    assert command.price.adjusted() < INTEGER_DIGITS, command
    market = _market_of(step, command.symbol)
    told = SourcePrice(
        command.symbol,
        command.source,
        price=command.price,
        as_of=step.now - _check_source(step, command, market),
        source_time=command.source_time,
    )
    prices = {**market.sources, command.source: told}
    index = sources.index_of(sources.weigh(market.contract, prices, step.now))
    if index is None:
        _lose_index(step, market)
        step.set_source_price(market, told)
        return Done()
    if market.contract.mark_mode == "given":
        step.set_source_price(market, told)
        if market.mark is not None:
            step.set_index_price(market.mark, index)
        indexes.observe(step, market, index)
        return Done()
    new = derived.sample(market, index, step.now)
    price = derived.mark_price(market, index, new, step.now)
    if market.mark is not None:
        _check_jump(price, market.mark, market)
    step.set_source_price(market, told)
    if new is not None:
        step.add_mid(market, new)
    step.set_mark(market, Mark(command.symbol, price=price, time=step.now, index_price=index))
    indexes.observe(step, market, index)
    return cascade.begin_tick(step, Tick(command.symbol, price, index))


def _check_source(step: Step, command: IndexTick, market: Market) -> timedelta:
    """Refuse what is no newer price of a source of this index; else how old it is already."""
    if command.source not in [source.name for source in market.contract.index_sources]:
        raise Rejected(
            Code.unknown_index_source,
            f"the index of {command.symbol} has no source {command.source}",
        )
    if command.price <= 0:
        raise Rejected(Code.price_not_positive, "a price must be positive")
    age = _age(step, command.source_time, FRESH // SECOND)
    last = market.sources.get(command.source)
    if last is not None:
        _check_later(command.source_time, last.source_time)
    return age


def _lose_index(step: Step, market: Market) -> None:
    """Tell the operators, once: the sources that are left contradict each other (MRK-3)."""
    before = sources.weigh(market.contract, market.sources, step.now)
    if sources.index_of(before) is not None:
        step.alert("index_lost", None, None, symbol=market.contract.symbol, cause="contradiction")


@handles(ReportClock)
def report_clock(step: Step, command: ReportClock) -> Done:
    """Remember how far the system's clock is from ours; tell the operators of a jump (MRK-6)."""
    step.set_ahead(timedelta(milliseconds=int(command.ahead_seconds * 1000)))
    if command.cause != "drift":
        ahead = plain(command.ahead_seconds)
        step.alert("clock_jump", None, None, cause=command.cause, ahead_seconds=ahead)
    return Done()


def _market_of(step: Step, symbol: str) -> Market:
    market = market_of(step.state, symbol)
    if market.contract.status == "settled":
        raise Rejected(Code.contract_not_trading, f"{symbol} is settled")
    if market.delivery is not None and market.delivery.under_way:
        raise Rejected(Code.settlement_under_way, f"{symbol} has its last mark")
    return market


def _age(step: Step, time: datetime | None, limit: int | None) -> timedelta:
    """How old a price is by its source's time; 0 without one. Refuses what is too old (`limit`, in
    seconds), and what would lock out all that follow (MRK-6).

    Where our time and the system's clock differ, either may be the wrong one, and the source's is
    whichever it is closer to: a clock that was set must not silence the feeds.
    """
    if time is None:
        return NO_TIME
    now = min(step.now, step.now - step.state.ahead, key=lambda clock: abs(clock - time))
    if time - now > FUTURE:
        raise Rejected(
            Code.future_tick,
            "the source_time is more than a minute ahead",
            source_time=time_text(time),
            time=time_text(now),
        )
    if limit is not None and now - time > timedelta(seconds=limit):
        raise Rejected(
            Code.stale_tick,
            "the source_time is older than the limit",
            source_time=time_text(time),
            time=time_text(now),
            limit_seconds=limit,
        )
    return max(NO_TIME, now - time)


def _check_newer(command: Tick, last: Mark) -> None:
    if command.sequence is not None and last.sequence is not None:
        if command.sequence <= last.sequence:
            raise Rejected(
                Code.stale_tick,
                "the tick is not newer than the last",
                sequence=command.sequence,
                last_sequence=last.sequence,
            )
    else:
        _check_later(command.source_time, last.source_time)


def _check_later(time: datetime | None, last: datetime | None) -> None:
    if time is not None and last is not None and time < last:
        raise Rejected(
            Code.stale_tick,
            "the price is older than the last",
            source_time=time_text(time),
            last_source_time=time_text(last),
        )


def _check_jump(price: Decimal, last: Mark, market: Market) -> None:
    limit = market.contract.tick_jump_limit
    if limit is not None and abs(price - last.price) > limit * last.price:
        raise Rejected(
            Code.tick_out_of_band,
            "the mark would jump further than the contract allows",
            change=plain(ratio(price, last.price) - ONE),
            tick_jump_limit=plain(limit),
        )
