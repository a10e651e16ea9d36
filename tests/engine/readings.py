"""What readers are shown, against naive arithmetic: account and position figures, ADL queues."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import get_args

from app.engine.figures import margin, ranking
from app.engine.markets import Market
from app.engine.numbers import EXACT
from app.engine.policies import AdlPolicy
from app.engine.state import State
from app.engine.traders import Position
from tests.engine.arithmetic import (
    UNITS,
    Leg,
    Scope,
    available,
    cross_scope,
    exact_value,
    is_left_alone,
    leverage_of,
    mark_price,
    price_at,
    price_unit,
    scopes,
)

ROUNDING = Fraction(20, UNITS)
HAIR = Fraction(1, 10**6)
"""How far from a liquidation price, relatively, a scope is certainly at risk or certainly not."""


def check_readings(state: State) -> None:
    """Everything that can be read of every account and contract."""
    with localcontext(EXACT):
        for account in state.accounts.values():
            for asset in account.wallets:
                _account(state, account.account_id, asset)
        for _, scope in scopes(state):
            for leg in scope.legs:
                _position(state, scope, leg)
        for market in state.markets.values():
            for longs in (True, False):
                _queue(state, market, longs=longs)


def _account(state: State, account_id: str, asset: str) -> None:
    account = state.accounts[account_id]
    shown, scope = margin.cross_summary(state, account, asset), cross_scope(state, account, asset)
    equity = scope.equity + scope.reserved
    assert Fraction(shown.equity) == equity, shown
    assert shown.equity == shown.wallet_balance + shown.unrealized_profit, shown
    assert Fraction(shown.maintenance_margin) == scope.maintenance, shown
    free = available(state, account, asset)
    assert abs(Fraction(shown.available_balance) - max(Fraction(0), free)) <= ROUNDING, shown
    assert abs(Fraction(shown.initial_margin) - (equity - free)) <= ROUNDING, shown
    assert (shown.margin_ratio is None) == (equity <= 0), shown


def _position(state: State, scope: Scope, leg: Leg) -> None:
    shown = margin.position_summary(state, leg.account, leg.position)
    assert Fraction(shown.unrealized_profit) == leg.profit, shown
    assert Fraction(shown.maintenance_margin) == leg.maintenance, shown
    assert Fraction(shown.notional) == abs(leg.mark_value), shown
    assert shown.leverage == leverage_of(leg.account, leg.contract), shown
    assert (shown.isolated_wallet is not None) == leg.isolated, shown
    unit, long = price_unit(leg.contract), leg.position.quantity > 0
    entry = price_at(leg.contract, leg.position.quantity, leg.position.cost) or Fraction(0)
    if shown.entry_price % leg.contract.tick_size == 0 and leg.contract.margining == "inverse":
        half_tick = Fraction(leg.contract.tick_size) / 2  # it costs the same there (NUM-1)
        paid = exact_value(
            leg.contract, leg.position.quantity, shown.entry_price or Decimal(UNITS) ** 2
        )
        assert abs(paid - Fraction(leg.position.cost)) <= Fraction(5, 2 * UNITS), shown
        assert abs(Fraction(shown.entry_price) - entry) <= half_tick, shown
    else:
        assert abs(Fraction(shown.entry_price) - entry) <= unit / 2, shown
    # Where a loss has used up all that stands behind the position; no such price, no answer.
    # Legs that stand before one equity move together.
    both = [other for other in scope.legs if other.market is leg.market]
    net = sum((other.position.quantity for other in both), Decimal(0))
    cost = sum((Fraction(other.position.cost) for other in both), Fraction(0))
    bankrupt = cost - (scope.equity - sum((other.profit for other in both), Fraction(0)))
    near = [
        price_at(leg.contract, net, bankrupt + off) if net else None
        for off in (-ROUNDING, ROUNDING)  # what isolated orders hold back is rounded up
    ]
    found = [price for price in near if price is not None]
    if shown.bankruptcy_price is None:
        assert len(found) < 2, shown
    elif len(found) == 2:
        assert min(found) - unit <= Fraction(shown.bankruptcy_price) <= max(found) + unit, shown
    else:
        assert found, shown
    if len(both) > 1:
        _shared_price(scope, leg, shown.liquidation_price)
        return
    if shown.liquidation_price is None:
        # Between next to nothing and beyond every bracket it is never, or always, at risk.
        ends = [_slack_at(scope, leg, price) for price in (Fraction(1, 10**20), Fraction(10**20))]
        assert not (min(ends) < -ROUNDING and max(ends) > ROUNDING), f"{ends}: {shown}"
        return
    price = Fraction(shown.liquidation_price)
    hair = price * HAIR + 2 * unit
    safe, risky = (price + hair, price - hair) if long else (price - hair, price + hair)
    if risky > 0 and safe > 0:
        assert _slack_at(scope, leg, risky) < ROUNDING, f"not at risk beyond {shown}"
        assert _slack_at(scope, leg, safe) > -ROUNDING, f"at risk before {shown}"


def _shared_price(scope: Scope, leg: Leg, shown: Decimal | None) -> None:
    """Of two legs before one equity: on one side of the price they are at risk, on the other not.

    From mark to there, and as far the other way, they stay what they are: it is the nearest.
    """
    mark = mark_price(leg.market)
    now = _slack_at(scope, leg, mark)
    if shown is None:
        ends = [_slack_at(scope, leg, price) for price in (Fraction(1, 10**20), Fraction(10**20))]
        assert not (min(*ends, now) < -ROUNDING and max(*ends, now) > ROUNDING), (ends, now)
        return
    price = Fraction(shown)
    hair = price * HAIR + 2 * price_unit(leg.contract)
    around = [_slack_at(scope, leg, at) for at in (price - hair, price + hair) if at > 0]
    assert len(around) < 2 or min(around) < ROUNDING, f"not at risk around {shown}: {around}"
    assert max(around) > -ROUNDING, f"at risk around {shown}: {around}"
    far = abs(mark - price) * (1 - HAIR) - hair
    if far <= 0:
        return  # it is at mark, as good as
    for at in ((mark + price) / 2, mark + far if mark > price else mark - far):
        if at > 0:
            there = _slack_at(scope, leg, at)
            assert (there > -ROUNDING) if now >= 0 else (there < ROUNDING), f"{shown}: {there}"


def _slack_at(scope: Scope, leg: Leg, price: Fraction) -> Fraction:
    """Equity less maintenance margin of a scope if only this leg's mark were `price`."""
    assert leg.market.mark is not None
    moved = replace(leg.market.mark, price=Decimal(price.numerator) / _divisor(price))
    before, leg.market.mark = leg.market.mark, moved
    try:
        return scope.equity - scope.maintenance
    finally:
        leg.market.mark = before


def _divisor(price: Fraction) -> Decimal:
    assert (price * 10**30).denominator == 1, price
    return Decimal(price.denominator)


def _queue(state: State, market: Market, *, longs: bool) -> None:
    """The ranked queue, made anew from scratch; a copy, so that looking changes nothing (ADL-1).

    A large one may be older than its scores, but holds the same positions once made (ADL-5).
    """
    side = [p for p in market.positions.values() if (p.quantity > 0) == longs]
    policy = state.funds[market.contract.insurance_fund].policy.adl_policy
    kept = market.rankings.get(longs)
    if kept is not None and kept.policy != policy:
        kept = None  # it was another's, and is made anew when it is asked for
    expected = sorted((-_score(state, p, policy), p.account_id, p.side) for p in side)
    if kept is not None and not state.unranked:
        shown = [(account, leg) for *_, account, leg in ranking.entries(kept)]
        wanted = [(account, leg) for _, account, leg in expected]
        if not kept.large:
            assert shown == wanted, (shown, expected)
        elif kept.made_at is not None:
            assert sorted(shown) == sorted(wanted), (shown, wanted)
    for p in side:
        for one in get_args(AdlPolicy):
            found = Fraction(-ranking.place_of(state, market, p, one)[0])
            naive = _score(state, p, one)
            assert abs(found - naive) <= abs(naive) / 10**25, f"{p}: {found}, not {naive}"


def _score(state: State, position: Position, policy: AdlPolicy) -> Fraction:
    """pnl% x effective leverage, or divided by it at a loss; last without equity (ADL-1).

    `legacy`: max(0, profit) / max(1, balance) x maintenance / equity; `pro_rata`: the size.
    What is left alone is last as well (REC-2).
    """
    if is_left_alone(state, position.account_id, position.symbol, position.side):
        return Fraction(ranking.LAST)
    leg = Leg(state, position)
    if leg.isolated:
        wallet = position.wallet  # none where its profit alone backs it (ORD-3)
        balance = Fraction(wallet.balance) if wallet else Fraction(0)
        equity, maintenance = balance + leg.profit, leg.maintenance
    else:
        scope = cross_scope(state, leg.account, leg.contract.settlement_asset)
        balance = scope.wallet
        equity, maintenance = scope.equity + scope.reserved, scope.maintenance
    notional = abs(leg.mark_value)
    if equity <= 0 or (notional == 0 and policy == "current"):
        return Fraction(ranking.LAST)
    if policy == "legacy":
        return max(Fraction(0), leg.profit) / max(Fraction(1), balance) * maintenance / equity
    if policy == "pro_rata":
        return abs(Fraction(position.quantity))
    pnl, leverage = leg.profit / notional, notional / equity
    return pnl * leverage if pnl > 0 else pnl / leverage
