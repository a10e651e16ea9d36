"""The laws a replay checks on what the service reports."""

from __future__ import annotations

import hashlib
from decimal import Decimal

import pytest

from app.engine.events import GENESIS_HASH
from app.replay.books import (
    Books,
    History,
    chain_problem,
    check_fees,
    check_histories,
    check_maintenance,
    check_money,
    check_quantities,
)

D = Decimal
Row = dict[str, str]


def history(*changes: tuple[str, str]) -> list[Row]:
    """An exported history of fund `usdt-other`: (kind, amount) in turn."""
    rows: list[Row] = []
    previous, balance = GENESIS_HASH, D(0)
    for sequence, (kind, amount) in enumerate(changes, start=1):
        balance += D(amount)
        line = (
            f"{previous}|usdt-other|{sequence}|2021-05-19T12:00:00.000000Z|main|USDT|{kind}|"
            f"{amount}|{balance}|BTCUSDT|"
        )
        digest = hashlib.sha256(line.encode()).hexdigest()
        rows.append({
            "sequence": str(sequence), "time": "2021-05-19T12:00:00.000000Z",
            "fund": "usdt-other", "wallet": "main", "asset": "USDT", "kind": kind,
            "amount": amount, "balance_after": str(balance), "symbol": "BTCUSDT",
            "liquidation_id": "", "previous_hash": previous, "hash": digest,
        })  # fmt: skip
        previous = digest
    return rows


CHANGES = (("seed_capital", "100"), ("liquidation_clearance_fee", "2.5"), ("bankruptcy_loss", "-9"))


def test_a_true_history_verifies() -> None:
    """HIS-4: with the exported file alone."""
    assert chain_problem(history(*CHANGES)) is None
    assert chain_problem([]) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("amount", "2.4"), ("balance_after", "102.4"), ("kind", "adjustment"), ("sequence", "3"),
        ("hash", "f" * 64), ("previous_hash", "f" * 64), ("wallet", "other"),
        ("time", "2021-05-19T12:00:01.000000Z"), ("liquidation_id", "1"),
    ],
)  # fmt: skip
def test_a_changed_row_does_not(field: str, value: str) -> None:
    rows = history(*CHANGES)
    rows[1][field] = value
    assert chain_problem(rows)


def test_a_missing_row_does_not() -> None:
    rows = history(*CHANGES)
    del rows[1]
    assert chain_problem(rows)


def books(balance: str) -> Books:
    return Books(funds={("usdt-other", "USDT"): D(balance)})


def test_histories_add_up_to_balances() -> None:
    found = [History("usdt-other", history(*CHANGES))]
    assert check_histories(books("93.5"), found).holds
    assert not check_histories(books("93.50000001"), found).holds
    assert not check_histories(Books(), found).holds


def test_money_is_neither_made_nor_lost() -> None:
    before = books("5")
    after = books("100")
    after.traders["USDT"] = D(50)
    after.exchange["USDT"] = D(-3)
    after.cost["USDT"] = D(2)
    assert check_money(before.total(), after.total(), {"USDT": D(140)}).holds
    assert not check_money(before.total(), after.total(), {"USDT": D("140.00000001")}).holds
    assert not check_money(before.total(), after.total(), {}).holds


def test_quantities_sum_to_zero() -> None:
    state = Books()
    state.quantities["BTCUSDT"] = D(0)
    assert check_quantities(state).holds
    state.quantities["ETHUSDT"] = D("0.001")
    assert check_quantities(state).detail == "ETHUSDT: 0.001"


def test_nobody_below_maintenance() -> None:
    assert check_maintenance(Books()).holds
    assert not check_maintenance(Books(below_maintenance=["alice USDT"])).holds


def test_fees_to_funds_are_in_their_histories() -> None:
    found = {"usdt-other": History("usdt-other", history(*CHANGES))}
    assert check_fees([{"fund": "usdt-other", "to_fund": "2.5"}], found).holds
    assert not check_fees([], found).holds
