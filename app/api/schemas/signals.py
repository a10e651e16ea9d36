"""Signals of insurance funds (SIG-1)."""

from __future__ import annotations

from typing import Literal

from app.api.schemas.base import Exact, Time, View
from app.engine.figures.signal import Signal

SignalWindow = Literal["1h", "8h", "24h", "7d"]

DISCLAIMER = (
    "What a fund lost and who was liquidated, in the past. It is no advice and no forecast:"
    " prices may go either way."
)


class SignalView(View):
    """What a fund's losses and the side that was liquidated say together, from `since` to `time`.

    `drawdown` is `lost` / `peak`: what the sum of losses and gains of takeovers, inventory and
    deficits fell from its highest, and the fund's highest balance in that time. `long_value` and
    `short_value` are what was liquidated of its contracts, at mark; `long_share` is the longs' part
    (null: nothing was). A drawdown from 0.05 on with a share of 0.6 or more is `long_flush`, with
    0.4 or less `short_squeeze`; all else is `calm`.
    """

    time: Time
    since: Time
    window: SignalWindow
    asset: str
    signal: Signal
    drawdown: Exact
    lost: Exact
    peak: Exact
    long_share: Exact | None
    long_value: Exact
    short_value: Exact
    disclaimer: str
