"""Every scenario of `scenarios/*.txt`, each a test of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.scenario import Scenario, Text, read

FOLDER = Path(__file__).parent / "scenarios"
TEXTS = [text for path in sorted(FOLDER.glob("*.txt")) for text in read(path)]


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: f"{text.source}: {text.title}")
def test_scenario(text: Text) -> None:
    """The lines of a scenario hold, and after each of them all laws."""
    Scenario().run(text)
