"""Money's part of a step: wallets, transfers between them, hash-chained histories.

Every movement is one transfer between two wallets of one asset (NUM-4), and the only one.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, TypeVar, cast, get_args

from app.engine.events import (
    Alert,
    AlertKind,
    FundEntry,
    HistoryKind,
    LedgerKind,
    Transfer,
    TreasuryEntry,
    TreasuryKind,
)
from app.engine.memory import FundMemory
from app.engine.numbers import plain, texts, time_text
from app.engine.outcome import FundBalance, Kept, Outcome
from app.engine.scopes import MAIN, Scope, WalletKind, wallet_key
from app.engine.state import Fund, State, Treasury
from app.engine.traders import Account, Position, Wallet

HISTORY_KINDS = frozenset(get_args(HistoryKind))
TREASURY_KINDS = frozenset(get_args(TreasuryKind))
MAY_OWE = ("emergency_injection", "opening")
"""What alone leaves the treasury with less than nothing."""
TRADER_WALLETS = ("cross", "isolated")
CHAINED_WALLETS = ("fund", "treasury")
"""Whose every change is a row of a hash-chained history (HIS-1)."""
SECOND = timedelta(seconds=1)

Counted = Literal["order", "trade", "liquidation", "liquidation_event", "adl_event"]
"""What is given an identifier by whoever makes it; transfers and alerts get theirs here."""


class Ledger:
    """What one command moves at time `now`, and the `outcome` in which it is remembered.

    A `Step` is made, never a mere ledger.
    """

    __slots__ = ("now", "outcome", "state")

    state: State
    now: datetime
    outcome: Outcome

    def _touch(self, kept: Kept) -> None:
        """Remember that something changed that the store keeps."""
        self.outcome.touched[kept] = None

    def next_id(self, kind: Counted) -> int:
        """The next identifier of a kind."""
        counters = self.state.counters
        number: int = getattr(counters, kind) + 1
        setattr(counters, kind, number)
        return number

    def wallet(self, kind: WalletKind, owner: str, asset: str, name: str = "") -> Wallet:
        """The wallet, opened at zero when it does not exist."""
        key = wallet_key(kind, owner, asset, name)
        wallet = self.state.wallets.get(key)
        if wallet is None:
            wallet = Wallet(key=key, kind=kind, owner=owner, asset=asset, name=name)
            self.state.wallets[key] = wallet
            self._touch(wallet)
        return wallet

    def cross_wallet(self, account: Account, asset: str) -> Wallet:
        """The account's cross wallet in an asset."""
        wallet = account.wallets.get(asset)
        if wallet is None:
            wallet = account.wallets[asset] = self.wallet("cross", account.account_id, asset)
        return wallet

    def isolated_wallet(self, position: Position) -> Wallet:
        """The isolated wallet of a position."""
        if position.wallet is None:
            position.wallet = self.scope_wallet(position.scope)
        return position.wallet

    def scope_wallet(self, scope: Scope) -> Wallet:
        """The wallet of a margin scope."""
        if not scope.isolated:
            return self.cross_wallet(self.state.accounts[scope.account_id], scope.asset)
        return self.wallet("isolated", scope.account_id, scope.asset, scope.wallet_name)

    def fund_wallet(self, fund: Fund, asset: str, name: str) -> Wallet:
        """The fund's wallet of that name and asset, opened when it does not exist (FND-6)."""
        for existing in fund.wallets:
            if existing.asset == asset and existing.name == name:
                return existing
        opened = self.wallet("fund", fund.fund_id, asset, name)
        fund.wallets.append(opened)
        self._touch(fund)
        return opened

    def transfer(
        self,
        kind: LedgerKind,
        source: Wallet,
        destination: Wallet,
        amount: Decimal,
        *,
        symbol: str | None = None,
        reference: str | None = None,
        liquidation_id: int | None = None,
    ) -> None:
        """Move `amount` from `source` to `destination`; negative moves it back, zero does nothing.

        Where a fund's or the treasury's is a side, its history gets an entry of the same kind.
        """
        if amount == 0:
            return
        if amount < 0:
            source, destination, amount = destination, source, -amount
        assert source.asset == destination.asset, (source.key, destination.key)
        assert source is not destination, source.key
        source.balance -= amount
        destination.balance += amount
        touched = self.outcome.touched
        touched[source] = touched[destination] = None
        trader = source if source.kind in TRADER_WALLETS else destination
        counters = self.state.counters
        counters.transfer += 1
        if reference is None and liquidation_id is not None:
            reference = f"liquidation/{liquidation_id}"
        self.outcome.records.append(
            Transfer(
                transfer_id=counters.transfer,
                time=self.now,
                kind=kind,
                asset=source.asset,
                amount=amount,
                source=source.key,
                source_balance=source.balance,
                destination=destination.key,
                destination_balance=destination.balance,
                account_id=trader.owner if trader.kind in TRADER_WALLETS else None,
                symbol=symbol,
                reference=reference,
            )
        )
        if source.kind in CHAINED_WALLETS:
            self._enter(source, kind, -amount, symbol, liquidation_id)
        if destination.kind in CHAINED_WALLETS:
            self._enter(destination, kind, amount, symbol, liquidation_id)

    def _enter(
        self,
        wallet: Wallet,
        kind: LedgerKind,
        amount: Decimal,
        symbol: str | None,
        liquidation_id: int | None,
    ) -> None:
        enter = self._fund_entry if wallet.kind == "fund" else self._treasury_entry
        enter(wallet, kind, amount, symbol, liquidation_id)

    def _fund_entry(
        self,
        wallet: Wallet,
        kind: LedgerKind | HistoryKind,
        amount: Decimal,
        symbol: str | None,
        liquidation_id: int | None,
    ) -> None:
        if kind == "rebalance":
            kind = "rebalance_in" if amount > 0 else "rebalance_out"
        assert kind in HISTORY_KINDS, kind  # money moves in a fund only so (FND-10)
        fund = self.state.funds[wallet.owner]
        entry = fund_entry(
            fund,
            self.now,
            wallet,
            cast("HistoryKind", kind),
            amount,
            symbol=symbol,
            liquidation_id=liquidation_id,
        )
        self._chain(fund, entry)
        held = fund.balance(wallet.asset)
        self.outcome.balances += (FundBalance(entry, held),)
        policy = fund.policy
        if policy.drawdown_breaker is not None or policy.max_payout_per_day is not None:
            self._remember(fund, entry, held)
        if fund.inventory or fund.memory:
            self.watch_soon(fund)

    def _chain(self, head: Fund | Treasury, entry: FundEntry | TreasuryEntry) -> None:
        """A history has a new last row."""
        head.sequence = entry.sequence
        head.last_hash = entry.hash
        self._touch(head)
        self.outcome.records.append(entry)

    # What a fund's limits and warnings remember

    def memory(self, fund: Fund, asset: str) -> FundMemory:
        """What is remembered of a fund's asset; at first nothing, its balance apart."""
        memory = fund.memory.get(asset)
        if memory is None:
            memory = fund.memory[asset] = FundMemory(fund.fund_id, asset)
        self._touch(memory)
        return memory

    def _remember(self, fund: Fund, entry: FundEntry, balance: Decimal) -> None:
        """What counts of an entry for breaker and payout limits is remembered (FND-3, FND-12)."""
        memory = self.memory(fund, entry.asset)
        was_stopped = memory.stopped
        for minute in memory.note(fund.policy, entry.kind, entry.amount, balance, self.now):
            self._touch(minute)
        if memory.stopped != was_stopped:
            self.stop_takeovers(fund, memory, stopped=memory.stopped)

    def stop_takeovers(self, fund: Fund, memory: FundMemory, *, stopped: bool) -> None:
        """A breaker stops takeovers, or lets them go on, and the operators are told (FND-3)."""
        memory.stopped = stopped
        self._touch(memory)
        breaker = fund.policy.drawdown_breaker
        assert breaker is not None, fund
        drawdown = memory.drawdown(breaker, self.now)
        self.alert(
            "takeovers_stopped" if stopped else "takeovers_resumed",
            fund.fund_id,
            memory.asset,
            lost=drawdown.lost,
            peak=drawdown.peak,
            limit=breaker.stop if stopped else breaker.resume,
        )

    def warned(self, memory: FundMemory, cap: Decimal, drawdown: Decimal) -> None:
        """These levels were warned of, and are not armed again (ADL-3)."""
        memory.cap_warned, memory.drawdown_warned = cap, drawdown
        self._touch(memory)

    def watch_soon(self, fund: Fund) -> None:
        """Something of a fund changed: it is looked at within a second (ADL-3)."""
        soon, watch_at = self.now + SECOND, self.state.watch_at
        if fund.is_watched and (watch_at is None or soon < watch_at):
            self.state.watch_at = soon

    def _treasury_entry(
        self,
        wallet: Wallet,
        kind: LedgerKind | Literal["opening"],
        amount: Decimal,
        symbol: str | None = None,
        liquidation_id: int | None = None,
    ) -> None:
        assert kind in TREASURY_KINDS, kind  # money moves in the treasury only so (FND-10)
        owes = amount < 0 and wallet.balance < 0
        assert not owes or kind in MAY_OWE, (kind, wallet.balance)  # FND-4
        treasury = self.state.treasury
        entry = _next_entry(
            TreasuryEntry,
            treasury,
            self.now,
            wallet,
            kind,
            amount,
            symbol=symbol,
            liquidation_id=liquidation_id,
        )
        self._chain(treasury, entry)

    def begin_treasury_history(self) -> None:
        """What the treasury holds from before it had a history is the first of that (HIS-1)."""
        if self.state.treasury.sequence:
            return
        markets = self.state.markets.values()
        for asset in sorted({market.contract.settlement_asset for market in markets}):
            wallet = self.state.wallets.get(wallet_key("treasury", "", asset))
            if wallet is not None and wallet.balance:
                self._treasury_entry(wallet, "opening", wallet.balance)

    def alert(
        self, kind: AlertKind, fund_id: str | None, asset: str | None, **detail: object
    ) -> None:
        """Announce something the operators must know."""
        self.state.counters.alert += 1
        self.outcome.records.append(
            Alert(
                alert_id=self.state.counters.alert,
                time=self.now,
                kind=kind,
                fund_id=fund_id,
                asset=asset,
                detail=texts(detail),
            )
        )


def fund_entry(
    fund: Fund,
    time: datetime,
    wallet: Wallet,
    kind: HistoryKind,
    amount: Decimal,
    *,
    symbol: str | None,
    liquidation_id: int | None,
) -> FundEntry:
    """The next row of a fund's history (HIS-1)."""
    return _next_entry(
        FundEntry,
        fund,
        time,
        wallet,
        kind,
        amount,
        symbol=symbol,
        liquidation_id=liquidation_id,
    )


Entry = TypeVar("Entry", FundEntry, TreasuryEntry)


def _next_entry(
    row: type[Entry],
    head: Fund | Treasury,
    time: datetime,
    wallet: Wallet,
    kind: Any,
    amount: Decimal,
    *,
    symbol: str | None,
    liquidation_id: int | None,
) -> Entry:
    """The row behind the head of a chain, hashed as ARCHITECTURE.md publishes it (HIS-4)."""
    sequence, name = head.sequence + 1, wallet.name or MAIN
    line = "|".join(
        [
            head.last_hash,
            head.fund_id,
            str(sequence),
            time_text(time),
            name,
            wallet.asset,
            kind,
            plain(amount),
            plain(wallet.balance),
            symbol or "",
            "" if liquidation_id is None else str(liquidation_id),
        ]
    )
    return row(
        fund_id=head.fund_id,
        sequence=sequence,
        time=time,
        wallet=name,
        asset=wallet.asset,
        kind=kind,
        amount=amount,
        balance_after=wallet.balance,
        symbol=symbol,
        liquidation_id=liquidation_id,
        previous_hash=head.last_hash,
        hash=hashlib.sha256(line.encode()).hexdigest(),
    )
