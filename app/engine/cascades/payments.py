"""What a funding moves (FPY-1): of traders position by position, of the fund's inventory last.

Everybody pays to revenue and receives from it, rounded in its favour: what is left there in the end
is the residue. All is at the mark and the rate of the funding time, and nothing of the contract is
traded until the last has been settled: so who held a position then pays for it, once.
"""

from __future__ import annotations

from decimal import Decimal

from app.engine.events import FundingPayment, FundingSettled
from app.engine.figures import margin
from app.engine.liquidation import looking
from app.engine.markets import Funding, Market
from app.engine.numbers import ZERO, round_down
from app.engine.queues import Ordering
from app.engine.state import Cascade, State
from app.engine.step import Step
from app.engine.traders import Position
from app.engine.trading import deficits, funds


def received(market: Market, funding: Funding, quantity: Decimal) -> Decimal:
    """What a signed quantity receives (negative: pays): value at mark x rate, rounded down.

    So payments are rounded up. With a positive rate longs pay shorts, however the contract values
    them.
    """
    notional = abs(market.contract.value(quantity, funding.mark_price))
    share = notional * funding.settled_rate
    return round_down(-share if quantity > 0 else share)


def _unpaid(market: Market) -> Ordering:
    """The legs that are not settled yet: they stay, for nothing of the contract is traded."""
    funding = market.funding
    assert funding is not None, market.contract.symbol
    return Ordering(market.positions, (funding.paid_account, funding.paid_side))


def settle(step: Step, market: Market, position: Position) -> None:
    """A position pays from the wallet of its scope, or receives; nothing else of it changes."""
    funding = market.funding
    assert funding is not None, market.contract.symbol
    assert funding.time is not None, funding
    amount = received(market, funding, position.quantity)
    revenue = step.wallet("revenue", "", market.contract.settlement_asset)
    wallet = step.scope_wallet(position.scope)
    if position.isolated:
        wallet = step.isolated_wallet(position)
    step.transfer("funding", revenue, wallet, amount, symbol=position.symbol)
    step.touch_wallet(position)
    step.outcome.records.append(
        FundingPayment(
            sequence=step.outcome.sequence,
            account_id=position.account_id,
            symbol=position.symbol,
            position_side=position.side,
            time=funding.time,
            quantity=position.quantity,
            mark_price=funding.mark_price,
            rate=funding.settled_rate,
            amount=amount,
        )
    )
    step.advance_funding(funding, position, amount)


def finish(step: Step, market: Market) -> None:
    """The fund pays or receives for its inventory; then the funding is over, and told of."""
    funding, contract = market.funding, market.contract
    assert funding is not None, contract.symbol
    assert funding.time is not None, funding
    residue = funding.residue - _of_fund(step, market, funding)
    step.outcome.records.append(
        FundingSettled(
            sequence=step.outcome.sequence,
            symbol=contract.symbol,
            time=funding.time,
            rate=funding.settled_rate,
            mark_price=funding.mark_price,
            residue=residue,
            average_premium=funding.settled_premium,
        )
    )
    step.set_funding(market, _next(funding))


def _next(funding: Funding) -> Funding:
    """What is known of the next funding already."""
    return Funding(
        funding.symbol,
        funding.next_at,
        rate=funding.rate,
        settled_rate=funding.settled_rate,
        premium=funding.premium,
        sampled_at=funding.sampled_at,
        premium_total=funding.premium_total,
        premium_seconds=funding.premium_seconds,
    )


def _of_fund(step: Step, market: Market, funding: Funding) -> Decimal:
    """What the contract's fund receives for its inventory; what it cannot pay is injected."""
    contract = market.contract
    fund = funds.fund_of(step.state, contract)
    inventory = fund.inventory.get(contract.symbol)
    if inventory is None:
        return ZERO
    symbol, asset = contract.symbol, contract.settlement_asset
    amount = received(market, funding, inventory.quantity)
    revenue = step.wallet("revenue", "", asset)
    if amount > 0:
        wallet = funds.first_wallet(step, fund, asset)
        step.transfer("inventory_funding", revenue, wallet, amount, symbol=symbol)
        return amount
    funds.settle_inventory(step, fund, asset)
    paid = min(-amount, funds.balance(fund, asset))
    funds.pay(step, fund, revenue, paid, "inventory_funding", symbol=symbol)
    deficits.inject(step, contract, revenue, -amount - paid, None)
    return amount


def fund(state: State, market: Market) -> None:
    """A contract's funding is due: its positions are settled next (FPY-1)."""
    contract = market.contract
    looking.cascade_of(state, contract.settlement_asset).funded.append(contract.symbol)


def fund_again(state: State) -> None:
    """The fundings that were under way go on, before anybody is looked at."""
    for symbol in sorted(state.markets):
        market = state.markets[symbol]
        if not goes_on(state, market):
            continue
        if symbol not in looking.cascade_of(state, market.contract.settlement_asset).funded:
            fund(state, market)


def goes_on(state: State, market: Market) -> bool:
    """Whether a funding of the contract is under way, and does not await a release (REC-2)."""
    funding = market.funding
    under_way = funding is not None and funding.time is not None
    return under_way and market.contract.settlement_asset not in state.stalled


def go_on(step: Step, cascade: Cascade) -> bool:
    """Settle what is funded, a bounded number of positions; whether all of it is (FPY-1)."""
    if not cascade.funded:
        return True
    state = step.state
    left = looking.room(step, cascade, state.bounds.payers)
    while cascade.funded and left > 0:
        left -= 1
        market = state.markets[cascade.funded[0]]
        if cascade.unpaid is None:
            cascade.unpaid = _unpaid(market)
        if not cascade.unpaid.go_on(state.bounds.ordered):
            break
        leg = cascade.unpaid.pop()
        if leg is None:
            step.blamed = cascade.asset
            finish(step, market)
            del cascade.funded[0]
            cascade.unpaid = None
            continue
        position = market.positions[leg]
        if not margin.is_aside(state, position.scope):
            looking.handle(step, position.scope)
            _pay(step, cascade, market, position)
    step.blamed = cascade.asset
    return not cascade.funded


def _pay(step: Step, cascade: Cascade, market: Market, position: Position) -> None:
    """Settle a position's funding; it may put its scope at risk."""
    scope = position.scope
    waits = scope in cascade.waiting
    settle(step, market, position)
    looking.check_touched(step)
    if scope in cascade.waiting and not waits:
        deficits.made_by(cascade, scope, market.contract.symbol)
