"""The whole state of the engine: plain slotted dataclasses.

What the store keeps, only a `Step` changes; what is derived from it, only the file that derives it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from app.engine.bounds import Bounds
from app.engine.commands import (
    Due,
)
from app.engine.commands.keys import NewKey
from app.engine.commands.leaders import Incident, Limits
from app.engine.commands.prices import Tick
from app.engine.contracts import LEFT_OUT
from app.engine.events import GENESIS_HASH, TREASURY
from app.engine.markets import Market
from app.engine.memory import FundMemory
from app.engine.numbers import ZERO, Quotient
from app.engine.policies import FundPolicy
from app.engine.queues import Ordering
from app.engine.scopes import Scope
from app.engine.traders import (
    Account,
    Group,
    HeldProfit,
    Order,
    Position,
    Trail,
    TriggeredOrder,
    Wallet,
)


@dataclass(slots=True, eq=False)
class Inventory:
    """A position that a fund took over; `cost` is its mark value when last settled (FND-1).

    Where the fund offloads (FND-5), the next step is due at `offload_at`, and `entry_price` is the
    mark at which the position came, on average, or at which offloading began.
    """

    fund_id: str
    symbol: str
    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    offload_at: datetime | None = field(default=None, metadata=LEFT_OUT)
    entry_price: Decimal | None = field(default=None, metadata=LEFT_OUT)


@dataclass(slots=True, eq=False)
class Verdict:
    """What was decided of a calibration (CAL-12), by command number `sequence`.

    `accepted` at `time`, it became the `required_minimum` in the place of `previous_minimum` (None:
    there was none); rejected, it has neither. The last reminder that its review is overdue was
    `reminded_at`. Since `red_at` its live backtest is red: it should have been reviewed then.
    """

    calibration_id: int
    fund_id: str
    asset: str
    accepted: bool
    sequence: int
    time: datetime
    reason: str | None
    required_minimum: Decimal | None = None
    previous_minimum: Decimal | None = None
    reminded_at: datetime | None = None
    red_at: datetime | None = field(default=None, metadata=LEFT_OUT)


@dataclass(slots=True, eq=False)
class Fund:
    """An insurance fund: wallets in order of creation, inventory, history head (FND).

    `memory` is what its limits and warnings remember, by asset; without them it has none.
    `calibrations` are those accepted last, by asset.
    """

    fund_id: str
    name: str
    policy: FundPolicy
    created_at: datetime
    required_minimum: dict[str, Decimal] = field(default_factory=dict)
    wallets: list[Wallet] = field(default_factory=list)
    inventory: dict[str, Inventory] = field(default_factory=dict)
    sequence: int = 0
    last_hash: str = GENESIS_HASH
    memory: dict[str, FundMemory] = field(default_factory=dict)
    calibrations: dict[str, Verdict] = field(default_factory=dict)

    @property
    def is_watched(self) -> bool:
        """Whether its policy asks for warnings, or may stop takeovers (ADL-3, FND-3)."""
        return bool(self.policy.warn_at) or self.policy.drawdown_breaker is not None

    def balance(self, asset: str) -> Decimal:
        """The balance in an asset: the sum of the wallets (FND-6)."""
        total = ZERO
        for wallet in self.wallets:  # of one or two: asked several times in each liquidation
            if wallet.asset == asset:
                total += wallet.balance
        return total

    def in_force(self, asset: str) -> Verdict | None:
        """The calibration that its minimum in an asset is by: none where that was changed since."""
        last = self.calibrations.get(asset)
        same = last is not None and last.required_minimum == self.required_minimum.get(asset)
        return last if same else None

    def review_due_at(self, asset: str) -> datetime | None:
        """When its minimum in an asset is to be reviewed (CAL-12, CAL-14); None without one, and
        before its first calibration."""
        last = self.calibrations.get(asset)
        if last is None or asset not in self.required_minimum:
            return None
        by_policy = last.time + timedelta(days=self.policy.review_interval_days)
        return by_policy if last.red_at is None else min(by_policy, last.red_at)

    def is_overdue(self, asset: str, now: datetime | None) -> bool:
        """Whether its minimum in an asset should have been reviewed by then (CAL-12)."""
        due_at = self.review_due_at(asset)
        return due_at is not None and now is not None and now >= due_at


@dataclass(slots=True, eq=False)
class Treasury:
    """The exchange's own money: the head of the history of its wallets, one for each asset."""

    fund_id: str = TREASURY
    sequence: int = 0
    last_hash: str = GENESIS_HASH


@dataclass(slots=True, eq=False)
class Payout:
    """When a contract's fund paid for a bankruptcy there last, while it holds profits (FND-12)."""

    symbol: str
    time: datetime


@dataclass(slots=True, eq=False)
class ApiKey:
    """A registered API key."""

    key: NewKey
    created_at: datetime
    revoked_at: datetime | None = None


QueuedScope = tuple[Decimal, Quotient, tuple[str, str, str], Scope]
"""(equity / maintenance margin, the same exactly, its place among equals, scope): as in LIQ-2."""


@dataclass(slots=True, eq=False)
class Case:
    """A scope's liquidation, as one part of a cascade leaves it to the next (LIQ-10).

    `stage` is where it is in `waterfall.STAGES`, `todo` are the positions left for that, the one
    in hand first (None: all); `canceled` orders are not told of yet; `awaits` is the contract and
    side (whether longs) whose ADL queue must be made first (ADL-5); of the positions in `lost`
    some part was bankrupt.
    """

    scope: Scope
    canceled: int
    stage: int = 0
    todo: list[Position] | None = None
    awaits: tuple[str, bool] | None = None
    lost: set[Position] = field(default_factory=set)


@dataclass(slots=True, eq=False)
class Cascade:
    """The liquidations of one settlement asset that are under way, as `cascade` tells."""

    asset: str
    tick: Tick | None = None
    found: set[str] = field(default_factory=set)
    unswept: list[int] = field(default_factory=list)
    events: dict[str, int] = field(default_factory=dict)
    causes: dict[Scope, str] = field(default_factory=dict)
    paid: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    finding: bool = True
    unchecked: list[Scope] = field(default_factory=list)
    changed: list[Position] = field(default_factory=list)
    unarmed: dict[Scope, None] = field(default_factory=dict)
    queue: list[QueuedScope] = field(default_factory=list)
    next_round: list[QueuedScope] = field(default_factory=list)
    waiting: dict[Scope, int] = field(default_factory=dict)
    watched: list[str] = field(default_factory=list)
    case: Case | None = None
    sunk: dict[str, None] = field(default_factory=dict)
    funded: list[str] = field(default_factory=list)
    unpaid: Ordering | None = None
    delivered: list[str] = field(default_factory=list)
    uncanceled: list[Order | TriggeredOrder] | None = None
    unclosed: Ordering | None = None
    short: dict[str, None] = field(default_factory=dict)

    @property
    def looking(self) -> bool:
        """Whether scopes are still to be looked at."""
        return bool(self.finding or self.unchecked or self.changed)


@dataclass(slots=True)
class Counters:
    """The last identifier given of each kind; the command log's sequence among them."""

    command: int = 0
    order: int = 0
    trade: int = 0
    transfer: int = 0
    liquidation: int = 0
    liquidation_event: int = 0
    adl_event: int = 0
    alert: int = 0


@dataclass(slots=True)
class State:
    """Everything the engine knows; `keys` are by digest, `key_ids` the same by identifier.

    `untriggered` are the orders that wait for a price, by number and by account (TRG-1), `trails`
    what the trailing stops among them follow, `groups` what decides about some, `grouped` the same
    by its leader; `to_place` are those of them that are fired, a heap
    of numbers for each asset: derived.

    `countdowns` say when whose orders end, sorted (ORD-14); by `ahead`, as told, is `time` ahead of
    the system's clock (MRK-6). `held` are scopes at risk whose liquidation waits for a tick
    (MRK-4), with how many of their orders were cancelled; `ranked` are markets with ADL queues,
    `unranked` the accounts that changed since: all three derived. `incidents` are this leader's not
    yet released; from them follow `aside`, the scopes set aside with how often each has failed,
    `careful`, assets whose cascades handle one scope at a time, and `stalled`: none (REC-2).
    """

    bounds: Bounds = field(default_factory=Bounds)
    limits: Limits = field(default_factory=Limits)
    counters: Counters = field(default_factory=Counters)
    markets: dict[str, Market] = field(default_factory=dict)
    funds: dict[str, Fund] = field(default_factory=dict)
    treasury: Treasury = field(default_factory=Treasury)
    accounts: dict[str, Account] = field(default_factory=dict)
    owners: dict[str, dict[str, None]] = field(default_factory=dict)
    """The accounts of each declared owner (FND-12)."""
    profits: dict[str, dict[str, list[HeldProfit]]] = field(default_factory=dict)
    """What accounts have won in contracts whose funds hold profits, the oldest part first."""
    payouts: dict[str, Payout] = field(default_factory=dict)
    wallets: dict[str, Wallet] = field(default_factory=dict)
    orders: dict[int, Order] = field(default_factory=dict)
    untriggered: dict[int, TriggeredOrder] = field(default_factory=dict)
    untriggered_of: dict[str, dict[int, TriggeredOrder]] = field(default_factory=dict)
    trails: dict[int, Trail] = field(default_factory=dict)
    groups: dict[int, Group] = field(default_factory=dict)
    grouped: dict[int, Group] = field(default_factory=dict)
    to_place: dict[str, list[int]] = field(default_factory=dict)
    keys: dict[str, ApiKey] = field(default_factory=dict)
    key_ids: dict[str, ApiKey] = field(default_factory=dict)
    countdowns: list[tuple[datetime, str]] = field(default_factory=list)
    silences: list[tuple[datetime, str]] = field(default_factory=list)
    """When which index falls silent, sorted (MRK-3)."""
    cascades: dict[str, Cascade] = field(default_factory=dict)
    held: dict[Scope, int] = field(default_factory=dict)
    incidents: dict[int, Incident] = field(default_factory=dict)
    aside: dict[Scope, int] = field(default_factory=dict)
    careful: dict[str, None] = field(default_factory=dict)
    stalled: dict[str, None] = field(default_factory=dict)
    ranked: dict[str, Market] = field(default_factory=dict)
    unranked: dict[str, None] = field(default_factory=dict)
    schedule: list[Due] | None = None
    """The fundings that are due, sorted; None: to be made anew (`funding`)."""
    deliveries: list[Due] | None = None
    """The same of deliveries (`delivery`)."""
    offloads: list[Due] | None = None
    """The same of steps in which funds offload (`offload`)."""
    verdicts: dict[int, Verdict] = field(default_factory=dict)
    """By calibration."""
    reminders: list[Due] | None = None
    """As `schedule`, of reviews that are overdue (`calibrations`)."""
    watch_at: datetime | None = None
    """When funds are looked at for warnings next (ADL-3); None: nothing about them changes."""
    time: datetime | None = None
    ahead: timedelta = timedelta()
