"""The body of every error (RFC 9457)."""

from __future__ import annotations

from pydantic import Field

from app.api.schemas.base import View


class ProblemBody(View):
    """What went wrong. `code` is stable; `context` has the numbers that decided."""

    type: str = Field(examples=["about:blank"])
    title: str = Field(examples=["Unprocessable Entity"])
    status: int = Field(ge=400, le=599, examples=[422])
    detail: str = Field(examples=["the order needs more than the available balance"])
    code: str = Field(examples=["insufficient_margin"])
    context: dict[str, str] | None = Field(
        default=None, examples=[{"required": "469.20", "available": "400"}]
    )
