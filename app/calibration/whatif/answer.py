"""What a what-if answers, as the JSON that is kept and shown (CAL-15): decimals as text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import Any, NamedTuple

from app.calibration.inputs.book import PositionBook
from app.calibration.whatif.fast import FastLosses
from app.calibration.whatif.toll import AccountToll, ContractToll, FundToll, Toll
from app.engine.numbers import EXACT, UNIT, ZERO, plain, time_text
from app.engine.state import State
from app.engine.trading import funds
from app.jobs.stress import Shocked, StressTest

MOST_ACCOUNTS = 1_000
"""Those that cost most are told of."""

BY_ENGINE = (
    "bankrupt_quantity", "bankrupt_value", "taken_over_quantity", "taken_over_value",
    "deleveraged_quantity", "deleveraged_value", "overshoot",
)  # fmt: skip
"""Of a contract's row: what the waterfall alone can tell."""

StressRow = dict[str, Any]
Formula = Mapping[str, tuple[Decimal, Decimal]]
"""By contract: what CAL-2 says of its scopes, and of its fund's inventory."""


class FundFigures(NamedTuple):
    """A fund in an asset, its inventory at mark; `unsettled` is that one's part of the balance."""

    balance: Decimal
    net_notional: Decimal
    cap_use: Decimal | None
    unsettled: Decimal = ZERO


def standing(state: State, fund_id: str, asset: str) -> FundFigures:
    """How a fund stands now."""
    fund = state.funds[fund_id]
    with localcontext(EXACT):
        return FundFigures(
            funds.balance_at_mark(state, fund, asset),
            funds.net_notional(state, fund, asset),
            funds.cap_use(state, fund, asset),
            funds.profit_at_mark(state, fund, asset),
        )


def formula(books: Iterable[tuple[PositionBook, FastLosses]]) -> dict[str, tuple[Decimal, Decimal]]:
    """What was reckoned on arrays, by contract."""
    return {
        terms.symbol: (money(scopes), money(inventory))
        for book, losses in books
        for terms, scopes, inventory in zip(
            book.contracts, losses.scopes, losses.inventory, strict=True
        )
    }


def asked(test: StressTest, path: Sequence[object]) -> StressRow:
    """What the answer is of."""
    return {
        "mode": test.mode,
        "scenario": test.scenario,
        "steps": len(path),
        "book": test.book if test.mode == "engine" else "none",
        "fund": test.fund if test.mode == "engine" else "unlimited",
    }


def as_of(sequence: int, time: Any) -> StressRow:
    """Where the book stood."""
    return {"sequence": sequence, "time": time_text(time)}


def contract(
    shocked: Shocked, after: Decimal, said: Formula, toll: ContractToll | None = None
) -> StressRow:
    """A contract's row; the waterfall's part is null where it was not asked."""
    found: StressRow = {
        "symbol": shocked.symbol,
        "fund_id": shocked.fund_id,
        "asset": shocked.asset,
        "mark_before": plain(shocked.mark or ZERO),
        "mark_after": plain(after),
        "loss": _both(toll, said.get(shocked.symbol, (ZERO, ZERO))[0]),
        "liquidations": None,
    }
    if toll is None:
        return found | dict.fromkeys(BY_ENGINE)
    found["liquidations"] = len(toll.liquidated)
    return found | {name: plain(getattr(toll, name)) for name in BY_ENGINE}


def fund(
    fund_id: str,
    asset: str,
    said: tuple[Decimal, Decimal],
    before: FundFigures,
    after: FundFigures | None = None,
    toll: FundToll | None = None,
) -> StressRow:
    """A fund's row in an asset; balances are with inventory at mark.

    Without the waterfall its balance after is what the formula leaves of it: no fees, no gains.
    """
    found: StressRow = {
        "fund_id": fund_id,
        "asset": asset,
        "loss": _both(toll, said[0]),
        "inventory_loss": plain(said[1]),
        "gain": None,
        "clearance_fees": None,
        "inventory_profit": None,
        "balance_before": plain(before.balance),
        "balance_after": plain(before.balance - sum(said)),
        "net_notional_after": None,
        "cap_use": None,
        "emergency_injection": None,
    }
    if toll is not None and after is not None:
        found |= {
            "gain": plain(toll.gain),
            "clearance_fees": plain(toll.clearance_fees),
            "inventory_profit": plain(toll.by_inventory + after.unsettled - before.unsettled),
            "balance_after": plain(after.balance),
            "net_notional_after": plain(after.net_notional),
            "cap_use": None if after.cap_use is None else plain(after.cap_use),
            "emergency_injection": plain(toll.treasury_paid),
        }
    return found | {"exhausted": Decimal(found["balance_after"]) <= 0 < before.balance}


def accounts(toll: Toll) -> list[StressRow]:
    """Whose positions were liquidated or closed by ADL, the costliest first."""

    def place(item: tuple[str, AccountToll]) -> tuple[Decimal, Decimal, str]:
        return -item[1].fund_loss, -item[1].deleveraged_value, item[0]

    return [
        {
            "account_id": account_id,
            "liquidated_positions": len(one.liquidated),
            "fund_loss": plain(one.fund_loss),
            "deleveraged_value": plain(one.deleveraged_value),
        }
        for account_id, one in sorted(toll.accounts.items(), key=place)[:MOST_ACCOUNTS]
    ]


def _both(toll: ContractToll | FundToll | None, said: Decimal) -> StressRow:
    return {"engine": None if toll is None else plain(toll.loss), "fast": plain(said)}


def money(amount: float) -> Decimal:
    """As it leaves: eight decimals, half-even."""
    return Decimal(amount).quantize(UNIT, ROUND_HALF_EVEN)
