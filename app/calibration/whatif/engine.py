"""A what-if by the real engine, from a loaded state to its answer (CAL-15)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from app.calibration.whatif import answer
from app.calibration.whatif.answer import Formula, FundFigures, StressRow
from app.calibration.whatif.copied import book_of
from app.calibration.whatif.fast import FastBook
from app.calibration.whatif.waterfall import UNLIMITED, PrivateCopy, Tell
from app.catalogue.stress import Crash
from app.engine.commands.leaders import Incident
from app.engine.figures import margin
from app.engine.markets import Market
from app.engine.numbers import ZERO
from app.engine.state import State
from app.jobs.stress import Shocked, StressTest, assets_of, concerned, prices

Pair = tuple[str, str]
"""A fund, and an asset in which contracts settle that it insures."""


def run(
    state: State,
    test: StressTest,
    crash: Crash | None,
    incidents: Sequence[Incident] = (),
    tell: Tell = lambda _: None,
) -> StressRow:
    """The answer; the state is used up. Raises `InvalidStressTest`."""
    contracts = concerned(test, [_shocked(one) for one in state.markets.values()])
    path = prices(test, contracts, crash)
    assets = assets_of(path, contracts)
    books = [FastBook(book_of(state, asset)) for asset in assets]
    said = answer.formula((book.book, book.losses(path)) for book in books)
    before = {pair: answer.standing(state, *pair) for pair in _pairs(state, assets)}
    warnings = _warnings(state, assets, incidents)
    found = {**answer.asked(test, path), "as_of": answer.as_of(state.counters.command, state.time)}
    copy = PrivateCopy(state, incidents)
    if test.book == "none":
        copy.cancel_orders()
    if test.fund == "unlimited":
        copy.lift_limits(assets)
    copy.shock(path, tell)
    return {
        **found,
        "funds": _funds(copy, test, before, said),
        "contracts": _contracts(copy, contracts, path, said),
        "accounts": answer.accounts(copy.toll),
        "warnings": warnings,
    }


def _shocked(market: Market) -> Shocked:
    contract, delivery = market.contract, market.delivery
    closing = delivery is not None and delivery.under_way
    return Shocked(
        contract.symbol,
        contract.base_asset,
        asset=contract.settlement_asset,
        fund_id=contract.insurance_fund,
        tick=contract.tick_size,
        mark=None if market.mark is None else market.mark.price,
        is_open=contract.status != "settled" and not closing,
    )


def _pairs(state: State, assets: Sequence[str]) -> list[Pair]:
    contracts = [market.contract for market in state.markets.values()]
    return sorted(
        {(o.insurance_fund, o.settlement_asset) for o in contracts if o.settlement_asset in assets}
    )


def _funds(
    copy: PrivateCopy, test: StressTest, before: Mapping[Pair, FundFigures], said: Formula
) -> list[StressRow]:
    """Funds in each asset; what one was given to be without limits is not counted."""
    found = []
    for (fund_id, asset), then in before.items():
        now = answer.standing(copy.state, fund_id, asset)
        if test.fund == "unlimited":
            now = now._replace(balance=now.balance - UNLIMITED, cap_use=None)
        own = [
            said.get(symbol, (ZERO, ZERO))
            for symbol, market in copy.state.markets.items()
            if (market.contract.insurance_fund, market.contract.settlement_asset)
            == (fund_id, asset)
        ]
        total = sum((one[0] for one in own), ZERO), sum((one[1] for one in own), ZERO)
        toll = copy.toll.funds[fund_id, asset]
        found.append(answer.fund(fund_id, asset, total, then, now, toll))
    return found


def _contracts(
    copy: PrivateCopy,
    contracts: Mapping[str, Shocked],
    path: Sequence[Mapping[str, Decimal]],
    said: Formula,
) -> list[StressRow]:
    """Those that changed, and those in which somebody was liquidated beside them."""
    symbols = {symbol for step in path for symbol in step} | copy.toll.contracts.keys()
    found = []
    for symbol in sorted(symbols & contracts.keys()):
        mark = copy.state.markets[symbol].mark
        assert mark is not None
        toll = copy.toll.contracts[symbol]
        found.append(answer.contract(contracts[symbol], mark.price, said, toll))
    return found


def _warnings(
    state: State, assets: Sequence[str], incidents: Sequence[Incident]
) -> list[StressRow]:
    """What makes this another answer than one would think."""
    assert state.time is not None
    found: list[StressRow] = []
    for symbol, market in sorted(state.markets.items()):
        if market.contract.settlement_asset not in assets or not market.positions:
            continue
        if market.contract.status == "halted":
            found.append({"code": "halted", "subject": symbol})
        elif margin.is_stale(market, state.time):
            found.append({"code": "stale_mark", "subject": symbol})
    aside = [str(one.incident_id) for one in incidents if one.asset in assets]
    return found + [{"code": "set_aside", "subject": number} for number in aside]
