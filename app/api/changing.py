"""Changes: commands to the runner, with the request's Idempotency-Key."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header, Request

from app.api.access import AnyKey, Identity
from app.api.problems import malformed, refused
from app.api.services import services_of
from app.engine.commands import Command
from app.engine.rejections import Rejection
from app.runner.runner import AnswerKey, Runner

IDEMPOTENCY_KEY = r"^[\x21-\x7e]{1,200}$"
_matches = re.compile(IDEMPOTENCY_KEY).fullmatch


@dataclass(frozen=True, slots=True)
class Changes:
    """The way to change something for one request."""

    runner: Runner
    key: AnswerKey | None

    async def apply(
        self, command: Command, statuses: Mapping[str, int] | None = None
    ) -> tuple[Any, bool]:
        """The command's durable result and whether it is the answer to an earlier request.

        Raises the `Problem` of a refusal; `statuses` says what this route answers otherwise.
        """
        answer = await self.runner.submit([command], self.key)
        (result,) = answer.results
        if isinstance(result, Rejection):
            raise refused(result, statuses)
        return result, answer.replayed


def answer_key(
    request: Request, identity: Identity, key: str | None, body: bytes
) -> AnswerKey | None:
    """What a request's answer is kept under for 7 days, if it has an Idempotency-Key."""
    if key is None:
        return None
    target = f"{request.method} {request.scope['path']}\n".encode()
    digest = hashlib.sha256(target + body).hexdigest()
    return AnswerKey(f"request/{identity.key_id}", key, digest)


def idempotency_key(request: Request) -> str | None:
    """The header of a lean route."""
    key = request.headers.get("idempotency-key")
    if key is not None and not _matches(key):
        raise malformed("Idempotency-Key is 1 to 200 visible characters", "malformed_query")
    return key


async def _changes(request: Request) -> Changes:
    return Changes(services_of(request).runner, None)


async def _idempotent_changes(
    request: Request,
    identity: AnyKey,
    _: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            pattern=IDEMPOTENCY_KEY,
            description="The same key with the same request returns the first answer (7 days).",
        ),
    ] = None,
) -> Changes:
    key = answer_key(request, identity, idempotency_key(request), await request.body())
    return Changes(services_of(request).runner, key)


Changing = Annotated[Changes, Depends(_changes)]
"""For PUT, PATCH and DELETE, which need no key to be repeatable."""
Posting = Annotated[Changes, Depends(_idempotent_changes)]
"""For POST."""
