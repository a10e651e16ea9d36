"""What an outcome says of funds for their reports, worked out from its records (HIS-2, HIS-3)."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from fractions import Fraction

from app.engine.events import AdlEvent, FundEntry, Liquidation, Transfer
from app.engine.outcome import Outcome
from app.engine.state import State
from tests.engine.arithmetic import value


def check_reported(outcome: Outcome, state: State) -> None:
    """Each entry of a history comes with what its fund has; volumes are those of the records."""
    assert [balance.entry for balance in outcome.balances] == outcome.of(FundEntry)
    assert _balances(outcome, state) == [balance.balance for balance in outcome.balances]
    told = Counter(
        (one.kind, one.fund_id, one.asset, one.side, Fraction(one.value)) for one in outcome.volumes
    )
    assert told == _volumes(outcome, state)


def _balances(outcome: Outcome, state: State) -> list[Decimal]:
    """Backwards from what the funds have now, transfer by transfer: behind each stand its one or
    two entries, after both of which the money has moved."""
    held: dict[tuple[str, str], Decimal] = {}
    found: list[Decimal] = []
    entries: list[FundEntry] = []
    for record in reversed(outcome.records):
        if isinstance(record, FundEntry):
            wallets = state.funds[record.fund_id].wallets
            total = sum((w.balance for w in wallets if w.asset == record.asset), Decimal(0))
            held.setdefault((record.fund_id, record.asset), total)
            entries.append(record)
        elif isinstance(record, Transfer):
            found += [held[entry.fund_id, entry.asset] for entry in entries]
            for entry in entries:
                held[entry.fund_id, entry.asset] -= entry.amount
            entries = []
    assert not entries, entries
    return found[::-1]


def _volumes(outcome: Outcome, state: State) -> Counter[tuple[str, str, str, str, Fraction]]:
    found: Counter[tuple[str, str, str, str, Fraction]] = Counter()

    def add(kind: str, record: Liquidation | AdlEvent, quantity: Decimal) -> None:
        contract = state.markets[record.symbol].contract
        worth = abs(value(contract, quantity, record.mark_price))
        found[kind, record.fund_id, contract.settlement_asset, record.side, worth] += quantity > 0

    for record in outcome.of(Liquidation):
        closed = record.filled_quantity + record.netted_quantity + record.deleveraged_quantity
        add("liquidation", record, closed + record.taken_over_quantity)
        add("takeover", record, record.taken_over_quantity)
    for event in outcome.of(AdlEvent):
        add("adl", event, event.quantity)
    return +found
