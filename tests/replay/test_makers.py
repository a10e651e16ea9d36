"""Market makers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from app.catalogue.default import default_contracts
from app.engine.numbers import is_multiple
from app.replay.inputs import Quote
from app.replay.makers import STYLES, QuotedMarket, leverage, opening, quotes

D = Decimal
BTC = next(contract for contract in default_contracts() if contract.symbol == "BTCUSDT")
NEAR, WIDE, DEEP = STYLES


def market(price: str = "40000") -> QuotedMarket:
    made = QuotedMarket(BTC, D(1_000_000), D(price))
    made.move(0, D(price))
    return made


def notional(orders: list[dict[str, Any]]) -> Decimal:
    return sum((D(o["quantity"]) * D(o["price"]) for o in orders), D(0))


def test_quotes_lie_around_the_price_on_the_grid() -> None:
    for style in STYLES:
        orders = quotes(market(), style, "m")
        assert len(orders) == 2 * len(style.levels)
        for body in orders:
            price = D(body["price"])
            assert is_multiple(price, BTC.tick_size)
            assert price < 40000 if body["side"] == "buy" else price > 40000


def test_a_quick_move_thins_and_widens_the_book() -> None:
    calm = quotes(market(), NEAR, "m")
    moved = market()
    moved.move(15_000, D(39_000))
    hasty = quotes(moved, NEAR, "m")
    assert notional(hasty) < notional(calm) / 9
    spread = [D(o["price"]) for o in hasty if o["side"] == "sell"]
    assert min(spread) / 39_000 > D("1.0005")
    moved.move(90_000, D(39_000))
    assert moved.speed == 0


def test_quotes_are_renewed_when_the_price_has_moved_or_they_were_hit() -> None:
    calm = market()
    assert all(calm.is_due(style) for style in STYLES)
    for style in STYLES:
        quotes(calm, style, "m")
    assert not any(calm.is_due(style) for style in STYLES)
    calm.hit = True
    assert [calm.is_due(style) for style in STYLES] == [True, False, False]
    calm.hit = False
    calm.move(1000, D(40_200))
    assert [calm.is_due(style) for style in STYLES] == [True, True, False]


def test_a_recorded_quote_is_quoted_as_it_was() -> None:
    quoted = market()
    quoted.quote = Quote(0, "BTCUSDT", D("39999.95"), D("1.2345"), D("40000.05"), D("0.001"))
    (bid,) = quotes(quoted, NEAR, "m")  # the ask is below the minimum notional
    assert (bid["side"], bid["price"], bid["quantity"]) == ("buy", "39999.9", "1.234")


def test_the_opening_book_holds_what_the_traders_want() -> None:
    orders = opening(market(), {"buy": D(900_000), "sell": D(300_000)}, ["a", "b", "c"])
    asks = [body for body in orders if body["side"] == "sell"]
    bids = [body for body in orders if body["side"] == "buy"]
    assert notional(asks) > 900_000
    assert notional(bids) > 300_000
    assert {body["account_id"] for body in orders} == {"a", "b", "c"}


def test_a_makers_leverage_fits_what_it_may_come_to_hold() -> None:
    assert leverage(BTC, D(1_000_000)) == 5
    assert leverage(BTC, D(700_000_000)) == 3
    assert leverage(BTC, D(9_000_000_000)) == 1
