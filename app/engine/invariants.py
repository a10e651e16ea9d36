"""The laws of NUM-4: on what a command touched after every command, on everything when asked."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Hashable, Iterator
from dataclasses import fields, is_dataclass
from datetime import datetime
from decimal import Decimal, localcontext
from functools import cache
from typing import Any, cast

from app.engine.events import FundEntry, LedgerKind, Liquidation, Trade, Transfer
from app.engine.figures import exposure, margin
from app.engine.handling import HANDLERS
from app.engine.markets import Market
from app.engine.numbers import EXACT, ZERO, plain, time_text
from app.engine.scopes import Scope, cross_scope, leg_of
from app.engine.state import Inventory, State
from app.engine.step import Step
from app.engine.traders import Order, Position, Wallet


class LawBroken(AssertionError):
    """A law of NUM-4 does not hold; the state must not be used."""


def check_step(step: Step) -> None:
    """Assert the laws on everything a step touched: O(what it touched), always on."""
    state, symbols = step.state, set()
    allowed = HANDLERS[type(step.outcome.command)].moves
    if allowed is not None:
        _check_payers(step, allowed)
    for kept in step.outcome.touched:
        if isinstance(kept, Wallet):
            _check_wallet(state, kept)
        elif isinstance(kept, (Position, Inventory)):
            symbols.add(kept.symbol)
            if isinstance(kept, Position) and kept.side != "both":
                _check_leg(kept)
    for symbol in symbols:
        _check_market(state.markets[symbol])
    assert not step.scopes, step.scopes


def _check_payers(step: Step, allowed: frozenset[LedgerKind]) -> None:
    """What a trader does leaves trades, and moves money in its own ways only: none out of a fund,
    none of the treasury's, and into a fund what revenue gives of the fees, never more than those.

    Profits pass through clearing, whose balance and costs cancel, and the two fees of a fill are
    not less than nothing together: so no order makes the traders together richer either (NUM-5).
    """
    fees = ZERO
    for record in step.outcome.records:
        if isinstance(record, Trade):
            fees += record.taker_fee + record.maker_fee
        elif isinstance(record, Liquidation) and record.outcome == "orders_canceled":
            continue  # whose fill needed what its other orders held back: they went (ORD-9, LIQ-2)
        elif isinstance(record, FundEntry) and record.kind == "trading_fee_share":
            fees -= abs(record.amount)
        elif not isinstance(record, Transfer) or record.kind not in allowed:
            raise LawBroken(f"{step.outcome.command} moved money or more: {record}")
        elif record.kind == "trading_fee_share" and record.account_id is not None:
            raise LawBroken(f"{step.outcome.command} took a share of no fee: {record}")
    if fees < 0:
        raise LawBroken(f"{step.outcome.command} was paid {-fees} in fees, or gave that away")


def _check_wallet(state: State, wallet: Wallet) -> None:
    if wallet.kind == "fund" and wallet.balance < 0:
        raise LawBroken(f"fund wallet {wallet.key} is negative: {wallet.balance}")
    if wallet.kind == "cross" and wallet.balance < 0:
        scope = cross_scope(wallet.owner, wallet.asset)
        if not margin.scope_positions(state, scope):
            raise LawBroken(f"{wallet.key} is negative without a position: {wallet.balance}")
    if wallet.kind == "isolated" and wallet.balance != 0:
        position = state.accounts[wallet.owner].positions.get(leg_of(wallet.name))
        if position is None or position.wallet is not wallet or not position.quantity:
            raise LawBroken(f"{wallet.key} holds {wallet.balance} without a position")


def _check_leg(position: Position) -> None:
    if position.quantity * (1 if position.side == "long" else -1) < 0:
        raise LawBroken(f"a leg has turned: {position}")


def _check_market(market: Market) -> None:
    if market.quantity_total != 0:
        raise LawBroken(f"{market.contract.symbol}: quantities sum to {market.quantity_total}")
    if market.clearing.balance + market.cost_total != 0:
        raise LawBroken(
            f"{market.contract.symbol}: clearing {market.clearing.balance} and costs "
            f"{market.cost_total} do not cancel"
        )


def check_all(state: State, now: datetime | None = None) -> None:
    """Assert every law over the whole state, from scratch; raises `LawBroken`.

    `now` (default: the time of the last command) decides which scopes MRK-4 holds open.
    """
    check_money(state)
    moment = now or state.time
    if moment is not None:
        with localcontext(EXACT):
            for market in state.markets.values():
                _check_remembered(state, market)
            for scope in _scopes(state):
                _check_scope(state, scope, moment)


def check_money(state: State) -> None:
    """Assert the laws of money and quantity from scratch, but not who is at risk.

    That is all that can be asked of a state just loaded: a crash can cut a cascade off, and
    `Recover` is what looks at every scope then.
    """
    with localcontext(EXACT):
        totals: dict[str, Decimal] = defaultdict(lambda: ZERO)
        for wallet in state.wallets.values():
            totals[wallet.asset] += wallet.balance
            _check_wallet(state, wallet)
        for asset, total in totals.items():
            if total != 0:
                raise LawBroken(f"the wallets in {asset} sum to {total}, not to zero")
        for market in state.markets.values():
            _check_sums(state, market)


def _check_sums(state: State, market: Market) -> None:
    quantity = sum((p.quantity for p in market.positions.values()), ZERO)
    cost = sum((p.cost for p in market.positions.values()), ZERO)
    symbol = market.contract.symbol
    for position in market.positions.values():
        if position.side != "both":
            _check_leg(position)
    for fund in state.funds.values():
        if symbol in fund.inventory:
            quantity += fund.inventory[symbol].quantity
            cost += fund.inventory[symbol].cost
    if market.delivery is not None:
        quantity += market.delivery.quantity
        cost += market.delivery.cost
    longs = sum(p.quantity > 0 for p in market.positions.values())
    held = [p.quantity for p in market.positions.values()]
    held += [f.inventory[symbol].quantity for f in state.funds.values() if symbol in f.inventory]
    interest = sum((one for one in held if one > 0), ZERO)
    if market.open_interest != interest:
        raise LawBroken(f"{symbol}: open interest is {interest}, not {market.open_interest}")
    if market.long_count != longs:
        raise LawBroken(f"{symbol}: {market.long_count} longs are counted, {longs} there")
    if (quantity, cost) != (market.quantity_total, market.cost_total):
        raise LawBroken(f"{symbol}: running totals differ from the positions")
    _check_market(market)


def _check_remembered(state: State, market: Market) -> None:
    """What positions remember is what they are worth at mark, worked out anew."""
    contract, mark = market.contract, market.mark
    for position in market.positions.values():
        if mark is not None and position.valued is mark:
            value = contract.value(position.quantity, mark.price)
            kept = contract.maintenance_margin(abs(value))
            if (position.value, position.margin) != (value, kept):
                raise LawBroken(f"{position} is worth {value} at mark, and maintains {kept}")
        if mark is not None and position.weighed is mark:
            free = exposure.free(state.accounts[position.account_id], market, position)
            if position.free != free:
                raise LawBroken(f"{position} adds {free} to what is available")


def _scopes(state: State) -> dict[Scope, None]:
    return {
        position.scope: None
        for market in state.markets.values()
        for position in market.positions.values()
    }


def _check_scope(state: State, scope: Scope, now: datetime) -> None:
    if margin.is_aside(state, scope):
        return
    health = margin.health(state, scope)
    if not health.at_risk or margin.is_held_open(state, scope, now):
        return
    if scope.asset not in state.cascades:
        raise LawBroken(f"{scope} is at risk: {health}")


def state_hash(state: State) -> str:
    """SHA-256 over all that the state holds, in an order of its own: equal states, equal hashes."""
    with localcontext(EXACT):
        digest = hashlib.sha256()
        for line in sorted(_lines(state)):
            digest.update(line.encode())
            digest.update(b"\n")
        return digest.hexdigest()


def _lines(state: State) -> Iterator[str]:
    yield _line("engine", state.counters, state.time)
    for wallet in state.wallets.values():
        if wallet.balance:
            yield _line("wallet", wallet.key, wallet.balance)
    for market in state.markets.values():
        yield from _market_lines(market)
    for account in state.accounts.values():
        yield _line("account", account.account_id, account.position_mode, account.created_at)
        if account.cancel_at is not None:  # a line of its own: no hash from before it changes
            yield _line("countdown", account.account_id, account.cancel_at)
        if account.owner_id is not None:
            yield _line("owner", account.account_id, account.owner_id)
        for symbol, settings in account.settings.items():
            yield _line("settings", account.account_id, symbol, settings)
    for order in state.orders.values():
        yield from _order_lines(order)
    yield from _untriggered_lines(state)
    for key in state.keys.values():
        yield _line("key", key)
    yield from _held_lines(state)
    yield from _fund_lines(state)


def _held_lines(state: State) -> Iterator[str]:
    for own in state.profits.values():
        for part in (one for parts in own.values() for one in parts):
            yield _line("profit", part)
    for payout in state.payouts.values():
        yield _line("payout", payout)


def _untriggered_lines(state: State) -> Iterator[str]:
    for order in state.untriggered.values():
        yield _line("untriggered", order)
    for group in state.groups.values():
        yield _line("group", group)
    for trail in state.trails.values():
        yield _line("trail", trail.trail_id, trail.best, trail.orders)


def _order_lines(order: Order) -> Iterator[str]:
    """Its place has a line of its own, as a countdown has."""
    yield _line("order", tuple(getattr(order, name) for name in _ORDER))
    if order.requeued is not None:
        yield _line("requeued", order.order_id, order.requeued)


_ORDER = tuple(field.name for field in fields(Order) if field.name != "requeued")


def _market_lines(market: Market) -> Iterator[str]:
    yield _line("market", market.contract, market.mark)
    if market.funding:
        yield _line("funding", market.funding)
    for price in market.sources.values():
        yield _line("source", price)
    for sample in market.mids.values():
        yield _line("mid", sample)
    if market.contract.mark_mode == "derived":
        yield _line("last", market.contract.symbol, market.agreed_price or "")
    if market.delivery:
        yield _line("delivery", market.delivery)
    for position in market.positions.values():
        yield _line(
            "position",
            position.account_id,
            position.symbol,
            position.side,
            position.quantity,
            position.cost,
        )


def _fund_lines(state: State) -> Iterator[str]:
    if state.treasury.sequence:
        yield _line("treasury", state.treasury)
    for fund in state.funds.values():
        yield _line(
            "fund",
            fund.fund_id,
            fund.name,
            fund.policy,
            fund.created_at,
            fund.sequence,
            fund.last_hash,
            *sorted(fund.required_minimum.items()),
            *(wallet.key for wallet in fund.wallets),
        )
        for inventory in fund.inventory.values():
            yield _line("inventory", inventory)
        for memory in fund.memory.values():
            yield _line("memory", tuple(getattr(memory, name) for name in _MEMORY))
            for minutes in memory.minutes.values():
                for minute in minutes:
                    yield _line("minute", minute)
    for verdict in state.verdicts.values():
        yield _line("verdict", verdict)


_MEMORY = ("fund_id", "asset", "gained", "stopped", "cap_warned", "drawdown_warned")


def _line(*parts: object) -> str:
    return "|".join(map(_text, parts))


def _text(value: object) -> str:
    """One text for equal values: `0.10` and `0.1` are the same number."""
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, datetime):
        return time_text(value)
    if isinstance(value, tuple):
        return f"({_line(*value)})"
    if is_dataclass(value):
        return f"({_line(*_values(value))})"
    return repr(value)


@cache
def _names(kind: Hashable) -> tuple[tuple[str, ...], tuple[tuple[str, object], ...]]:
    """The fields that are always named, and those that are not while they have their default."""
    declared = fields(cast("Any", kind))
    new = [one for one in declared if "left_out" in one.metadata]
    always = tuple(one.name for one in declared if one not in new)
    return always, tuple((one.name, one.default) for one in new)


def _values(value: object) -> Iterator[object]:
    """Of a dataclass; what earlier releases did not have is named where it is something."""
    always, new = _names(cast("Hashable", type(value)))
    for name in always:
        yield getattr(value, name)
    for name, default in new:
        if (now := getattr(value, name)) != default:
            yield (name, now)
