"""An account in a contract as the fills of a plan would leave it, one after the other.

A fill is judged here before anything trades (ORD-5, ORD-9, NUM-5), and what is judged is what is
booked: the settlement that `fill` returns. So no order moves more than its own account has, at
whatever prices it fills, and no fund ever pays for one.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from decimal import Decimal
from operator import attrgetter
from typing import Any

from app.engine.commands import Side
from app.engine.figures import exposure, margin
from app.engine.figures.settlement import Held, Manner, Settlement, settle
from app.engine.markets import Market
from app.engine.numbers import ZERO, divide_up
from app.engine.state import State
from app.engine.traders import Account, Position

NO_CROSS = margin.Cross(ZERO, ZERO, ZERO)


@dataclass(slots=True)
class Standing:
    """What an account holds in a contract and what stands behind it; `fill` moves it on.

    `wallet` is the isolated wallet, None for a cross position. `bids` and `asks` are the exact
    values of the open orders that can increase the position (ORD-4). `cross_wallet` is the cross
    scope's; so are `slack`, what it can lose before it is at risk, and `loose`, what of its equity
    is uncommitted, but before what this position requires and its orders hold back: `reserved`.
    `found` is the cross scope as it was before any fill. `twin` is the account's other leg in the
    contract (hedge mode), where a plan may meet both: what the fills of one do to the cross scope,
    the other stands before.
    """

    market: Market
    account: Account
    position: Position
    found: margin.Cross
    leverage: int
    quantity: Decimal
    cost: Decimal
    value: Decimal
    maintenance: Decimal
    wallet: Decimal | None
    bids: Decimal
    asks: Decimal
    cross_wallet: Decimal
    slack: Decimal
    loose: Decimal
    twin: Standing | None = None

    @staticmethod
    def of(state: State, account: Account, position: Position, *, judged: bool = True) -> Standing:
        """The standing before any fill. Where these are not `judged` (a liquidation's), nobody asks
        for the cross scope, and none is worked out.
        """
        market, cross = state.markets[position.symbol], NO_CROSS
        if judged:
            cross = margin.cross_of(state, account, market.contract.settlement_asset)
        wallet = None
        if position.isolated:
            wallet = position.wallet.balance if position.wallet else ZERO
        value = exposure.mark_value(market, position)
        loose = cross.uncommitted - position.free
        if wallet is None:
            loose += position.profit
        return Standing(
            market,
            account,
            position,
            found=cross,
            leverage=exposure.leverage_of(account, market.contract),
            quantity=position.quantity,
            cost=position.cost,
            value=value,
            maintenance=position.margin,
            wallet=wallet,
            bids=position.bid_value,
            asks=position.ask_value,
            cross_wallet=cross.wallet,
            slack=cross.slack if wallet is None else cross.slack - position.free,
            loose=loose,
        )

    def copy(self) -> Standing:
        """Another one that stands alike."""
        return Standing(*_fields(self))

    def forget_orders(self) -> None:
        """Free what the open orders hold back: a fill of one may use it, the others may go."""
        self.bids = self.asks = ZERO

    def forget_order(self, side: Side, value: Decimal) -> None:
        """Free what one of them holds back, of that exact value: another is to be in its place."""
        self.rest(side, -value)
        self.found = self.cross()

    def join(self, twin: Standing) -> None:
        """From now on either leg stands before what both have made of the cross scope."""
        mine, its = self.cross(), twin.cross()
        self.follow(twin.found, its)
        twin.follow(self.found, mine)
        self.twin, twin.twin = twin, self

    def follow(self, before: margin.Cross, after: margin.Cross) -> None:
        """The other leg has changed the cross scope."""
        self.cross_wallet += after.wallet - before.wallet
        self.slack += after.slack - before.slack
        self.loose += after.uncommitted - before.uncommitted

    def gross(self) -> Decimal:
        """The contract's requirement before leverage (ORD-4)."""
        return max(abs(self.value + self.bids), abs(self.value - self.asks))

    def reserved(self) -> Decimal:
        """What the cross wallet holds back for the position and its orders; isolated: for these."""
        gross = self.gross() if self.wallet is None else self.gross() - abs(self.value)
        return divide_up(gross, self.leverage)

    def cross(self) -> margin.Cross:
        """The account's cross scope by now."""
        reserved = self.reserved()
        slack = self.slack if self.wallet is None else self.slack - reserved
        return margin.Cross(self.cross_wallet, slack, self.loose - reserved)

    def own_slack(self) -> Decimal:
        """What the position's own scope can lose before it is at risk (LIQ-1)."""
        if self.wallet is None:
            return self.slack
        return self.wallet + self.value - self.cost - self.maintenance

    def backing(self) -> Decimal:
        """What stands behind the position: its scope's equity and margins, but for its own."""
        return self.own_slack() + self.maintenance - (self.value - self.cost)

    def whole(self) -> bool:
        """Whether neither the position's scope nor the cross scope is at risk (LIQ-1)."""
        if self.wallet is None:
            return self.slack >= 0
        return self.own_slack() >= 0 and self.slack >= self.reserved()

    def missing(self, floor: Decimal | None) -> Decimal:
        """What the account lacks for its fills: what keeps it whole, and what is uncommitted at
        least at `floor` (None: they only reduce, ORD-5).
        """
        if self.whole() and (floor is None or self.loose - self.reserved() >= floor):
            return ZERO
        cross = self.cross()
        lacking = [-self.own_slack(), -cross.slack]
        if floor is not None:
            lacking.append(floor - cross.uncommitted)
        return max(ZERO, *lacking)

    def available(self, *, requirements: bool = True) -> Decimal:
        """What an order found that it may use; to close an isolated position, what may leave the
        wallet.
        """
        found = self.found
        return found.free if requirements or self.wallet is None else found.spendable

    def fill(
        self, quantity: Decimal, *, value: Decimal, price: Decimal, fee: Decimal, manner: Manner
    ) -> Settlement:
        """Take a fill of signed `quantity` at signed `value`; returns what is to be booked."""
        before = self.cross() if self.twin is not None else NO_CROSS
        spendable = ZERO
        if manner == "trade" and self.wallet is not None and self.quantity * quantity < 0:
            spendable = self.cross().spendable
        held = Held(self.quantity, self.cost, self.wallet, self.leverage, spendable)
        settled = settle(
            self.market, held, quantity, value=value, price=price, fee=fee, manner=manner
        )
        gained = settled.profit - settled.fee
        if self.wallet is None:
            self.cross_wallet += gained
            gained += (settled.value - settled.cost) - (self.value - self.cost)
            self.slack += self.maintenance - settled.maintenance
        else:
            self.wallet += settled.margin + gained
            gained = -(settled.margin + settled.opening_fee)
            self.cross_wallet += gained
        self.slack += gained
        self.loose += gained
        self.quantity, self.cost = settled.quantity, settled.cost
        self.value, self.maintenance = settled.value, settled.maintenance
        if self.twin is not None:
            self.twin.follow(before, self.cross())
        return settled

    def snapshot(self) -> tuple[Decimal | None, ...]:
        """What a fill changes, for `restore`."""
        return (
            self.quantity,
            self.cost,
            self.value,
            self.maintenance,
            self.wallet,
            self.cross_wallet,
            self.slack,
            self.loose,
        )

    def restore(self, before: tuple[Any, ...]) -> None:
        """Take a fill back that the account does not bear."""
        filled = self.cross() if self.twin is not None else NO_CROSS
        (
            self.quantity,
            self.cost,
            self.value,
            self.maintenance,
            self.wallet,
            self.cross_wallet,
            self.slack,
            self.loose,
        ) = before
        if self.twin is not None:
            self.twin.follow(filled, self.cross())

    def rest(self, side: Side, value: Decimal) -> None:
        """Let an order of that exact value rest on top of the others."""
        if side == "buy":
            self.bids += value
        else:
            self.asks += value


_fields = attrgetter(*(field.name for field in fields(Standing)))
