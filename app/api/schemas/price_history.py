"""Past prices (CAL-7)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from app.api.price_lines import LineCode
from app.api.schemas.base import Exact, Id, Symbol, Time, View


class RefusedLineView(View):
    """A line that was not imported; the header is line 1."""

    line: int
    code: LineCode


class PriceWarningView(View):
    """What looks wrong in what was imported all the same."""

    code: Literal["reverting_price", "shifted_time"]
    symbol: Symbol
    time: Time | None = Field(description="Of the close, where it is about one.")
    detail: str


class PriceImportView(View):
    """What an import brought."""

    import_id: Id
    rows: int
    symbols: list[Symbol]
    first: Time
    last: Time
    sha256: str = Field(description="Of the body.")
    refused: list[RefusedLineView] = Field(description="The first hundred.")
    refused_count: int
    warnings: list[PriceWarningView] = Field(description="At most a hundred of each kind.")


class CloseView(View):
    """A close, and whose it is: that of the newest import, or of the service's own marks."""

    time: Time = Field(description="The end of the bar.")
    close: Exact
    volume: Exact | None = Field(description="In the quote asset; null where nobody said.")
    source: str = Field(description="The import's, or `marks`.")
    import_id: Id | None


class CoverageView(View):
    """What there is of a contract's past, and who stands for it where there is nothing."""

    symbol: Symbol
    rows: int
    first: Time | None
    last: Time | None
    imported: Exact = Field(description="The share of them that was imported.")
    gaps: int = Field(description="Between the first and the last.")
    largest_gap: int = Field(description="In bars.")
    proxy: Symbol | None = Field(description="Whose returns it takes where it has none.")
    multiplier: Exact | None = Field(description="How much they are enlarged (CAL-7).")
    proxied: Exact = Field(description="The share of returns, of all bars known, that it takes.")
