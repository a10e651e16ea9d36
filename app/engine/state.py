"""The whole state of the engine: plain slotted dataclasses.

What the store keeps, only a `Step` changes; what is derived from it, only the file that derives it.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from app.engine.bounds import Bounds
from app.engine.commands import (
    Due,
    FundPolicy,
    Incident,
    Limits,
    MarginMode,
    NewKey,
    OrderStatus,
    OrderType,
    PositionMode,
    PositionSide,
    SelfTradePrevention,
    Side,
    Tick,
    TimeInForce,
)
from app.engine.contracts import Bracket, Contract
from app.engine.events import GENESIS_HASH
from app.engine.numbers import ZERO, Quotient
from app.engine.queues import Leg, Ranking
from app.engine.scopes import Scope, WalletKind, cross_scope, isolated_scope


@dataclass(slots=True, eq=False)
class Wallet:
    """A ledger account. `owner`: an account, fund or contract; `name`: symbol:side or wallet name.

    `external` is the outside world: minus everything paid in and not paid out, so that all
    wallets of an asset always sum to zero (NUM-4).
    """

    key: str
    kind: WalletKind
    owner: str
    asset: str
    name: str
    balance: Decimal = ZERO


@dataclass(slots=True, eq=False)
class Order:
    """An order, in units of the contract. `filled_value` sums booked values; `requeued` is where it
    stands at its price, where that is no longer its number (ORD-15)."""

    order_id: int
    account_id: str
    symbol: str
    position_side: PositionSide
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    price: Decimal | None
    quantity: Decimal
    reduce_only: bool
    self_trade_prevention: SelfTradePrevention
    client_order_id: str | None
    created_at: datetime
    updated_at: datetime
    status: OrderStatus = "new"
    filled_quantity: Decimal = ZERO
    filled_value: Decimal = ZERO
    reason: str | None = None
    requeued: int | None = None

    @property
    def remaining(self) -> Decimal:
        """What is neither filled nor (while the order is open) canceled."""
        return self.quantity - self.filled_quantity


@dataclass(slots=True, eq=False)
class Position:
    """An account's leg in a contract: signed quantity and signed cost (NUM-3), and its orders.

    `scope` is the margin scope it belongs to, which does not change while anything is open.
    `bid_value` and `ask_value` are the exact values at limit price of the open orders that can
    increase the position (ORD-4); `reducing` are the reduce-only ones among `orders`; `wallet` is
    the isolated wallet while margin mode is isolated. `value` and `margin` are remembered from when
    the position was last `valued`, at that mark; `free`, what it adds to the available balance,
    from when it was last `weighed` (see `exposure`). `base` says where its trigger is while it is
    `armed`, with the brackets of then (see `triggers`).
    """

    account_id: str
    symbol: str
    side: PositionSide
    scope: Scope
    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    wallet: Wallet | None = None
    orders: dict[int, Order] = field(default_factory=dict)
    reducing: dict[int, Order] = field(default_factory=dict)
    bid_value: Decimal = ZERO
    ask_value: Decimal = ZERO
    bid_quantity: Decimal = ZERO
    ask_quantity: Decimal = ZERO
    trigger_version: int = 0
    armed: tuple[Bracket, ...] | None = None
    base: Decimal = ZERO
    weighed: Mark | None = None
    free: Decimal = ZERO
    valued: Mark | None = None
    value: Decimal = ZERO
    margin: Decimal = ZERO

    @property
    def isolated(self) -> bool:
        """Whether it is a margin scope of its own."""
        return self.scope.isolated

    @property
    def profit(self) -> Decimal:
        """Its unrealised profit at the mark it was last valued at (CON-3)."""
        return self.value - self.cost


@dataclass(slots=True, eq=False)
class ContractSettings:
    """An account's leverage and margin mode in one contract (ORD-3)."""

    account_id: str
    symbol: str
    leverage: int
    margin_mode: MarginMode = "cross"


@dataclass(slots=True, eq=False)
class Account:
    """A trader: cross wallets by asset, settings by contract, positions by (symbol, side).

    `open_orders` counts the orders of all positions (ORD-10), which end at `cancel_at` (ORD-14).
    """

    account_id: str
    position_mode: PositionMode
    created_at: datetime
    wallets: dict[str, Wallet] = field(default_factory=dict)
    settings: dict[str, ContractSettings] = field(default_factory=dict)
    positions: dict[tuple[str, PositionSide], Position] = field(default_factory=dict)
    open_orders: int = 0
    cancel_at: datetime | None = None


@dataclass(slots=True, eq=False)
class Mark:
    """The newest mark price of a contract (MRK-1); `time` is when it was accepted.

    `awaited`: it stems from before a halt, and counts as stale until the next tick (MRK-4).
    """

    symbol: str
    price: Decimal
    time: datetime
    index_price: Decimal | None = None
    source_time: datetime | None = None
    sequence: int | None = None
    awaited: bool = False


@dataclass(slots=True, eq=False)
class Funding:
    """A contract's funding (FPY-1).

    It is due at `next_at` (None: never), at the `rate` that was given for then. While one is under
    way, that is the one of `time`, at `settled_rate` and `mark_price`: all up to `paid_account` and
    `paid_side`, in the order of the legs, are settled, with `residue` for revenue so far.
    """

    symbol: str
    next_at: datetime | None
    rate: Decimal | None = None
    time: datetime | None = None
    settled_rate: Decimal = ZERO
    mark_price: Decimal = ZERO
    paid_account: str = ""
    paid_side: str = ""
    residue: Decimal = ZERO


@dataclass(slots=True, eq=False)
class BookSide:
    """Price levels, best last; each level holds its orders in time priority (ORD-2)."""

    prices: list[Decimal] = field(default_factory=list)
    levels: dict[Decimal, OrderedDict[int, Order]] = field(default_factory=dict)


def scope_of(account: Account, contract: Contract, side: PositionSide) -> Scope:
    """The margin scope of an account's leg in a contract: itself when isolated (ORD-3)."""
    settings = account.settings.get(contract.symbol)
    if settings is not None and settings.margin_mode == "isolated":
        return isolated_scope(account.account_id, contract.symbol, side, contract.settlement_asset)
    return cross_scope(account.account_id, contract.settlement_asset)


@dataclass(slots=True, eq=False)
class Triggers:
    """Trigger prices of a contract's positions: heaps of (key, number, position, version).

    Derived and conservative (see `triggers`). An entry is void when its version is not its
    position's, or the position is closed. `watched` are cross scopes that every tick of the
    contract must look at.
    """

    longs: list[tuple[Decimal, int, Position, int]] = field(default_factory=list)
    shorts: list[tuple[Decimal, int, Position, int]] = field(default_factory=list)
    watched: dict[Scope, None] = field(default_factory=dict)
    number: int = 0


@dataclass(slots=True, eq=False)
class Market:
    """A contract's live side: mark, book, open positions, clearing wallet, running totals.

    `quantity_total` and `cost_total` sum all positions and inventory: zero, and minus clearing.
    `held` are the scopes to look at again with the next tick (MRK-4), and some that no longer wait;
    `long_count` is how many positions are long. It has a `funding` from its first interval on.
    """

    contract: Contract
    clearing: Wallet
    mark: Mark | None = None
    bids: BookSide = field(default_factory=BookSide)
    asks: BookSide = field(default_factory=BookSide)
    positions: dict[Leg, Position] = field(default_factory=dict)
    long_count: int = 0
    triggers: Triggers = field(default_factory=Triggers)
    rankings: dict[bool, Ranking] = field(default_factory=dict)
    held: dict[Scope, None] = field(default_factory=dict)
    quantity_total: Decimal = ZERO
    cost_total: Decimal = ZERO
    funding: Funding | None = None

    def worth(self, quantity: Decimal) -> Decimal:
        """The value of a signed quantity at mark (CON-3)."""
        assert self.mark is not None, self.contract.symbol
        return self.contract.value(quantity, self.mark.price)

    def maintenance_margin(self, quantity: Decimal) -> Decimal:
        """The maintenance margin of a quantity at mark (CON-4)."""
        return self.contract.maintenance_margin(abs(self.worth(quantity)))

    def count(self, *, longs: bool) -> int:
        """How many positions a side has."""
        return self.long_count if longs else len(self.positions) - self.long_count


@dataclass(slots=True, eq=False)
class Inventory:
    """A position that a fund took over; `cost` is its mark value when last settled (FND-1)."""

    fund_id: str
    symbol: str
    quantity: Decimal = ZERO
    cost: Decimal = ZERO


@dataclass(slots=True, eq=False)
class Fund:
    """An insurance fund: wallets in order of creation, inventory, history head (FND)."""

    fund_id: str
    name: str
    policy: FundPolicy
    created_at: datetime
    required_minimum: dict[str, Decimal] = field(default_factory=dict)
    wallets: list[Wallet] = field(default_factory=list)
    inventory: dict[str, Inventory] = field(default_factory=dict)
    sequence: int = 0
    last_hash: str = GENESIS_HASH


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

    `stage` is where it is in `liquidation.STAGES`, `todo` are the positions left for that, the one
    in hand first (None: all); `canceled` orders are not told of yet; `awaits` is the contract and
    side (whether longs) whose ADL queue must be made first (ADL-5).
    """

    scope: Scope
    canceled: int
    stage: int = 0
    todo: list[Position] | None = None
    awaits: tuple[str, bool] | None = None


@dataclass(slots=True, eq=False)
class Cascade:
    """The liquidations of one settlement asset that are under way, as `cascade` tells."""

    asset: str
    tick: Tick | None = None
    found: set[str] = field(default_factory=set)
    unswept: list[int] = field(default_factory=list)
    events: dict[str, int] = field(default_factory=dict)
    causes: dict[Scope, str] = field(default_factory=dict)
    finding: bool = True
    unchecked: list[Scope] = field(default_factory=list)
    changed: list[Position] = field(default_factory=list)
    unarmed: dict[Scope, None] = field(default_factory=dict)
    queue: list[QueuedScope] = field(default_factory=list)
    next_round: list[QueuedScope] = field(default_factory=list)
    waiting: dict[Scope, int] = field(default_factory=dict)
    case: Case | None = None
    funded: list[str] = field(default_factory=list)
    unpaid: list[Position] | None = None

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

    `countdowns` say when whose orders end, sorted (ORD-14); by `ahead`, as told, is `time` ahead of
    the system's clock (MRK-6). `held` are scopes at risk whose liquidation waits for a tick
    (MRK-4), with how many of their orders were cancelled; `ranked` are markets with ADL queues,
    `unranked` the accounts that changed since: all three derived. `incidents` are this leader's not
    yet released; from them follow `aside`, the scopes set aside with how often each has failed,
    `careful`, assets whose cascades handle one scope at a time, and `halted`: none (REC-2).
    """

    bounds: Bounds = field(default_factory=Bounds)
    limits: Limits = field(default_factory=Limits)
    counters: Counters = field(default_factory=Counters)
    markets: dict[str, Market] = field(default_factory=dict)
    funds: dict[str, Fund] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    wallets: dict[str, Wallet] = field(default_factory=dict)
    orders: dict[int, Order] = field(default_factory=dict)
    keys: dict[str, ApiKey] = field(default_factory=dict)
    key_ids: dict[str, ApiKey] = field(default_factory=dict)
    countdowns: list[tuple[datetime, str]] = field(default_factory=list)
    cascades: dict[str, Cascade] = field(default_factory=dict)
    held: dict[Scope, int] = field(default_factory=dict)
    incidents: dict[int, Incident] = field(default_factory=dict)
    aside: dict[Scope, int] = field(default_factory=dict)
    careful: dict[str, None] = field(default_factory=dict)
    halted: dict[str, None] = field(default_factory=dict)
    ranked: dict[str, Market] = field(default_factory=dict)
    unranked: dict[str, None] = field(default_factory=dict)
    schedule: list[Due] | None = None
    """The fundings that are due, sorted; None: to be made anew (`funding`)."""
    time: datetime | None = None
    ahead: timedelta = timedelta()
