"""What-ifs: price shocks against today's book (CAL-15)."""

from __future__ import annotations

from fastapi import Request, Response

from app.api.access import OPTIONAL_KEY, MaybeKey
from app.api.changing import answer_key
from app.api.edge import first_headers
from app.api.faults import AnyCode, Fault
from app.api.problems import Problem, busy
from app.api.routing import keyed, router
from app.api.schemas.jobs import JobTicket, job_text
from app.api.schemas.stress import ShockBody, StressTestBody, StressTestView
from app.api.services import Services, ServicesDep
from app.engine.rejections import Code
from app.jobs import board
from app.jobs.board import NewJob, TooManyJobs
from app.jobs.desk import DeskBusy, DeskDown
from app.jobs.library import read_library
from app.jobs.stress import (
    InvalidStressTest,
    Shock,
    StressTest,
    concerned,
    crash_of,
    read_contracts,
    stored_test,
)
from app.runner.answers import AnswerKey
from app.store.reads import raw

stress_tests = router("stress tests")

REFUSED: dict[str, AnyCode] = {
    **{code.name: code for code in (Code.unknown_contract, Code.contract_not_trading)},
    **{code.name: code for code in (Code.no_mark, Code.price_not_positive)},
    **{code.name: code for code in (Fault.empty_shocks, Fault.too_many_steps)},
    **{code.name: code for code in (Fault.shocked_twice, Fault.unknown_scenario)},
}
"""What no what-if can be."""
ASKED = (Fault.malformed_body, Fault.idempotency_key_conflict)
QUEUE_SECONDS = 10


@stress_tests.post(
    "/stress-tests",
    responses={
        **keyed(*ASKED, *REFUSED.values(), statuses={Fault.unknown_scenario: 422}),
        202: {"model": JobTicket, "description": "With `engine`: it is queued."},
    },
    response_model=StressTestView | JobTicket,
    openapi_extra=OPTIONAL_KEY,
    summary="What if prices jump",
)
async def stress_test(
    request: Request,
    response: Response,
    services: ServicesDep,
    identity: MaybeKey,
    body: StressTestBody,
) -> StressTestView | JobTicket:
    """Who would be liquidated, and what that would cost the funds. Nothing is changed.

    `fast`, for everybody, answers at once by the formula of CAL-2: without resting orders, limits
    of funds and fees, from a book that may be a minute old. `engine`, for admins, is a job: the
    real waterfall on a copy of the state, whose result names accounts too.
    """
    try:
        test = _asked(body)
        if test.mode == "fast":
            return await _at_once(services, test)
        if identity is None:
            raise Problem(Fault.unauthorized, "this needs an API key")
        identity.check_scope("admin")
        headers = first_headers(request.scope)
        key = answer_key(identity, headers, request.url.path, await request.body())
        job_id = await _queue(services, test, identity.key_id, key)
    except InvalidStressTest as error:
        raise Problem(REFUSED[error.code], error.detail, error.context, status=422) from error
    except TooManyJobs as error:
        raise busy("too many jobs are waiting", QUEUE_SECONDS) from error
    services.wake_jobs()
    response.status_code = 202
    return JobTicket(job_id=job_text(job_id), status="queued", progress=0, calibration_ids=[])


def _asked(body: StressTestBody) -> StressTest:
    steps = [] if body.path == "instant" else body.path
    if body.shocks is not None:
        if steps:
            raise InvalidStressTest("empty_shocks", "either shocks or a path of them")
        steps = [body.shocks]
    return StressTest(
        steps=tuple(tuple(map(_shock, step)) for step in steps),
        scenario=body.scenario,
        mode=body.mode,
        book=body.book,
        fund=body.fund,
        asset=body.asset,
    )


def _shock(body: ShockBody) -> Shock:
    return Shock(body.symbol, body.change)


async def _at_once(services: Services, test: StressTest) -> StressTestView:
    if services.desk is None:
        raise busy("this instance answers no what-ifs")
    try:
        return StressTestView.model_validate(await services.desk.ask(test))
    except DeskBusy as error:
        raise busy("too many what-ifs are waiting") from error
    except DeskDown as error:
        raise busy("the process that answers what-ifs gave no answer; ask again") from error


async def _queue(services: Services, test: StressTest, by: str, key: AnswerKey | None) -> int:
    async with services.database.connect() as reading:
        connection = await raw(reading)
        crash_of(test, await read_library(connection))
        concerned(test, await read_contracts(connection))
    async with services.writing() as connection:
        return await board.request(
            connection, NewJob("stress_test", stored_test(test), None, by), key
        )
