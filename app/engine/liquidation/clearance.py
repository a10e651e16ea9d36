"""The liquidation clearance fee: earned by fills, charged at the end, split (LIQ-5, LIQ-6).

What pays it is a liquidation that went better than bankruptcy. So it is earned while orders fill,
counted as if it were paid (`Work.at_risk`), and charged only when the position's liquidation is
finished; once a part of the position is bankrupt, or the case goes on later and so may still end
bankrupt, what was earned is forgotten.
"""

from __future__ import annotations

from decimal import Decimal

from app.engine.contracts import Contract
from app.engine.events import ClearanceFee, Liquidation
from app.engine.liquidation.work import Work
from app.engine.numbers import ZERO, round_value
from app.engine.traders import Position
from app.engine.trading import funds


def earn(work: Work, record: Liquidation, left: Decimal) -> None:
    """Orders of the position in hand were filled; `left` is what remains of its allotted equity."""
    work.left[work.position] = left
    work.fees[work.position] = max(ZERO, min(_in_full(work.market.contract, record), left))


def _in_full(contract: Contract, record: Liquidation) -> Decimal:
    """The fee on what the orders filled, before its cap (LIQ-5)."""
    return round_value(contract.clearance_fee_rate * record.filled_value)


def charge(work: Work, position: Position) -> None:
    """Charge the fee of a finished position and split it (LIQ-5, LIQ-6)."""
    fee = work.fees.pop(position, ZERO)
    if fee == 0:
        return
    step, record = work.step, work.records[position]
    contract = step.state.markets[record.symbol].contract
    in_full = _in_full(contract, record)
    assert 0 < fee <= in_full, (fee, record)
    fund, asset = funds.fund_of(step.state, contract), contract.settlement_asset
    funds.settle_inventory(step, fund, asset)
    policy = fund.policy
    below = funds.below_minimum(fund, asset)
    to_fund = round_value(
        fee * (policy.share_below_minimum if below else policy.share_above_minimum)
    )
    wallet, revenue = work.wallet(), step.wallet("revenue", "", asset)
    for destination, amount in (
        (funds.first_wallet(step, fund, asset), to_fund),
        (revenue, fee - to_fund),
    ):
        step.transfer(
            "liquidation_clearance_fee",
            wallet,
            destination,
            amount,
            symbol=record.symbol,
            liquidation_id=record.liquidation_id,
        )
    step.touch_cross(work.account.account_id, asset)
    record.clearance_fee += fee
    record.clearance_fee_to_fund += to_fund
    work.tell(record, "clearance_fee", fee=fee, to_fund=to_fund, to_revenue=fee - to_fund)
    step.outcome.records.append(
        ClearanceFee(
            liquidation_id=record.liquidation_id,
            time=step.now,
            symbol=record.symbol,
            fund_id=fund.fund_id,
            asset=asset,
            rate=contract.clearance_fee_rate,
            value=record.filled_value,
            fee=fee,
            to_fund=to_fund,
            to_revenue=fee - to_fund,
            capped=fee < in_full,
        )
    )
