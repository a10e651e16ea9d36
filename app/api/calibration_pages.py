"""A calibration's pages: the report on it, the picture of its losses, the losses (CAL-13)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from hashlib import sha256
from typing import Annotated, Any, Literal

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from app.api.calibrations import CalibrationPath, calibration_of
from app.api.faults import Fault
from app.api.routing import problems, router
from app.api.schemas.calibrations import CalibrationLossesView
from app.api.schemas.jobs import number_of
from app.api.services import Services, ServicesDep
from app.reporting import calibration, distribution, html, losses, markdown
from app.store.queries import jobs as queries

calibration_pages = router("calibrations")

PICTURE_POLICY = html.allowed(html.CHART_STYLE)


def _answers(**examples: str) -> dict[int | str, dict[str, Any]]:
    """What a page answers, by media type: text, as in an example, or that nothing has changed."""
    content = {
        name.replace("_", "/", 1).replace("_", "+"): {
            "schema": {"type": "string"},
            "example": text,
        }
        for name, text in examples.items()
    }
    return {
        **problems(Fault.unknown_calibration),
        200: {"content": content},
        304: {"description": "It is still what `If-None-Match` names."},
    }


@calibration_pages.get(
    "/calibrations/{calibration_id}/report",
    responses=_answers(text_html="<!doctype html>...", text_markdown="# Insurance fund ..."),
    response_class=Response,
    summary="A calibration's report",
)
async def get_report(
    request: Request,
    services: ServicesDep,
    calibration_id: CalibrationPath,
    format: Annotated[  # noqa: A002 - the contract's name
        Literal["html", "md"], Query(description="html prints on A4; md is Markdown.")
    ] = "html",
) -> Response:
    """A calibration written out for who decides on it: what the fund must hold and why, how much
    of it to believe, what it does not say, and how to make it again.

    The page has no scripts and fetches nothing.
    """
    found, lost = await _stored(services, calibration_id)
    if format == "md":
        return await _page(
            request, lambda: markdown.markdown(calibration.report(found, lost)), "text/markdown"
        )
    return await _page(
        request,
        lambda: html.html(calibration.report(found, lost)),
        "text/html",
        **{"Content-Security-Policy": html.POLICY},
    )


@calibration_pages.get(
    "/calibrations/{calibration_id}/distribution.svg",
    responses=_answers(image_svg_xml="<svg ..."),
    response_class=Response,
    summary="The picture of a calibration's losses",
)
async def get_distribution(
    request: Request, services: ServicesDep, calibration_id: CalibrationPath
) -> Response:
    """How often more than so much is lost, with the three candidates and both bands."""
    found, lost = await _stored(services, calibration_id)
    return await _page(
        request,
        lambda: distribution.distribution(found, lost),
        "image/svg+xml",
        **{"Content-Security-Policy": PICTURE_POLICY},
    )


@calibration_pages.get(
    "/calibrations/{calibration_id}/losses",
    responses=_answers(text_csv=",".join(losses.COLUMNS) + "\n"),
    response_model=CalibrationLossesView,
    summary="A calibration's largest losses",
)
async def get_losses(
    request: Request,
    services: ServicesDep,
    calibration_id: CalibrationPath,
    format: Annotated[  # noqa: A002 - the contract's name
        Literal["json", "csv"], Query(description="csv has the largest losses alone, no ranges.")
    ] = "json",
) -> Response:
    """The largest losses of the fund, what they are made of, and how all are spread."""
    _, lost = await _stored(services, calibration_id)
    if format == "csv":
        return await _page(
            request,
            lambda: losses.table(lost),
            "text/csv",
            **{"Content-Disposition": f'attachment; filename="{calibration_id}-losses.csv"'},
        )
    return await _page(request, lambda: json.dumps(lost, separators=(",", ":")), "application/json")


async def _stored(services: Services, calibration_id: str) -> tuple[Any, Any]:
    """The calibration as it is answered, and its losses; raises 404."""
    async with services.database.connect() as reading:
        found = await calibration_of(reading, services, calibration_id)
        lost = await queries.get_losses(reading, number_of(calibration_id))
    return found.model_dump(mode="json", by_alias=True), lost


async def _page(
    request: Request, write: Callable[[], str], media_type: str, **headers: str
) -> Response:
    """What is written, in a thread of its own: it takes milliseconds; 304 where it is known."""
    content = (await asyncio.to_thread(write)).encode()
    tag = f'"{sha256(content).hexdigest()[:32]}"'
    headers |= {"ETag": tag, "Cache-Control": "no-cache"}
    known = request.headers.get("if-none-match", "").split(",")
    if tag in (one.strip().removeprefix("W/") for one in known):
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=media_type, headers=headers)
