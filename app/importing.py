"""`backstop import`: the exchange's own two files, posted to a running service (CON-5)."""

from __future__ import annotations

import gzip
import json
import zlib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

TIMEOUT_SECONDS = 120


class ImportingError(Exception):
    """Why it cannot be done: one line."""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What the service made of the files; `skipped` is reason to symbols."""

    created: int
    updated: int
    skipped: dict[str, list[str]]

    def summary(self, *, verbose: bool) -> str:
        """For reading: counts, skipped ones by reason, with their symbols if `verbose`."""
        skipped = sum(map(len, self.skipped.values()))
        lines = [f"created {self.created:,}, updated {self.updated:,}, skipped {skipped:,}"]
        for reason, symbols in sorted(self.skipped.items(), key=lambda item: -len(item[1])):
            lines.append(f"{len(symbols):>7,}  {reason}")
            if verbose:
                lines += [f"         {symbol}" for symbol in sorted(symbols)]
        return "\n".join(lines)


def import_files(
    url: str, admin_key: str, exchange_info: Path, leverage_brackets: Path
) -> ImportReport:
    """Import both files; raises `ImportingError`.

    Their texts go out as they are: a number that was read and written again may not be the same.
    """
    body = b'{"exchange_info": %b, "leverage_brackets": %b, "reference": "backstop import"}' % (
        _json_text(exchange_info),
        _json_text(leverage_brackets),
    )
    answer = _post(f"{url.rstrip('/')}/v1/contracts/import", admin_key, body)
    skipped: dict[str, list[str]] = defaultdict(list)
    for one in answer["skipped"]:
        skipped[one["reason"]].append(one["symbol"])
    return ImportReport(answer["created"], answer["updated"], dict(skipped))


def _json_text(path: Path) -> bytes:
    """A file's text, unzipped, that is one JSON value."""
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
        json.loads(text, parse_int=str, parse_float=str, parse_constant=_no_constant)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise ImportingError(f"{path} cannot be read: {reason}") from error
    except (ValueError, RecursionError) as error:
        raise ImportingError(f"{path} is not JSON: {error}") from error
    return text.encode()


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _post(address: str, admin_key: str, body: bytes) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {admin_key}", "Content-Type": "application/json"}
    try:
        answer = httpx.post(
            address, content=body, headers=headers, timeout=TIMEOUT_SECONDS, trust_env=False
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ImportingError(f"no service answers at {address}: {error}") from error
    if not answer.is_success:
        raise ImportingError(f"the service refuses: {problem_of(answer)}")
    found: dict[str, Any] = answer.json()
    return found


def problem_of(answer: httpx.Response) -> str:
    """A problem document in one line, or the beginning of whatever else it is."""
    try:
        problem = answer.json()
        return f"{answer.status_code} {problem['code']}: {problem['detail']}"
    except (ValueError, KeyError, TypeError):
        return f"{answer.status_code} {answer.text[:200]!r}"
