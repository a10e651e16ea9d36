"""What a run was made of comes back as it was (CAL-11)."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from app.calibration.inputs import kept
from app.calibration.inputs.history import Closes, StandIn
from app.calibration.inputs.kept import Inputs, UnknownForm, pack, unpack
from app.catalogue.stress import crashes
from benchmarks import books

START = datetime(2026, 3, 1, tzinfo=UTC)


def inputs(positions: int = 2000) -> Inputs:
    """A book of decimals, with closes of which some are missing and some have many digits."""
    book = replace(books.book(positions, 12), stale=("C0001USDT",), digest="ab", sequence=7)
    random = np.random.default_rng(4)
    closes = np.asarray(np.round(np.exp(random.normal(3, 2, (300, 13))), 4), np.float64)
    closes = np.where(random.random(closes.shape) < 0.1, np.nan, closes)
    times = tuple(START + timedelta(hours=one) for one in range(300))
    volume = random.exponential(1e6, 12)
    prices = Closes(1, times, closes, volume, "cd", (StandIn("BTCUSDT", None),))
    return Inputs(book, prices, crashes()[:3], {"2020-03-12": "not ours"})


def test_all_of_it_comes_back() -> None:
    given = inputs()
    body = pack(given)
    assert body is not None
    found = unpack(body)
    for one, other in ((given.book, found.book), (given.prices, found.prices)):
        for field in fields(one):
            before, after = getattr(one, field.name), getattr(other, field.name)
            if isinstance(before, np.ndarray):
                assert after.dtype == before.dtype, field.name
                assert np.array_equal(before, after, equal_nan=before.dtype == float), field.name
            elif field.name != "contracts":
                assert before == after, field.name
    for contract, terms in zip(given.book.contracts, found.book.contracts, strict=True):
        assert contract[:-1] == terms[:-1]
        assert (contract.brackets == terms.brackets).all()
    assert (found.events, found.disabled) == (given.events, given.disabled)


def test_no_positions_at_all() -> None:
    given = inputs()
    none = {
        name: getattr(given.book, name)[:0]
        for name in ("account", "contract", "quantity", "cost", "wallet", "cross", "owner")
    }
    body = pack(given._replace(book=replace(given.book, **none)))
    assert body is not None
    assert len(unpack(body).book.quantity) == 0


def test_decimals_take_little_room() -> None:
    given = inputs(20_000).book
    body = pack(inputs(20_000))
    assert body is not None
    assert len(body) < 0.6 * sum(getattr(given, name).nbytes for name in kept.BOOK)


def test_what_is_too_large_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    body = pack(inputs())
    assert body is not None
    monkeypatch.setattr(kept, "LARGEST", len(body))
    assert pack(inputs()) == body
    monkeypatch.setattr(kept, "LARGEST", len(body) - 1)
    assert pack(inputs()) is None


def test_another_form_is_not_guessed_at() -> None:
    with pytest.raises(UnknownForm, match="form 2 is not 1"):
        unpack(b"\x02rest")
    with pytest.raises(UnknownForm):
        unpack(b"")
