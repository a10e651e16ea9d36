"""The one peer that installs: lrvx (PyPI), a margin and liquidation engine in memory, on floats.

Its book holds isolated positions with one maintenance rate; there are no orders, and nothing is
stored. Ours answers over HTTP when every liquidation is durable: hence both curves, not one figure.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from time import perf_counter
from typing import Any

from benchmarks import cascades, servers
from benchmarks.options import Options
from benchmarks.table import Row, duration, say

INSTALLED = find_spec("lrvx") is not None
"""It has wheels for some systems only."""
RATE = 0.004
MARK, CRASH = 60_000.0, float(cascades.CRASH)
BTC = 1
GOAL_SIZE = 160_000
"""The goal is for this many liquidations in one tick."""


def note() -> str:
    """What the table says about the peer."""
    if not INSTALLED:
        return "lrvx does not install here; its rows are left out"
    what = "in memory, floats, no orders, nothing stored; run after ours, not by turns"
    return f"lrvx {version('lrvx')}: {what}"


class Peer:
    """lrvx's engine with pairs of a long and a short, `margin` the equity of each per notional."""

    def __init__(self, positions: int, margin: float) -> None:
        self._engine: Any = import_module("lrvx").LiquidationEngine()
        self._engine.add_tier(0.0, RATE)
        self._engine.set_insurance_fund_capital(1e12)
        for number in range(positions):
            quantity = 0.025 if number % 2 == 0 else -0.025
            equity = margin * MARK * 0.025 * (1 if quantity > 0 else 50)
            self._engine.open_position(number, BTC, quantity, MARK, equity)

    def tick(self, mark: float) -> tuple[float, int]:
        """Seconds of a tick, and how many it liquidated."""
        started = perf_counter()
        outcome = self._engine.on_mark(BTC, mark)
        return perf_counter() - started, outcome["liquidations_count"]


async def rows(server: str, options: Options) -> list[Row]:
    """The same numbers of liquidations in one tick, of as many longs and as many shorts."""
    if not INSTALLED:
        return []
    found = []
    for size in options.peer:
        say(f"{size:,} liquidations in one tick, beside lrvx")
        async with servers.new_database(server) as template:
            await cascades.crowd(template, size, book=False, fund=True)
            run = await cascades.crash(server, template)
        seconds, liquidated = Peer(2 * size, 0.02).tick(CRASH)
        assert run.liquidations == liquidated == size, (run.liquidations, liquidated)
        found.append(
            Row(
                f"{size:,} liquidations in one tick, durable", duration(run.seconds),
                f"lrvx: {duration(seconds)}", seconds / run.seconds, "lrvx",
                10 if size >= GOAL_SIZE else None,
            )
        )  # fmt: skip
    return found
