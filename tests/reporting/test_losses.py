"""The table of the largest losses."""

from __future__ import annotations

import csv
import io

from app.reporting.losses import COLUMNS, table
from tests.reporting.samples import stored


def test_the_table() -> None:
    assert table(stored()[1]) == (
        "rank,loss,share,scenario,blocks,by_contract\n"
        "1,90210.75,0.0001,4711,2026-11-12T07:00:00Z*15 2026-11-24T02:00:00Z*9,"
        "BTCUSDT=70000.5 ETHUSDT=20210.25\n"
        "2,61000,0.0002,17,2026-11-12T07:00:00Z*24,ETHUSDT=61000\n"
        "3,40211.5,0.0003,3,2026-11-12T00:00:00Z*23 2026-11-12T04:00:00Z*1,\n"
    )


def test_of_no_losses_there_are_only_names() -> None:
    losses = stored()[1]
    losses["tail"] = []
    assert list(csv.reader(io.StringIO(table(losses)))) == [list(COLUMNS)]
