"""The HTTP client: a few connections, one idempotency key per change, patience with `busy`."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import itertools
import sys
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

import httpx

CONNECTIONS = 8
BATCH = 1000
"""Orders in one call, the most the service takes."""
PATIENCE = 60.0
"""Seconds of being unavailable after which the replay gives up."""

Json = dict[str, Any]


class ServiceError(Exception):
    """An answer that ends the replay; `code` is the problem document's, or empty."""

    def __init__(self, request: str, status: int, code: str, detail: str) -> None:
        super().__init__(" ".join(filter(None, [f"{request}:", str(status or ""), code, detail])))
        self.status = status
        self.code = code


class Service:
    """A running Backstop service, called with an admin key."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._slots = asyncio.Semaphore(CONNECTIONS)
        self._run = f"replay-{time.time_ns()}"
        self._numbers = itertools.count(1)

    async def greet(self) -> None:
        """Fail at once, and not after all patience, where no service is."""
        try:
            await self._http.get("/healthz")
        except (httpx.TransportError, httpx.InvalidURL) as error:
            why = f"{type(error).__name__} {error}".rstrip()
            raise ServiceError(
                str(self._http.base_url), 0, "", f"no service there: {why}"
            ) from error

    async def get(self, path: str, **parameters: str | int) -> Json:
        """A GET's JSON object."""
        return cast("Json", (await self._call("GET", path, parameters=parameters)).json())

    async def text(self, path: str, **parameters: str | int) -> str:
        """A GET's text."""
        return (await self._call("GET", path, parameters=parameters)).text

    async def post(self, path: str, body: Json) -> Json:
        """A POST, once only however often it must be repeated (`Idempotency-Key`)."""
        key = f"{self._run}-{next(self._numbers)}"
        return cast("Json", (await self._call("POST", path, body=body, key=key)).json())

    async def put(self, path: str, body: Json) -> None:
        """A PUT."""
        await self._call("PUT", path, body=body)

    async def patch(self, path: str, body: Json) -> None:
        """A PATCH."""
        await self._call("PATCH", path, body=body)

    async def delete(self, path: str, **parameters: str) -> None:
        """A DELETE."""
        await self._call("DELETE", path, parameters=parameters)

    async def pages(self, path: str, **parameters: str | int) -> AsyncIterator[Json]:
        """The items of a list, all pages."""
        cursor: str | None = None
        while True:
            more = {"cursor": cursor} if cursor else {}
            page = await self.get(path, limit=1000, **parameters, **more)
            for item in page["items"]:
                yield item
            cursor = page["next_cursor"]
            if not cursor:
                return

    async def orders(self, orders: Sequence[Json]) -> list[Json]:
        """Orders in batches, in order; one result for each."""
        results: list[Json] = []
        for batch in _batches(orders):
            results += (await self.post("/v1/orders/batch", {"orders": batch}))["results"]
        return results

    async def _call(
        self,
        method: str,
        path: str,
        *,
        parameters: dict[str, Any] | None = None,
        body: Json | None = None,
        key: str | None = None,
    ) -> httpx.Response:
        """Call until an answer other than 503 comes, or patience ends; raises `ServiceError`."""
        headers = {"Idempotency-Key": key} if key else {}
        deadline = time.monotonic() + PATIENCE
        while True:
            wait = 1.0
            why = ""
            response = None
            try:
                async with self._slots:
                    response = await self._http.request(
                        method, path, params=parameters, json=body, headers=headers
                    )
            except httpx.TransportError as error:
                why = f"{type(error).__name__} {error}"
            if response is not None:
                if response.is_success:
                    return response
                if response.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                    raise _refused(f"{method} {path}", response)
                why = f"503 {response.text[:200]}"
                with contextlib.suppress(ValueError):
                    wait = min(5.0, float(response.headers.get("Retry-After", "1")))
            if time.monotonic() + wait > deadline:
                raise ServiceError(f"{method} {path}", 503, "", f"no answer for long: {why}")
            await asyncio.sleep(wait)


def connect(url: str, admin_key: str) -> httpx.AsyncClient:
    """The connections to a service; a context manager."""
    if importlib.util.find_spec("sniffio") is None:
        # httpcore tries to import it several times a request; without this mark each try searches
        # the whole path again, which took a third of the replay's own time.
        sys.modules["sniffio"] = None  # type: ignore[assignment]
    return httpx.AsyncClient(
        base_url=url,
        headers={"Authorization": f"Bearer {admin_key}"},
        timeout=httpx.Timeout(120, connect=5),
        limits=httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS),
        trust_env=False,
    )


def _batches(orders: Sequence[Json]) -> list[list[Json]]:
    return [list(orders[start : start + BATCH]) for start in range(0, len(orders), BATCH)]


def _refused(request: str, response: httpx.Response) -> ServiceError:
    code, detail = "", response.text[:500]
    with contextlib.suppress(ValueError, AttributeError):
        problem = response.json()
        code = str(problem.get("code", ""))
        detail = f"{problem.get('detail', '')} {problem.get('context') or ''}".strip()
    return ServiceError(request, response.status_code, code, detail)
