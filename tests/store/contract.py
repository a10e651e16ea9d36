"""What a `Store` must do, whichever it is: PostgreSQL and the simulated one run the same tests.

A failure of the simulation says something of the service only as long as both keep this.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from decimal import Decimal
from typing import Any, Protocol

import asyncpg
import pytest

from app.engine.rejections import Rejection
from app.engine.results import Done, OrderReceipt
from app.engine.state import State
from app.runner.runner import CANNOT_LEAD
from app.store.answers import Known
from app.store.growing import WIDTHS, join
from app.store.rows import Writes, collect
from app.store.store import Store
from app.store.tables.log import StoredAnswer
from app.store.writer import StaleLeader
from tests.store.states import NASTY, START, Exchange, small_exchange

BROKEN = (AssertionError, asyncpg.IntegrityConstraintViolationError)
"""How a store refuses what no leader should send."""

Contents = dict[str, set[str]]
"""The keys of the rows that are durable, by table; the log's are its sequences."""
GrownRows = dict[Any, Any]
"""Rows that grow, by their key."""


class House(Protocol):
    """Where leaders store one after the other."""

    async def lead(self) -> Store:
        """A store for a new leader, under an epoch of its own."""

    async def contents(self) -> Contents:
        """What is durable."""

    async def grown(self, name: str) -> GrownRows:
        """The rows of a table that grow, as they are durable."""

    async def spoil(self, scope: str, key: str) -> None:
        """Make a stored answer one of a format that nobody knows."""

    async def lose(self, store: Store, batch: Writes, *, written: bool) -> None:
        """Commit while the connection is lost, before or after it was durable; raises as it does.

        The store has committed a batch of the same tables before.
        """

    def late(self, store: Store, batch: Writes) -> AbstractAsyncContextManager[None]:
        """A commit is under way, and its leader is gone; it arrives when the body is left."""


class Life:
    """An exchange whose outcomes are taken batch by batch."""

    def __init__(self, exchange: Exchange | None = None) -> None:
        self.exchange = exchange or Exchange()
        self._taken = 0

    def batch(self, *answers: StoredAnswer, commands: int = 0) -> Writes:
        """What happened since the last, and so many more commands."""
        for _ in range(commands):
            self.exchange.step()
        outcomes, self._taken = self.exchange.outcomes[self._taken :], len(self.exchange.outcomes)
        return collect(outcomes, answers, self.exchange.state.counters)


def answer(
    key: str, results: Sequence[object], scope: str = "request/1", *, replaces: bool = False
) -> StoredAnswer:
    return StoredAnswer(scope, key, f"digest of {key}", results, START, replaces)


def known(key: str, *results: object) -> Known:
    return Known(f"digest of {key}", list(results))


RECEIPT = OrderReceipt(
    order_id=7, client_order_id="a", account_id="alice", symbol="BTCUSDT", side="buy",
    position_side="both", type="limit", time_in_force="gtc", reduce_only=False, price=Decimal(2),
    quantity=Decimal(1), status="new", filled_quantity=Decimal(0), remaining_quantity=Decimal(1),
    average_price=None, fills=(), reason=None, created_at=START,
)  # fmt: skip


def decimals(*texts: str) -> tuple[Decimal, ...]:
    return tuple(map(Decimal, texts))


class StoreContract:
    """Subclass it with a fixture `house`."""

    async def test_a_batch_is_durable_when_it_is_committed(self, house: House) -> None:
        """Commands, state, records and answers together."""
        store, life = await house.lead(), Life(small_exchange())
        batch = life.batch(answer("a", [Done("x")]))
        await store.commit(batch)
        contents = await house.contents()
        assert contents["commands"] == {repr((row[0],)) for row in batch.commands}
        for name, rows in (batch.appends | batch.upserts).items():
            assert len(contents[name]) == len(rows), name
        asked = "request/1", "a"
        assert await store.look_up([asked]) == {asked: known("a", Done("x"))}

    async def test_one_batch_follows_the_other(self, house: House) -> None:
        """In order of their sequences, whoever leads."""
        life = Life()
        for number in (1, 3, 5):
            store = await house.lead()
            await store.commit(life.batch(commands=number))
            await store.commit(life.batch(commands=number + 1))
        sequences = {repr((number,)) for number in range(1, 22)}
        assert (await house.contents())["commands"] == sequences

    async def test_state_is_replaced_and_deleted_records_stay(self, house: House) -> None:
        store, life = await house.lead(), Life(small_exchange())
        await store.commit(life.batch())
        before = await house.contents()
        exchange = life.exchange
        for position in list(exchange.state.markets["BTCUSDT"].positions.values()):
            exchange.close(position)
        exchange.hold(exchange.state.accounts["bob"], "BTCUSDT", "7", "1")
        await store.commit(life.batch())
        after = await house.contents()
        assert before["positions"] > after["positions"]
        assert after["positions"] == {repr(("bob", "BTCUSDT", "both"))}
        assert before["trades"] <= after["trades"]
        assert before["wallets"] <= after["wallets"]

    async def test_candles_grow(self, house: House) -> None:
        """What a batch brings is merged into what is there, whoever leads, within their minute."""
        life, grown = Life(), GrownRows()
        life.exchange.list_contract("BTCUSDT", "f")
        for number, prices in enumerate((["7", "9", "8"], ["60001"], ["5", "6"])):
            store = await house.lead()
            for price in prices:
                life.exchange.price("BTCUSDT", price, f"{price}.5")
                batch = life.batch(commands=number)
                await store.commit(batch)
                join(grown, batch.merges.get("candles", ()))
        assert await house.grown("candles") == grown
        names = {candle[:4] for candle in grown.values()}
        assert names == {
            ("BTCUSDT", source, interval, START)
            for source in ("mark", "index") for interval in WIDTHS
        }  # fmt: skip
        minute = grown["BTCUSDT", "mark", "1m", START]
        ends = Decimal("60000.5"), Decimal(60001), Decimal(5), Decimal(6)
        assert minute[4:] == (*ends, Decimal(0), 7)

    async def test_candles_of_trades_have_a_volume(self, house: House) -> None:
        """The next minute has a candle of its own, the hour has both."""
        store, life, grown = await house.lead(), Life(small_exchange()), GrownRows()
        order = next(iter(life.exchange.state.orders.values()))
        for _ in range(4):
            life.exchange.fill(order, "0.001")
            batch = life.batch(commands=30)
            await store.commit(batch)
            join(grown, batch.merges.get("candles", ()))
        assert await house.grown("candles") == grown
        minutes = [c for c in grown.values() if c[:3] == (order.symbol, "trades", "1m")]
        hour = grown[order.symbol, "trades", "1h", START]
        assert len(minutes) > 1
        # The exchange began with a trade of 0.2.
        assert sum(c.volume for c in minutes) == hour.volume == Decimal("0.204")
        assert sum(c.count for c in minutes) == hour.count == 5

    async def test_candles_of_who_was_replaced_do_not_grow(self, house: House) -> None:
        """Nor by what a leader was not told of: it is there once, or not at all."""
        old, life, batches = await house.lead(), Life(), []
        life.exchange.list_contract("BTCUSDT", "f")
        await old.commit(life.batch())
        before = await house.grown("candles")
        for _ in range(2):
            life.exchange.price("BTCUSDT", "7", "8")
            batches.append(life.batch())
        new = await house.lead()
        with pytest.raises(StaleLeader):
            await old.commit(batches[0])
        assert await house.grown("candles") == before
        await new.commit(batches[0])
        with pytest.raises(CANNOT_LEAD):
            await house.lose(new, batches[1], written=True)
        await house.lead()
        for batch in batches:
            join(before, batch.merges.get("candles", ()))
        assert await house.grown("candles") == before

    async def test_what_is_kept_of_a_fund_grows(self, house: House) -> None:
        """By the minute and across hours, whoever leads: what came in and went out, and how much
        was liquidated."""
        life = Life(small_exchange())
        fund, grown = life.exchange.open_fund("grown"), defaultdict[str, GrownRows](dict)
        for amounts in (["7", "-9"], ["-2.5", "1"], ["4"]):
            store = await house.lead()
            for amount in amounts:
                life.exchange.move(fund, "BTCUSDT", amount)
                batch = life.batch(commands=1000)
                await store.commit(batch)
                for name, rows in batch.merges.items():
                    join(grown[name], rows)
        for name, there in grown.items():
            assert await house.grown(name) == there
        day = "grown", "USDT", "1d", START
        assert grown["fund_intervals"][day][4:] == decimals("0", "1007", "0", "1000.5")
        assert grown["fund_flows"][(*day, "adjustment")][5:] == decimals("12", "11.5", "9")
        behind = "zeta", "USDT", "1d", START
        assert grown["fund_volumes"][(*behind, "adl", "long")][6:] == decimals("2", "10")
        assert sum(row[2] == "1h" for row in grown["fund_intervals"]) > 1

    @pytest.mark.parametrize("with_commands", [True, False])
    async def test_who_was_replaced_commits_nothing(
        self, house: House, with_commands: bool
    ) -> None:
        """From the moment at which the next one leads; answers alone neither."""
        old, life = await house.lead(), Life()
        await old.commit(life.batch(commands=1))
        new = await house.lead()
        before = await house.contents()
        with pytest.raises(StaleLeader):
            await old.commit(life.batch(answer("a", [Done()]), commands=int(with_commands)))
        assert await house.contents() == before
        assert await new.look_up([("request/1", "a")]) == {}
        life = Life()
        life.batch(commands=1)
        await new.commit(life.batch(commands=1))

    @pytest.mark.parametrize("what", ["command", "answer"])
    async def test_a_batch_that_cannot_be_is_refused_whole(self, house: House, what: str) -> None:
        """Nothing is durable twice: of such a batch nothing is written, the rest of it neither."""
        store, life = await house.lead(), Life(small_exchange())
        await store.commit(life.batch(answer("a", [Done()])))
        before = await house.contents()
        life = life if what == "answer" else Life()
        twice = [answer("a", [Done("again")])] if what == "answer" else []
        with pytest.raises(BROKEN):
            await store.commit(life.batch(*twice, answer("b", [Done()]), commands=2))
        assert await house.contents() == before
        assert await store.look_up([("request/1", "a"), ("request/1", "b")]) == {
            ("request/1", "a"): known("a", Done())
        }

    async def test_answers_without_commands(self, house: House) -> None:
        """As of a batch of which each was refused."""
        store, refusal = await house.lead(), Rejection("no", "it is so", {"why": NASTY})
        await store.commit(Life().batch(answer("a", [refusal, refusal])))
        assert await store.look_up([("request/1", "a")]) == {
            ("request/1", "a"): known("a", refusal, refusal)
        }
        assert not (await house.contents()).get("commands")

    async def test_nothing_to_commit(self, house: House) -> None:
        """Not even a round trip: so nobody finds out that he was replaced."""
        old = await house.lead()
        await house.lead()
        before = await house.contents()
        await old.commit(collect([], [], State().counters))
        assert await house.contents() == before

    async def test_answers_are_found_by_scope_and_key(self, house: House) -> None:
        """Those that are there, of whichever leader, whatever characters they have."""
        store = await house.lead()
        given = [answer("a", [Done("1")]), answer("a", [Done("2")], "request/2")]
        given += [answer(NASTY, [Done(NASTY)], NASTY), answer("a", [RECEIPT], "order/alice")]
        await store.commit(Life().batch(*given))
        store = await house.lead()
        names = [(one.scope, one.key) for one in given]
        assert await store.look_up(names) == {
            (one.scope, one.key): known(one.key, *one.results) for one in given
        }
        others = [("request/2", "b"), (NASTY, "a"), ("", ""), names[1]]
        assert await store.look_up(others) == {names[1]: known("a", Done("2"))}
        assert await store.look_up(others[:3]) == {}

    async def test_parts_of_an_answer_are_replaced(self, house: House) -> None:
        """None is what is not applied yet; only who says so replaces."""
        store, name = await house.lead(), ("request/1", "a")
        await store.commit(Life().batch(answer("a", [Done("1"), None])))
        assert await store.look_up([name]) == {name: known("a", Done("1"), None)}
        whole = answer("a", [Done("1"), Done("2")], replaces=True)
        await store.commit(Life().batch(whole))
        assert await store.look_up([name]) == {name: known("a", Done("1"), Done("2"))}

    async def test_an_answer_that_cannot_be_read_has_no_results(self, house: House) -> None:
        """Its digest still says whose it is; those beside it are read (ORD-1)."""
        store = await house.lead()
        no_receipt = answer("c", [Done()], "order/alice")
        await store.commit(Life().batch(answer("a", [Done()]), answer("b", [Done()]), no_receipt))
        await house.spoil("request/1", "a")
        names = [("request/1", "a"), ("request/1", "b"), ("order/alice", "c")]
        assert await store.look_up(names) == dict(
            zip(names, [known("a"), known("b", Done()), known("c")], strict=True)
        )

    async def test_answers_are_looked_up_while_a_commit_is_under_way(self, house: House) -> None:
        store, life = await house.lead(), Life()
        await store.commit(life.batch(answer("a", [Done()])))
        _, found = await asyncio.gather(
            store.commit(life.batch(commands=1)), store.look_up([("request/1", "a")])
        )
        assert found == {("request/1", "a"): known("a", Done())}

    @pytest.mark.parametrize("written", [True, False], ids=["answer lost", "never arrived"])
    async def test_who_loses_the_connection_does_not_know(
        self, house: House, written: bool
    ) -> None:
        """The same to the leader, who is not told of a newer one; the next finds all or nothing."""
        store, life = await house.lead(), Life()
        await store.commit(life.batch(answer("a", [Done()]), commands=1))
        before = await house.contents()
        with pytest.raises(CANNOT_LEAD):
            await house.lose(store, life.batch(answer("b", [Done()]), commands=2), written=written)
        store = await house.lead()
        contents = await house.contents()
        if not written:
            assert contents == before
            return
        assert contents["commands"] == {repr((number,)) for number in (1, 2, 3)}
        assert await store.look_up([("request/1", "b")]) == {("request/1", "b"): known("b", Done())}

    async def test_what_arrives_late_is_there_when_the_next_leads_or_never(
        self, house: House
    ) -> None:
        store, life = await house.lead(), Life()
        await store.commit(life.batch(answer("a", [Done()]), commands=1))
        async with house.late(store, life.batch(answer("b", [Done()]), commands=2)):
            taking_over = asyncio.create_task(house.lead())
            await asyncio.sleep(0.1)
            found = await house.contents() if taking_over.done() else None
        store = await taking_over
        contents = await house.contents()
        assert contents == (found or contents)
        whole = bool(await store.look_up([("request/1", "b")]))
        assert len(contents["commands"]) == (3 if whole else 1)
