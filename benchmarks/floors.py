"""The floors F1 and F2: what the usual way of building such a service reaches.

F1 parses the order with a pydantic model and echoes it. F2 inserts it in a transaction of its own.
Run as `python -m benchmarks.floors ADDRESS`; serves on a port that the system chooses.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import asyncpg
import uvicorn
import uvloop
from fastapi import FastAPI, Request
from pydantic import BaseModel

POOL = 16

TABLE = """
    CREATE TABLE IF NOT EXISTS floor_orders (
        order_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        account_id text NOT NULL, symbol text NOT NULL, side text NOT NULL, type text NOT NULL,
        quantity numeric NOT NULL, price numeric, time_in_force text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
    )
"""
INSERT = """
    INSERT INTO floor_orders (account_id, symbol, side, type, quantity, price, time_in_force)
    VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING order_id
"""


class Order(BaseModel):
    """The body of an order, without any rule."""

    account_id: str
    symbol: str
    side: str
    type: str
    quantity: Decimal
    price: Decimal
    time_in_force: str = "gtc"
    self_trade_prevention: str = "expire_taker"


class Inserted(BaseModel):
    """The identifier that the database gave."""

    order_id: str


def create_app(address: str) -> FastAPI:
    """The two routes on a pool of connections."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with asyncpg.create_pool(address, min_size=POOL, max_size=POOL) as pool:
            await pool.execute(TABLE)
            app.state.pool = pool
            yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/echo", status_code=201)
    async def echo(order: Order) -> Order:
        return order

    @app.post("/insert", status_code=201)
    async def insert(order: Order, request: Request) -> Inserted:
        order_id = await request.app.state.pool.fetchval(
            INSERT, order.account_id, order.symbol, order.side, order.type, order.quantity,
            order.price, order.time_in_force,
        )  # fmt: skip
        return Inserted(order_id=str(order_id))

    return app


async def serve(address: str) -> None:
    """Serve until SIGTERM."""
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener:
        print(f"serves on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        config = uvicorn.Config(
            create_app(address), http="httptools", log_level="warning", access_log=False
        )
        await uvicorn.Server(config).serve([listener])


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(sys.argv[1]))
