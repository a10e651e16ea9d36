"""Offloading worked out naively: what a step may sell, at which price, what it brings (FND-5)."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

from app.engine.commands.funds import Offload
from app.engine.contracts import Contract
from app.engine.events import FundEntry, OffloadStep, Trade
from app.engine.outcome import Outcome
from app.engine.policies import OffloadPolicy
from app.engine.state import Fund, State
from app.engine.traders import Order
from tests.engine.arithmetic import exact_value, left_alone, value


@dataclass
class Offloads:
    """In which interval each fund has offloaded each contract last."""

    last: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)

    def observe(self, outcome: Outcome, state: State) -> None:
        """A step is an `Offload`'s, and the only one that trades for a fund."""
        steps = outcome.of(OffloadStep)
        trades = [trade for trade in outcome.of(Trade) if trade.taker_account_id is None]
        booked = [entry for entry in outcome.of(FundEntry) if entry.kind == "offload_pnl"]
        if not isinstance(outcome.command, Offload):
            assert [*steps, *trades, *booked] == [], outcome
            return
        (step,) = steps
        contract = state.markets[step.symbol].contract
        policy = state.funds[step.fund_id].policy.offload
        assert policy is not None, step
        assert (step.fund_id, step.symbol) == (outcome.command.fund_id, outcome.command.symbol)
        self._in_time(step, policy, outcome.time)
        if step.reason is not None:
            assert [*trades, *booked] == [], step
            assert not step.filled_quantity, step
            assert not step.profit, step
            return
        assert contract.status != "halted", step
        _within_bounds(step, policy, contract, _depth(step, trades, outcome, state))
        _fills(step, contract, trades)
        assert sum(entry.amount for entry in booked) == step.profit, booked
        assert all(entry.symbol == step.symbol for entry in booked), booked

    def _in_time(self, step: OffloadStep, policy: OffloadPolicy, now: datetime) -> None:
        interval = policy.interval_seconds, int(now.timestamp()) // policy.interval_seconds
        key = step.fund_id, step.symbol
        assert step.time == now, step
        assert self.last.get(key) != interval, f"twice in an interval: {step}"
        self.last[key] = interval


def _depth(step: OffloadStep, trades: list[Trade], outcome: Outcome, state: State) -> Fraction:
    """What stood within the limit before, at most: what is left, was filled or cancelled."""
    assert step.limit_price is not None, step
    gone = [o for o in outcome.touched if isinstance(o, Order) and o.order_id not in state.orders]
    found = sum((trade.quantity for trade in trades), Decimal(0))
    for order in {order.order_id: order for order in (*state.orders.values(), *gone)}.values():
        if order.symbol != step.symbol or order.side == step.side or order.price is None:
            continue
        beyond = step.limit_price - order.price
        if (beyond <= 0) if step.side == "sell" else (beyond >= 0):
            found += order.quantity - order.filled_quantity
    return Fraction(found)


def _within_bounds(
    step: OffloadStep, policy: OffloadPolicy, contract: Contract, depth: Fraction
) -> None:
    """Never beyond fraction, share of the depth, slippage; nor the other way (FND-5)."""
    held, lot = abs(Fraction(step.held)), Fraction(contract.lot_size)
    assert step.side == ("sell" if step.held > 0 else "buy"), step
    assert 0 < step.filled_quantity <= step.quantity <= held, step
    small = abs(value(contract, step.held, step.mark_price)) <= policy.full_size_notional
    most = held if small else max(lot, held * Fraction(policy.fraction))
    assert step.quantity <= most, f"{step}, of at most {most}"
    share = max(lot, depth * Fraction(policy.max_depth_share))
    assert step.quantity <= share, f"{step}, with a depth of {depth}"
    mark, limit = Fraction(step.mark_price), Fraction(step.limit_price or 0)
    slippage = mark * Fraction(policy.max_slippage)
    if step.side == "sell":
        assert limit >= mark - slippage, step
    else:
        assert limit <= mark + slippage, step


def _fills(step: OffloadStep, contract: Contract, trades: list[Trade]) -> None:
    """The fills are the fund's, without a fee; what they brought beyond mark is the profit."""
    sign = 1 if step.side == "buy" else -1
    paid = Fraction(0)
    for trade in trades:
        assert (trade.symbol, trade.taker_side) == (step.symbol, step.side), trade
        assert not trade.taker_fee, trade
        assert (trade.taker_order_id, trade.liquidation_id) == (None, None), trade
        beyond = sign * (trade.price - (step.limit_price or trade.price))
        assert beyond <= 0, f"{trade} is beyond the limit of {step}"
        paid += value(contract, sign * trade.quantity, trade.price)
    filled = sum((trade.quantity for trade in trades), Decimal(0))
    assert filled == step.filled_quantity, step
    rest = step.held + sign * filled
    before, after = (value(contract, one, step.mark_price) for one in (step.held, rest))
    assert Fraction(step.profit) == after - before - paid, step
    assert step.average_price is not None, step
    off = abs(exact_value(contract, sign * filled, step.average_price) - paid)
    assert off <= Fraction(1, 10**4), step


def check_no_fund_sinks(state: State, now: datetime, waiting: AbstractSet[str]) -> None:
    """What a fund cannot settle is of contracts that wait for a tick, or of a cascade (FND-5)."""
    for fund in state.funds.values():
        for symbol, inventory in fund.inventory.items():
            market = state.markets[symbol]
            contract, mark = market.contract, market.mark
            asset, limit = contract.settlement_asset, contract.mark_staleness_seconds
            assert mark is not None, symbol
            if asset in state.cascades or asset in left_alone(state) or symbol in waiting:
                continue
            if limit is not None and (now - mark.time).total_seconds() > limit:
                continue
            if Fraction(inventory.cost) <= value(contract, inventory.quantity, mark.price):
                continue
            assert _at_mark(state, fund, asset) >= 0, f"{fund.fund_id} sinks with {inventory}"


def _at_mark(state: State, fund: Fund, asset: str) -> Fraction:
    """What a fund has, its inventory at mark."""
    has = sum((Fraction(w.balance) for w in fund.wallets if w.asset == asset), Fraction(0))
    for symbol, inventory in fund.inventory.items():
        market = state.markets[symbol]
        if market.contract.settlement_asset == asset and market.mark is not None:
            has += value(market.contract, inventory.quantity, market.mark.price)
            has -= Fraction(inventory.cost)
    return has
