"""Whether the process lives, reads and leads, and what it counted."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from sqlalchemy import text
from starlette.responses import PlainTextResponse

from app.api import metrics
from app.api.access import OPTIONAL_KEY, MaybeKey
from app.api.faults import Fault
from app.api.problems import Problem, not_leader
from app.api.routing import StrictRoute, keyed, problems
from app.api.schemas.base import View
from app.api.services import Reading, ServicesDep
from app.runner.metrics import StandbyState

health = APIRouter(tags=["health"], route_class=StrictRoute)


class AliveView(View):
    """The process answers."""

    status: Literal["alive"] = "alive"


class StandbyView(View):
    """How an instance that does not lead follows the one that does.

    `warm`: it takes over without a load. `differs`: it found what it cannot explain and will not
    lead. The lag is of what is committed.
    """

    state: StandbyState
    why: str | None
    lag_commands: int
    lag_seconds: float


class ReadyView(View):
    """Reads are served."""

    status: Literal["ready"] = "ready"
    standby: StandbyView | None = None


class LeaderView(View):
    """Writes are taken here."""

    status: Literal["leader"] = "leader"


@health.get("/healthz", responses=problems(), summary="Is the process alive?")
async def healthz() -> AliveView:
    """200 as long as the process answers."""
    return AliveView()


@health.get(
    "/readyz", responses=problems(), summary="Are reads served?", response_model_exclude_none=True
)
async def readyz(reading: Reading, services: ServicesDep) -> ReadyView:
    """200 while the database answers. Where writes are not taken, says how warm it stands by."""
    await reading.execute(text("SELECT 1"))
    if services.runner.leading:
        return ReadyView()
    standby = services.runner.metrics.standby
    return ReadyView(
        standby=StandbyView(
            state=standby.state,
            why=standby.why,
            lag_commands=standby.lag_commands,
            lag_seconds=round(standby.lag_seconds, 3),
        )
    )


@health.get("/leaderz", responses=problems(Fault.not_leader), summary="Are writes taken here?")
async def leaderz(services: ServicesDep) -> LeaderView:
    """200 only on the leader; for load balancers."""
    if not services.runner.leading:
        raise not_leader(1, services.runner.refusal)
    return LeaderView()


@health.get(
    "/metrics",
    responses=keyed(),
    response_class=PlainTextResponse,
    openapi_extra=OPTIONAL_KEY,
    summary="Prometheus metrics",
)
async def get_metrics(services: ServicesDep, identity: MaybeKey) -> PlainTextResponse:
    """For Prometheus. Without a key only where the service is bound to loopback."""
    if not services.open_metrics:
        if identity is None:
            raise Problem(
                Fault.unauthorized,
                "this needs an API key",
                headers={"WWW-Authenticate": "Bearer"},
            )
        if not identity.is_admin:
            raise Problem(Fault.forbidden, "this needs a key of scope admin")
    runner = services.runner
    # The leader's own memory, a batch ahead of what is committed: a scrape must be answered while
    # PostgreSQL is not, and must not make it count millions of rows. Nothing is decided by it.
    state = runner.engine.state if runner.leading else None
    body = metrics.render(services.metrics, runner.metrics, state)
    return PlainTextResponse(body, media_type=metrics.MEDIA_TYPE)
