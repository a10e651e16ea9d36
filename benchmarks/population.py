"""Positions by the million, written straight into the tables: pairs of a long and a short.

Every law of NUM-4 holds: the two of a pair have the same quantity and entry price, and the outside
world is owed what their wallets hold. The figures are drawn in PostgreSQL from a fixed seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from app.catalogue.default import default_contracts
from app.engine.commands import Command
from app.engine.commands.funds import ContributeToFund
from app.engine.commands.prices import Tick
from benchmarks.servers import execute

MARKS = {"BTCUSDT": 60_000, "ETHUSDT": 3_000, "BNBUSDT": 600, "LTCUSDT": 100, "LINKUSDT": 20}
"""The contracts and their marks; a population has one, or all in every account."""
FUND = Decimal(10_000_000_000)


def spread(highest: int) -> str:
    """Accounts with leverages from 1 to `highest`, on a logarithmic scale; none at risk yet."""
    drawn = f"notional / power({highest}, draw)"
    return f"CASE WHEN {drawn} > 0.005 * notional + loss THEN {drawn} ELSE notional / 5 + loss END"


CROWDED = "CASE WHEN long THEN 0.02 * notional ELSE 2 * notional END"
"""All longs at 50, liquidated by the same fall of 2 %; the shorts can bear whatever comes."""


def setting(*, fund: bool = True) -> list[Command]:
    """Marks for the contracts, and funds that can carry everything, or nothing."""
    commands: list[Command] = [Tick(symbol, Decimal(price)) for symbol, price in MARKS.items()]
    if fund:
        funds = {c.insurance_fund for c in default_contracts() if c.symbol in MARKS}
        commands += [
            ContributeToFund(fund_id, "main", "USDT", FUND, "seed_capital")
            for fund_id in sorted(funds)
        ]
    return commands


async def populate(
    address: str, positions: int, *, contracts: int = 1, margin: str, range_bp: int = 200
) -> None:
    """Write `positions` positions, `contracts` of them per account, beside what is there.

    Entry prices lie within `range_bp` of the mark. Accounts with one position have it isolated or
    cross in turn; those with several are cross. `margin` is what an account holds, in terms of
    notional, `loss` (unrealised, not negative), `draw` (0 to 1) and `long`.
    """
    pairs = positions // contracts // 2
    symbols = list(MARKS.items())[:contracts]
    await execute(address, *_statements(pairs, symbols, margin, range_bp))


def _statements(
    pairs: int, symbols: Sequence[tuple[str, int]], margin: str, range_bp: int
) -> list[str]:
    values = ", ".join(f"('{symbol}', {mark}::numeric)" for symbol, mark in symbols)
    isolated = "account / 2 % 2 = 0" if len(symbols) == 1 else "false"
    return [
        "SELECT setseed(0.5)",
        f"""CREATE TEMP TABLE legs AS
            SELECT pair, symbol, mark, round(100 * power(60, random())::numeric / mark, 3) + 0.001
                   AS quantity, mark * (1 + floor((2 * random() - 1) * {range_bp})::numeric / 10000)
                   AS entry, CASE WHEN {len(symbols)} = 1 OR random() < 0.5 THEN 1 ELSE -1 END
                   AS direction
            FROM generate_series(0, {pairs} - 1) AS pair, (VALUES {values}) AS s (symbol, mark)""",
        """CREATE TEMP TABLE held AS
            SELECT 2 * pair + way AS account, symbol, quantity * mark AS notional,
                   quantity * direction * (1 - 2 * way) AS quantity,
                   quantity * direction * (1 - 2 * way) * (mark - entry) AS profit,
                   quantity * direction * (1 - 2 * way) * entry AS cost
            FROM legs, generate_series(0, 1) AS way""",
        f"""CREATE TEMP TABLE holders AS
            SELECT account, {isolated} AS isolated, round(({margin})::numeric, 8) AS balance
            FROM (SELECT account, sum(notional) AS notional, greatest(0, -sum(profit)) AS loss,
                         account % 2 = 0 AS long, random() AS draw
                  FROM held GROUP BY account ORDER BY account) AS totals""",
        """INSERT INTO accounts SELECT 'p' || account, 'one_way', now() FROM holders""",
        """INSERT INTO account_contracts
            SELECT 'p' || account, symbol, 20, CASE WHEN isolated THEN 'isolated' ELSE 'cross' END
            FROM held JOIN holders USING (account)""",
        """INSERT INTO positions SELECT 'p' || account, symbol, 'both', quantity, cost FROM held""",
        """INSERT INTO wallets
            SELECT CASE WHEN isolated THEN 'isolated/p' || account || '/USDT/BTCUSDT:both'
                        ELSE 'cross/p' || account || '/USDT' END,
                   CASE WHEN isolated THEN 'isolated' ELSE 'cross' END, 'p' || account, 'USDT',
                   CASE WHEN isolated THEN 'BTCUSDT:both' ELSE '' END, balance
            FROM holders""",
        """INSERT INTO wallets
            SELECT 'external/USDT', 'external', '', 'USDT', '', -sum(balance) FROM holders
            ON CONFLICT (key) DO UPDATE SET balance = wallets.balance + excluded.balance""",
        "DROP TABLE legs, held, holders",
        "VACUUM (ANALYZE)",
    ]
