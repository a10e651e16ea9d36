"""What the API answers with is committed: it sees the engine's memory in two places only."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

API = Path(__file__).parents[2] / "app" / "api"
MEMORY = {("access", "_in_memory"), ("health", "get_metrics")}
"""Who a key belongs to, and the leader's own gauges; ARCHITECTURE says why."""


def looks_into_memory() -> Iterator[tuple[str, str]]:
    """Module and top-level definition of each use of `Runner.engine`, or of what it hides."""
    for path in API.glob("**/*.py"):
        for outer in ast.parse(path.read_text("utf-8"), str(path)).body:
            for node in ast.walk(outer):
                if isinstance(node, ast.Attribute) and node.attr in ("engine", "_term"):
                    yield path.stem, getattr(outer, "name", "")


def test_the_engines_memory_is_for_keys_and_gauges() -> None:
    """Nothing else reads it, so nothing else is answered that a crash could take back."""
    assert set(looks_into_memory()) == MEMORY
