"""A small chart for the terminal: one column per moment, of blocks an eighth of a line high."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

BLOCKS = " ▁▂▃▄▅▆▇█"
ASCII = " .:|"
"""The fallback: a line has three heights only."""


def can_draw_blocks(encoding: str | None) -> bool:
    """Whether a stream of this encoding can show them."""
    try:
        BLOCKS.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def chart(
    values: Sequence[Decimal], ends: tuple[str, str], size: tuple[int, int], blocks: str = BLOCKS
) -> list[str]:
    """Lines of a chart of `values` from their least to their largest, at most `size` (columns,
    lines) large. A column shows the last value of its part.

    The largest and least value are named at the left, the first and last moment (`ends`) below.
    """
    width, height = size
    columns = _last_of_parts(values, width)
    least, largest = min(columns), max(columns)
    full = len(blocks) - 1
    top = height * full
    span = largest - least
    # The least is one step high, so that nothing is mistaken for a missing value.
    heights = [1 + int((value - least) * (top - 1) / span) if span else 1 for value in columns]
    names = {0: f"{least:,.2f}"}
    if span and height > 1:
        names[height - 1] = f"{largest:,.2f}"
    margin = max(map(len, names.values()))
    lines = [
        f"{names.get(row, ''):>{margin}} "
        + "".join(blocks[min(max(up - row * full, 0), full)] for up in heights).rstrip()
        for row in reversed(range(height))
    ]
    first, last = ends
    return [*lines, f"{'':>{margin}} {first}{last:>{max(len(columns) - len(first), 0)}}"]


def _last_of_parts(values: Sequence[Decimal], count: int) -> list[Decimal]:
    count = min(count, len(values))
    return [values[(number + 1) * len(values) // count - 1] for number in range(count)]
