"""The book of one settlement asset as PostgreSQL has it at one moment (CAL-2, CAL-11).

    await read_book(connection, "USDT")    a `PositionBook`, or raises `NoBook`

All is read in one transaction, which a replica serves as well, on a connection of one's own
(`app.store.database.connect`). A million positions take seconds, and little more memory than the
arrays that they become.

What is read is what is hashed: `digest` is the SHA-256 of these lines, each with its newline, of
each kind sorted in byte order by the names in it. Decimals are plain, as in the hash chain (HIS-4).

    ACCOUNT|SYMBOL|SIDE|QUANTITY|COST|WALLET    every position; WALLET is empty where it is cross
    cross|ACCOUNT|BALANCE                       every account with a cross position
    mark|SYMBOL|PRICE                           every contract of the book
    inventory|FUND|SYMBOL|QUANTITY              what funds hold of the asset's contracts

A contract is in the book where there are positions or inventory; a fund where it insures a contract
of the asset that is not settled, or holds one. Not in it are orders, which are cancelled before
anything is liquidated (LIQ-1), and what the exchange holds while a delivery goes on: that is no
fund's. Scopes that an incident has set aside are positions like others.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import TypedDict

import asyncpg
import numpy as np

from app.calibration.figures import Floats, Ints
from app.calibration.inputs.book import ContractTerms, FundTerms, PositionBook
from app.engine.policies import FundPolicy
from app.engine.scopes import BEFORE_SIDE
from app.store import codec


class NoBook(Exception):
    """There is no book to reckon with: `code` and `detail` are a problem's."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


async def read_book(connection: asyncpg.Connection, asset: str) -> PositionBook:
    """All positions of a settlement asset, as of one moment.

    Raises `NoBook("no_mark")` where a contract in which there are positions or inventory has
    no mark. A stale mark is used, and listed (MRK-4).
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        ((sequence, time),) = await connection.fetch(LEADERSHIP)
        contracts = await connection.fetch(CONTRACTS, asset)
        funds = await connection.fetch(FUNDS, asset)
        inventory = await connection.fetch(INVENTORY, asset)
        _check_marks(contracts)
        found = Positions([row["symbol"] for row in contracts])
        await connection.copy_from_query(POSITIONS, asset, output=found.take)
    found.hash.update(found.cross_lines)
    for line in chain(map(_mark_line, contracts), map(_inventory_line, inventory)):
        found.hash.update(line.encode())
    numbers = {row["fund_id"]: number for number, row in enumerate(funds)}
    moment = time or datetime.fromtimestamp(0, UTC)
    return PositionBook(
        asset=asset,
        sequence=sequence,
        time=moment,
        contracts=tuple(_contract(row, numbers) for row in contracts),
        funds=tuple(_fund(row) for row in funds),
        inventory=_held(contracts, inventory),
        digest=found.hash.hexdigest(),
        stale=tuple(row["symbol"] for row in contracts if _is_stale(row, moment)),
        **found.columns(),
    )


class Columns(TypedDict):
    """What a `PositionBook` has of positions and accounts."""

    account: Ints
    contract: Ints
    quantity: Floats
    cost: Floats
    wallet: Floats
    cross: Floats
    owner: Ints


class Positions:
    """The positions as arrays, made of the very lines that are hashed, while these come in."""

    def __init__(self, symbols: Sequence[str]) -> None:
        self._contracts = {symbol.encode(): number for number, symbol in enumerate(symbols)}
        self._owners: dict[bytes, int] = {}
        self._rest = self._name = self._crossed = b""
        self.hash, self.cross_lines = hashlib.sha256(), bytearray()
        self.account, self.contract, self.owner = array("q"), array("q"), array("q")
        self.quantity, self.cost, self.wallet, self.cross = (array("d") for _ in range(4))

    async def take(self, data: bytes) -> None:
        """Some more of what `POSITIONS` gives."""
        whole, _, self._rest = (self._rest + data).rpartition(b"\n")
        if not whole:
            return
        lines = [row.partition(b"\t")[0] for row in whole.split(b"\n")]
        self.hash.update(b"\n".join([*lines, b""]))
        fields = whole.translate(SEPARATORS).split(b"|")
        names, symbols, _, quantities, costs, wallets, balances, owners = (
            fields[place::FIELDS] for place in range(FIELDS)
        )
        self.contract.extend(map(self._contracts.__getitem__, symbols))
        self.quantity.extend(map(float, quantities))
        self.cost.extend(map(float, costs))
        self.wallet.extend([float(wallet or "nan") for wallet in wallets])
        for account in zip(names, wallets, balances, owners, strict=True):
            self._belongs_to(*account)

    def _belongs_to(self, name: bytes, wallet: bytes, balance: bytes, owner: bytes) -> None:
        """The next position is this account's, which has others beside it."""
        if name != self._name:
            self._name = name
            self.cross.append(float(balance))
            self.owner.append(self._owners.setdefault(owner, len(self._owners)))
        if not wallet and name != self._crossed:
            self._crossed = name
            self.cross_lines += b"cross|%b|%b\n" % (name, balance)
        self.account.append(len(self.cross) - 1)

    def columns(self) -> Columns:
        """What came."""
        return Columns(
            account=np.asarray(self.account),
            contract=np.asarray(self.contract),
            quantity=np.asarray(self.quantity),
            cost=np.asarray(self.cost),
            wallet=np.asarray(self.wallet),
            cross=np.asarray(self.cross),
            owner=np.asarray(self.owner),
        )


def _check_marks(contracts: Sequence[asyncpg.Record]) -> None:
    without = [row["symbol"] for row in contracts if row["price"] is None]
    if without:
        raise NoBook("no_mark", f"no mark price for {', '.join(without)}")


def _contract(row: asyncpg.Record, funds: Mapping[str, int]) -> ContractTerms:
    names = "notional_floor", "maintenance_margin_rate", "cum"
    brackets = [[float(one[name]) for name in names] for one in json.loads(row["brackets"])]
    return ContractTerms(
        symbol=row["symbol"],
        base_asset=row["base_asset"],
        fund=funds[row["insurance_fund"]],
        inverse=row["inverse"],
        size=row["size"],
        mark=float(row["price"]),
        brackets=np.array(brackets),
    )


def _is_stale(row: asyncpg.Record, now: datetime) -> bool:
    """As `margin.is_stale` says it: a settlement price never is (DLV-1)."""
    limit = row["mark_staleness_seconds"]
    old = limit is not None and now - row["time"] > timedelta(seconds=limit)
    return bool(row["awaited"] or (old and row["phase"] != "closing"))


def _fund(row: asyncpg.Record) -> FundTerms:
    policy: FundPolicy = codec.from_json(FundPolicy, json.loads(row["policy"]))
    return FundTerms(row["fund_id"], row["balance"], float(policy.max_net_notional_ratio))


def _held(contracts: Sequence[asyncpg.Record], inventory: Sequence[asyncpg.Record]) -> Floats:
    """By contract, of all funds."""
    found = dict.fromkeys((row["symbol"] for row in contracts), 0.0)
    for row in inventory:
        found[row["symbol"]] += float(row["quantity"])
    return np.array([*found.values()])


def _mark_line(row: asyncpg.Record) -> str:
    return f"mark|{row['symbol']}|{row['price']}\n"


def _inventory_line(row: asyncpg.Record) -> str:
    return f"inventory|{row['fund_id']}|{row['symbol']}|{row['quantity']}\n"


LEADERSHIP = "SELECT sequence, time FROM leadership"

CONTRACTS = """
    SELECT c.symbol, base_asset, insurance_fund, margining = 'inverse' AS inverse, brackets,
        contract_size::float8 AS size, mark_staleness_seconds, marks.time, awaited, phase,
        trim_scale(marks.price)::text AS price
    FROM contracts AS c LEFT JOIN marks USING (symbol) LEFT JOIN deliveries USING (symbol)
    WHERE settlement_asset = $1 AND (
        EXISTS (SELECT FROM positions WHERE symbol = c.symbol)
        OR EXISTS (SELECT FROM inventory WHERE symbol = c.symbol)
    )
    ORDER BY c.symbol COLLATE "C"
"""

FUNDS = """
    SELECT fund_id, policy, (
        SELECT COALESCE(sum(balance), 0) FROM wallets
        WHERE kind = 'fund' AND owner = fund_id AND asset = $1
    )::float8 AS balance
    FROM funds WHERE EXISTS (
        SELECT FROM contracts
        WHERE insurance_fund = fund_id AND settlement_asset = $1 AND status <> 'settled'
    )
    ORDER BY fund_id COLLATE "C"
"""

INVENTORY = """
    SELECT fund_id, symbol, trim_scale(quantity)::text AS quantity
    FROM inventory JOIN contracts USING (symbol) WHERE settlement_asset = $1
    ORDER BY fund_id COLLATE "C", symbol COLLATE "C"
"""

POSITIONS = f"""
    SELECT
        concat_ws('|', account_id, symbol, side, trim_scale(quantity), trim_scale(cost), CASE
            WHEN margin_mode = 'isolated' THEN COALESCE(trim_scale(own.balance), 0)::text ELSE ''
        END),
        COALESCE(trim_scale(shared.balance), 0) || '|' || COALESCE('owner/' || owner_id, account_id)
    FROM positions
    JOIN contracts USING (symbol)
    JOIN accounts USING (account_id)
    LEFT JOIN account_contracts USING (account_id, symbol)
    LEFT JOIN wallets AS own ON own.kind = 'isolated' AND own.owner = account_id
        AND own.asset = settlement_asset AND own.name = symbol || '{BEFORE_SIDE}' || side
    LEFT JOIN wallets AS shared ON shared.kind = 'cross' AND shared.owner = account_id
        AND shared.asset = settlement_asset
    WHERE settlement_asset = $1
    ORDER BY account_id COLLATE "C", symbol COLLATE "C", side COLLATE "C"
"""  # noqa: S608 - names of our own
"""A position's line, and after a tab its account's cross balance and whose account it is."""

FIELDS = 8
SEPARATORS = bytes.maketrans(b"\t\n", b"||")
