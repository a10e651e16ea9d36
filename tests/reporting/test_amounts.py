"""Numbers as a person reads them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.reporting.amounts import MoneyText, level, moment, odds, percent, plain


@pytest.mark.parametrize(
    ("minimum", "said"),
    [
        ("116000000", "1,234,568 USDT"),
        ("116000", "1,234,567.50 USDT"),
        ("1.16", "1,234,567.50000000 USDT"),
    ],
)
def test_money_has_as_many_places_as_the_page_needs(minimum: str, said: str) -> None:
    assert MoneyText.of({"asset": "USDT", "required_minimum": minimum})("1234567.5") == said


def test_money_that_is_not_there() -> None:
    say = MoneyText("BTC", 8)
    assert say(None) == say.bare(None) == "none"
    assert say.bare("-0.5") == "\N{MINUS SIGN}0.50000000"


@pytest.mark.parametrize(
    ("share", "said"),
    [
        ("0.1154", "11.54 %"),
        ("-0.118", "\N{MINUS SIGN}11.80 %"),
        ("0.00099", "0.099 %"),
        ("0.000012", "0.0012 %"),
        ("0", "0.00 %"),
        ("0.0000000000001", "0.00000000 %"),
        (None, "none"),
    ],
)
def test_shares(share: str | None, said: str) -> None:
    assert percent(share) == said


def test_signed_and_exact_shares() -> None:
    assert percent("0.1154", signed=True, places=1) == "+11.5 %"
    assert percent("-0.5", signed=True, places=0) == "\N{MINUS SIGN}50 %"
    assert [level(share) for share in ("0.999", "0.9", "0.9999", "1e-5")] == [
        "99.9 %", "90 %", "99.99 %", "0.001 %"
    ]  # fmt: skip


def test_odds_and_times() -> None:
    said = {
        "0.0021": "one in 476",
        "0": "never",
        None: "none",
        "0.7388": "7 in 10",
        "1": "10 in 10",
    }
    assert {share: odds(share) for share in said} == said
    assert moment("2026-11-27T20:00:59.5Z") == "2026-11-27 20:00 UTC"
    assert moment("2026-03-01T00:00:00Z", before=timedelta(days=1)) == "2026-02-28 00:00 UTC"
    assert moment(None) == "none"


@pytest.mark.parametrize(
    ("number", "said"),
    [("69069.9700", "69,069.97"), ("-0.125", "\N{MINUS SIGN}0.125"), ("0.000", "0"), (None, "none"),
     ("100", "100"), ("1e3", "1,000")],
)  # fmt: skip
def test_plain_numbers(number: str | None, said: str) -> None:
    assert plain(number) == said
