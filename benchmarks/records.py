"""A long past, written straight into the tables: two years of funds, liquidations and ledger.

Figures are drawn in PostgreSQL from a fixed seed: a few contracts and accounts have most of it,
some kinds hardly occur. Rows have what pages, filters and sums look at. Balances do not add up, and
a hash is that of the row's number alone: this is no chain.
"""

from __future__ import annotations

import runpy
from decimal import Decimal

from app.catalogue.default import default_contracts
from app.engine.commands import Command
from app.engine.commands.funds import ContributeToFund
from app.store.database import MIGRATIONS
from benchmarks.servers import execute

ROWS_OF_AN_ACCOUNT = 100
SPAN = "interval '730 days'"
SEED = Decimal(1_000)
RARE_ASSET = ("usdt-major", "BNB")
"""A fund with hardly anything in a second asset."""

KINDS = {
    "liquidation_clearance_fee": 0.6,
    "bankruptcy_loss": 0.12,
    "takeover_gain": 0.12,
    "inventory_settlement": 0.1,
    "inventory_funding": 0.0599,
    "deficit_cover": 0.0000995,
    "adjustment": 0.0000005,
}
"""Of fund history, with how often each occurs; the last some five times in 10,000,000 rows."""
OUTCOMES = {
    "closed": 0.7,
    "taken_over": 0.2,
    "mixed": 0.07,
    "deleveraged": 0.0289,
    "orders_canceled": 0.001,
    "reduced": 0.0001,
}
LEDGER = {
    "trading_fee": 0.6,
    "realized_profit": 0.3,
    "funding": 0.0989,
    "deposit": 0.001,
    "withdrawal": 0.0001,
}


def seed() -> list[Command]:
    """A wallet for each fund in each asset that it settles in, and in a second one."""
    held = {(c.insurance_fund, c.settlement_asset) for c in default_contracts()} | {RARE_ASSET}
    return [
        ContributeToFund(fund, "main", asset, SEED, "seed_capital") for fund, asset in sorted(held)
    ]


def accounts(rows: int) -> int:
    """How many accounts there are beside so much fund history."""
    return rows // ROWS_OF_AN_ACCOUNT


async def write(address: str, rows: int) -> None:
    """Write `rows` of fund history, a tenth as many liquidations, half as many of the ledger.

    Accounts are `h0` to the one of `accounts`.
    """
    await execute(address, *_statements(rows))
    # As the migration that made them adds up what was there before.
    added_up = runpy.run_path(str(MIGRATIONS / "versions/0024_fund_buckets.py"))["FILLED"]
    emptied = "TRUNCATE fund_intervals, fund_flows, fund_volumes"
    await execute(address, emptied, *added_up, "VACUUM (ANALYZE)")


def _drawn(words: dict[str, float], draw: str) -> str:
    """SQL for one of the words, by its share, from a number between 0 and 1."""
    cases, bound = [], 0.0
    for word, share in words.items():
        bound += share
        cases.append(f"WHEN {draw} < {bound} THEN '{word}'")
    return f"CASE {' '.join(cases)} ELSE '{next(iter(words))}' END"


def _contract(draw: str) -> str:
    """SQL for the number of a contract: of 52 the first has a quarter, the last half a percent."""
    return f"1 + floor(power({draw}, 3) * (SELECT count(*) FROM numbered))::int"


def _account(draw: str, skew: int) -> str:
    return f"'h' || floor(power({draw}, {skew}) * (SELECT count(*) FROM accounts))::int"


def _statements(rows: int) -> list[str]:
    liquidations, transfers = rows // 10, rows // 2
    return [
        "SELECT setseed(0.5)",
        "SET work_mem = '256MB'",
        "SET maintenance_work_mem = '512MB'",
        "SET synchronous_commit = off",
        # Quicker than keeping indexes up row by row.
        """CREATE TEMP TABLE dropped AS
            SELECT indexname AS name, indexdef AS made FROM pg_indexes
            WHERE schemaname = 'public' AND indexname NOT LIKE '%\\_pkey'
              AND tablename IN ('fund_history', 'liquidations', 'clearance_fees', 'adl_events',
                                'adl_counterparties', 'alerts', 'transfers')""",
        """DO $$ DECLARE one record; BEGIN FOR one IN SELECT * FROM dropped LOOP
            EXECUTE format('DROP INDEX %I', one.name); END LOOP; END $$""",
        """CREATE TEMP TABLE numbered AS
            SELECT symbol, insurance_fund AS fund_id, settlement_asset AS asset,
                   row_number() OVER (ORDER BY md5(symbol)) AS number FROM contracts""",
        f"UPDATE fund_history SET time = now() - {SPAN}",
        f"UPDATE transfers SET time = now() - {SPAN}",
        *_accounts(accounts(rows)),
        *_liquidations(liquidations),
        *_history(rows, liquidations),
        *_transfers(transfers),
        """DO $$ DECLARE one record; BEGIN FOR one IN SELECT * FROM dropped LOOP
            EXECUTE one.made; END LOOP; END $$""",
        """UPDATE leadership SET
            last_liquidation = (SELECT max(liquidation_id) FROM liquidations),
            last_liquidation_event = (SELECT max(event_id) FROM liquidations),
            last_adl_event = (SELECT max(adl_event_id) FROM adl_events),
            last_alert = (SELECT max(alert_id) FROM alerts),
            last_transfer = (SELECT max(transfer_id) FROM transfers)""",
        "DROP TABLE dropped, numbered",
    ]


def _at(number: str, count: int) -> str:
    """SQL for the time of the row with a number, of so many."""
    return f"now() - {SPAN} + {SPAN} * ({number} / {count + 1}.0)"


def _accounts(count: int) -> list[str]:
    return [
        f"""INSERT INTO accounts (account_id, position_mode, created_at)
            SELECT 'h' || n, 'one_way', now() FROM generate_series(0, {count - 1}) AS n""",
        """INSERT INTO wallets (key, kind, owner, asset, name, balance)
            SELECT 'cross/' || account_id || '/' || asset, 'cross', account_id, asset, '', 0
            FROM accounts, (VALUES ('USDT'), ('BTC')) AS a (asset)""",
    ]


def _liquidations(count: int) -> list[str]:
    return [
        f"""CREATE TEMP TABLE drawn AS
            SELECT n, {_contract("random()")} AS number, {_account("random()", 2)} AS account_id,
                   random() AS outcome, random() < 0.6 AS long, random() AS size
            FROM generate_series(1, {count}) AS n""",
        f"""INSERT INTO liquidations (liquidation_id, event_id, time, account_id, symbol, fund_id,
                side, position_side, margin_mode, quantity, mark_price, bankruptcy_price, equity,
                maintenance_margin, filled_quantity, filled_value, clearance_fee,
                clearance_fee_to_fund, taken_over_quantity, deleveraged_quantity, netted_quantity,
                fund_amount, treasury_amount, final_wallet, outcome, steps)
            SELECT n, n, {_at("n", count)}, account_id, symbol, fund_id,
                   CASE WHEN long THEN 'long' ELSE 'short' END, 'both', 'cross',
                   round(size::numeric * 10, 3) + 0.001, 100, 98, 10, 12,
                   0, 0, 1, 1, 0, 0, 0, 0, 0, 0, {_drawn(OUTCOMES, "outcome")},
                   '[["trigger", {{"mark_price": "100"}}], ["end", {{}}]]'
            FROM drawn JOIN numbered USING (number)""",
        """INSERT INTO clearance_fees (liquidation_id, time, symbol, fund_id, asset, rate, value,
                fee, to_fund, to_revenue, capped)
            SELECT liquidation_id, time, symbol, fund_id, asset, 0.0125, 80, 1, 1, 0, false
            FROM liquidations JOIN numbered USING (symbol, fund_id)
            WHERE outcome IN ('closed', 'mixed')""",
        """INSERT INTO adl_events (adl_event_id, liquidation_id, time, symbol, fund_id, side,
                quantity, bankruptcy_price, mark_price, deficit, notional_closed, overshoot,
                queue_length, queue, ranked_at)
            SELECT row_number() OVER (ORDER BY liquidation_id), liquidation_id, time, symbol,
                   fund_id, side, quantity, 98, 100, 1, quantity * 98, 0, 1000, '[]', time
            FROM liquidations WHERE outcome IN ('deleveraged', 'mixed')""",
        f"""INSERT INTO adl_counterparties (adl_event_id, number, rank, account_id, position_side,
                score, quantity_before, quantity, price, realized_profit, reason)
            SELECT adl_event_id, number, number, {_account("random()", 4)}, 'both', 0.1, 5,
                   0.001, 98, 1, 'bankruptcy_price'
            FROM adl_events, generate_series(1, 3) AS number""",
        """INSERT INTO alerts (alert_id, time, kind, fund_id, asset, detail)
            SELECT row_number() OVER (ORDER BY adl_event_id), time,
                   CASE WHEN random() < 0.0005 THEN 'fund_empty' ELSE 'adl' END, fund_id, NULL, '{}'
            FROM adl_events""",
        "DROP TABLE drawn",
    ]


def _history(count: int, liquidations: int) -> list[str]:
    rare_fund, rare_asset = RARE_ASSET
    return [
        f"""CREATE TEMP TABLE drawn AS
            SELECT n, {_contract("random()")} AS number, random() AS kind, random() AS size,
                   random() < 0.000001 AS rare
            FROM generate_series(1, {count}) AS n""",
        f"""INSERT INTO fund_history (fund_id, sequence, time, wallet, asset, kind, amount,
                balance_after, symbol, liquidation_id, previous_hash, hash)
            SELECT fund_id, sequence + row_number() OVER (PARTITION BY fund_id ORDER BY n),
                   {_at("n", count)}, 'main',
                   CASE WHEN rare AND fund_id = '{rare_fund}' THEN '{rare_asset}' ELSE asset END,
                   {_drawn(KINDS, "kind")},
                   CASE WHEN kind BETWEEN 0.6 AND 0.72 THEN -1 ELSE 1 END
                       * (round(size::numeric * 50, 8) + 0.00000001),
                   1000 + round(size::numeric * 1000, 8), symbol,
                   1 + floor(n * {liquidations / count})::bigint,
                   encode(sha256((n - 1)::text::bytea), 'hex'),
                   encode(sha256(n::text::bytea), 'hex')
            FROM drawn JOIN numbered USING (number) JOIN funds USING (fund_id)""",
        """UPDATE funds SET sequence = last.sequence, last_hash = last.hash
            FROM (SELECT DISTINCT ON (fund_id) fund_id, sequence, hash FROM fund_history
                  ORDER BY fund_id, sequence DESC) AS last
            WHERE last.fund_id = funds.fund_id""",
        "DROP TABLE drawn",
    ]


def _transfers(count: int) -> list[str]:
    return [
        f"""CREATE TEMP TABLE drawn AS
            SELECT n, {_contract("random()")} AS number, {_account("random()", 4)} AS account_id,
                   random() AS kind, random() AS size,
                   CASE WHEN random() < 0.99999 THEN 'USDT' ELSE 'BTC' END AS paid
            FROM generate_series(1, {count}) AS n""",
        f"""INSERT INTO transfers (transfer_id, time, kind, asset, amount, source, source_balance,
                destination, destination_balance, account_id, symbol, reference)
            SELECT last + n, {_at("n", count)}, {_drawn(LEDGER, "kind")}, paid,
                   round(size::numeric * 100, 8) + 0.00000001,
                   'cross/' || account_id || '/' || paid,
                   1000, 'revenue/' || paid, 1000, account_id, symbol, NULL
            FROM drawn JOIN numbered USING (number),
                 (SELECT max(transfer_id) AS last FROM transfers) AS before""",
        "DROP TABLE drawn",
    ]
