"""Mark prices (MRK-1)."""

from __future__ import annotations

from app.engine.assessment import market_of
from app.engine.commands import Tick
from app.engine.numbers import ONE, plain, ratio
from app.engine.rejections import Rejected
from app.engine.state import Mark, Market
from app.engine.step import Step


def tick(step: Step, command: Tick) -> None:
    """Accept a mark price; the cascade that it may begin is `cascade`'s."""
    market = market_of(step.state, command.symbol)
    if market.contract.status == "settled":
        raise Rejected("contract_not_trading", f"{command.symbol} is settled")
    if command.mark_price <= 0 or (command.index_price is not None and command.index_price <= 0):
        raise Rejected("price_not_positive", "a price must be positive")
    last = market.mark
    if last is not None:
        _check_newer(command, last)
        _check_jump(command, last, market)
    market.mark = Mark(
        command.symbol,
        command.mark_price,
        step.now,
        command.index_price,
        command.source_time,
        command.sequence if command.sequence is not None or last is None else last.sequence,
    )
    step.touch(market.mark)


def _check_newer(command: Tick, last: Mark) -> None:
    if command.sequence is not None and last.sequence is not None:
        if command.sequence <= last.sequence:
            raise Rejected(
                "stale_tick", "the tick is not newer than the last",
                sequence=command.sequence, last_sequence=last.sequence,
            )  # fmt: skip
    elif (
        command.source_time is not None
        and last.source_time is not None
        and command.source_time < last.source_time
    ):
        raise Rejected(
            "stale_tick", "the tick is older than the last",
            source_time=command.source_time.isoformat(),
            last_source_time=last.source_time.isoformat(),
        )  # fmt: skip


def _check_jump(command: Tick, last: Mark, market: Market) -> None:
    limit = market.contract.tick_jump_limit
    if limit is not None and abs(command.mark_price - last.price) > limit * last.price:
        raise Rejected(
            "tick_out_of_band", "the tick jumps further than the contract allows",
            change=plain(ratio(command.mark_price, last.price) - ONE),
            tick_jump_limit=plain(limit),
        )  # fmt: skip
