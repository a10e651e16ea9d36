"""API keys: what the engine knows of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.engine.commands import CommandOf, KeyScope

if TYPE_CHECKING:  # what commands result in is made of their words, so it stands above them
    from app.engine.results import Done  # noqa: F401 - ruff looks into no string


@dataclass(frozen=True, slots=True)
class NewKey:
    """An API key as the engine keeps it: the secret's SHA-256 (hex), never the secret."""

    key_id: str
    name: str
    scope: KeyScope
    digest: str
    account_id: str | None = None


@dataclass(frozen=True, slots=True)
class CreateKey(CommandOf["Done"]):
    """Register an API key."""

    key: NewKey


@dataclass(frozen=True, slots=True)
class RevokeKey(CommandOf["Done"]):
    """Make an API key unusable at once."""

    key_id: str
