"""The histories of funds and of the treasury, made of the ledger's transfers once more (HIS-1)."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction

from app.engine.commands.leaders import Recover
from app.engine.events import FundEntry, Transfer, TreasuryEntry
from app.engine.numbers import plain
from app.engine.outcome import Outcome
from app.engine.state import State
from tests.engine.fund_moves import as_kind

Entry = FundEntry | TreasuryEntry
Chain = tuple[type, str]
"""Of a fund, or the treasury's, by the kind of its rows."""


class Histories:
    """The head of each chain; `observe` every outcome in order."""

    def __init__(self) -> None:
        self.heads: dict[Chain, tuple[int, str]] = defaultdict(lambda: (0, "0" * 64))

    def observe(self, outcome: Outcome, wallets: Mapping[str, Fraction]) -> None:
        """One entry per movement of a fund's or the treasury's wallet, chained as published (HIS-1,
        HIS-4); but for what the treasury held when its history began."""
        found = [one for one in outcome.records if isinstance(one, Entry)]
        movements = [m for transfer in outcome.of(Transfer) for m in _movements(transfer)]
        moved = [(_wallet(e), e.kind, e.amount, e.balance_after, e.symbol, _liquidation(e))
                 for e in found if e.kind != "opening"]  # fmt: skip
        assert moved == movements, f"history {moved}, ledger {movements}"
        for entry in found:
            if entry.kind == "opening":
                assert entry.amount == entry.balance_after, entry
                assert Fraction(entry.amount) == wallets[_wallet(entry)], entry
                assert isinstance(outcome.command, Recover), entry
            chain = type(entry), entry.fund_id
            sequence, head = self.heads[chain]
            assert entry.sequence == sequence + 1, entry
            assert entry.previous_hash == head, entry
            assert entry.time == outcome.time, entry
            assert entry.hash == chain_hash(entry), entry
            self.heads[chain] = (entry.sequence, entry.hash)

    def compare(self, state: State) -> None:
        """The state has these heads."""
        for fund in state.funds.values():
            head = fund.sequence, fund.last_hash
            assert head == self.heads[FundEntry, fund.fund_id], fund.fund_id
        head = state.treasury.sequence, state.treasury.last_hash
        assert head == self.heads[TreasuryEntry, "treasury"], "the treasury"


def chain_hash(entry: Entry) -> str:
    """The hash of a row of a history, from ARCHITECTURE.md's words ("The hash chain")."""
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


Movement = tuple[str, str, Decimal, Decimal, str | None, str | None]


def _movements(transfer: Transfer) -> list[Movement]:
    """The rows that a transfer should leave: wallet, kind, amount, balance, symbol, liquidation."""
    sides = (
        (transfer.source, -transfer.amount, transfer.source_balance),
        (transfer.destination, transfer.amount, transfer.destination_balance),
    )
    caused = transfer.reference or ""
    liquidation = caused if caused.startswith("liquidation/") else None
    return [
        (key, as_kind(transfer.kind, amount), amount, balance, transfer.symbol, liquidation)
        for key, amount, balance in sides
        if key.startswith(("fund/", "treasury/"))
    ]


def _wallet(entry: Entry) -> str:
    """The key of the wallet that a row is of."""
    if isinstance(entry, FundEntry):
        return f"fund/{entry.fund_id}/{entry.asset}/{entry.wallet}"
    assert (entry.fund_id, entry.wallet) == ("treasury", "main"), entry
    return f"treasury/{entry.asset}"


def _liquidation(entry: Entry) -> str | None:
    return None if entry.liquidation_id is None else f"liquidation/{entry.liquidation_id}"
