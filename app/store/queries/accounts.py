"""Accounts and their ledgers."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Integer,
    RowMapping,
    Select,
    case,
    column,
    func,
    literal,
    or_,
    select,
    tuple_,
    values,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from app.engine.scopes import wallet_key
from app.store.queries import Rows
from app.store.tables import account_contracts, accounts, transfers


async def list_accounts(connection: AsyncConnection, limit: int, after: str | None = None) -> Rows:
    """Accounts by identifier."""
    query = select(accounts).order_by(accounts.c.account_id).limit(limit)
    if after is not None:
        query = query.where(accounts.c.account_id > after)
    return (await connection.execute(query)).mappings().all()


async def get_account(connection: AsyncConnection, account_id: str) -> RowMapping | None:
    """One account."""
    query = select(accounts).where(accounts.c.account_id == account_id)
    return (await connection.execute(query)).mappings().one_or_none()


async def get_settings(
    connection: AsyncConnection, account_id: str, symbol: str
) -> RowMapping | None:
    """An account's own leverage and margin mode in a contract, where it chose them."""
    query = select(account_contracts).where(
        account_contracts.c.account_id == account_id, account_contracts.c.symbol == symbol
    )
    return (await connection.execute(query)).mappings().one_or_none()


async def list_ledger(
    connection: AsyncConnection,
    account_id: str,
    limit: int,
    *,
    asset: str | None = None,
    kind: str | None = None,
    before: tuple[int, int] | None = None,
) -> Rows:
    """Every movement of an account's wallets, newest first: one row per wallet it touched.

    A row is (transfer_id, receiving, ...): `receiving` 1 where the wallet gained. `amount` is
    signed as the wallet sees it. `before` is the (transfer_id, receiving) of the last row seen.
    """
    query = _movements(account_id).limit(limit)
    if asset is not None:
        query = query.where(transfers.c.asset == asset)
    if kind is not None:
        query = query.where(transfers.c.kind == kind)
    if before is not None:
        query = query.where(tuple_(transfers.c.transfer_id, _SIDE.c.receiving) < before)
    rows: Rows = (await connection.execute(query)).mappings().all()
    return rows


_SIDE = values(column("receiving", Integer), name="side").data([(0,), (1,)])


def _movements(account_id: str) -> Select[Any]:
    """Each transfer of the account twice, as its source and its destination see it, newest first;
    but not as a wallet sees it that is not the account's."""
    receiving = _SIDE.c.receiving
    wallet = case((receiving == 1, transfers.c.destination), else_=transfers.c.source)
    balance = case(
        (receiving == 1, transfers.c.destination_balance), else_=transfers.c.source_balance
    )
    sign = case((receiving == 1, literal(1)), else_=literal(-1))
    return (
        select(
            transfers.c.transfer_id,
            receiving,
            transfers.c.time,
            transfers.c.kind,
            transfers.c.asset,
            (transfers.c.amount * sign).label("amount"),
            wallet.label("wallet"),
            balance.label("balance_after"),
            transfers.c.symbol,
            transfers.c.reference,
        )
        .select_from(transfers.join(_SIDE, literal(True)))
        .where(
            transfers.c.account_id == account_id,
            or_(
                func.starts_with(wallet, wallet_key("cross", account_id, asset="")),
                func.starts_with(wallet, wallet_key("isolated", account_id, asset="")),
            ),
        )
        .order_by(transfers.c.transfer_id.desc(), receiving.desc())
    )
