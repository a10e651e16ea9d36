"""Everything the service holds, read through its public and admin routes, and the laws on it.

Nothing here trusts the service's own checks: sums are made again, and the hash chains of the fund
histories are computed from the exported files alone (HIS-4).
"""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from app.engine.contracts import Contract
from app.engine.events import GENESIS_HASH
from app.engine.numbers import plain
from app.replay.client import Service
from app.replay.terms import read_contract

CHAIN_FIELDS = (
    "fund", "sequence", "time", "wallet", "asset", "kind", "amount", "balance_after", "symbol",
    "liquidation_id",
)  # fmt: skip
DECIMALS = {"amount", "balance_after"}

Amounts = dict[str, Decimal]


def zeros() -> Amounts:
    """Amounts that begin at zero."""
    return defaultdict(Decimal)


@dataclass(slots=True)
class Books:
    """Balances by asset, quantities by contract, and scopes under their maintenance margin.

    `cost` is the sum of all positions' and inventory's costs: minus the clearing accounts (NUM-4).
    """

    traders: Amounts = field(default_factory=zeros)
    funds: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    exchange: Amounts = field(default_factory=zeros)
    cost: Amounts = field(default_factory=zeros)
    quantities: Amounts = field(default_factory=zeros)
    inventory: Amounts = field(default_factory=zeros)
    below_maintenance: list[str] = field(default_factory=list)

    def total(self) -> Amounts:
        """All wallets of an asset, the clearing accounts among them."""
        total = zeros()
        for part in (self.traders, self.exchange):
            for asset, amount in part.items():
                total[asset] += amount
        for (_, asset), amount in self.funds.items():
            total[asset] += amount
        for asset, amount in self.cost.items():
            total[asset] -= amount
        return total


@dataclass(frozen=True, slots=True)
class Law:
    """A law, whether it holds, and the numbers that say so."""

    name: str
    holds: bool
    detail: str


async def read_books(service: Service) -> Books:
    """All accounts, funds and the exchange's own wallets."""
    books = Books()
    contracts = await read_contracts(service)
    async for item in service.pages("/v1/insurance-funds"):
        _add_fund(books, item, contracts)
    treasury = await service.get("/v1/treasury")
    for row in treasury["items"]:
        books.exchange[row["asset"]] += Decimal(row["treasury"]) + Decimal(row["revenue"])
    accounts = [item["account_id"] async for item in service.pages("/v1/accounts")]
    await asyncio.gather(*(_add_account(service, books, name, contracts) for name in accounts))
    return books


async def read_contracts(service: Service) -> dict[str, Contract]:
    """The contracts by symbol."""
    return {item["symbol"]: read_contract(item) async for item in service.pages("/v1/contracts")}


def _add_fund(books: Books, fund: Mapping[str, Any], contracts: Mapping[str, Contract]) -> None:
    for row in fund["balances"]:
        books.funds[fund["fund_id"], row["asset"]] = Decimal(row["balance"])
    for row in fund["inventory"]:
        books.quantities[row["symbol"]] += Decimal(row["quantity"])
        books.inventory[row["symbol"]] += Decimal(row["quantity"])
        books.cost[contracts[row["symbol"]].settlement_asset] += Decimal(row["cost"])


async def _add_account(
    service: Service, books: Books, account_id: str, contracts: Mapping[str, Contract]
) -> None:
    account = await service.get(f"/v1/accounts/{account_id}")
    for row in account["wallets"]:
        books.traders[row["asset"]] += Decimal(row["wallet_balance"])
        if Decimal(row["equity"]) < Decimal(row["maintenance_margin"]):
            books.below_maintenance.append(f"{account_id} {row['asset']}")
    async for row in service.pages(f"/v1/accounts/{account_id}/positions"):
        _add_position(books, account_id, row, contracts[row["symbol"]])


def _add_position(
    books: Books, account_id: str, row: Mapping[str, Any], contract: Contract
) -> None:
    """A position's cost is its mark value less its unrealised profit (CON-3)."""
    quantity, profit = Decimal(row["quantity"]), Decimal(row["unrealized_profit"])
    asset = contract.settlement_asset
    books.quantities[row["symbol"]] += quantity
    if quantity:
        books.cost[asset] += contract.value(quantity, Decimal(row["mark_price"])) - profit
    if row["margin_mode"] == "isolated":
        wallet = Decimal(row["isolated_wallet"] or 0)
        books.traders[asset] += wallet
        if quantity and wallet + profit < Decimal(row["maintenance_margin"]):
            books.below_maintenance.append(f"{account_id} {row['symbol']} (isolated)")


@dataclass(frozen=True, slots=True)
class History:
    """A fund's history as exported, oldest first."""

    fund: str
    rows: list[dict[str, str]]

    def sums(self, after: int = 0) -> dict[tuple[str, str], Decimal]:
        """Amounts by asset and kind, of the rows after a sequence."""
        sums: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
        for row in self.rows:
            if int(row["sequence"]) > after:
                sums[row["asset"], row["kind"]] += Decimal(row["amount"])
        return sums


async def read_history(service: Service, fund: str) -> History:
    """The exported file of one fund."""
    text = await service.text("/v1/insurance-fund-history", fund=fund, format="csv")
    return History(fund, list(csv.DictReader(io.StringIO(text))))


def chain_problem(rows: Iterable[Mapping[str, str]]) -> str | None:
    """Where an exported history of one fund breaks: its chain, numbers or running balances."""
    previous = GENESIS_HASH
    balances: dict[tuple[str, str], Decimal] = {}
    for number, row in enumerate(rows, start=1):
        wallet = row["wallet"], row["asset"]
        balances[wallet] = balances.get(wallet, Decimal(0)) + Decimal(row["amount"])
        if int(row["sequence"]) != number:
            return f"row {number} has sequence {row['sequence']}"
        if row["previous_hash"] != previous or row["hash"] != _hash(previous, row):
            return f"the hash of row {number} does not follow"
        if balances[wallet] != Decimal(row["balance_after"]):
            return f"the balance after row {number} is not {plain(balances[wallet])}"
        previous = row["hash"]
    return None


def _hash(previous: str, row: Mapping[str, str]) -> str:
    values = [plain(Decimal(row[name])) if name in DECIMALS else row[name] for name in CHAIN_FIELDS]
    return hashlib.sha256("|".join([previous, *values]).encode()).hexdigest()


def check_histories(books: Books, histories: Iterable[History]) -> Law:
    """Every fund's history adds up to its balances and its chain verifies."""
    problems, rows = [], 0
    for history in histories:
        rows += len(history.rows)
        broken = chain_problem(history.rows)
        if broken:
            problems.append(f"{history.fund}: {broken}")
        totals = zeros()
        for (asset, _), amount in history.sums().items():
            totals[asset] += amount
        held = {
            asset: amount for (fund, asset), amount in books.funds.items() if fund == history.fund
        }
        problems += [
            f"{history.fund}: history adds up to {plain(totals[asset])} {asset}, "
            f"balance is {plain(held.get(asset, Decimal(0)))}"
            for asset in {*totals, *held}
            if totals[asset] != held.get(asset, Decimal(0))
        ]
    return _law(
        "fund histories add up to the balances, and their hash chains verify",
        problems,
        f"{rows} rows",
    )


def check_money(before: Amounts, after: Amounts, paid_in: Amounts) -> Law:
    """Nothing was created or lost: all wallets grew by what was paid in (NUM-4)."""
    problems, sums = [], []
    for asset in sorted({*before, *after, *paid_in}):
        grown = after.get(asset, Decimal(0)) - before.get(asset, Decimal(0))
        paid = paid_in.get(asset, Decimal(0))
        if grown != paid:
            problems.append(f"{asset}: {plain(paid)} paid in, wallets grew by {plain(grown)}")
        elif paid:
            sums.append(f"{plain(paid)} {asset}")
    return _law(
        "the wallets of traders, funds and exchange grew by what was paid in",
        problems,
        ", ".join(sums) or "0",
    )


def check_quantities(books: Books) -> Law:
    """Longs and shorts of each contract are equal, fund inventory included (NUM-4)."""
    problems = [
        f"{symbol}: {plain(quantity)}" for symbol, quantity in books.quantities.items() if quantity
    ]
    return _law(
        "quantities of each contract sum to zero", problems, f"{len(books.quantities)} contracts"
    )


def check_maintenance(books: Books) -> Law:
    """Nobody is left with equity below maintenance margin (LIQ-1)."""
    return _law("nobody is below maintenance margin", books.below_maintenance[:5], "")


def check_fees(fees: Iterable[Mapping[str, Any]], histories: Mapping[str, History]) -> Law:
    """Each fund received exactly its part of the clearance fees of its contracts (LIQ-6)."""
    received: dict[str, Decimal] = defaultdict(Decimal)
    for fee in fees:
        received[fee["fund"]] += Decimal(fee["to_fund"])
    problems = []
    for fund, history in histories.items():
        booked = sum(
            (a for (_, kind), a in history.sums().items() if kind == "liquidation_clearance_fee"),
            Decimal(0),
        )
        if booked != received[fund]:
            problems.append(f"{fund}: {plain(received[fund])} of fees, {plain(booked)} in history")
    return _law("clearance fees to funds are those in their histories", problems, "")


def _law(name: str, problems: list[str], detail: str) -> Law:
    return Law(name, not problems, "; ".join(problems) or detail)
