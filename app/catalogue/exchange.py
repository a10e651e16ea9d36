"""The exchange's own `exchangeInfo` and `leverageBracket` JSON as contracts (CON-4, CON-5).

The JSON must have been parsed with `parse_float=Decimal`: floats are refused (NUM-1). Unknown
fields are ignored. A contract that cannot be listed is skipped with a reason; one that can be, but
whose numbers break a rule, refuses the whole import.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, localcontext
from typing import Any, TypeVar

from app.catalogue.funds import fund_for
from app.engine.contracts import (
    Bracket,
    Contract,
    Kind,
    build_brackets,
    check_contract,
)
from app.engine.numbers import EPOCH, EXACT, FRACTION_DIGITS, INTEGER_DIGITS, ONE, ZERO, in_range
from app.engine.rejections import Code, Rejected
from app.engine.valuation import Margining

MAKER_FEE_RATE = Decimal("0.0002")
TAKER_FEE_RATE = Decimal("0.0005")
"""Own: the exchange's standard fees, which its contract data does not carry."""

SAID = (
    "base_asset", "quote_asset", "settlement_asset", "kind", "margining", "contract_size",
    "tick_size", "lot_size", "min_notional", "clearance_fee_rate", "brackets", "price_band",
    "delivery_at",
)  # fmt: skip
"""The terms that the exchange's documents say; the others of a new contract are our own."""
KINDS: dict[object, Kind] = {
    "PERPETUAL": "perpetual",
    **dict.fromkeys(("CURRENT_MONTH", "NEXT_MONTH", "CURRENT_QUARTER", "NEXT_QUARTER"), "delivery"),
}
"""The exchange's contract types."""
LATEST = Decimal(253_402_300_800_000)
"""Milliseconds after which a year has five digits."""

NAME = re.compile(r"[0-9A-Z_]{1,32}", re.ASCII)
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([Ee][+-]?[0-9]{1,3})?")

Checked = TypeVar("Checked")


class NotTheFormat(ValueError):
    """What was given is not the exchange's format; `where` it is not, by name."""

    def __init__(self, detail: str, where: dict[str, str]) -> None:
        super().__init__(detail)
        self.where = where


@dataclass(frozen=True, slots=True)
class Skipped:
    """A symbol that was left out of an import."""

    symbol: str
    reason: str


@dataclass(frozen=True, slots=True)
class ParsedExchange:
    """What an import would list, and what it leaves out; both by symbol."""

    contracts: tuple[Contract, ...]
    skipped: tuple[Skipped, ...]


def parse_exchange(
    exchange_info: object, leverage_brackets: object, now: datetime
) -> ParsedExchange:
    """Contracts that both documents name, and that are not delivered `now`.

    Raises `NotTheFormat`, or `Rejected` (`invalid_contract`, `invalid_brackets`) for a row that
    breaks a rule; context names the symbol and the field or row.
    """
    symbols = _by_symbol(_field(_object(exchange_info, "exchange_info"), "symbols"), "symbols")
    tables = _by_symbol(leverage_brackets, "leverage_brackets")
    contracts: list[Contract] = []
    skipped: list[Skipped] = []
    with localcontext(EXACT):
        for symbol in sorted(symbols.keys() | tables.keys()):
            reason = _skip_reason(symbol, symbols.get(symbol), tables.get(symbol))
            if reason:
                skipped.append(Skipped(symbol, reason))
                continue
            contract = _contract(symbol, symbols[symbol], tables[symbol])
            if contract.delivery_at is not None and contract.delivery_at <= now:
                skipped.append(Skipped(symbol, f"delivered {contract.delivery_at:%Y-%m-%d}"))
            else:
                contracts.append(contract)
    return ParsedExchange(tuple(contracts), tuple(skipped))


def _skip_reason(
    symbol: str, info: dict[str, Any] | None, table: dict[str, Any] | None
) -> str | None:
    if not NAME.fullmatch(symbol):
        return "symbol is not of A-Z, 0-9 and _"
    if info is None:
        return "not in exchange_info"
    if table is None:
        return "not in leverage_brackets"
    kind = info.get("contractType")
    if kind not in KINDS:
        return f"contract type {_shown(kind)}: not one that is traded here"
    if _margining(info) is None:
        return "margined in neither its quote nor its base asset"
    status = info.get("status", info.get("contractStatus"))
    if status != "TRADING":
        return f"status {_shown(status)}: not trading"
    asset = _name(info, "marginAsset", symbol)
    if fund_for(symbol, asset) is None:
        return f"no insurance fund for contracts settled in {asset}"
    return None


def _margining(info: dict[str, Any]) -> Margining | None:
    """By the asset it is margined in; None: neither."""
    asset = info.get("marginAsset")
    if asset == info.get("quoteAsset"):
        return "linear"
    return "inverse" if asset == info.get("baseAsset") else None


def _contract(symbol: str, info: dict[str, Any], table: dict[str, Any]) -> Contract:
    filters = _filters(symbol, info)
    settlement_asset = _name(info, "marginAsset", symbol)
    fund, margining = fund_for(symbol, settlement_asset), _margining(info)
    assert fund is not None  # see _skip_reason
    assert margining is not None
    inverse = margining == "inverse"
    contract = Contract(
        symbol=symbol,
        base_asset=_name(info, "baseAsset", symbol),
        quote_asset=_name(info, "quoteAsset", symbol),
        settlement_asset=settlement_asset,
        kind=KINDS[info["contractType"]],
        delivery_at=_delivery_at(symbol, info),
        margining=margining,
        contract_size=_decimal(info, "contractSize", symbol) if inverse else ONE,
        tick_size=_required(filters, "PRICE_FILTER", "tickSize", symbol),
        lot_size=_required(filters, "LOT_SIZE", "stepSize", symbol),
        min_notional=ZERO if inverse else _required(filters, "MIN_NOTIONAL", "notional", symbol),
        maker_fee_rate=MAKER_FEE_RATE,
        taker_fee_rate=TAKER_FEE_RATE,
        clearance_fee_rate=_decimal(info, "liquidationFee", symbol),
        insurance_fund=fund,
        brackets=_brackets(symbol, table),
        price_band=_price_band(filters, symbol),
    )
    _named(symbol, lambda: check_contract(contract))
    return contract


def _delivery_at(symbol: str, info: dict[str, Any]) -> datetime | None:
    """When it is delivered; the exchange gives perpetual contracts a date far away."""
    if KINDS[info["contractType"]] == "perpetual":
        return None
    milliseconds = _decimal(info, "deliveryDate", symbol)
    if not 0 < milliseconds < LATEST or milliseconds % 1:
        raise _malformed(f"{symbol}: deliveryDate is no time", symbol=symbol, field="deliveryDate")
    return EPOCH + timedelta(milliseconds=int(milliseconds))


def _brackets(symbol: str, table: dict[str, Any]) -> tuple[Bracket, ...]:
    rows = _field(table, "brackets", symbol)
    if not isinstance(rows, list):
        raise _malformed("brackets is not a list", symbol=symbol)
    read: list[tuple[Decimal, Decimal, int, Decimal, Decimal | None]] = []
    for number, row in enumerate(rows, start=1):
        bracket = _object(row, "a bracket", symbol=symbol, row=number)
        measure = "qty" if "qtyFloor" in bracket else "notional"  # the coin's, of inverse contracts
        leverage = _decimal(bracket, "initialLeverage", symbol, number)
        if leverage != leverage.to_integral_value():
            raise Rejected(
                Code.invalid_brackets,
                f"{symbol}: row {number}: initialLeverage is not whole",
                symbol=symbol,
                row=number,
            )
        read.append(
            (
                _decimal(bracket, f"{measure}Floor", symbol, number),
                _decimal(bracket, f"{measure}Cap", symbol, number),
                int(leverage),
                _decimal(bracket, "maintMarginRatio", symbol, number),
                _decimal(bracket, "cum", symbol, number),
            )
        )
    return _named(symbol, lambda: build_brackets(read))


def _price_band(filters: dict[str, dict[str, Any]], symbol: str) -> Decimal | None:
    """The nearer of the two multipliers' distances from the mark; None where there is no filter."""
    percent_price = filters.get("PERCENT_PRICE")
    if percent_price is None:
        return None
    up = _decimal(percent_price, "multiplierUp", symbol) - 1
    down = 1 - _decimal(percent_price, "multiplierDown", symbol)
    return min(up, down)


def _named(symbol: str, check: Callable[[], Checked]) -> Checked:
    """What `check` gives; its refusal is raised again with the symbol in detail and context."""
    try:
        return check()
    except Rejected as refusal:
        rejection = refusal.rejection
        raise Rejected(
            Code[rejection.code],
            f"{symbol}: {rejection.detail}",
            symbol=symbol,
            **rejection.context,
        ) from None


def _by_symbol(rows: object, name: str) -> dict[str, dict[str, Any]]:
    if not isinstance(rows, list):
        raise _malformed(f"{name} is not a list")
    found: dict[str, dict[str, Any]] = {}
    for number, row in enumerate(rows, start=1):
        entry = _object(row, f"row {number} of {name}", row=number)
        symbol = entry.get("symbol")
        if not isinstance(symbol, str) or not 0 < len(symbol) <= 64 or not symbol.isprintable():
            raise _malformed(f"row {number} of {name}: symbol is not a name", row=number)
        if symbol in found:
            raise _malformed(f"{name} has {symbol} twice", symbol=symbol, row=number)
        found[symbol] = entry
    return found


def _filters(symbol: str, info: dict[str, Any]) -> dict[str, dict[str, Any]]:
    rows = _field(info, "filters", symbol)
    if not isinstance(rows, list):
        raise _malformed("filters is not a list", symbol=symbol)
    entries = [_object(row, "a filter", symbol=symbol) for row in rows]
    return {str(entry.get("filterType"))[:64]: entry for entry in entries}


def _required(
    filters: dict[str, dict[str, Any]], filter_type: str, field: str, symbol: str
) -> Decimal:
    if filter_type not in filters:
        raise Rejected(
            Code.invalid_contract,
            f"{symbol}: no filter {filter_type}",
            symbol=symbol,
            field=filter_type,
        )
    return _decimal(filters[filter_type], field, symbol)


def _field(entry: dict[str, Any], field: str, symbol: str | None = None) -> Any:
    if field not in entry:
        where = {"symbol": symbol} if symbol else {}
        raise _malformed(f"{symbol or 'exchange_info'}: {field} is missing", field=field, **where)
    return entry[field]


def _name(entry: dict[str, Any], field: str, symbol: str) -> str:
    value = entry.get(field)
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise _malformed(f"{symbol}: {field} is not a name", symbol=symbol, field=field)
    return value


def _decimal(entry: dict[str, Any], field: str, symbol: str, row: int | None = None) -> Decimal:
    """A number of the exchange, exact: a string, an int, or a Decimal; never a float (NUM-1)."""
    where: dict[str, object] = {"symbol": symbol, "field": field}
    if row is not None:
        where["row"] = row
    place = f"{symbol}: {f'row {row}: ' if row else ''}{field}"
    value = _field(entry, field, symbol)
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise _malformed(f"{place} is not a number", **where)
    if isinstance(value, str) and not NUMBER.fullmatch(value):
        raise _malformed(f"{place} is not a number", **where)
    number = Decimal(value)
    if not number.is_finite() or not in_range(number):
        raise _malformed(
            f"{place} is not finite, or has more than {INTEGER_DIGITS} integer "
            f"or {FRACTION_DIGITS} fraction digits",
            **where,
        )
    return number


def _object(value: object, name: str, **where: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _malformed(f"{name} is not an object", **where)
    return value


def _malformed(detail: str, **where: object) -> NotTheFormat:
    return NotTheFormat(detail, {name: str(value) for name, value in where.items()})


def _shown(value: object) -> str:
    return value if isinstance(value, str) and NAME.fullmatch(value) else "unknown"
