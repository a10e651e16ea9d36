"""What one command did: all that makes it durable, and what its caller is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Generic, Literal, NamedTuple, TypeVar

from app.engine.commands import Command, CommandOf, R_co
from app.engine.events import (
    AdlEvent,
    Alert,
    ClearanceFee,
    ContractSettled,
    FundEntry,
    FundingPayment,
    FundingSettled,
    IncidentRelease,
    IndexSample,
    Liquidation,
    OffloadStep,
    PositionSettled,
    Trade,
    Transfer,
    TreasuryEntry,
)
from app.engine.markets import Delivery, Funding, Market
from app.engine.marks import Mark, MidSample, SourcePrice
from app.engine.memory import FundMemory, Minute
from app.engine.numbers import ZERO
from app.engine.rejections import Rejection
from app.engine.scopes import Scope
from app.engine.state import ApiKey, Fund, Inventory, Payout, Treasury, Verdict
from app.engine.traders import (
    Account,
    ContractSettings,
    Group,
    HeldProfit,
    Order,
    Position,
    Trail,
    TriggeredOrder,
    Wallet,
)

Kept = (
    Wallet
    | Account
    | ContractSettings
    | Position
    | Order
    | TriggeredOrder
    | Trail
    | HeldProfit
    | Payout
    | Group
    | Market
    | Mark
    | SourcePrice
    | MidSample
    | Funding
    | Delivery
    | Fund
    | Inventory
    | Treasury
    | FundMemory
    | Minute
    | Verdict
    | ApiKey
)
"""State that the store keeps a row of: things, never values, which could equal older ones."""
Record = (
    Transfer
    | FundEntry
    | TreasuryEntry
    | Trade
    | Liquidation
    | ClearanceFee
    | AdlEvent
    | Alert
    | IncidentRelease
    | FundingPayment
    | FundingSettled
    | IndexSample
    | PositionSettled
    | ContractSettled
    | OffloadStep
)
"""What happened, append-only."""
R = TypeVar("R", bound=Record)


class IndexPrice(NamedTuple):
    """A contract's index price, known anew at `time`."""

    symbol: str
    time: datetime
    price: Decimal


class FundBalance(NamedTuple):
    """An entry of a fund's history, and what the fund has in the asset after its movement, in all
    wallets together (HIS-2)."""

    entry: FundEntry
    balance: Decimal


VolumeKind = Literal["liquidation", "takeover", "adl"]


class Volume(NamedTuple):
    """What was liquidated of a position, taken over of it by the fund or closed by ADL: `value` is
    that part's at mark, without its sign, `side` the position's (HIS-3)."""

    kind: VolumeKind
    fund_id: str
    asset: str
    side: Literal["long", "short"]
    value: Decimal


class OwnerResult(NamedTuple):
    """What an owner's account won or lost in a contract, or what was paid for it (FND-12)."""

    owner_id: str
    symbol: str
    won: Decimal = ZERO
    lost: Decimal = ZERO
    fund_paid: Decimal = ZERO
    treasury_paid: Decimal = ZERO


class Failure(NamedTuple):
    """An exception in the engine: the command that was being applied, as which one, and when.

    `blamed` is what is at fault (REC-2): a scope, the cascades of an asset, or None, the command.
    """

    sequence: int
    time: datetime
    command: Command
    blamed: Scope | str | None


@dataclass(slots=True)
class OutcomeOf(Generic[R_co]):
    """All that one command did.

    `result` is what the caller is told (a `Rejection` changed nothing and is not logged);
    `pending` are the settlement assets whose cascades must go on after it (LIQ-10), where it began
    one or did a part of one. `touched` is the state it changed, in the order first touched (a dict
    as a set): where two stand for the same row, the later holds. Positions and inventory with
    quantity 0 are gone. `records` are in order; so are `marks` and `index_prices`, those that came,
    and what is added up of a fund: its `balances` and the `volumes` of its liquidations;
    `owned` is what owners won and were paid for.
    """

    sequence: int
    time: datetime
    command: CommandOf[R_co]
    result: R_co | Rejection | None = None
    pending: tuple[str, ...] = ()
    touched: dict[Kept, None] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    marks: tuple[Mark, ...] = ()
    index_prices: tuple[IndexPrice, ...] = ()
    balances: tuple[FundBalance, ...] = ()
    volumes: tuple[Volume, ...] = ()
    owned: tuple[OwnerResult, ...] = ()

    @property
    def accepted(self) -> bool:
        """Whether the command changed anything (and so belongs into the command log)."""
        return not isinstance(self.result, Rejection)

    def of(self, kind: type[R]) -> list[R]:
        """The records of one kind, in order."""
        return [record for record in self.records if isinstance(record, kind)]


Outcome = OutcomeOf[object]
"""Of any command."""
