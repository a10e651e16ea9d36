"""Contract terms, brackets and the calculators derived from them (CON, LIQ-1)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine.commands.contracts import CreateContract, ImportContracts, UpdateContract
from app.engine.contracts import RANGES, Bracket, Contract, IndexSource, check_terms
from app.engine.figures import calculator
from app.engine.markets import Market
from app.engine.numbers import EXACT, ONE, UNIT, ZERO
from app.engine.rejections import Rejected, Rejection
from app.engine.results import Imported
from app.engine.traders import Wallet
from app.engine.valuation import Margining
from tests.engine.arithmetic import exact_value, maintenance, value
from tests.engine.world import START, World, brackets, contract, inverse

GOOD = contract("TEST", "F")


def row(floor: str, cap: str, leverage: int, rate: str, cum: str) -> Bracket:
    """A bracket as imported."""
    return Bracket(Decimal(floor), Decimal(cap), leverage, Decimal(rate), Decimal(cum))


@pytest.mark.parametrize(
    ("rows", "number"),
    [
        ((), 0),
        ((row("1", "100", 10, "0.05", "0"),), 1),
        ((row("0", "0", 10, "0.05", "0"),), 1),
        ((row("0", "100", 10, "0.05", "1"),), 1),
        ((row("0", "100", 21, "0.05", "0"),), 1),
        ((row("0", "100", 0, "0.05", "0"),), 1),
        ((row("0", "100", 10, "0", "0"),), 1),
        ((row("0", "100", 10, "0.05", "0"), row("101", "200", 5, "0.1", "5")), 2),
        ((row("0", "100", 10, "0.05", "0"), row("99", "200", 5, "0.1", "5")), 2),
        ((row("0", "100", 10, "0.05", "0"), row("100", "200", 5, "0.1", "4.99")), 2),
        ((row("0", "100", 10, "0.05", "0"), row("100", "200", 11, "0.1", "5")), 2),
        ((row("0", "100", 10, "0.05", "0"), row("100", "200", 12, "0.05", "0")), 2),
        ((row("0", "100", 10, "0.05", "0"), row("100", "200", 10, "0.04", "-1")), 2),
        ((row("0", "100", 10, "0.05", "0"), row("100", "200", 5, "0.1", "5"),
          row("200", "300", 5, "0.25", "35")), 3),
    ],
)  # fmt: skip
def test_con_4_a_table_that_does_not_follow_is_refused_naming_the_row(
    rows: tuple[Bracket, ...], number: int
) -> None:
    """CON-4: contiguous, cum from the row before, 1/leverage at least the rate; from row to row
    rates do not fall and leverage does not rise.
    """
    world = World()
    world.fund("F")
    result = world.run(CreateContract(replace(GOOD, brackets=rows)))
    assert isinstance(result, Rejection)
    assert (result.code, result.context["row"]) == ("invalid_brackets", str(number))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("settlement_asset", "BTC"), ("quote_asset", "USDC"), ("base_asset", "USDT"),
        ("delivery_at", START), ("settlement_fee_rate", "0.1"), ("min_notional", "100000000.01"),
        ("contract_size", "0"), ("tick_size", "-1"), ("lot_size", "0"), ("min_notional", "-1"),
        ("taker_fee_rate", "1"), ("taker_fee_rate", "-0.1"), ("maker_fee_rate", "-0.1"),
        ("clearance_fee_rate", "-0.1"), ("price_band", "0"), ("tick_jump_limit", "-0.1"),
        ("liquidation_restore_ratio", "0.99"),
    ],
)  # fmt: skip
def test_con_1_terms_that_make_no_sense_are_refused(field: str, value: Any) -> None:
    """CON-1, CON-2: the refusal names the field; of two assets, the settlement asset."""
    world = World()
    world.fund("F")
    text = field.endswith("_asset") or field == "delivery_at"
    changes: dict[str, Any] = {field: value if text else Decimal(value)}
    made = replace(GOOD, **changes)
    named = "settlement_asset" if field == "quote_asset" else field
    for command in (CreateContract(made), ImportContracts((contract("ONE", "F"), made))):
        result = world.run(command)
        assert isinstance(result, Rejection)
        assert (result.code, result.context["field"]) == ("invalid_contract", named)
        assert world.state.markets == {}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("contract_size", ZERO), ("tick_size", ZERO), ("lot_size", ZERO), ("min_notional", -UNIT),
        ("taker_fee_rate", -UNIT), ("maker_fee_rate", ONE), ("clearance_fee_rate", ONE),
        ("price_band", ONE), ("open_interest_cap", -ONE), ("open_interest_multiple", -ONE),
        ("tick_jump_limit", ZERO), ("mark_staleness_seconds", 0),
        ("liquidation_restore_ratio", ZERO), ("interest_rate", ONE), ("delivery_at", START),
        ("settlement_fee_rate", ZERO), ("funding_interval_hours", 0), ("funding_rate_cap", ONE),
        ("funding_rate_floor", -ONE), ("mid_window_seconds", 0),
        ("index_sources", (IndexSource("a", ONE), IndexSource("a", ONE))),
    ],
)  # fmt: skip
def test_con_1_a_refusal_says_what_the_term_may_be(field: str, value: Any) -> None:
    """CON-1, MRK-3: of each term that has a range."""
    with pytest.raises(Rejected) as refused:
        check_terms(replace(GOOD, **{field: value}))
    detail = refused.value.rejection.detail
    assert detail == f"{field} is out of range: {RANGES[field]}"


def test_con_2_an_inverse_value_of_nothing_has_no_price() -> None:
    """CON-2, LIQ-4: readers see zero; what sells for it is not offered, what buys is at any price.

    A share of a bankruptcy value can be rounded to nothing while there are contracts left.
    """
    terms, ten = inverse("COIN", "F"), Decimal(10)
    with localcontext(EXACT):
        assert terms.price_of(ZERO, ten) == 0
        assert terms.price_at(ZERO, ten) is None
        assert terms.price_at(Decimal(-1), -ten) is None
        assert terms.limit_price(ZERO, ten) is None
        assert terms.limit_price(ZERO, -ten) == 10**15
        assert terms.limit_price(Decimal(-3), ten) == Decimal("33.34")
        assert terms.limit_price(Decimal(3), -ten) == Decimal("33.33")
        assert terms.limit_price(Decimal(10**9), -ten) is None  # less than a tick
        assert terms.limit_price(Decimal(-(10**9)), ten) == Decimal("0.01")


@given(st.integers(100, 10**7), st.lists(st.integers(20, 10**5), min_size=1, max_size=4))
def test_num_1_what_one_price_filled_is_shown_at_that_price(ticks: int, fills: list[int]) -> None:
    """NUM-1, CON-2: as far as the coin's last digit tells one tick from the next."""
    terms = inverse("COIN", "F")
    price, quantity = ticks * terms.tick_size, Decimal(sum(fills))
    with localcontext(EXACT):
        cost = sum((terms.value(Decimal(fill), price) for fill in fills), ZERO)
        next_to_it = terms.value(quantity, price + terms.tick_size)
        shown = terms.paid_price(cost, quantity)
        if next_to_it - cost > 2 * len(fills) * UNIT:
            assert shown == price
        else:
            assert abs(shown - terms.price_of(cost, quantity)) <= terms.tick_size / 2


def test_num_1_what_two_prices_filled_is_shown_at_neither() -> None:
    """NUM-1: 1,000 contracts of 10 USD at 100 and as many at 200 are 150 coin for 20,000 USD."""
    terms, many = inverse("COIN", "F"), Decimal(2000)
    with localcontext(EXACT):
        assert terms.paid_price(Decimal(-150), many) == Decimal("133.33333333")
        assert terms.average_price(Decimal(150), many) == Decimal("133.33333333")
        assert terms.paid_price(ZERO, many) == 0
        assert GOOD.average_price(Decimal("0.00000003"), Decimal("0.001")) == Decimal("0.00003")


@given(
    st.integers(1, 10**15), st.integers(1, 10**15), st.integers(1, 10**27), st.booleans(),
)  # fmt: skip
def test_con_2_an_inverse_value_is_rounded_once_half_even(
    contracts: int, size: int, price: int, long: bool
) -> None:
    """CON-2, NUM-2: contracts x size / price, of the largest and finest numbers that come in."""
    terms = replace(inverse("COIN", "F"), contract_size=Decimal(size) / 10**6)
    quantity, at = Decimal(contracts if long else -contracts), Decimal(price) / 10**12
    with localcontext(EXACT):
        assert Fraction(terms.value(quantity, at)) == value(terms, quantity, at)
        assert terms.value(quantity, at) == -terms.value(-quantity, at)
        assert terms.unrounded_value(quantity, at) == -terms.unrounded_value(-quantity, at)
        off = abs(Fraction(terms.unrounded_value(quantity, at)) - exact_value(terms, quantity, at))
    assert off <= Fraction(1, 10**24)


def test_con_1_a_contract_listed_before_its_assets_were_checked_can_be_wound_down() -> None:
    """CON-1, CON-2: its assets never change, so they are no reason to refuse a change."""
    world = World()
    world.fund("F")
    world.contract(GOOD)
    old = replace(GOOD, settlement_asset="BTC", symbol="OLD")
    clearing = Wallet("clearing/OLD/BTC", "clearing", "OLD", "BTC", "")
    world.state.wallets[clearing.key] = clearing
    world.state.markets["OLD"] = Market(old, clearing)
    world.must(UpdateContract("OLD", {"status": "reduce_only"}))
    world.must(ImportContracts((replace(old, status="settled"),)))
    assert world.state.markets["OLD"].contract.status == "settled"


def test_con_5_an_import_is_all_or_nothing() -> None:
    """CON-5: any invalid row refuses the whole import."""
    world = World()
    world.fund("F")
    bad = replace(contract("BAD", "F"), brackets=(row("0", "100", 10, "0.05", "1"),))
    refused = world.run(ImportContracts((contract("ONE", "F"), bad)))
    assert isinstance(refused, Rejection)
    assert world.state.markets == {}
    assert world.run(ImportContracts((contract("ONE", "F"), GOOD))) == Imported(2, 0)
    changed = replace(GOOD, min_notional=Decimal(7))
    assert world.run(ImportContracts((changed, contract("TWO", "F")))) == Imported(1, 1)
    assert world.state.markets["TEST"].contract.min_notional == 7


def test_con_5_an_import_changes_only_what_it_says() -> None:
    """CON-5: a halt, a fund or a staleness limit of ours are not the exchange's to undo."""
    world = World()
    world.fund("F")
    world.fund("G")
    own = replace(
        GOOD, status="halted", insurance_fund="G", mark_staleness_seconds=60,
        maker_fee_rate=Decimal("0.0001"), price_band=Decimal("0.1"), funding_interval_hours=8,
    )  # fmt: skip
    world.contract(own)
    theirs = replace(GOOD, tick_size=Decimal("0.1"), min_notional=Decimal(7), price_band=None)
    terms = ("tick_size", "min_notional", "price_band", "contract_size")
    assert world.run(ImportContracts((theirs, contract("NEW", "F")), terms)) == Imported(1, 1)
    listed = {symbol: market.contract for symbol, market in world.state.markets.items()}
    assert listed["TEST"] == replace(own, tick_size=Decimal("0.1"), min_notional=Decimal(7))
    assert listed["NEW"] == contract("NEW", "F")
    other = replace(theirs, contract_size=Decimal(2))
    assert isinstance(world.run(ImportContracts((other,), terms)), Rejection)


def test_con_5_a_symbol_twice_in_an_import_refuses_it() -> None:
    """CON-5: which of the two would hold is a guess; the second went in unchecked, as a change."""
    world = World()
    world.fund("F")
    for second in (GOOD, replace(GOOD, contract_size=Decimal(2))):
        result = world.run(ImportContracts((GOOD, second)))
        assert isinstance(result, Rejection)
        assert (result.code, result.context["field"]) == ("invalid_contract", "symbol")
        assert result.context["symbol"] == "TEST"
        assert world.state.markets == {}


def test_con_1_what_identifies_a_contract_never_changes() -> None:
    """CON-1: changing the settlement asset or size would change open positions."""
    world = World()
    world.fund("F")
    world.contract(GOOD)
    for changes in ({"settlement_asset": "USDC"}, {"contract_size": Decimal(2)}):
        assert isinstance(world.run(UpdateContract("TEST", changes)), Rejection)


MARGININGS: tuple[Margining, ...] = ("linear", "inverse")
TABLES = st.sampled_from((
    brackets((("0", "1000000000", 20, "0.04"),)),
    brackets((("0", "1000", 50, "0.01"), ("1000", "5000", 20, "0.03"), ("5000", "1E9", 4, "0.2"))),
    brackets((("0", "5000", 125, "0.004"), ("5000", "50000", 100, "0.005"),
              ("50000", "100000", 50, "0.01"), ("100000", "1E9", 1, "0.9"))),
))  # fmt: skip
money = st.integers(1, 10**12).map(lambda units: Decimal(units) / 10**6)


@given(TABLES, money)
def test_con_4_maintenance_margin_is_the_sum_over_brackets(
    table: tuple[Bracket, ...], notional: Decimal
) -> None:
    """CON-4: notional x rate - cum is the same as summing bracket by bracket."""
    terms = replace(GOOD, brackets=table)
    with localcontext(EXACT):
        found = terms.maintenance_margin(notional)
    assert Fraction(found) == maintenance(terms, Fraction(notional))


@given(
    TABLES, st.sampled_from(MARGININGS), st.sampled_from(("1", "0.001", "10")), st.booleans(),
    money, money, money,
)  # fmt: skip
def test_liq_1_at_the_liquidation_price_equity_is_the_maintenance_margin(
    table: tuple[Bracket, ...], margining: Margining, size: str, long: bool, quantity: Decimal,
    entry: Decimal, wallet: Decimal,
) -> None:  # fmt: skip
    """LIQ-1: for every bracket, side and margining; a hair beyond it is at risk, else not."""
    terms = replace(GOOD, margining=margining, brackets=table, contract_size=Decimal(size))
    signed = quantity if long else -quantity
    with localcontext(EXACT):
        cost = terms.value(signed, entry)
        price = calculator.liquidation_price(table, terms, signed, cost, wallet)

    def slack(at: Fraction) -> Fraction:
        worth = exact_value(terms, signed, at)
        return Fraction(wallet) + worth - Fraction(cost) - maintenance(terms, abs(worth))

    if price is None:  # worth next to nothing, it is as well off, or as badly, as it can be
        least = slack(Fraction(10**40) if margining == "inverse" else Fraction(1, 10**40))
        assert least >= 0 if long == (margining == "linear") else least <= 0
        return
    at = Fraction(price)
    scale = Fraction(wallet) + abs(Fraction(cost)) + abs(slack(2 * at)) + abs(slack(at / 2)) + 1
    assert abs(slack(at)) <= scale / 10**25
    hair = at / 10**9
    worse, better = (at - hair, at + hair) if long else (at + hair, at - hair)
    assert slack(worse) < 0 < slack(better)


@given(money, money)
def test_num_2_values_are_rounded_once_half_even(quantity: Decimal, price: Decimal) -> None:
    """NUM-2: eight decimals."""
    terms = replace(GOOD, contract_size=Decimal("0.0333"))
    with localcontext(EXACT):
        found = terms.value(quantity, price)
    assert Fraction(found) == value(terms, quantity, price)


def test_con_4_a_notional_beyond_the_last_bracket_is_refused() -> None:
    """CON-4: no bracket, no leverage."""
    terms: Contract = GOOD
    assert terms.max_leverage(Decimal(100000000)) == 10
    assert terms.max_leverage(Decimal("100000000.01")) == 0
    assert terms.max_leverage(Decimal(100000)) == 50
    assert terms.max_leverage(Decimal("99999.99")) == 100
