"""What-ifs while one waits: a process that keeps the book as arrays, and answers (CAL-15).

    python -m app.calibration.whatif.desk < {"address": ...}, then one test a line

It answers each with one: {"answer": ...} or {"refused": [code, detail, context]}. It is started
with the first question and ends with its standard input, which `app.jobs.desk` holds.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from time import monotonic
from typing import Any, NamedTuple

import asyncpg

from app.calibration.inputs.snapshot import NoBook, read_book
from app.calibration.whatif import answer
from app.calibration.whatif.answer import Formula, FundFigures, StressRow
from app.calibration.whatif.fast import FastBook
from app.engine.numbers import ZERO
from app.jobs.library import read_library
from app.jobs.stress import (
    InvalidStressTest,
    Shocked,
    StressTest,
    assets_of,
    concerned,
    crash_of,
    prices,
    read_contracts,
    read_test,
)
from app.store import database

NICE = 10
KEPT_SECONDS = 60.0
"""How long a book answers questions."""


class KeptBooks(NamedTuple):
    """The books of some assets at one moment, with all contracts of then."""

    read_at: float
    contracts: list[Shocked]
    books: dict[str, FastBook]

    @property
    def age(self) -> float:
        return monotonic() - self.read_at


class BookDesk:
    """Answers one question after the other."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self._snapshot: KeptBooks | None = None

    async def ask(self, test: StressTest) -> StressRow:
        """Raises `InvalidStressTest` or `NoBook`."""
        crash = crash_of(test, await read_library(self._connection))
        snapshot = self._snapshot
        if snapshot is None or snapshot.age > KEPT_SECONDS:
            snapshot = await self._read([], test)
        contracts = concerned(test, snapshot.contracts)
        path = prices(test, contracts, crash)
        assets = assets_of(path, contracts)
        if not snapshot.books.keys() >= set(assets):
            snapshot = await self._read([*snapshot.books, *assets], test)
            contracts = concerned(test, snapshot.contracts)
            path = prices(test, contracts, crash)
        self._snapshot = snapshot
        return _answer(test, snapshot, contracts, path, assets)

    async def _read(self, assets: Sequence[str], test: StressTest) -> KeptBooks:
        connection, read_at = self._connection, monotonic()
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            contracts = await read_contracts(connection)
            concerned(test, contracts)
            books = {one: FastBook(await read_book(connection, one)) for one in sorted({*assets})}
        return KeptBooks(read_at, contracts, books)


def _answer(
    test: StressTest,
    snapshot: KeptBooks,
    contracts: Mapping[str, Shocked],
    path: Sequence[Mapping[str, Decimal]],
    assets: Sequence[str],
) -> StressRow:
    books = [snapshot.books[asset] for asset in assets]
    said = answer.formula((book.book, book.losses(path)) for book in books)
    after: dict[str, Decimal] = {}
    for step in path:
        after |= step
    return {
        **answer.asked(test, path),
        "as_of": answer.as_of(books[0].book.sequence, books[0].book.time),
        "age_seconds": round(snapshot.age, 3),
        "funds": [row for book in books for row in _funds(book, said)],
        "contracts": [
            answer.contract(contracts[symbol], after[symbol], said) for symbol in sorted(after)
        ],
        "accounts": None,
        "warnings": [
            {"code": "stale_mark", "subject": symbol}
            for book in books
            for symbol in book.book.stale
        ],
    }


def _funds(book: FastBook, said: Formula) -> list[StressRow]:
    terms, held = book.book.contracts, book.book.held()
    found = []
    for number, fund in enumerate(book.book.funds):
        own = [said[one.symbol] for one in terms if one.fund == number]
        total = sum((one[0] for one in own), ZERO), sum((one[1] for one in own), ZERO)
        notional = sum(abs(held[place]) for place, one in enumerate(terms) if one.fund == number)
        standing = FundFigures(answer.money(fund.balance), answer.money(float(notional)), None)
        found.append(answer.fund(fund.fund_id, book.book.asset, total, standing))
    return found


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    order = json.loads(await loop.run_in_executor(None, sys.stdin.buffer.readline))
    connection = await database.connect(order["address"])
    desk = BookDesk(connection)
    while line := await loop.run_in_executor(None, sys.stdin.buffer.readline):
        try:
            said: dict[str, Any] = {"answer": await desk.ask(read_test(json.loads(line)))}
        except InvalidStressTest as error:
            said = {"refused": [error.code, error.detail, error.context]}
        except NoBook as error:
            said = {"refused": [error.code, error.detail, {}]}
        sys.stdout.buffer.write(json.dumps(said).encode() + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    os.nice(NICE)
    asyncio.run(_serve())
