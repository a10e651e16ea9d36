"""Lists: `limit`, and an opaque `cursor` that continues behind the last item."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Query
from starlette.responses import Response

from app.api.faults import Fault
from app.api.problems import Problem, malformed
from app.api.schemas.base import LARGEST_ID, Page, parse_time
from app.api.strict import Whole
from app.engine.numbers import time_text
from app.store.queries import AFTER_ALL, BEFORE_ALL

DEFAULT_LIMIT = 100
MAXIMUM_LIMIT = 1000
ITEMS_AT_ONCE = 25

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Paging:
    """Which page of a list is wanted."""

    limit: int
    cursor: str | None

    @property
    def fetch(self) -> int:
        """How many rows to fetch: one more tells whether there is a next page."""
        return self.limit + 1

    def after_name(self) -> str | None:
        """The cursor of a list that is sorted by a name."""
        if self.cursor is None:
            return None
        (name,) = _decode(self.cursor, str)
        return name  # type: ignore[no-any-return]

    def before_id(self) -> int | None:
        """The cursor of a list that is sorted by an identifier."""
        if self.cursor is None:
            return None
        (number,) = _decode(self.cursor, int)
        return number  # type: ignore[no-any-return]

    def decode(self, *kinds: type) -> tuple[Any, ...] | None:
        """The cursor of a list with a composed order: values of `kinds` (str, int, datetime)."""
        return None if self.cursor is None else _decode(self.cursor, *kinds)

    @property
    def large(self) -> bool:
        """Whether its items take so long to write that others must not wait for all of them."""
        return self.limit > DEFAULT_LIMIT

    def page(
        self,
        rows: Sequence[Mapping[Any, Any]],
        item: Callable[[Mapping[Any, Any]], Item],
        *order: str,
    ) -> Page[Item]:
        """The page of `fetch` rows; `order` names the columns the list is sorted by."""
        items = [item(row) for row in rows[: self.limit]]
        return Page(items=items, next_cursor=self._next(rows, order))

    async def slowly(
        self,
        rows: Sequence[Mapping[Any, Any]],
        item: Callable[[Mapping[Any, Any]], Item],
        *order: str,
    ) -> Page[Item]:
        """The same, with turns of the event loop for others."""
        items: list[Item] = []
        for row in rows[: self.limit]:
            items.append(item(row))
            if len(items) % ITEMS_AT_ONCE == 0:
                await asyncio.sleep(0)
        return Page(items=items, next_cursor=self._next(rows, order))

    def _next(self, rows: Sequence[Mapping[Any, Any]], order: Sequence[str]) -> str | None:
        if len(rows) <= self.limit:
            return None
        last = rows[self.limit - 1]
        return cursor_of(*(last[column] for column in order))

    def texts(
        self,
        rows: Sequence[Mapping[Any, Any]],
        *order: str,
        told: Callable[[str], str] = str,
    ) -> Response:
        """The page of `fetch` rows whose JSON is there already, as `item`; `told` of each."""
        items = ",".join(told(row["item"]) for row in rows[: self.limit])
        cursor = json.dumps(self._next(rows, order))
        content = f'{{"items":[{items}],"next_cursor":{cursor}}}'
        return Response(content, media_type="application/json")


async def _paging(
    limit: Annotated[
        Whole, Query(ge=1, le=MAXIMUM_LIMIT, description="How many items to give.")
    ] = DEFAULT_LIMIT,
    cursor: Annotated[
        str | None,
        Query(
            pattern=r"^[A-Za-z0-9_-]{1,300}$", description="`next_cursor` of the page before this."
        ),
    ] = None,
) -> Paging:
    return Paging(limit, cursor)


Paged = Annotated[Paging, Depends(_paging)]


def whole(time: datetime | None, width: timedelta, *, up: bool = False) -> datetime | None:
    """The beginning (or end) of the interval a time lies in; None for none."""
    if time is None:
        return None
    time = min(max(time, BEFORE_ALL), AFTER_ALL)
    past = (time - BEFORE_ALL) % width
    return time - past + (width if up and past else timedelta())


def cursor_of(*values: Any) -> str:
    """The cursor behind the item with these values of a list's order."""
    texts = [time_text(value) if isinstance(value, datetime) else value for value in values]
    raw = json.dumps(texts, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decode(cursor: str, *kinds: type) -> tuple[Any, ...]:
    """The values of a cursor; raises 400 for one that this service did not give."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        values = json.loads(raw)
        if not isinstance(values, list) or len(values) != len(kinds):
            raise _unusable()
        return tuple(_checked(value, kind) for value, kind in zip(values, kinds, strict=True))
    except (binascii.Error, ValueError, RecursionError):
        raise _unusable() from None


def _checked(value: Any, kind: type) -> Any:
    if kind is datetime:
        return parse_time(value)
    if type(value) is not kind:
        raise ValueError(kind)
    if isinstance(value, int) and not 0 <= value <= LARGEST_ID:
        raise ValueError(value)
    if isinstance(value, str) and not (value.isprintable() and len(value) <= 100):
        raise ValueError(value)
    return value


def _unusable() -> Problem:
    return malformed("this cursor is not one of ours", Fault.malformed_query, field="cursor")
