"""The largest simulated losses of a fund, as a table for a spreadsheet.

How all of them are spread is no table of the same columns: that is in the JSON alone.
"""

from __future__ import annotations

import csv
import io
from decimal import Decimal

from app.engine.numbers import plain
from app.reporting.words import Stored

COLUMNS = ("rank", "loss", "share", "scenario", "blocks", "by_contract")


def table(losses: Stored) -> str:
    """CSV, the largest loss first, its lines ended by line feeds.

    `share`: of simulated periods, those that lose as much or more. `blocks`: when each stretch of
    the past begins that the period is made of, and its steps, as `time*steps`; `by_contract`, of
    the largest, as `symbol=loss`; several are parted by spaces.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in losses["tail"]:
        share = round(Decimal(one["rank"]) / losses["scenarios"], 12)
        blocks = (f"{block['time']}*{block['steps']}" for block in one["blocks"])
        parts = (f"{part['symbol']}={part['loss']}" for part in one["by_contract"] or [])
        row = (one["rank"], one["loss"], plain(share), one["scenario"])
        writer.writerow((*row, " ".join(blocks), " ".join(parts)))
    return file.getvalue()
