"""What scenarios say of a fund's money that admins move (FND-6, FND-8): verbs and expectations."""

from __future__ import annotations

from decimal import Decimal, localcontext

from app.engine.commands.funds import DeployExcess, MoveInFund, Rebalance
from app.engine.numbers import EXACT
from app.engine.trading import excess
from tests.engine.world import World


class FundWords:
    """Part of a scenario's words."""

    world: World

    def do_move(self, fund: str, source: str, to: str, asset: str, amount: str) -> list[object]:
        """Money between two wallets of a fund."""
        return [MoveInFund(fund, source, to, asset, Decimal(amount))]

    def do_rebalance(self, asset: str) -> list[object]:
        """Excess to those who lack it, as the proposal has it (`expect_proposal`)."""
        return [Rebalance(asset, "quarterly")]

    def do_deploy(
        self, fund: str, asset: str, amount: str, wallet: str | None = None
    ) -> list[object]:
        """Excess out of the exchange."""
        return [DeployExcess(fund, asset, Decimal(amount), wallet)]

    def expect_proposal(self, asset: str, *moves: str) -> None:
        """`proposal USDT F>G:100`: what a rebalance would move now, in order (FND-8)."""
        with localcontext(EXACT):
            found = excess.proposal(self.world.state, asset)
        texts = [f"{m.source}>{m.destination}:{m.amount.normalize():f}" for m in found]
        assert texts == list(moves), texts

    def expect_volumes(self, fund: str, *volumes: str) -> None:
        """`volumes F liquidation/long:989 takeover/long:95`: all that its reports count (HIS-3)."""
        found = [f"{v.kind}/{v.side}:{v.value.normalize():f}" for v in self.world.volumes
                 if v.fund_id == fund]  # fmt: skip
        assert found == list(volumes), found
