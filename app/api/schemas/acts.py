"""Admin acts."""

from __future__ import annotations

from typing import Any

from app.api.schemas.base import Id, Time, View


class AdminActView(View):
    """An accepted command that an admin gave. `body` is what was commanded, without secrets."""

    act_id: Id
    time: Time
    key_id: str
    kind: str
    reference: str | None
    body: dict[str, Any] | None
