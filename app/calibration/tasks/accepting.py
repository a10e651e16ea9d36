"""Accepting what was proposed on the command line: as an admin, by the running service (CAL-12)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import httpx

from app.calibration.runs.result import Told


class NotAccepted(Exception):
    """The service did not accept; the message says why."""


def accept(
    found: Iterable[Told], service: str, admin_key: str, reason: str | None
) -> Iterator[str]:
    """One after the other, those that ask for something; raises `NotAccepted` at the first refusal.

    Gives a sentence for each.
    """
    headers = {"Authorization": f"Bearer {admin_key}"}
    for told in found:
        name, fund_id = told["calibration_id"], told["fund_id"]
        if told["required_minimum"] == "0":
            yield f"{name} asks for nothing of {fund_id}, and is left as it is"
            continue
        path = f"{service}/v1/calibrations/{name}/accept"
        try:
            answer = httpx.post(path, json={"reason": reason}, headers=headers)
        except httpx.HTTPError as error:
            raise NotAccepted(f"{service} does not answer: {error}") from error
        if not answer.is_success:
            raise NotAccepted(f"{name} was not accepted: {answer.text}")
        yield f"{name} is accepted: {fund_id} must hold {told['required_minimum']}"
