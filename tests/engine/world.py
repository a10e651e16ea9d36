"""An engine with a clock and the naive model beside it, which checks every command at once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext

from app.engine.bounds import Bounds
from app.engine.commands import Command, PositionMode
from app.engine.commands.accounts import Deposit, OpenAccount
from app.engine.commands.contracts import CreateContract
from app.engine.commands.funds import ContributeToFund, CreateFund
from app.engine.commands.keys import NewKey
from app.engine.commands.leaders import ContinueCascade, Incident, Recover
from app.engine.commands.orders import PlaceOrder
from app.engine.commands.prices import Price
from app.engine.contracts import Bracket, Contract, build_brackets
from app.engine.engine import Engine
from app.engine.events import (
    AdlEvent,
    Alert,
    ClearanceFee,
    ContractSettled,
    FundEntry,
    FundingPayment,
    FundingSettled,
    Liquidation,
    OffloadStep,
    PositionSettled,
    Trade,
    TreasuryEntry,
)
from app.engine.markets import Triggers
from app.engine.numbers import EXACT
from app.engine.outcome import Outcome, Volume
from app.engine.policies import FundPolicy
from app.engine.rejections import Rejection
from app.engine.results import OrderReceipt
from app.engine.state import State
from app.engine.traders import Order, TriggeredOrder
from tests.engine.naive import Books

START = datetime(2026, 1, 1, tzinfo=UTC)
CASCADE_LIMIT = 200
"""More steps than any cascade of a test may take; beyond it, it does not finish (LIQ-10)."""

Row = tuple[str, str, int, str]
"""A bracket as floor, cap, max leverage, maintenance margin rate."""

DEFAULT_BRACKETS: tuple[Row, ...] = (
    ("0", "100000", 100, "0.005"),
    ("100000", "1000000", 50, "0.01"),
    ("1000000", "100000000", 10, "0.05"),
)


DERIVED = (
    "triggers",
    "trigger_version",
    "rankings",
    "ranked",
    "unranked",
    "held",
    "valued",
    "armed",
    "base",
    "weighed",
    "free",
    "schedule",
    "to_place",
    "deliveries",
    "offloads",
    "reminders",
    "value",
    "margin",
    "seen",
    "since",
    "spent",
    "watch_at",
)


class World:
    """Applies commands one millisecond apart and keeps what they left behind."""

    def __init__(self, bounds: Bounds | None = None) -> None:
        self.engine = Engine(State(), bounds=bounds)
        self.books = Books()
        self.now = START
        self.log: list[tuple[Command, datetime]] = []
        self.pending: set[str] = set()
        self.trades: list[Trade] = []
        self.liquidations: dict[int, Liquidation] = {}
        self.fees: list[ClearanceFee] = []
        self.events: list[AdlEvent] = []
        self.history: list[FundEntry | TreasuryEntry] = []
        self.volumes: list[Volume] = []
        self.alerts: list[Alert] = []
        self.payments: list[FundingPayment] = []
        self.fundings: list[FundingSettled] = []
        self.closed: list[PositionSettled] = []
        self.settled: list[ContractSettled] = []
        self.offloads: list[OffloadStep] = []
        self.orders: dict[int, tuple[str, str | None]] = {}
        self.became: dict[int, int] = {}

    @property
    def state(self) -> State:
        """The engine's state, to be read only."""
        return self.engine.state

    def apply(self, command: Command) -> Outcome:
        """One command, checked, behind what is due by then; a cascade it begins is left pending."""
        if not isinstance(command, Recover):  # always a leader's first
            self.catch_up()
        if isinstance(command, Price) and self._holds_up(command):
            self.finish()
        return self._apply(command)

    def _holds_up(self, tick: Price) -> bool:
        """Whether what was due has begun a cascade that the tick waits for, as with a runner."""
        market = self.state.markets.get(tick.symbol)
        return market is not None and market.contract.settlement_asset in self.state.cascades

    def catch_up(self) -> None:
        """Apply what is due by the next command's time."""
        while (due := self.engine.due()) and due.time <= self.next_time():
            self._apply(due.command)
            assert self.engine.due() != due, f"it would be due for ever: {due}"

    def _apply(self, command: Command) -> Outcome:
        self.now = self.next_time()
        outcome = self.engine.apply(command, self.now)
        with localcontext(EXACT):
            self.books.observe(outcome, self.state, self.now)
        if outcome.accepted:
            self.log.append((command, self.now))
            self._remember(outcome)
        self.trades += outcome.of(Trade)
        self.fees += outcome.of(ClearanceFee)
        self.events += outcome.of(AdlEvent)
        self.history += [*outcome.of(FundEntry), *outcome.of(TreasuryEntry)]
        self.volumes += outcome.volumes
        self.alerts += outcome.of(Alert)
        self.payments += outcome.of(FundingPayment)
        self.fundings += outcome.of(FundingSettled)
        self.closed += outcome.of(PositionSettled)
        self.settled += outcome.of(ContractSettled)
        self.offloads += outcome.of(OffloadStep)
        for record in outcome.of(Liquidation):
            self.liquidations[record.liquidation_id] = record
        for order in outcome.touched:
            if isinstance(order, Order | TriggeredOrder):
                self.orders[order.order_id] = (order.status, order.reason)
            if isinstance(order, TriggeredOrder) and order.became is not None:
                self.became[order.order_id] = order.became
        return outcome

    def next_time(self) -> datetime:
        """When the next command is applied."""
        return self.now + timedelta(milliseconds=1)

    def run(self, command: Command) -> object:
        """One command and the cascade it begins; the result its caller gets."""
        result = self.apply(command).result
        finished = self.finish()
        return finished if result is None else result

    def _remember(self, outcome: Outcome) -> None:
        """Which cascades go on, as a runner knows it."""
        if isinstance(outcome.command, ContinueCascade):
            self.pending.discard(outcome.command.asset)
        if isinstance(outcome.command, Recover):
            self.pending.clear()
        self.pending.update(outcome.pending)

    def finish(self) -> object:
        """Drive the pending cascades to their end; the last result."""
        result: object = None
        for _ in range(CASCADE_LIMIT):
            if not self.pending:
                return result
            result = self.apply(ContinueCascade(min(self.pending))).result
        raise AssertionError(f"the cascade of {self.pending} does not finish")

    def later(self, seconds: Decimal) -> None:
        """Let time pass."""
        self.now += timedelta(microseconds=int(seconds * 1_000_000))

    def must(self, command: Command) -> object:
        """A command that the rules accept."""
        result = self.run(command)
        assert not isinstance(result, Rejection), f"{command}: {result}"
        return result

    def restart(self, *new: Incident) -> Outcome:
        """A new leader: what is derived is lost, then `Recover`, with new incidents if any."""
        state = self.state
        known = [replace(incident, announced=True) for incident in state.incidents.values()]
        for market in state.markets.values():
            market.triggers, market.rankings = Triggers(), {}
            for position in market.positions.values():
                position.trigger_version = 0
        state.schedule = state.deliveries = state.offloads = state.reminders = None
        state.cascades, state.held, state.ranked, state.unranked = {}, {}, {}, {}
        state.to_place, state.watch_at = {}, None
        return self.apply(Recover(incidents=(*known, *new)))

    # What most tests need

    def fund(self, fund_id: str, policy: FundPolicy = FundPolicy()) -> None:  # noqa: B008
        """Create a fund."""
        self.must(CreateFund(fund_id, fund_id, policy))

    def seed(self, fund_id: str, amount: str, asset: str = "USDT", wallet: str = "main") -> None:
        """Give a fund initial capital."""
        self.must(ContributeToFund(fund_id, wallet, asset, Decimal(amount), "seed_capital"))

    def contract(self, contract: Contract) -> None:
        """List a contract."""
        self.must(CreateContract(contract))

    def account(self, account_id: str, mode: PositionMode = "one_way") -> None:
        """Open an account."""
        self.must(open_account(account_id, mode))

    def deposit(self, account_id: str, amount: str, asset: str = "USDT") -> None:
        """Money into an account."""
        self.must(Deposit(account_id, asset, Decimal(amount)))

    def order(self, command: PlaceOrder) -> OrderReceipt:
        """An order that is accepted."""
        receipt = self.must(command)
        assert isinstance(receipt, OrderReceipt), receipt
        return receipt


def open_account(account_id: str, mode: PositionMode = "one_way") -> OpenAccount:
    """The command that opens an account with a key of its own."""
    digest = hashlib.sha256(account_id.encode()).hexdigest()
    key = NewKey(f"key-{account_id}", account_id, "trader", digest, account_id)
    return OpenAccount(account_id, mode, key)


def brackets(rows: tuple[Row, ...]) -> tuple[Bracket, ...]:
    """A bracket table with its cum computed."""
    return build_brackets(
        [(Decimal(f), Decimal(c), leverage, Decimal(r), None) for f, c, leverage, r in rows]
    )


def contract(symbol: str, fund_id: str, rows: tuple[Row, ...] = DEFAULT_BRACKETS) -> Contract:
    """A linear perpetual in USDT with small steps and no trading fees."""
    return Contract(
        symbol=symbol, base_asset=symbol, quote_asset="USDT", settlement_asset="USDT",
        kind="perpetual", margining="linear", contract_size=Decimal(1), tick_size=Decimal("0.01"),
        lot_size=Decimal("0.001"), min_notional=Decimal(5), maker_fee_rate=Decimal(0),
        taker_fee_rate=Decimal(0), clearance_fee_rate=Decimal("0.0125"), insurance_fund=fund_id,
        brackets=brackets(rows),
    )  # fmt: skip


def inverse(
    symbol: str, fund_id: str, rows: tuple[Row, ...] = DEFAULT_BRACKETS, coin: str = "BTC"
) -> Contract:
    """A perpetual of 10 USD a contract that settles in the coin; its brackets are in coin too."""
    return replace(
        contract(symbol, fund_id, rows), base_asset=coin, quote_asset="USD", settlement_asset=coin,
        margining="inverse", contract_size=Decimal(10), lot_size=Decimal(1),
        min_notional=Decimal(0),
    )  # fmt: skip


def dump(value: object) -> object:
    """A canonical picture of a state, for equality: names, numbers without trailing zeros, order.

    Dictionaries are sorted by key: order matters in lists alone (and orders rest in the order of
    their numbers). What is derived, and lost at a restart, is left out.
    """
    if isinstance(value, Decimal):
        text = format(value, "f") if value else "0"
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, dict):
        return {str(key): dump(item) for key, item in sorted(value.items(), key=_by_text)}
    if isinstance(value, list | tuple):
        return [dump(item) for item in value]
    names = _fields(type(value))
    return {name: dump(getattr(value, name)) for name in names} if names else str(value)


FIELDS: dict[type, tuple[str, ...]] = {}
"""The fields of each dataclass that are not derived; nothing for anything else."""


def _fields(kind: type) -> tuple[str, ...]:
    if kind not in FIELDS:
        names = [field.name for field in fields(kind)] if is_dataclass(kind) else []
        FIELDS[kind] = tuple(name for name in names if name not in DERIVED)
    return FIELDS[kind]


def _by_text(item: tuple[object, object]) -> str:
    return str(item[0])


def differences(left: object, right: object, path: str = "state") -> Iterator[str]:
    """Where two dumps differ, for a readable failure."""
    if isinstance(left, dict) and isinstance(right, dict):
        for key in {**left, **right}:
            yield from differences(left.get(key), right.get(key), f"{path}.{key}")
    elif left != right:
        yield f"{path}: {left} != {right}"


def replayed(world: World) -> Engine:
    """A fresh engine to which the accepted commands were applied at their own times."""
    engine = Engine(State(), bounds=world.state.bounds)
    for command, now in world.log:
        outcome = engine.apply(command, now)
        assert outcome.accepted, f"{command} was accepted first, then {outcome.result}"
    return engine
