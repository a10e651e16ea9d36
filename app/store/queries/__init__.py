"""What the HTTP layer reads: selects over committed rows, one module per resource.

Lists are newest first (or by name) and continue behind the last row of the page before; they give
at most `limit` rows. Rows are mappings by column name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import RowMapping, text

Row = Mapping[Any, Any]
Rows = Sequence[RowMapping]

BEFORE_ALL = datetime(1970, 1, 1, tzinfo=UTC)
AFTER_ALL = datetime(9999, 1, 1, tzinfo=UTC)
"""Bounds of a list by intervals that has none."""

WALK_INDEX = text("""
SELECT set_config('enable_sort', 'off', true), set_config('enable_bitmapscan', 'off', true),
       set_config('jit', 'off', true)
""")
"""For this transaction: walk the index from where the answer is. Without statistics (new rows, not
analysed yet) PostgreSQL would gather and sort all that there is, a fund's whole history say."""
