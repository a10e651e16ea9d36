"""What may be asked of a stress test: joint price shocks, at once or in turn (CAL-15)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from math import exp
from typing import Any, Literal, NamedTuple

import asyncpg

from app.catalogue.stress import MIRROR_IMAGE, MIRRORED, STEPS, Crash
from app.engine.numbers import EXACT, floor_to
from app.jobs.library import StressLibrary
from app.store import codec

Mode = Literal["fast", "engine"]
"""CAL-2 on arrays, or the real waterfall on a private copy."""
BookUse = Literal["as_is", "none"]
"""Whether resting orders are there; with `none` all are cancelled first, as books are pulled."""
FundUse = Literal["as_is", "unlimited"]
"""Whether funds have what they have, or take over everything."""

OTHERS = "*"
"""In the place of a symbol: all contracts that are not named."""
MOST_STEPS = 48
MOST_SHOCKS = 2_000
"""Of one step."""


class InvalidStressTest(Exception):
    """It cannot be: a problem's `code`, what is wrong, and `context` in its own words."""

    def __init__(self, code: str, detail: str, **context: str) -> None:
        super().__init__(detail)
        self.code, self.detail, self.context = code, detail, context


class Shock(NamedTuple):
    """A contract's price changes by a fraction, > -1, of what it was before the step."""

    symbol: str
    change: Decimal


@dataclass(frozen=True, slots=True)
class StressTest:
    """Joint shocks in turn, or a `scenario` of the stress library in their place.

    With an `asset`, of the contracts that settle in it alone.
    """

    steps: tuple[tuple[Shock, ...], ...] = ()
    scenario: str | None = None
    mode: Mode = "fast"
    book: BookUse = "as_is"
    fund: FundUse = "as_is"
    asset: str | None = None

    def __post_init__(self) -> None:
        """Raises `InvalidStressTest`."""
        if bool(self.steps) == (self.scenario is not None):
            raise InvalidStressTest("empty_shocks", "either shocks, a path of them or a scenario")
        if len(self.steps) > MOST_STEPS:
            raise InvalidStressTest(
                "too_many_steps",
                f"a path has at most {MOST_STEPS} steps",
                steps=str(len(self.steps)),
            )
        for step in self.steps:
            _check_step(step)


def _check_step(step: Sequence[Shock]) -> None:
    if not 0 < len(step) <= MOST_SHOCKS:
        raise InvalidStressTest("empty_shocks", f"a step has from 1 to {MOST_SHOCKS} shocks")
    seen: set[str] = set()
    for symbol, change in step:
        if symbol in seen:
            raise InvalidStressTest("shocked_twice", f"{symbol} is shocked twice", symbol=symbol)
        seen.add(symbol)
        if change <= -1:
            raise InvalidStressTest(
                "price_not_positive", f"what is left of {symbol} must be positive", symbol=symbol
            )


class Shocked(NamedTuple):
    """A contract that may be shocked: its mark, None without one, and whether it can change."""

    symbol: str
    base_asset: str
    asset: str
    fund_id: str
    tick: Decimal
    mark: Decimal | None
    is_open: bool


def concerned(test: StressTest, contracts: Collection[Shocked]) -> dict[str, Shocked]:
    """The contracts whose prices a test may change, by symbol: open ones with a mark.

    Raises `InvalidStressTest` where one is named that is not there, or has no mark, or none is
    left.
    """
    among = {one.symbol: one for one in contracts if test.asset in (None, one.asset)}
    for step in test.steps:
        for symbol, _ in step:
            if symbol != OTHERS:
                _check_named(symbol, among.get(symbol))
    found = {symbol: one for symbol, one in among.items() if one.is_open and one.mark is not None}
    if not found:
        raise InvalidStressTest("no_mark", "no contract has a mark price")
    return found


def _check_named(symbol: str, contract: Shocked | None) -> None:
    if contract is None:
        raise InvalidStressTest("unknown_contract", f"there is no {symbol} here", symbol=symbol)
    if not contract.is_open:
        raise InvalidStressTest(
            "contract_not_trading", f"{symbol} is settled, or being settled", symbol=symbol
        )
    if contract.mark is None:
        raise InvalidStressTest("no_mark", f"{symbol} has no mark price", symbol=symbol)


def assets_of(path: Sequence[Mapping[str, object]], contracts: Mapping[str, Shocked]) -> list[str]:
    """The settlement assets of the contracts that a path changes."""
    return sorted({contracts[symbol].asset for step in path for symbol in step})


def prices(
    test: StressTest, contracts: Mapping[str, Shocked], crash: Crash | None
) -> list[dict[str, Decimal]]:
    """The marks of each step, by symbol, of those that change: down to the tick, at least one.

    `contracts` are those `concerned`; `crash` is the test's scenario, if it has one.
    """
    now = {symbol: one.mark for symbol, one in contracts.items() if one.mark is not None}
    with localcontext(EXACT):
        if crash is not None:
            return _of_crash(crash, now, contracts, MIRRORED if is_mirrored(test) else 1.0)
        found = []
        for step in test.steps:
            found.append(_changed(step, now, contracts))
            now |= found[-1]
    return found


def is_mirrored(test: StressTest) -> bool:
    """Whether its scenario is a crash's mirror image."""
    return test.scenario is not None and test.scenario.endswith(MIRROR_IMAGE)


def _of_crash(
    crash: Crash, now: Mapping[str, Decimal], contracts: Mapping[str, Shocked], times: float
) -> list[dict[str, Decimal]]:
    paths = {symbol: crash.fall(one.base_asset).moves() for symbol, one in contracts.items()}
    return [
        {
            symbol: _to_tick(now[symbol] * _factor(times * path[step]), one)
            for (symbol, path), one in zip(paths.items(), contracts.values(), strict=True)
        }
        for step in range(STEPS)
    ]


def _factor(log_move: float) -> Decimal:
    return Decimal(f"{exp(log_move):.12f}")


def _changed(
    step: Sequence[Shock], now: Mapping[str, Decimal], contracts: Mapping[str, Shocked]
) -> dict[str, Decimal]:
    named = dict(step)
    rest = named.pop(OTHERS, None)
    changes = named if rest is None else {symbol: named.get(symbol, rest) for symbol in contracts}
    return {
        symbol: _to_tick(now[symbol] * (1 + change), contracts[symbol])
        for symbol, change in changes.items()
    }


def _to_tick(price: Decimal, contract: Shocked) -> Decimal:
    return max(contract.tick, floor_to(price, contract.tick))


def crash_of(test: StressTest, library: StressLibrary) -> Crash | None:
    """The test's scenario, if it has one; one that is switched off may be tried.

    Raises `InvalidStressTest` where there is no such scenario.
    """
    if test.scenario is None:
        return None
    found = library.find(test.scenario.removesuffix(MIRROR_IMAGE))
    if found is None:
        raise InvalidStressTest(
            "unknown_scenario", f"there is no scenario {test.scenario}", scenario=test.scenario
        )
    return found.crash


async def read_contracts(connection: asyncpg.Connection) -> list[Shocked]:
    """All contracts with their newest marks."""
    return [Shocked(*row) for row in await connection.fetch(_CONTRACTS)]


def read_test(stored: Mapping[str, Any]) -> StressTest:
    """What `stored_test` wrote."""
    test: StressTest = codec.from_json(StressTest, stored)
    return test


def stored_test(test: StressTest) -> dict[str, Any]:
    """As JSON has it: decimals as text."""
    found: dict[str, Any] = codec.to_json(StressTest, test)
    return found


_CONTRACTS = """
    SELECT c.symbol, base_asset, settlement_asset, insurance_fund, tick_size, marks.price,
        status <> 'settled' AND COALESCE(phase <> 'closing', true)
    FROM contracts AS c LEFT JOIN marks USING (symbol) LEFT JOIN deliveries USING (symbol)
"""
