"""The machine's funds that hold back: breakers, payout limits, counterparties first (FND-3)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from app.engine.commands import Command
from app.engine.commands.funds import UpdateFund
from app.engine.policies import DrawdownBreaker
from tests.engine.markets import FUNDS
from tests.engine.world import World

amounts = st.sampled_from((None, None, Decimal(0), Decimal("0.01"), Decimal(5), Decimal(100)))
breakers = st.sampled_from((
    None, None, DrawdownBreaker(), DrawdownBreaker(1, Decimal("0.05"), Decimal("0.04")),
    DrawdownBreaker(1, Decimal("0.01"), Decimal("0.01")),
))  # fmt: skip
policies = st.fixed_dictionaries(
    {},
    optional={
        "counterparty_first": st.booleans(),
        "drawdown_breaker": breakers,
        "max_payout_per_event": amounts,
        "max_payout_per_day": amounts,
        "warn_at": st.sampled_from(((), (Decimal("0.01"), Decimal("0.5")), (Decimal("0.8"),))),
    },
)


class Limited(RuleBasedStateMachine):
    """A machine of a world whose funds hold back now and then."""

    world: World
    send: Callable[[Command], None]

    @rule(fund=st.sampled_from(FUNDS), policy=policies)
    def limit_fund(self, fund: str, policy: dict[str, Any]) -> None:
        """Another policy about what a fund may lose."""
        self.send(UpdateFund(fund, policy=policy))

    @rule(minutes=st.sampled_from((30, 60, 61)))
    def much_later(self, minutes: int) -> None:
        """Time passes, so that what was lost is out of the window; what is due by then is done."""
        self.world.later(Decimal(60 * minutes))
        self.world.catch_up()
        self.world.finish()
