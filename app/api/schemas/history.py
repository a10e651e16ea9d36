"""The history of insurance funds, and its reports (HIS)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from app.api.schemas.base import Asset, Exact, Id, Time, View
from app.api.schemas.funds import FundWalletView
from app.engine.events import HistoryKind, TreasuryKind

Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class HistoryView(View):
    """One change of a fund's wallet, linked into the fund's hash chain (HIS-1)."""

    sequence: int
    time: Time
    fund: str
    wallet: str
    asset: str
    kind: HistoryKind
    amount: Exact
    balance_after: Exact
    symbol: str | None
    liquidation_id: Id | None
    previous_hash: Hash
    hash: Hash


class TreasuryHistoryView(View):
    """One change of the treasury's wallet in an asset, linked into its one hash chain (HIS-1).

    `opening` is what it held when its history began.
    """

    sequence: int
    time: Time
    fund: Literal["treasury"]
    wallet: Literal["main"]
    asset: str
    kind: TreasuryKind
    amount: Exact
    balance_after: Exact
    symbol: str | None
    liquidation_id: Id | None
    previous_hash: Hash
    hash: Hash


class HistoryHeadView(View):
    """The last row of a history: who notes it can tell whether a later export still has it.

    Without a row the sequence is 0, the hash 64 zeros and the time null.
    """

    sequence: int
    hash: Hash
    time: Time | None
    balances: list[FundWalletView]


class IntervalView(View):
    """A fund's total balance in an asset over an interval that begins at `time` (HIS-2).

    `outflow` is positive; `by_kind` is the net amount of each kind.
    """

    time: Time
    open: Exact
    high: Exact
    low: Exact
    close: Exact
    inflow: Exact
    outflow: Exact
    by_kind: dict[str, Exact]


class LiquidatedView(View):
    """How many positions of a side were liquidated, and what of them was closed, at mark."""

    count: int
    value: Exact


class LiquidatedSidesView(View):
    """By the side of the positions."""

    long: LiquidatedView
    short: LiquidatedView


class ReportHeadView(View):
    """The last row of the fund's history by the end of the day, in whatever asset (HIS-4)."""

    sequence: int
    hash: Hash


class DailyReportView(View):
    """A fund's day in an asset (HIS-3); all values are in that asset.

    `opening` and `closing` are of all wallets, `net_flow` is what lies between. A liquidation is a
    record that closed something, in whatever way; `value` is that at the mark of then, and so are
    `taken_over_value` and `adl_value`. `largest_loss` is the most that the fund paid at once for a
    bankruptcy loss or a deficit, or lost by an offload. Who notes `head` pins the history so far.
    """

    date: str = Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", examples=["2026-01-31"])
    asset: Asset
    complete: bool = Field(description="Whether the day is over, by the service's time.")
    opening: Exact
    closing: Exact
    inflow_by_kind: dict[HistoryKind, Exact]
    outflow_by_kind: dict[HistoryKind, Exact]
    net_flow: Exact
    liquidations: LiquidatedSidesView
    takeovers: int
    taken_over_value: Exact
    adl_events: int
    adl_value: Exact
    largest_loss: Exact
    head: ReportHeadView
