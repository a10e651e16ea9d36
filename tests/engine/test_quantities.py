"""How much: restoring quantities and takeovers, against trying every lot."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app.engine.commands.accounts import ConfigureContract
from app.engine.commands.funds import UpdateFund
from app.engine.commands.orders import PlaceOrder
from app.engine.commands.prices import Tick
from app.engine.contracts import Contract
from app.engine.figures import allotment
from app.engine.figures.exposure import maintenance_margin
from app.engine.figures.health import Health
from app.engine.markets import Market
from app.engine.marks import Mark
from app.engine.numbers import EXACT, UNIT
from app.engine.policies import FundPolicy
from app.engine.scopes import cross_scope
from app.engine.traders import Position, Wallet
from app.engine.trading import funds
from tests.engine.arithmetic import maintenance, rounded, value
from tests.engine.world import START, World, brackets, contract, inverse

TABLES = st.sampled_from((
    brackets((("0", "1000000000", 20, "0.04"),)),
    brackets((("0", "700", 50, "0.01"), ("700", "3000", 20, "0.03"), ("3000", "1E9", 4, "0.2"))),
    brackets((("0", "500", 100, "0.004"), ("500", "900", 90, "0.011"), ("900", "1E9", 1, "0.99"))),
    brackets((("0", "2000", 20, "0.05"), ("2000", "4000", 20, "0.05"), ("4000", "1E9", 2, "0.5"))),
))  # fmt: skip


def smallest_restoring(
    terms: Contract, mark: Decimal, count: int, equity: Decimal, others: Decimal
) -> Decimal:
    """LIQ-4 by trying every quantity, smallest first."""
    for lots in range(1, count + 1):
        closed, left = lots * terms.lot_size, (count - lots) * terms.lot_size
        fee = Fraction(terms.clearance_fee_rate) * abs(value(terms, closed, mark))
        margin = Fraction(others) + maintenance(terms, abs(value(terms, left, mark)))
        if Fraction(equity) - fee >= Fraction(terms.liquidation_restore_ratio) * margin:
            under = left and abs(value(terms, left, mark)) < Fraction(terms.min_notional)
            return count * terms.lot_size if under else closed
    return count * terms.lot_size


@settings(max_examples=400)
@given(
    TABLES, st.booleans(), st.booleans(), st.integers(1, 250),
    st.sampled_from(("0.3", "1", "17.13", "99.99")),
    st.sampled_from(("0", "0.004", "0.0125", "0.06", "0.3")), st.sampled_from(("1", "1.1", "3")),
    st.sampled_from(("0", "5", "800")), st.integers(-200, 1200),
    st.sampled_from(("0", "3.7", "90")),
)  # fmt: skip
def test_liq_4_the_smallest_quantity_that_restores(
    table: Any, linear: bool, long: bool, count: int, mark: str, fee: str, restore: str,
    minimum: str, tenths_of_margin: int, others: str,
) -> None:  # fmt: skip
    """LIQ-4: for every bracket table, fee, ratio and rest under the minimum notional."""
    terms = replace(
        contract("TEST", "F") if linear else inverse("TEST", "F"), brackets=table,
        lot_size=Decimal("0.7") if linear else Decimal(7), min_notional=Decimal(minimum),
        clearance_fee_rate=Decimal(fee), liquidation_restore_ratio=Decimal(restore),
    )  # fmt: skip
    clearing = Wallet("clearing/TEST/USDT", "clearing", "TEST", "USDT", "")
    market = Market(terms, clearing, Mark(terms.symbol, Decimal(mark), START))
    quantity = count * terms.lot_size
    scope = cross_scope("alice", "USDT")
    position = Position(
        "alice", "TEST", "both", scope, quantity=quantity if long else -quantity
    )  # fmt: skip
    full = Fraction(others) + maintenance(terms, abs(value(terms, quantity, Decimal(mark))))
    equity = rounded(full * tenths_of_margin / 1000)
    exact = Decimal(equity.numerator) / Decimal(equity.denominator)
    with localcontext(EXACT):
        now = Health(exact, Decimal(others) + maintenance_margin(market, position), 1)
        found = allotment.restoring_quantity(market, position, now)
    assert found == smallest_restoring(terms, Decimal(mark), count, exact, Decimal(others))


def largest_acceptable(
    terms: Contract, mark: Decimal, ratio: Decimal, lots: int, worth: Fraction, *,
    balance: Fraction, held: Decimal, elsewhere: Fraction,
) -> int:  # fmt: skip
    """FND-2 by trying every quantity, largest first; in lots, unsigned.

    `worth` is the signed bankruptcy value of all `lots`; `balance` is the fund's with all inventory
    settled to mark, `held` its inventory in the contract, `elsewhere` its notional in others.
    """
    sign = 1 if lots > 0 else -1
    before = abs(value(terms, held, mark))
    for count in range(abs(lots), 0, -1):
        after_held = held + sign * count * terms.lot_size
        gain = value(terms, after_held, mark) - value(terms, held, mark)
        gain -= rounded(worth * count / abs(lots))
        after = abs(value(terms, after_held, mark))
        cap = Fraction(ratio) * (balance + gain)
        if balance + gain >= 0 and (elsewhere + after <= cap or after < before):
            return count
    return 0


def open_position(world: World, account: str, symbol: str, lots: int, leverage: int) -> None:
    """An isolated position against the bank, at mark."""
    market = world.state.markets[symbol]
    assert market.mark is not None
    world.must(ConfigureContract(account, symbol, leverage, "isolated"))
    buyer, seller = (account, "bank") if lots > 0 else ("bank", account)
    size, price = abs(lots) * market.contract.lot_size, market.mark.price
    world.order(PlaceOrder(seller, symbol, "sell", "limit", size, price))
    world.order(PlaceOrder(buyer, symbol, "buy", "limit", size, price))


def prepared(seed: str, here: int, there: int, *, linear: bool = True) -> World:
    """A fund with inventory in two contracts, as far as its seed bore it.

    A lot of either margining is worth 70 at a price of 100.
    """
    world, asset = World(), "USDT" if linear else "BTC"
    world.fund("F", FundPolicy(max_net_notional_ratio=Decimal(10**8)))
    for symbol in ("TEST", "OTHER"):
        terms = replace(contract(symbol, "F"), lot_size=Decimal("0.7"), min_notional=Decimal(0))
        if not linear:
            terms = replace(inverse(symbol, "F"), lot_size=Decimal(700))
        world.contract(terms)
        world.must(Tick(symbol, Decimal(100)))
    for account in ("alice", "bank", "here", "there"):
        world.account(account)
        world.deposit(account, "10000000" if account == "bank" else "10000", asset)
    world.seed("F", seed, asset)
    for account, symbol, count in (("here", "TEST", here), ("there", "OTHER", there)):
        if count:
            open_position(world, account, symbol, count, 100)
            world.must(Tick(symbol, Decimal("98.9") if count > 0 else Decimal("101.1")))
            world.must(Tick(symbol, Decimal(100)))
    return world


lots_held = st.integers(-40, 40)


@settings(max_examples=150, deadline=None)
@given(
    seed=st.sampled_from(("3", "40", "500", "3000", "90000")), here=lots_held, there=lots_held,
    lots=lots_held.filter(bool), ratio=st.sampled_from(("0", "0.2", "1", "5", "1000")),
    loss=st.sampled_from(("0.001", "0.01", "0.03", "0.2")), linear=st.booleans(),
)  # fmt: skip
def test_fnd_2_the_fund_takes_as_much_as_it_may(
    seed: str, here: int, there: int, lots: int, ratio: str, loss: str, linear: bool
) -> None:
    """FND-2: solvent, within the cap or smaller than before; with inventory on either side."""
    world = prepared(seed, here, there, linear=linear)
    fund, terms = world.state.funds["F"], world.state.markets["TEST"].contract
    open_position(world, "alice", "TEST", lots, 50)
    world.must(UpdateFund("F", policy={"max_net_notional_ratio": Decimal(ratio)}))
    move = Decimal("0.019") + Decimal(loss)
    mark = Decimal(100) * (1 - move if lots > 0 else 1 + move)

    balance = sum((Fraction(wallet.balance) for wallet in fund.wallets), Fraction(0))
    held, elsewhere = Decimal(0), Fraction(0)
    for symbol, inventory in fund.inventory.items():
        worth = value(terms, inventory.quantity, mark if symbol == "TEST" else Decimal(100))
        balance += worth - Fraction(inventory.cost)
        if symbol == "TEST":
            held = inventory.quantity
        else:
            elsewhere = abs(worth)
    assume(balance >= 0)
    position = world.state.accounts["alice"].positions["TEST", "both"]
    assert position.wallet is not None
    worth = Fraction(position.cost) - Fraction(position.wallet.balance)
    expected = largest_acceptable(
        terms, mark, Decimal(ratio), lots, worth, balance=balance, held=held, elsewhere=elsewhere
    )
    world.must(Tick("TEST", mark))
    record = max(world.liquidations.values(), key=lambda r: r.liquidation_id)
    assert record.account_id == "alice"
    assert record.taken_over_quantity == expected * terms.lot_size
    assert record.deleveraged_quantity == (abs(lots) - expected) * terms.lot_size


@settings(max_examples=100, deadline=None)
@given(
    seed=st.sampled_from(("3", "40", "500", "3000", "90000")), here=lots_held, there=lots_held,
    ratio=st.sampled_from(("0.2", "0.7", "1", "3", "1000")),
    mark=st.sampled_from(("60", "99.5", "100", "100.00000001", "103", "170")),
)  # fmt: skip
def test_fnd_2_the_distance_is_the_largest_loss_that_leaves_the_fund_room(
    seed: str, here: int, there: int, ratio: str, mark: str
) -> None:
    """FND-2: with that loss the fund still carries what it holds, with a unit more it doesn't."""
    world = prepared(seed, here, there)
    fund, terms = world.state.funds["F"], world.state.markets["TEST"].contract
    world.must(UpdateFund("F", policy={"max_net_notional_ratio": Decimal(ratio)}))
    world.run(Tick("TEST", Decimal(mark)))
    balance = sum((Fraction(wallet.balance) for wallet in fund.wallets), Fraction(0))
    notional = Fraction(0)
    for symbol, inventory in fund.inventory.items():
        worth = value(terms, inventory.quantity, Decimal(mark if symbol == "TEST" else 100))
        balance += worth - Fraction(inventory.cost)
        notional += abs(worth)
    with localcontext(EXACT):
        distance, reason = funds.distance(world.state, fund, "USDT")
        assert funds.carries(fund, UNIT, UNIT * Decimal(ratio))
        assert not funds.carries(fund, -UNIT, Decimal(0))
    rest = balance - Fraction(distance)
    assert rest - Fraction(UNIT) < max(Fraction(0), notional / Fraction(ratio))
    if reason is None:
        assert distance > 0
        assert rest >= notional / Fraction(ratio)
    else:
        assert distance == 0
        assert (reason == "no_balance") == (balance <= 0)
    world.must(UpdateFund("F", policy={"max_net_notional_ratio": Decimal(0)}))
    with localcontext(EXACT):
        assert funds.distance(world.state, fund, "USDT")[1] is not None
