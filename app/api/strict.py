"""What has two readings is refused: the same key twice, a number that is not written as we do."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator
from pydantic_core import from_json

from app.api.problems import malformed

_whole = re.compile(r"0|[1-9][0-9]{0,17}").fullmatch


def parse_json(raw: bytes) -> Any:
    """Strict JSON: UTF-8, no NaN, no Infinity, no key twice; raises 400."""
    try:
        value = from_json(raw, allow_inf_nan=False)
    except ValueError as error:
        raise malformed(f"the body is not JSON: {error}") from None
    check_keys(raw)
    return value


def check_keys(raw: bytes) -> None:
    """Raise 400 if an object of this valid JSON has a key twice.

    Parsers differ in which one counts: a proxy or a log would see another order than we do.
    """
    try:
        json.loads(raw.decode(), object_pairs_hook=unique, parse_int=str, parse_float=str)
    except ValueError as error:
        raise malformed(str(error)) from None


def unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """An object of its members; raises `ValueError` for a name that is there twice."""
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice[:50]!a} is given twice")
    return members


def _check_whole(value: object) -> object:
    if isinstance(value, str) and not _whole(value):
        raise ValueError("not a whole number in plain digits")
    return value


def _check_flag(value: object) -> object:
    if isinstance(value, str) and value not in {"true", "false"}:
        raise ValueError("neither true nor false")
    return value


Flag = Annotated[bool, BeforeValidator(_check_flag)]
"""A yes or no of a query: `true` or `false`, where pydantic would take `1`, `yes` and `On` too."""
Whole = Annotated[int, BeforeValidator(_check_whole)]
"""A number of a query: plain digits, where pydantic would take `1.0`, `+1`, ` 1` and `1_0` too."""
