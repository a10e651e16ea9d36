"""The book as it is read, beside the engine's own state of the same moment (CAL-2, CAL-11)."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal

import asyncpg
import numpy as np
import pytest

from app.calibration.inputs.book import PositionBook
from app.calibration.inputs.snapshot import NoBook, read_book
from app.engine.commands.accounts import DeclareOwner
from app.engine.figures import margin
from app.engine.numbers import ZERO, plain
from app.engine.state import State
from app.engine.traders import Position
from app.runner.runner import Runner
from app.store import database
from app.store.loader import load_state
from tests.conftest import new_database
from tests.verify.market import TRADERS, Market, delivered_soon, opening

ASSETS = ("USDT", "USDC", "BTC")


@pytest.fixture(scope="module")
def lived(server: str, migrated: str) -> Iterator[str]:
    """A database in which a market has lived: linear and inverse, isolated and cross."""
    with new_database(server, template=migrated) as address:
        asyncio.run(_live(address))
        yield address


async def _live(address: str) -> None:
    market = Market(seed=1)
    async with Runner(address) as runner:
        await runner.submit([*opening(), *delivered_soon()])
        for batch in (*(market.batch() for _ in range(20)), market.crash(), market.batch()):
            await runner.submit(batch)
        await runner.submit([DeclareOwner(trader, "TRADERS") for trader in TRADERS[4:7]])


@pytest.fixture
async def market(lived: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await database.connect(lived)
    yield connection
    await connection.close()


def positions(state: State, asset: str) -> list[Position]:
    """All that are settled in an asset, sorted as in the book."""
    found = [
        position
        for market in state.markets.values()
        for position in market.positions.values()
        if market.contract.settlement_asset == asset and position.quantity
    ]
    return sorted(found, key=lambda one: (one.account_id, one.symbol, one.side))


def lines(state: State, asset: str) -> Iterator[str]:
    """What is hashed, as the module says it."""
    held = positions(state, asset)
    for one in held:
        wallet = plain(margin.scope_balance(state, one.scope)) if one.isolated else ""
        numbers = plain(one.quantity), plain(one.cost), wallet
        yield "|".join((one.account_id, one.symbol, one.side, *numbers))
    for name, scope in {one.account_id: one.scope for one in held if not one.isolated}.items():
        yield f"cross|{name}|{plain(margin.scope_balance(state, scope))}"
    inventory = sorted(
        (fund.fund_id, one.symbol, plain(one.quantity))
        for fund in state.funds.values()
        for one in fund.inventory.values()
        if state.markets[one.symbol].contract.settlement_asset == asset
    )
    for symbol in sorted({one.symbol for one in held} | {symbol for _, symbol, _ in inventory}):
        mark = state.markets[symbol].mark
        assert mark is not None
        yield f"mark|{symbol}|{plain(mark.price)}"
    for fund_id, symbol, quantity in inventory:
        yield f"inventory|{fund_id}|{symbol}|{quantity}"


@pytest.mark.parametrize("asset", ASSETS)
async def test_it_is_what_the_engine_has(market: asyncpg.Connection, asset: str) -> None:
    """Positions with margins and wallets, the moment, and a hash that others can make again."""
    book, state = await read_book(market, asset), await load_state(market)
    assert (book.sequence, book.time) == (state.counters.command, state.time)
    held = positions(state, asset)
    assert len(book.quantity) == len(held) > 5
    values = book.values()
    rates, cums = book.brackets(values)
    for number, one in enumerate(held):
        assert book.contracts[book.contract[number]].symbol == one.symbol
        assert (book.quantity[number], book.cost[number]) == (float(one.quantity), float(one.cost))
        there = state.markets[one.symbol]
        assert values[number] == pytest.approx(float(there.worth(one.quantity)), abs=1e-8)
        maintained = rates[number] * abs(values[number]) - cums[number]
        assert maintained == pytest.approx(float(there.maintenance_margin(one.quantity)), abs=1e-8)
        wallet = book.wallet[number] if one.isolated else book.cross[book.account[number]]
        assert wallet == float(margin.scope_balance(state, one.scope))
        assert np.isnan(book.wallet[number]) != one.isolated
    text = "".join(f"{line}\n" for line in lines(state, asset))
    assert book.digest == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("asset", ASSETS)
async def test_contracts_and_funds(market: asyncpg.Connection, asset: str) -> None:
    book, state = await read_book(market, asset), await load_state(market)
    for number, one in enumerate(book.contracts):
        terms = state.markets[one.symbol].contract
        assert (one.base_asset, one.inverse) == (terms.base_asset, terms.margining == "inverse")
        assert book.funds[one.fund].fund_id == terms.insurance_fund
        held = state.funds[terms.insurance_fund].inventory.get(one.symbol)
        assert book.inventory[number] == float(held.quantity if held else ZERO)
    for fund in book.funds:
        known = state.funds[fund.fund_id]
        assert fund.balance == float(known.balance(asset))
        assert fund.max_net_notional_ratio == float(known.policy.max_net_notional_ratio)
    now = state.time
    assert now is not None
    stale = [
        one.symbol for one in book.contracts if margin.is_stale(state.markets[one.symbol], now)
    ]
    assert [*book.stale] == stale


async def test_accounts_of_one_owner_fail_together(market: asyncpg.Connection) -> None:
    book, state = await read_book(market, "USDT"), await load_state(market)
    names = list(dict.fromkeys(one.account_id for one in positions(state, "USDT")))
    owner = dict(zip(names, book.owner.tolist(), strict=True))
    same = [owner.pop(trader) for trader in TRADERS[4:7] if trader in owner]
    assert len(same) > 1
    assert len(set(same)) == 1
    assert len({*owner.values(), *same}) == len(owner) + 1  # all others are for themselves


async def test_stale_marks_are_used_and_listed(market: asyncpg.Connection) -> None:
    """Those that the engine takes for stale (MRK-4), but for a settlement price (DLV-1)."""
    async with rolled_back(market):
        await market.execute("UPDATE contracts SET mark_staleness_seconds = 5")
        await market.execute("UPDATE marks SET time = time - interval '1 hour'")
        await market.execute("UPDATE deliveries SET phase = 'closing'")
        book, state = await read_book(market, "USDT"), await load_state(market)
        assert state.time is not None
        assert book.stale == ("AUSDT", "BUSDT")
        for one in book.contracts:
            known = state.markets[one.symbol]
            assert margin.is_stale(known, state.time) == (one.symbol in book.stale)
        await market.execute("UPDATE marks SET time = (SELECT time FROM leadership)")
        await market.execute("UPDATE marks SET awaited = true WHERE symbol = 'BUSDT'")
        assert (await read_book(market, "USDT")).stale == ("BUSDT",)


async def test_without_a_mark_there_is_no_book(market: asyncpg.Connection) -> None:
    async with rolled_back(market):
        await market.execute("DELETE FROM marks WHERE symbol = 'DBTC'")
        with pytest.raises(NoBook, match="DBTC") as found:
            await read_book(market, "BTC")
        assert found.value.code == "no_mark"
        assert (await read_book(market, "USDT")).contracts


@asynccontextmanager
async def rolled_back(connection: asyncpg.Connection) -> AsyncIterator[None]:
    """What is done meanwhile is undone."""
    transaction = connection.transaction(isolation="repeatable_read")
    await transaction.start()
    yield
    await transaction.rollback()


async def test_an_empty_exchange_has_an_empty_book(connection: asyncpg.Connection) -> None:
    book = await read_book(connection, "USDT")
    assert isinstance(book, PositionBook)
    assert (len(book.account), book.contracts, book.funds) == (0, (), ())
    assert book.digest == hashlib.sha256(b"").hexdigest()
    assert Decimal(book.sequence) == 0
