"""Changes: commands to the runner, with the request's Idempotency-Key."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, NamedTuple, TypeVar, cast

from fastapi import Depends, Header, Request

from app.api.access import AnyKey, Identity
from app.api.edge import first_headers
from app.api.faults import Fault
from app.api.problems import NO_STATUSES, Statuses, malformed, refused
from app.api.services import services_of
from app.engine.commands import CommandOf
from app.engine.engine import Engine
from app.engine.rejections import Rejection
from app.runner.runner import AnswerExpired, AnswerKey, By, Runner

IDEMPOTENCY_KEY = r"^[\x21-\x7e]{1,200}$"
R = TypeVar("R")
_matches = re.compile(IDEMPOTENCY_KEY).fullmatch


class Changes(NamedTuple):
    """The way to change something for one request; `admin` is the key of one whose act it is."""

    runner: Runner
    key: AnswerKey | None
    admin: str | None = None

    async def apply(
        self,
        command: CommandOf[R],
        statuses: Statuses = NO_STATUSES,
        *,
        reference: str | None = None,
    ) -> tuple[R, bool]:
        """The command's durable result and whether it is the answer to an earlier request.

        Raises the `Problem` of a refusal; `statuses` says what this route answers otherwise.
        `reference` is why an admin does it.
        """
        by = None if self.admin is None else By(self.admin, reference)
        answer = await self.runner.submit([command], self.key, by)
        (result,) = answer.results
        if isinstance(result, Rejection):
            raise refused(result, statuses)
        return _result_of(command, result), answer.replayed

    async def apply_all(self, commands: Sequence[CommandOf[R]]) -> list[R | Rejection]:
        """The durable results of the commands, refusals among them."""
        answer = await self.runner.submit(commands, self.key)
        return [
            result if isinstance(result, Rejection) else _result_of(command, result)
            for command, result in zip(commands, answer.results, strict=True)
        ]


def _result_of(command: CommandOf[R], result: object) -> R:
    """The result as the command's; what an earlier release stored may be of another kind."""
    if not isinstance(result, Engine.handlers[type(command)].results):
        raise AnswerExpired
    return cast("R", result)


def answer_key(
    identity: Identity, headers: Mapping[bytes, bytes], path: str, body: bytes
) -> AnswerKey | None:
    """What the answer to a POST is kept under for 7 days, if it has an Idempotency-Key."""
    header = headers.get(b"idempotency-key")
    if header is None:
        return None
    key = header.decode("latin-1")
    if not _matches(key):
        raise malformed("Idempotency-Key is 1 to 200 visible characters", Fault.malformed_query)
    digest = hashlib.sha256(f"POST {path}\n".encode() + body).hexdigest()
    return AnswerKey(f"request/{identity.key_id}", key, digest)


async def _changes(request: Request, identity: AnyKey) -> Changes:
    return Changes(services_of(request).runner, None, _admin(identity))


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
    scope, body = request.scope, await request.body()
    key = answer_key(identity, first_headers(scope), scope["path"], body)
    return Changes(services_of(request).runner, key, _admin(identity))


def _admin(identity: Identity) -> str | None:
    return identity.key_id if identity.is_admin else None


Changing = Annotated[Changes, Depends(_changes)]
"""For PUT, PATCH and DELETE, which need no key to be repeatable."""
Posting = Annotated[Changes, Depends(_idempotent_changes)]
"""For POST."""
