"""A contract's live side: its mark, book, positions, funding, delivery (part of the `state`)."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal

from app.engine.commands import Side, TriggerBy
from app.engine.contracts import LEFT_OUT, Contract
from app.engine.marks import Mark, MidSample, SourcePrice
from app.engine.numbers import ZERO
from app.engine.queues import Leg, Ranking
from app.engine.scopes import Scope
from app.engine.traders import Order, Position, Trail, Wallet


@dataclass(slots=True, eq=False)
class Funding:
    """A contract's funding (FPY-1).

    It is due at `next_at` (None: never), at the `rate` that was given for then. While one is under
    way, that is the one of `time`, at `settled_rate` and `mark_price`: all up to `paid_account` and
    `paid_side`, in the order of the legs, are settled, with `residue` for revenue so far. The rate
    stays as that of the last one (MRK-3).

    Where rates are derived, `premium` is the newest sample, of `sampled_at`; those before it since
    the last funding time came to `premium_total` (x seconds) in `premium_seconds`. The average that
    the `settled_rate` follows from is `settled_premium`.
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
    premium: Decimal | None = field(default=None, metadata=LEFT_OUT)
    sampled_at: datetime | None = field(default=None, metadata=LEFT_OUT)
    premium_total: Decimal = field(default=ZERO, metadata=LEFT_OUT)
    premium_seconds: Decimal = field(default=ZERO, metadata=LEFT_OUT)
    settled_premium: Decimal | None = field(default=None, metadata=LEFT_OUT)


DeliveryPhase = Literal["ahead", "held", "priced", "closing", "settled"]
"""`held`: it waits for an admin's price; `priced`: it was given one, and is due at once."""


@dataclass(slots=True, eq=False)
class Delivery:
    """A delivery contract's settlement (DLV-1).

    `samples` index prices came in its last half hour, together `total`, the newest at `sampled_at`.
    At `price` everything is closed: between those who are closed and those who are not yet stands
    the exchange, with a `quantity` and what it `cost`; in the end with the residue of rounding.
    `reason` is an admin's, who gave the price.
    """

    symbol: str
    phase: DeliveryPhase = "ahead"
    samples: int = 0
    total: Decimal = ZERO
    sampled_at: datetime | None = None
    price: Decimal | None = None
    reason: str | None = None
    quantity: Decimal = ZERO
    cost: Decimal = ZERO

    @property
    def under_way(self) -> bool:
        """Whether the contract is being closed at its settlement price."""
        return self.phase == "closing"


@dataclass(slots=True, eq=False)
class BookSide:
    """Price levels, best last; each level holds its orders in time priority (ORD-2)."""

    prices: list[Decimal] = field(default_factory=list)
    levels: dict[Decimal, OrderedDict[int, Order]] = field(default_factory=dict)


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
class PriceWatch:
    """The orders that one of a contract's prices triggers, the next to be triggered last (TRG-1).

    Derived (see `watching`): a key, which is the trigger price or, of those that are `rising`,
    minus that, and the order's number; of a trail, its first order's. `followed` are by side the
    trails, the one whose best price is beaten first last.
    """

    falling: list[tuple[Decimal, int]] = field(default_factory=list)
    rising: list[tuple[Decimal, int]] = field(default_factory=list)
    followed: dict[Side, list[Trail]] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Market:
    """A contract's live side: mark, book, open positions, clearing wallet, running totals.

    `quantity_total` and `cost_total` sum all positions and inventory (and a delivery's): zero, and
    minus clearing.
    `open_interest` is what the longs among those hold together, and so the shorts (FND-12).
    `held` are the scopes to look at again with the next tick (MRK-4), and some that no longer wait;
    `long_count` is how many positions are long. It has a `funding` from its first interval on, a
    `delivery` where it is one of a date. `last_price` is that of its last trade; `watches` are
    there for prices that orders wait for. `agreed_price` is that of its last trade that was no
    liquidation's (MRK-4), as records say. `sources` are the newest prices of its index sources, by
    name, `mids` how far its book was from the index by place, the oldest first (MRK-3);
    at `silent_at` no price of a source is fresh any more.
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
    open_interest: Decimal = ZERO
    funding: Funding | None = None
    last_price: Decimal | None = None
    watches: dict[TriggerBy, PriceWatch] = field(default_factory=dict)
    agreed_price: Decimal | None = None
    sources: dict[str, SourcePrice] = field(default_factory=dict)
    mids: dict[int, MidSample] = field(default_factory=dict)
    silent_at: datetime | None = None
    delivery: Delivery | None = None

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
