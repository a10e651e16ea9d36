"""What ladders stand on: a market with every fault, and what mends it (see `test_ladders`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from app.engine.commands import Command
from app.engine.commands.accounts import (
    ConfigureContract,
    Deposit,
)
from app.engine.commands.calibrations import AcceptCalibration, RejectCalibration
from app.engine.commands.contracts import UpdateContract
from app.engine.commands.funds import (
    ContributeToTreasury,
)
from app.engine.commands.keys import NewKey
from app.engine.commands.leaders import Limits, Recover
from app.engine.commands.orders import (
    PlaceOrder,
)
from app.engine.commands.prices import IndexTick, Tick
from app.engine.commands.triggered import PlaceGroup, PlaceTriggered
from app.engine.contracts import Contract, IndexSource
from app.engine.markets import DeliveryPhase
from app.engine.outcome import Outcome
from app.engine.policies import FundPolicy
from app.engine.scopes import wallet_key
from app.engine.state import Cascade, Payout, State
from app.engine.traders import HeldProfit
from tests.engine.delivered import date
from tests.engine.funded import fund
from tests.engine.naive import Books
from tests.engine.world import START, World, brackets, contract

AHEAD = START + timedelta(days=1)
HOURLY: dict[str, object] = {"funding_interval_hours": 1}
TINY, HUNDRED = Decimal("0.000000001"), Decimal(100)
TOO_SMALL = brackets((("0", "500", 200, "0.005"),))
Mend = Mapping[str, object] | Callable[[World], object]
"""Other values of the command's fields, or something that is done to the market."""


class Ladder(NamedTuple):
    """A command by its fields, and what it is refused for, each with what mends it."""

    kind: Any
    fields: Mapping[str, object]
    rungs: Sequence[tuple[str, Mend]]


class NoBooks(Books):
    """Nobody looks at where money came from: the debt of the treasury below is made up."""

    def observe(self, outcome: Outcome, state: State, now: datetime) -> None:
        """Look away."""


def market() -> World:
    """Ann is long 10 in HELD, which is halted, and waits for liquidation; so is eve, isolated.

    TEST is halted too and has no mark; OLD is settled, as GONE is, which was delivered; LATE is
    being settled, and WAITS held; the owner `many` has as many accounts as one may, and
    what ann won is held; the mark of MADE is derived; the treasury owes USDT; no order may rest.
    Of the fund CALIBRATED calibration 1 is rejected, 3 accepted.
    """
    world = World()
    world.books = NoBooks()
    world.fund("F", FundPolicy(profit_hold_seconds=60))
    world.contract(replace(contract("HELD", "F"), tick_jump_limit=Decimal(1)))
    world.contract(replace(contract("OLD", "F"), status="settled"))
    terms = contract("TEST", "F")
    terms = replace(terms, mark_staleness_seconds=60, price_band=Decimal("0.5"))
    terms = replace(terms, open_interest_cap=Decimal("0.5"))
    world.contract(replace(terms, status="halted"))
    world.must(Tick("HELD", HUNDRED))
    derive(world, replace(contract("MADE", "F"), tick_jump_limit=Decimal(1)))
    for account, amount in (("ann", "60"), ("bob", "100000"), ("eve", "60")):
        world.account(account)
        world.deposit(account, amount)
    world.account("hal", "hedge")
    world.must(ConfigureContract("eve", "HELD", 20, "isolated"))
    for account in ("ann", "eve"):
        for owner, side in (("bob", "sell"), (account, "buy")):
            world.must(PlaceOrder(owner, "HELD", side, "limit", Decimal(10), HUNDRED))  # type: ignore[arg-type]
    world.must(PlaceOrder("bob", "HELD", "buy", "limit", Decimal(1), Decimal(50)))
    world.must(UpdateContract("HELD", {"status": "halted"}))
    world.must(Tick("HELD", Decimal("94.2"), source_time=START + timedelta(seconds=1)))
    assert len(world.state.held) == 2
    world.must(ContributeToTreasury("USDT", Decimal(1)))
    world.must(UpdateContract("HELD", {"brackets": TOO_SMALL}))
    world.must(Recover(Limits(open_orders=0, untriggered_per_contract=0)))
    owe(-1)(world)
    world.state.owners["many"] = dict.fromkeys(map(str, range(100)))
    won = HeldProfit("ann", "HELD", START, AHEAD, Decimal(1_000_000))
    world.state.profits["ann"] = {"HELD": [won]}
    world.state.payouts["HELD"] = Payout("HELD", AHEAD)
    phases: dict[str, DeliveryPhase] = {"GONE": "settled", "LATE": "closing", "WAITS": "held"}
    for symbol, phase in phases.items():
        world.contract(contract(symbol, "F"))
        date(symbol, phase)(world)
    world.fund("CALIBRATED")
    do(
        RejectCalibration("CALIBRATED", "USDT", 1, START, "r"),
        AcceptCalibration("CALIBRATED", "USDT", 3, HUNDRED + 1, START),
    )(world)
    return world


def derive(world: World, terms: Contract) -> None:
    """A contract whose mark was given once."""
    world.contract(replace(terms, index_sources=(IndexSource("a", Decimal(1)),)))
    told = START + timedelta(seconds=1)
    world.must(Tick(terms.symbol, HUNDRED, source_time=told))
    world.must(IndexTick(terms.symbol, "a", HUNDRED, told))
    world.must(UpdateContract(terms.symbol, {"mark_mode": "derived"}))


def owe(amount: int) -> Callable[[World], object]:
    """The treasury has this much (nothing but its sign counts here)."""

    def change(world: World) -> None:
        key = wallet_key("treasury", "", "USDT")
        world.state.wallets[key].balance = Decimal(amount)

    return change


def do(*several: Command) -> Callable[[World], object]:
    """Commands that are accepted."""
    return lambda world: [world.must(command) for command in several]


def nobody_is_held(world: World) -> None:
    """Ann and eve are whole again."""
    do(Tick("HELD", HUNDRED))(world)


def begin(world: World) -> None:
    """Somebody at risk whom a trader's command came upon (see test_invariants)."""
    world.state.cascades["USDT"] = Cascade("USDT")


def mark_of_one_that_is_held(world: World) -> None:
    """A first mark; its settlement price is awaited."""
    world.must(Tick("TEST", HUNDRED))
    date("TEST", "held")(world)


def mark_that_ages(world: World) -> None:
    """A first mark, and more than a minute."""
    world.must(Tick("TEST", HUNDRED))
    world.later(Decimal(61))
    fund(START)(world)
    date("TEST", "held")(world)


def orders_of_one_who_waits(world: World) -> None:
    """Eve is whole for a while: 8 is her reduce-only ask, 9 her post-only bid, filled by 0.2, 11
    another bid."""
    do(
        Tick("HELD", HUNDRED), Deposit("eve", "USDT", Decimal(1000)), Recover(Limits()),
        UpdateContract("TEST", {"status": "trading", "open_interest_cap": None}),
        Tick("TEST", HUNDRED),
        PlaceOrder("bob", "TEST", "sell", "limit", Decimal(3), HUNDRED),
        PlaceOrder("eve", "TEST", "buy", "limit", Decimal(1), HUNDRED),
        PlaceOrder("eve", "TEST", "sell", "limit", Decimal(1), HUNDRED + 1, reduce_only=True),
        PlaceOrder("eve", "TEST", "buy", "limit", Decimal(1), HUNDRED - 10, "gtx"),
        PlaceOrder("bob", "TEST", "sell", "limit", Decimal("0.2"), HUNDRED - 10, "ioc"),
        PlaceOrder("eve", "TEST", "buy", "limit", Decimal(1), HUNDRED - 10),
        UpdateContract("TEST", {"status": "halted", "open_interest_cap": Decimal(1)}),
        Tick("HELD", Decimal("94.2")), Recover(Limits(open_orders=0)),
    )(world)  # fmt: skip
    world.later(Decimal(61))


def waiting_of_one_who_waits(world: World) -> None:
    """Eve is whole for a while: 6 follows the price, 7 closes, 8 is to follow, 9 is a stop, 11 is
    one whose other, 10, has filled 0.2."""
    stop = PlaceTriggered(
        "eve", "TEST", "sell", "stop_market", Decimal(1), trigger_price=HUNDRED - 20,
        time_in_force="ioc",
    )  # fmt: skip
    trail = replace(stop, type="trailing_stop", trigger_price=None, callback_rate=Decimal("0.05"))
    do(
        Tick("HELD", HUNDRED), Deposit("eve", "USDT", Decimal(1000)), Recover(Limits()),
        UpdateContract("TEST", {"status": "trading"}), Tick("TEST", HUNDRED),
        trail, replace(stop, quantity=None, close_position=True),
        replace(trail, trigger_price=HUNDRED + 10), stop,
        PlaceGroup(
            "oco", PlaceOrder("eve", "TEST", "buy", "limit", Decimal(1), HUNDRED - 10),
            (replace(
                stop, side="buy", type="stop", trigger_price=HUNDRED + 10, price=HUNDRED + 10,
                time_in_force="gtc",
            ),),
        ),
        PlaceOrder("bob", "TEST", "sell", "limit", Decimal("0.2"), HUNDRED - 10, "ioc"),
        UpdateContract("TEST", {"status": "halted"}), Tick("HELD", Decimal("94.2")),
    )(world)  # fmt: skip


ASK = PlaceOrder("bob", "TEST", "sell", "limit", Decimal(1), HUNDRED)
AMOUNTS: list[tuple[str, Mend]] = [
    ("amount_not_positive", {"amount": TINY}),
    ("too_many_decimals", {"amount": Decimal(1)}),
]
NO_MONEY = -TINY
KNOWN_KEY = NewKey("key-ann", "k", "feed", "digest", "nobody")
NEW_KEY = NewKey("new", "k", "trader", "digest", "ann")
TERMS = contract("NEW", "F")
LOT, NO_ROWS = ("lot_size", Decimal(0)), ("brackets", ())
NO_FUND, SIZE, GRID = ("insurance_fund", "-"), ("contract_size", HUNDRED), ("tick_size", HUNDRED)
TENTH = {"brackets": brackets((("0", "1000000", 10, "0.1"),))}


def changed(name: str, *changes: tuple[str, object]) -> dict[str, object]:
    """The command's field with these terms."""
    return {name: dict(changes)}


def listed(symbol: str, *changes: tuple[str, object]) -> Any:
    """A contract with these terms."""
    return replace(contract(symbol, "F"), **dict(changes))  # type: ignore[arg-type]


def group_ladder(waiting: Ladder) -> Ladder:
    """An oco of an order that is placed at once and one that waits: its rungs, then the other's."""
    one: dict[str, Any] = dict(waiting.fields)
    first: dict[str, Any] = {
        "side": "buy", "type": "limit", "quantity": Decimal("0.001"), "price": Decimal(200),
        "time_in_force": "gtx", "reduce_only": True,
    }  # fmt: skip

    def orders() -> dict[str, object]:
        same = {name: one[name] for name in ("account_id", "symbol", "position_side")}
        return {
            "first": PlaceOrder(**first, **same),
            "waiting": (PlaceTriggered(**one),),
        }

    rungs: list[tuple[str, Mend]] = [("invalid_group", orders())]
    for code, mend in waiting.rungs:
        if isinstance(mend, Mapping):
            one |= mend
            rungs.append((code, orders()))
        elif code == "too_many_open_orders":  # a new leader settles fundings under way
            rungs.append((code, lambda world: [do(Recover(Limits()))(world), fund(START)(world)]))
        else:
            rungs.append((code, mark_that_ages if code == "no_mark" else mend))
    for code, changes in (
        ("price_out_of_band", {"price": HUNDRED}),
        ("reduce_only_rejected", {"reduce_only": False}),
        ("below_min_notional", {"quantity": Decimal(2_000_000)}),
        ("position_too_large", {"quantity": Decimal(20_000)}),
        ("leverage_too_high", {"quantity": Decimal(9_000)}),
        ("insufficient_margin", {"quantity": Decimal(1)}),
        ("would_trade_immediately", {"time_in_force": "gtc"}),
        ("open_interest_cap", {"side": "sell"}),
    ):
        if code == "price_out_of_band":
            rungs += [
                ("funding_under_way", fund(None)), ("stale_mark", do(Tick("TEST", HUNDRED), ASK)),
            ]  # fmt: skip
        first |= changes
        rungs.append((code, orders()))
    return Ladder(PlaceGroup, {"kind": "oco", "first": None, "waiting": ()}, rungs)
