"""Offloading in other tests: the state machine's rule (FND-5)."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from app.engine.commands import Command
from app.engine.commands.funds import UpdateFund
from app.engine.policies import OffloadPolicy
from tests.engine.markets import funds
from tests.engine.world import World

policies = st.none() | st.builds(
    OffloadPolicy,
    st.sampled_from((1, 60)),
    st.sampled_from(("0.1", "0.5", "1")).map(Decimal),
    st.sampled_from(("0", "50", "100000")).map(Decimal),
    st.sampled_from(("0.25", "1")).map(Decimal),
    st.sampled_from(("0", "0.01", "0.2", "1")).map(Decimal),
    st.none() | st.sampled_from(("-20", "0")).map(Decimal),
)


class Offloading(RuleBasedStateMachine):
    """A machine of a world in which funds offload when the machine says so."""

    world: World

    def send(self, command: Command, *, hold: bool = False) -> None:
        """Apply a command."""
        raise NotImplementedError

    @rule(fund=funds, policy=policies, seconds=st.sampled_from((0, 1, 61)))
    def offload(self, fund: str, policy: OffloadPolicy | None, seconds: int) -> None:
        """A fund's policy is another one, and time passes."""
        self.send(UpdateFund(fund, policy={"offload": policy}))
        self.world.later(Decimal(seconds))
        self.world.catch_up()
