"""The machine's protection of funds (FND-12)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from app.engine.commands import Command
from app.engine.commands.accounts import DeclareOwner
from app.engine.commands.contracts import UpdateContract
from app.engine.commands.funds import UpdateFund
from tests.engine.markets import FUNDS, everyone, symbols
from tests.engine.world import World

limits = st.none() | st.sampled_from(("0", "0.5", "1", "2", "100"))


holds = st.sampled_from((None, 30, 90, 3600))
owners = st.sampled_from(("ann", "ann", "ben", None))


class Protected(RuleBasedStateMachine):
    """A machine of a world in which funds are protected now and then."""

    world: World
    pick: Callable[[str], str]
    send: Callable[[Command], None]

    @rule(symbol=symbols, cap=limits, multiple=limits)
    def limit_interest(self, symbol: str, cap: str | None, multiple: str | None) -> None:
        """A contract may have so many times as much open as it has, or as its fund has."""
        symbol = self.pick(symbol)
        market = self.world.state.markets[symbol]
        now = market.open_interest or market.contract.lot_size
        changes = {
            "open_interest_cap": None if cap is None else Decimal(cap) * now,
            "open_interest_multiple": None if multiple is None else Decimal(multiple),
        }
        self.send(UpdateContract(symbol, changes))

    @rule(accounts=st.lists(everyone, max_size=4), owner=owners)
    def declare_owner(self, accounts: list[str], owner: str | None) -> None:
        """Some accounts are said to be one owner's, or nobody's."""
        for account in accounts:
            self.send(DeclareOwner(account, owner))

    @rule(fund=st.sampled_from(FUNDS), seconds=holds)
    def hold_profits(self, fund: str, seconds: int | None) -> None:
        """A fund holds profits for so long from now on, or no longer."""
        self.send(UpdateFund(fund, policy={"profit_hold_seconds": seconds}))
