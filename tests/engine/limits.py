"""Breakers and payout limits worked out naively, from all of a fund's history (FND-3, FND-12)."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from app.engine.commands.funds import CreateFund, UpdateFund
from app.engine.commands.leaders import Recover
from app.engine.events import FundEntry, Liquidation
from app.engine.outcome import Outcome
from app.engine.policies import FundPolicy
from app.engine.state import Fund, State

PAYOUTS = ("bankruptcy_loss", "deficit_cover", "offload_pnl")
RESULTS = (*PAYOUTS, "inventory_settlement", "inventory_funding")
DAY = timedelta(hours=24)


@dataclass
class Past:
    """What was of a fund's asset since its breaker, and its limit of a day, were switched on."""

    payouts: list[tuple[datetime, Fraction]] = field(default_factory=list)
    stood: list[tuple[datetime, Fraction, Fraction]] = field(default_factory=list)
    """Until when which result and balance stood."""
    result: Fraction = Fraction(0)
    balance: Fraction = Fraction(0)

    def paid(self, since: datetime) -> Fraction:
        """What was paid after that."""
        return sum((amount for time, amount in self.payouts if time > since), Fraction(0))

    def counted(self, since: datetime) -> Fraction:
        """The same by minutes of which some are after it."""
        return sum((a for time, a in self.payouts if _end(time) > since), Fraction(0))

    def drawdown(self, since: datetime) -> tuple[Fraction, Fraction]:
        """What is lost of the best result, and the highest balance."""
        stood = [(result, balance) for time, result, balance in self.stood if _end(time) > since]
        results, balances = zip(*stood, (self.result, self.balance), strict=True)
        return max(results) - self.result, max(balances)


def _end(time: datetime) -> datetime:
    return time.replace(second=0, microsecond=0) + timedelta(minutes=1)


class Limits:
    """Whether each fund kept to its limits, and remembers what it should."""

    def __init__(self) -> None:
        self.pasts: dict[tuple[str, str], Past] = defaultdict(Past)
        self.policies: dict[str, FundPolicy] = {}
        self.events: dict[tuple[str, int], Fraction] = defaultdict(Fraction)
        self.stopped: set[tuple[str, str]] = set()

    def observe(self, outcome: Outcome, state: State) -> None:
        """A command's entries, by the policies that were there before it."""
        if isinstance(outcome.command, Recover):
            self.events.clear()
        touched = {(entry.fund_id, entry.asset) for entry in outcome.of(FundEntry)}
        for key in touched:
            past = self.pasts[key]
            past.stood.append((outcome.time, past.result, past.balance))
        liquidations = {one.liquidation_id: one.event_id for one in outcome.of(Liquidation)}
        for entry in outcome.of(FundEntry):
            self._entry(entry, liquidations.get(entry.liquidation_id or 0))
        if isinstance(outcome.command, CreateFund | UpdateFund):
            self._new_policy(state.funds[outcome.command.fund_id])
        for fund in state.funds.values():
            self._compare(fund, outcome.time)
        self.stopped = {
            (fund.fund_id, asset)
            for fund in state.funds.values()
            for asset, memory in fund.memory.items()
            if memory.stopped
        }

    def _new_policy(self, fund: Fund) -> None:
        old, new = self.policies.get(fund.fund_id, FundPolicy()), fund.policy
        self.policies[fund.fund_id] = new
        for (fund_id, _), past in self.pasts.items():
            if fund_id == fund.fund_id and new.max_payout_per_day is None:
                past.payouts.clear()
            if fund_id == fund.fund_id and old.drawdown_breaker is None:
                past.stood.clear()
                past.result = Fraction(0)
        if new.max_payout_per_event is None:
            for key in [key for key in self.events if key[0] == fund.fund_id]:
                del self.events[key]

    def _entry(self, entry: FundEntry, event: int | None) -> None:
        key, policy = (entry.fund_id, entry.asset), self.policies[entry.fund_id]
        past, amount = self.pasts[key], Fraction(entry.amount)
        if entry.kind in ("bankruptcy_loss", "takeover_gain") and key in self.stopped:
            assert policy.drawdown_breaker is not None, entry
            window = timedelta(hours=policy.drawdown_breaker.window_hours)
            lost, peak = past.drawdown(entry.time - window)
            resumes = lost == 0 or lost < Fraction(policy.drawdown_breaker.resume) * peak
            assert resumes, f"{lost} of {peak} are lost: {entry}"
        past.balance += amount
        past.result += amount if entry.kind in RESULTS else 0
        if entry.kind in PAYOUTS and amount < 0:
            if policy.max_payout_per_day is not None:
                past.payouts.append((entry.time, -amount))
                paid = past.paid(entry.time - DAY)
                assert paid <= Fraction(policy.max_payout_per_day), f"{paid} in a day: {entry}"
            if policy.max_payout_per_event is not None and entry.liquidation_id is not None:
                assert event is not None, entry
                self.events[entry.fund_id, event] -= amount
                paid = self.events[entry.fund_id, event]
                assert paid <= Fraction(policy.max_payout_per_event), f"{paid}: {entry}"
        if entry.kind == "bankruptcy_loss" and policy.drawdown_breaker is not None:
            window = timedelta(hours=policy.drawdown_breaker.window_hours)
            lost, peak = past.drawdown(entry.time - window)
            assert lost <= Fraction(policy.drawdown_breaker.stop) * peak, (lost, peak, entry)

    def _compare(self, fund: Fund, now: datetime) -> None:
        policy = self.policies.get(fund.fund_id, FundPolicy())
        for (fund_id, asset), past in self.pasts.items():
            if fund_id != fund.fund_id:
                continue
            memory = fund.memory.get(asset)
            if policy.max_payout_per_day is not None:
                paid = Decimal(0) if memory is None else memory.paid(now)
                assert Fraction(paid) == past.counted(now - DAY), (paid, past)
            if policy.drawdown_breaker is not None and memory is not None:
                window = timedelta(hours=policy.drawdown_breaker.window_hours)
                found = memory.drawdown(policy.drawdown_breaker, now)
                lost, peak = past.drawdown(now - window)
                assert Fraction(found.lost) == lost, (found, past)
                assert Fraction(found.peak) == peak, (found, past)
