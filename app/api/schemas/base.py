"""What every body is made of: exact decimals as strings, UTC times, bounded identifiers."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Generic, Self, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetPydanticSchema,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, core_schema

from app.engine.numbers import FRACTION_DIGITS, INTEGER_DIGITS, plain, time_text

DERIVED_DIGITS = FRACTION_DIGITS + 4
"""Fraction digits of the finest price that is derived and answered (`numbers.round_price`)."""
LARGEST_ID = 10**18 - 1
"""Identifiers and sequences have at most 18 digits and so fit PostgreSQL's BIGINT."""

_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})",
    re.ASCII,
)


class Body(BaseModel):
    """A request body: unknown fields and other JSON types than the documented ones are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class View(BaseModel):
    """A response body."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def of(cls, row: Mapping[Any, Any], **more: object) -> Self:
        """What is declared here, by name, of what a row has, and `more`.

        So nothing that is kept is shown unless a view says so.
        """
        shown = {name: row[name] for name in cls.model_fields if name in row}
        return cls(**{**shown, **more})

    @classmethod
    def names(cls) -> Collection[str]:
        """What is declared here, in order: what a query may put into its `item`."""
        return cls.model_fields


def example(*bodies: dict[str, Any]) -> ConfigDict:
    """The configuration of a body with an example or more."""
    return ConfigDict(json_schema_extra={"examples": list(bodies)})


def _without_default(schema: dict[str, Any]) -> None:
    schema.pop("default", None)


LEFT_OUT: Any = Field(default=None, json_schema_extra=_without_default)
"""The default of a field that may be left out but, unless its type says so, not be null."""


def parse_time(value: object) -> datetime:
    """A time from its RFC 3339 string, as UTC."""
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise ValueError('not an RFC 3339 time, for example "2026-01-31T12:00:00Z"')
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except OverflowError:
        raise ValueError("a time outside the years 1 to 9999") from None


def _string(message: str, **limits: Any) -> CoreSchema:
    """A string within limits, and what is said of one that is not."""
    schema = core_schema.str_schema(strict=True, **limits)
    return core_schema.custom_error_schema(schema, "decimal", custom_error_message=message)


def _number(fraction_digits: int) -> CoreSchema:
    """Orders are full of decimals: only the last step of reading one is Python's."""
    return core_schema.no_info_after_validator_function(
        Decimal,
        core_schema.chain_schema(
            [
                _string('a decimal is a JSON string, for example "0.1"'),
                _string(
                    "not a decimal in plain notation",
                    pattern=r"^-?[0-9]+(\.[0-9]+)?$",
                    max_length=100,
                ),
                _string(
                    f"at most {INTEGER_DIGITS} integer and {fraction_digits} fraction digits",
                    pattern=rf"^-?0*[0-9]{{1,{INTEGER_DIGITS}}}(\.[0-9]{{1,{fraction_digits}}}0*)?$",
                ),
            ]
        ),
    )


def _number_json(fraction_digits: int) -> WithJsonSchema:
    return WithJsonSchema(
        {
            "type": "string",
            "pattern": rf"^-?[0-9]{{1,{INTEGER_DIGITS}}}(\.[0-9]{{1,{fraction_digits}}})?$",
            "description": "An exact decimal in plain notation.",
            "examples": ["0.001"],
        }
    )


Number = Annotated[
    Decimal,
    GetPydanticSchema(lambda _source, _handler: _number(FRACTION_DIGITS)),
    _number_json(FRACTION_DIGITS),
]
"""A decimal of a request: a JSON string, for a JSON number would not be exact (NUM-1)."""

DerivedPrice = Annotated[
    Decimal,
    GetPydanticSchema(lambda _source, _handler: _number(DERIVED_DIGITS)),
    _number_json(DERIVED_DIGITS),
]
"""A price of a request that may be one we answered: an entry price has more digits than a tick."""

Exact = Annotated[
    Decimal,
    PlainSerializer(plain, return_type=str, when_used="unless-none"),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^-?[0-9]+(\.[0-9]+)?$",
            "description": "An exact decimal in plain notation.",
            "examples": ["0.001"],
        }
    ),
]
"""A decimal of an answer."""

Time = Annotated[
    datetime,
    BeforeValidator(parse_time),
    PlainSerializer(time_text, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-01-31T12:00:00Z"]}),
]


_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


def parse_day(value: object) -> datetime:
    """A time, or the beginning of a date (UTC)."""
    if isinstance(value, str) and _DATE.fullmatch(value):
        value = f"{value}T00:00:00Z"
    return parse_time(value)


Day = Annotated[
    datetime,
    BeforeValidator(parse_day),
    WithJsonSchema({"type": "string", "examples": ["2026-01-31", "2026-01-31T12:00:00Z"]}),
]
"""Where whole days are meant: a date of them, UTC, or any time."""


def _identifier(value: Any) -> Any:
    return str(value) if isinstance(value, int) else value


Id = Annotated[str, BeforeValidator(_identifier), Field(pattern=r"^[0-9]+$", examples=["42"])]
"""An identifier in an answer: an integer of the engine, printed as a string."""


def _calibration(value: Any) -> Any:
    return f"c-{value}" if isinstance(value, int) else value


CalibrationId = Annotated[
    str, BeforeValidator(_calibration), Field(pattern=r"^c-[0-9]+$", examples=["c-31"])
]
"""A calibration in an answer: its number, with a letter."""

ID_PATTERN = r"^(0|[1-9][0-9]{0,17})$"
SYMBOL_PATTERN = r"^[A-Z0-9_]{1,32}$"
ASSET_PATTERN = r"^[A-Z0-9]{1,20}$"
ACCOUNT_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
FUND_PATTERN = r"^[a-z0-9][a-z0-9-]{0,63}$"
KEY_PATTERN = r"^[a-z0-9-]{1,64}$"
SOURCE_PATTERN = ACCOUNT_PATTERN
REFERENCE_PATTERN = r"^[^\x00-\x1f\x7f-\x9f]{1,200}$"

Symbol = Annotated[str, Field(pattern=SYMBOL_PATTERN, examples=["BTCUSDT"])]
Asset = Annotated[str, Field(pattern=ASSET_PATTERN, examples=["USDT"])]
AccountId = Annotated[str, Field(pattern=ACCOUNT_PATTERN, examples=["alice"])]
FundId = Annotated[str, Field(pattern=FUND_PATTERN, examples=["usdt-major"])]
SourceName = Annotated[str, Field(pattern=SOURCE_PATTERN, examples=["a"])]
WalletName = Annotated[str, Field(pattern=FUND_PATTERN, examples=["main"])]
ClientOrderId = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:/-]{1,64}$", examples=["a-1"])]
Name = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f-\x9f]{1,100}$", examples=["desk 1"])]
Reference = Annotated[str, Field(pattern=REFERENCE_PATTERN, examples=["bank transfer 17"])]
Sequence = Annotated[int, Field(ge=0, le=LARGEST_ID, examples=[1001])]


class ActBody(Body):
    """What only an admin sends; `reference` says why, in the list of admin acts."""

    reference: Reference | None = None


Item = TypeVar("Item")


class Page(View, Generic[Item]):
    """One page of a list; `next_cursor` is null on the last."""

    items: list[Item]
    next_cursor: str | None = Field(
        default=None, description="Pass it as `cursor` to get the next page."
    )
