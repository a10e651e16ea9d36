"""What the commands of a scenario's lines ask of the engine: a method each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, get_args

from app.engine import commands
from app.engine.commands.accounts import (
    AdjustMargin,
    ConfigureContract,
    DeclareOwner,
    Deposit,
    SetPositionMode,
    Withdraw,
)
from app.engine.commands.contracts import CreateContract, UpdateContract
from app.engine.commands.delivery import SettleContract
from app.engine.commands.funding import CorrectFunding, SetFundingRate
from app.engine.commands.funds import (
    ContributeToFund,
    ContributeToTreasury,
    UpdateFund,
)
from app.engine.commands.leaders import ContinueCascade, Incident, Limits, Recover, ReleaseIncident
from app.engine.commands.orders import (
    AmendOrder,
    CancelAllAfter,
    CancelOrder,
    CancelOrders,
    PlaceOrder,
)
from app.engine.commands.prices import IndexTick, ReportClock, Tick
from app.engine.commands.triggered import AmendTriggered, PlaceGroup, PlaceTriggered
from app.engine.policies import FundPolicy
from tests.engine import world
from tests.engine.expectations import Expectations
from tests.engine.fund_words import FundWords
from tests.engine.review_words import ReviewWords
from tests.engine.terms import pairs, policy, terms
from tests.engine.world import START, World


class Verbs(Expectations, FundWords, ReviewWords):
    """The commands of one scenario, as `scenario` describes them."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.incidents = 0
        self.group = ""

    def line(self, line: str) -> None:
        """One line of the scenario."""
        raise NotImplementedError

    def do_large(self, most: str, step: str) -> None:
        """Smaller bounds than the rules', for the rest of the scenario (ADL-5)."""
        state, ranks = self.world.state, int(step.removeprefix("step="))
        state.bounds = replace(state.bounds, large=int(most), ranks=ranks)

    def do_fund(self, fund_id: str, *options: str) -> None:
        """A fund with policy options."""
        self.world.fund(fund_id, FundPolicy(**policy(options)))

    def do_policy(self, fund_id: str, *options: str) -> list[object]:
        """Some of a fund's policy is changed: `offload=fraction:0.5,interval_seconds:10`."""
        return [UpdateFund(fund_id, policy=policy(options))]

    def do_contract(self, symbol: str, *options: str) -> list[object]:
        """A contract: the defaults of `world.contract`, or `inverse`, and the given terms.

        With a delivery time it is one of that date, but for `kind=perpetual`.
        """
        plain = (world.inverse if "inverse" in options else world.contract)(symbol, "F")
        given = terms(options)
        if "delivery_at" in given:
            given = {"kind": "delivery", **given}
        return [CreateContract(replace(plain, **given))]

    def do_change(self, symbol: str, *options: str) -> list[object]:
        """Other terms of a contract."""
        return [UpdateContract(symbol, terms(options))]

    def do_account(self, *names: str) -> list[object]:
        """Accounts in one-way mode."""
        return [world.open_account(name) for name in names]

    def do_hedger(self, *names: str) -> list[object]:
        """Accounts in hedge mode."""
        return [world.open_account(name, "hedge") for name in names]

    def do_owner(self, owner: str, *accounts: str) -> list[object]:
        """`owner carol alice bob`: whose these accounts are, or `none`."""
        declared = None if owner == "none" else owner
        return [DeclareOwner(account, declared) for account in accounts]

    def do_mode(self, account: str, mode: Any) -> list[object]:
        """Another position mode (ORD-3)."""
        return [SetPositionMode(account, mode)]

    def do_deposit(self, account: str, asset: str, amount: str) -> list[object]:
        """Money in."""
        return [Deposit(account, asset, Decimal(amount))]

    def do_withdraw(self, account: str, asset: str, amount: str) -> list[object]:
        """Money out."""
        return [Withdraw(account, asset, Decimal(amount))]

    def do_contribute(
        self, fund: str, wallet: str, asset: str, amount: str, kind: Any = "seed_capital"
    ) -> list[object]:
        """Money into a fund."""
        return [ContributeToFund(fund, wallet, asset, Decimal(amount), kind)]

    def do_grant(self, asset: str, amount: str) -> list[object]:
        """Money into the treasury."""
        return [ContributeToTreasury(asset, Decimal(amount))]

    def do_minimum(self, fund: str, asset: str, amount: str) -> list[object]:
        """A fund's required minimum."""
        minimum = None if amount == "none" else Decimal(amount)
        return [UpdateFund(fund, required_minimum={asset: minimum})]

    def do_configure(self, account: str, symbol: str, *options: Any) -> list[object]:
        """Leverage and/or margin mode."""
        leverage = [int(o) for o in options if o.isdigit()]
        mode = [o for o in options if not o.isdigit()]
        return [
            ConfigureContract(
                account, symbol, leverage[0] if leverage else None, mode[0] if mode else None
            )
        ]

    def do_margin(self, account: str, symbol: str, amount: str) -> list[object]:
        """Money between cross wallet and isolated position."""
        return [AdjustMargin(*moved(account, symbol), Decimal(amount))]

    def do_tick(self, symbol: str, price: str, *options: str) -> list[object]:
        """A mark price."""
        given = pairs(options)
        sequence = int(given["sequence"]) if "sequence" in given else None
        index, rate = (
            Decimal(given[name]) if name in given else None for name in ("index", "rate")
        )
        return [Tick(
            symbol, Decimal(price), index, self._source_time(given), sequence,
            sequence_reset="reset" in options, funding_rate=rate,
        )]  # fmt: skip

    def do_feed(self, symbol: str, price: str, *options: str) -> None:
        """`feed TEST 100 index=99 for=3600`: the same tick every minute, for so many seconds."""
        for _ in range(int(pairs(options)["for"]) // 60):
            self.line(f"tick {symbol} {price} {' '.join(options)}")
            self.do_later("59.999")  # it took a millisecond itself

    def do_index(self, symbol: str, source: str, price: str, *options: str) -> list[object]:
        """What a source of an index says."""
        return [IndexTick(symbol, source, Decimal(price), self._source_time(pairs(options)))]

    def _source_time(self, given: dict[str, str]) -> datetime | None:
        """So many seconds before the price is applied."""
        if "age" not in given:
            return None
        return self.world.next_time() - timedelta(seconds=int(given["age"]))

    def do_sample(self, symbol: str, price: str, *options: str) -> Iterator[object]:
        """An index price, `times` of them, one `every` so many seconds, each with the mark as it
        is."""
        given = pairs(options)
        for _ in range(int(given.get("times", "1"))):
            self.world.later(Decimal(given.get("every", "1")))
            mark = self.world.state.markets[symbol].mark
            assert mark is not None
            yield Tick(symbol, mark.price, Decimal(price))

    def do_settle(self, symbol: str, price: str) -> list[object]:
        """An admin's settlement price."""
        return [SettleContract(symbol, Decimal(price), "the index failed")]

    def do_at(self, seconds: str) -> None:
        """Time passes: the next command is at so many seconds after the world's beginning."""
        passed = START + timedelta(seconds=int(seconds)) - self.world.next_time()
        assert passed >= timedelta(), "time does not go back"
        self.world.later(Decimal(passed // timedelta(microseconds=1)) / 1_000_000)

    def do_rate(self, symbol: str, rate: str) -> list[object]:
        """The funding rate for the next funding time."""
        return [SetFundingRate(symbol, Decimal(rate))]

    def do_due(self) -> None:
        """What is due by now is begun, and its parts are left pending."""
        self.world.catch_up()

    def do_part(self) -> list[object]:
        """One part of the pending cascade."""
        return [ContinueCascade(min(self.world.pending))]

    def do_correct(self, account: str, symbol: str, amount: str) -> list[object]:
        """Money between treasury and account, for a funding that was wrong."""
        return [CorrectFunding(symbol, START, account, Decimal(amount), "wrong rate")]

    def do_bounds(self, *options: str) -> None:
        """Smaller parts than the rules', for the rest of the scenario (LIQ-10)."""
        given: Any = {name: int(number) for name, number in pairs(options).items()}
        self.world.state.bounds = replace(self.world.state.bounds, **given)

    def do_clock(self, cause: Any, ahead: str) -> list[object]:
        """The runner reports that engine time is so many seconds ahead of the system's clock."""
        return [ReportClock(cause, Decimal(ahead))]

    def do_later(self, seconds: str) -> None:
        """Time passes."""
        self.world.later(Decimal(seconds))

    def do_continue(self) -> None:
        """Finish the pending cascade."""
        self.world.finish()

    def do_restart(self) -> None:
        """A new leader takes over."""
        self.world.restart()
        self.world.finish()

    def do_set_aside(self, account: str, name: str, *options: str) -> None:
        """A cross scope by its asset, or an isolated one by its contract, has failed (REC-2)."""
        account, _, leg = account.partition("/")
        market = self.world.state.markets.get(name)
        asset = market.contract.settlement_asset if market else name
        symbol, side = (name, leg or "both") if market else (None, None)
        self._fails(asset, options, account_id=account, symbol=symbol, position_side=side)

    def do_halt(self, asset: str, *options: str) -> None:
        """A cascade has failed (REC-2)."""
        self._fails(asset, options)

    def _fails(self, asset: str, options: Sequence[str], **blamed: Any) -> None:
        self.incidents += 1
        times = int(pairs(options).get("times", "1"))
        self.world.restart(
            Incident(self.incidents, "ContinueCascade", asset=asset, times=times, **blamed)
        )
        self.world.finish()

    def do_release(self, incident: str) -> list[object]:
        """An admin lets it be tried again."""
        return [ReleaseIncident(int(incident), "mended")]

    def do_order(
        self, account: str, symbol: str, side: Any, quantity: str, *rest: str
    ) -> list[object]:
        """A limit order (`@ price`) or a market order (`market`)."""
        options = set(rest)
        price = Decimal(rest[rest.index("@") + 1]) if "@" in rest else None
        in_force = options & set(get_args(commands.TimeInForce))
        prevention = options & set(get_args(commands.SelfTradePrevention))
        default: Any = "gtc" if price is not None else "ioc"
        assert (price is None) == ("market" in options), "neither price nor market"
        account, symbol, leg = moved(account, symbol)
        return [PlaceOrder(
            account, symbol, side, "market" if price is None else "limit", Decimal(quantity),
            price, in_force.pop() if in_force else default, "reduce_only" in options,  # type: ignore[arg-type]
            leg, client_order_id=pairs(rest).get("id"),
            self_trade_prevention=prevention.pop() if prevention else "expire_taker",  # type: ignore[arg-type]
        )]  # fmt: skip

    def do_wait(
        self, account: str, symbol: str, side: Any, quantity: str, kind: str, trigger: str,
        *rest: str,
    ) -> list[object]:  # fmt: skip
        """An order that waits for a price: `stop 95`, limited with `@ 94`; `all` closes."""
        options, limit = set(rest), Decimal(rest[rest.index("@") + 1]) if "@" in rest else None
        in_force = options & set(get_args(commands.TimeInForce))
        default: Any = "ioc" if limit is None else "gtc"
        account, symbol, leg = moved(account, symbol)
        return [PlaceTriggered(
            account, symbol, side, kind if limit is not None else f"{kind}_market",  # type: ignore[arg-type]
            None if quantity == "all" else Decimal(quantity), limit,
            in_force.pop() if in_force else default, "reduce_only" in options,  # type: ignore[arg-type]
            leg, client_order_id=pairs(rest).get("id"), trigger_price=Decimal(trigger),
            trigger_by="last" if "last" in options else "mark", close_position=quantity == "all",
        )]  # fmt: skip

    def do_trail(
        self, account: str, symbol: str, side: Any, quantity: str, rate: str, *rest: str
    ) -> list[object]:
        """A trailing stop: its callback rate, and `from 105` which price on it follows."""
        trigger = Decimal(rest[rest.index("from") + 1]) if "from" in rest else None
        return [PlaceTriggered(
            account, symbol, side, "trailing_stop",
            None if quantity == "all" else Decimal(quantity), time_in_force="ioc",
            reduce_only="reduce_only" in rest, client_order_id=pairs(rest).get("id"),
            trigger_price=trigger, trigger_by="last" if "last" in rest else "mark",
            close_position=quantity == "all", callback_rate=Decimal(rate),
        )]  # fmt: skip

    def do_group(self, kind: Any, name: str, account: str, symbol: str, *rest: str) -> list[object]:
        """Orders of a group, each as its own verb has it behind `/`, named by their places."""
        orders: list[Any] = []
        for text in " ".join(rest).split("/")[1:]:
            verb, *arguments = text.split()
            orders += getattr(self, f"do_{verb}")(account, symbol, *arguments)
        first = orders.pop(0) if isinstance(orders[0], PlaceOrder) else None
        self.group = name
        return [PlaceGroup(kind, first, tuple(orders))]

    def do_ladder(self, account: str, symbol: str, *rest: str) -> list[object]:
        """The same order many times: `times=200`."""
        times = int(pairs(rest)["times"])
        side, quantity, *others = rest
        return self.do_order(account, symbol, side, quantity, *others) * times

    def do_limits(self, *options: str) -> list[object]:
        """A new leader that keeps other limits (ORD-10)."""
        given = {name: int(number) for name, number in pairs(options).items()}
        return [Recover(replace(Limits(), **given))]

    def do_trade(
        self, buyer: str, seller: str, symbol: str, quantity: str, _: str, price: str
    ) -> None:
        """The seller's order rests, the buyer's takes it whole."""
        self.line(f"order {seller} {symbol} sell {quantity} @ {price} gtx -> new")
        self.line(f"order {buyer} {symbol} buy {quantity} @ {price} fok -> filled")

    def do_cancel(self, name: str) -> list[object]:
        """One order by its client id or number."""
        return [CancelOrder(self.names.get(name) or int(name))]

    def do_amend(self, name: str, *options: str) -> list[object]:
        """Another quantity or price of an open order, or both (ORD-15)."""
        given: dict[str, Any] = {name: Decimal(text) for name, text in pairs(options).items()}
        return [AmendOrder(self.names.get(name) or int(name), **given)]

    def do_adjust(self, name: str, *options: str) -> list[object]:
        """Other terms of an order that waits: quantity, price, trigger, rate (TRG-1)."""
        fields = {"trigger": "trigger_price", "rate": "callback_rate"}
        given: dict[str, Any] = {
            fields.get(name, name): Decimal(text) for name, text in pairs(options).items()
        }
        return [AmendTriggered(self.names.get(name) or int(name), **given)]

    def do_cancel_all(self, account: str, symbol: str | None = None) -> list[object]:
        """An account's orders."""
        return [CancelOrders(account, symbol)]

    def do_countdown(self, account: str, seconds: str) -> list[object]:
        """Cancel-all-after (ORD-14)."""
        return [CancelAllAfter(account, int(seconds))]


def moved(name: str, symbol: str) -> tuple[str, str, Any]:
    """Account, contract and leg, of `alice` or `alice/long`."""
    account, _, leg = name.partition("/")
    return account, symbol, leg or "both"
