"""Self-dealing: whether who was paid for has won (FND-12)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import Query

from app.api.access import Admin
from app.api.faults import Fault
from app.api.history import From, To
from app.api.paging import Paged, whole
from app.api.problems import Problem
from app.api.routing import keyed, router
from app.api.schemas.base import ACCOUNT_PATTERN, Page
from app.api.schemas.owners import SelfDealingView
from app.api.services import Reading
from app.store.queries import owners as queries

owners = router("owners")

HOUR = timedelta(hours=1)
DEFAULT = timedelta(days=1)
LONGEST = timedelta(days=31)


@owners.get(
    "/self-dealing", responses=keyed(Fault.query_too_wide), summary="What funds paid for owners"
)
async def list_self_dealing(
    _: Admin,
    reading: Reading,
    paging: Paged,
    owner_id: Annotated[str | None, Query(pattern=ACCOUNT_PATTERN)] = None,
    start: From = None,
    end: To = None,
) -> Page[SelfDealingView]:
    """By owner and contract, where a fund or the treasury paid for one of the owner's accounts:
    how much, and what the owner's accounts won and lost in that contract.

    In whole hours, of which `from` and `to` lie in the first and the last: by default the last day,
    at most 31. Of accounts that are declared (`owner_id`), since they were.
    """
    until = whole(end or datetime.now(UTC), HOUR, up=True)
    assert until is not None
    since = whole(start, HOUR) or until - DEFAULT
    if until - since > LONGEST:
        raise Problem(Fault.query_too_wide, f"at most {LONGEST.days} days at once")
    rows = await queries.list_self_dealing(
        reading,
        paging.fetch,
        start=since,
        end=until,
        owner_id=owner_id,
        after=paging.decode(str, str),
    )
    return paging.page(rows, SelfDealingView.of, "owner_id", "symbol")
