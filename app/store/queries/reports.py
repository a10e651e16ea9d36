"""What is kept of a fund by interval (HIS-2), and its daily report, made of that (HIS-3)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.engine.memory import PAYOUTS
from app.store.growing import WIDTHS, KeptInterval
from app.store.queries import AFTER_ALL, BEFORE_ALL, WALK_INDEX, Rows
from app.store.queries.history import Connect

_INTERVALS = text("""
SELECT time, json_build_object(
  'time', to_char(time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
  'open', trim_scale(open)::text, 'high', trim_scale(high)::text,
  'low', trim_scale(low)::text, 'close', trim_scale(close)::text,
  'inflow', trim_scale(inflow)::text, 'outflow', trim_scale(outflow)::text, 'by_kind', by_kind
)::text AS item
FROM fund_intervals AS page, LATERAL (
  SELECT sum(inflow) AS inflow, sum(outflow) AS outflow,
         json_object_agg(kind, trim_scale(inflow - outflow)::text ORDER BY kind) AS by_kind
  FROM fund_flows
  WHERE fund_id = :fund AND asset = :asset AND interval = :interval AND time = page.time
) AS flows
WHERE fund_id = :fund AND asset = :asset AND interval = :interval AND time >= :from AND time < :to
ORDER BY time DESC LIMIT :limit
""")


async def list_intervals(
    connection: AsyncConnection,
    fund: str,
    asset: str,
    interval: KeptInterval,
    limit: int,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
) -> Rows:
    """A fund's total in an asset by interval, newest first; those without rows are left out.

    `start` and `end` must be whole intervals. A row is the interval's `time` and its JSON `item`,
    in which `by_kind` is the net amount.
    """
    await connection.execute(WALK_INDEX)
    result = await connection.execute(
        _INTERVALS,
        {
            "fund": fund,
            "asset": asset,
            "interval": interval,
            "from": start or BEFORE_ALL,
            "to": end or AFTER_ALL,
            "limit": limit,
        },
    )
    return result.mappings().all()


_REPORTS = text("""
WITH RECURSIVE
-- Each asset is found by a look into either index, and so is its first day.
assets (asset) AS (
  SELECT LEAST(
    (SELECT min(asset) FROM fund_intervals WHERE fund_id = :fund),
    (SELECT min(asset) FROM fund_volumes WHERE fund_id = :fund)
  )
  UNION ALL
  SELECT LEAST(
    (SELECT min(asset) FROM fund_intervals WHERE fund_id = :fund AND asset > before.asset),
    (SELECT min(asset) FROM fund_volumes WHERE fund_id = :fund AND asset > before.asset)
  )
  FROM assets AS before WHERE before.asset IS NOT NULL
),
begun AS (
  SELECT asset, LEAST(
    (SELECT min(time) FROM fund_intervals AS kept
     WHERE fund_id = :fund AND kept.asset = assets.asset AND interval = '1d'),
    (SELECT min(time) FROM fund_volumes AS kept
     WHERE fund_id = :fund AND kept.asset = assets.asset AND interval = '1d')
  ) AS first
  FROM assets WHERE asset IS NOT NULL AND (CAST(:asset AS text) IS NULL OR asset = :asset)
),
-- Every day has its report, up to the running one: that of the last command.
now AS (SELECT time, date_bin('1 day', time, :origin) AS today FROM leadership),
newest AS (SELECT LEAST(CAST(:to AS timestamptz) - interval '1 day', today) AS day FROM now),
days AS (
  SELECT generate_series(
    newest.day,
    GREATEST((SELECT min(first) FROM begun), :from, newest.day - :limit * interval '1 day'),
    interval '-1 day'
  ) AS day
  FROM newest
),
page AS (
  SELECT day, asset FROM days JOIN begun ON first <= day
  WHERE day < :before OR asset > :behind
  ORDER BY day DESC, asset LIMIT :limit
)
SELECT day, page.asset, json_build_object(
  'date', to_char(day AT TIME ZONE 'UTC', 'YYYY-MM-DD'), 'asset', page.asset,
  'complete', (SELECT time >= day + interval '1 day' FROM now),
  'opening', trim_scale(COALESCE(opening, 0))::text,
  'closing', trim_scale(COALESCE(closing, 0))::text,
  'inflow_by_kind', COALESCE(inflows, '{}'), 'outflow_by_kind', COALESCE(outflows, '{}'),
  'net_flow', trim_scale(COALESCE(net, 0))::text,
  'liquidations', json_build_object(
    'long', json_build_object('count', longs, 'value', trim_scale(long_value)::text),
    'short', json_build_object('count', shorts, 'value', trim_scale(short_value)::text)
  ),
  'takeovers', takeovers, 'taken_over_value', trim_scale(taken_over_value)::text,
  'adl_events', adl_events, 'adl_value', trim_scale(adl_value)::text,
  'largest_loss', trim_scale(COALESCE(largest_loss, 0))::text,
  'head', json_build_object(
    'sequence', COALESCE(sequence, 0), 'hash', COALESCE(hash, repeat('0', 64))
  )
)::text AS item
FROM page
LEFT JOIN LATERAL (
  -- A day without a change has the balance of the last one before it.
  SELECT CASE time WHEN day THEN open ELSE close END AS opening, close AS closing
  FROM fund_intervals
  WHERE fund_id = :fund AND asset = page.asset AND interval = '1d' AND time <= day
  ORDER BY time DESC LIMIT 1
) AS balances ON true
CROSS JOIN LATERAL (
  SELECT json_object_agg(kind, trim_scale(inflow)::text ORDER BY kind)
           FILTER (WHERE inflow > 0) AS inflows,
         json_object_agg(kind, trim_scale(outflow)::text ORDER BY kind)
           FILTER (WHERE outflow > 0) AS outflows,
         sum(inflow - outflow) AS net,
         max(largest_outflow) FILTER (WHERE kind = ANY(:losses)) AS largest_loss
  FROM fund_flows
  WHERE fund_id = :fund AND asset = page.asset AND interval = '1d' AND time = day
) AS flows
CROSS JOIN LATERAL (
  SELECT COALESCE(sum(count) FILTER (WHERE kind = 'liquidation' AND side = 'long'), 0) AS longs,
         COALESCE(sum(value) FILTER (WHERE kind = 'liquidation' AND side = 'long'), 0)
           AS long_value,
         COALESCE(sum(count) FILTER (WHERE kind = 'liquidation' AND side = 'short'), 0) AS shorts,
         COALESCE(sum(value) FILTER (WHERE kind = 'liquidation' AND side = 'short'), 0)
           AS short_value,
         COALESCE(sum(count) FILTER (WHERE kind = 'takeover'), 0) AS takeovers,
         COALESCE(sum(value) FILTER (WHERE kind = 'takeover'), 0) AS taken_over_value,
         COALESCE(sum(count) FILTER (WHERE kind = 'adl'), 0) AS adl_events,
         COALESCE(sum(value) FILTER (WHERE kind = 'adl'), 0) AS adl_value
  FROM fund_volumes
  WHERE fund_id = :fund AND asset = page.asset AND interval = '1d' AND time = day
) AS volumes
LEFT JOIN LATERAL (
  -- What lies before the next day in the one index that has a fund's rows together: in that of all
  -- funds the last row of a silent one lies behind all that came since.
  SELECT fund_id, sequence, hash FROM fund_history
  WHERE (fund_id, time, sequence) < (:fund, day + interval '1 day', 0)
  ORDER BY fund_id DESC, time DESC, sequence DESC LIMIT 1
) AS head ON head.fund_id = :fund
ORDER BY day DESC, asset
""")

EXPORTED = 100
"""How many reports an export reads at once."""
LOSSES = sorted(PAYOUTS)
"""The kinds of history by which a fund loses to others."""


async def export_daily_reports(
    connect: Connect,
    fund: str,
    *,
    asset: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
) -> AsyncIterator[list[str]]:
    """All of `list_daily_reports`, as JSON, in parts; no connection is held between two."""
    after: tuple[datetime, str] | None = None
    while True:
        async with connect() as connection:
            rows = await list_daily_reports(
                connection, fund, EXPORTED, asset=asset, start=start, end=end, after=after
            )
        yield [row["item"] for row in rows]
        if len(rows) < EXPORTED:
            return
        after = rows[-1]["day"], rows[-1]["asset"]


async def list_daily_reports(
    connection: AsyncConnection,
    fund: str,
    limit: int,
    *,
    asset: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    after: tuple[datetime, str] | None = None,
) -> Rows:
    """A fund's reports, one for each day and asset: newest day first, assets by name.

    Of every UTC day from the first on which there was something to the running one. `start` and
    `end` must be whole days; `after` is the day and asset of the last one seen. A row is the
    report's `day`, its `asset` and, as JSON, `item`.
    """
    await connection.execute(WALK_INDEX)
    day, behind = after or (AFTER_ALL, "")
    result = await connection.execute(
        _REPORTS,
        {
            "fund": fund,
            "asset": asset,
            "from": start or BEFORE_ALL,
            "to": min(end or AFTER_ALL, day + WIDTHS["1d"]),
            "before": day,
            "behind": behind,
            "limit": limit,
            "origin": BEFORE_ALL,
            "losses": LOSSES,
        },
    )
    return result.mappings().all()
