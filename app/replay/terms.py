"""A contract as the running service describes it, and amounts as it wants them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from app.engine.contracts import Bracket, Contract, IndexSource
from app.engine.numbers import ONE, UNIT, ZERO, floor_to, plain


def read_contract(answer: dict[str, Any]) -> Contract:
    """A contract from `GET /v1/contracts`; fields that the replay does not need are left out."""
    return Contract(
        symbol=answer["symbol"],
        base_asset=answer["base_asset"],
        quote_asset=answer["quote_asset"],
        settlement_asset=answer["settlement_asset"],
        kind=answer["kind"],
        margining=answer["margining"],
        contract_size=Decimal(answer["contract_size"]),
        tick_size=Decimal(answer["tick_size"]),
        lot_size=Decimal(answer["lot_size"]),
        min_notional=Decimal(answer["min_notional"]),
        maker_fee_rate=Decimal(answer["maker_fee_rate"]),
        taker_fee_rate=Decimal(answer["taker_fee_rate"]),
        clearance_fee_rate=Decimal(answer["clearance_fee_rate"]),
        insurance_fund=answer["insurance_fund"],
        brackets=tuple(_bracket(row) for row in answer["brackets"]),
        status=answer["status"],
        mark_mode=answer["mark_mode"],
        index_sources=tuple(
            IndexSource(source["name"], Decimal(source["weight"]))
            for source in answer["index_sources"]
        ),
    )


def _bracket(row: dict[str, Any]) -> Bracket:
    return Bracket(
        Decimal(row["notional_floor"]),
        Decimal(row["notional_cap"]),
        row["max_leverage"],
        Decimal(row["maintenance_margin_rate"]),
        Decimal(row["cum"]),
    )


def room(contract: Contract, leverage: int) -> Decimal:
    """The largest notional at which the brackets allow `leverage` (CON-4)."""
    allowed = [b.notional_cap for b in contract.brackets if b.max_leverage >= leverage]
    return max(allowed, default=ZERO)


def lots(contract: Contract, notional: Decimal, price: Decimal) -> Decimal:
    """The quantity that a notional buys at a price, down to the lot; 0 below the minimum."""
    per_unit = abs(contract.unrounded_value(ONE, price))
    quantity = floor_to(notional / per_unit, contract.lot_size)
    return quantity if enough(contract, quantity, price) else ZERO


def enough(contract: Contract, quantity: Decimal, price: Decimal) -> bool:
    """Whether a quantity is one, and worth the minimum at a price (ORD-12)."""
    worth = abs(contract.unrounded_value(quantity, price))
    return quantity > 0 and worth >= contract.min_notional


def rate(contract: Contract, price: Decimal) -> Decimal:
    """What one of the asset that a contract settles in is worth in its quote asset."""
    return ONE if contract.margining == "linear" else price


def in_asset(contract: Contract, amount: Decimal, price: Decimal) -> Decimal:
    """An amount of the quote asset in what the contract settles in."""
    return (amount / rate(contract, price)).quantize(UNIT)


def amount(draw: float, digits: int = 8) -> Decimal:
    """A random draw as an exact decimal; floats go no further than this."""
    return Decimal(f"{draw:.{digits}f}")


def order(
    account_id: str,
    symbol: str,
    side: str,
    quantity: Decimal,
    price: Decimal | None = None,
    *,
    reduce_only: bool = False,
) -> dict[str, Any]:
    """An order's body: at the market without a price, else a limit order that rests."""
    body = {
        "account_id": account_id,
        "symbol": symbol,
        "side": side,
        "type": "market" if price is None else "limit",
        "quantity": plain(quantity),
    }
    if price is not None:
        body["price"] = plain(price)
        body["time_in_force"] = "gtc"
    return {**body, "reduce_only": True} if reduce_only else body
