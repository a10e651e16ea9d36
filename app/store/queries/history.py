"""The balance histories of insurance funds and the treasury (HIS-1, HIS-2): raw rows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, get_args

from sqlalchemy import (
    Column,
    ColumnElement,
    Select,
    Table,
    exists,
    func,
    select,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from app.engine.events import HistoryKind, TreasuryKind
from app.store.queries import Row, Rows
from app.store.queries.items import KEPT_AS, item, text_of
from app.store.queries.merging import Walk, Words, occurring, page_of
from app.store.tables import contracts, fund_history, funds, treasury, treasury_history

HistoryKey = tuple[datetime, str, int]
"""Where a row stands in the order of all funds' histories: time, fund, sequence."""
Connect = Callable[[], AbstractAsyncContextManager[AsyncConnection]]

FIELDS = (
    *("sequence", "time", "fund", "wallet", "asset", "kind", "amount", "balance_after", "symbol"),
    *("liquidation_id", "previous_hash", "hash"),
)
"""What readers see of a row, in order."""
EXPORT_ROWS = 2000


class Book(NamedTuple):
    """Whose history: the table of its rows, and that of the heads of its chains."""

    rows: Table
    heads: Table
    kinds: tuple[str, ...]
    file: str
    """What an export is called."""

    @property
    def place(self) -> tuple[Column[Any], ...]:
        """Where a row stands, as `HistoryKey`."""
        return self.rows.c.time, self.rows.c.fund_id, self.rows.c.sequence

    def shown(self) -> Iterator[Column[Any]]:
        """The columns of `FIELDS`."""
        return (self.rows.c[KEPT_AS.get(name, name)] for name in FIELDS)


FUNDS = Book(fund_history, funds, get_args(HistoryKind), "insurance-fund-history.csv")
TREASURY = Book(treasury_history, treasury, get_args(TreasuryKind), "treasury-history.csv")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows: None is any; `start` is inclusive, `end` exclusive."""

    fund: str | None = None
    asset: str | None = None
    kind: str | None = None
    symbol: str | None = None
    start: datetime | None = None
    end: datetime | None = None


def _words(book: Book, wanted: Filter) -> dict[str, Words]:
    """By which columns an index leads to what is wanted, and what they may hold."""
    kind: Words = wanted.kind or book.kinds
    if wanted.symbol is not None:
        fund: Words = wanted.fund or occurring(book.rows, "fund_id", symbol=wanted.symbol)
        return {"symbol": wanted.symbol, "fund_id": fund, "kind": kind}
    if wanted.fund is not None:
        asset: Words = wanted.asset or occurring(book.rows, "asset", fund_id=wanted.fund)
        return {"fund_id": wanted.fund, "asset": asset, "kind": kind}
    if wanted.asset is not None:
        return {"asset": wanted.asset, "kind": kind}
    return {"kind": wanted.kind} if wanted.kind else {}


def _page(
    book: Book,
    wanted: Filter,
    made: ColumnElement[str],
    limit: int,
    past: HistoryKey | None,
    *,
    oldest_first: bool = False,
) -> Select[Any]:
    """The places of a page of the rows that are wanted, and what is made of each."""
    bounds: list[ColumnElement[bool]] = []
    if wanted.start is not None:
        bounds.append(book.rows.c.time >= wanted.start)
    if wanted.end is not None:
        bounds.append(book.rows.c.time < wanted.end)
    if wanted.symbol is not None and wanted.asset is not None:
        # All of a contract's rows have its asset: with another one there are none to look through.
        settles = contracts.c.settlement_asset == wanted.asset
        bounds.append(exists().where(contracts.c.symbol == wanted.symbol, settles))
    walk = Walk(book.place, limit, past, bounds, oldest_first)
    return page_of(book.rows, walk, _words(book, wanted), [*book.place, made])


async def list_history(
    connection: AsyncConnection,
    book: Book,
    wanted: Filter,
    limit: int,
    before: HistoryKey | None = None,
) -> Rows:
    """Rows, newest first: where each stands, and as JSON `item` with the fields of `FIELDS`."""
    query = _page(book, wanted, item(FIELDS, book.rows.c), limit, before)
    rows: Rows = (await connection.execute(query)).mappings().all()
    return rows


async def history_head(connection: AsyncConnection, book: Book, fund_id: str) -> Row | None:
    """Sequence, hash and time of the last row of a chain; None when there is no such fund."""
    rows, heads = book.rows.c, book.heads.c
    last = (rows.fund_id == heads.fund_id) & (rows.sequence == heads.sequence)
    query = (
        select(heads.sequence, heads.last_hash.label("hash"), rows.time)
        .select_from(book.heads.outerjoin(book.rows, last))
        .where(heads.fund_id == fund_id)
    )
    return (await connection.execute(query)).mappings().one_or_none()


async def export_history(connect: Connect, book: Book, wanted: Filter) -> AsyncIterator[str]:
    """All rows as lines of CSV (`FIELDS`), oldest first, in chunks; PostgreSQL writes them.

    A chunk is a page: its work is bounded. No connection is held between chunks: a slow reader
    holds up nobody.
    """
    texts = (func.coalesce(text_of(column), "") for column in book.shown())
    line = func.concat_ws(",", *texts).concat("\n").label("line")
    after: HistoryKey | None = None
    while True:
        query = _page(book, wanted, line, EXPORT_ROWS, after, oldest_first=True)
        async with connect() as connection:
            rows = (await connection.execute(query)).all()
        yield "".join(row.line for row in rows)
        if len(rows) < EXPORT_ROWS:
            return
        last = rows[-1]
        after = last.time, last.fund_id, last.sequence
