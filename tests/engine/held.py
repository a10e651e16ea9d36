"""Held profits, worked out from the ledger: nobody withdraws them too early (FND-12)."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from app.engine.commands.accounts import Withdraw
from app.engine.events import Transfer
from app.engine.outcome import Outcome
from app.engine.rejections import Rejection
from app.engine.state import State

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PAID = ("bankruptcy_loss", "deficit_cover", "emergency_injection")


@dataclass
class Part:
    """What an account won in a part of the time."""

    newest: datetime
    amount: Fraction


class Held:
    """Profits and payouts of contracts whose funds hold profits, as the ledger tells of them."""

    def __init__(self) -> None:
        self.parts: dict[tuple[str, str], dict[datetime, Part]] = defaultdict(dict)
        self.paid: dict[str, datetime] = {}

    def observe(self, outcome: Outcome, state: State) -> None:
        """After a command, compare and judge what was withdrawn."""
        for transfer in outcome.of(Transfer):
            hold = self._hold(state, transfer.symbol)
            if hold is not None and transfer.symbol is not None:
                self._take(transfer, transfer.symbol, hold)
        self._compare(state)
        command, result = outcome.command, outcome.result
        if isinstance(command, Withdraw) and command.account_id in state.accounts:
            wallet = state.accounts[command.account_id].wallets.get(command.asset)
            balance = Fraction(wallet.balance) if wallet else Fraction(0)
            held = self._held(state, command.account_id, command.asset, outcome.time)
            if outcome.accepted:
                assert balance >= held or not held, f"{command} leaves {balance}, {held} is held"
            elif isinstance(result, Rejection) and result.code == "profit_held":
                assert balance - Fraction(command.amount) < held, f"{command}: {held} is held"
                assert Fraction(result.context["held"]) == held, result

    @staticmethod
    def _hold(state: State, symbol: str | None) -> timedelta | None:
        if symbol not in state.markets:
            return None
        fund = state.funds[state.markets[symbol].contract.insurance_fund]
        seconds = fund.policy.profit_hold_seconds
        return None if seconds is None else timedelta(seconds=seconds)

    def _take(self, transfer: Transfer, symbol: str, hold: timedelta) -> None:
        now = transfer.time
        if transfer.kind in PAID:
            self.paid[symbol] = now
        if transfer.kind != "realized_profit" or transfer.account_id is None:
            return
        parts = self.parts[transfer.account_id, symbol]
        for since in [since for since, part in parts.items() if part.newest + hold <= now]:
            del parts[since]
        since = now - (now - EPOCH) % max(timedelta(minutes=1), hold / 24)
        part = parts.setdefault(since, Part(now, Fraction(0)))
        won = transfer.destination.startswith(("cross/", "isolated/"))
        part.newest = now
        part.amount += Fraction(transfer.amount) * (1 if won else -1)
        if not part.amount:
            del parts[since]

    def _compare(self, state: State) -> None:
        kept = {
            (account, symbol): [(part.since, part.newest, Fraction(part.amount)) for part in parts]
            for account, own in state.profits.items()
            for symbol, parts in own.items()
        }
        found = {
            key: [(since, part.newest, part.amount) for since, part in sorted(parts.items())]
            for key, parts in self.parts.items()
            if parts
        }
        assert kept == found, f"held are {kept}, not {found}"
        assert {payout.symbol: payout.time for payout in state.payouts.values()} == self.paid

    def _held(self, state: State, account_id: str, asset: str, now: datetime) -> Fraction:
        total = Fraction(0)
        for (account, symbol), parts in self.parts.items():
            contract, hold = state.markets[symbol].contract, self._hold(state, symbol)
            if account != account_id or contract.settlement_asset != asset or hold is None:
                continue
            if symbol in self.paid and self.paid[symbol] + hold > now:
                young = [part.amount for part in parts.values() if part.newest + hold > now]
                total += max(Fraction(0), sum(young, Fraction(0)))
        return total
