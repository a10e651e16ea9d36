"""What readers are shown, by hand: previews, depth, summaries, a fund's distance, wallet names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal, localcontext
from typing import Any

import pytest

from app.engine.commands.funds import ContributeToFund, UpdateFund
from app.engine.commands.orders import PlaceOrder
from app.engine.commands.prices import Tick
from app.engine.commands.triggered import PlaceTriggered
from app.engine.figures import calculator, margin
from app.engine.handlers.preview import Preview, preview_waiting
from app.engine.handlers.preview import preview as judged
from app.engine.numbers import EXACT, ratio
from app.engine.rejections import Rejection
from app.engine.trading import funds, matching
from app.engine.valuation import Terms
from tests.engine.scenario import Scenario
from tests.engine.world import brackets

MARKET = """
fund F
contract TEST taker=0.001
account alice bob carol
deposit alice USDT 100
deposit bob USDT 10000
deposit carol USDT 10000
tick TEST 100
"""


@pytest.fixture(autouse=True)
def _exactly() -> Iterator[None]:
    """As the engine reckons."""
    with localcontext(EXACT):
        yield


def told(*lines: str) -> Scenario:
    """A market with alice, bob and carol, and what happens there."""
    scenario = Scenario()
    for line in (*MARKET.strip().splitlines(), *lines):
        scenario.line(line)
    return scenario


def preview(
    scenario: Scenario, side: Any, quantity: str, price: str | None, leg: Any = "both"
) -> Preview | Rejection:
    """What alice's order would do."""
    worth = None if price is None else Decimal(price)
    kind: Any = "market" if price is None else "limit"
    in_force: Any = "ioc" if price is None else "gtc"
    command = PlaceOrder(
        "alice", "TEST", side, kind, Decimal(quantity), worth, in_force, position_side=leg
    )
    world = scenario.world
    return judged(world.state, command, world.next_time())


def test_trg_1_what_waits_needs_nothing_yet_and_is_refused_as_it_would_be() -> None:
    """TRG-1: a stop far beyond what alice could pay; and one whose price is there."""
    world = told().world
    stop = PlaceTriggered(
        "alice", "TEST", "sell", "stop_market", Decimal(9000), time_in_force="ioc",
        trigger_price=Decimal(95),
    )  # fmt: skip
    nothing = dict.fromkeys(("requirement", "open_loss", "fee", "required"), Decimal(0))
    now = world.next_time()
    assert preview_waiting(world.state, stop, now) == Preview(
        **nothing, available_balance=Decimal(100), worst_price=None, liquidation_price=None
    )
    refused = preview_waiting(world.state, replace(stop, trigger_price=Decimal(100)), now)
    assert isinstance(refused, Rejection)
    assert refused == world.apply(replace(stop, trigger_price=Decimal(100))).result


def test_ord_5_a_preview_says_what_an_order_needs_and_where_it_would_be_liquidated() -> None:
    """ORD-4, ORD-5, LIQ-1: 1,010 at 20x, 10 above mark, a fee of 1.01; 98.99 + 10 p - 1,010 is
    0.005 x 10 p at 911.01 / 9.95.
    """
    seen = preview(told(), "buy", "10", "101")
    assert seen == Preview(
        requirement=Decimal("50.5"), open_loss=Decimal(10), fee=Decimal("1.01"),
        required=Decimal("61.51"), available_balance=Decimal(100), worst_price=Decimal(101),
        liquidation_price=Decimal("91.55879397"),
    )  # fmt: skip


def test_liq_1_a_preview_of_a_leg_counts_the_other_one() -> None:
    """LIQ-1, ORD-3: 6 are long and 6 short, for a fee of 0.6. With 10 short, for 0.4 more,
    99 - 4 x (p - 100) is 0.005 x 16 p at 499 / 4.08; with 4 short, for 0.2, 99.2 + 2 x (p - 100)
    is 0.005 x 10 p at 100.8 / 1.95.
    """
    hedged = told(
        "mode alice hedge",
        "trade alice/long bob TEST 6 @ 100",
        "trade bob alice/short TEST 6 @ 100",
    )
    seen = preview(hedged, "sell", "4", "100", "short")
    assert isinstance(seen, Preview)
    assert (seen.requirement, seen.liquidation_price) == (Decimal(20), Decimal("122.30392157"))
    closing = preview(hedged, "buy", "2", "100", "short")
    assert isinstance(closing, Preview)
    assert not closing.requirement
    assert closing.liquidation_price == Decimal("51.69230769")


def test_ord_11_a_preview_of_what_finds_nothing_to_trade_with() -> None:
    """ORD-11: a market order in an empty book would do nothing."""
    nothing = Decimal(0)
    assert preview(told(), "buy", "10", None) == Preview(
        nothing, nothing, nothing, nothing, nothing, None, None
    )


def test_ord_5_a_preview_of_a_close_has_no_liquidation_price() -> None:
    """LIQ-1: nothing is left that could be liquidated; the worst price is the last that it met."""
    scenario = told(
        "trade alice bob TEST 10 @ 100", "order bob TEST buy 4 @ 99.5", "order bob TEST buy 6 @ 99"
    )
    seen = preview(scenario, "sell", "10", None)
    assert isinstance(seen, Preview)
    assert seen.worst_price == 99
    assert seen.liquidation_price is None
    assert seen.open_loss == 10
    assert seen.fee == Decimal("0.99")


def test_ord_7_a_preview_is_refused_as_the_order_would_be() -> None:
    """ORD-7: with the order's code and numbers; 1,000 x 101 / 20 + 1,000 + 101 are not there."""
    seen = preview(told(), "buy", "1000", "101")
    assert isinstance(seen, Rejection)
    assert seen.code == "insufficient_margin"
    assert Decimal(seen.context["required"]) == 6151


def test_ord_11_the_published_book_is_what_can_be_had() -> None:
    """ORD-11: price levels from the best, without what would fill nothing: once bob's 2 at 100.5
    are taken he has nothing left that his reduce-only order could reduce.
    """
    scenario = told(
        "trade bob carol TEST 2 @ 100",
        "order bob TEST sell 2 @ 100.5",
        "order bob TEST sell 2 @ 101 reduce_only",
        "order carol TEST sell 3 @ 101",
        "order carol TEST sell 1 @ 101",
        "order carol TEST sell 5 @ 102",
    )
    state = scenario.world.state
    market = state.markets["TEST"]
    levels = [(Decimal(p), Decimal(q)) for p, q in (("100.5", 2), ("101", 4), ("102", 5))]
    assert matching.depth(state, market, "sell", 9) == levels
    assert matching.depth(state, market, "sell", 2) == levels[:2]
    assert matching.depth(state, market, "buy", 9) == []


def test_ord_6_a_wallets_summary() -> None:
    """ORD-6, CON-4: 100 - 1 of fee, 10 lost of 10 long; 49.5 for the position, 4.95 to maintain."""
    scenario = told("trade alice bob TEST 10 @ 100", "tick TEST 99")
    state = scenario.world.state
    seen = margin.cross_summary(state, state.accounts["alice"], "USDT")
    assert seen.wallet_balance == 99
    assert seen.unrealized_profit == -10
    assert seen.equity == 89
    assert seen.initial_margin == Decimal("49.5")
    assert seen.available_balance == Decimal("39.5")
    assert seen.maintenance_margin == Decimal("4.95")
    assert seen.margin_ratio == Decimal("0.05561798")  # 4.95 / 89 = 0.0556179775...


def test_ord_6_a_wallet_without_equity_has_no_margin_ratio() -> None:
    """ORD-6: nor anything available."""
    state = told().world.state
    seen = margin.cross_summary(state, state.accounts["alice"], "USDC")
    assert seen.margin_ratio is None
    assert seen.available_balance == 0


@pytest.mark.parametrize(
    ("ratio_", "mark", "distance", "reason"),
    [
        ("1", "104.6", "958", None),  # 2,004 - 1,046
        ("2", "104.6", "1481", None),  # 2,004 - 523
        ("1", "150", "50", None),  # 2,004 - 454 - 1,500
        ("1", "160", "0", "net_notional_cap"),  # 1,450 for 1,600
        ("0", "104.6", "0", "net_notional_cap"),
        ("1", "306", "0", "no_balance"),  # 2,004 - 2,014
    ],
)
def test_fnd_2_how_much_a_fund_can_lose(
    ratio_: str, mark: str, distance: str, reason: str | None
) -> None:
    """FND-2: a short of 10 taken over at 104.6 with a gain of 4, beside inventory in another asset
    that counts for nothing here.
    """
    scenario = told(
        "contract COIN asset=USDC", "account dora", "deposit dora USDT 50", "deposit dora USDC 50",
        "deposit bob USDC 1000", "contribute F main USDC 1000", "contribute F main USDT 2000",
        "contract PLAIN", "tick PLAIN 100", "tick COIN 100",
        "trade bob dora COIN 5 @ 100", "trade bob dora PLAIN 10 @ 100",
        "tick COIN 200", "tick PLAIN 104.6",
    )  # fmt: skip
    world = scenario.world
    assert set(world.state.funds["F"].inventory) == {"PLAIN", "COIN"}
    world.must(UpdateFund("F", policy={"max_net_notional_ratio": Decimal(ratio_)}))
    world.must(Tick("PLAIN", Decimal(mark)))
    found = funds.distance(world.state, world.state.funds["F"], "USDT")
    assert found == (Decimal(distance), reason)


def test_fnd_2_a_fund_without_inventory_can_lose_all_that_it_has() -> None:
    """FND-2: and one without money nothing."""
    world = told().world
    assert funds.distance(world.state, world.state.funds["F"], "USDT") == (Decimal(0), "no_balance")
    world.must(ContributeToFund("F", "main", "USDT", Decimal(70), "seed_capital"))
    assert funds.distance(world.state, world.state.funds["F"], "USDT") == (Decimal(70), None)


def test_liq_1_beyond_the_last_bracket_its_rate_goes_on() -> None:
    """LIQ-1: a short of 10 with 2,000 behind it: 2,000 - 10 p is 0.01 x 10 p at 2,000 / 10.1."""
    table = brackets((("0", "1000", 20, "0.01"),))
    terms = Terms(Decimal(1), Decimal("0.01"))
    found = calculator.liquidation_price(table, terms, Decimal(-10), Decimal(-1000), Decimal(1000))
    assert found is not None
    assert found == ratio(ratio(Decimal(2000), Decimal("1.01")), Decimal(10))
