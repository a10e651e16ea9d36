"""Which seeds the simulation runs; the options themselves are in `tests/conftest.py`."""

from __future__ import annotations

import pytest


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`--simulation-seed S` runs one seed, `--simulations N` the first N."""
    if "seed" in metafunc.fixturenames:
        one: int | None = metafunc.config.getoption("--simulation-seed")
        several: int = metafunc.config.getoption("--simulations")
        metafunc.parametrize("seed", range(several) if one is None else [one])
