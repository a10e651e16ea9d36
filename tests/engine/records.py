"""What an outcome's records must say among themselves, and of the state they left (LIQ, ADL)."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from app.engine.events import AdlEvent, Alert, ClearanceFee, FundEntry, Liquidation, Trade
from app.engine.outcome import Outcome
from app.engine.state import State
from app.engine.traders import Order
from tests.engine.arithmetic import (
    exact_value,
    is_left_alone,
    rounded,
    value,
    worth_of_price_unit,
)
from tests.engine.counterfactuals import check_counterfactual
from tests.engine.owned import check_owners
from tests.engine.reported import check_reported

BESIDE = ("liquidation_clearance_fee", "inventory_settlement")
"""What stands beside a liquidation's `fund_amount`, which adds up all else it moved in the fund."""


def check_records(outcome: Outcome, state: State) -> None:
    """Every record of an outcome."""
    makers = {order.order_id: order for order in outcome.touched if isinstance(order, Order)}
    for trade in outcome.of(Trade):
        _no_better_order_is_left(trade, makers[trade.maker_order_id], state)
    for record in outcome.of(Liquidation):
        _fills(record, outcome)
        _fee(record, outcome, state)
        _ending(record, outcome, state)
        _story(record)
        _netting(record, outcome)
    for event in outcome.of(AdlEvent):
        _adl(event, outcome, state)
    check_owners(outcome, state)
    check_reported(outcome, state)
    _bankrupt_wallets_are_empty(outcome, state)


def _place(order: Order) -> int:
    return order.requeued or order.order_id


def _no_better_order_is_left(trade: Trade, maker: Order, state: State) -> None:
    """Price first, then time: whoever stood before the maker is gone (ORD-2, ORD-15)."""
    selling = trade.taker_side == "buy"
    side = "sell" if selling else "buy"
    for order in state.orders.values():
        if (order.symbol, order.side) != (trade.symbol, side) or order.price is None:
            continue
        if is_left_alone(state, order.account_id, order.symbol, order.position_side):
            continue
        if order.created_at == trade.time:
            continue  # it was triggered, and placed behind that trade
        better = order.price < trade.price if selling else order.price > trade.price
        earlier = order.price == trade.price and _place(order) < _place(maker)
        assert not better, f"{order} was passed over by {trade}"
        assert not earlier, f"{order} was passed over by {trade}"


def _fills(record: Liquidation, outcome: Outcome) -> None:
    """The fills of liquidation orders, none beyond its limit (LIQ-4)."""
    trades = {t.trade_id: t for t in outcome.of(Trade) if t.liquidation_id == record.liquidation_id}
    assert record.filled_quantity == sum((t.quantity for t in trades.values()), Decimal(0)), record
    assert record.filled_value == sum((t.value for t in trades.values()), Decimal(0)), record
    side = "sell" if record.side == "long" else "buy"
    limit = Decimal(0)
    for step in record.steps:
        if step.kind == "order":
            text = step.detail["limit_price"]
            limit = Decimal(0) if text == "none" else Decimal(text)
        elif step.kind == "fill":
            trade = trades.pop(int(step.detail["trade_id"]))
            assert (trade.taker_account_id, trade.taker_side) == (record.account_id, side), trade
            within = trade.price >= limit if side == "sell" else trade.price <= limit
            assert within, f"{trade} is beyond the limit {limit}"
    assert not trades, f"not in the story: {trades}"


def _fee(record: Liquidation, outcome: Outcome, state: State) -> None:
    """min(rate x filled value, what remains); nothing where a part is bankrupt (LIQ-5, LIQ-6)."""
    fees = [f for f in outcome.of(ClearanceFee) if f.liquidation_id == record.liquidation_id]
    assert len(fees) <= 1, fees
    charged = fees[0].fee if fees else Decimal(0)
    assert record.clearance_fee == charged, record
    rate = state.markets[record.symbol].contract.clearance_fee_rate
    full = rounded(Fraction(rate) * Fraction(record.filled_value))
    bankrupt = record.taken_over_quantity + record.deleveraged_quantity > 0
    assert charged <= full, record
    assert not (charged and bankrupt), record
    goes_on = state.markets[record.symbol].contract.settlement_asset in state.cascades
    if charged < full and record.margin_mode == "isolated" and not bankrupt and not goes_on:
        assert record.outcome == "closed", record
        assert record.final_wallet == 0, f"a capped fee leaves something: {record}"
    for fee in fees:
        policy = state.funds[fee.fund_id].policy
        shares = (policy.share_below_minimum, policy.share_above_minimum)
        assert fee.to_fund + fee.to_revenue == fee.fee, fee
        assert Fraction(fee.to_fund) in [rounded(Fraction(charged * share)) for share in shares]
        assert fee.capped == (charged < full), fee
        assert record.clearance_fee_to_fund == fee.to_fund, record


def _ending(record: Liquidation, outcome: Outcome, state: State) -> None:
    """Quantities, outcome and the fund's part agree with what happened (LIQ-9)."""
    parts = [record.filled_quantity, record.taken_over_quantity, record.deleveraged_quantity]
    filled, taken, deleveraged = (part > 0 for part in parts)
    parts.append(record.netted_quantity)
    filled = filled or not (taken or deleveraged or not record.netted_quantity)
    assert all(part >= 0 for part in parts), record
    assert sum(parts) <= record.quantity, record
    if taken or deleveraged or record.outcome == "closed":
        most = max((len(e.counterparties) for e in _events(record, outcome)), default=0)
        assert sum(parts) == record.quantity or most == state.bounds.closed, record
    expected = {
        (False, False, False): ("orders_canceled",),
        (True, False, False): ("reduced", "closed"),
        (False, True, False): ("taken_over",),
        (False, False, True): ("deleveraged",),
    }.get((filled, taken, deleveraged), ("mixed",))
    assert record.outcome in expected, record
    assert record.outcome != "reduced" or sum(parts) < record.quantity, record
    moved = sum(
        (e.amount for e in outcome.of(FundEntry)
         if e.liquidation_id == record.liquidation_id and e.kind not in BESIDE), Decimal(0),
    )  # fmt: skip
    assert record.fund_amount == moved, f"{record.fund_amount}, in the history {moved}: {record}"


def _events(record: Liquidation, outcome: Outcome) -> list[AdlEvent]:
    return [e for e in outcome.of(AdlEvent) if e.liquidation_id == record.liquidation_id]


def _story(record: Liquidation) -> None:
    """From the trigger to the end (LIQ-9)."""
    kinds = [step.kind for step in record.steps]
    assert (kinds[0], kinds[-1]) == ("trigger", "end"), kinds
    assert kinds.count("trigger") == kinds.count("end") == 1, kinds


def _netting(record: Liquidation, outcome: Outcome) -> None:
    """LONG and SHORT of a cross account are netted by as much, at mark, before all else (LIQ-2)."""
    legs = [
        other
        for other in outcome.of(Liquidation)
        if (other.event_id, other.symbol, other.netted_quantity)
        == (record.event_id, record.symbol, record.netted_quantity)
    ]
    told = [step for step in record.steps if step.kind == "netting"]
    assert len(told) == (record.netted_quantity > 0), record
    for step in told:
        assert {leg.position_side for leg in legs} == {"long", "short"}, legs
        assert record.margin_mode == "cross", record
        assert Decimal(step.detail["quantity"]) == record.netted_quantity, record
        assert Decimal(step.detail["price"]) == record.mark_price, record
        before = [one.kind for one in record.steps[: record.steps.index(step)]]
        assert not {*before} - {"trigger", "orders_canceled"}, before


def _adl(event: AdlEvent, outcome: Outcome, state: State) -> None:
    """Ranked, priced at the bankruptcy price or at mark, and announced (ADL-2 to ADL-4)."""
    account = None
    if event.liquidation_id is not None:
        account = next(
            record.account_id
            for record in outcome.of(Liquidation)
            if record.liquidation_id == event.liquidation_id
        )
    check_counterfactual(event, account, state)
    scores = [Decimal(entry.score) for entry in event.queue]
    assert scores == sorted(scores, reverse=True), event
    at_bankruptcy = [p for p in event.counterparties if p.reason != "mark_price"]
    same_owner = {part.reason == "same_owner" for part in event.counterparties} == {True}
    at_mark = [p for p in event.counterparties if p.reason == "mark_price"]
    assert list(event.counterparties) == at_bankruptcy + at_mark, event
    own = [p for p in event.counterparties if p.account_id == account]
    assert same_owner or own in ([], list(event.counterparties[-1:])), (
        f"its other leg is not the last: {event}"
    )
    for parts in (at_bankruptcy, [p for p in at_mark if p not in own]):
        ranks = [p.rank for p in parts]
        if event.adl_policy == "pro_rata":  # what the shares left goes along the queue once more
            ranks = sorted(set(ranks))
            assert len(parts) <= 2 * len(ranks), event
        assert ranks == sorted(set(ranks)), event
    for part in event.counterparties:
        assert 0 < part.quantity <= part.quantity_before, part
    contract = state.markets[event.symbol].contract
    sign = 1 if event.side == "long" else -1
    worth = value(contract, sign * event.quantity, event.mark_price)
    bankrupt = Fraction(0)
    if event.bankruptcy_price:
        bankrupt = exact_value(contract, sign * event.quantity, event.bankruptcy_price)
    deficit = max(Fraction(0), bankrupt - worth)
    tolerance = worth_of_price_unit(contract, event.quantity, event.bankruptcy_price)
    tolerance += Fraction(2, 10**8)
    assert abs(Fraction(event.deficit) - deficit) <= tolerance, event
    assert Fraction(event.notional_closed) == abs(worth), event
    assert event.overshoot >= 0, event
    announced = any(alert.kind == "adl" for alert in outcome.of(Alert))
    assert announced or same_owner, "not announced (FND-11)"


def _bankrupt_wallets_are_empty(outcome: Outcome, state: State) -> None:
    """Takeover and ADL leave a scope's wallet at exactly zero (FND-1).

    Of a cross account: once no position is open, and if no fill of another one left a surplus.
    """
    filled = {
        record.event_id
        for record in outcome.of(Liquidation)
        if record.filled_quantity and record.margin_mode == "cross"
    }
    for record in outcome.of(Liquidation):
        bankrupt = record.taken_over_quantity + record.deleveraged_quantity
        if any(
            part.account_id == record.account_id and part.reason != "same_owner"
            for event in _events(record, outcome)
            for part in event.counterparties
        ):
            continue  # at mark against its own other leg: what that leaves is the trader's (ADL-2)
        delivery = state.markets[record.symbol].delivery
        if record.deleveraged_quantity and delivery and delivery.price is not None:
            continue  # or against what a delivery has closed of the others (DLV-1)
        closed = bankrupt + record.filled_quantity + record.netted_quantity
        if bankrupt == 0 or closed < record.quantity:
            continue  # none of it, or it goes on in the next part
        positions = state.accounts[record.account_id].positions.values()
        asset = state.markets[record.symbol].contract.settlement_asset
        more = record.margin_mode == "cross" and (
            record.event_id in filled
            or any(
                p.quantity and not p.wallet
                and state.markets[p.symbol].contract.settlement_asset == asset
                for p in positions
            )
        )  # fmt: skip
        assert more or record.final_wallet == 0, record
