"""A fund that its inventory sinks: what loses goes to ADL before any account does (FND-5).

A fund sinks when a tick leaves it less than nothing, with its inventory at mark. Then that is
settled, profits first and losses in proportion, until the balance is zero; what is left of the loss
is in the costs. So an inventory that loses is bankrupt at its cost, as a position is at its
bankruptcy value (LIQ-3), and closed against its counterparties at that it moves no money of the
fund, whose balance stays zero. What they cannot bear is closed at mark; what is lacking then, the
treasury pays (FND-4).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from app.engine.figures import margin, ranking
from app.engine.liquidation import looking, opposing
from app.engine.liquidation.counterparty import Closing
from app.engine.markets import Market
from app.engine.numbers import ZERO
from app.engine.state import Cascade, Fund, Inventory, State
from app.engine.step import Step
from app.engine.trading import deficits, funds


@dataclass(slots=True, kw_only=True)
class _Sunk(Closing):
    """An inventory that is closed at its cost, and of that `lacking` what it closed at mark for."""

    fund: Fund
    held: Inventory
    lacking: Decimal = ZERO

    def book(self, quantity: Decimal, value: Decimal, part: Decimal) -> None:
        """At its cost no money moves; what is lacking at mark is made up in the end."""
        self.lacking += part - value
        rest, cost = self.held.quantity - quantity, self.held.cost - part
        self.step.set_inventory(self.fund, self.held.symbol, rest, cost)

    def tell_cover(self, paid: Decimal, injected: Decimal) -> None:
        """It has no story; transfers and alerts say so."""


def sunk_by(state: State, market: Market) -> dict[str, None]:
    """The contract's fund, if it holds some of it, and sinks."""
    contract = market.contract
    fund, asset = state.funds[contract.insurance_fund], contract.settlement_asset
    if contract.symbol not in fund.inventory or asset in state.stalled:  # nearly each tick
        return {}
    return {fund.fund_id: None} if funds.balance_at_mark(state, fund, asset) < 0 else {}


def sink_again(state: State, now: datetime) -> None:
    """A new leader begins, or goes on with an asset: funds that sink come first."""
    for fund_id, asset in _sinking(state, now):
        looking.cascade_of(state, asset).sunk[fund_id] = None


def goes_on(state: State) -> bool:
    """Whether some inventory would be closed, were a leader to begin now."""
    assert state.time is not None
    return bool(_sinking(state, state.time))


def _sinking(state: State, now: datetime) -> list[tuple[str, str]]:
    """Funds that sink with something that can be closed, each with the asset in which it does."""
    held = {
        (fund.fund_id, state.markets[symbol].contract.settlement_asset)
        for fund in state.funds.values()
        for symbol in fund.inventory
    }
    return [
        (fund_id, asset)
        for fund_id, asset in sorted(held)
        if asset not in state.stalled
        and funds.balance_at_mark(state, state.funds[fund_id], asset) < 0
        and _next(state, state.funds[fund_id], asset, now)
    ]


def go_on(step: Step, cascade: Cascade) -> bool:
    """Close what funds sink with, against a bounded number; whether nothing of it is left."""
    state, left = step.state, step.state.bounds.closed
    while cascade.sunk and left > 0 and step.shares < state.bounds.shares:
        fund = state.funds[next(iter(cascade.sunk))]
        funds.settle_inventory(step, fund, cascade.asset)
        market = _next(state, fund, cascade.asset, step.now)
        if market is None:
            del cascade.sunk[fund.fund_id]
            continue
        if not _is_ranked(step, market, fund):
            return False
        left -= _close(step, fund, market)
        looking.check_touched(step)
        step.blamed = cascade.asset
    return not cascade.sunk


def _next(state: State, fund: Fund, asset: str, now: datetime) -> Market | None:
    """The contract whose inventory lacks most, of those that can be closed now (MRK-4)."""
    found = []
    for symbol, inventory in fund.inventory.items():
        market = state.markets[symbol]
        profit = funds.unrealized_profit(state, inventory)
        if market.contract.settlement_asset != asset or profit >= 0:
            continue
        if margin.can_liquidate(market, now):
            found.append((profit, symbol))
    return state.markets[min(found)[1]] if found else None


def _is_ranked(step: Step, market: Market, fund: Fund) -> bool:
    """Whether the other side's queue is made; a large one is made in parts (ADL-5)."""
    state, longs = step.state, fund.inventory[market.contract.symbol].quantity < 0
    return ranking.ready(state, market, step.now, longs=longs) or ranking.make(
        state, market, step.now, longs=longs
    )


def _close(step: Step, fund: Fund, market: Market) -> int:
    """One event: an inventory is closed at its cost as far as the other side bears it, then at
    mark. Returns how many counterparties it took."""
    contract, held = market.contract, fund.inventory[market.contract.symbol]
    had = funds.balance(fund, contract.settlement_asset)
    assert had == 0, (fund.fund_id, had)  # all of it was settled
    closing = _Sunk(
        step=step,
        market=market,
        held=held,
        value=held.cost,
        event_id=step.next_id("adl_event"),
        queue=ranking.queue(step.state, market, step.now, longs=held.quantity < 0),
        fund=fund,
    )
    before, value = held.quantity, held.cost
    opposing.against_others(closing, at_mark=False)
    if held.quantity and not closing.full:
        _close_at_mark(closing)
    _make_up(step, fund, market, closing.lacking)
    opposing.announce(closing, opposing.event_of(closing, before, value))
    ranking.unpin(step.state)
    return len(closing.closed)


def _close_at_mark(closing: _Sunk) -> None:
    """What nobody could bear; the traders opposite hold all of it: a delivery comes later."""
    opposing.against_others(closing, at_mark=True)
    assert closing.full or not closing.held.quantity, closing.held


def _make_up(step: Step, fund: Fund, market: Market, lacking: Decimal) -> None:
    """What was closed at mark for less than it cost is the treasury's to pay: the fund has nothing.

    Rounding may leave a unit too much, which is the fund's.
    """
    contract, clearing = market.contract, market.clearing
    if lacking > 0:
        paid, _ = deficits.cover(step, contract, clearing, lacking, None)
        assert paid == 0, (fund.fund_id, paid)
    else:
        wallet = funds.first_wallet(step, fund, contract.settlement_asset)
        step.transfer("inventory_settlement", clearing, wallet, -lacking, symbol=contract.symbol)
