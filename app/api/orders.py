"""Orders and trades but for placing, which is in `lean`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from decimal import localcontext
from typing import Annotated, Any, Literal

from fastapi import Path, Query
from sqlalchemy.ext.asyncio import AsyncConnection

from app.api.access import OPTIONAL_KEY, Identity, MaybeKey, Trader, visible_account
from app.api.changing import Changing
from app.api.faults import Fault
from app.api.paging import Paged
from app.api.problems import malformed, refused, unknown
from app.api.routing import problems, router
from app.api.schemas.base import ACCOUNT_PATTERN, ID_PATTERN, SYMBOL_PATTERN, Page
from app.api.schemas.orders import (
    CanceledView,
    OrderBody,
    PreviewView,
    StoredOrderView,
    TradeView,
)
from app.api.services import Reading, ServicesDep
from app.engine import assessment, orderbook
from app.engine.commands import CancelOrder, CancelOrders, OrderStatus, PlaceOrder, TimeInForce
from app.engine.numbers import EXACT
from app.engine.rejections import Rejection
from app.engine.valuation import Terms
from app.store.loader import load_book
from app.store.queries import Row
from app.store.queries import contracts as contract_queries
from app.store.queries import orders as queries
from app.store.reads import raw

orders = router("orders")
trades = router("orders")

OrderPath = Annotated[str, Path(pattern=ID_PATTERN, examples=["1"])]
AccountFilter = Annotated[str | None, Query(pattern=ACCOUNT_PATTERN)]
SymbolFilter = Annotated[str | None, Query(pattern=SYMBOL_PATTERN)]


def command_of(body: OrderBody) -> PlaceOrder:
    """The order as a command; a market order is ioc unless it says otherwise."""
    default: TimeInForce = "ioc" if body.type == "market" else "gtc"
    return PlaceOrder(
        body.account_id, body.symbol, body.side, body.type, body.quantity, body.price,
        body.time_in_force or default, body.reduce_only, body.position_side, body.client_order_id,
        body.self_trade_prevention,
    )  # fmt: skip


@orders.post(
    "/orders/preview", responses=problems(401, 403, 404, 422), summary="What an order would do"
)
async def preview_order(
    identity: Trader, services: ServicesDep, reading: Reading, body: OrderBody
) -> PreviewView:
    """What an order would need and leave, or the refusal it would get; nothing changes.

    It is judged on committed data, which may be a moment old.
    """
    identity.check_account(body.account_id)
    bounds = {orderbook.opposite(body.side): body.price}
    state = await load_book(
        await raw(reading), body.symbol, bounds, services.runner.limits, body.account_id
    )
    if body.account_id not in state.accounts:
        raise unknown("account_id")
    with localcontext(EXACT):
        found = assessment.preview(state, command_of(body), services.runner.now())
    if isinstance(found, Rejection):
        raise refused(found)
    return PreviewView(**asdict(found))


@orders.get("/orders", responses=problems(401, 403, 404, 422), summary="List orders")
async def list_orders(
    identity: Trader,
    services: ServicesDep,
    paging: Paged,
    account_id: AccountFilter = None,
    symbol: SymbolFilter = None,
    status: Annotated[
        OrderStatus | Literal["open"] | None,
        Query(description="`open` is new or partially filled."),
    ] = None,
) -> Page[StoredOrderView]:
    """Orders, newest first. A trader sees its own; an admin everyone's."""
    if account_id is not None:
        identity.check_account(account_id)
    account = account_id or identity.account_id
    # An account's open orders are few (ORD-10); of its others, and of everybody's, there is no end.
    is_short = account is not None and status in ("open", *queries.OPEN_STATUSES)
    filters = status is not None or (account is not None and symbol is not None)
    heavy = paging.large or (filters and not is_short)
    async with services.reading(heavy=heavy, narrow="fewer filters", keyed=True) as reading:
        rows = await queries.list_orders(
            reading, paging.fetch, account_id=account, symbol=symbol, status=status,
            before=paging.before_id(),
        )  # fmt: skip
        terms = await _price_terms(reading, rows)
        return await paging.slowly(
            rows, lambda row: order_view(row, terms[row["symbol"]]), "order_id"
        )


@orders.get("/orders/{order_id}", responses=problems(401, 403, 404), summary="One order")
async def get_order(identity: Trader, reading: Reading, order_id: OrderPath) -> StoredOrderView:
    """An order as it is now."""
    return await _own_order(reading, identity, order_id)


@orders.delete(
    "/orders/{order_id}", responses=problems(401, 403, 404, 422), summary="Cancel an order"
)
async def cancel_order(
    identity: Trader, changes: Changing, services: ServicesDep, order_id: OrderPath
) -> StoredOrderView:
    """Cancel an open order; 422 `order_not_open` for one that is not open any more."""
    async with services.database.connect() as connection:
        await _own_order(connection, identity, order_id)
    await changes.apply(CancelOrder(int(order_id), identity.account_id))
    async with services.database.connect() as connection:
        return await _own_order(connection, identity, order_id)


@orders.delete(
    "/orders", responses=problems(401, 403, 404, 422), summary="Cancel an account's orders"
)
async def cancel_orders(
    identity: Trader,
    changes: Changing,
    account_id: AccountFilter = None,
    symbol: SymbolFilter = None,
) -> CanceledView:
    """Cancel an account's open orders, in one contract or in all. A trader may leave out
    `account_id`; an admin may not."""
    account = account_id or identity.account_id
    if account is None:
        raise malformed("account_id is needed", Fault.malformed_query, field="account_id")
    identity.check_account(account)
    canceled, _ = await changes.apply(CancelOrders(account, symbol))
    return CanceledView(order_ids=list(canceled.order_ids))


@trades.get(
    "/trades",
    responses=problems(401, 403, 404, 422),
    openapi_extra=OPTIONAL_KEY,
    response_model_exclude_unset=True,
    summary="List trades",
)
async def list_trades(
    identity: MaybeKey,
    services: ServicesDep,
    paging: Paged,
    account_id: AccountFilter = None,
    symbol: SymbolFilter = None,
) -> Page[TradeView]:
    """Trades, newest first: of a contract (public, without accounts), or with `account_id` and
    a key those of an account, with its side, order, role and fee. One of the two is needed."""
    account = visible_account(identity, account_id)
    if account is None and symbol is None:
        raise malformed("symbol or account_id is needed", Fault.malformed_query, field="symbol")
    keyed = identity is not None
    heavy = paging.large or (account is not None and symbol is not None)
    async with services.reading(heavy=heavy, narrow="one filter only", keyed=keyed) as reading:
        rows = await queries.list_trades(
            reading, paging.fetch, account_id=account, symbol=symbol, before=paging.before_id()
        )
        return await paging.slowly(rows, lambda row: _trade_view(row, account), "trade_id")


async def _own_order(
    connection: AsyncConnection, identity: Identity, order_id: str
) -> StoredOrderView:
    """The order; 404 for one that the key may not see."""
    row = await queries.get_order(connection, int(order_id))
    if row is None or not identity.sees(row["account_id"]):
        raise unknown("order_id")
    terms = await _price_terms(connection, [row])
    return order_view(row, terms[row["symbol"]])


async def _price_terms(connection: AsyncConnection, rows: Any) -> Mapping[str, Terms]:
    return await contract_queries.price_terms(connection, {row["symbol"] for row in rows})


def order_view(row: Row, terms: Terms) -> StoredOrderView:
    """An order from its row and its contract's size and tick."""
    filled = row["filled_quantity"]
    average = None
    if filled:
        with localcontext(EXACT):
            average = terms.average_price(row["filled_value"], filled)
    return StoredOrderView.of(
        row, remaining_quantity=row["quantity"] - filled, average_price=average
    )


def _trade_view(row: Row, account_id: str | None) -> TradeView:
    liquidation = row["liquidation_id"] is not None
    if account_id is None:
        return TradeView.of(row, liquidation=liquidation)
    role: Literal["taker", "maker"] = "taker" if row["taker_account_id"] == account_id else "maker"
    taker = row["taker_side"]
    return TradeView.of(
        row,
        liquidation=liquidation,
        account_id=account_id,
        order_id=row[f"{role}_order_id"],
        side=taker if role == "taker" else orderbook.opposite(taker),
        role=role,
        fee=row[f"{role}_fee"],
    )
