"""A naive model of the books: everything recomputed from the records that outcomes leave behind.

Wallets from transfers, positions from trades, takeovers and ADL, fund histories from their rows.
After each outcome the engine's state must say the same, and the laws must hold.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

from app.engine.commands.accounts import AdjustMargin, ConfigureContract, Deposit, Withdraw
from app.engine.commands.delivery import BeginDelivery
from app.engine.commands.funds import ContributeToFund, ContributeToTreasury, DeployExcess
from app.engine.commands.leaders import Recover
from app.engine.commands.orders import (
    AmendOrder,
    CancelAllDue,
    CancelOrder,
    CancelOrders,
    PlaceOrder,
)
from app.engine.commands.prices import Price
from app.engine.contracts import Contract
from app.engine.events import (
    AdlEvent,
    Liquidation,
    Trade,
    Transfer,
)
from app.engine.outcome import Outcome
from app.engine.state import State
from app.engine.traders import Position
from tests.engine.arithmetic import (
    UNITS,
    exact_value,
    is_unit,
    rounded,
    value,
    worth_of_price_unit,
)
from tests.engine.deliveries import Deliveries
from tests.engine.fund_moves import check_moves
from tests.engine.fundings import Fundings
from tests.engine.histories import Histories
from tests.engine.interest import Interest
from tests.engine.laws import check_laws
from tests.engine.limits import Limits
from tests.engine.naive_marks import Marks
from tests.engine.offloads import Offloads, check_no_fund_sinks
from tests.engine.payers import check_payers, traders_worth
from tests.engine.records import check_records
from tests.engine.reviews import Reviews
from tests.engine.untriggered import Untriggered

Key = tuple[str, str, str]
"""An account, a contract and the leg."""

UNIT = Fraction(1, UNITS)


@dataclass
class Holding:
    """A signed quantity and its signed cost (NUM-3)."""

    quantity: Fraction = Fraction(0)
    cost: Fraction = Fraction(0)

    def fill(self, contract: Contract, quantity: Fraction, price: Decimal, worth: Fraction) -> None:
        """A fill of signed `quantity` that was booked as `worth`, signed like its value."""
        if self.quantity * quantity >= 0:
            self.quantity += quantity
            self.cost += worth
        elif abs(quantity) <= abs(self.quantity):
            self.close(abs(quantity))
        else:
            closing_worth = value(contract, -self.quantity, price)
            self.quantity, self.cost = self.quantity + quantity, worth - closing_worth

    def close(self, quantity: Fraction) -> Fraction:
        """Take an unsigned quantity away with its share of the cost; returns that share."""
        assert quantity <= abs(self.quantity), f"closes {quantity} of {self.quantity}"
        if quantity == abs(self.quantity):
            share = self.cost
        else:
            share = rounded(self.cost * quantity / abs(self.quantity))
        self.quantity -= quantity if self.quantity > 0 else -quantity
        self.cost -= share
        return share


@dataclass(frozen=True)
class Totals:
    """What a liquidation record had reported when last seen."""

    taken: Fraction = Fraction(0)
    deleveraged: Fraction = Fraction(0)


class Books:
    """The naive model; `observe` every outcome in order."""

    def __init__(self) -> None:
        self.wallets: dict[str, Fraction] = defaultdict(Fraction)
        self.paid_in: dict[str, Fraction] = defaultdict(Fraction)
        self.holdings: dict[Key, Holding] = defaultdict(Holding)
        self.inventory: dict[tuple[str, str], Fraction] = defaultdict(Fraction)
        self.histories = Histories()
        self.seen: dict[int, Totals] = defaultdict(Totals)
        self.counts: dict[str, int] = defaultdict(int)
        self.events: dict[str, dict[str, int]] = defaultdict(dict)
        self.fundings = Fundings()
        self.untriggered = Untriggered()
        self.marks = Marks()
        self.deliveries = Deliveries()
        self.interest = Interest()
        self.offloads = Offloads()
        self.limits = Limits()
        self.reviews = Reviews()
        self.sequence = 0
        self.waiting: set[str] = set()
        self.worth = Fraction(0)
        self.by_event: dict[int, list[Liquidation]] = {}

    def observe(self, outcome: Outcome, state: State, now: datetime) -> None:
        """Take an outcome's records in, compare with the state it left and check every law."""
        if not outcome.accepted:
            self._nothing(outcome)
        else:
            self.sequence += 1
            assert outcome.sequence == self.sequence, f"command log has a gap at {outcome.sequence}"
            self._outside(outcome)
            self._halts(outcome, state)
            self._transfers(outcome)
            self.histories.observe(outcome, self.wallets)
            self._positions(outcome, state)
            self.fundings.observe(outcome, state, self.holdings, self.inventory)
            self.deliveries.observe(outcome, state, self.holdings, self.inventory)
            self._events(outcome, state)
            self.untriggered.observe(outcome, state)
            self.marks.observe(outcome, state)
            check_records(outcome, state)
            self.offloads.observe(outcome, state)
            self.limits.observe(outcome, state)
            self.reviews.observe(outcome, state)
            check_moves(outcome, state)
            check_payers(outcome, state, self.by_event, self.fundings.charged)
        self._compare_wallets(state)
        self._compare_positions(outcome, state)
        self.interest.observe(outcome, state, self.holdings)
        self._compare_funds(state)
        check_laws(state, now, self.paid_in, self.waiting)
        check_no_fund_sinks(state, now, self.waiting)
        self._nobody_grows(outcome, state)

    def _nobody_grows(self, outcome: Outcome, state: State) -> None:
        """NUM-5: the equity of all traders together never grows by what a trader does.

        Positions at mark, unrounded; half a unit of rounding per fill and side.
        """
        before, self.worth = self.worth, traders_worth(state)
        moved = isinstance(outcome.command, PlaceOrder | AmendOrder | CancelOrder | CancelOrders
                           | CancelAllDue | ConfigureContract | AdjustMargin)  # fmt: skip
        if moved and outcome.accepted:
            allowed = len(outcome.of(Trade)) * UNIT
            assert self.worth <= before + allowed, (
                f"traders are {float(self.worth - before)} richer by {outcome.command}"
            )

    @staticmethod
    def _nothing(outcome: Outcome) -> None:
        assert not outcome.records, f"a refusal left records: {outcome}"
        assert not outcome.pending, outcome

    def _outside(self, outcome: Outcome) -> None:
        match outcome.command:
            case (
                Deposit(asset=asset, amount=amount)
                | ContributeToTreasury(asset=asset, amount=amount)
            ):
                self.paid_in[asset] += Fraction(amount)
            case ContributeToFund(asset=asset, amount=amount, kind=kind) if kind != "top_up":
                self.paid_in[asset] += Fraction(amount)
            case Withdraw(asset=asset, amount=amount) | DeployExcess(asset=asset, amount=amount):
                self.paid_in[asset] -= Fraction(amount)
            case _:
                pass

    def _halts(self, outcome: Outcome, state: State) -> None:
        """Which contracts were halted and have not ticked since (MRK-4)."""
        if isinstance(outcome.command, Price | BeginDelivery):
            mark = state.markets[outcome.command.symbol].mark
            if mark is not None and mark.time == outcome.time:  # a source's price may leave it
                self.waiting.discard(outcome.command.symbol)
        for symbol, market in state.markets.items():
            if market.contract.status == "halted":
                self.waiting.add(symbol)

    def _number(self, kind: str, identifier: int) -> None:
        """Identifiers of a kind are counted without gaps."""
        self.counts[kind] += 1
        assert identifier == self.counts[kind], f"{kind} {identifier}, not {self.counts[kind]}"

    def _transfers(self, outcome: Outcome) -> None:
        for transfer in outcome.of(Transfer):
            self._number("transfer", transfer.transfer_id)
            assert transfer.amount > 0, transfer
            assert is_unit(transfer.amount), transfer
            assert transfer.time == outcome.time, transfer
            for key, sign, balance in (
                (transfer.source, -1, transfer.source_balance),
                (transfer.destination, 1, transfer.destination_balance),
            ):
                self.wallets[key] += sign * Fraction(transfer.amount)
                assert self.wallets[key] == Fraction(balance), f"{key} in {transfer}"

    def _positions(self, outcome: Outcome, state: State) -> None:
        for record in outcome.of(Liquidation):  # before any of its orders (LIQ-2)
            self._holding(record).close(Fraction(record.netted_quantity))
        for trade in outcome.of(Trade):
            self._number("trade", trade.trade_id)
            self._trade(trade, state.markets[trade.symbol].contract)
        counterparties: dict[int, Fraction] = defaultdict(Fraction)
        for event in outcome.of(AdlEvent):
            self._number("adl", event.adl_event_id)
            closed = self._deleverage(event, state)
            if event.liquidation_id is not None:
                counterparties[event.liquidation_id] += closed
                continue
            sign = 1 if event.side == "long" else -1
            self.inventory[event.fund_id, event.symbol] -= sign * Fraction(event.quantity)
        for record in outcome.of(Liquidation):
            self._liquidation(record, counterparties.pop(record.liquidation_id, Fraction(0)))
            self._was_ready(record, outcome, state)
        assert not counterparties, f"ADL of liquidations that are not reported: {counterparties}"

    def _events(self, outcome: Outcome, state: State) -> None:
        """What a cascade liquidates of an account is one event, and nobody else's (LIQ-9)."""
        if isinstance(outcome.command, Recover):
            self.events.clear()
        for record in outcome.of(Liquidation):
            asset = state.markets[record.symbol].contract.settlement_asset
            events = self.events[asset]
            if record.account_id not in events:
                self._number("event", record.event_id)
                events[record.account_id] = record.event_id
            assert record.event_id == events[record.account_id], f"{record}, not {events}"
        for asset in self.events.keys() - state.cascades.keys():
            del self.events[asset]

    def _trade(self, trade: Trade, contract: Contract) -> None:
        worth = value(contract, trade.quantity, trade.price)
        assert Fraction(trade.value) == abs(worth), trade
        assert trade.quantity > 0, trade
        assert trade.taker_account_id != trade.maker_account_id, f"self-trade {trade}"
        by_order = trade.taker_order_id is not None
        for rate, fee, free in (
            (contract.taker_fee_rate, trade.taker_fee, not by_order),
            (contract.maker_fee_rate, trade.maker_fee, False),
        ):
            expected = Fraction(0) if free else rounded(abs(worth) * Fraction(rate))
            assert Fraction(fee) == expected, f"fee {fee}, not {expected}: {trade}"
        taker_sign = 1 if trade.taker_side == "buy" else -1
        for account, leg, sign in (
            (trade.taker_account_id, trade.taker_position_side, taker_sign),
            (trade.maker_account_id, trade.maker_position_side, -taker_sign),
        ):
            if account is None:  # its fund offloads
                fund = contract.insurance_fund, trade.symbol
                self.inventory[fund] += sign * Fraction(trade.quantity)
                continue
            holding = self.holdings[account, trade.symbol, leg]
            holding.fill(contract, sign * Fraction(trade.quantity), trade.price, sign * worth)

    def _deleverage(self, event: AdlEvent, state: State) -> Fraction:
        """Close the counterparties' parts; returns the quantity they closed (ADL-2)."""
        contract = state.markets[event.symbol].contract
        wrong_side = 1 if event.side == "long" else -1
        for part in event.counterparties:
            holding = self.holdings[part.account_id, event.symbol, part.position_side]
            held, quantity = holding.quantity, Fraction(part.quantity)
            assert held * wrong_side < 0, f"{part} holds {held}: not opposite"
            share = holding.close(quantity)
            worth = Fraction(0)
            if part.price:
                worth = exact_value(contract, wrong_side * quantity, part.price)
            realized = -worth - share
            tolerance = worth_of_price_unit(contract, part.quantity, part.price) + 3 * UNIT
            assert abs(realized - Fraction(part.realized_profit)) <= tolerance, part
        return sum((Fraction(part.quantity) for part in event.counterparties), Fraction(0))

    def _liquidation(self, record: Liquidation, counterparties: Fraction) -> None:
        """The liquidated position's own side; what neither trader took, fund inventory did."""
        before = self.seen[record.liquidation_id]
        if before == Totals() and record.liquidation_id > self.counts["liquidation"]:
            self._number("liquidation", record.liquidation_id)
        now = Totals(Fraction(record.taken_over_quantity), Fraction(record.deleveraged_quantity))
        self.seen[record.liquidation_id] = now
        sign = 1 if record.side == "long" else -1
        taken, deleveraged = now.taken - before.taken, now.deleveraged - before.deleveraged
        for part in (taken, deleveraged):
            if part:  # what is left of it may go on in the next part, so either is rounded
                self._holding(record).close(part)
        against_inventory = deleveraged - counterparties
        assert taken >= 0, record
        assert against_inventory >= 0, record
        self.inventory[record.fund_id, record.symbol] += sign * (taken + against_inventory)

    def _holding(self, record: Liquidation) -> Holding:
        return self.holdings[record.account_id, record.symbol, record.position_side]

    def _was_ready(self, record: Liquidation, outcome: Outcome, state: State) -> None:
        """Only positions with a fresh mark, and not before the tick after a halt, are closed."""
        closed = record.filled_quantity + record.taken_over_quantity + record.deleveraged_quantity
        closed += record.netted_quantity
        if closed:
            market = state.markets[record.symbol]
            limit = market.contract.mark_staleness_seconds
            assert market.mark is not None
            age = (outcome.time - market.mark.time).total_seconds()
            assert record.symbol not in self.waiting, f"halted, not ticked since: {record}"
            last = market.delivery is not None and market.delivery.phase in ("closing", "settled")
            assert limit is None or age <= limit or last, f"at a stale mark: {record}"

    def _compare_wallets(self, state: State) -> None:
        for key in {*self.wallets, *state.wallets}:
            wallet = state.wallets.get(key)
            actual = Fraction(wallet.balance) if wallet else Fraction(0)
            expected = self.wallets[key]
            assert actual == expected, f"{key}: {actual}, by its transfers {expected}"

    def _compare_positions(self, outcome: Outcome, state: State) -> None:
        """Quantities exactly; costs too, but where trades and ADL of one outcome may interleave."""
        interleaved = {
            (part.account_id, event.symbol, part.position_side)
            for event in outcome.of(AdlEvent)
            for part in event.counterparties
        } & {
            *_traded(outcome),
            *((r.account_id, r.symbol, r.position_side)
              for r in outcome.of(Liquidation) if r.netted_quantity),
        }  # fmt: skip
        actual: dict[Key, Position] = {
            (account.account_id, p.symbol, p.side): p
            for account in state.accounts.values()
            for p in account.positions.values()
        }
        for key in {*self.holdings, *actual}:
            position, holding = actual.get(key), self.holdings[key]
            quantity = Fraction(position.quantity) if position else Fraction(0)
            cost = Fraction(position.cost) if position else Fraction(0)
            assert quantity == holding.quantity, f"{key}: {quantity}, not {holding.quantity}"
            if key in interleaved:
                assert abs(cost - holding.cost) <= 20 * UNIT, f"{key}: {cost}, not {holding.cost}"
                holding.cost = cost
            assert cost == holding.cost, f"{key}: cost {cost}, not {holding.cost}"

    def _compare_funds(self, state: State) -> None:
        self.histories.compare(state)
        for fund in state.funds.values():
            for symbol in {*fund.inventory, *(s for f, s in self.inventory if f == fund.fund_id)}:
                inventory = fund.inventory.get(symbol)
                actual = Fraction(inventory.quantity) if inventory else Fraction(0)
                expected = self.inventory[fund.fund_id, symbol]
                assert actual == expected, f"{fund.fund_id} {symbol}: {actual}, not {expected}"


def _traded(outcome: Outcome) -> Iterator[Key]:
    """The legs that an outcome's trades changed."""
    for trade in outcome.of(Trade):
        if trade.taker_account_id is not None:
            yield trade.taker_account_id, trade.symbol, trade.taker_position_side
        yield trade.maker_account_id, trade.symbol, trade.maker_position_side
