"""Prices as the service wants them of each contract: ticks, or what the sources of its index say.

Without the recorded times: a service that saw later ones would refuse them (MRK-1).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from app.engine.contracts import Contract
from app.engine.numbers import plain
from app.replay.client import Json

Contracts = Mapping[str, Contract]
Prices = Mapping[str, Decimal]


def said(contracts: Contracts, marks: Prices, indexes: Prices) -> list[Json]:
    """Of contracts with sources: each of them says what the index is.

    Where no index was recorded a mark is derived from the prices there are.
    """
    prices = dict(indexes)
    for symbol, price in marks.items():
        if contracts[symbol].mark_mode == "derived":
            prices.setdefault(symbol, price)
    return [
        {"symbol": symbol, "source": source.name, "price": plain(price)}
        for symbol, price in prices.items()
        for source in contracts[symbol].index_sources
    ]


def ticks(contracts: Contracts, marks: Prices, indexes: Prices) -> list[Json]:
    """Of contracts whose marks are given, with the index where that has no sources of its own."""
    found = []
    for symbol, price in marks.items():
        contract = contracts[symbol]
        if contract.mark_mode == "given":
            tick = {"symbol": symbol, "mark_price": plain(price)}
            if symbol in indexes and not contract.index_sources:
                tick["index_price"] = plain(indexes[symbol])
            found.append(tick)
    return found
