"""The book of a whole exchange, made up: as arrays, and written into the tables."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime

import numpy as np

from app.calibration.figures import Floats, Ints
from app.calibration.inputs.book import ContractTerms, FundTerms, PositionBook
from app.store import database

FLOORS = np.array([0, 5e4, 2.5e5, 1e6])
MAJOR = np.array([0.004, 0.005, 0.01, 0.025])
OTHER = np.array([0.01, 0.015, 0.025, 0.05])
"""Rates by bracket, of the three largest contracts and of all others."""
FUNDS = ("usdt-major",)
LARGEST = 5e6
ISOLATED = 0.7


def book(positions: int, contracts: int) -> PositionBook:
    """Seven tenths are isolated, each its account's only one; the others are some together.

    The n-th contract has an n-th of what the first one has. Sizes and leverages are lognormal.
    """
    random = np.random.default_rng(2)
    terms = _terms(random, contracts)
    alone = int(positions * ISOLATED)
    account, contract = _legs(random, positions - alone, contracts)
    account = np.concatenate([np.arange(alone), alone + account])
    contract = np.concatenate([_drawn(random, alone, contracts), contract])
    notional = np.minimum(np.exp(random.normal(6.5, 2.0, positions)), LARGEST)
    marks = np.array([one.mark for one in terms])[contract]
    quantity = np.round(notional / marks, 8) + 1e-8
    quantity *= np.where(random.random(positions) < 0.52, 1, -1)
    isolated = np.arange(positions) < alone
    margin = _margins(random, terms, contract, np.abs(quantity * marks))
    whole = np.round(np.bincount(account, margin), 8)
    return PositionBook(
        asset="USDT",
        sequence=0,
        time=datetime(2026, 1, 1, tzinfo=UTC),
        contracts=terms,
        funds=tuple(FundTerms(name, 1e8, 1.0) for name in FUNDS),
        account=account,
        contract=contract,
        quantity=quantity,
        cost=np.round(quantity * marks, 8),
        wallet=np.where(isolated, np.round(margin, 8), np.nan),
        cross=np.where(np.arange(len(whole)) < alone, 0.0, whole),
        owner=np.arange(len(whole)),
        inventory=np.zeros(contracts),
        digest="",
    )


def _terms(random: np.random.Generator, contracts: int) -> tuple[ContractTerms, ...]:
    marks = np.round(np.exp(random.normal(2, 2, contracts)) + 0.01, 4)
    found = []
    for number, mark in enumerate(marks.tolist()):
        rates = MAJOR if number < 3 else OTHER
        cums = np.round(np.concatenate([[0], np.cumsum(FLOORS[1:] * np.diff(rates))]), 8)
        fund = number % len(FUNDS)
        name = f"C{number:04}"
        brackets = np.column_stack([FLOORS, rates, cums])
        found.append(ContractTerms(f"{name}USDT", name, fund, False, 1.0, mark, brackets))
    return tuple(found)


def _drawn(random: np.random.Generator, count: int, contracts: int) -> Ints:
    share = 1 / np.arange(1, contracts + 1)
    return random.choice(contracts, count, p=share / share.sum())


def _legs(random: np.random.Generator, count: int, contracts: int) -> tuple[Ints, Ints]:
    """Accounts with two to eight legs, as far as these are in different contracts."""
    account = np.repeat(np.arange(count), random.integers(2, 9, count))[: 4 * count]
    key = np.unique(account * contracts + _drawn(random, len(account), contracts))[:count]
    return key // contracts, key % contracts


def _margins(
    random: np.random.Generator, terms: Iterable[ContractTerms], contract: Ints, notional: Floats
) -> Floats:
    """What each position has behind it: at least a bit more than it must."""
    margin = np.clip(np.exp(random.normal(-2.2, 0.8, len(notional))), 0, 0.95)
    least = np.zeros(len(notional))
    for number, one in enumerate(terms):
        here = contract == number
        bracket = np.searchsorted(FLOORS, notional[here], "right") - 1
        rate, cum = one.brackets[bracket, 1:].T
        least[here] = (rate - cum / notional[here]) * 1.1 + 0.002
    return np.asarray(notional * np.maximum(margin, least))


async def write(address: str, given: PositionBook) -> None:
    """The book into the tables of a database with the default catalogue."""
    connection = await database.connect(address)
    try:
        for one in given.contracts:
            fund = given.funds[one.fund].fund_id
            names = one.symbol, one.base_asset, fund, json.dumps(_brackets(one))
            await connection.execute(_CONTRACT, *names)
            await connection.execute(_MARK, one.symbol, one.mark)
        columns = given.account, given.contract, given.quantity, given.cost, given.wallet
        await connection.execute(_LEGS)
        rows = zip(*(one.tolist() for one in columns), strict=True)
        await connection.copy_records_to_table("legs", records=rows)
        rows = zip(range(len(given.cross)), given.cross.tolist(), strict=True)
        await connection.copy_records_to_table("holders", records=rows)
        for statement in _STATEMENTS:
            await connection.execute(statement)
    finally:
        await connection.close()


def _brackets(terms: ContractTerms) -> list[dict[str, object]]:
    caps = [*FLOORS[1:], 1e12]
    return [
        {
            "notional_floor": f"{floor:f}", "notional_cap": f"{cap:f}", "max_leverage": 1,
            "maintenance_margin_rate": f"{rate:f}", "cum": f"{cum:.8f}",
        }
        for (floor, rate, cum), cap in zip(terms.brackets, caps, strict=True)
    ]  # fmt: skip


_CONTRACT = """
    INSERT INTO contracts SELECT (jsonb_populate_record(contracts, jsonb_build_object(
        'symbol', $1::text, 'base_asset', $2::text, 'insurance_fund', $3::text,
        'brackets', $4::jsonb, 'contract_size', 1
    ))).* FROM contracts WHERE symbol = 'BTCUSDT'
"""
_MARK = """
    INSERT INTO marks (symbol, price, time, awaited)
    VALUES ($1, round($2::numeric, 4), now(), false)
"""
_LEGS = """
    CREATE TEMP TABLE legs (
        account bigint, contract bigint, quantity float8, cost float8, wallet float8
    );
    CREATE TEMP TABLE holders (account bigint, balance float8)
"""
_NAME = "'p' || lpad(account::text, 8, '0')"
_SYMBOL = "'C' || lpad(contract::text, 4, '0') || 'USDT'"
_STATEMENTS = (
    f"INSERT INTO accounts SELECT {_NAME}, 'one_way', now() FROM holders",
    f"""INSERT INTO account_contracts SELECT {_NAME}, {_SYMBOL}, 20,
        CASE WHEN wallet = 'NaN' THEN 'cross' ELSE 'isolated' END FROM legs""",
    f"""INSERT INTO positions SELECT {_NAME}, {_SYMBOL}, 'both',
        round(quantity::numeric, 8), round(cost::numeric, 8) FROM legs""",
    f"""INSERT INTO wallets SELECT 'isolated/' || {_NAME} || '/USDT/' || {_SYMBOL} || ':both',
        'isolated', {_NAME}, 'USDT', {_SYMBOL} || ':both', round(wallet::numeric, 8)
        FROM legs WHERE wallet <> 'NaN'""",
    f"""INSERT INTO wallets SELECT 'cross/' || {_NAME} || '/USDT', 'cross', {_NAME}, 'USDT', '',
        round(balance::numeric, 8) FROM holders""",
    "DROP TABLE legs, holders",
    "VACUUM (ANALYZE)",
)
