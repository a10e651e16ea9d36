"""A calibration as it is stored, small enough to check by eye."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def stored() -> tuple[dict[str, Any], dict[str, Any]]:
    """A calibration and its losses, each time anew."""
    both = json.loads((HERE / "calibration.json").read_text("utf-8"))
    return both["calibration"], both["losses"]


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Where the values are that hold no others."""
    if isinstance(value, dict):
        return [leaf for name in value for leaf in leaves(value[name], (*path, name))]
    if isinstance(value, list):
        return [leaf for at, one in enumerate(value) for leaf in leaves(one, (*path, at))]
    return [path]


def at(value: Any, path: tuple[str | int, ...]) -> Any:
    """What is there."""
    for step in path:
        value = value[step]
    return value


def put(value: Any, path: tuple[str | int, ...], new: Any) -> None:
    """Another value in its place."""
    at(value, path[:-1])[path[-1]] = new
