"""The layers that import-linter checks are the ones that are drawn."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
ENGINE = ROOT / "app" / "engine"


def contract(name: str) -> dict[str, Any]:
    """An import-linter contract."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    (found,) = (one for one in settings["tool"]["importlinter"]["contracts"] if one["id"] == name)
    return dict(found)


def test_the_engine_is_drawn_as_it_is_checked() -> None:
    """The diagram in the engine's README: a line for each layer, from the top."""
    (diagram,) = re.findall(
        r"^```\n(engine .*?)^```",
        (ENGINE / "README.md").read_text("utf-8"),
        re.DOTALL | re.MULTILINE,
    )
    drawn = [re.match(r"[a-z]+( \| [a-z]+)*(?=  )", line) for line in diagram.splitlines()]
    assert [match and match[0] for match in drawn] == contract("engine-layers")["layers"]


def test_every_module_of_the_engine_has_its_layer() -> None:
    """None is left out, and none is optional."""
    layers = contract("engine-layers")
    assert layers["exhaustive"] is True
    named = sorted(module for layer in layers["layers"] for module in layer.split(" | "))
    assert named == sorted(
        {path.stem for path in ENGINE.iterdir()} - {"__init__", "__pycache__", "README"}
    )
