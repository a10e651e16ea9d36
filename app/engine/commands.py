"""Everything that can be asked of the engine: one frozen dataclass per command, of its result.

A command carries no time: `Engine.apply(command, now)` gets it from the runner. Accepted commands
are kept in the command log, in order; replaying them gives the same state.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple, TypeVar

from app.engine.contracts import LEFT_OUT, Contract

if TYPE_CHECKING:  # what commands result in is made of their words, so it stands above them
    from app.engine.events import (  # noqa: F401 - ruff looks into no string
        Canceled,
        Countdown,
        Done,
        FundingRateSet,
        Imported,
        Moved,
        OrderReceipt,
        Ticked,
    )

PositionMode = Literal["one_way", "hedge"]
PositionSide = Literal["both", "long", "short"]
MarginMode = Literal["cross", "isolated"]
Side = Literal["buy", "sell"]
OrderType = Literal["limit", "market"]
TimeInForce = Literal["gtc", "ioc", "fok", "gtx"]
OrderStatus = Literal["new", "partially_filled", "filled", "canceled", "expired"]
SelfTradePrevention = Literal["expire_taker", "expire_maker", "expire_both"]
KeyScope = Literal["admin", "feed", "trader"]
ClockCause = Literal["start", "jump", "drift"]
ContributionKind = Literal["seed_capital", "adjustment", "top_up"]


R_co = TypeVar("R_co", covariant=True)


class CommandOf(Generic[R_co]):
    """A command whose result is an `R`, where it is not refused."""

    __slots__ = ()


Command = CommandOf[object]
"""Any command."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """An API key as the engine keeps it: the secret's SHA-256 (hex), never the secret."""

    key_id: str
    name: str
    scope: KeyScope
    digest: str
    account_id: str | None = None


@dataclass(frozen=True, slots=True)
class CreateKey(CommandOf["Done"]):
    """Register an API key."""

    key: NewKey


@dataclass(frozen=True, slots=True)
class RevokeKey(CommandOf["Done"]):
    """Make an API key unusable at once."""

    key_id: str


@dataclass(frozen=True, slots=True)
class CreateContract(CommandOf["Done"]):
    """List a contract; its insurance fund must exist."""

    contract: Contract


@dataclass(frozen=True, slots=True)
class UpdateContract(CommandOf["Done"]):
    """Change some terms of a contract; `changes` maps `Contract` field names to new values."""

    symbol: str
    changes: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ImportContracts(CommandOf["Imported"]):
    """List or update many contracts at once: all of them or none (CON-5)."""

    contracts: tuple[Contract, ...]


@dataclass(frozen=True, slots=True)
class FundPolicy:
    """How a fund behaves; the numbers are the rules' defaults (FND-2, LIQ-6)."""

    max_net_notional_ratio: Decimal = Decimal(1)
    share_below_minimum: Decimal = Decimal(1)
    share_above_minimum: Decimal = Decimal("0.5")


@dataclass(frozen=True, slots=True)
class CreateFund(CommandOf["Done"]):
    """Open an insurance fund; its wallet `main` opens with the first asset it receives."""

    fund_id: str
    name: str
    policy: FundPolicy = FundPolicy()


@dataclass(frozen=True, slots=True)
class UpdateFund(CommandOf["Done"]):
    """Change a fund's name, some of its policy or of its required minimums; the rest stays.

    `policy` maps `FundPolicy` field names to new values (early logs name all fields), and
    `required_minimum` assets to amounts; None removes.
    """

    fund_id: str
    name: str | None = None
    policy: dict[str, Decimal] | None = None
    required_minimum: dict[str, Decimal | None] | None = None


@dataclass(frozen=True, slots=True)
class ContributeToFund(CommandOf["Moved"]):
    """Money into a fund: from outside (`seed_capital`, `adjustment`) or the treasury (`top_up`)."""

    fund_id: str
    wallet: str
    asset: str
    amount: Decimal
    kind: ContributionKind
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class ContributeToTreasury(CommandOf["Moved"]):
    """The exchange's own money into its treasury."""

    asset: str
    amount: Decimal
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class OpenAccount(CommandOf["Done"]):
    """Open a trader's account together with its trader key."""

    account_id: str
    position_mode: PositionMode
    key: NewKey


@dataclass(frozen=True, slots=True)
class SetPositionMode(CommandOf["Done"]):
    """Change an account's position mode while nothing is open (ORD-3)."""

    account_id: str
    position_mode: PositionMode


@dataclass(frozen=True, slots=True)
class Deposit(CommandOf["Moved"]):
    """Money from outside into an account's cross wallet."""

    account_id: str
    asset: str
    amount: Decimal
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Withdraw(CommandOf["Moved"]):
    """Money out of an account's cross wallet, at most what is available (ORD-6)."""

    account_id: str
    asset: str
    amount: Decimal
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class ConfigureContract(CommandOf["Done"]):
    """An account's leverage and margin mode in one contract (ORD-3); None leaves as it is."""

    account_id: str
    symbol: str
    leverage: int | None = None
    margin_mode: MarginMode | None = None


@dataclass(frozen=True, slots=True)
class AdjustMargin(CommandOf["Moved"]):
    """Move money between the cross wallet and an isolated position; negative takes back."""

    account_id: str
    symbol: str
    position_side: PositionSide
    amount: Decimal


@dataclass(frozen=True, slots=True)
class PlaceOrder(CommandOf["OrderReceipt"]):
    """An order (ORD-1); `price` is None for a market order, whose time in force is ioc."""

    account_id: str
    symbol: str
    side: Side
    type: OrderType
    quantity: Decimal
    price: Decimal | None = None
    time_in_force: TimeInForce = "gtc"
    reduce_only: bool = False
    position_side: PositionSide = "both"
    client_order_id: str | None = None
    self_trade_prevention: SelfTradePrevention = "expire_taker"


@dataclass(frozen=True, slots=True)
class AmendOrder(CommandOf["OrderReceipt"]):
    """Another quantity (filled ones counted) or price of an open order (ORD-15); None: as it is.

    With `account_id` only if it is that account's.
    """

    order_id: int
    quantity: Decimal | None = None
    price: Decimal | None = None
    account_id: str | None = None


@dataclass(frozen=True, slots=True)
class CancelOrder(CommandOf["Canceled"]):
    """Cancel an open order; with `account_id` only if it is that account's."""

    order_id: int
    account_id: str | None = None


@dataclass(frozen=True, slots=True)
class CancelOrders(CommandOf["Canceled"]):
    """Cancel an account's open orders, in one contract or in all."""

    account_id: str
    symbol: str | None = None


@dataclass(frozen=True, slots=True)
class CancelAllAfter(CommandOf["Countdown"]):
    """Cancel all of an account's open orders in so many seconds, unless this comes again by then
    (ORD-14); 0 switches it off."""

    account_id: str
    seconds: int


@dataclass(frozen=True, slots=True)
class CancelAllDue(CommandOf["Canceled"]):
    """An account's countdown has run out: nobody sends this (ORD-14)."""

    account_id: str


@dataclass(frozen=True, slots=True)
class Tick(CommandOf["Ticked"]):
    """A new mark price (MRK-1); with the source's own time and sequence where it has them.

    With `sequence_reset` the source starts its numbering anew: it need not be newer than the last.
    """

    symbol: str
    mark_price: Decimal
    index_price: Decimal | None = None
    source_time: datetime | None = None
    sequence: int | None = None
    sequence_reset: bool = False


@dataclass(frozen=True, slots=True)
class ReportClock(CommandOf["Done"]):
    """Engine time is `ahead_seconds` ahead of the system's clock (MRK-6); negative: behind.

    `jump`: that was set. `start`: a leader found it so, as with a log from the future. `drift`: the
    difference became another one, as it fades.
    """

    cause: ClockCause
    ahead_seconds: Decimal


@dataclass(frozen=True, slots=True)
class SetFundingRate(CommandOf["FundingRateSet"]):
    """The funding rate of a contract at its next funding time (FPY-1)."""

    symbol: str
    rate: Decimal


@dataclass(frozen=True, slots=True)
class BeginFunding(CommandOf["Done"]):
    """It is `time`: a contract's funding is due (FPY-1). Nobody sends it."""

    symbol: str
    time: datetime


@dataclass(frozen=True, slots=True)
class CorrectFunding(CommandOf["Moved"]):
    """Money between the treasury and an account's cross wallet, for a funding that was wrong.

    Positive to the account. `time` is that funding's.
    """

    symbol: str
    time: datetime
    account_id: str
    amount: Decimal
    reason: str


@dataclass(frozen=True, slots=True)
class ContinueCascade(CommandOf["Ticked | Done"]):
    """The next bounded step of the cascade of a settlement asset (LIQ-10), sent by the runner."""

    asset: str


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds the work of one command (ORD-10).

    `matched_orders`: resting orders that an incoming order meets. `open_orders` of an account, in
    all and `open_orders_per_contract`.
    """

    matched_orders: int = 1000
    open_orders: int = 1000
    open_orders_per_contract: int = 200


@dataclass(frozen=True, slots=True)
class Incident:
    """What an exception in the engine was blamed on: left alone until it is released (REC-2).

    With a `digest` that is a command of the kind `command`; with an `account_id` a margin scope,
    cross where it has no `symbol`; else the cascades of an `asset`. (`command` is what was being
    applied, whatever was to blame.) `times` it has failed so far; `announced`: an earlier leader
    has raised the alert.
    """

    incident_id: int
    command: str
    digest: str | None = None
    asset: str | None = None
    account_id: str | None = None
    symbol: str | None = None
    position_side: PositionSide | None = None
    times: int = 1
    announced: bool = False


@dataclass(frozen=True, slots=True)
class Recover(CommandOf["Done"]):
    """A new leader's first command: forget cascades under way and look at every scope afresh.

    It says which limits the leader keeps and which incidents are open, so that a replay keeps the
    same.
    """

    limits: Limits = Limits()
    incidents: tuple[Incident, ...] = field(default=(), metadata=LEFT_OUT)


@dataclass(frozen=True, slots=True)
class ReleaseIncident(CommandOf["Done"]):
    """Let what an incident left alone be tried once more (REC-2)."""

    incident_id: int
    reason: str


class Due(NamedTuple):
    """A command that nobody sends, and the engine time from which on it is due."""

    time: datetime
    command: Command
