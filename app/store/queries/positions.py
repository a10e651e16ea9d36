"""Open positions of a contract, with what ranks them (ADL-1)."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

_HOLDERS = text("""
WITH contract AS (
  SELECT symbol, settlement_asset, contract_size, price
  FROM contracts JOIN marks USING (symbol) WHERE symbol = :symbol
),
holders AS (
  SELECT p.account_id, p.side, p.quantity, p.cost,
         round(p.quantity * c.contract_size * c.price, 8) AS value,
         COALESCE(s.margin_mode, 'cross') AS margin_mode
  FROM contract AS c JOIN positions AS p USING (symbol)
  LEFT JOIN account_contracts AS s USING (account_id, symbol)
),
cross_profit AS (
  SELECT p.account_id,
         sum(round(p.quantity * c.contract_size * m.price, 8) - p.cost) AS profit
  FROM positions AS p
  JOIN contracts AS c USING (symbol) JOIN marks AS m USING (symbol)
  LEFT JOIN account_contracts AS s USING (account_id, symbol)
  WHERE c.settlement_asset = (SELECT settlement_asset FROM contract)
    AND COALESCE(s.margin_mode, 'cross') = 'cross'
    AND p.account_id IN (SELECT account_id FROM holders WHERE margin_mode = 'cross')
  GROUP BY p.account_id
)
SELECT h.account_id, h.side, h.quantity, h.value - h.cost AS unrealized_profit,
       abs(h.value) AS notional,
       COALESCE(w.balance, 0)
         + CASE h.margin_mode WHEN 'cross' THEN x.profit ELSE h.value - h.cost END AS equity
FROM holders AS h CROSS JOIN contract AS c
LEFT JOIN cross_profit AS x USING (account_id)
LEFT JOIN wallets AS w ON w.key = CASE h.margin_mode
  WHEN 'cross' THEN 'cross/' || h.account_id || '/' || c.settlement_asset
  ELSE 'isolated/' || h.account_id || '/' || c.settlement_asset || '/' || c.symbol || ':' || h.side
END
""")


_PATIENCE = text("SELECT set_config('statement_timeout', '60s', true)")


async def list_holders(connection: AsyncConnection, symbol: str) -> Sequence[RowMapping]:
    """A contract's open positions at mark, with the equity of their margin scopes.

    It takes as long as there are positions, which readers of lights cannot narrow: the caller sees
    to it that it is asked for rarely.
    """
    await connection.execute(_PATIENCE)
    result = await connection.execute(_HOLDERS, {"symbol": symbol})
    return result.mappings().all()
