"""Every row of the benchmarks runs; how quick anything is, no test says."""

from __future__ import annotations

import pytest

from benchmarks.__main__ import FAMILIES
from benchmarks.options import QUICK
from benchmarks.table import markdown


@pytest.mark.parametrize("family", FAMILIES)
async def test_a_family_of_rows_runs(family: str, server: str) -> None:
    rows = await FAMILIES[family](server, QUICK)
    assert rows
    table = markdown(rows, [])
    for row in rows:
        assert row.ratio > 0
        assert row.what in table
