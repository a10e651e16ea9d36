"""The stress library (CAL-9)."""

from __future__ import annotations

from decimal import Decimal

from app.catalogue.stress import Crash, Fall, crashes, digest

LIBRARY = {one.scenario_id: one for one in crashes()}


def test_the_eight_crashes() -> None:
    assert list(LIBRARY) == [
        "2020-03-12", "2021-05-19", "2021-12-04", "2022-05-LUNA", "2022-06-Celsius3AC",
        "2022-11-FTX", "2024-08-05", "2025-10-10",
    ]  # fmt: skip
    for crash in crashes():
        assert crash.title
        assert crash.cause
        assert {"BTC", "ETH"} <= set(crash.falls)
        assert all(0 < fall.hour <= fall.day < 1 for fall in crash.falls.values())


def test_what_was_measured() -> None:
    """Bitcoin on Black Thursday; what was shorter than a day counts as a whole."""
    assert LIBRARY["2020-03-12"].fall("BTC") == (Decimal("0.3073"), Decimal("0.5335"))
    assert LIBRARY["2025-10-10"].fall("BTC") == (Decimal("0.1388"), Decimal("0.175068"))
    assert LIBRARY["2022-11-FTX"].fall("FTT").hour == Decimal("0.7976")


def test_what_was_not_measured_falls_as_the_others_did() -> None:
    """By hand, hours of BCH, MCO and XTZ on 2020-03-12: 29.06, 27.11 and 29.15 %."""
    assert LIBRARY["2020-03-12"].fall("SOL") == (Decimal("0.2906"), Decimal("0.5248"))


def test_only_the_largest_measured() -> None:
    halves = Fall(Decimal("0.2"), Decimal("0.5"))
    assert Crash("x", "", "", {"BTC": halves}).fall("SOL") == halves


def test_the_digest_says_which_numbers_were_used() -> None:
    one, other = crashes()[:2]
    assert digest((one, other)) == digest((other, one))
    changed = one._replace(falls={**one.falls, "BTC": Fall(Decimal("0.31"), Decimal("0.5335"))})
    assert digest((one, other)) != digest((changed, other))
    assert digest((one, other)) == digest((one._replace(title="another"), other))
