"""Clients that send random requests, give up waiting, and send again what they may.

Every command is unlike any other (by reference, client order id, quantity or index price), so that
the log shows how often it took effect.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import count
from typing import Literal

from app.engine.commands import Command
from app.engine.commands.accounts import ConfigureContract, Deposit, Withdraw
from app.engine.commands.contracts import CreateContract
from app.engine.commands.funds import ContributeToFund, CreateFund
from app.engine.commands.orders import PlaceOrder
from app.engine.commands.prices import Tick
from app.engine.rejections import Rejection
from app.runner.answers import Answer, AnswerConflict, AnswerKey
from app.runner.submission import Busy, NotLeader
from app.store import codec
from tests.engine.world import contract, open_account
from tests.simulation.cluster import Cluster
from tests.simulation.store import no_news

TRADERS = [f"trader-{number}" for number in range(6)]
SYMBOLS = ["AUSDT", "BUSDT"]
LOT = Decimal("0.001")
CENT = Decimal("0.01")


def opening() -> list[Command]:
    """A fund with little money, two contracts, traders with deposits, half of them isolated."""
    commands: list[Command] = [
        CreateFund("f", "F"),
        ContributeToFund("f", "main", "USDT", Decimal(50), "seed_capital"),
    ]
    commands += [CreateContract(contract(symbol, "f")) for symbol in SYMBOLS]
    commands += [Tick(symbol, Decimal(100)) for symbol in SYMBOLS]
    for number, trader in enumerate(TRADERS):
        mode: Literal["cross", "isolated"] = "isolated" if number % 2 else "cross"
        commands += [open_account(trader), Deposit(trader, "USDT", Decimal(200))]
        commands += [ConfigureContract(trader, symbol, 50, mode) for symbol in SYMBOLS]
    return commands


@dataclass
class Request:
    """What a client sent and what it was told; `results` None: it gave up without an answer."""

    commands: list[Command]
    key: AnswerKey | None
    results: list[object] | None = None

    @property
    def repeatable(self) -> bool:
        """Whether sending it again cannot do it twice."""
        return self.key is not None or all(
            isinstance(command, PlaceOrder) and command.client_order_id for command in self.commands
        )


@dataclass
class Clients:
    """Some clients at once, and all that they sent."""

    cluster: Cluster
    requests: list[Request] = field(default_factory=list)
    _numbers: count[int] = field(default_factory=lambda: count(1))
    _marks: dict[str, Decimal] = field(default_factory=lambda: dict.fromkeys(SYMBOLS, Decimal(100)))

    async def run(self, clients: int, requests: int) -> None:
        """Open the market, then send; returns when every client has sent its requests."""
        await self._send(self._request(opening(), keyed=True))
        sending = [asyncio.create_task(self._client(requests)) for _ in range(clients)]
        await asyncio.gather(*sending)

    async def _client(self, requests: int) -> None:
        for _ in range(requests):
            await self.cluster.network.pause(20)
            await self._send(self._anything())

    def _request(self, commands: list[Command], *, keyed: bool) -> Request:
        key = None
        if keyed:
            digest = hashlib.sha256(repr(commands).encode()).hexdigest()
            key = AnswerKey("request/client", f"key-{next(self._numbers)}", digest)
        self.requests.append(Request(commands, key))
        return self.requests[-1]

    # What is asked

    def _anything(self) -> Request:
        chance = self.cluster.network.chance
        keyed = chance.random() < 0.7
        match chance.randrange(10):
            case 0:
                return self._request([self._money()], keyed=keyed)
            case 1 | 2:
                return self._request([self._tick()], keyed=keyed)
            case 3:
                ticks: list[Command] = [self._tick() for _ in range(chance.randint(2, 5))]
                return self._request(ticks, keyed=keyed)
            case 4 | 5:
                orders: list[Command] = [self._order() for _ in range(chance.randint(2, 5))]
                return self._request(orders, keyed=True)
            case _:
                return self._request([self._order()], keyed=chance.random() < 0.5)

    def _money(self) -> Command:
        chance, number = self.cluster.network.chance, next(self._numbers)
        amount, trader = Decimal(chance.randint(1, 5000)) * CENT, chance.choice(TRADERS)
        match chance.randrange(4):
            case 0:
                return Withdraw(trader, "USDT", amount, f"w-{number}")
            case 1:
                return ContributeToFund("f", "main", "USDT", amount, "adjustment", f"c-{number}")
            case _:
                return Deposit(trader, "USDT", amount, f"d-{number}")

    def _tick(self) -> Tick:
        """Prices walk in large steps, so that positions are liquidated."""
        chance = self.cluster.network.chance
        symbol = chance.choice(SYMBOLS)
        price = self._marks[symbol] * chance.randint(94, 106) / 100
        self._marks[symbol] = price = price.quantize(CENT)
        return Tick(symbol, price, index_price=Decimal(next(self._numbers)))

    def _order(self) -> PlaceOrder:
        chance, number = self.cluster.network.chance, next(self._numbers)
        symbol = chance.choice(SYMBOLS)
        price = self._marks[symbol] * chance.randint(980, 1020) / 1000
        return PlaceOrder(
            chance.choice(TRADERS), symbol, chance.choice(["buy", "sell"]), "limit",
            chance.randint(0, 15) + number * LOT, price.quantize(CENT),
            client_order_id=f"o-{number}" if chance.random() < 0.5 else None,
        )  # fmt: skip

    # How it is sent

    async def _send(self, request: Request) -> None:
        """Until it is answered, or once where a repetition could do it twice."""
        network = self.cluster.network
        while request.results is None:
            try:
                request.results = (await self._ask(request)).results
            except Busy:
                await network.pause(40)
            except (NotLeader, TimeoutError):
                if not request.repeatable:
                    return
                await network.pause(40)
        self._check_durable(request)
        kept = len(request.commands) > 1 or not isinstance(request.results[0], Rejection)
        if request.key and kept and network.chance.random() < 0.05:
            await self._misuse(request.key)

    async def _ask(self, request: Request) -> Answer:
        """One attempt; a client's patience is sometimes short."""
        network = self.cluster.network
        asking = asyncio.create_task(self.cluster.submit(request.commands, request.key))
        asking.add_done_callback(no_news)
        if network.chance.random() < 0.2:
            await network.pause(80)
            if not asking.done():
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)
                raise TimeoutError
        return await asking

    def _check_durable(self, request: Request) -> None:
        """Nothing is answered before it is durable."""
        assert request.results is not None
        for command, result in zip(request.commands, request.results, strict=True):
            if not isinstance(result, Rejection):
                written = self.cluster.disk.written[codec.encode_command(command)]
                assert written == 1, f"answered, but written {written} times: {command}"
                self.cluster.answered.append(command)

    async def _misuse(self, key: AnswerKey) -> None:
        """The key of an answered request under another body is a conflict for ever."""
        try:
            await self.cluster.submit([self._money()], replace(key, digest="0" * 64))
        except (AnswerConflict, NotLeader, Busy):
            return
        raise AssertionError(f"{key} was answered, and then used for something else")
