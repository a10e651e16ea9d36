"""API keys: the secret goes to its owner, only its SHA-256 to the engine."""

from __future__ import annotations

import hashlib
import secrets

from app.engine.commands import KeyScope
from app.engine.commands.keys import NewKey


def digest_of(secret: str) -> str:
    """What is kept of a key: 32 random bytes need no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


def make_key(
    name: str, scope: KeyScope, account_id: str | None = None, secret: str | None = None
) -> tuple[NewKey, str]:
    """A key to register and its secret, which is drawn unless it is given."""
    secret = secret or f"bk_{secrets.token_urlsafe(32)}"
    return NewKey(secrets.token_hex(8), name, scope, digest_of(secret), account_id), secret
