"""The machine's legs: opened, closed, turned; a hedged account has two in a contract (ORD-3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from app.engine.commands.accounts import ConfigureContract, Deposit, SetPositionMode
from app.engine.commands.orders import PlaceOrder
from app.engine.commands.triggered import PlaceTriggered
from app.engine.figures.orderbook import opposite
from app.engine.figures.ranking import LEGS
from app.engine.traders import Position
from tests.engine.markets import WHALE, everyone, legs, lots, offers, symbols, traders
from tests.engine.world import World

many = st.integers(5, 40)
far = st.sampled_from(("0.3", "0.8", "0.95", "0.97", "1.03", "1.05", "1.2", "3"))
near = st.sampled_from(("0.97", "0.99", "1", "1.01", "1.03"))


class Hedged(RuleBasedStateMachine):
    """For a machine with a `world`, in which any account may be in hedge mode."""

    world: World
    pick: Callable[[str], str]
    send: Callable[..., None]
    price: Callable[[str, str], Decimal]
    size: Callable[[str, int], Decimal]
    tick: Callable[..., None]
    opens = True

    @rule(opens=st.booleans())
    def lean(self, opens: bool) -> None:
        """From now on, orders of hedged accounts open legs, or close them."""
        self.opens = opens

    @rule(
        account=traders, symbol=symbols, counts=st.tuples(many, many),
        factors=st.tuples(near, near), move=far, leverage=st.sampled_from((None, 50)),
    )  # fmt: skip
    def hedge(
        self, account: str, symbol: str, counts: tuple[int, int], factors: tuple[str, str],
        move: str, leverage: int | None,
    ) -> None:  # fmt: skip
        """An account opens both legs of a contract, against the whale; then the mark moves."""
        symbol, own = self.pick(symbol), self.world.state.accounts[account]
        if not own.positions:
            self.send(SetPositionMode(account, "hedge"))
        if own.position_mode == "one_way":
            return
        asset = self.world.state.markets[symbol].contract.settlement_asset
        self.send(Deposit(account, asset, Decimal(100)))
        self.send(ConfigureContract(account, symbol, leverage))
        legs: Any = (("buy", "long"), ("sell", "short"))
        for (side, leg), count, factor in zip(legs, counts, factors, strict=True):
            price, size = self.price(symbol, factor), self.size(symbol, count)
            self.send(PlaceOrder(WHALE, symbol, opposite(side), "limit", size, price))
            self.send(
                PlaceOrder(account, symbol, side, "limit", size, price, "ioc", position_side=leg)
            )
        self.tick(symbol, move, hold=False)

    def on_a_leg(self, command: PlaceOrder | PlaceTriggered) -> PlaceOrder | PlaceTriggered:
        """The order as one of its account's mode."""
        account = self.world.state.accounts[command.account_id]
        if account.position_mode == "one_way" or command.position_side != "both":
            return command
        long = (command.side == "buy") == self.opens
        return replace(command, position_side="long" if long else "short")

    def leg(self, account: str, symbol: str, leg: int) -> Position | None:
        """An open leg of an account, where it has that one."""
        own = self.world.state.accounts[account]
        side = LEGS[own.position_mode][leg % len(LEGS[own.position_mode])]
        position = own.positions.get((symbol, side))
        return position if position is not None and position.quantity else None

    @rule(account=everyone, symbol=symbols, leg=legs)
    def close(self, account: str, symbol: str, leg: int) -> None:
        """Close a whole position at any price."""
        symbol = self.pick(symbol)
        if position := self.leg(account, symbol, leg):
            side: Any = "sell" if position.quantity > 0 else "buy"
            size, own = abs(position.quantity), position.side
            self.send(
                PlaceOrder(account, symbol, side, "market", size, None, "ioc", position_side=own)
            )

    @rule(
        account=traders, symbol=symbols, count=lots, factors=st.lists(offers, max_size=3), leg=legs
    )  # fmt: skip
    def turn(self, account: str, symbol: str, count: int, factors: list[str], leg: int) -> None:
        """Turn a position around, against bids and asks at several prices; a leg only closes."""
        symbol = self.pick(symbol)
        position = self.leg(account, symbol, leg)
        if position is None:
            return
        side, other = ("sell", "buy") if position.quantity > 0 else ("buy", "sell")
        for price in (self.price(symbol, factor) for factor in factors):
            self.send(PlaceOrder(WHALE, symbol, other, "limit", self.size(symbol, count), price))  # type: ignore[arg-type]
        more, own = self.size(symbol, count if position.side == "both" else 0), position.side
        size = abs(position.quantity) + more
        self.send(
            PlaceOrder(account, symbol, side, "market", size, None, "ioc", position_side=own)  # type: ignore[arg-type]
        )
