"""Orders and trades."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from decimal import localcontext
from typing import Annotated, Any, Literal

import asyncpg
from fastapi import Body, Path, Query
from sqlalchemy.ext.asyncio import AsyncConnection

from app.api.access import OPTIONAL_KEY, Identity, MaybeKey, Trader, visible_account
from app.api.changing import Changing, Posting
from app.api.faults import Fault
from app.api.paging import Paged
from app.api.placing import at_once_of, group_json, group_of, order_json, waiting_of
from app.api.problems import malformed, refused, unknown
from app.api.routing import BY_POST, changing, keyed, router
from app.api.schemas.base import ACCOUNT_PATTERN, ID_PATTERN, SYMBOL_PATTERN, Page
from app.api.schemas.orders import (
    ORDER,
    STOP,
    AmendBody,
    CanceledView,
    GroupBody,
    GroupView,
    OrderBody,
    PlacedOrderView,
    PlacedTriggeredView,
    PreviewView,
    StoredOrderView,
    TradeView,
    TriggeredOrderView,
)
from app.api.services import Reading, Services, ServicesDep
from app.engine.commands import (
    OrderStatus,
    TriggeredStatus,
)
from app.engine.commands.orders import AmendOrder, CancelOrder, CancelOrders, PlaceOrder
from app.engine.commands.triggered import AmendTriggered, PlaceGroup, PlaceTriggered
from app.engine.engine import Engine
from app.engine.figures import orderbook
from app.engine.handlers.preview import Preview, preview, preview_waiting
from app.engine.numbers import EXACT
from app.engine.rejections import Code, Rejection
from app.engine.valuation import Terms
from app.store.loader import load_book, load_prices_and_waiting
from app.store.queries import Row
from app.store.queries import contracts as contract_queries
from app.store.queries import orders as queries
from app.store.reads import raw

orders = router("orders")
trades = router("orders")

OrderPath = Annotated[str, Path(pattern=ID_PATTERN, examples=["1"])]
AccountFilter = Annotated[str | None, Query(pattern=ACCOUNT_PATTERN)]
SymbolFilter = Annotated[str | None, Query(pattern=SYMBOL_PATTERN)]


StoredView = StoredOrderView | TriggeredOrderView


@orders.post(
    "/orders/preview",
    responses=keyed(
        Fault.malformed_body,
        *Engine.handlers[PlaceOrder].refusals,
        *Engine.handlers[PlaceTriggered].refusals,
    ),
    summary="What an order would do",
)
async def preview_order(
    identity: Trader,
    services: ServicesDep,
    reading: Reading,
    body: Annotated[
        OrderBody, Body(openapi_examples={"limit": {"value": ORDER}, "stop": {"value": STOP}})
    ],
) -> PreviewView:
    """What an order would need and leave, or the refusal it would get; nothing changes.

    One that waits for a price needs nothing until that triggers it, and is judged anew then. It is
    judged on committed data, which may be a moment old.
    """
    identity.check_account(body.account_id)
    found = await _preview(services, await raw(reading), body)
    if isinstance(found, Rejection):
        raise refused(found)
    return PreviewView(**asdict(found))


async def _preview(
    services: Services, connection: asyncpg.Connection, body: OrderBody
) -> Preview | Rejection:
    symbol, limits, account_id = body.symbol, services.runner.limits, body.account_id
    if body.waits:
        state = await load_prices_and_waiting(connection, symbol, limits, account_id)
    else:
        bounds = {orderbook.opposite(body.side): body.price}
        state = await load_book(connection, symbol, bounds, limits, account_id)
    if account_id not in state.accounts:
        raise unknown("account_id")
    now = services.runner.now()
    with localcontext(EXACT):
        if body.waits:
            return preview_waiting(state, waiting_of(body), now)
        return preview(state, at_once_of(body), now)


@orders.post(
    "/orders/groups",
    status_code=201,
    responses=changing(PlaceGroup, *BY_POST),
    summary="Place orders that decide about each other",
)
async def place_group(identity: Trader, changes: Posting, body: GroupBody) -> GroupView:
    """Place two orders of which one cancels the other, or a bracket: all of them or none (TRG-2).

    One that is refused refuses all. What a bracket's entry fills, the others close: they wait for
    their prices from its first fill on.
    """
    for order in body.orders:
        identity.check_account(order.account_id)
    placed, _ = await changes.apply(group_of(body))
    return GroupView.model_validate(group_json(body, placed))


@orders.get(
    "/orders", responses=keyed(Code.unknown_account, Fault.query_too_wide), summary="List orders"
)
async def list_orders(
    *,
    identity: Trader,
    services: ServicesDep,
    paging: Paged,
    account_id: AccountFilter = None,
    symbol: SymbolFilter = None,
    status: Annotated[
        OrderStatus | TriggeredStatus | Literal["open"] | None,
        Query(description="`open` is new or partially filled; `untriggered` waits for a price."),
    ] = None,
) -> Page[StoredView]:
    """Orders, newest first, those that wait for a price or did among them. A trader sees its own;
    an admin everyone's."""
    if account_id is not None:
        identity.check_account(account_id)
    account = account_id or identity.account_id
    # An account's open orders are few (ORD-10); of its others, and of everybody's, there is no end.
    is_short = account is not None and status in ("open", "untriggered", *queries.OPEN_STATUSES)
    filters = status is not None or (account is not None and symbol is not None)
    heavy = paging.large or (filters and not is_short)
    async with services.reading(heavy=heavy, narrow="fewer filters", keyed=True) as reading:
        rows = await queries.list_orders(
            reading,
            paging.fetch,
            account_id=account,
            symbol=symbol,
            status=status,
            before=paging.before_id(),
        )
        terms = await _price_terms(reading, rows)
        return await paging.slowly(
            rows, lambda row: order_view(row, terms[row["symbol"]]), "order_id"
        )


@orders.get("/orders/{order_id}", responses=keyed(Fault.unknown_order), summary="One order")
async def get_order(identity: Trader, reading: Reading, order_id: OrderPath) -> StoredView:
    """An order as it is now."""
    return await _own_order(reading, identity, order_id)


@orders.patch(
    "/orders/{order_id}",
    responses=changing(
        AmendOrder,
        Fault.malformed_body,
        Fault.unknown_order,
        *Engine.handlers[AmendTriggered].refusals,
    ),
    summary="Amend an order",
)
async def amend_order(
    identity: Trader,
    changes: Changing,
    services: ServicesDep,
    order_id: OrderPath,
    body: AmendBody,
) -> PlacedOrderView | PlacedTriggeredView:
    """Give an open order another quantity or price.

    Where only its quantity falls, it keeps its place. Else it is judged and matched as a new order
    would be, and is behind all others at its price; what is refused leaves it as it was. Repeated,
    it changes nothing. One that is untriggered may be given other terms until its price is there,
    and keeps its number.
    """
    async with services.database.connect() as connection:
        own = await _own_order(connection, identity, order_id)
    if isinstance(own, TriggeredOrderView):
        waiting, _ = await changes.apply(
            AmendTriggered(
                int(order_id),
                quantity=body.quantity,
                price=body.price,
                trigger_price=body.trigger_price,
                callback_rate=body.callback_rate,
                account_id=identity.account_id,
            )
        )
        return PlacedTriggeredView(**order_json(waiting))
    for field, code in (
        ("trigger_price", Code.trigger_price_not_allowed),
        ("callback_rate", Code.callback_rate_not_allowed),
    ):
        if field in body.model_fields_set:
            raise refused(Rejection.of(code, "the order waits for no price"))
    command = AmendOrder(int(order_id), body.quantity, body.price, identity.account_id)
    amended, _ = await changes.apply(command)
    return PlacedOrderView(**order_json(amended))


@orders.delete(
    "/orders/{order_id}",
    responses=changing(CancelOrder, Fault.unknown_order),
    summary="Cancel an order",
)
async def cancel_order(
    identity: Trader, changes: Changing, services: ServicesDep, order_id: OrderPath
) -> StoredView:
    """Cancel an order that is open or untriggered; 422 `order_not_open` for one that is not any
    more."""
    async with services.database.connect() as connection:
        await _own_order(connection, identity, order_id)
    await changes.apply(CancelOrder(int(order_id), identity.account_id))
    async with services.database.connect() as connection:
        return await _own_order(connection, identity, order_id)


@orders.delete("/orders", responses=changing(CancelOrders), summary="Cancel an account's orders")
async def cancel_orders(
    identity: Trader,
    changes: Changing,
    account_id: AccountFilter = None,
    symbol: SymbolFilter = None,
) -> CanceledView:
    """Cancel an account's open and untriggered orders, in one contract or in all. A trader may
    leave out `account_id`; an admin may not."""
    account = account_id or identity.account_id
    if account is None:
        raise malformed("account_id is needed", Fault.malformed_query, field="account_id")
    identity.check_account(account)
    canceled, _ = await changes.apply(CancelOrders(account, symbol))
    return CanceledView(order_ids=list(canceled.order_ids))


@trades.get(
    "/trades",
    responses=keyed(Code.unknown_account, Fault.query_too_wide),
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


async def _own_order(connection: AsyncConnection, identity: Identity, order_id: str) -> StoredView:
    """The order; 404 for one that the key may not see."""
    row = await queries.get_order(connection, int(order_id))
    if row is None or not identity.sees(row["account_id"]):
        raise unknown("order_id")
    terms = await _price_terms(connection, [row])
    return order_view(row, terms[row["symbol"]])


async def _price_terms(connection: AsyncConnection, rows: Any) -> Mapping[str, Terms]:
    return await contract_queries.price_terms(connection, {row["symbol"] for row in rows})


def order_view(row: Row, terms: Terms) -> StoredView:
    """An order from its row and its contract's size and tick."""
    if "trigger_price" in row:
        closes = row["quantity"] is None
        return TriggeredOrderView.of(
            row,
            close_position=closes,
            remaining_quantity=row["quantity"],
            became_order_id=row["became"],
        )
    filled = row["filled_quantity"]
    average = None
    if filled:
        with localcontext(EXACT):
            average = terms.average_price(row["filled_value"], filled)
    return StoredOrderView.of(
        row, remaining_quantity=row["quantity"] - filled, average_price=average
    )


def _trade_view(row: Row, account_id: str | None) -> TradeView:
    why = {
        "liquidation": row["liquidation_id"] is not None,
        "offload": row["taker_account_id"] is None,
    }
    if account_id is None:
        return TradeView.of(row, **why)
    role: Literal["taker", "maker"] = "taker" if row["taker_account_id"] == account_id else "maker"
    taker = row["taker_side"]
    return TradeView.of(
        row,
        **why,
        account_id=account_id,
        order_id=row[f"{role}_order_id"],
        side=taker if role == "taker" else orderbook.opposite(taker),
        role=role,
        position_side=row[f"{role}_position_side"],
        fee=row[f"{role}_fee"],
    )
