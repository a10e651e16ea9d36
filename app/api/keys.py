"""API keys."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query, Response

from app.api.access import Admin
from app.api.changing import Changing, Posting
from app.api.paging import Paged
from app.api.routing import BY_POST, changing, keyed, router
from app.api.schemas.accounts import KeyBody, KeyView, NewKeyView
from app.api.schemas.base import KEY_PATTERN, REFERENCE_PATTERN, Page
from app.api.services import Reading, ServicesDep
from app.engine.commands.keys import CreateKey, RevokeKey
from app.runner.keys import make_key
from app.store.queries import keys as queries

keys = router("api keys")


@keys.post(
    "/api-keys",
    status_code=201,
    responses=changing(CreateKey, *BY_POST),
    summary="Create an API key",
)
async def create_key(
    _: Admin, changes: Posting, services: ServicesDep, body: KeyBody
) -> NewKeyView:
    """A new key; its secret is shown only here."""
    key, secret = make_key(body.name, body.scope, body.account_id)
    done, replayed = await changes.apply(CreateKey(key), reference=body.reference)
    assert done.identifier is not None
    async with services.database.connect() as connection:
        row = await queries.get_key(connection, done.identifier)
    assert row is not None, done.identifier
    return NewKeyView.of(row, api_key=None if replayed else secret)


@keys.get("/api-keys", responses=keyed(), summary="List API keys")
async def list_keys(_: Admin, reading: Reading, paging: Paged) -> Page[KeyView]:
    """All keys by identifier, revoked ones among them; never a secret."""
    rows = await queries.list_keys(reading, paging.fetch, paging.after_name())
    return paging.page(rows, KeyView.of, "key_id")


@keys.delete(
    "/api-keys/{key_id}",
    status_code=204,
    responses=changing(RevokeKey),
    summary="Revoke an API key",
)
async def revoke_key(
    _: Admin,
    changes: Changing,
    key_id: Annotated[str, Path(pattern=KEY_PATTERN)],
    reference: Annotated[
        str | None, Query(pattern=REFERENCE_PATTERN, description="Why, for the admin acts.")
    ] = None,
) -> Response:
    """Make a key unusable, at once and for ever."""
    await changes.apply(RevokeKey(key_id), reference=reference)
    return Response(status_code=204)
