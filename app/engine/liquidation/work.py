"""What one command does of a case: a scope's figures, records and fees as they go on (LIQ-9).

A `Case` (in `state`) is what lasts from part to part; `Work` is one part of it. Its figures follow
what happens: whoever fills, takes over or pays has to tell nobody. They are worked out once, and
then anew for the position in hand only, for of a scope that is being liquidated nothing else moves:
its orders are cancelled, and its account may not trade.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from app.engine.events import Liquidation, LiquidationOutcome, LiquidationStep, StepKind
from app.engine.figures import allotment, margin
from app.engine.figures.health import Health
from app.engine.figures.margin import Figures, LegFigures
from app.engine.markets import Market
from app.engine.numbers import ZERO, texts
from app.engine.outcome import OwnerResult
from app.engine.results import Fill
from app.engine.scopes import Scope
from app.engine.state import Case
from app.engine.step import Step
from app.engine.traders import Account, Position, Wallet
from app.engine.trading import positions


@dataclass(slots=True)
class Work:
    """A case in the hands of one command, which has one of its positions in hand.

    `records` and `fees` are by position; fees are clearance fees earned and not yet charged. `left`
    is what orders left of the equity that was allotted to a position.
    `refused` is the equity that was allotted to a position when the book had nothing for it,
    however little was offered. When the position in hand is `bankrupt`, it is closed to its last
    unit. It `waits` for a later part: this one has met as many orders or counterparties as it may
    (LIQ-10), or the case awaits a queue. `legs` are the open positions at mark, `profit` and
    `required` sums over them; `reserved` is what isolated orders hold back. `known` is what follows
    from these and from what was seen last: the `balance` of the `purse` (the scope's wallet), and
    the `quantity` of the one in hand, which no fill leaves as it was.
    """

    step: Step
    case: Case
    scope: Scope
    account: Account
    records: dict[Position, Liquidation] = field(default_factory=dict)
    fees: dict[Position, Decimal] = field(default_factory=dict)
    left: dict[Position, Decimal] = field(default_factory=dict)
    refused: dict[Position, Decimal] = field(default_factory=dict)
    bankrupt: bool = False
    waits: bool = False
    legs: dict[Position, LegFigures] = field(default_factory=dict)
    profit: Decimal = ZERO
    required: Decimal = ZERO
    reserved: Decimal = ZERO
    market: Market = field(init=False)
    position: Position = field(init=False)
    purse: Wallet | None = None
    balance: Decimal | None = None
    quantity: Decimal = field(init=False)
    known: Health = field(init=False)
    allotted: dict[Position, Decimal] | None = None

    @staticmethod
    def open(step: Step, case: Case) -> Work:
        """Work out a case as this command finds it; no `legs`: others have emptied the scope."""
        scope = case.scope
        work = Work(step, case, scope, step.state.accounts[scope.account_id])
        for market, position in margin.scope_positions(step.state, scope):
            work.market, work.position = market, position
            work._work_out()
        if not scope.isolated:
            work.reserved = margin.isolated_order_margin(step.state, scope)
        return work

    # Figures

    def take(self, market: Market, position: Position) -> None:
        """Take a position in hand."""
        if position is self.position:
            return
        self.health()
        self.market, self.position, self.bankrupt = market, position, False
        self.quantity = position.quantity

    def wallet(self) -> Wallet:
        """The scope's wallet."""
        return self.step.scope_wallet(self.scope)

    def _work_out(self) -> None:
        old = self.legs.pop(self.position, None)
        if old is not None:
            self.profit -= old.profit
            self.required -= old.margin
        self.quantity = self.position.quantity
        if self.quantity:
            self.legs[self.position] = leg = margin.leg(self.market, self.position)
            self.profit += leg.profit
            self.required += leg.margin

    def health(self) -> Health:
        """The scope's equity and maintenance margin now (LIQ-1)."""
        purse = self.purse
        if (
            purse is None
            or purse.balance is not self.balance
            or self.position.quantity is not self.quantity
        ):
            self._look()
        return self.known

    def _look(self) -> None:
        """Work out anew what follows from what has changed."""
        if self.position.quantity is not self.quantity:
            self._work_out()
        scope = self.scope
        if self.purse is None:  # it may have none yet
            own = self.position.wallet if scope.isolated else self.account.wallets.get(scope.asset)
            self.purse = own
        self.balance = ZERO if self.purse is None else self.purse.balance
        equity = self.balance + self.profit - self.reserved
        self.known = Health(equity, self.required, len(self.legs))
        self.allotted = None

    def net(self) -> Health:
        """The scope's health less the clearance fees it owes."""
        now = self.health()
        left = now.equity - sum(self.fees.values(), ZERO)
        return Health(left, now.maintenance_margin, now.positions)

    def at_risk(self) -> bool:
        """Whether the scope is at risk. Its fees count, so that charging them never puts it there
        again (LIQ-5).
        """
        return (self.net() if self.fees else self.health()).at_risk

    def allot(self) -> Decimal:
        """The equity allotted to the position in hand, now (LIQ-3)."""
        now = self.health()
        if self.allotted is None:
            self.allotted = allotment.allot(Figures(now, list(self.legs.values())))
        return self.allotted[self.position]

    def bankruptcy_value(self) -> Decimal:
        """The signed value at which the position in hand has used up its allotted equity."""
        return allotment.bankruptcy_value(self.market, self.position, self.allot())

    def close(self, quantity: Decimal, value: Decimal, record: Liquidation) -> Decimal:
        """Book that `quantity` of the position in hand is closed at `value`: signed like it.

        Returns the profit realised.
        """
        assert self.market.mark is not None
        settled = positions.settle(
            self.step.state,
            self.account,
            self.position,
            -quantity,
            value=-value,
            price=self.market.mark.price,
            manner="liquidation",
        )
        reference = f"liquidation/{record.liquidation_id}"
        positions.book(self.step, self.account, self.position, settled, reference)
        return settled.profit

    def go_bankrupt(self) -> None:
        """A part of the position in hand is bankrupt: so nothing is charged for it (LIQ-5)."""
        self.bankrupt = True
        self.case.lost.add(self.position)
        self.fees.pop(self.position, None)

    # Records

    def record(self) -> Liquidation:
        """The record of the position in hand, opened with what triggered it."""
        record = self.records.get(self.position)
        if record is None:
            record = self.records[self.position] = self._open_record()
        return record

    def _open_record(self) -> Liquidation:
        market, position = self.market, self.position
        assert market.mark is not None
        contract, now, allotted = market.contract, self.health(), self.allot()
        value = allotment.bankruptcy_value(market, position, allotted)
        record = Liquidation(
            liquidation_id=self.step.next_id("liquidation"),
            event_id=self._event_id(),
            time=self.step.now,
            account_id=position.account_id,
            symbol=position.symbol,
            fund_id=contract.insurance_fund,
            side="long" if position.quantity > 0 else "short",
            position_side=position.side,
            margin_mode=self.scope.margin_mode,
            quantity=abs(position.quantity),
            mark_price=market.mark.price,
            bankruptcy_price=contract.price_of(value, position.quantity),
            equity=now.equity,
            maintenance_margin=now.maintenance_margin,
        )
        self.tell(
            record,
            "trigger",
            mark_price=market.mark.price,
            equity=now.equity,
            maintenance_margin=now.maintenance_margin,
            allotted=allotted,
            bankruptcy_price=record.bankruptcy_price,
        )
        if self.case.canceled:
            self.tell(record, "orders_canceled", orders=self.case.canceled)
        return record

    def _event_id(self) -> int:
        """The account's event in the cascade: all that one trigger liquidates of it (LIQ-9)."""
        account_id = self.scope.account_id
        events = self.step.state.cascades[self.scope.asset].events
        if account_id not in events:
            events[account_id] = self.step.next_id("liquidation_event")
        return events[account_id]

    def tell(self, record: Liquidation, kind: StepKind, **detail: Decimal | int | str) -> None:
        """Add a line to a record's story."""
        record.steps.append(LiquidationStep(kind, texts(detail)))

    def tell_fill(self, record: Liquidation, fill: Fill, notional: Decimal) -> None:
        """Add what a liquidation order filled."""
        record.filled_quantity += fill.quantity
        record.filled_value += notional
        self.tell(record, "fill", quantity=fill.quantity, price=fill.price, trade_id=fill.trade_id)

    def tell_cover(
        self, record: Liquidation, symbol: str, paid: Decimal, injected: Decimal
    ) -> None:
        """Add what the fund of a contract and the treasury paid for a deficit (FND-4)."""
        record.fund_amount -= paid
        record.treasury_amount -= injected
        if paid:
            origin = {} if symbol == record.symbol else {"symbol": symbol}
            self.tell(record, "deficit_cover", amount=paid, **origin)
        if injected:
            self.tell(record, "emergency_injection", amount=injected)

    def finish(self, record: Liquidation) -> None:
        """Close a record: its outcome and the wallet it leaves."""
        position = self.account.positions.get((record.symbol, record.position_side))
        closed = position is None or position.quantity == 0
        record.outcome = _outcome(record, closed=closed)
        if not self.scope.isolated or not closed:
            record.final_wallet = margin.scope_balance(self.step.state, self.scope)
        self.tell(record, "end", outcome=record.outcome, final_wallet=record.final_wallet)
        self.step.outcome.records.append(record)
        self._tell_volumes(record)
        paid, injected = max(ZERO, -record.fund_amount), -record.treasury_amount
        if self.account.owner_id is not None and (paid or injected):
            owner, symbol = self.account.owner_id, record.symbol
            self.step.tell_owner(OwnerResult(owner, symbol, fund_paid=paid, treasury_paid=injected))

    def _tell_volumes(self, record: Liquidation) -> None:
        """What a record adds to the volumes of its fund (HIS-3), orders cancelled alone nothing."""
        contract = self.step.state.markets[record.symbol].contract
        taken_over = record.taken_over_quantity
        closed = record.filled_quantity + record.netted_quantity
        closed += taken_over + record.deleveraged_quantity
        sign = 1 if record.side == "long" else -1
        self.step.tell_volume("liquidation", contract, sign * closed, record.mark_price)
        self.step.tell_volume("takeover", contract, sign * taken_over, record.mark_price)


def _outcome(record: Liquidation, *, closed: bool) -> LiquidationOutcome:
    filled, taken = record.filled_quantity > 0, record.taken_over_quantity > 0
    deleveraged = record.deleveraged_quantity > 0
    if filled + taken + deleveraged > 1:
        return "mixed"
    if taken:
        return "taken_over"
    if deleveraged:
        return "deleveraged"
    if filled or record.netted_quantity:
        return "closed" if closed else "reduced"
    return "orders_canceled"
