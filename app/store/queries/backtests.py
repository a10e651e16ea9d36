"""How calibrations' methods would have done before, and what is required of funds now (CAL-14)."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.queries import Row
from app.store.tables import backtests, calibrations, funds


async def get_backtest(connection: AsyncConnection, calibration_id: int) -> Row | None:
    """A calibration's `result`, the `body` of its backtest (None: it was made without one), and
    what is required of its fund now, as text (None: nothing)."""
    kept, tested, fund = calibrations.c, backtests.c, funds.c
    query = (
        select(
            kept.result,
            kept.required_minimum,
            tested.body,
            fund.required_minimum[kept.asset].astext.label("in_force"),
        )
        .join_from(calibrations, funds, fund.fund_id == kept.fund_id)
        .outerjoin(backtests, tested.calibration_id == kept.calibration_id)
        .where(kept.calibration_id == calibration_id)
    )
    row: Row | None = (await connection.execute(query)).mappings().one_or_none()
    return row
