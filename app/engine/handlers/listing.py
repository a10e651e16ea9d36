"""Listing contracts, and changing what is listed (CON)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from app.engine.cascades import cascade, rates
from app.engine.commands.contracts import CreateContract, ImportContracts, UpdateContract
from app.engine.contracts import Contract, check_contract, check_terms
from app.engine.figures import margin, ranking
from app.engine.figures.admission import check_delivery
from app.engine.handling import handles
from app.engine.markets import Delivery, Funding, Market
from app.engine.numbers import time_text
from app.engine.rejections import Code, Rejected
from app.engine.results import Done, Imported
from app.engine.state import State
from app.engine.step import Step
from app.engine.trading.assessment import market_of

FIXED_FIELDS = (
    "symbol", "base_asset", "quote_asset", "settlement_asset", "kind", "margining",
    "contract_size",
)  # fmt: skip
"""What identifies a contract: never changed."""

GRID_FIELDS = ("tick_size", "lot_size")
"""What open orders and positions are measured in: changed only while there are none."""


@handles(
    CreateContract,
    Code.contract_exists,
    Code.invalid_contract,
    Code.invalid_brackets,
    Code.unknown_fund,
)
def create_contract(step: Step, command: CreateContract) -> Done:
    """List a contract."""
    contract = command.contract
    if contract.symbol in step.state.markets:
        raise Rejected(Code.contract_exists, f"there is a contract {contract.symbol} already")
    _check_new(step, contract)
    _list(step, contract)
    return Done(contract.symbol)


def _list(step: Step, contract: Contract) -> None:
    step.list_contract(contract)
    market = step.state.markets[contract.symbol]
    _schedule(step, market)
    if contract.delivery_at is not None:
        step.set_delivery(market, Delivery(contract.symbol))


def _schedule(step: Step, market: Market) -> None:
    """When the contract's next funding is due, by its new terms (FPY-1)."""
    next_at = market.contract.funding_after(step.now)
    if market.funding is not None:
        step.set_funding(market, replace(market.funding, next_at=next_at))
    elif next_at is not None:
        step.set_funding(market, Funding(market.contract.symbol, next_at))


def _check_new(step: Step, contract: Contract) -> None:
    check_contract(contract)
    _check_time(contract, step.now)
    _check_fund(step.state, contract)


def _check_time(contract: Contract, now: datetime) -> None:
    """Refuse a delivery time that has passed (DLV-1)."""
    if contract.delivery_at is not None and contract.delivery_at <= now:
        raise Rejected(
            Code.invalid_contract,
            "the delivery time has passed",
            field="delivery_at",
            delivery_at=time_text(contract.delivery_at),
            time=time_text(now),
        )


def _check_fund(state: State, contract: Contract) -> None:
    if contract.insurance_fund not in state.funds:
        raise Rejected(
            Code.unknown_fund,
            f"there is no insurance fund {contract.insurance_fund}",
            fund=contract.insurance_fund,
        )


@handles(
    UpdateContract,
    Code.unknown_contract,
    Code.contract_not_trading,
    Code.settlement_held,
    Code.settlement_under_way,
    Code.invalid_contract,
    Code.invalid_brackets,
    Code.unknown_fund,
    Code.field_not_changeable,
    Code.contract_in_use,
)
def update_contract(step: Step, command: UpdateContract) -> Done:
    """Change a contract's terms."""
    market = market_of(step.state, command.symbol)
    contract = replace(market.contract, **command.changes)
    _check_change(step, market, contract)
    _change(step, market, contract)
    return Done(contract.symbol)


def _check_change(step: Step, market: Market, contract: Contract) -> None:
    state, old = step.state, market.contract
    if old.delivery_at is not None:
        if old.status == "settled":
            raise Rejected(Code.contract_not_trading, f"{old.symbol} is settled for good")
        check_delivery(market, step.now)
    check_terms(contract)
    _check_time(contract, step.now)
    _check_fund(state, contract)
    held = contract.symbol in state.funds[old.insurance_fund].inventory
    for name in FIXED_FIELDS:
        if getattr(old, name) != getattr(contract, name):
            raise Rejected(Code.field_not_changeable, f"{name} never changes", field=name)
    busy = market.positions or market.bids.levels or market.asks.levels or market.watches
    for name in GRID_FIELDS:
        if getattr(old, name) != getattr(contract, name) and busy:
            raise Rejected(
                Code.contract_in_use,
                f"{name} changes only while no order or position is open",
                field=name,
                symbol=contract.symbol,
            )
    if old.insurance_fund != contract.insurance_fund and held:
        raise Rejected(
            Code.contract_in_use,
            "the old fund holds inventory in the contract",
            field="insurance_fund",
            symbol=contract.symbol,
        )
    if contract.status == "settled" and (busy or held):
        raise Rejected(
            Code.contract_in_use,
            "orders, positions or inventory are open in the contract",
            field="status",
            symbol=contract.symbol,
        )


def _change(step: Step, market: Market, contract: Contract) -> None:
    old = market.contract
    margins_changed = old.brackets != contract.brackets
    if contract.status == "reduce_only" != old.status:
        cascade.sweep(step.state, market)
    mark = market.mark
    if mark is not None and not margin.can_liquidate(market, step.now):
        mark = replace(mark, awaited=True)  # a changed term does not make an old mark fresh (MRK-4)
    step.set_contract(market, contract)
    if old.funding_mode != contract.funding_mode and market.funding is not None:
        step.set_funding(market, rates.forgotten(market.funding))
    if old.delivery_at != contract.delivery_at:
        step.set_delivery(market, Delivery(contract.symbol))
    if old.funding_after(step.now) != contract.funding_after(step.now):
        _schedule(step, market)
    if mark is None:
        return
    if margins_changed:
        mark = replace(mark)  # what positions remember of their margin is void
    if mark is not market.mark:
        step.renew_mark(market, mark)
    if margins_changed:
        ranking.forget_rooms(step.state, contract.settlement_asset)
        cascade.look_again(step.state, market)


@handles(
    ImportContracts,
    Code.contract_not_trading,
    Code.settlement_held,
    Code.settlement_under_way,
    Code.invalid_contract,
    Code.invalid_brackets,
    Code.unknown_fund,
    Code.field_not_changeable,
    Code.contract_in_use,
)
def import_contracts(step: Step, command: ImportContracts) -> Imported:
    """List or change many contracts: all or, with a reason, none (CON-5)."""
    state = step.state
    seen: set[str] = set()
    contracts = [_as_said(state, contract, command.terms) for contract in command.contracts]
    for contract in contracts:
        if contract.symbol in seen:
            raise Rejected(
                Code.invalid_contract,
                f"{contract.symbol} comes twice",
                field="symbol",
                symbol=contract.symbol,
            )
        seen.add(contract.symbol)
        market = state.markets.get(contract.symbol)
        if market is None:
            _check_new(step, contract)
        else:
            _check_change(step, market, contract)
    created = 0
    for contract in contracts:
        market = state.markets.get(contract.symbol)
        if market is None:
            _list(step, contract)
            created += 1
        else:
            _change(step, market, contract)
    return Imported(created, len(contracts) - created)


def _as_said(state: State, contract: Contract, terms: tuple[str, ...]) -> Contract:
    """A listed contract with these terms of the imported one; a new one as it is imported."""
    market = state.markets.get(contract.symbol)
    if market is None or not terms:
        return contract
    said = {name: getattr(contract, name) for name in terms}
    return replace(market.contract, **{name: it for name, it in said.items() if it is not None})
