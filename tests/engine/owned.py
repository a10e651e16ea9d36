"""One owner's accounts come before fund and strangers where one of them is bankrupt (FND-12)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction

from app.engine.events import AdlEvent, Liquidation, Transfer
from app.engine.outcome import Outcome
from app.engine.state import State
from app.engine.traders import Position
from tests.engine.arithmetic import (
    UNITS,
    Leg,
    Scope,
    cross_scope,
    exact_value,
    is_left_alone,
    maintenance,
    mark_price,
)

SLACK = Fraction(20, UNITS)


def check_owners(outcome: Outcome, state: State) -> None:
    """Of each event who took part, and of each takeover that nobody of the owner's could have."""
    liquidated = {record.account_id for record in outcome.of(Liquidation)}
    _results(outcome, state)
    for record in outcome.of(Liquidation):
        owner = state.accounts[record.account_id].owner_id
        events = [e for e in outcome.of(AdlEvent) if e.liquidation_id == record.liquidation_id]
        for event in events:
            for part in event.counterparties:
                same = owner is not None and state.accounts[part.account_id].owner_id == owner
                assert part.reason != "same_owner" or same, f"{part} of {event}"
        if owner is None:
            continue
        for price in _prices(record, events):
            for position in _opposite(state, record, owner):
                if position.account_id not in liquidated - {record.account_id}:
                    _cannot_bear(state, record, position, price)


def _results(outcome: Outcome, state: State) -> None:
    """What is said of owners is what the ledger and the liquidations say."""
    sums: dict[tuple[str, str], list[Fraction]] = defaultdict(lambda: [Fraction(0)] * 4)
    said: dict[tuple[str, str], list[Fraction]] = defaultdict(lambda: [Fraction(0)] * 4)

    def add(account_id: str, symbol: str, *amounts: Decimal) -> None:
        owner = state.accounts[account_id].owner_id
        if owner is not None and any(amounts):
            found = zip(sums[owner, symbol], amounts, strict=True)
            sums[owner, symbol] = [one + Fraction(more) for one, more in found]

    none = Decimal(0)
    for transfer in outcome.of(Transfer):
        if transfer.kind == "realized_profit" and transfer.account_id and transfer.symbol:
            won = transfer.destination.startswith(("cross/", "isolated/"))
            amounts = (transfer.amount, none) if won else (none, transfer.amount)
            add(transfer.account_id, transfer.symbol, *amounts, none, none)
    for record in outcome.of(Liquidation):
        paid = max(none, -record.fund_amount)
        add(record.account_id, record.symbol, none, none, paid, -record.treasury_amount)
    for owner, symbol, *told in outcome.owned:
        found = zip(said[owner, symbol], told, strict=True)
        said[owner, symbol] = [one + Fraction(more) for one, more in found]
    assert dict(said) == dict(sums), f"owners: {dict(said)}, not {dict(sums)}"


def _prices(record: Liquidation, events: list[AdlEvent]) -> Iterator[Decimal]:
    """At which the fund or strangers took a part of the position at its bankruptcy value."""
    for step in record.steps:
        if step.kind == "takeover":
            yield Decimal(step.detail["price"])
    for event in events:
        if any(part.reason == "bankruptcy_price" for part in event.counterparties):
            yield event.bankruptcy_price


def _opposite(state: State, record: Liquidation, owner: str) -> Iterator[Position]:
    """What the owner still has on the other side, and is not set aside."""
    sign = 1 if record.side == "long" else -1
    for account in state.accounts.values():
        for position in account.positions.values():
            if (
                account.owner_id == owner
                and position.symbol == record.symbol
                and position.quantity * sign < 0
                and not is_left_alone(state, account.account_id, position.symbol, position.side)
            ):
                yield position


def _cannot_bear(state: State, record: Liquidation, position: Position, price: Decimal) -> None:
    """Closing one lot more would have put its scope at risk."""
    market, leg = state.markets[record.symbol], Leg(state, position)
    contract = market.contract
    account = state.accounts[position.account_id]
    scope = cross_scope(state, account, contract.settlement_asset)
    if leg.isolated:
        balance = Fraction(position.wallet.balance) if position.wallet else Fraction(0)
        scope = Scope("isolated", balance, [leg], Fraction(0))
    if scope.at_risk:
        return
    lot = contract.lot_size * (1 if record.side == "long" else -1)
    paid = exact_value(contract, lot, price) if price else Fraction(0)
    equity = scope.equity - (paid - exact_value(contract, lot, mark_price(market)))
    rest = abs(exact_value(contract, position.quantity + lot, mark_price(market)))
    kept = scope.maintenance - leg.maintenance + maintenance(contract, rest)
    slack = equity - kept
    assert slack <= SLACK, f"{position} could have borne a lot at {price}, {float(slack)} left"
