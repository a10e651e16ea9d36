"""The machine's faults: leaders that begin with incidents, and their release (REC-2)."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import rule

from app.engine.commands.leaders import Incident, ReleaseIncident
from app.engine.figures.ranking import LEGS
from app.engine.traders import scope_of
from tests.engine.markets import assets, everyone, legs, seldom, symbols
from tests.engine.world import World

MOST_OPEN = 2
"""So that the market does not come to a standstill."""


class Faults:
    """Rules for a machine with a `world`; nothing fails really, but the leaders say so."""

    world: World

    @rule(
        account=everyone, symbol=symbols, times=st.sampled_from((1, 1, 2)), on=seldom, leg=legs
    )  # fmt: skip
    def set_aside(self, account: str, symbol: str, times: int, on: bool, leg: int) -> None:
        """A scope has failed, or has failed again when its orders were to be cancelled."""
        owner, market = self.world.state.accounts[account], self.world.state.markets[symbol]
        side = LEGS[owner.position_mode][leg % len(LEGS[owner.position_mode])]
        scope = scope_of(owner, market.contract, side)
        self._fail(
            Incident(
                self._number(), "Tick", asset=scope.asset, account_id=account, times=times,
                symbol=scope.symbol or None, position_side=side if scope.isolated else None,
            ),
            on=on,
        )  # fmt: skip

    @rule(asset=assets, times=st.sampled_from((1, 1, 2)), on=seldom)
    def fail_without_a_scope(self, asset: str, times: int, on: bool) -> None:
        """The cascades of an asset handle one at a time, or halt."""
        self._fail(Incident(self._number(), "Tick", asset=asset, times=times), on=on)

    def _fail(self, incident: Incident, *, on: bool) -> None:
        if on and len(self.world.state.incidents) < MOST_OPEN:
            self.world.restart(incident)
            self.world.finish()

    def _number(self) -> int:
        return max(self.world.state.incidents, default=0) + 1

    @rule(finish=st.booleans())
    def release(self, finish: bool) -> None:
        """What failed first is tried once more."""
        for number in sorted(self.world.state.incidents)[:1]:
            self.world.apply(ReleaseIncident(number, "mended"))
            if finish:
                self.world.finish()
