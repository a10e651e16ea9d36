"""Commands and answers as JSON and back, driven by the declared types of their dataclasses.

A Decimal is a plain string (its digits kept as they are), a datetime RFC 3339 UTC with six
decimals; a dataclass or named tuple is an object of its fields. What to do with a class is worked
out once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import pydantic_core

from app.engine.commands import Command
from app.engine.engine import Engine
from app.engine.numbers import time_text
from app.engine.rejections import Rejection

RESULTS_FORMAT = 1
"""Of results as they are stored: another number where what was written cannot be read any more."""
Convert = Callable[[Any], Any] | None
"""One direction of a type's conversion; None: the JSON value is the value."""

COMMANDS: dict[str, type[Command]] = {kind.__name__: kind for kind in Engine.handlers}
RESULTS: dict[str, type] = {
    kind.__name__: kind
    for handler in Engine.handlers.values()
    for kind in (*handler.results, Rejection)
}
"""All that is stored, by the name it is stored under."""


class Unreadable(Exception):
    """What is stored is not in a form that this release reads."""


def encode_command(command: Command) -> tuple[str, str]:
    """The command's kind (its class name) and its body as JSON text."""
    kind = type(command)
    return kind.__name__, to_text(to_json(kind, command))


def decode_command(kind: str, body: str) -> Command:
    """The command that `encode_command` wrote; raises KeyError for an unknown kind."""
    command: Command = from_json(COMMANDS[kind], json.loads(body))
    return command


def encode_results(results: Sequence[object]) -> str:
    """The results of an answer as a JSON list of {class name: fields}; null: not known yet."""
    written = [
        result and {type(result).__name__: to_json(type(result), result)} for result in results
    ]
    return to_text(written)


def decode_results(text: str, format_: int) -> list[object]:
    """The results that `encode_results` wrote, this release's or an earlier one's.

    A field that was added since has its default. Raises `Unreadable`.
    """
    if format_ != RESULTS_FORMAT:
        raise Unreadable(f"format {format_} is not {RESULTS_FORMAT}")
    try:
        results = [item and _decode_result(item) for item in json.loads(text)]
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise Unreadable from error
    return results


def _decode_result(item: dict[str, Any]) -> object:
    ((kind, value),) = item.items()
    return from_json(RESULTS[kind], value)


def to_text(value: Any) -> str:
    """JSON text of strings, numbers, dicts, lists and tuples (named ones: a list of the fields)."""
    return pydantic_core.to_json(value).decode()


def to_json(hint: Any, value: Any) -> Any:
    """A value of the declared type as what `json` can write."""
    convert = _converter(_WRITE, hint)
    return convert(value) if convert else value


def from_json(hint: Any, value: Any) -> Any:
    """A value of the declared type from what `json` has read."""
    convert = _converter(_READ, hint)
    return convert(value) if convert else value


@dataclass(frozen=True, eq=False)
class _Direction:
    """To JSON or from it: what becomes of the types that JSON does not have."""

    of_decimal: Callable[[Any], Any]
    of_time: Callable[[Any], Any]
    of_class: Callable[[type], Convert]
    sequence: Callable[[Any], Any] | None
    """What a tuple or list becomes; None: what its type says."""


@cache
def _converter(way: _Direction, hint: Any) -> Convert:
    origin = get_origin(hint)
    if origin is Annotated:
        return _changes(way, *hint.__metadata__)
    if hint in (str, int, bool, NoneType) or origin is Literal:
        return None
    if hint is Decimal:
        return way.of_decimal
    if hint is datetime:
        return way.of_time
    if isinstance(hint, type) and (is_dataclass(hint) or hasattr(hint, "_fields")):
        return way.of_class(hint)
    inner = [_converter(way, kind) for kind in get_args(hint) if kind is not Ellipsis]
    if origin in (Union, UnionType):
        return _optional(inner)
    if origin is dict:
        return _values(inner[1])
    if origin in (tuple, list):
        (item,) = inner
        return _items(item, way.sequence or origin)
    raise TypeError(f"no JSON form for {hint}")


def _optional(converts: list[Convert]) -> Convert:
    wanted = [convert for convert in converts if convert]
    if not wanted:
        return None
    (convert,) = wanted  # more than one would need a tag
    return lambda value: None if value is None else convert(value)


def _values(convert: Convert) -> Convert:
    if convert is None:
        return None
    return lambda value: {key: convert(item) for key, item in value.items()}


def _items(convert: Convert, sequence: Callable[[Any], Any]) -> Convert:
    if convert is None:
        return sequence
    return lambda value: sequence(map(convert, value))


def _encode_class(kind: type) -> Convert:
    hints = get_type_hints(kind, include_extras=True)
    converts = [(name, to) for name, hint in hints.items() if (to := _converter(_WRITE, hint))]
    declared = fields(kind) if is_dataclass(kind) else ()
    left_out = [(one.name, one.default) for one in declared if "left_out" in one.metadata]

    def encode(value: Any) -> dict[str, Any]:
        row = {name: getattr(value, name) for name in hints}
        for name, default in left_out:
            if row[name] == default:
                del row[name]
        for name, convert in converts:
            if name in row:
                row[name] = convert(row[name])
        return row

    return encode


def _decode_class(kind: type) -> Convert:
    hints = get_type_hints(kind, include_extras=True)
    steps = {name: _converter(_READ, hint) for name, hint in hints.items()}

    def decode(value: dict[str, Any]) -> Any:
        row = {}
        for name, item in value.items():
            convert = steps[name]
            row[name] = convert(item) if convert else item
        return kind(**row)

    return decode


def _changes(way: _Direction, kind: type) -> Convert:
    """New values of some fields of a class, by name."""
    steps = {name: _converter(way, hint) for name, hint in get_type_hints(kind).items()}

    def convert(value: dict[str, Any]) -> dict[str, Any]:
        return {
            name: step(item) if (step := steps.get(name)) else item for name, item in value.items()
        }

    return convert


def _decimal_text(value: Decimal) -> str:
    return format(value, "f")


_WRITE = _Direction(_decimal_text, time_text, _encode_class, list)
_READ = _Direction(Decimal, datetime.fromisoformat, _decode_class, None)
