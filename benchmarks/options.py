"""How much a run does."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """Times in seconds; `rounds` of paired measurements give the medians."""

    seconds: float = 4.0
    rounds: int = 5
    clients: int = 64
    batch: int = 1_000
    positions: int = 1_000_000
    ticks: int = 1_000
    cascade: int = 10_000
    worst: int = 11_300
    settled: int = 100_000
    history: int = 10_000_000
    questions: int = 300
    peer: tuple[int, ...] = (10_000, 20_000, 40_000)
    growth: float = 1.0
    growth_rounds: int = 3
    contracts: int = 500
    scenarios: int = 100_000
    past: int = 17_520


QUICK = Options(
    seconds=0.2, rounds=1, clients=4, batch=50, positions=2_000, ticks=50,
    cascade=120, worst=100, settled=300, peer=(50,), growth=0.01,
    growth_rounds=1, history=3_000, questions=2, contracts=20, scenarios=10_000, past=600,
)  # fmt: skip
"""Every row once, to see that it runs; its figures mean nothing."""
