"""The layers that import-linter checks are the ones that are drawn."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
ENGINE = ROOT / "app" / "engine"


def contract(name: str) -> dict[str, Any]:
    """An import-linter contract."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    (found,) = (one for one in settings["tool"]["importlinter"]["contracts"] if one["id"] == name)
    return dict(found)


PACKAGES = sorted(path.parent.name for path in ENGINE.glob("*/__init__.py"))
LAYERED = [name for name in PACKAGES if name != "commands"]
"""The packages in which an order holds; a command is a word, and knows words only."""


@pytest.mark.parametrize("name", ["engine", *LAYERED])
def test_what_is_drawn_is_what_is_checked(name: str) -> None:
    """The diagrams in the engine's README: a line for each layer, from the top."""
    layers = contract(f"{name}-layers")
    title = "" if name == "engine" else f"`{name}`\n"
    (diagram,) = re.findall(
        rf"^{title}```\n({layers['layers'][0].split()[0]}\b.*?)^```",
        (ENGINE / "README.md").read_text("utf-8"),
        re.DOTALL | re.MULTILINE,
    )
    drawn = [re.match(r"[a-z]+( \| [a-z]+)*(?=  )", line) for line in diagram.splitlines()]
    assert [match and match[0] for match in drawn] == layers["layers"]


@pytest.mark.parametrize("name", ["engine", *LAYERED])
def test_every_module_has_its_layer(name: str) -> None:
    """None is left out, and none is optional."""
    layers = contract(f"{name}-layers")
    folder = ENGINE if name == "engine" else ENGINE / name
    assert layers["exhaustive"] is True
    named = sorted(module for layer in layers["layers"] for module in layer.split(" | "))
    assert named == sorted(
        {path.stem for path in folder.iterdir()} - {"__init__", "__pycache__", "README"}
    )
