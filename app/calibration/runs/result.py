"""A calibration as the JSON that is kept and shown (CAL-13).

    document(run, calibration)    what is answered, but for its number, and what became of it
    losses(run, calibration)      the largest losses, and how all are histogram

Money is decimal text with at most eight places, half-even; any other fraction has at most twelve.
`app/api/schemas/calibrations.py` says what each field means. The same run gives the same text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from decimal import ROUND_HALF_EVEN, Decimal
from importlib.metadata import version
from itertools import pairwise
from typing import Any

import numpy as np

from app.calibration.figures import Band, Tail
from app.calibration.runs import contracts
from app.calibration.runs.run import Calibration, money
from app.calibration.runs.setup import Run
from app.catalogue import stress
from app.engine.numbers import plain, time_text
from app.jobs.parameters import METHOD, Parameters

Told = dict[str, Any]

TWELFTH = Decimal("1e-12")
HOURS_OF_A_YEAR = 365 * 24


def document(run: Run, one: Calibration) -> Told:
    """What a run says of a fund."""
    fund = run.book.funds[one.fund]
    return {
        "fund_id": fund.fund_id,
        "asset": run.book.asset,
        "method_version": METHOD,
        "code_version": version("backstop"),
        "numpy_version": np.__version__,
        "as_of": {"sequence": run.book.sequence, "time": time_text(run.book.time)},
        "hashes": {
            "book": run.book.digest,
            "prices": run.prices.digest,
            "stress": stress.digest(run.events),
        },
        "parameters": parameters(run),
        "sample": _sample(run, one),
        "simulated": _simulated(run, one),
        "stressed": _stressed(run, one),
        "cover_n": {
            "n": run.parameters.cover_n,
            "scenario": one.cover_scenario,
            "loss": _money(one.cover.loss),
            "largest_share": _part(one.cover.largest, one.cover.loss),
        },
        "binding": one.binding,
        "required_minimum": plain(one.required_minimum),
        "in_force": _in_force(run, one),
        "adl": _adl(run, one),
        "reverse_stress": {
            "multiple_of_worst": _ratio(one.reverse.multiple),
            "uniform_hour": None if one.reverse.fall is None else _ratio(-one.reverse.fall),
        },
        "sensitivity": list(_sensitivity(one)),
        "contracts": list(_contracts(run, one)),
        "warnings": list(one.warnings),
        "statement": statement(run),
    }


def parameters(run: Run) -> Told:
    """All of them, with what was left to the run."""
    found: Told = {}
    for field in fields(Parameters):
        value = getattr(run.parameters, field.name)
        found[field.name] = plain(value) if isinstance(value, Decimal) else value
    found["interval"] = _interval(run)
    found["mean_block_steps"] = run.parameters.mean_block_steps or run.steps
    return found


def statement(run: Run) -> str:
    """What the confidence is, and what it is not."""
    level, hours = run.parameters.confidence, run.parameters.horizon_hours
    beyond = plain(100 * (1 - level))
    yearly = 100 * (1 - run.parameters.level ** (HOURS_OF_A_YEAR / hours))
    period = "day" if hours == 24 else f"{hours}-hour period"
    return (
        f"{plain(100 * level)} % is the share of simulated {hours}-hour periods in which this "
        "fund's losses stay below the quantile. It is not the probability that no "
        f"auto-deleveraging happens: over a year of independent {period}s a {beyond} % {period} "
        f"occurs with probability {yearly:.1f} %, and the net-notional cap can cause ADL while the "
        "fund has money. Positions and margins are taken to stay as they were at the snapshot."
    )


def _sample(run: Run, one: Calibration) -> Told:
    rows, symbols = len(run.scenarios.returns), [one.symbol for one in run.book.contracts]
    return {
        "interval": _interval(run),
        "rows": rows,
        "effective_rows": rows // run.steps,
        "first": time_text(run.history.ends[0]),
        "last": time_text(run.history.ends[-1]),
        "steps": run.steps,
        "scenarios": len(run.scenarios.rows),
        "seed": run.parameters.seed if run.steps > 1 else None,
        "proxied": [
            {
                "symbol": symbols[taken.contract],
                "proxy": taken.proxy,
                "multiplier": _ratio(taken.multiplier),
                "share": _ratio(taken.share),
            }
            for taken in run.history.proxied
            if run.book.contracts[taken.contract].fund == one.fund
        ],
    }


def _simulated(run: Run, one: Calibration) -> Told:
    lost = one.simulated
    return {
        "quantile": _money(lost.quantile),
        "expected_shortfall": _money(lost.expected_shortfall),
        "draw_band": _band(lost.draw_band),
        "history_band": _band(lost.history_band),
        "evt": None if lost.tail is None else _tail(lost.tail, run.parameters.level),
    }


def _tail(tail: Tail, level: float) -> Told:
    shortfall = tail.expected_shortfall(level)
    return {
        "threshold": _money(tail.threshold),
        "exceedances": tail.exceedances,
        "xi": _ratio(tail.xi),
        "beta": _money(tail.beta),
        "quantile": _money(tail.quantile(level)),
        "expected_shortfall": None if shortfall is None else _money(shortfall),
    }


def _stressed(run: Run, one: Calibration) -> Told:
    balance = run.book.funds[one.fund].balance
    return {
        "worst": one.stressed.worst,
        "loss": _money(one.stressed.loss),
        "scenarios": [
            {
                "scenario": name,
                "symbol": found.symbol,
                "loss": _money(found.loss),
                "loss_with_gap": _money(found.path),
                "loss_at_once": _money(found.instant),
                "covered": found.loss <= balance,
            }
            for name, found in one.stressed.scenarios.items()
        ],
        "disabled": [
            {"scenario": name, "reason": reason} for name, reason in sorted(run.disabled.items())
        ],
    }


def _in_force(run: Run, one: Calibration) -> Told | None:
    found = run.in_force.get(run.book.funds[one.fund].fund_id)
    if found is None:
        return None
    before = float(found.required_minimum)
    return {
        "calibration_id": found.calibration_id,
        "required_minimum": plain(found.required_minimum),
        "change": _part(float(one.required_minimum) - before, before),
    }


def _adl(run: Run, one: Calibration) -> Told:
    shares = {
        "probability_at_balance": one.adl.at_balance,
        "at_in_force": one.adl.at_in_force,
        "at_minimum": one.adl.at_minimum,
        "cap_binds": one.adl.cap_binds,
    }
    return {
        "balance": _money(run.book.funds[one.fund].balance),
        **{name: None if found is None else _ratio(found.value) for name, found in shares.items()},
        "bankrupt_notional_quantile": _money(one.adl.bankrupt_notional),
        "sampled": {
            name: None if found is None else found.sampled for name, found in shares.items()
        },
    }


def _sensitivity(one: Calibration) -> Iterator[Told]:
    for found in one.sensitivity:
        yield {
            "change": {found.name: found.value},
            "quantile": _money(found.quantile),
            "unchanged": _money(found.unchanged),
            "scenarios": found.scenarios,
        }


def _contracts(run: Run, one: Calibration) -> Iterator[Told]:
    volatilities, held = run.history.filtered, run.book.held()
    every = zip(
        run.book.contracts,
        contracts.returns(run),
        contracts.open_interest(run),
        one.sources.shares(),
        strict=True,
    )
    for number, (terms, own, interest, share) in enumerate(every):
        if terms.fund != one.fund:
            continue
        yield {
            "symbol": terms.symbol,
            "rows": own.rows,
            "q0.1%": _ratio(own.low),
            "q99.9%": _ratio(own.high),
            "volatility_now": _ratio(volatilities.now[number]),
            "volatility_floor": _ratio(volatilities.long_run[number]),
            "mark": _money(terms.mark),
            "mark_stale": terms.symbol in run.book.stale,
            "open_interest": [_money(side) for side in interest],
            "inventory": _money(held[number]),
            "share_of_loss": _ratio(share),
        }


def losses(run: Run, one: Calibration) -> Told:
    """The largest losses, and how all are histogram."""
    lost = one.simulated
    return {
        "scenarios": len(run.scenarios.rows),
        "tail": [
            {
                "rank": rank + 1,
                "loss": _money(loss),
                "scenario": int(scenario),
                "blocks": _blocks(run, scenario),
                "by_contract": _sources(run, one, rank),
            }
            for rank, (loss, scenario) in enumerate(zip(lost.largest, lost.worst, strict=True))
        ],
        "histogram": [
            {"from": _money(low), "to": _money(high), "known": int(known), "bound": int(bound)}
            for (low, high), known, bound in zip(
                pairwise(one.histogram.edges), one.histogram.known, one.histogram.bound, strict=True
            )
        ],
    }


def _blocks(run: Run, scenario: int) -> list[Told]:
    """Which stretches of the past a scenario is made of: rows that follow each other."""
    rows = run.scenarios.rows[scenario]
    begins = np.flatnonzero(np.concatenate([[True], np.diff(rows) != 1]))
    lengths = np.diff(np.concatenate([begins, [len(rows)]]))
    return [
        {"row": int(row), "time": time_text(run.history.ends[row]), "steps": int(length)}
        for row, length in zip(rows[begins], lengths, strict=True)
    ]


def _sources(run: Run, one: Calibration, rank: int) -> list[Told] | None:
    """By contract, the largest first; None, where nobody worked that out."""
    if rank >= contracts.TOLD:
        return None
    found = one.sources.by_contract[:, rank]
    order = [number for number in np.argsort(-found, kind="stable") if found[number] > 0]
    return [
        {"symbol": run.book.contracts[number].symbol, "loss": _money(found[number])}
        for number in order
    ]


def _interval(run: Run) -> str:
    return "1h" if run.hours == 1 else "1d"


def _money(amount: float) -> str:
    return plain(money(amount))


def _ratio(value: float | None) -> Any:
    if value is None:
        return None
    return plain(Decimal(float(value)).quantize(TWELFTH, ROUND_HALF_EVEN))


def _part(value: float, whole: float) -> str | None:
    """None: of nothing."""
    return str(_ratio(value / whole)) if whole else None


def _band(band: Band) -> list[str | None]:
    return [None if end is None else _money(end) for end in band]
