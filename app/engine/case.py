"""The liquidation of one scope as it goes on: its records, its fees, its story (LIQ-9)."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from app.engine import allotment, margin
from app.engine.events import Fill, Liquidation, LiquidationStep, Outcome_, StepKind
from app.engine.health import Health
from app.engine.numbers import ZERO, texts
from app.engine.scopes import Scope
from app.engine.state import Account, Market, Position, Wallet
from app.engine.step import Step


@dataclass(slots=True)
class Case:
    """One scope's part in a liquidation event.

    `fees` are clearance fees earned and not yet charged: they count when asking whether the scope
    is still at risk, so that charging them never puts it there again. `refused` are the versions of
    the figures at whose bankruptcy price the book had nothing for a position, however little was
    offered. Figures are worked out once, and then anew only for what changed: `profit` and
    `required` are sums over the `legs`, `reserved` is the margin of isolated orders. `cause` is the
    contract whose fund pays a deficit without a position (FND-4): that of the newest mark, which
    made it. `awaits` is a contract and side whose ADL queue must be made before it can
    go on (ADL-5); `paused`: the book goes on beyond what one order may meet (ORD-10).
    """

    step: Step
    scope: Scope
    account: Account
    canceled: int
    cause: str | None
    paused: bool = False
    records: dict[Position, Liquidation] = field(default_factory=dict)
    fees: dict[Position, Decimal] = field(default_factory=dict)
    refused: dict[Position, int] = field(default_factory=dict)
    version: int = 0
    legs: dict[Position, margin.Leg] = field(default_factory=dict)
    profit: Decimal = ZERO
    required: Decimal = ZERO
    reserved: Decimal = ZERO
    now: Health | None = None
    allotted: dict[Position, Decimal] | None = None
    awaits: tuple[str, bool] | None = None

    @staticmethod
    def open(step: Step, scope: Scope, canceled: int) -> Case:
        """Begin the liquidation of a scope that had `canceled` orders cancelled (LIQ-2)."""
        held = margin.scope_positions(step.state, scope)
        account = step.state.accounts[scope.account_id]
        case = Case(step, scope, account, canceled, _cause(step, scope, held))
        for market, position in held:
            case._work_out(market, position)
        if not scope.isolated:
            case.reserved = margin.isolated_order_margin(step.state, scope)
        return case

    @property
    def unfinished(self) -> bool:
        """Whether it goes on in a later part of the cascade."""
        return self.paused or self.awaits is not None

    def wallet(self) -> Wallet:
        """The scope's wallet."""
        return self.step.scope_wallet(self.scope)

    def _work_out(self, market: Market, position: Position) -> None:
        old = self.legs.pop(position, None)
        if old is not None:
            self.profit -= old.profit
            self.required -= old.margin
        if position.quantity:
            self.legs[position] = leg = margin.leg(market, position)
            self.profit += leg.profit
            self.required += leg.margin

    def changed(self, market: Market, position: Position) -> None:
        """The position, and money with it, changed."""
        self._work_out(market, position)
        self.paid()

    def paid(self) -> None:
        """Money of the scope moved: what follows from its equity is void."""
        self.version += 1
        self.now = self.allotted = None

    def health(self) -> Health:
        """The scope's equity and maintenance margin now."""
        if self.now is None:
            equity = margin.scope_balance(self.step.state, self.scope) + self.profit - self.reserved
            self.now = Health(equity, self.required, len(self.legs))
        return self.now

    def figures(self) -> margin.Figures:
        """The scope as it stands, largest maintenance margin first (LIQ-4)."""
        return margin.Figures(self.health(), margin.in_order(self.legs.values()))

    def net(self) -> Health:
        """The scope's health less the clearance fees it owes."""
        now = self.health()
        if not self.fees:
            return now
        left = now.equity - sum(self.fees.values(), ZERO)
        return Health(left, now.maintenance_margin, now.positions)

    def at_risk(self) -> bool:
        """Whether the scope is at risk, its fees counted."""
        return self.net().at_risk

    def allot(self, position: Position) -> Decimal:
        """The equity allotted to a position now (LIQ-3)."""
        if self.allotted is None:
            figures = margin.Figures(self.health(), list(self.legs.values()))
            self.allotted = allotment.allot(figures)
        return self.allotted[position]

    def record(self, market: Market, position: Position) -> Liquidation:
        """The position's record, opened with what triggered it."""
        record = self.records.get(position)
        if record is None:
            record = self.records[position] = self._open_record(market, position)
        return record

    def _open_record(self, market: Market, position: Position) -> Liquidation:
        assert market.mark is not None
        contract = market.contract
        now, allotted = self.health(), self.allot(position)
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
            record, "trigger", mark_price=market.mark.price, equity=now.equity,
            maintenance_margin=now.maintenance_margin, allotted=allotted,
            bankruptcy_price=record.bankruptcy_price,
        )  # fmt: skip
        if self.canceled:
            self.tell(record, "orders_canceled", orders=self.canceled)
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


def _cause(step: Step, scope: Scope, held: list[tuple[Market, Position]]) -> str | None:
    """The contract whose tick put the scope at risk: the newest, when it was first liquidated.

    A tick that began a cascade under way is the newest there is; ties go by symbol. None for a
    scope that others have emptied meanwhile.
    """
    if not held:
        return None
    cascade = step.state.cascades[scope.asset]
    if scope not in cascade.causes:
        tick = None if cascade.tick is None else cascade.tick.symbol
        cascade.causes[scope] = max(
            (market.contract.symbol == tick, market.mark.time, market.contract.symbol)
            for market, _ in held
            if market.mark is not None
        )[-1]
    return cascade.causes[scope]


def _outcome(record: Liquidation, *, closed: bool) -> Outcome_:
    filled, taken = record.filled_quantity > 0, record.taken_over_quantity > 0
    deleveraged = record.deleveraged_quantity > 0
    if filled + taken + deleveraged > 1:
        return "mixed"
    if taken:
        return "taken_over"
    if deleveraged:
        return "deleveraged"
    if filled:
        return "closed" if closed else "reduced"
    return "orders_canceled"
