"""The one door through which state changes: a `Step` per command.

A step moves money, changes positions, orders and marks, and remembers what it touched; its
`Outcome` is all that the store needs to make the command durable. It knows nothing of rules:
those are in the modules that call it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TypeVar, cast, get_args

from app.engine import orderbook
from app.engine.commands import Command, OrderStatus, PositionSide
from app.engine.contracts import Contract
from app.engine.events import (
    AdlEvent,
    Alert,
    AlertKind,
    ClearanceFee,
    FundEntry,
    HistoryKind,
    LedgerKind,
    Liquidation,
    Trade,
    Transfer,
)
from app.engine.numbers import plain, texts, time_text
from app.engine.rejections import Rejection
from app.engine.state import (
    Account,
    ApiKey,
    Fund,
    Inventory,
    Mark,
    Order,
    Position,
    ScopeKey,
    Settings,
    State,
    Wallet,
    WalletKind,
    scope_of,
    wallet_key,
)

HISTORY_KINDS = frozenset(get_args(HistoryKind))
TRADER_WALLETS = ("cross", "isolated")


Kept = Wallet | Account | Settings | Position | Order | Contract | Mark | Fund | Inventory | ApiKey
"""State that the store keeps a row of."""
Record = Transfer | FundEntry | Trade | Liquidation | ClearanceFee | AdlEvent | Alert
"""What happened, append-only."""
R = TypeVar("R", bound=Record)


@dataclass(slots=True)
class Outcome:
    """All that one command did.

    `result` is what the caller is told (a `Rejection` changed nothing and is not logged);
    `pending` is the settlement asset whose cascade must go on (LIQ-10), if any. `touched` is the
    state it changed, in the order first touched (a dict as a set): where two stand for the same
    row, the later holds. Positions and inventory with quantity 0 are gone. `records` are in order.
    """

    sequence: int
    time: datetime
    command: Command
    result: object = None
    pending: str | None = None
    touched: dict[Kept, None] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)

    @property
    def accepted(self) -> bool:
        """Whether the command changed anything (and so belongs into the command log)."""
        return not isinstance(self.result, Rejection)

    def of(self, kind: type[R]) -> list[R]:
        """The records of one kind, in order."""
        return [record for record in self.records if isinstance(record, kind)]


class Step:
    """One command's changes to `state` at time `now`."""

    __slots__ = ("met", "now", "outcome", "pending_before", "scopes", "state")

    def __init__(self, state: State, command: Command, now: datetime) -> None:
        self.state = state
        self.now = now
        self.outcome = Outcome(state.counters.command + 1, now, command)
        self.scopes: dict[ScopeKey, None] = {}
        """Margin scopes whose equity or margin changed: to be checked and re-armed."""
        self.met = 0
        """Resting orders that liquidations have met: together as many as one order may (ORD-10)."""
        self.pending_before = frozenset(state.cascades)
        """Settlement assets whose cascades were under way before this step."""

    @property
    def changed(self) -> bool:
        """Whether anything was changed yet."""
        return bool(self.outcome.touched or self.scopes)

    def touch(self, kept: Kept) -> None:
        """Remember that something changed that the store keeps."""
        self.outcome.touched[kept] = None

    # Wallets and the ledger

    def wallet(self, kind: WalletKind, owner: str, asset: str, name: str = "") -> Wallet:
        """The wallet, opened at zero when it does not exist."""
        key = wallet_key(kind, owner, asset, name)
        wallet = self.state.wallets.get(key)
        if wallet is None:
            wallet = Wallet(key, kind, owner, asset, name)
            self.state.wallets[key] = wallet
            self.touch(wallet)
        return wallet

    def cross_wallet(self, account: Account, asset: str) -> Wallet:
        """The account's cross wallet in an asset."""
        wallet = account.wallets.get(asset)
        if wallet is None:
            wallet = account.wallets[asset] = self.wallet("cross", account.account_id, asset)
        return wallet

    def isolated_wallet(self, position: Position, asset: str) -> Wallet:
        """The isolated wallet of a position."""
        if position.wallet is None:
            name = f"{position.symbol}:{position.side}"
            position.wallet = self.wallet("isolated", position.account_id, asset, name)
        return position.wallet

    def transfer(
        self,
        kind: LedgerKind,
        source: Wallet,
        destination: Wallet,
        amount: Decimal,
        *,
        symbol: str | None = None,
        reference: str | None = None,
        liquidation_id: int | None = None,
    ) -> None:
        """Move `amount` from `source` to `destination`; negative moves it back, zero does nothing.

        Where a fund's wallet is a side, its balance history gets an entry of the same kind.
        """
        if amount == 0:
            return
        if amount < 0:
            source, destination, amount = destination, source, -amount
        assert source.asset == destination.asset, (source.key, destination.key)
        assert source is not destination, source.key
        source.balance -= amount
        destination.balance += amount
        touched = self.outcome.touched
        touched[source] = None
        touched[destination] = None
        trader = source if source.kind in TRADER_WALLETS else destination
        counters = self.state.counters
        counters.transfer += 1
        self.outcome.records.append(
            Transfer(
                counters.transfer, self.now, kind, source.asset, amount,
                source.key, source.balance, destination.key, destination.balance,
                trader.owner if trader.kind in TRADER_WALLETS else None, symbol,
                reference if reference is not None or liquidation_id is None
                else f"liquidation/{liquidation_id}",
            )
        )  # fmt: skip
        if source.kind == "fund":
            self._fund_entry(source, kind, -amount, symbol, liquidation_id)
        if destination.kind == "fund":
            self._fund_entry(destination, kind, amount, symbol, liquidation_id)

    def _fund_entry(
        self,
        wallet: Wallet,
        kind: LedgerKind,
        amount: Decimal,
        symbol: str | None,
        liquidation_id: int | None,
    ) -> None:
        assert kind in HISTORY_KINDS, kind  # money moves in a fund only so (FND-10)
        fund = self.state.funds[wallet.owner]
        entry = fund_entry(
            fund, self.now, wallet, cast("HistoryKind", kind), amount,
            symbol=symbol, liquidation_id=liquidation_id,
        )  # fmt: skip
        fund.sequence = entry.sequence
        fund.last_hash = entry.hash
        self.touch(fund)
        self.outcome.records.append(entry)

    # Positions and inventory

    def position(self, account: Account, symbol: str, side: PositionSide) -> Position:
        """The account's leg in a contract, opened empty when it does not exist."""
        position = account.positions.get((symbol, side))
        if position is None:
            contract = self.state.markets[symbol].contract
            position = Position(account.account_id, symbol, side, scope_of(account, contract, side))
            account.positions[symbol, side] = position
        return position

    def set_position(self, position: Position, quantity: Decimal, cost: Decimal) -> None:
        """Give a position its new signed quantity and cost."""
        market = self.state.markets[position.symbol]
        market.quantity_total += quantity - position.quantity
        market.cost_total += cost - position.cost
        market.longs += (quantity > 0) - (position.quantity > 0)
        position.quantity = quantity
        position.cost = cost
        position.valued = None
        key = (position.account_id, position.side)
        if quantity == 0:
            assert cost == 0, position
            market.positions.pop(key, None)
        else:
            market.positions[key] = position
            account = self.state.accounts[position.account_id]
            account.positions[position.symbol, position.side] = position
        self.touch_position(position)

    def touch_position(self, position: Position) -> None:
        """Remember that a position, its orders or its margin changed."""
        self.outcome.touched[position] = None
        self.scopes[position.scope] = None
        position.armed = position.weighed = None
        self.state.unranked[position.account_id] = None

    def touch_cross(self, account_id: str, asset: str) -> None:
        """Remember that a cross wallet's balance or what it holds back changed."""
        self.scopes["cross", account_id, asset, "both"] = None
        self.state.unranked[account_id] = None

    def forget_empty(self, position: Position) -> None:
        """Drop a leg that holds nothing: no quantity, no orders, no margin."""
        if position.quantity != 0 or position.orders:
            return
        wallet = position.wallet or self.state.wallets.get(self._isolated_key(position))
        if wallet and wallet.balance != 0:
            return
        account = self.state.accounts[position.account_id]
        account.positions.pop((position.symbol, position.side), None)
        if wallet:
            self.state.wallets.pop(wallet.key, None)
            position.wallet = None

    def _isolated_key(self, position: Position) -> str:
        asset = self.state.markets[position.symbol].contract.settlement_asset
        name = f"{position.symbol}:{position.side}"
        return wallet_key("isolated", position.account_id, asset, name)

    def set_inventory(self, fund: Fund, symbol: str, quantity: Decimal, cost: Decimal) -> None:
        """Give a fund's inventory in a contract its new signed quantity and cost."""
        market = self.state.markets[symbol]
        inventory = fund.inventory.get(symbol)
        if inventory is None:
            inventory = fund.inventory[symbol] = Inventory(fund.fund_id, symbol)
        market.quantity_total += quantity - inventory.quantity
        market.cost_total += cost - inventory.cost
        inventory.quantity = quantity
        inventory.cost = cost
        self.touch(inventory)
        if quantity == 0:
            assert cost == 0, inventory
            del fund.inventory[symbol]

    # Orders

    def open_order(self, order: Order, position: Position) -> None:
        """Rest an order in the book and reserve its value (ORD-4)."""
        assert order.price is not None
        self.state.orders[order.order_id] = order
        orderbook.insert(self.state.markets[order.symbol], order)
        position.orders[order.order_id] = order
        self.state.accounts[order.account_id].open_orders += 1
        if order.reduce_only:
            position.reducing[order.order_id] = order
        self._reserve(position, order, order.remaining)
        self.touch_order(order)

    def close_order(self, order: Order, status: OrderStatus, reason: str | None = None) -> None:
        """End an open order: out of the book, its reservation released."""
        account = self.state.accounts[order.account_id]
        position = account.positions[order.symbol, order.position_side]
        orderbook.remove(self.state.markets[order.symbol], order)
        del self.state.orders[order.order_id]
        del position.orders[order.order_id]
        account.open_orders -= 1
        position.reducing.pop(order.order_id, None)
        self._reserve(position, order, -order.remaining)
        order.status = status
        order.reason = reason
        self.touch_order(order)
        self.touch_position(position)
        self.forget_empty(position)

    def fill_order(self, order: Order, quantity: Decimal, value: Decimal) -> None:
        """Book a fill on an order; a resting order that is complete is closed."""
        order.filled_value += value
        if order.order_id not in self.state.orders:
            order.filled_quantity += quantity
            order.status = "filled" if order.remaining == 0 else "partially_filled"
            self.touch_order(order)
            return
        account = self.state.accounts[order.account_id]
        position = account.positions[order.symbol, order.position_side]
        self._reserve(position, order, -quantity)
        order.filled_quantity += quantity
        order.status = "partially_filled"
        if order.remaining == 0:
            self.close_order(order, "filled")
        else:
            self.touch_order(order)

    def touch_order(self, order: Order) -> None:
        """Remember that an order changed."""
        order.updated_at = self.now
        self.touch(order)

    def _reserve(self, position: Position, order: Order, quantity: Decimal) -> None:
        assert order.price is not None
        if order.reduce_only:
            return
        position.weighed = None
        contract = self.state.markets[order.symbol].contract
        value = contract.unrounded_value(quantity, order.price)
        if order.side == "buy":
            position.bid_value += value
            position.bid_quantity += quantity
        else:
            position.ask_value += value
            position.ask_quantity += quantity

    # The rest

    def alert(
        self, kind: AlertKind, fund_id: str | None, asset: str | None, **detail: object
    ) -> None:
        """Announce something the operators must know."""
        self.state.counters.alert += 1
        self.outcome.records.append(
            Alert(self.state.counters.alert, self.now, kind, fund_id, asset, texts(detail))
        )


def fund_entry(
    fund: Fund,
    time: datetime,
    wallet: Wallet,
    kind: HistoryKind,
    amount: Decimal,
    *,
    symbol: str | None,
    liquidation_id: int | None,
) -> FundEntry:
    """The next row of a fund's history, hashed as ARCHITECTURE.md publishes it (HIS-1, HIS-4)."""
    sequence = fund.sequence + 1
    line = "|".join([
        fund.last_hash, fund.fund_id, str(sequence), time_text(time), wallet.name, wallet.asset,
        kind, plain(amount), plain(wallet.balance), symbol or "",
        "" if liquidation_id is None else str(liquidation_id),
    ])  # fmt: skip
    return FundEntry(
        fund.fund_id, sequence, time, wallet.name, wallet.asset, kind, amount, wallet.balance,
        symbol, liquidation_id, fund.last_hash, hashlib.sha256(line.encode()).hexdigest(),
    )  # fmt: skip
