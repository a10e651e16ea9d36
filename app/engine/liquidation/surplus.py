"""The surplus of a liquidation, where the fund's policy claims it (LIQ-8).

It is what the orders that closed a position left of the equity that was allotted to it, less the
fee: what its owner would not have, had he been closed at the bankruptcy price.
"""

from __future__ import annotations

from app.engine.liquidation.work import Work
from app.engine.numbers import round_down
from app.engine.traders import Position
from app.engine.trading import funds


def hand_over(work: Work, position: Position) -> None:
    """Give the fund what is left of a finished position: all of it closed, no part bankrupt.

    What other positions of the scope need stays: as much equity as liquidating restores (LIQ-4).
    """
    step = work.step
    contract = step.state.markets[position.symbol].contract
    fund, asset = funds.fund_of(step.state, contract), contract.settlement_asset
    if fund.policy.liquidation_surplus == "trader" or position.quantity:
        return
    if position not in work.left or position in work.case.lost:
        return
    record, now, wallet = work.records[position], work.net(), work.wallet()
    left = work.left[position] - record.clearance_fee
    spared = round_down(now.equity - contract.liquidation_restore_ratio * now.maintenance_margin)
    amount = min(left, spared, wallet.balance)
    if amount <= 0:
        return
    step.transfer(
        "liquidation_surplus",
        wallet,
        funds.first_wallet(step, fund, asset),
        amount,
        symbol=record.symbol,
        liquidation_id=record.liquidation_id,
    )
    step.touch_cross(work.account.account_id, asset)
    record.fund_amount += amount
    work.tell(record, "liquidation_surplus", amount=amount)
