"""What a fund's history and its liquidations were in a minute, an hour or a day (HIS-2, HIS-3).

Kept as they come, so that no report adds the history up.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from functools import reduce
from typing import Literal, NamedTuple

from app.engine.events import FundEntry
from app.engine.numbers import EXACT, ZERO, begin_of
from app.engine.outcome import FundBalance, Outcome, Volume, VolumeKind
from app.store.growing import WIDTHS, Growing, Grown, KeptInterval, join, rolled_up


class IntervalRow(NamedTuple):
    """A fund's balance in an asset, of all its wallets together, in the interval from `time` on.

    `open` is what it had before; a move between two of its wallets is neither a high nor a low.
    """

    fund_id: str
    asset: str
    interval: KeptInterval
    time: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal

    @property
    def key(self) -> tuple[str, str, KeptInterval, datetime]:
        """The key of its row."""
        return self[:4]

    def then(self, later: IntervalRow) -> IntervalRow:
        """The interval with what came to it later."""
        return self._replace(
            high=max(self.high, later.high), low=min(self.low, later.low), close=later.close
        )


class FlowRow(NamedTuple):
    """What a fund's history has of one kind in an interval: sums of what came in and went out.

    `largest_outflow` is the most that went out at once: for one liquidation out of all wallets.
    """

    fund_id: str
    asset: str
    interval: KeptInterval
    time: datetime
    kind: str
    inflow: Decimal
    outflow: Decimal
    largest_outflow: Decimal

    @property
    def key(self) -> tuple[str, str, KeptInterval, datetime, str]:
        """The key of its row."""
        return self[:5]

    def then(self, later: FlowRow) -> FlowRow:
        """The flow with what came to it later."""
        return self._replace(
            inflow=EXACT.add(self.inflow, later.inflow),
            outflow=EXACT.add(self.outflow, later.outflow),
            largest_outflow=max(self.largest_outflow, later.largest_outflow),
        )


class VolumeRow(NamedTuple):
    """How many positions of a side of a fund's contracts were liquidated in an interval, taken over
    or closed by ADL; `value` is theirs at mark."""

    fund_id: str
    asset: str
    interval: Literal["1h", "1d"]
    time: datetime
    kind: VolumeKind
    side: Literal["long", "short"]
    count: int  # type: ignore[assignment]  # nobody calls the method of tuples
    value: Decimal

    @property
    def key(self) -> tuple[str, str, KeptInterval, datetime, VolumeKind, str]:
        """The key of its row."""
        return self[:6]

    def then(self, later: VolumeRow) -> VolumeRow:
        """The volume with what came to it later."""
        return self._replace(
            count=self.count + later.count, value=EXACT.add(self.value, later.value)
        )


Balances = Sequence[FundBalance]
Cause = tuple[str, str | None, int | None]
"""Kind, contract and liquidation of an entry."""


def fund_rows(outcomes: Iterable[Outcome]) -> dict[str, Sequence[Growing]]:
    """What these add to which rows, by table; at most one row of each key."""
    intervals: Grown[IntervalRow] = {}
    flows: Grown[FlowRow] = {}
    volumes: Grown[VolumeRow] = {}
    for outcome in outcomes:
        if outcome.balances:
            minute = begin_of(outcome.time, WIDTHS["1m"])
            for came in _by_fund(outcome.balances):
                join(intervals, (_interval(minute, came),))
                join(flows, _flows(minute, came))
        if outcome.volumes:
            hour = begin_of(outcome.time, WIDTHS["1h"])
            join(volumes, (_volume(hour, volume) for volume in outcome.volumes))
    return {
        "fund_intervals": rolled_up(intervals, "1h", "1d"),
        "fund_flows": rolled_up(flows, "1h", "1d"),
        "fund_volumes": rolled_up(volumes, "1d"),
    }


def _by_fund(balances: Balances) -> Iterable[Balances]:
    """What one command did, by fund and asset."""
    found = defaultdict(list)
    for one in balances:
        found[one.entry.fund_id, one.entry.asset].append(one)
    return found.values()


def _interval(minute: datetime, came: Balances) -> IntervalRow:
    first, totals = came[0], [one.balance for one in came]
    # Of a move between two of its wallets the fund has two entries, out of one and into the other,
    # after both of which it has what it had.
    is_inner = totals[:1] == totals[1:2] and first.entry.amount < 0 < came[1].entry.amount
    before = first.balance if is_inner else EXACT.subtract(first.balance, first.entry.amount)
    return IntervalRow(
        fund_id=first.entry.fund_id,
        asset=first.entry.asset,
        interval="1m",
        time=minute,
        open=before,
        high=max(before, *totals),
        low=min(before, *totals),
        close=totals[-1],
    )


def _flows(minute: datetime, came: Balances) -> Iterator[FlowRow]:
    """A row for each kind and cause: one payment may be shared by several wallets."""
    causes: defaultdict[Cause, list[FundEntry]] = defaultdict(list)
    for entry, _ in came:
        causes[entry.kind, entry.symbol, entry.liquidation_id].append(entry)
    for (kind, *_), entries in causes.items():
        outflow = _sum(-entry.amount for entry in entries if entry.amount < 0)
        yield FlowRow(
            fund_id=entries[0].fund_id,
            asset=entries[0].asset,
            interval="1m",
            time=minute,
            kind=kind,
            inflow=_sum(entry.amount for entry in entries if entry.amount > 0),
            outflow=outflow,
            largest_outflow=outflow,
        )


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    return reduce(EXACT.add, amounts, ZERO)


def _volume(hour: datetime, volume: Volume) -> VolumeRow:
    return VolumeRow(
        fund_id=volume.fund_id,
        asset=volume.asset,
        interval="1h",
        time=hour,
        kind=volume.kind,
        side=volume.side,
        count=1,
        value=volume.value,
    )
