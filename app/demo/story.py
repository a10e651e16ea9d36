"""What the demo tells beside the report: one liquidation, a fund's history, and two charts."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import get_args

from app.demo.chart import chart
from app.engine.events import LiquidationOutcome
from app.replay.books import History, read_history
from app.replay.client import Json, Service
from app.replay.steps import ReplayStep

SIZE = (72, 7)
LAST_ROWS = 8
OUTCOMES = get_args(LiquidationOutcome)
"""The fuller the story, the later."""

TOLD = {
    "trigger": "mark price {mark_price}: equity {equity} is below the maintenance margin of"
    " {maintenance_margin}; bankruptcy price {bankruptcy_price}",
    "orders_canceled": "open orders cancelled: {orders}",
    "netting": "{quantity} closed at mark {price} against the account's other leg:"
    " {realized_profit} realised",
    "order": "liquidation order for {quantity}, limit {limit_price}",
    "fill": "filled {quantity} at {price} (trade {trade_id})",
    "clearance_fee": "clearance fee {fee}: {to_fund} to the insurance fund, {to_revenue} to the"
    " exchange",
    "takeover": "the fund takes over {quantity} at {price}, mark {mark_price}: {amount} for the"
    " fund",
    "own_accounts": "closed against the same owner's accounts: {quantity} at {price}",
    "deleveraging": "ADL event {adl_event_id}: {quantity} closed at {price}, opposite accounts:"
    " {counterparties}",
    "closed_at_mark": "{quantity} closed at mark, deficit {deficit}",
    "deficit_cover": "the fund covers a deficit of {amount}",
    "emergency_injection": "the treasury covers a deficit of {amount}",
    "liquidation_surplus": "{amount} of surplus to the insurance fund",
    "margin_returned": "{amount} of margin returned to the trader",
    "end": "{outcome}; {final_wallet} left in the wallet",
}


@dataclass(slots=True)
class Watch:
    """The prices of one contract, step by step, and when (by our clock) each step was done."""

    symbol: str
    times: list[int] = field(default_factory=list)
    prices: list[Decimal] = field(default_factory=list)
    done: list[datetime] = field(default_factory=list)

    def see(self, step: ReplayStep) -> None:
        """Note a step that the service has just answered."""
        if self.symbol in step.marks:
            self.times.append(step.time)
            self.prices.append(step.marks[self.symbol])
            self.done.append(datetime.now(UTC))

    def ends(self) -> tuple[str, str]:
        """The simulated times of the first and last step."""
        first, last = (
            datetime.fromtimestamp(time / 1000, UTC).strftime("%H:%M")
            for time in (self.times[0], self.times[-1])
        )
        return first, last

    def balances(self, rows: Sequence[dict[str, str]], asset: str) -> list[Decimal]:
        """A fund's balance after each step, from its exported history, oldest row first."""
        wallets: dict[str, Decimal] = {}
        changes: dict[int, Decimal] = {}
        for row in rows:
            if row["asset"] == asset:
                wallets[row["wallet"]] = Decimal(row["balance_after"])
                moment = datetime.fromisoformat(row["time"])
                changes[bisect_left(self.done, moment)] = sum(wallets.values(), Decimal(0))
        balance, after = Decimal(0), []
        for number in range(len(self.done)):
            balance = changes.get(number, balance)
            after.append(balance)
        return after


async def tell(service: Service, watch: Watch, last_liquidation: int, blocks: str) -> str:
    """The story as text; of liquidations after `last_liquidation` only."""
    contract = await service.get(f"/v1/contracts/{watch.symbol}")
    history = await read_history(service, contract["insurance_fund"])
    lines = ["", *_rows(history)]
    chosen = await _richest(service, last_liquidation)
    if chosen:
        told = await service.get(f"/v1/liquidations/{chosen}")
        lines = ["", *_liquidation(told), *lines]
    balances = watch.balances(history.rows, contract["settlement_asset"])
    for title, values in (
        (f"mark price of {watch.symbol}", watch.prices),
        (f"balance of insurance fund {history.fund} in the same time", balances),
    ):
        lines += ["", title, *chart(values, watch.ends(), SIZE, blocks)]
    return "\n".join(lines) + "\n"


async def _richest(service: Service, after: int) -> str | None:
    """The liquidation with most to tell: by outcome, then the largest."""
    items = [
        item
        async for item in service.pages("/v1/liquidations")
        if int(item["liquidation_id"]) > after
    ]
    if not items:
        return None
    return str(max(items, key=_richness)["liquidation_id"])


def _richness(item: Json) -> tuple[bool, int, Decimal]:
    parts = ("filled_quantity", "taken_over_quantity", "deleveraged_quantity")
    is_complete = all(Decimal(item[part]) for part in parts)
    value = Decimal(item["quantity"]) * Decimal(item["mark_price"])
    return is_complete, OUTCOMES.index(item["outcome"]), value


def _liquidation(item: Json) -> list[str]:
    """A liquidation step by step (LIQ-9)."""
    number = item["liquidation_id"]
    title = (
        f"liquidation {number}: {item['account_id']}, {item['side']} {item['quantity']}"
        f" {item['symbol']} ({item['margin_mode']})   GET /v1/liquidations/{number}"
    )
    steps = (
        f"{step['number']:>4}  {TOLD[step['kind']].format_map(_readable(step['detail']))}"
        for step in item["steps"]
    )
    return [title, *steps]


def _readable(detail: dict[str, str]) -> dict[str, str]:
    """Four digits after the point are enough to read; what has no point stays as it is."""
    return {name: _rounded(text) for name, text in detail.items()}


def _rounded(text: str) -> str:
    if "." not in text:
        return text
    return f"{Decimal(text).quantize(Decimal('0.0001'), ROUND_HALF_EVEN).normalize():,f}"


def _rows(history: History) -> list[str]:
    """The last rows of a fund's history (HIS-1)."""
    source = f"GET /v1/insurance-fund-history?fund={history.fund}"
    lines = [
        f"the last rows of the history of insurance fund {history.fund}   {source}",
        f"{'row':>6}  {'kind':<26}{'amount':>14}{'balance':>14}  {'liquidation':<12}hash",
    ]
    for row in history.rows[-LAST_ROWS:]:
        amount, balance = (f"{Decimal(row[name]):,.2f}" for name in ("amount", "balance_after"))
        lines.append(
            f"{row['sequence']:>6}  {row['kind']:<26}{amount:>14}{balance:>14}"
            f"  {row['liquidation_id']:<12}{row['hash'][:12]}..."
        )
    return lines
