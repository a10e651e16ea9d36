"""What the HTTP layer reads: selects over committed rows, one module per resource.

Lists are newest first (or by name) and continue behind the last row of the page before; they give
at most `limit` rows. Rows are mappings by column name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping

Row = Mapping[Any, Any]
Rows = Sequence[RowMapping]
