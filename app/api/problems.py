"""Errors as RFC 9457 problem documents: one shape, one table of codes, for every route."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import asyncpg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from app.api.faults import AnyCode, Fault
from app.engine.rejections import Code, Rejected, Rejection
from app.runner.runner import AnswerConflict, AnswerExpired, Busy, NotLeader
from app.store.database import STATEMENT_SECONDS, UNREACHABLE
from app.store.reads import NoSlot, cause_of

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

Statuses = Mapping[AnyCode, int]
"""Refusals that a route answers with another status than they usually have."""
NO_STATUSES: Statuses = {}

FAULT_OF_STATUS = {
    400: Fault.malformed_body,
    401: Fault.unauthorized,
    403: Fault.forbidden,
    404: Fault.not_found,
}
"""What FastAPI and Starlette say themselves; they say nothing else."""

OVERLOADED = (
    asyncpg.InsufficientResourcesError,
    asyncpg.QueryCanceledError,
    asyncpg.LockNotAvailableError,
    asyncpg.TransactionRollbackError,
    asyncpg.TransactionTimeoutError,
)
"""How it shows that it has too much to do: no connection, no memory, out of time, a conflict."""

UNKNOWN_IN_PATH: dict[str, AnyCode] = {
    "account_id": Code.unknown_account,
    "symbol": Code.unknown_contract,
    "order_id": Fault.unknown_order,
    "fund_id": Code.unknown_fund,
    "key_id": Code.unknown_key,
    "liquidation_id": Fault.unknown_liquidation,
    "adl_event_id": Fault.unknown_adl_event,
    "incident_id": Code.unknown_incident,
    "act_id": Fault.unknown_admin_act,
    "scenario_id": Fault.unknown_scenario,
    "job_id": Fault.unknown_job,
    "calibration_id": Fault.unknown_calibration,
}
"""The answer to a path parameter that names nothing, malformed or not."""


class Problem(HTTPException):
    """An error answer. `context` holds plain decimals and identifiers that decided it.

    Its status is the code's, unless this route answers it with another one.
    """

    def __init__(
        self,
        code: AnyCode,
        detail: str,
        context: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        status: int | None = None,
    ) -> None:
        super().__init__(status or code.value.status, detail, dict(headers) if headers else None)
        self.code = code
        self.context = dict(context or {})

    def document(self) -> dict[str, Any]:
        """The body of the answer, also used for the items of a batch."""
        document: dict[str, Any] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status_code).phrase,
            "status": self.status_code,
            "detail": self.detail,
            "code": self.code.name,
        }
        if self.context:
            document["context"] = self.context
        return document

    def response(self) -> Response:
        """The whole answer."""
        return JSONResponse(
            self.document(), self.status_code, headers=self.headers, media_type=MEDIA_TYPE
        )


def refused(rejection: Rejection, statuses: Statuses = NO_STATUSES) -> Problem:
    """The problem of an engine's refusal; `statuses` says what this route answers otherwise."""
    code = Code.__members__.get(rejection.code)
    if code is None:  # of an answer that an earlier release stored
        return Problem(Code.answer_expired, f"{rejection.code}: {rejection.detail}")
    return Problem(code, rejection.detail, rejection.context, status=statuses.get(code))


def unknown(parameter: str) -> Problem:
    """404 for a path parameter that names nothing the caller may see."""
    code = UNKNOWN_IN_PATH[parameter]
    thing = code.name.removeprefix("unknown_").replace("_", " ")
    return Problem(code, f"there is no such {thing}", status=404)


def not_leader(retry_after: int, why: str | None = None) -> Problem:
    """503 where writes are not taken; `why`, where that is not for a moment only."""
    return Problem(
        Fault.not_leader,
        why or "this instance does not take writes at the moment",
        headers={"Retry-After": str(retry_after)},
    )


def busy(detail: str, retry_after: int = 1) -> Problem:
    """503 where there is more to do than can be done just now."""
    return Problem(Fault.busy, detail, headers={"Retry-After": str(retry_after)})


def malformed(detail: str, code: Fault = Fault.malformed_body, **context: Any) -> Problem:
    """400 for what does not parse."""
    return Problem(code, detail, context)


def too_wide(narrow: str) -> Problem:
    """422 for a read that PostgreSQL did not finish in its time; `narrow` says what to change."""
    return Problem(
        Fault.query_too_wide,
        f"this takes more than {STATEMENT_SECONDS} s: narrow it by {narrow}",
        {"narrow": narrow},
    )


def invalid(errors: Iterable[Mapping[str, Any]]) -> Problem:
    """The problem of a request that does not fit its schema: its first error, by place."""
    error = next(iter(errors))
    place, *path = error["loc"] or ("body",)
    message = str(error["msg"]).removeprefix("Value error, ")
    if place == "path" and path and path[0] in UNKNOWN_IN_PATH:
        return unknown(str(path[0]))
    where = ".".join(str(part) for part in path)
    return malformed(
        f"{where}: {message}" if where else message,
        Fault.malformed_body if place == "body" else Fault.malformed_query,
        **({"field": where} if where else {}),
    )


def from_validation(error: ValidationError) -> Problem:
    """The problem of a body that a lean route could not parse."""
    errors = error.errors(include_url=False, include_context=False, include_input=False)
    return invalid([{**one, "loc": ("body", *one["loc"])} for one in errors])


async def _http(_: Request, error: HTTPException) -> Response:
    if isinstance(error, Problem):
        return error.response()
    fault = FAULT_OF_STATUS[error.status_code]
    return Problem(fault, error.detail, headers=error.headers).response()


async def _validation(_: Request, error: RequestValidationError) -> Response:
    return invalid(error.errors()).response()


async def _rejected(_: Request, error: Rejected) -> Response:
    return refused(error.rejection).response()


async def _not_leader(_: Request, error: NotLeader) -> Response:
    return not_leader(error.retry_after, str(error)).response()


async def _busy(_: Request, error: Busy) -> Response:
    return busy("too many commands are waiting", error.retry_after).response()


async def _no_slot(_: Request, error: NoSlot) -> Response:
    return busy(str(error)).response()


async def _overloaded(_: Request, error: Exception) -> Response:
    logger.warning("a read was given up: %r", error)
    return busy("the database has too much to do").response()


async def _conflict(_: Request, __: AnswerConflict) -> Response:
    return Problem(
        Fault.idempotency_key_conflict, "this Idempotency-Key was used for another request"
    ).response()


async def _expired(_: Request, __: AnswerExpired) -> Response:
    return Problem(
        Code.answer_expired, "this request was done before; its answer can no longer be read"
    ).response()


async def _unavailable(_: Request, error: Exception) -> Response:
    logger.warning("the database does not answer: %r", error)
    return Problem(
        Fault.unavailable, "the database does not answer", headers={"Retry-After": "1"}
    ).response()


async def _database(request: Request, error: DBAPIError) -> Response:
    cause = cause_of(error)
    if isinstance(cause, OVERLOADED):
        return await _overloaded(request, cause)
    if error.connection_invalidated or isinstance(cause, UNREACHABLE):
        return await _unavailable(request, error)
    logger.error("the database refused a query", exc_info=error)
    return await _unexpected(request, error)


async def _unexpected(_: Request, __: Exception) -> Response:
    # The server logs the exception, which goes on to it.
    return Problem(Fault.internal_error, "an unexpected error; it was logged").response()


HANDLERS: dict[type[Exception], Any] = {
    HTTPException: _http,
    RequestValidationError: _validation,
    Rejected: _rejected,
    NotLeader: _not_leader,
    Busy: _busy,
    NoSlot: _no_slot,
    AnswerConflict: _conflict,
    AnswerExpired: _expired,
    DBAPIError: _database,
    **dict.fromkeys(UNREACHABLE, _unavailable),
    **dict.fromkeys(OVERLOADED, _overloaded),
    Exception: _unexpected,
}


async def problem_of(request: Request, error: Exception) -> Response:
    """The answer for an exception of a route that FastAPI does not serve."""
    handler = next(HANDLERS[kind] for kind in type(error).__mro__ if kind in HANDLERS)
    if handler is _unexpected:
        logger.error("a request failed", exc_info=error)
    response: Response = await handler(request, error)
    return response


def install(app: FastAPI) -> None:
    """Answer every exception that can reach the edge with a problem document."""
    for kind, handler in HANDLERS.items():
        app.add_exception_handler(kind, handler)
