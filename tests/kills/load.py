"""Clients that trade, pay and quote at once, and remember what they were told."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from time import monotonic
from typing import Any, Self

import httpx

from tests.kills.service import ADMIN_KEY

HERD = [f"herd-{number}" for number in range(80)]
"""Accounts that buy together and are liquidated by one tick: a cascade of two steps and more."""
TRADERS = [f"trader-{number}" for number in range(6)]
LARGE = "100000000"

Body = dict[str, Any]


@dataclass
class Request:
    """A POST and what became of it; `status` 0: no answer, and it could not be sent again."""

    path: str
    body: Body
    key: str | None
    repeatable: bool
    status: int = 0
    answer: Any = None


class Load:
    """All clients of one service, and all their requests."""

    def __init__(self, address: str, chance: random.Random) -> None:
        self.requests: list[Request] = []
        self._chance = chance
        self._numbers = count(1)
        self._stopping = False
        self._client = httpx.AsyncClient(
            base_url=address,
            headers={"Authorization": f"Bearer {ADMIN_KEY}"},
            timeout=60,
            limits=httpx.Limits(max_connections=100),
        )
        self._first: tuple[float, asyncio.Future[float]] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def prepare(self) -> None:
        """Money in a fund, marks, and accounts with money and leverage."""
        await self._contribute("seed", LARGE)
        await self._tick("BTCUSDT", "60000")
        await self._tick("ETHUSDT", "3000")
        await asyncio.gather(*(self._open(account) for account in [*HERD, *TRADERS]))

    async def _open(self, account: str) -> None:
        opened = await self._client.post("/v1/accounts", json={"account_id": account})
        while opened.status_code == 503:  # busy: so many at once on a slow machine
            await asyncio.sleep(0.1)
            opened = await self._client.post("/v1/accounts", json={"account_id": account})
        assert opened.status_code == 201, opened.text
        await self._post(
            f"/v1/accounts/{account}/deposits",
            {"asset": "USDT", "amount": LARGE, "reference": f"first-{account}"},
        )
        settings = {"leverage": 50, "margin_mode": "isolated" if account in HERD else "cross"}
        path = f"/v1/accounts/{account}/contracts/BTCUSDT"
        configured = await self._client.put(path, json=settings)
        assert configured.is_success, configured.text

    def move(self, address: str) -> None:
        """Ask another instance from now on, as a proxy would."""
        self._client.base_url = httpx.URL(address)

    # Running

    async def run(self) -> None:
        """Until `stop`, when every client has an answer to what it asked last."""
        self._stopping = False
        clients: list[Callable[[], Awaitable[None]]] = [
            self._herd, self._quote, *2 * [self._pay], *6 * [self._trade],
        ]  # fmt: skip
        async with asyncio.TaskGroup() as group:
            for client in clients:
                group.create_task(self._repeat(client))

    def stop(self) -> None:
        """Let every client finish."""
        self._stopping = True

    async def first_answer(self, since: float) -> float:
        """Seconds from `since` to the answer to the first write sent after it that got one."""
        answered: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._first = since, answered
        return await answered

    async def _repeat(self, client: Callable[[], Awaitable[None]]) -> None:
        while not self._stopping:
            await client()

    # What the clients do

    async def _herd(self) -> None:
        """All of the herd buy with little margin, and a tick takes it."""
        await self._tick("BTCUSDT", "60000")
        await self._order("trader-0", "BTCUSDT", "sell", "0.160", "60000")
        orders = [self._order_body(account, "BTCUSDT", "buy", "0.002", "60000") for account in HERD]
        await self._post("/v1/orders/batch", {"orders": orders})
        await self._tick("BTCUSDT", self._chance.choice(["58500", "58000"]))

    async def _quote(self) -> None:
        await self._tick("ETHUSDT", str(self._chance.randint(2990, 3010)))

    async def _pay(self) -> None:
        amount = f"{self._chance.randint(1, 1000)}.{self._chance.randint(0, 99):02}"
        reference = f"paid-{next(self._numbers)}"
        if self._chance.random() < 0.4:
            await self._contribute(reference, amount)
        else:
            await self._post(
                f"/v1/accounts/{self._chance.choice(TRADERS)}/deposits",
                {"asset": "USDT", "amount": amount, "reference": reference},
                keyed=self._chance.random() < 0.5,
            )

    async def _trade(self) -> None:
        """An order unlike any other: by its quantity, and half of them by a client order id."""
        side, price = self._chance.choice(["buy", "sell"]), self._chance.randint(2990, 3010)
        size = f"{Decimal(10 + next(self._numbers)) / 1000}"
        body = self._order_body(self._chance.choice(TRADERS), "ETHUSDT", side, size, str(price))
        if self._chance.random() < 0.5:
            del body["client_order_id"]
        await self._post("/v1/orders", body, keyed=self._chance.random() < 0.5)

    async def _contribute(self, reference: str, amount: str) -> None:
        body = {
            "wallet": "main", "asset": "USDT", "amount": amount, "kind": "seed_capital",
            "reference": reference,
        }  # fmt: skip
        keyed = self._chance.random() < 0.5
        await self._post("/v1/insurance-funds/usdt-major/contributions", body, keyed=keyed)

    async def _tick(self, symbol: str, price: str) -> None:
        body = {"symbol": symbol, "mark_price": price, "sequence": next(self._numbers)}
        await self._post("/v1/prices", body, keyed=self._chance.random() < 0.5)

    async def _order(self, account: str, symbol: str, side: str, size: str, price: str) -> None:
        body = self._order_body(account, symbol, side, size, price)
        await self._post("/v1/orders", body, keyed=self._chance.random() < 0.5)

    def _order_body(self, account: str, symbol: str, side: str, size: str, price: str) -> Body:
        """An order unlike any other of its account: by its client order id."""
        return {
            "account_id": account, "symbol": symbol, "side": side, "type": "limit",
            "quantity": size, "price": price, "client_order_id": f"order-{next(self._numbers)}",
        }  # fmt: skip

    # How they ask

    async def _post(self, path: str, body: Body, *, keyed: bool = True) -> None:
        """Send until it is answered; once, if a repetition could do it twice."""
        key = f"key-{next(self._numbers)}" if keyed else None
        request = Request(path, body, key, keyed or "client_order_id" in body)
        self.requests.append(request)
        while not request.status:
            sent = monotonic()
            answer = await self._send(request)
            if answer is not None and answer.status_code != 503:
                request.status, request.answer = answer.status_code, answer.json()
                self._note(sent, answer)
            elif not request.repeatable:
                return
            else:
                await asyncio.sleep(0.05)

    async def _send(self, request: Request) -> httpx.Response | None:
        headers = {"Idempotency-Key": request.key} if request.key else {}
        try:
            return await self._client.post(request.path, json=request.body, headers=headers)
        except httpx.TransportError:
            return None

    def _note(self, sent: float, answer: httpx.Response) -> None:
        if self._first and sent > self._first[0] and answer.is_success:
            since, answered = self._first
            answered.set_result(monotonic() - since)
            self._first = None

    async def ask_again(self, request: Request) -> None:
        """A request that was answered gets the same answer again."""
        answer = await self._send(request)
        assert answer is not None
        assert (answer.status_code, answer.json()) == (request.status, request.answer)
