"""Scenarios as text: one line per command or expectation, run against a `World`.

A file holds scenarios that begin with `== title (RULE-1, RULE-2)`. After every command the naive
model compares everything and checks all laws. `#` begins a comment. Commands, with defaults in
brackets; a trailing `-> ...` says what must come of it, without it the command must be accepted:

    fund F [ratio=1 below=1 above=0.5]            contribute F main USDT 3000 [seed_capital]
    contract TEST fund=F [field=value ...]        change TEST field=value   (terms of a contract)
    contract COIN inverse [field=value ...]       (settles in BTC, a contract is 10 USD)
    account alice                                 grant USDT 100       (to the treasury)
    deposit|withdraw alice USDT 1000              minimum F USDT 1000   (or none)
    configure alice TEST 20 isolated              margin alice TEST 25
    rate TEST 0.0001                              due         (begin what is due, leave it pending)
    hold part                                     bounds payers=1   (smaller parts)
    correct alice TEST 5                          (a funding that was wrong, by the treasury)
    tick TEST 100 [sequence=1 age=5 reset]        later 30              (seconds)
    order alice TEST buy 10 @ 100 [gtc|ioc|fok|gtx] [reduce_only] [expire_maker] [id=a1]
    ladder alice TEST buy 1 @ 99 times=200        (the same order many times)
    limits matched_orders=10                      (a new leader that keeps other limits)
    order alice TEST sell 10 market               trade alice bob TEST 10 @ 100   (alice buys)
    cancel a1                                     cancel-all alice [TEST]
    amend a1 [quantity=2 price=99]                (an open order)
    countdown alice 30                            (cancel all in so many seconds; 0: never)
    hold tick ...                                 continue   (leave the cascade pending; finish it)
    restart                                       (a new leader, without what is derived)
    set-aside alice USDT|TEST [times=2]           (a new leader, after that scope has failed)
    halt USDT [times=2]                           (after a cascade has, and no scope was to blame)
    release 1                                     (the incident; they are numbered)
    large 2 step=1                                (ADL queues of more are made in steps)

`-> rejected code [key=value ...]`, `-> filled`, `-> partially_filled 3 [average=99]`,
`-> at_risk 2`, `-> pending USDT`. Expectations: see the methods `expect_...` of `Scenario`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, get_args

from app.engine import commands
from app.engine.commands import (
    AdjustMargin,
    AmendOrder,
    CancelAllAfter,
    CancelOrder,
    CancelOrders,
    ConfigureContract,
    ContinueCascade,
    ContributeToFund,
    ContributeToTreasury,
    CorrectFunding,
    CreateContract,
    Deposit,
    FundPolicy,
    Incident,
    Limits,
    PlaceOrder,
    Recover,
    ReleaseIncident,
    ReportClock,
    SetFundingRate,
    Tick,
    UpdateContract,
    UpdateFund,
    Withdraw,
)
from app.engine.contracts import Contract
from app.engine.events import OrderReceipt, Ticked
from app.engine.rejections import Rejection
from app.engine.state import Position
from tests.engine import world
from tests.engine.expectations import Expectations
from tests.engine.world import START, World

HEADING = re.compile(r"== (?P<title>.+) \((?P<rules>[A-Z0-9, -]+)\)$")
TERMS = {"band": "price_band", "cap": "funding_rate_cap", "floor": "funding_rate_floor",
         "funding": "funding_interval_hours", "clearance": "clearance_fee_rate",
         "fund": "insurance_fund",
         "jump": "tick_jump_limit", "lot": "lot_size", "maker": "maker_fee_rate",
         "restore": "liquidation_restore_ratio", "size": "contract_size",
         "stale": "mark_staleness_seconds", "taker": "taker_fee_rate",
         "tick": "tick_size"}  # fmt: skip
"""Short names of a contract's terms."""


@dataclass(frozen=True)
class Text:
    """A scenario as written: where, what it is about, its lines with their numbers."""

    source: str
    title: str
    rules: tuple[str, ...]
    lines: tuple[tuple[int, str], ...]


def read(path: Path) -> list[Text]:
    """The scenarios of a file."""
    texts: list[Text] = []
    for number, raw in enumerate(path.read_text("utf-8").splitlines(), start=1):
        line = raw.split("#")[0].strip()
        heading = HEADING.match(line)
        if heading:
            rules = tuple(rule.strip() for rule in heading["rules"].split(","))
            texts.append(Text(path.stem, heading["title"], rules, ()))
        elif line:
            texts[-1] = replace(texts[-1], lines=(*texts[-1].lines, (number, line)))
    return texts


class Scenario(Expectations):
    """Runs the lines of one text; a failure names the line."""

    def __init__(self) -> None:
        super().__init__(World())
        self.incidents = 0

    def run(self, text: Text) -> None:
        """All lines in order."""
        for number, line in text.lines:
            try:
                self.line(line)
            except AssertionError as error:
                error.add_note(f"{text.source}.txt:{number}: {line}")
                raise

    def do_large(self, most: str, step: str) -> None:
        """Smaller bounds than the rules', for the rest of the scenario (ADL-5)."""
        state, ranks = self.world.state, int(step.removeprefix("step="))
        state.bounds = replace(state.bounds, large=int(most), ranks=ranks)

    def line(self, line: str) -> None:
        """One command with what must come of it, or one expectation."""
        command, _, expected = (part.strip() for part in line.partition("->"))
        word, *arguments = command.split()
        expectation = getattr(self, f"expect_{word.replace('-', '_')}", None)
        if expectation is not None:
            expectation(*arguments)
            return
        hold = word == "hold"
        if hold:
            word, *arguments = arguments
        built = getattr(self, f"do_{word.replace('-', '_')}")(*arguments)
        for item in built or ():
            result = self.world.apply(item).result if hold else self.world.run(item)
            self._meets(result, expected)

    def _meets(self, result: object, expected: str) -> None:
        if not expected:
            assert not isinstance(result, Rejection), f"refused: {result}"
            if isinstance(result, OrderReceipt):
                self.names[result.client_order_id or str(result.order_id)] = result.order_id
            return
        wanted, *details = expected.split()
        if wanted == "rejected":
            assert isinstance(result, Rejection), f"accepted: {result}"
            assert result.code == details[0], f"refused with {result}"
            for name, number in _pairs(details[1:]).items():
                assert Decimal(result.context[name]) == Decimal(number), result.context
        elif wanted == "pending":
            assert self.world.pending == {details[0]}, f"pending is {self.world.pending}"
        elif wanted == "at_risk":
            assert isinstance(result, Ticked), result
            assert result.accounts_at_risk == int(details[0]), result
        else:
            self._receipt(result, wanted, details)

    def _receipt(self, result: object, wanted: str, details: list[str]) -> None:
        assert wanted in get_args(commands.OrderStatus), f"what is {wanted}?"
        assert isinstance(result, OrderReceipt), result
        self.names[result.client_order_id or str(result.order_id)] = result.order_id
        assert result.status == wanted, result
        filled = result.quantity if wanted == "filled" else Decimal(0)
        filled = sum((Decimal(d) for d in details if "=" not in d), Decimal(0)) or filled
        assert result.filled_quantity == filled, f"{result.filled_quantity} filled, {result}"
        options = _pairs(details)
        if "average" in options:
            assert result.average_price == Decimal(options["average"]), result
        if "fee" in options:
            fee = sum(fill.fee for fill in result.fills)
            assert fee == Decimal(options["fee"]), result
        if "reason" in options:
            assert result.reason == options["reason"], result

    # Commands

    def do_fund(self, fund_id: str, *options: str) -> None:
        """A fund with policy options."""
        given = _pairs(options)
        names = {"ratio": "max_net_notional_ratio", "below": "share_below_minimum",
                 "above": "share_above_minimum"}  # fmt: skip
        self.world.fund(fund_id, FundPolicy(**{names[k]: Decimal(v) for k, v in given.items()}))

    def do_contract(self, symbol: str, *options: str) -> list[object]:
        """A contract: the defaults of `world.contract`, or `inverse`, and the given terms."""
        plain = (world.inverse if "inverse" in options else world.contract)(symbol, "F")
        return [CreateContract(replace(plain, **_terms(options)))]

    def do_change(self, symbol: str, *options: str) -> list[object]:
        """Other terms of a contract."""
        return [UpdateContract(symbol, _terms(options))]

    def do_account(self, *names: str) -> list[object]:
        """Accounts in one-way mode."""
        return [world.open_account(name) for name in names]

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
        return [AdjustMargin(account, symbol, "both", Decimal(amount))]

    def do_tick(self, symbol: str, price: str, *options: str) -> list[object]:
        """A mark price."""
        given = _pairs(options)
        sequence = int(given["sequence"]) if "sequence" in given else None
        time = None
        if "age" in given:  # of the tick when it is applied, in seconds
            time = self.world.next_time() - timedelta(seconds=int(given["age"]))
        reset = "reset" in options
        return [Tick(symbol, Decimal(price), None, time, sequence, sequence_reset=reset)]

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
        given: Any = {name: int(number) for name, number in _pairs(options).items()}
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
        market = self.world.state.markets.get(name)
        asset = market.contract.settlement_asset if market else name
        symbol, side = (name, "both") if market else (None, None)
        self._fails(asset, options, account_id=account, symbol=symbol, position_side=side)

    def do_halt(self, asset: str, *options: str) -> None:
        """A cascade has failed (REC-2)."""
        self._fails(asset, options)

    def _fails(self, asset: str, options: Sequence[str], **blamed: Any) -> None:
        self.incidents += 1
        times = int(_pairs(options).get("times", "1"))
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
        return [PlaceOrder(
            account, symbol, side, "market" if price is None else "limit", Decimal(quantity),
            price, in_force.pop() if in_force else default, "reduce_only" in options,  # type: ignore[arg-type]
            client_order_id=_pairs(rest).get("id"),
            self_trade_prevention=prevention.pop() if prevention else "expire_taker",  # type: ignore[arg-type]
        )]  # fmt: skip

    def do_ladder(self, account: str, symbol: str, *rest: str) -> list[object]:
        """The same order many times: `times=200`."""
        times = int(_pairs(rest)["times"])
        side, quantity, *others = rest
        return self.do_order(account, symbol, side, quantity, *others) * times

    def do_limits(self, *options: str) -> list[object]:
        """A new leader that keeps other limits (ORD-10)."""
        given = {name: int(number) for name, number in _pairs(options).items()}
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
        given: dict[str, Any] = {name: Decimal(text) for name, text in _pairs(options).items()}
        return [AmendOrder(self.names.get(name) or int(name), **given)]

    def do_cancel_all(self, account: str, symbol: str | None = None) -> list[object]:
        """An account's orders."""
        return [CancelOrders(account, symbol)]

    def do_countdown(self, account: str, seconds: str) -> list[object]:
        """Cancel-all-after (ORD-14)."""
        return [CancelAllAfter(account, int(seconds))]


def _pairs(options: Any) -> dict[str, str]:
    return dict(option.split("=", 1) for option in options if "=" in option)


def _terms(options: Any) -> dict[str, Any]:
    """Contract fields from `name=value`; brackets as `floor-cap@leverage*rate,...`."""
    terms: dict[str, Any] = {}
    for short, text in _pairs(options).items():
        name = TERMS.get(short, short)
        if short == "asset":  # a linear contract settles in its quote asset
            terms |= {"quote_asset": text, "settlement_asset": text}
        elif name == "brackets":
            rows = re.findall(r"([\d.]+)-([\d.]+)@(\d+)\*([\d.]+)", text)
            terms[name] = world.brackets(tuple((f, c, int(n), r) for f, c, n, r in rows))
        elif name in ("mark_staleness_seconds", "funding_interval_hours"):
            terms[name] = int(text)
        else:
            try:
                terms[name] = Decimal(text)
            except InvalidOperation:
                terms[name] = text
    assert set(terms) <= set(Contract.__dataclass_fields__), terms
    return terms


__all__ = ["Position", "Scenario", "Text", "read"]
