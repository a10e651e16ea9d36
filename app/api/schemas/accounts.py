"""Accounts, their money, their settings and their positions; API keys."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from app.api.schemas.base import (
    ACCOUNT_PATTERN,
    LEFT_OUT,
    AccountId,
    ActBody,
    Asset,
    Body,
    Exact,
    Id,
    Name,
    Number,
    Reference,
    Time,
    View,
    example,
)
from app.engine.commands import KeyScope, MarginMode, PositionMode, PositionSide
from app.engine.events import LedgerKind

OwnerId = Annotated[str, Field(pattern=ACCOUNT_PATTERN, examples=["carol-ltd"])]
OWNER = "Whose it is: accounts with the same are one owner's (FND-12)."
Leverage = Annotated[int, Field(ge=-(2**31), le=2**31 - 1, examples=[20])]
"""Any integer that PostgreSQL holds; the engine says which are allowed."""


class AccountBody(ActBody):
    """A new account."""

    account_id: AccountId
    position_mode: PositionMode = "one_way"
    owner_id: OwnerId | None = Field(default=None, description=OWNER)

    model_config = example({"account_id": "alice"}, {"account_id": "bob", "owner_id": "carol-ltd"})


class AccountPatch(ActBody):
    """One of the two. The position mode changes only while nothing is open; the owner is an admin's
    to declare, at any time, null: nobody's.
    """

    position_mode: PositionMode = LEFT_OUT
    owner_id: OwnerId | None = LEFT_OUT

    model_config = example({"position_mode": "one_way"}, {"owner_id": "carol-ltd"})

    @model_validator(mode="after")
    def _one_change(self) -> Self:
        if len(self.model_fields_set - {"reference"}) != 1:
            raise ValueError("one change at a time: position_mode or owner_id")
        return self


class AccountView(View):
    """An account; whose it is, `owner_id`, only an admin sees (FND-12)."""

    account_id: str
    position_mode: PositionMode
    created_at: Time
    owner_id: str | None = LEFT_OUT


class NewAccountView(AccountView):
    """A new account with its trader key, shown once: null when the answer is given again."""

    api_key: str | None


class WalletView(View):
    """An account's cross scope in one asset.

    `initial_margin` holds all requirements, open orders' among them; `margin_ratio` is maintenance
    margin / equity, null without equity.
    """

    asset: str
    wallet_balance: Exact
    unrealized_profit: Exact
    equity: Exact
    initial_margin: Exact
    maintenance_margin: Exact
    margin_ratio: Exact | None
    available_balance: Exact


class AccountDetailView(AccountView):
    """An account with its cross wallets. At `cancel_at` its open orders are cancelled; null: never,
    for no countdown runs."""

    cancel_at: Time | None
    wallets: list[WalletView]


class CountdownBody(Body):
    """From now on, so many seconds: 1 to 86,400, or 0, which switches it off."""

    seconds: Annotated[int, Field(ge=-(2**31), le=2**31 - 1, examples=[30])]

    model_config = example({"seconds": 30})


class CountdownView(View):
    """When the account's open orders are cancelled; null: that is switched off."""

    cancel_at: Time | None


class TransferBody(Body):
    """Money into or out of a cross wallet; at most eight decimals."""

    asset: Asset
    amount: Number
    reference: Reference | None = None

    model_config = example({"asset": "USDT", "amount": "1000", "reference": "x"})


class MovedView(View):
    """Money that was moved, and the balance it left."""

    transfer_id: Id
    time: Time
    asset: str
    amount: Exact
    balance: Exact


class LedgerEntryView(View):
    """A movement of one wallet: `amount` is negative where it paid.

    `wallet` is `cross`, or the isolated position as `BTCUSDT:both`.
    """

    transfer_id: Id
    time: Time
    kind: LedgerKind
    asset: str
    amount: Exact
    wallet: str
    balance_after: Exact
    symbol: str | None
    reference: str | None


class SettingsBody(Body):
    """Leverage and margin mode in a contract; what is left out stays (ORD-3)."""

    leverage: Leverage = LEFT_OUT
    margin_mode: MarginMode = LEFT_OUT

    model_config = example({"leverage": 20, "margin_mode": "cross"})


class SettingsView(View):
    """Leverage and margin mode of an account in a contract."""

    symbol: str
    leverage: int
    margin_mode: MarginMode


class MarginBody(Body):
    """Money from the cross wallet to an isolated position; negative takes back."""

    amount: Number
    position_side: PositionSide = "both"

    model_config = example({"amount": "25", "position_side": "both"})


class PositionView(View):
    """An open position; prices to eight decimals, or four more than the contract's tick size has;
    null where there is none. Notional, profit and margins are in the settlement asset: of an
    inverse contract, whose `quantity` is in contracts, in the coin.

    `adl_quantile` is 4 for the fifth of the contract's positions that is deleveraged first, 0 for
    the last (ADL-3).
    """

    symbol: str
    position_side: PositionSide
    quantity: Exact
    entry_price: Exact
    mark_price: Exact
    notional: Exact
    unrealized_profit: Exact
    margin_mode: MarginMode
    isolated_wallet: Exact | None
    leverage: int
    initial_margin: Exact
    maintenance_margin: Exact
    liquidation_price: Exact | None
    bankruptcy_price: Exact | None
    adl_quantile: Annotated[int, Field(ge=0, le=4)]


class KeyBody(ActBody):
    """A new API key; a trader's, and no other, names its account."""

    name: Name
    scope: KeyScope
    account_id: AccountId | None = None

    model_config = example({"name": "price feed", "scope": "feed"})


class KeyView(View):
    """An API key, without its secret."""

    key_id: str
    name: str
    scope: KeyScope
    account_id: str | None
    created_at: Time
    revoked_at: Time | None


class NewKeyView(KeyView):
    """A new key with its secret, shown once: null when the answer is given again."""

    api_key: str | None
