"""Who calls, and what that key may do.

Keys are random, so their SHA-256 digests are enough to keep. Scopes: `admin` everything, `feed`
prices, `trader` its one account. To a trader another's account is an unknown one.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

from fastapi import Depends, Path, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.types import Scope

from app.api.faults import Fault
from app.api.problems import Problem, unknown
from app.api.rates import cost_of, network_of
from app.api.schemas.base import ACCOUNT_PATTERN
from app.api.services import Services, services_of
from app.engine.commands import KeyScope
from app.engine.commands.keys import NewKey
from app.runner.keys import digest_of
from app.store.queries import keys as queries

_bearer = HTTPBearer(
    auto_error=False, scheme_name="bearer", description="An API key: `Authorization: Bearer <key>`."
)
OPTIONAL_KEY: dict[str, Any] = {"security": [{"bearer": []}, {}]}
"""`openapi_extra` of a public route that shows more with a key."""


KEYED = "backstop.keyed"
"""Marks the scope of a request that came with a known key."""


class Identity(NamedTuple):
    """An authenticated key."""

    key_id: str
    scope: KeyScope
    account_id: str | None

    @property
    def is_admin(self) -> bool:
        """Whether the key may do everything."""
        return self.scope == "admin"

    def sees(self, account_id: str) -> bool:
        """Whether the account is the key's own, or the key is an admin's."""
        return self.is_admin or self.account_id == account_id

    def check_account(self, account_id: str) -> None:
        """Raise the 403 or 404 of a key that must not touch the account."""
        if self.sees(account_id):
            return
        self.check_scope("trader")
        raise unknown("account_id")

    def check_scope(self, scope: KeyScope) -> None:
        """Raise the 403 of a key that has neither this scope nor an admin's."""
        if self.scope not in (scope, "admin"):
            raise Problem(Fault.forbidden, f"this needs a key of scope {scope}")


def _unauthorized(detail: str) -> Problem:
    return Problem(Fault.unauthorized, detail, headers={"WWW-Authenticate": "Bearer"})


def _in_memory(services: Services, digest: str) -> NewKey | None:
    """The key as the leader's engine knows it, unless it was revoked.

    This alone of what the API decides rests on memory, which is ahead of what is committed: a
    look-up for each order would cost as much as the order. It gives nothing away: nobody but the
    operator, whose own admin key it is, has the secret of a key before it is committed, for it is
    in the answer; and a key whose revocation is being committed is refused a moment early. Once a
    revocation is answered, the leader accepts the key in no request any more.
    """
    entry = services.runner.engine.state.keys.get(digest)
    return None if entry is None or entry.revoked_at is not None else entry.key


async def authenticate(services: Services, authorization: str) -> Identity:
    """The caller, from the Authorization header; raises 401 for an unknown or revoked key."""
    scheme, _, secret = authorization.partition(" ")
    if scheme.lower() != "bearer" or not secret:
        raise _unauthorized("this needs an API key")
    digest = digest_of(secret.strip())
    if services.runner.leading:
        key = _in_memory(services, digest)
        if key is not None and hmac.compare_digest(key.digest, digest):
            return Identity(key.key_id, key.scope, key.account_id)
    else:
        async with services.database.connect() as connection:
            row = await queries.active_key(connection, digest)
        if row is not None and hmac.compare_digest(row["digest"], digest):
            services.remember(digest, row["scope"])
            return Identity(row["key_id"], row["scope"], row["account_id"])
    raise _unauthorized("this API key is not known")


def admit(services: Services, scope: Scope, headers: Mapping[bytes, bytes]) -> None:
    """Count a request of a trader's key or, without a known key, of an address; raises 429.

    A standby knows the keys that it looked up before.
    """
    authorization = headers.get(b"authorization")
    if authorization is not None:
        digest = digest_of(authorization.decode("latin-1").partition(" ")[2].strip())
        if services.runner.leading:
            key = _in_memory(services, digest)
            known = key and key.scope
        else:
            known = services.known_keys.get(digest)
        if known is not None:
            scope[KEYED] = True
            if known == "trader":
                services.rates.keys.count(digest, cost_of(scope["query_string"]))
            return
    client = scope.get("client")
    address = network_of(client[0]) if client else "unknown"
    services.rates.addresses.count(address, cost_of(scope["query_string"]))


async def _keyed(request: Request) -> bool:
    return KEYED in request.scope


Keyed = Annotated[bool, Depends(_keyed)]
"""Whether a request of a public route that shows all the same came with a known key."""
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


async def _identity(request: Request, _: Credentials) -> Identity:
    return await authenticate(services_of(request), request.headers.get("authorization", ""))


async def _admin(identity: Annotated[Identity, Depends(_identity)]) -> Identity:
    identity.check_scope("admin")
    return identity


async def _feed(identity: Annotated[Identity, Depends(_identity)]) -> Identity:
    identity.check_scope("feed")
    return identity


async def _trader(identity: Annotated[Identity, Depends(_identity)]) -> Identity:
    identity.check_scope("trader")
    return identity


async def _own_account(
    identity: Annotated[Identity, Depends(_identity)],
    account_id: Annotated[str, Path(pattern=ACCOUNT_PATTERN, examples=["alice"])],
) -> str:
    identity.check_account(account_id)
    return account_id


async def _optional(request: Request) -> Identity | None:
    authorization = request.headers.get("authorization")
    if authorization is None:
        return None
    return await authenticate(services_of(request), authorization)


AnyKey = Annotated[Identity, Depends(_identity)]
Admin = Annotated[Identity, Depends(_admin)]
Feed = Annotated[Identity, Depends(_feed)]
"""An admin's or a feed's key."""
Trader = Annotated[Identity, Depends(_trader)]
"""An admin's or a trader's key."""
OwnAccount = Annotated[str, Depends(_own_account)]
"""The `account_id` of the path, which the key may touch."""
MaybeKey = Annotated[Identity | None, Depends(_optional)]
"""A public route's caller; a key that is given must be known."""


def visible_account(identity: Identity | None, account_id: str | None) -> str | None:
    """The `account_id` that a public list may be filtered by: an admin's or the key's own."""
    if account_id is not None:
        if identity is None:
            raise _unauthorized("account_id needs an API key")
        identity.check_account(account_id)
    return account_id
