"""What an insurance fund holds, pays and receives (FND-1, FND-6, FND-7, FND-13)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Literal

from app.engine.contracts import Contract
from app.engine.events import FundMove
from app.engine.markets import Market
from app.engine.numbers import (
    ZERO,
    Quotient,
    divide_half_even,
    divide_up,
    round_down,
    round_value,
    share,
)
from app.engine.scopes import MAIN, wallet_key
from app.engine.state import Fund, Inventory, State
from app.engine.step import Step
from app.engine.traders import Wallet
from app.engine.trading import breakers, holding

NoDistance = Literal[
    "no_balance", "counterparty_first", "drawdown_breaker", "payout_limit", "net_notional_cap"
]
"""Why a fund can accept no further bankrupt position."""


def balance(fund: Fund, asset: str) -> Decimal:
    """A fund's balance in an asset: the sum of its wallets (FND-6)."""
    return fund.balance(asset)


def below_minimum(fund: Fund, asset: str) -> bool:
    """Whether a required minimum is set and not reached (FND-7)."""
    minimum = fund.required_minimum.get(asset)
    return minimum is not None and balance(fund, asset) < minimum


def coverage(fund: Fund, asset: str) -> Quotient:
    """The balance as a fraction of the required minimum that is set, to be compared (FND-7)."""
    return Quotient(balance(fund, asset), fund.required_minimum[asset])


def in_order(fund: Fund, asset: str) -> list[Wallet]:
    """The fund's wallets in an asset as they pay: `main`, then in order of creation (FND-6)."""
    found = [wallet for wallet in fund.wallets if wallet.asset == asset]
    return sorted(found, key=lambda wallet: wallet.name != MAIN) if len(found) > 1 else found


def first_wallet(step: Step, fund: Fund, asset: str) -> Wallet:
    """The wallet that takes what the fund earns: the one that pays first, opened if need be."""
    return next(iter(in_order(fund, asset)), None) or step.fund_wallet(fund, asset, MAIN)


def pay(
    step: Step,
    fund: Fund,
    destination: Wallet,
    amount: Decimal,
    kind: FundMove | Literal["rebalance"],
    *,
    symbol: str | None = None,
    reference: str | None = None,
    liquidation_id: int | None = None,
) -> None:
    """Pay `amount` out of the fund's wallets in their order (FND-6); it must have it."""
    asset = destination.asset
    was_below, had = below_minimum(fund, asset), balance(fund, asset)
    assert had >= amount, (fund.fund_id, asset, had, amount)
    if symbol is not None:  # every fund for its own contracts (FND-13)
        behind = step.state.markets[symbol].contract.insurance_fund
        assert fund.fund_id == behind, (fund.fund_id, behind, symbol)
    holding.remember_payout(step, symbol, kind, amount)
    left = amount
    for source in in_order(fund, asset):
        part = min(left, source.balance)
        step.transfer(
            kind,
            source,
            destination,
            part,
            symbol=symbol,
            reference=reference,
            liquidation_id=liquidation_id,
        )
        left -= part
    _announce(step, fund, asset, was_below=was_below, had=had)


def _announce(step: Step, fund: Fund, asset: str, *, was_below: bool, had: Decimal) -> None:
    """Tell the operators once when a fund falls below its minimum or to zero (FND-7, FND-11)."""
    left = balance(fund, asset)
    if below_minimum(fund, asset) and not was_below:
        fall_short(step, fund, asset)
    if left == 0 and had > 0:
        step.alert("fund_empty", fund.fund_id, asset, balance=left)


def share_fees(step: Step, contract: Contract, fees: Decimal, reference: str) -> None:
    """Revenue gives the contract's fund its share of what a fill brought, if it did (FND-9)."""
    fund = step.state.funds[contract.insurance_fund]
    part = fund.policy.trading_fee_share
    if not part or fees <= 0:
        return
    asset = contract.settlement_asset
    step.transfer(
        "trading_fee_share",
        step.wallet("revenue", "", asset),
        first_wallet(step, fund, asset),
        round_value(part * fees),
        symbol=contract.symbol,
        reference=reference,
    )


def fall_short(step: Step, fund: Fund, asset: str) -> None:
    """A fund is below its minimum: it is topped up, if its policy says so, or all are told (FND-7).

    Not while the asset's cascade goes on, but at its end, and then once: what the fund loses within
    one cascade the treasury does not make good again and again.
    """
    cascade = step.state.cascades.get(asset)
    if cascade is not None and fund.policy.automatic_top_up:
        cascade.short[fund.fund_id] = None
    else:
        end_shortage(step, asset, [fund])


def end_shortage(step: Step, asset: str, short: Iterable[Fund]) -> None:
    """Top funds up that have fallen below their minimum, and tell of those that still are."""
    fallen = [*short]
    _top_up(step, asset, fallen)
    for fund in fallen:
        if below_minimum(fund, asset):
            step.alert(
                "fund_below_minimum",
                fund.fund_id,
                asset,
                balance=balance(fund, asset),
                required_minimum=fund.required_minimum[asset],
            )


def await_top_ups(step: Step, fund: Fund) -> None:
    """Its policy, or a new leader, looks at what a fund is short of already (FND-7)."""
    for asset in sorted(fund.required_minimum):
        if below_minimum(fund, asset):
            fall_short(step, fund, asset)


def treasury_gained(step: Step, asset: str) -> None:
    """The treasury has got money: funds that it could not top up get what they lack (FND-7)."""
    known = sorted(step.state.funds.items())  # in an order that no load changes
    waiting = [fund for _, fund in known if fund.policy.automatic_top_up]
    if asset not in step.state.cascades:
        _top_up(step, asset, waiting)
    else:
        step.state.cascades[asset].short |= {
            fund.fund_id: None for fund in waiting if below_minimum(fund, asset)
        }


def treasury(state: State, asset: str) -> Decimal:
    """What the treasury has of an asset; negative: owes (FND-4)."""
    wallet = state.wallets.get(wallet_key("treasury", "", asset))
    return ZERO if wallet is None else wallet.balance


def await_end(state: State) -> bool:
    """Whether a fund is to be topped up when a cascade ends: none lacks what the treasury has
    otherwise."""
    return any(
        below_minimum(fund, asset) and treasury(state, asset) > 0
        for fund in state.funds.values()
        if fund.policy.automatic_top_up
        for asset in fund.required_minimum
    )


def _top_up(step: Step, asset: str, short: Iterable[Fund]) -> None:
    """Lift funds to their minimum, the least covered first, as far as the treasury is positive."""
    below = [fund for fund in short if fund.policy.automatic_top_up and below_minimum(fund, asset)]
    for fund in sorted(below, key=lambda fund: (coverage(fund, asset), fund.fund_id)):
        has = treasury(step.state, asset)
        if has <= 0:
            return
        amount = min(fund.required_minimum[asset] - balance(fund, asset), has)
        source = step.wallet("treasury", "", asset)
        step.transfer("top_up", source, first_wallet(step, fund, asset), amount)


def settle_inventory(step: Step, fund: Fund, asset: str) -> None:
    """Settle the fund's inventory to mark, profits first (FND-1).

    Losses are settled as far as the balance goes, each in proportion (FND-5); the rest stays in the
    inventory's cost.
    """
    markets = step.state.markets
    due = [
        (unrealized_profit(step.state, fund.inventory[symbol]), symbol)
        for symbol in sorted(fund.inventory)
        if markets[symbol].contract.settlement_asset == asset
    ]
    for profit, symbol in due:
        if profit > 0:
            clearing, wallet = markets[symbol].clearing, first_wallet(step, fund, asset)
            step.transfer("inventory_settlement", clearing, wallet, profit, symbol=symbol)
            _settled(step, fund, symbol, profit)
    lost = -sum((profit for profit, _ in due if profit < 0), ZERO)
    left = min(lost, balance(fund, asset))
    for profit, symbol in due:
        if profit < 0:
            paid = share(left, -profit, lost)
            left, lost = left - paid, lost + profit
            clearing = markets[symbol].clearing
            pay(step, fund, clearing, paid, "inventory_settlement", symbol=symbol)
            _settled(step, fund, symbol, -paid)


def _settled(step: Step, fund: Fund, symbol: str, profit: Decimal) -> None:
    inventory = fund.inventory[symbol]
    step.set_inventory(fund, symbol, inventory.quantity, inventory.cost + profit)


def book_offload(step: Step, fund: Fund, market: Market, profit: Decimal) -> None:
    """A step of offloading came to more, or less, than mark value (FND-5): where that is paid."""
    contract = market.contract
    if profit < 0:
        pay(step, fund, market.clearing, -profit, "offload_pnl", symbol=contract.symbol)
        return
    wallet = first_wallet(step, fund, contract.settlement_asset)
    step.transfer("offload_pnl", market.clearing, wallet, profit, symbol=contract.symbol)


def net_notional(state: State, fund: Fund, asset: str) -> Decimal:
    """Inventory at mark, in absolute value per contract, summed over the asset's contracts."""
    total = ZERO
    for symbol, inventory in fund.inventory.items():
        market = state.markets[symbol]
        if market.contract.settlement_asset == asset:
            total += abs(market.worth(inventory.quantity))
    return total


def unsettled(state: State, fund: Fund, asset: str) -> Iterator[Decimal]:
    """What settling each of its inventory in the asset would add to its balance."""
    for symbol, inventory in fund.inventory.items():
        if state.markets[symbol].contract.settlement_asset == asset:
            yield unrealized_profit(state, inventory)


def unrealized_profit(state: State, inventory: Inventory) -> Decimal:
    """What settling an inventory to mark would add to its fund's balance (FND-1)."""
    return state.markets[inventory.symbol].worth(inventory.quantity) - inventory.cost


def profit_at_mark(state: State, fund: Fund, asset: str) -> Decimal:
    """What settling all its inventory in the asset would add to its balance."""
    return sum(unsettled(state, fund, asset), ZERO)


def balance_at_mark(state: State, fund: Fund, asset: str) -> Decimal:
    """A fund's balance in an asset as it were with its inventory settled to mark; or below zero."""
    return balance(fund, asset) + profit_at_mark(state, fund, asset)


def carries(fund: Fund, at_mark: Decimal, notional: Decimal) -> bool:
    """FND-2: whether that balance, settled to mark, may carry that net notional."""
    return at_mark >= 0 and notional <= fund.policy.max_net_notional_ratio * at_mark


def carrying(fund: Fund, notional: Decimal, at_mark: Decimal) -> Decimal:
    """FND-2: the least balance that carries a net notional; all there is, where none would."""
    ratio = fund.policy.max_net_notional_ratio
    return divide_up(notional, ratio) if ratio else at_mark


def cap(state: State, fund: Fund, asset: str) -> Decimal:
    """The net notional that the fund may carry at mark (FND-2); below zero with its balance."""
    return fund.policy.max_net_notional_ratio * balance_at_mark(state, fund, asset)


def cap_use(state: State, fund: Fund, asset: str) -> Decimal | None:
    """Net notional / cap, for display; None where the fund may carry nothing."""
    most = cap(state, fund, asset)
    return divide_half_even(net_notional(state, fund, asset), most) if most > 0 else None


def drawdown(state: State, fund: Fund, asset: str) -> Decimal | None:
    """The part of the window's highest balance that is lost at mark, for display (FND-3)."""
    assert state.time is not None
    down = breakers.drawdown(fund, asset, state.time, profit_at_mark(state, fund, asset))
    return divide_half_even(down.lost, down.peak) if down is not None and down.peak else None


def paid_out(state: State, fund: Fund, asset: str) -> Decimal | None:
    """What was paid out in the last 24 hours, where that is limited (FND-12)."""
    assert state.time is not None
    return breakers.paid_today(fund, asset, state.time)


def distance(state: State, fund: Fund, asset: str) -> tuple[Decimal, NoDistance | None]:
    """How much the fund can lose before it carries nothing beyond its inventory; why nothing.

    The largest loss, to the unit, with which it still `carries` what it holds, and that breaker and
    payout limits allow in one event, now; zero with a reason.
    """
    now, profit = state.time, profit_at_mark(state, fund, asset)
    at_mark = balance(fund, asset) + profit
    if at_mark <= 0 or now is None:
        return ZERO, "no_balance"
    if fund.policy.counterparty_first:
        return ZERO, "counterparty_first"
    if breakers.is_stopped(fund, asset, now, profit):
        return ZERO, "drawdown_breaker"
    payable = breakers.least(
        breakers.payable_today(fund, asset, now), fund.policy.max_payout_per_event
    )
    if payable == 0:
        return ZERO, "payout_limit"
    filled = carrying(fund, net_notional(state, fund, asset), at_mark)
    if filled >= at_mark:
        return ZERO, "net_notional_cap"
    losable = breakers.losable(fund, asset, now, profit)
    found = breakers.least(at_mark - filled, payable, losable)
    assert found is not None
    return round_down(found), None


def fund_of(state: State, contract: Contract) -> Fund:
    """The fund behind a contract."""
    return state.funds[contract.insurance_fund]
