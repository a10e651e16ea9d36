"""Accounts: their money, modes, leverage and isolated margin."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from app.engine.commands import CommandOf, MarginMode, PositionMode, PositionSide
from app.engine.commands.keys import NewKey
from app.engine.contracts import LEFT_OUT

if TYPE_CHECKING:  # what commands result in is made of their words, so it stands above them
    from app.engine.results import Done, Moved  # noqa: F401 - ruff looks into no string


@dataclass(frozen=True, slots=True)
class OpenAccount(CommandOf["Done"]):
    """Open a trader's account together with its trader key."""

    account_id: str
    position_mode: PositionMode
    key: NewKey
    owner_id: str | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True, slots=True)
class DeclareOwner(CommandOf["Done"]):
    """Say whose an account is, with others of the same owner; None: nobody knows (FND-12)."""

    account_id: str
    owner_id: str | None


@dataclass(frozen=True, slots=True)
class SetPositionMode(CommandOf["Done"]):
    """Change an account's position mode while nothing is open (ORD-3)."""

    account_id: str
    position_mode: PositionMode


@dataclass(frozen=True, slots=True)
class Deposit(CommandOf["Moved"]):
    """Money from outside into an account's cross wallet."""

    account_id: str
    asset: str
    amount: Decimal
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Withdraw(CommandOf["Moved"]):
    """Money out of an account's cross wallet, at most what is available (ORD-6)."""

    account_id: str
    asset: str
    amount: Decimal
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class ConfigureContract(CommandOf["Done"]):
    """An account's leverage and margin mode in one contract (ORD-3); None leaves as it is."""

    account_id: str
    symbol: str
    leverage: int | None = None
    margin_mode: MarginMode | None = None


@dataclass(frozen=True, slots=True)
class AdjustMargin(CommandOf["Moved"]):
    """Move money between the cross wallet and an isolated position; negative takes back."""

    account_id: str
    symbol: str
    position_side: PositionSide
    amount: Decimal
