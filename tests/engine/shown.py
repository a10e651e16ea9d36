"""What a scenario can ask of a fund as readers see it, and of what operators were warned of."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation, localcontext

from app.engine.numbers import EXACT
from app.engine.trading import funds
from tests.engine.world import World


class Shown:
    """Expectations on a fund's figures (FND-3, FND-12, ADL-3)."""

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


def same(actual: object, expected: str) -> bool:
    """Whether a number, or the text of anything else, is what a scenario expects."""
    if isinstance(actual, Decimal):
        try:
            return actual == Decimal(expected)
        except InvalidOperation:
            return False
    return str(actual).lower() == expected.lower()
