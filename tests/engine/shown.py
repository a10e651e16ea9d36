"""What a scenario can ask of a fund as readers see it, and of what operators were warned of; of
what policies would have done."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation, localcontext

from app.engine.numbers import EXACT
from app.engine.policies import AdlPolicy
from app.engine.trading import funds
from tests.engine.counterfactuals import worked_out
from tests.engine.world import World


class Shown:
    """Expectations on a fund's figures (FND-3, FND-12, ADL-3), and on other policies (ADL-1)."""

    def __init__(self, world: World) -> None:
        self.world = world

    def expect_shows(self, fund: str, asset: str, *options: str) -> None:
        """`shows F USDT cap_use=0.5 drawdown=0.3 paid_out=300 distance=0 reason=drawdown_breaker`:
        what readers see of a fund."""
        state = self.world.state
        one = state.funds[fund]
        with localcontext(EXACT):
            distance, reason = funds.distance(state, one, asset)
            shown = {"distance": distance, "reason": reason,
                     "cap_use": funds.cap_use(state, one, asset),
                     "drawdown": funds.drawdown(state, one, asset),
                     "paid_out": funds.paid_out(state, one, asset)}  # fmt: skip
        for name, expected in (option.split("=") for option in options):
            assert same(shown[name], expected), f"{name} is {shown[name]}"

    def expect_warned(self, *levels: str) -> None:
        """`warned cap_use:0.5 drawdown:0.8`: all warnings so far (ADL-3)."""
        found = [one.detail for one in self.world.alerts if one.kind == "adl_warning"]
        assert [f"{one['measure']}:{one['level']}" for one in found] == list(levels), found

    def expect_would(self, policy: AdlPolicy, *parts: str) -> None:
        """`would legacy dave:50 overshoot=125`: what a policy would have done with it (ADL-1)."""
        event = self.world.events[-1]
        record = self.world.liquidations.get(event.liquidation_id or 0)
        account = None if record is None else record.account_id
        found = worked_out(event, account, self.world.state, policy)
        shown = [f"{one.account_id}:{one.quantity.normalize():f}" for one in found.chosen]
        *expected, overshoot = parts
        assert [*shown, f"overshoot={found.overshoot.normalize():f}"] == [*expected, overshoot]


def same(actual: object, expected: str) -> bool:
    """Whether a number, or the text of anything else, is what a scenario expects."""
    if isinstance(actual, Decimal):
        try:
            return actual == Decimal(expected)
        except InvalidOperation:
            return False
    return str(actual).lower() == expected.lower()
