"""Accounts and their ledgers."""

from __future__ import annotations

from typing import Any, get_args

from sqlalchemy import (
    ColumnElement,
    Integer,
    RowMapping,
    Select,
    Subquery,
    case,
    column,
    func,
    literal,
    or_,
    select,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from app.engine.events import LedgerKind
from app.engine.scopes import wallet_key
from app.store.queries import Rows
from app.store.queries.items import Names, item
from app.store.queries.merging import Walk, Words, occurring, page_of
from app.store.tables import account_contracts, accounts, transfers

LEDGER_KINDS = get_args(LedgerKind)


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
    names: Names,
    *,
    asset: str | None = None,
    kind: str | None = None,
    before: tuple[int, int] | None = None,
) -> Rows:
    """Every movement of an account's wallets, newest first: one row per wallet it touched.

    A row is (transfer_id, receiving, item): `receiving` 1 where the wallet gained. `amount` is
    signed as the wallet sees it. `before` is the (transfer_id, receiving) of the last row seen.
    """
    # Each transfer gives a row at least; that of the last row seen, maybe no more.
    past = None if before is None else (before[0] + 1,)
    walk = Walk((transfers.c.transfer_id,), limit + 1, past)
    words: dict[str, Words] = {
        "account_id": account_id,
        "asset": asset or occurring(transfers, "asset", account_id=account_id),
        "kind": kind or LEDGER_KINDS,
    }
    moved = page_of(transfers, walk, words, list(transfers.c)).subquery("moved")
    query = _movements(moved, account_id, names).limit(limit)
    if before is not None:
        query = query.where(tuple_(moved.c.transfer_id, _SIDE.c.receiving) < before)
    rows: Rows = (await connection.execute(query)).mappings().all()
    return rows


_SIDE = (
    func.generate_series(0, 1)
    .table_valued(column("receiving", Integer))
    .render_derived(name="side")
)
"""No VALUES: a statement with these is compiled anew for each request."""


def _seen() -> list[ColumnElement[Any]]:
    """What is read of a transfer by a wallet that it touched, as its source or destination."""
    moved, receives = transfers.alias("moved").c, _SIDE.c.receiving == 1
    wallet = case((receives, moved.destination), else_=moved.source)
    balance = case((receives, moved.destination_balance), else_=moved.source_balance)
    sign = case((receives, literal(1)), else_=literal(-1))
    # Its owner reads `cross`, or the leg as `BTCUSDT:both`: what stands behind kind, owner, asset.
    name = func.coalesce(func.nullif(func.split_part(wallet, "/", 4), ""), "cross")
    return [
        *(column for column in moved if column.name != "amount"),
        (moved.amount * sign).label("amount"),
        name.label("wallet"),
        balance.label("balance_after"),
    ]


_SEEN = _seen()


def _movements(moved: Subquery, account_id: str, names: Names) -> Select[Any]:
    """Each transfer of the account twice, as its source and its destination see it, newest first;
    but not as a wallet sees it that is not the account's."""
    receiving = _SIDE.c.receiving
    wallet = case((receiving == 1, moved.c.destination), else_=moved.c.source)
    return (
        select(moved.c.transfer_id, receiving, item(names, _SEEN))
        .select_from(moved.join(_SIDE, literal(True)))
        .where(
            or_(
                func.starts_with(wallet, wallet_key("cross", account_id, asset="")),
                func.starts_with(wallet, wallet_key("isolated", account_id, asset="")),
            ),
        )
        .order_by(moved.c.transfer_id.desc(), receiving.desc())
    )
