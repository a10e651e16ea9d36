"""Admin acts: who did what, when and why."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import Query
from starlette.responses import Response

from app.api.access import Admin
from app.api.faults import Fault
from app.api.history import From, To
from app.api.liquidations import IdPath
from app.api.paging import Paged
from app.api.problems import malformed, unknown
from app.api.routing import keyed, router
from app.api.schemas.acts import AdminActView
from app.api.schemas.base import KEY_PATTERN, Page
from app.api.services import Reading, ServicesDep
from app.store.codec import COMMANDS
from app.store.queries import acts as queries

acts = router("admin acts")

KEPT_BACK = "digest"
"""Of keys: no secret, but no reader's business."""


@acts.get(
    "/admin-acts",
    responses=keyed(Fault.query_too_wide),
    response_model=Page[AdminActView],
    summary="List admin acts",
)
async def list_acts(
    *,
    _: Admin,
    services: ServicesDep,
    paging: Paged,
    kind: Annotated[str | None, Query(pattern=r"^[A-Za-z]{1,40}$", examples=["UpdateFund"])] = None,
    key: Annotated[str | None, Query(pattern=KEY_PATTERN, description="A `key_id`.")] = None,
    start: From = None,
    end: To = None,
) -> Response:
    """Every accepted change with an admin's key, newest first: who (`key_id`), when, why
    (`reference`), and what (`body`; null in this list where it is long, as an import's).

    But for single and batched orders, and prices: that is trading and feeding. What the service
    did at its first start, and `backstop keys create`, is `system`'s.
    """
    if kind is not None and kind not in COMMANDS:  # an empty list would say: nobody did that
        raise malformed(f"there is no command {kind}", Fault.malformed_query, field="kind")
    async with services.reading(
        heavy=paging.large, narrow="from, to or limit", keyed=True
    ) as reading:
        rows = await queries.list_acts(
            reading,
            paging.fetch,
            AdminActView.names(),
            kind=kind,
            key_id=key,
            start=start,
            end=end,
            before=paging.before_id(),
        )
    return paging.texts(rows, "sequence", told=_told)


@acts.get("/admin-acts/{act_id}", responses=keyed(Fault.unknown_admin_act), summary="One admin act")
async def get_act(_: Admin, reading: Reading, act_id: IdPath) -> AdminActView:
    """An act with all that was commanded; it has the number of its command in the log."""
    row = await queries.get_act(reading, int(act_id), AdminActView.names())
    if row is None:
        raise unknown("act_id")
    return AdminActView.model_validate_json(_told(row["item"]))


def _told(item: str) -> str:
    """An act as it may be shown: few have anything to keep back."""
    return json.dumps(without_secrets(json.loads(item))) if KEPT_BACK in item else item


def without_secrets(value: Any) -> Any:
    """A command's body as it may be shown."""
    if isinstance(value, dict):
        return {name: without_secrets(item) for name, item in value.items() if name != KEPT_BACK}
    if isinstance(value, list):
        return [without_secrets(item) for item in value]
    return value
