"""A fund's money as admins move it, worked out once more: what it has, needs and can spare."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from fractions import Fraction

from app.engine.commands.funds import DeployExcess, MoveInFund, Rebalance
from app.engine.events import FundEntry, Liquidation, Trade, Transfer
from app.engine.outcome import Outcome
from app.engine.results import Rebalanced
from app.engine.state import Fund, State
from tests.engine.arithmetic import UNITS, mark_price, rounded, value

UNIT = Fraction(1, UNITS)


def as_kind(kind: str, amount: Decimal) -> str:
    """A rebalance is one movement of the ledger, and of another kind to either fund."""
    if kind != "rebalance":
        return kind
    return "rebalance_in" if amount > 0 else "rebalance_out"


def check_moves(outcome: Outcome, state: State) -> None:
    """What was moved by an admin left every fund what it needs, and moved what it says; a fund has
    its share of fees, and surplus where it claims that."""
    _check_shares(outcome, state)
    _check_surplus(outcome, state)
    command, entries = outcome.command, outcome.of(FundEntry)
    if isinstance(command, MoveInFund):
        assert [entry.amount for entry in entries] == [-command.amount, command.amount], entries
        assert {entry.kind for entry in entries} == {"adjustment"}, entries
    elif isinstance(command, DeployExcess):
        gone = sum(entry.amount for entry in entries if entry.kind == "excess_deployment")
        assert gone == -command.amount, entries
        _keeps_what_it_needs(state, state.funds[command.fund_id], command.asset)
    elif isinstance(command, Rebalance):
        _check_rebalance(outcome, state, command.asset)


def _check_shares(outcome: Outcome, state: State) -> None:
    """Of each fill's two fees together, where they are something, in the order of fills (FND-9)."""
    expected = []
    for trade in outcome.of(Trade):
        fund_id = state.markets[trade.symbol].contract.insurance_fund
        fees = Fraction(trade.taker_fee) + Fraction(trade.maker_fee)
        part = Fraction(state.funds[fund_id].policy.trading_fee_share)
        if share := rounded(part * max(fees, Fraction(0))):
            expected.append((f"fund/{fund_id}/", trade.symbol, f"trade/{trade.trade_id}", share))
    shares = [t for t in outcome.of(Transfer) if t.kind == "trading_fee_share"]
    assert all(t.source == f"revenue/{t.asset}" for t in shares), shares
    found = [(t.symbol, t.reference, Fraction(t.amount)) for t in shares]
    assert found == [tuple(rest) for _, *rest in expected], (expected, shares)
    for transfer, (owner, *_) in zip(shares, expected, strict=True):
        assert transfer.destination.startswith(owner), transfer


def _check_surplus(outcome: Outcome, state: State) -> None:
    """Of positions that are closed, by what the book paid, and where the policy says so (LIQ-8)."""
    records = {record.liquidation_id: record for record in outcome.of(Liquidation)}
    for entry in outcome.of(FundEntry):
        if entry.kind != "liquidation_surplus":
            continue
        assert entry.liquidation_id is not None, entry
        record = records[entry.liquidation_id]
        assert state.funds[entry.fund_id].policy.liquidation_surplus == "to_fund", entry
        assert (record.symbol, record.fund_id) == (entry.symbol, entry.fund_id), record
        closed = record.filled_quantity + record.netted_quantity
        assert closed == record.quantity, f"{entry} of what is not closed: {record}"
        assert record.filled_quantity > 0, record
        assert entry.amount > 0, entry
        told = [step.detail["amount"] for step in record.steps if step.kind == entry.kind]
        assert list(map(Decimal, told)) == [entry.amount], record
        assert record.margin_mode == "cross" or record.final_wallet == 0, record


def balance(fund: Fund, asset: str) -> Fraction:
    """The sum of its wallets."""
    return sum((Fraction(w.balance) for w in fund.wallets if w.asset == asset), Fraction(0))


def spare(state: State, fund: Fund, asset: str) -> Fraction:
    """What it has above its minimum and above what its inventory needs at mark, if that much."""
    notional, has = Fraction(0), balance(fund, asset)
    for symbol, held in fund.inventory.items():
        market = state.markets[symbol]
        if market.contract.settlement_asset == asset:
            worth = value(market.contract, held.quantity, mark_price(market))
            assert worth == Fraction(held.cost) or not has, f"{held} is not settled to mark"
            notional += abs(worth)
    ratio = Fraction(fund.policy.max_net_notional_ratio)
    carrying = Fraction(0) if not notional else notional / ratio if ratio else has
    return has - max(Fraction(fund.required_minimum[asset]), carrying)


def _keeps_what_it_needs(state: State, fund: Fund, asset: str) -> None:
    assert spare(state, fund, asset) >= 0, f"{fund.fund_id} has not what it needs of {asset}"


def _check_rebalance(outcome: Outcome, state: State, asset: str) -> None:
    done = outcome.result
    assert isinstance(done, Rebalanced), done
    moved: dict[str, Fraction] = defaultdict(Fraction)
    for entry in outcome.of(FundEntry):
        if entry.kind in ("rebalance_in", "rebalance_out"):
            moved[entry.fund_id] += Fraction(entry.amount)
    said: dict[str, Fraction] = defaultdict(Fraction)
    for move in done.moves:
        assert move.amount > 0, done
        said[move.source] -= Fraction(move.amount)
        said[move.destination] += Fraction(move.amount)
    assert moved == said, (moved, done)
    assert sum(moved.values()) == 0, moved
    funds = {name: fund for name, fund in state.funds.items() if asset in fund.required_minimum}
    assert set(moved) <= set(funds), f"a fund without a minimum took part: {moved}"
    lacking = {
        name: Fraction(fund.required_minimum[asset]) - balance(fund, asset)
        for name, fund in funds.items()
    }
    for name, amount in moved.items():
        if amount < 0:
            _keeps_what_it_needs(state, funds[name], asset)
        else:
            assert lacking[name] >= 0, f"{name} got more than it lacked"
    if max(lacking.values(), default=Fraction(0)) > 0:
        left = [name for name, fund in funds.items() if spare(state, fund, asset) >= UNIT]
        assert not left, f"{lacking} are lacking, {left} could give more"
    _least_covered_first(funds, asset, moved, lacking)


def _least_covered_first(
    funds: dict[str, Fund], asset: str, moved: dict[str, Fraction], lacking: dict[str, Fraction]
) -> None:
    """Who still lacks was covered no worse than who does not any more."""
    before = {
        name: (balance(fund, asset) - moved[name]) / Fraction(fund.required_minimum[asset])
        for name, fund in funds.items()
    }
    filled = [before[name] for name in funds if moved[name] > 0 and lacking[name] == 0]
    lacks = [before[name] for name in funds if lacking[name] > 0]
    assert not (filled and lacks) or max(filled) <= min(lacks), (before, moved, lacking)
