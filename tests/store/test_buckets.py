"""What is kept of a fund by minute, hour and day is what its history adds up to (HIS-2, HIS-3)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.engine.events import FundEntry, HistoryKind
from app.engine.numbers import begin_of
from app.engine.outcome import Outcome
from app.engine.traders import Wallet
from app.store.buckets import fund_rows
from app.store.growing import WIDTHS, join
from tests.store.states import Exchange

D = Decimal
Move = tuple[int, int, int, HistoryKind, int, bool]
"""Seconds since the last, from and to which wallet, as what, how much, in the same command."""

moves = st.tuples(
    st.sampled_from([0, 1, 50, 61, 3600, 90_000]), st.integers(0, 4), st.integers(0, 4),
    st.sampled_from(["adjustment", "bankruptcy_loss", "rebalance_out"]), st.integers(1, 10**10),
    st.booleans(),
)  # fmt: skip


def history(way: list[Move]) -> list[Outcome]:
    """Moves between the world and wallets of two funds, two of one among them."""
    exchange = Exchange()
    exchange.open_fund("a")
    exchange.open_fund("b")
    step = exchange.step()
    wallets = [step.wallet("external", "", "USDT"), *exchange.state.funds["a"].wallets]
    wallets += exchange.state.funds["b"].wallets
    for seconds, source, destination, kind, units, same in way:
        if not same:
            exchange.state.counters.command += seconds
            step = exchange.step()
        amount = min(D(units) / 10**8, room(wallets[source]))
        if source != destination:
            step.transfer(kind, wallets[source], wallets[destination], amount, liquidation_id=units)  # type: ignore[arg-type]
    return exchange.outcomes


def room(wallet: Wallet) -> Decimal:
    return D(10**9) if wallet.kind == "external" else wallet.balance


@given(st.lists(moves, max_size=30), st.lists(st.integers(0, 40), max_size=5))
def test_batches_may_be_cut_anywhere(way: list[Move], cuts: list[int]) -> None:
    """Open, high, low, close and flows are those of a walk over every row of the history."""
    outcomes = history(way)
    grown: defaultdict[str, dict[Any, Any]] = defaultdict(dict)
    for first, last in pairwise(sorted({0, *cuts, len(outcomes)})):
        for name, rows in fund_rows(outcomes[first:last]).items():
            join(grown[name], rows)
    entries = [entry for outcome in outcomes for entry in outcome.of(FundEntry)]
    assert {row[:4]: row[4:] for row in grown["fund_intervals"].values()} == intervals(entries)
    assert {row[:5]: row[5:] for row in grown["fund_flows"].values()} == flows(entries)


def within(time: datetime) -> Iterator[tuple[str, datetime]]:
    return ((name, begin_of(time, width)) for name, width in WIDTHS.items())


def intervals(entries: list[FundEntry]) -> dict[Any, Any]:
    """By a walk: a row that takes from one wallet what the next gives to another is half a move."""
    totals: defaultdict[str, Decimal] = defaultdict(D)
    found: defaultdict[Any, list[Decimal]] = defaultdict(list)
    for number, entry in enumerate(entries):
        before = totals[entry.fund_id]
        totals[entry.fund_id] += entry.amount
        for interval in within(entry.time):
            came = found[entry.fund_id, "USDT", *interval]
            came += [] if came else [before]
            if not is_inner(entry, entries[number + 1 : number + 2]):
                came.append(totals[entry.fund_id])
    return {key: (seen[0], max(seen), min(seen), seen[-1]) for key, seen in found.items()}


def is_inner(entry: FundEntry, later: list[FundEntry]) -> bool:
    """Transfers between the world and a wallet have one row, those between two wallets two."""
    return any(
        (one.fund_id, one.amount, one.liquidation_id, one.time, one.kind)
        == (entry.fund_id, -entry.amount, entry.liquidation_id, entry.time, entry.kind)
        and entry.amount < 0 and one.wallet != entry.wallet
        for one in later
    )  # fmt: skip


def flows(entries: list[FundEntry]) -> dict[Any, Any]:
    causes: defaultdict[Any, list[Decimal]] = defaultdict(list)
    for one in entries:
        causes[one.fund_id, one.kind, one.time, one.liquidation_id].append(one.amount)
    found: defaultdict[Any, list[Decimal]] = defaultdict(lambda: [D(0), D(0), D(0)])
    for (fund_id, kind, time, _), amounts in causes.items():
        came = sum((amount for amount in amounts if amount > 0), D(0))
        went = -sum((amount for amount in amounts if amount < 0), D(0))
        for interval in within(time):
            sums = found[fund_id, "USDT", *interval, kind]
            sums[:] = sums[0] + came, sums[1] + went, max(sums[2], went)
    return {key: tuple(sums) for key, sums in found.items()}
