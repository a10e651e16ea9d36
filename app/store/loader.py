"""Loading: the engine's state rebuilt from the tables, all of it or one account's part.

What is derived is not stored: books and reservations come from the open orders, totals from
positions and inventory, isolated wallets find their positions by name. The order of rows means
nothing except where it is asked for; the engine does not depend on it.
"""

from __future__ import annotations

import gc
import json
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal, localcontext
from functools import lru_cache
from typing import Any

import asyncpg

from app.engine.commands import PositionSide, Side
from app.engine.commands.keys import NewKey
from app.engine.commands.leaders import Limits
from app.engine.contracts import Bracket, Contract, IndexSource
from app.engine.figures import margin, orderbook
from app.engine.markets import Delivery, Funding, Market
from app.engine.numbers import EXACT, ZERO
from app.engine.policies import FundPolicy
from app.engine.scopes import BEFORE_SIDE, Scope, leg_of, wallet_key
from app.engine.state import ApiKey, Counters, Fund, Inventory, State, Treasury
from app.engine.traders import (
    Account,
    ContractSettings,
    Order,
    Position,
    Wallet,
    scope_of,
)
from app.engine.trading.interest import is_limited
from app.store import codec, incidents, memory, prices, verdicts
from app.store.holds import load_holds
from app.store.interest import load_interest
from app.store.rowsource import CHUNK, DECIMALS, RowSource, exact
from app.store.snapshots import Snapshot
from app.store.tables import ALIVE, COUNTERS, OPEN, metadata
from app.store.untriggered import load_untriggered, load_waiting

PLACE = "COALESCE(requeued, order_id)"
"""Of an open order among those at its price: the lowest is met first (ORD-2, ORD-15)."""


async def load_state(connection: asyncpg.Connection, snapshot: Snapshot | None = None) -> State:
    """Everything, as of one moment or of a snapshot.

    A position takes about 3 µs, its rows' way here included; out of a snapshot, half again.
    """
    state, source = State(), RowSource(connection, snapshot)
    with localcontext(EXACT), _collector_paused():
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            await _load_leadership(source, state)
            await _load_wallets(source, state, ALIVE["wallets"])
            await _load_markets(source, state)
            await prices.load_traded(source, state)
            await _load_funds(source, state)
            for row in await source.fetch("treasury"):
                state.treasury = Treasury(*row)
            await _load_keys(source, state)
            await _load_accounts(source, state)
            await _load_positions(source, state)
            await _load_orders(source, state)
            for order in state.orders.values():
                orderbook.insert(state.markets[order.symbol], order)
            await load_untriggered(source, state)
            await load_holds(source, state)
    return state


_OWN_CONTRACTS = f"""
    WHERE symbol = ANY($2) OR symbol IN (
        SELECT symbol FROM positions WHERE account_id = ANY($1)
        UNION SELECT symbol FROM orders WHERE account_id = ANY($1) AND {OPEN}
        UNION SELECT split_part(name, '{BEFORE_SIDE}', 1) FROM wallets
            WHERE owner = ANY($1) AND kind = 'isolated'
    )
"""  # noqa: S608 - names of our own


async def load_account(
    connection: asyncpg.Connection, account_id: str, symbols: Sequence[str] = ()
) -> State:
    """One account, if there is one, with its contracts and marks, and those of `symbols`, as of one
    moment; without books and totals."""
    with localcontext(EXACT):
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return await _load_part(connection, [account_id], symbols)


async def _load_part(
    connection: asyncpg.Connection, account_ids: Sequence[str], symbols: Sequence[str]
) -> State:
    source = RowSource(connection)
    state = await _load_traders(source, account_ids, symbols)
    await _load_orders(source, state, "AND account_id = ANY($1)", account_ids)
    return state


async def _load_traders(
    source: RowSource, account_ids: Sequence[str], symbols: Sequence[str]
) -> State:
    state = State()
    margin.leave_alone(state, await incidents.load(source.connection))
    await _load_leadership(source, state)
    await _load_wallets(
        source, state, "WHERE owner = ANY($1) AND kind IN ('cross', 'isolated')", account_ids
    )
    await _load_markets(source, state, _OWN_CONTRACTS, account_ids, symbols)
    own = "WHERE account_id = ANY($1)"
    await _load_accounts(source, state, own, account_ids)
    await _load_positions(source, state, own, account_ids)
    return state


async def load_contract(connection: asyncpg.Connection, symbol: str) -> Contract | None:
    """The terms of a contract, if there is one."""
    rows = await RowSource(connection).fetch("contracts", "WHERE symbol = $1", symbol)
    return _contract(*rows[0]) if rows else None


async def load_book(
    connection: asyncpg.Connection,
    symbol: str,
    bounds: Mapping[Side, Decimal | None],
    limits: Limits,
    *account_ids: str,
) -> State:
    """What an incoming order of the accounts meets in a contract, as of one moment.

    `bounds` names sides of the book, each with the worst price to look at (None: any). Of each the
    best orders, no more than one order can meet (ORD-10); their accounts are loaded whole, so that
    it can be told what they bear (ORD-11).
    """
    with localcontext(EXACT):
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            best = [
                row
                for side, bound in bounds.items()
                for row in await connection.fetch(_best(side), symbol, bound, limits.matched_orders)
            ]
            holders = {*account_ids, *(row["account_id"] for row in best)}
            state = await _load_part(connection, sorted(holders), [symbol])
            market = state.markets.get(symbol)
            if market is not None and is_limited(market.contract):
                await load_interest(connection, state, market)
            state.limits = limits
            for row in best:
                orderbook.insert(state.markets[symbol], state.orders[row["order_id"]])
    return state


async def load_prices_and_waiting(
    connection: asyncpg.Connection, symbol: str, limits: Limits, account_id: str
) -> State:
    """What an account's order that waits for a price in a contract is judged by, as of one moment:
    besides the account the contract's prices, and how many it has waiting (TRG-1, ORD-10)."""
    with localcontext(EXACT):
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            state = await _load_part(connection, [account_id], [symbol])
            source = RowSource(connection)
            await prices.load_traded(source, state)
            await load_waiting(source, state, account_id)
            state.limits = limits
    return state


async def load_holders(connection: asyncpg.Connection, symbol: str) -> AsyncGenerator[State, None]:
    """The accounts with a position in a contract, as of one moment, some at a time, so that many
    take no more memory than few; without orders, books and totals."""
    some = """
        SELECT DISTINCT account_id FROM positions WHERE symbol = $1 AND account_id > $2
        ORDER BY account_id LIMIT $3
    """
    after = ""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        while rows := await connection.fetch(some, symbol, after, CHUNK):
            account_ids = [row[0] for row in rows]
            with localcontext(EXACT):
                state = await _load_traders(RowSource(connection), account_ids, [symbol])
            yield state
            after = account_ids[-1]


async def load_market(connection: asyncpg.Connection, symbol: str) -> Market | None:
    """A contract, if there is one, with what its prices come from, as of one moment."""
    state = State()
    with localcontext(EXACT):
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            await _load_markets(RowSource(connection), state, "WHERE symbol = $1", symbol)
    return state.markets.get(symbol)


async def load_funds(connection: asyncpg.Connection, fund_ids: Sequence[str]) -> State:
    """Some funds with the contracts and marks of what they hold, as of one moment."""
    state, source = State(), RowSource(connection)
    own = "WHERE fund_id = ANY($1)"
    markets = f"WHERE symbol IN (SELECT symbol FROM inventory {own})"  # noqa: S608 - of our own
    with localcontext(EXACT):
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            await _load_leadership(source, state)
            await _load_wallets(source, state, "WHERE kind = 'fund' AND owner = ANY($1)", fund_ids)
            await _load_markets(source, state, markets, fund_ids)
            await _load_funds(source, state, own, fund_ids)
    return state


def _best(side: Side) -> str:
    way, beyond = ("DESC", ">=") if side == "buy" else ("ASC", "<=")
    return f"""
        SELECT order_id, account_id FROM orders
        WHERE symbol = $1 AND side = '{side}' AND {OPEN}
            AND ($2::numeric IS NULL OR price {beyond} $2)
        ORDER BY price {way}, {PLACE} LIMIT $3
    """  # noqa: S608 - names of our own


@contextmanager
def _collector_paused() -> Iterator[None]:
    """No garbage collection meanwhile, and of what was made, never.

    It would search millions of objects again and again, for garbage that the engine's state, having
    no cycles, never is; with a million positions each search stops everything for a second.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


async def _load_leadership(source: RowSource, state: State) -> None:
    (row,) = await source.fetch("leadership")
    state.time = row["time"]
    state.counters = Counters(row["sequence"], **{name: row[f"last_{name}"] for name in COUNTERS})


async def _load_wallets(source: RowSource, state: State, where: str, *values: object) -> None:
    wallets = state.wallets
    async for chunk in source.chunks("wallets", where, *values):
        for row in chunk:
            wallet = Wallet(*row)
            wallet.balance = Decimal(wallet.balance)
            wallets[wallet.key] = wallet


async def _load_markets(source: RowSource, state: State, where: str = "", *values: object) -> None:
    for row in await source.fetch("contracts", f"{where} ORDER BY symbol", *values):
        contract = _contract(*row)
        symbol, asset = contract.symbol, contract.settlement_asset
        key = wallet_key("clearing", symbol, asset)
        clearing = state.wallets.setdefault(
            key, Wallet(key=key, kind="clearing", owner=symbol, asset=asset, name="")
        )
        state.markets[symbol] = Market(contract, clearing)
    for row in await source.fetch("funding", where, *values):
        state.markets[row["symbol"]].funding = exact(Funding(*row), "funding")
    for row in await source.fetch("deliveries", where, *values):
        market = state.markets[row["symbol"]]
        market.delivery = exact(Delivery(*row), "deliveries")
        market.quantity_total += market.delivery.quantity
        market.cost_total += market.delivery.cost
    await prices.load(source, state, where, *values)


_TERMS = metadata.tables["contracts"].columns.keys()


@lru_cache(maxsize=4096)
def _contract(*row: Any) -> Contract:
    """The contract of a row; the same row gives the same object."""
    terms = dict(zip(_TERMS, row, strict=True))
    for name in DECIMALS["contracts"]:
        if terms[name] is not None:
            terms[name] = Decimal(terms[name])
    terms["brackets"] = codec.from_json(tuple[Bracket, ...], json.loads(terms["brackets"]))
    index_sources = json.loads(terms["index_sources"])
    terms["index_sources"] = codec.from_json(tuple[IndexSource, ...], index_sources)
    return Contract(**terms)


async def _load_funds(source: RowSource, state: State, where: str = "", *values: object) -> None:
    for row in await source.fetch("funds", f"{where} ORDER BY fund_id", *values):
        policy = codec.from_json(FundPolicy, json.loads(row["policy"]))
        minimum = codec.from_json(dict[str, Decimal], json.loads(row["required_minimum"]))
        wallets = [state.wallets[key] for key in json.loads(row["wallets"])]
        state.funds[row["fund_id"]] = Fund(
            fund_id=row["fund_id"],
            name=row["name"],
            policy=policy,
            created_at=row["created_at"],
            required_minimum=minimum,
            wallets=wallets,
            sequence=row["sequence"],
            last_hash=row["last_hash"],
        )
    for row in await source.fetch("inventory", where, *values):
        held = exact(Inventory(*row), "inventory")
        state.funds[held.fund_id].inventory[held.symbol] = held
        market = state.markets[held.symbol]
        market.quantity_total += held.quantity
        market.cost_total += held.cost
        market.open_interest += max(ZERO, held.quantity)
    await memory.load(source, state, where, *values)
    await verdicts.load(source, state, where, *values)


async def _load_keys(source: RowSource, state: State) -> None:
    for row in await source.fetch("api_keys", "ORDER BY created_at, key_id"):
        key = NewKey(**{name: row[name] for name in NewKey.__slots__})
        registered = ApiKey(key, created_at=row["created_at"], revoked_at=row["revoked_at"])
        state.keys[key.digest] = state.key_ids[key.key_id] = registered


async def _load_accounts(source: RowSource, state: State, where: str = "", *values: object) -> None:
    """The accounts with their settings and, of the wallets loaded before, their cross wallets."""
    accounts = state.accounts
    async for chunk in source.chunks("accounts", where, *values):
        for row in chunk:
            account_id, position_mode, created_at, cancel_at, owner_id = row
            accounts[account_id] = Account(
                account_id, position_mode, created_at, cancel_at=cancel_at, owner_id=owner_id
            )
            if owner_id is not None:
                state.owners.setdefault(owner_id, {})[account_id] = None
            if cancel_at is not None:
                state.countdowns.append((cancel_at, account_id))
    state.countdowns.sort()
    async for chunk in source.chunks("account_contracts", where, *values):
        for row in chunk:
            settings = ContractSettings(*row)
            accounts[settings.account_id].settings[settings.symbol] = settings
    for wallet in state.wallets.values():
        if wallet.kind == "cross":
            accounts[wallet.owner].wallets[wallet.asset] = wallet


async def _load_positions(
    source: RowSource, state: State, where: str = "", *values: object
) -> None:
    accounts, markets = state.accounts, state.markets
    legs: dict[tuple[str, PositionSide], tuple[str, PositionSide]] = {}
    scopes: dict[Scope, Scope] = {}
    async for chunk in source.chunks("positions", where, *values):
        for account_id, symbol, side, quantity, cost in chunk:
            # Equal strings and keys become one object: a million copies cost time and memory.
            account, market = accounts[account_id], markets[symbol]
            leg = legs.setdefault((symbol, side), (market.contract.symbol, side))
            scope = scope_of(account, market.contract, leg[1])
            scope = scopes.setdefault(scope, scope)
            position = Position(
                account.account_id, *leg, scope, quantity=Decimal(quantity), cost=Decimal(cost)
            )
            account.positions[leg] = position
            market.positions[account.account_id, leg[1]] = position
            if position.quantity > 0:
                market.long_count += 1
                market.open_interest += position.quantity
            market.quantity_total += position.quantity
            market.cost_total += position.cost
    for wallet in state.wallets.values():
        if wallet.kind == "isolated":
            _leg(state, wallet.owner, *leg_of(wallet.name)).wallet = wallet


async def _load_orders(source: RowSource, state: State, where: str = "", *values: object) -> None:
    """The open orders, oldest first, with what they reserve (ORD-4); not yet in the books."""
    rest = f"WHERE {OPEN} {where} ORDER BY {PLACE}"
    async for chunk in source.chunks("orders", rest, *values):
        for row in chunk:
            order = exact(Order(*row), "orders")
            position = _leg(state, order.account_id, order.symbol, order.position_side)
            position.orders[order.order_id] = state.orders[order.order_id] = order
            state.accounts[order.account_id].open_orders += 1
            if order.reduce_only:
                position.reducing[order.order_id] = order
            else:
                contract = state.markets[order.symbol].contract
                orderbook.reserve(contract, position, order, order.remaining)


def _leg(state: State, account_id: str, symbol: str, side: Any) -> Position:
    """The account's leg, which is empty when it has only orders or margin."""
    account = state.accounts[account_id]
    position = account.positions.get((symbol, side))
    if position is None:
        scope = scope_of(account, state.markets[symbol].contract, side)
        position = account.positions[symbol, side] = Position(account_id, symbol, side, scope)
    return position
