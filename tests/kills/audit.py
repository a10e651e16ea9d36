"""What must be true of the database, whatever was killed: nothing lost, doubled or half done."""

from __future__ import annotations

import hashlib
from collections import Counter
from decimal import Decimal
from typing import Any

import asyncpg

from app.engine.commands import Command
from app.engine.commands.accounts import Deposit
from app.engine.commands.funds import ContributeToFund
from app.engine.commands.orders import PlaceOrder
from app.engine.commands.prices import Tick
from app.engine.engine import Engine
from app.engine.events import FundEntry
from app.engine.invariants import check_all, state_hash
from app.engine.numbers import plain
from app.engine.state import State
from app.store import codec
from app.store.loader import load_state
from tests.kills.load import Body, Load, Request

Tag = tuple[str, ...]
"""What makes a command unlike any other."""

COUNTED = {
    "last_order": ("orders", "order_id"),
    "last_trade": ("trades", "trade_id"),
    "last_transfer": ("transfers", "transfer_id"),
    "last_liquidation": ("liquidations", "liquidation_id"),
    "last_adl_event": ("adl_events", "adl_event_id"),
    "last_alert": ("alerts", "alert_id"),
    "sequence": ("commands", "sequence"),
}
"""Counters of `leadership`, and the tables whose identifiers run from 1 to them without gaps."""

NONE_OF = {
    "orders whose trades do not add up to what is filled": """
        WITH fills AS (
            SELECT taker_order_id AS order_id, quantity FROM trades
            UNION ALL SELECT maker_order_id, quantity FROM trades
        )
        SELECT order_id, filled_quantity FROM orders LEFT JOIN fills USING (order_id)
        GROUP BY order_id HAVING filled_quantity <> COALESCE(sum(fills.quantity), 0)""",
    "wallets whose transfers do not add up to the balance": """
        WITH moves AS (
            SELECT destination AS key, amount FROM transfers
            UNION ALL SELECT source, -amount FROM transfers
        )
        SELECT key, balance FROM wallets LEFT JOIN moves USING (key)
        GROUP BY key HAVING balance <> COALESCE(sum(moves.amount), 0)""",
    "fund wallets whose history does not add up to the balance": """
        SELECT key FROM wallets LEFT JOIN fund_history AS entry
            ON entry.fund_id = owner AND entry.wallet = name AND entry.asset = wallets.asset
        WHERE wallets.kind = 'fund'
        GROUP BY key HAVING balance <> COALESCE(sum(entry.amount), 0)""",
    "treasury wallets whose history does not add up to the balance": """
        SELECT key FROM wallets LEFT JOIN treasury_history AS entry USING (asset)
        WHERE wallets.kind = 'treasury'
        GROUP BY key HAVING balance <> COALESCE(sum(entry.amount), 0)""",
    "liquidations without a whole story": """
        SELECT liquidation_id FROM liquidations
        WHERE steps->0->>0 IS DISTINCT FROM 'trigger'
            OR steps->-1->>0 IS DISTINCT FROM 'end'""",
}
"""Things that are half done, and the queries that find them."""


class Audit:
    """Replays the command log as it grows, and compares it with tables and clients."""

    def __init__(self) -> None:
        self._engine = Engine(State())
        self._written: Counter[Tag] = Counter()

    async def check(self, connection: asyncpg.Connection, load: Load) -> None:
        """All of it; no request is under way."""
        await self.read_log(connection)
        for request in load.requests:
            self._check_request(request)
        await self._check_effects(connection)
        for what, query in NONE_OF.items():
            found = await connection.fetch(query)
            assert not found, f"there are {what}: {found[:5]}"
        for counter, (table, column) in COUNTED.items():
            row = await connection.fetchrow(
                f"SELECT (SELECT {counter} FROM leadership), count(*), COALESCE(max({column}), 0)"
                f" FROM {table}"
            )
            assert row is not None
            assert len({*row}) == 1, f"{table}: counter, rows and highest are {row}"
        await check_chains(connection)
        state = await load_state(connection)
        check_all(state)
        assert state_hash(state) == state_hash(self._engine.state)

    @property
    def at_work(self) -> bool:
        """Whether the log as read ends within a cascade."""
        return bool(self._engine.state.cascades)

    async def read_log(self, connection: asyncpg.Connection) -> None:
        """Replay what is new in the log."""
        rows = await connection.fetch(
            "SELECT * FROM commands WHERE sequence > $1 ORDER BY sequence",
            self._engine.state.counters.command,
        )
        for row in rows:
            command = codec.decode_command(row["kind"], row["body"])
            outcome = self._engine.apply(command, row["time"])
            assert outcome.accepted, f"{command} was accepted first, then {outcome.result}"
            assert outcome.sequence == row["sequence"]
            if tag := tag_of(command):
                self._written[tag] += 1

    def _check_request(self, request: Request) -> None:
        """An answered request took effect once, a refused one never, another at most once."""
        for number, tag in enumerate(asked(request)):
            times, status = self._written[tag], request.status
            if status == 200 and "results" in request.answer:
                status = request.answer["results"][number]["status"]
            if status == 0:
                assert times <= 1, f"{times} times: {request}"
            else:
                assert times == (status < 300), f"{times} times: {request}"

    async def _check_effects(self, connection: asyncpg.Connection) -> None:
        """Each payment in the log is one transfer, each order one row."""
        paid = await connection.fetch(
            "SELECT reference FROM transfers WHERE kind IN ('deposit', 'seed_capital')"
        )
        orders = await connection.fetch("SELECT * FROM orders")
        found: Counter[Tag] = Counter(("paid", row["reference"]) for row in paid)
        found.update(
            order_tag(row["account_id"], row["client_order_id"], row["quantity"]) for row in orders
        )
        assert found == Counter(
            {tag: times for tag, times in self._written.items() if tag[0] != "tick"}
        )


def tag_of(command: Command) -> Tag | None:
    """A command's tag; None for those that the clients do not send or do not count."""
    match command:
        case Deposit() | ContributeToFund():
            return "paid", command.reference or ""
        case Tick():
            return "tick", command.symbol, str(command.sequence)
        case PlaceOrder():
            return order_tag(command.account_id, command.client_order_id, command.quantity)
    return None


def order_tag(account_id: str, client_order_id: str | None, quantity: Decimal) -> Tag:
    """Orders have a client order id, or else a quantity of their own."""
    return "order", account_id, client_order_id or plain(quantity)


def asked(request: Request) -> list[Tag]:
    """The tags of a request's commands."""
    body = request.body
    if "reference" in body:
        return [("paid", body["reference"])]
    if "mark_price" in body:
        return [("tick", body["symbol"], str(body["sequence"]))]
    orders: list[Body] = body.get("orders", [body])
    return [
        order_tag(o["account_id"], o.get("client_order_id"), Decimal(o["quantity"])) for o in orders
    ]


async def check_chains(connection: asyncpg.Connection) -> None:
    """Every history, of a fund or the treasury, is a chain from its first row (HIS-4)."""
    for name in ("fund_history", "treasury_history"):
        rows = await connection.fetch(f"SELECT * FROM {name} ORDER BY fund_id, sequence")
        _check_chains([FundEntry(**row) for row in rows])


def _check_chains(entries: list[FundEntry]) -> None:
    last: dict[str, FundEntry] = {}
    for entry in entries:
        before = last.get(entry.fund_id)
        assert entry.sequence == (before.sequence + 1 if before else 1)
        assert entry.previous_hash == (before.hash if before else "0" * 64)
        assert entry.hash == hashlib.sha256(_line(entry).encode()).hexdigest()
        last[entry.fund_id] = entry


def _line(entry: FundEntry) -> str:
    """The documented line (ARCHITECTURE.md, "The hash chain")."""
    parts: list[Any] = [
        entry.previous_hash, entry.fund_id, entry.sequence,
        entry.time.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        entry.wallet, entry.asset, entry.kind, plain(entry.amount), plain(entry.balance_after),
        "" if entry.symbol is None else entry.symbol,
        "" if entry.liquidation_id is None else entry.liquidation_id,
    ]  # fmt: skip
    return "|".join(map(str, parts))
