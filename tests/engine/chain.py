"""A fund's history as the ledger has it to be, chained as published (HIS-1, HIS-4)."""

from __future__ import annotations

import hashlib
from decimal import Decimal

from app.engine.events import FundEntry, Transfer
from app.engine.numbers import plain


def chain_hash(entry: FundEntry) -> str:
    """The hash of a row of a fund's history, from ARCHITECTURE.md's words ("The hash chain")."""
    fields = [
        entry.previous_hash,
        entry.fund_id,
        str(entry.sequence),
        entry.time.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        entry.wallet,
        entry.asset,
        entry.kind,
        plain(entry.amount),
        plain(entry.balance_after),
        entry.symbol or "",
        "" if entry.liquidation_id is None else str(entry.liquidation_id),
    ]
    return hashlib.sha256("|".join(fields).encode("utf-8")).hexdigest()


def fund_movements(transfer: Transfer) -> list[tuple[str, str, Decimal, Decimal, str | None]]:
    """What a transfer moves in wallets of funds."""
    sides = (
        (transfer.source, -transfer.amount, transfer.source_balance),
        (transfer.destination, transfer.amount, transfer.destination_balance),
    )
    return [(key, transfer.kind, amount, balance, transfer.symbol) for key, amount, balance in sides
            if key.startswith("fund/")]  # fmt: skip
