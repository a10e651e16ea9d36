"""Who may be moved by what: the right party pays (NUM-5, FND-4, FND-13)."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from app.engine.commands.accounts import AdjustMargin, ConfigureContract, Deposit, Withdraw
from app.engine.commands.orders import (
    AmendOrder,
    CancelAllDue,
    CancelOrder,
    CancelOrders,
    PlaceOrder,
)
from app.engine.events import AdlEvent, FundingSettled, Liquidation, Transfer
from app.engine.outcome import Outcome
from app.engine.state import State
from tests.engine.arithmetic import exact_value, mark_price

TRADERS = (
    PlaceOrder, AmendOrder, CancelOrder, CancelOrders, CancelAllDue, ConfigureContract,
    AdjustMargin, Deposit, Withdraw,
)  # fmt: skip
COVERS = ("deficit_cover", "emergency_injection")


def traders_worth(state: State) -> Fraction:
    """The equity of all traders together, positions at mark and unrounded."""
    worth = sum(
        (Fraction(w.balance) for w in state.wallets.values() if w.kind in ("cross", "isolated")),
        Fraction(0),
    )
    for market in state.markets.values():
        for position in market.positions.values():
            worth += exact_value(market.contract, position.quantity, mark_price(market))
            worth -= Fraction(position.cost)
    return worth


def check_payers(
    outcome: Outcome,
    state: State,
    events: dict[int, list[Liquidation]],
    charged: Mapping[str, set[tuple[str, str, str]]],
) -> None:
    """No trader's command moves a fund or the treasury, but for shares of fees (`fund_moves`); a
    deficit is its own contract's fund's.

    `events` are all liquidations so far, by event: one may go on over several commands. `charged`
    are the positions whose funding was settled in the asset's cascade.
    """
    records = {record.liquidation_id: record for record in outcome.of(Liquidation)}
    for record in records.values():
        events.setdefault(record.event_id, []).append(record)
    for transfer in outcome.of(Transfer):
        ends = (transfer.source.split("/")[0], transfer.destination.split("/")[0])
        if isinstance(outcome.command, TRADERS) and transfer.kind != "trading_fee_share":
            assert not {"fund", "treasury"} & set(ends), f"{outcome.command} moved {transfer}"
        if transfer.kind in COVERS and transfer.destination.startswith("revenue/"):
            settled = [funding.symbol for funding in outcome.of(FundingSettled)]
            assert transfer.kind == "emergency_injection", transfer
            assert transfer.symbol in settled, f"no funding of {transfer}"
        elif transfer.kind in COVERS and transfer.reference is None:
            sunk = [adl.symbol for adl in outcome.of(AdlEvent) if adl.liquidation_id is None]
            assert transfer.kind == "emergency_injection", transfer
            assert transfer.symbol in sunk, f"nothing of a fund was closed: {transfer}"
        elif transfer.kind in COVERS:
            assert transfer.reference is not None, f"a cover without its liquidation: {transfer}"
            record = records[int(transfer.reference.removeprefix("liquidation/"))]
            asset = transfer.asset
            paid = {(account, symbol) for account, symbol, _ in charged.get(asset, ())}
            if (record.account_id, transfer.symbol) not in paid:
                _check_cover(transfer, record, events[record.event_id], outcome, state)


def _check_cover(
    transfer: Transfer,
    record: Liquidation,
    event: list[Liquidation],
    outcome: Outcome,
    state: State,
) -> None:
    assert transfer.symbol is not None, transfer
    fund_id = state.markets[transfer.symbol].contract.insurance_fund
    if transfer.kind == "deficit_cover":
        assert transfer.source.split("/")[1] == fund_id, f"{transfer}, not by {fund_id}"
    if any(adl.liquidation_id == record.liquidation_id for adl in outcome.of(AdlEvent)):
        return  # what the position itself could not pay, or its counterparty
    if record.margin_mode == "isolated":
        assert transfer.symbol == record.symbol, f"{transfer} for {record}"
        return
    times = {
        other.symbol: mark.time
        for other in event
        if other.margin_mode == "cross" and (mark := state.markets[other.symbol].mark)
    }
    assert times[transfer.symbol] == max(times.values()), f"{transfer}: not the newest tick's"
