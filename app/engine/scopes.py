"""What is liquidated together, and what wallets are called (ORD-3, NUM-4).

The texts of wallets are made and read here alone; the ledger and its readers show them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, NamedTuple, cast

from app.engine.commands import MarginMode, PositionSide
from app.engine.commands.leaders import Incident

WalletKind = Literal[
    "cross", "isolated", "fund", "revenue", "treasury", "clearing", "external"
]  # fmt: skip

BEFORE_SIDE = ":"
"""Between symbol and side in the name of an isolated wallet."""


MAIN = "main"
"""The wallet of a fund that pays first (FND-6); the one that the treasury has in an asset, to the
readers of its history."""


class Scope(NamedTuple):
    """A margin scope: an account's cross wallet in `asset`, or one isolated leg settled in it.

    A cross scope has no `symbol` and no side but "both". Scopes compare by their fields: the cross
    ones first, by account and asset, then the isolated ones by account and leg. A named tuple, for
    it is the key of much that each order asks for.
    """

    isolated: bool
    account_id: str
    symbol: str
    side: PositionSide
    asset: str

    @property
    def margin_mode(self) -> MarginMode:
        """Whose word it is to readers; its wallet's kind too."""
        return "isolated" if self.isolated else "cross"

    @property
    def leg(self) -> tuple[str, PositionSide]:
        """The key of an isolated scope's position among its account's."""
        return self.symbol, self.side

    @property
    def among_equals(self) -> tuple[str, str, str]:
        """Which of two that are equally near to bankruptcy comes first (LIQ-2)."""
        return self.account_id, self.symbol or self.asset, self.side

    @property
    def wallet_name(self) -> str:
        """The name of its wallet."""
        return f"{self.symbol}{BEFORE_SIDE}{self.side}" if self.isolated else ""

    @property
    def wallet_key(self) -> str:
        """The key of its wallet."""
        return wallet_key(self.margin_mode, self.account_id, self.asset, self.wallet_name)


@lru_cache(maxsize=10_000)  # of who trades much, asked for by each order
def cross_scope(account_id: str, asset: str) -> Scope:
    """The scope of an account's cross wallet in an asset."""
    return Scope(False, account_id, "", "both", asset)


def isolated_scope(account_id: str, symbol: str, side: PositionSide, asset: str) -> Scope:
    """The scope of an isolated leg in a contract that settles in `asset`."""
    return Scope(True, account_id, symbol, side, asset)


def blamed_scope(incident: Incident) -> Scope | None:
    """The scope that an incident was blamed on, if it was one (REC-2)."""
    account_id, asset = incident.account_id, incident.asset
    if account_id is None or asset is None:
        return None
    if incident.symbol is None:
        return cross_scope(account_id, asset)
    return isolated_scope(account_id, incident.symbol, incident.position_side or "both", asset)


def wallet_key(kind: WalletKind, owner: str, asset: str, name: str = "") -> str:
    """The key of a wallet, readable in the ledger: `isolated/alice/USDT/BTCUSDT:both`."""
    if not owner:
        return f"{kind}/{asset}"
    return f"{kind}/{owner}/{asset}/{name}" if name else f"{kind}/{owner}/{asset}"


def leg_of(wallet_name: str) -> tuple[str, PositionSide]:
    """The leg whose isolated wallet has that name."""
    symbol, _, side = wallet_name.partition(BEFORE_SIDE)
    return symbol, cast("PositionSide", side)
