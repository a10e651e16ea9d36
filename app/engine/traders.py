"""What a trader has: wallets, settings, positions and their orders (part of the `state`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from app.engine.commands import (
    GroupKind,
    MarginMode,
    OrderStatus,
    OrderType,
    PositionMode,
    PositionSide,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TriggerBy,
    TriggeredStatus,
    TriggeredType,
)
from app.engine.commands.triggered import rises
from app.engine.contracts import Bracket, Contract
from app.engine.marks import Mark
from app.engine.numbers import ZERO
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
class TriggeredOrder:
    """An order that waits for a price (TRG-1); without a `quantity` it closes what is there then.

    `fired`: the price was there, so it is placed when its turn comes (TRG-2). `became` is the
    number of the order that it became; `reason` says why it ended as none. A trailing stop, of a
    `callback_rate`, waits for its trigger price first, where it has one; then it is in a `trail`.
    One of a group that is `dormant` waits for the group's entry to fill, and for no price yet.
    """

    order_id: int
    account_id: str
    symbol: str
    position_side: PositionSide
    side: Side
    type: TriggeredType
    trigger_price: Decimal | None
    trigger_by: TriggerBy
    quantity: Decimal | None
    price: Decimal | None
    time_in_force: TimeInForce
    reduce_only: bool
    self_trade_prevention: SelfTradePrevention
    client_order_id: str | None
    created_at: datetime
    updated_at: datetime
    status: TriggeredStatus = "untriggered"
    fired: bool = False
    became: int | None = None
    reason: str | None = None
    callback_rate: Decimal | None = None
    trail: int | None = None
    group_id: int | None = None
    dormant: bool = False

    @property
    def rising(self) -> bool:
        """Whether it waits for a price at or above its trigger price, not at or below."""
        return rises(self.side, self.type)


@dataclass(slots=True, eq=False)
class Group:
    """Orders of which the first that fills or is cancelled decides the rest (TRG-2).

    `leader` is the number of the one that was placed at once, or of a bracket's entry, while that
    lives. With no `orders` the group is over. The others name it: `TriggeredOrder.group_id`.
    """

    group_id: int
    kind: GroupKind
    account_id: str
    leader: int | None
    orders: int


@dataclass(slots=True, eq=False)
class Trail:
    """The best price that trailing stops of one side have had, the same for all of them (TRG-1).

    `orders` says how many those are: without any it is gone. `waiting` are their callback rates and
    numbers, sorted: the first is triggered first. So a price that is better changes one row.
    """

    trail_id: int
    symbol: str
    side: Side
    trigger_by: TriggerBy
    best: Decimal
    orders: int = 0
    waiting: list[tuple[Decimal, int]] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Position:
    """An account's leg in a contract: signed quantity and signed cost (NUM-3), and its orders.

    `scope` is the margin scope it belongs to, by its account's settings.
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
    `owner_id` is whose it has been declared to be (FND-12).
    """

    account_id: str
    position_mode: PositionMode
    created_at: datetime
    wallets: dict[str, Wallet] = field(default_factory=dict)
    settings: dict[str, ContractSettings] = field(default_factory=dict)
    positions: dict[tuple[str, PositionSide], Position] = field(default_factory=dict)
    open_orders: int = 0
    cancel_at: datetime | None = None
    owner_id: str | None = None


@dataclass(slots=True, eq=False)
class HeldProfit:
    """What an account has won, less what it lost, in a contract since a time (FND-12).

    It is held for a while after `newest`, when that changed last.
    """

    account_id: str
    symbol: str
    since: datetime
    newest: datetime
    amount: Decimal = ZERO


OTHER_LEG: dict[PositionSide, PositionSide] = {"long": "short", "short": "long"}
"""The leg that an account in hedge mode has beside one, in the same contract."""


def scope_of(account: Account, contract: Contract, side: PositionSide) -> Scope:
    """The margin scope of an account's leg in a contract: itself when isolated (ORD-3)."""
    settings = account.settings.get(contract.symbol)
    if settings is not None and settings.margin_mode == "isolated":
        return isolated_scope(account.account_id, contract.symbol, side, contract.settlement_asset)
    return cross_scope(account.account_id, contract.settlement_asset)
