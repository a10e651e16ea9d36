"""What the limits of a contract's open interest are judged by, where there is no leader to ask."""

from __future__ import annotations

from decimal import Decimal

import asyncpg

from app.engine.markets import Market
from app.engine.policies import DEFAULT_POLICY
from app.engine.state import Fund, State
from app.engine.traders import Wallet

_LONGS = """
    SELECT COALESCE(sum(quantity), 0)::text FROM (
        SELECT quantity FROM positions WHERE symbol = $1 AND quantity > 0
        UNION ALL SELECT quantity FROM inventory WHERE symbol = $1 AND quantity > 0
    ) AS held
"""
_WALLETS = """
    SELECT key, kind, owner, asset, name, balance::text FROM wallets
    WHERE kind = 'fund' AND owner = $1
"""
_CREATED = "SELECT created_at FROM funds WHERE fund_id = $1"


async def load_interest(connection: asyncpg.Connection, state: State, market: Market) -> None:
    """A contract's open interest and, of its fund, the wallets alone; within a transaction.

    Sums the contract's longs, of which 100,000 take some 20 ms: only where there is a limit.
    """
    contract = market.contract
    market.open_interest = Decimal(await connection.fetchval(_LONGS, contract.symbol))
    fund_id = contract.insurance_fund
    created_at = await connection.fetchval(_CREATED, fund_id)
    fund = Fund(fund_id, fund_id, DEFAULT_POLICY, created_at)
    for row in await connection.fetch(_WALLETS, fund_id):
        wallet = Wallet(*row)
        wallet.balance = Decimal(wallet.balance)
        fund.wallets.append(wallet)
    state.funds[fund_id] = fund
