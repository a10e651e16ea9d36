"""The default catalogue as commands: what a new service is given before its first request."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from importlib import resources
from typing import Any

from app.catalogue.funds import FUNDS, fund_for
from app.engine.commands import Command
from app.engine.commands.contracts import ImportContracts
from app.engine.commands.funds import CreateFund
from app.engine.contracts import Bracket, Contract, build_brackets, check_contract
from app.engine.numbers import EXACT, ZERO

DATED = ("BTCUSD", "ETHUSD")
"""The pairs with delivery contracts, whose terms are those of the perpetual."""
SETTLEMENT_FEE_RATE = Decimal("0.00015")
"""Own: the exchange's fee at delivery, which its contract data does not carry."""
QUARTERS = {3: 31, 6: 30, 9: 30, 12: 31}
"""The last month of each quarter, and its last day."""
FRIDAY = 4

FILES = ("contracts.toml", "coin_margined.toml")


def default_commands(now: datetime) -> tuple[Command, ...]:
    """The funds of CON-5, without money, and one import of the default contracts."""
    funds = (CreateFund(fund_id, name) for fund_id, name in FUNDS.items())
    return (*funds, ImportContracts((*default_contracts(), *dated_contracts(now))))


def default_contracts() -> tuple[Contract, ...]:
    """The contracts of the files, each checked as an imported one would be."""
    with localcontext(EXACT):
        return tuple(_contract(row) for name in FILES for row in _rows(name))


def dated_contracts(now: datetime) -> tuple[Contract, ...]:
    """Of some coin-margined perpetuals, the same contract delivered at the next two quarters' ends.

    Later dates are listed by whoever runs the service, as those pass.
    """
    listed = {contract.symbol: contract for contract in default_contracts()}
    return tuple(
        replace(
            listed[f"{pair}_PERP"],
            symbol=f"{pair}_{date:%y%m%d}",
            kind="delivery",
            delivery_at=date,
            settlement_fee_rate=SETTLEMENT_FEE_RATE,
        )
        for pair in DATED
        for date in next_quarters(now)
    )


def next_quarters(now: datetime) -> list[datetime]:
    """The next two delivery times after `now`: the last Friday of March, June, September and
    December, 08:00 UTC."""
    found: list[datetime] = []
    year, month = now.year, 3 * ((now.month + 2) // 3)
    while len(found) < 2:
        last = datetime(year, month, QUARTERS[month], 8, tzinfo=UTC)
        friday = last - timedelta(days=(last.weekday() - FRIDAY) % 7)
        if friday > now:
            found.append(friday)
        year, month = (year, month + 3) if month < 12 else (year + 1, 3)
    return found


def _rows(name: str) -> Iterator[dict[str, Any]]:
    text = resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
    data = tomllib.loads(text)
    for row in data["contract"]:
        yield {**data["defaults"], **row}


def _contract(row: dict[str, Any]) -> Contract:
    linear = row["margining"] == "linear"
    settlement_asset = row["quote_asset"] if linear else row["base_asset"]
    fund = fund_for(row["symbol"], settlement_asset)
    assert fund is not None, row["symbol"]
    contract = Contract(
        symbol=row["symbol"],
        base_asset=row["base_asset"],
        quote_asset=row["quote_asset"],
        settlement_asset=settlement_asset,
        kind="perpetual",
        margining=row["margining"],
        contract_size=Decimal(row["contract_size"]),
        tick_size=Decimal(row["tick_size"]),
        lot_size=Decimal(row["lot_size"]),
        min_notional=Decimal(row["min_notional"]),
        maker_fee_rate=Decimal(row["maker_fee_rate"]),
        taker_fee_rate=Decimal(row["taker_fee_rate"]),
        clearance_fee_rate=Decimal(row["clearance_fee_rate"]),
        insurance_fund=fund,
        brackets=_brackets(row["brackets"], Decimal(row.get("bracket_unit", 1))),
        price_band=Decimal(row["price_band"]),
    )
    check_contract(contract)
    return contract


def _brackets(rows: list[tuple[str, int, str]], unit: Decimal) -> tuple[Bracket, ...]:
    caps = [Decimal(cap) * unit for cap, _, _ in rows]
    floors = [ZERO, *caps]
    return build_brackets(
        [
            (floor, cap, leverage, Decimal(rate), None)
            for floor, cap, (_, leverage, rate) in zip(floors, caps, rows, strict=False)
        ]
    )
