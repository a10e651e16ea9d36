"""Which rate a funding has: one that was given, or one derived from premiums (FPY-1).

A contract's premium is how far its price is from its index, as a fraction of the index. It is
sampled where an index price is known anew. Of samples nothing is kept but the newest, and sums over
those before it: what each came to by the seconds that it stood.

    average   premiums x seconds / seconds that a premium is known of
    rate      average + clamp(interest - average, +-0.05 %), within the contract's limits

So what stands for a second counts for a second, whenever that is, and what it takes to move a
premium is orders on both sides that would take a whole impact notional.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from app.engine.commands import Side
from app.engine.contracts import Contract, Funded
from app.engine.figures import margin, orderbook
from app.engine.markets import Funding, Market
from app.engine.numbers import ZERO, divide_half_even, floor_quotient, plain
from app.engine.rejections import Code, Rejected
from app.engine.step import Step

CLAMP = Decimal("0.0005")
"""How far the interest moves a rate from its premium, at most."""
APART = timedelta(seconds=1)
"""Between two samples of a contract, at least: they cost a walk through its book."""
HOLD = timedelta(seconds=60)
"""How long a sample counts where none follows."""
MET = 100
"""Orders of a side that are met for an impact price, at most."""


def check_given(market: Market, rate: Decimal) -> Funding:
    """The contract's funding, which may be given this rate; or `Rejected`."""
    contract, funding = market.contract, market.funding
    if funding is None or funding.next_at is None:
        raise Rejected(Code.no_funding, f"{contract.symbol} has no funding")
    if contract.funding_mode == "derived":
        raise Rejected(
            Code.funding_rate_is_derived, f"{contract.symbol} derives its rate from its premium"
        )
    lowest, highest = contract.funding_limits()
    if not lowest <= rate <= highest:
        raise Rejected(
            Code.funding_rate_out_of_range,
            "the rate is beyond the contract's limits",
            rate=plain(rate),
            funding_rate_floor=plain(lowest),
            funding_rate_cap=plain(highest),
        )
    return funding


def derived(terms: Funded, average: Decimal) -> Decimal:
    """The rate that follows from an average premium."""
    nudge = max(-CLAMP, min(CLAMP, terms.interest() - average))
    return _within_limits(terms, average + nudge)


def as_it_stands(terms: Funded, funding: Funding) -> Decimal:
    """The rate of the next funding, as it would be if nothing changed any more."""
    if terms.funding_mode == "given":
        return _within_limits(terms, funding.rate or ZERO)
    if not funding.premium_seconds:
        return derived(terms, funding.premium or ZERO)
    return derived(terms, divide_half_even(funding.premium_total, funding.premium_seconds))


def settled(contract: Contract, funding: Funding) -> tuple[Decimal, Decimal | None]:
    """The rate of the funding that is due, and the average premium where it is derived.

    Of a premium that is known for less than half of the interval, what is missing counts as zero:
    a few samples are not enough to charge everybody by.
    """
    if contract.funding_mode == "given":
        return _within_limits(contract, funding.rate or ZERO), None
    assert funding.next_at is not None, funding
    assert contract.funding_interval_hours is not None, contract
    total, seconds = _sums(funding, funding.next_at)
    half = Decimal(contract.funding_interval_hours * 1800)
    average = divide_half_even(total, max(half, seconds))
    return derived(contract, average), average


def _within_limits(terms: Funded, rate: Decimal) -> Decimal:
    lowest, highest = terms.funding_limits()
    return max(lowest, min(highest, rate))


def forgotten(funding: Funding) -> Funding:
    """The same without the next one's rate and premium: where these come from has changed."""
    return replace(
        funding, rate=None, premium=None, sampled_at=None, premium_total=ZERO, premium_seconds=ZERO
    )


def observe(step: Step, market: Market, index: Decimal) -> None:
    """Sample the premium of a contract whose rate is derived; not while its book stands still."""
    contract, funding = market.contract, market.funding
    if contract.funding_mode != "derived" or contract.status in ("halted", "settled"):
        return
    assert funding is not None, contract.symbol
    if funding.sampled_at is not None and step.now - funding.sampled_at < APART:
        return
    premium = _premium(market, index, step.now)
    if premium is not None:
        total, seconds = _sums(funding, step.now)
        step.sample_premium(funding, premium, total, seconds)


def _sums(funding: Funding, until: datetime) -> tuple[Decimal, Decimal]:
    """Premiums x seconds and seconds, with the newest premium as long as it stands."""
    total, seconds = funding.premium_total, funding.premium_seconds
    if funding.premium is None or funding.sampled_at is None:
        return total, seconds
    stood = max(timedelta(), min(until - funding.sampled_at, HOLD))
    more = Decimal(stood // timedelta(microseconds=1)).scaleb(-6)
    return total + funding.premium * more, seconds + more


def _premium(market: Market, index: Decimal, now: datetime) -> Decimal | None:
    """How far above the index the book would pay an impact notional, less how far below it asks.

    Where either side has less than that, the distance of the mark; None where that is not fresh.
    """
    quantity = _impact_quantity(market.contract, index)
    bid = _impact_price(market, "buy", quantity)
    ask = _impact_price(market, "sell", quantity)
    if bid is not None and ask is not None:
        return divide_half_even(max(ZERO, bid - index) - max(ZERO, index - ask), index)
    if market.mark is None or margin.is_stale(market, now):
        return None
    return divide_half_even(market.mark.price - index, index)


def _impact_quantity(contract: Contract, index: Decimal) -> Decimal:
    """What is worth the impact notional at the index, in whole lots: the cap of the first bracket,
    so a large position of a small trader, in whatever the contract settles in."""
    lot = abs(contract.unrounded_value(contract.lot_size, index))
    if not lot:  # an inverse contract's, at a price beyond all reason
        return ZERO
    return floor_quotient(contract.brackets[0].notional_cap, lot) * contract.lot_size


def _impact_price(market: Market, side: Side, quantity: Decimal) -> Decimal | None:
    """The average price of the best orders of a side up to a quantity; None with less of them."""
    contract, left, value = market.contract, quantity, ZERO
    for number, order in enumerate(orderbook.best_first(market, side)):
        if left <= 0 or number == MET:
            break
        assert order.price is not None, order
        part = min(left, order.remaining)
        value += contract.unrounded_value(part, order.price)
        left -= part
    if left > 0 or not quantity:
        return None
    return contract.price_of(value, quantity)
