"""A calibration as the documentation shows it: its numbers are placeholders."""

from __future__ import annotations

from typing import Any

PROPOSED: dict[str, Any] = {
    "calibration_id": "c-31",
    "status": "proposed",
    "proposed_at": "2026-11-27T20:00:41.000000Z",
    "decided_at": None,
    "decided_by": None,
    "reason": None,
    "review_due_at": None,
}

RESULT: dict[str, Any] = {
    "fund_id": "usdt-major",
    "asset": "USDT",
    "method_version": "fhs-1",
    "code_version": "0.1.0",
    "numpy_version": "2.4.0",
    "as_of": {"sequence": 918273, "time": "2026-11-27T20:00:00.000000Z"},
    "hashes": {"book": 8 * "0123abcd", "prices": 8 * "4567cdef", "stress": 8 * "89ab0123"},
    "parameters": {
        "confidence": "0.999",
        "horizon_hours": 24,
        "interval": "1h",
        "scenarios": 100000,
        "seed": 1,
        "mean_block_steps": 24,
        "filter": "ewma",
        "decay_per_day": "0.97",
        "volatility_floor": True,
        "lookback_days": 3650,
        "gap": "1",
        "stress_gap": "0.25",
        "impact_factor": "1",
        "impact_cap": "0.05",
        "cover_n": 2,
        "buffer": "0",
        "use": "point",
        "tail_count": 500,
    },
    "sample": {
        "interval": "1h",
        "rows": 17520,
        "effective_rows": 730,
        "first": "2024-11-27T21:00:00.000000Z",
        "last": "2026-11-27T20:00:00.000000Z",
        "steps": 24,
        "scenarios": 100000,
        "seed": 1,
        "proxied": [
            {"symbol": "NEWUSDT", "proxy": "BTCUSDT", "multiplier": "1.5", "share": "0.83"}
        ],
    },
    "simulated": {
        "quantile": "115807318.69",
        "expected_shortfall": "121490713",
        "draw_band": ["114677000", "117310000"],
        "history_band": ["71200000", "118000000"],
        "evt": {
            "threshold": "98000000",
            "exceedances": 500,
            "xi": "0.21",
            "beta": "9100000",
            "quantile": "119400000",
            "expected_shortfall": "136900000",
        },
    },
    "stressed": {
        "worst": "2025-10-10",
        "loss": "98000000",
        "scenarios": [
            {
                "scenario": "2025-10-10",
                "symbol": None,
                "loss": "98000000",
                "loss_with_gap": "412000000",
                "loss_at_once": "441000000",
                "covered": True,
            }
        ],
        "disabled": [],
    },
    "cover_n": {
        "n": 2,
        "scenario": "2020-03-12",
        "loss": "36000000",
        "largest_share": "0.62",
    },
    "binding": "simulated",
    "required_minimum": "116000000",
    "in_force": {"calibration_id": "c-19", "required_minimum": "104000000", "change": "0.115384"},
    "adl": {
        "balance": "101000000",
        "probability_at_balance": "0.0021",
        "at_in_force": "0.0018",
        "at_minimum": "0.00099",
        "cap_binds": "0.034",
        "bankrupt_notional_quantile": "812000000",
        "sampled": {
            "probability_at_balance": None,
            "at_in_force": None,
            "at_minimum": None,
            "cap_binds": 200,
        },
    },
    "reverse_stress": {"multiple_of_worst": "1.31", "uniform_hour": "-0.118"},
    "sensitivity": [
        {
            "change": {"gap": "0.5"},
            "quantile": "51000000",
            "unchanged": "113100000",
            "scenarios": 2000,
        },
        {
            "change": {"trigger": "bankruptcy"},
            "quantile": "122400000",
            "unchanged": "113100000",
            "scenarios": 2000,
        },
    ],
    "contracts": [
        {
            "symbol": "BTCUSDT",
            "rows": 17520,
            "q0.1%": "-0.0381",
            "q99.9%": "0.0342",
            "volatility_now": "0.0051",
            "volatility_floor": "0.0058",
            "mark": "91000",
            "mark_stale": False,
            "open_interest": ["912000000", "905000000"],
            "inventory": "-12000",
            "share_of_loss": "0.61",
        }
    ],
    "warnings": ["sample_too_small"],
    "statement": (
        "99.9 % is the share of simulated 24-hour periods in which this fund's losses stay below "
        "the quantile. It is not the probability that no auto-deleveraging happens: over a year of "
        "independent days a 0.1 % day occurs with probability 30.6 %, and the net-notional cap can "
        "cause ADL while the fund has money. Positions and margins are taken to stay as they were "
        "at the snapshot."
    ),
}
"""What a run says of a fund."""

LOSSES: dict[str, Any] = {
    "scenarios": 100000,
    "tail": [
        {
            "rank": 1,
            "loss": "171002934.5",
            "scenario": 40172,
            "blocks": [{"row": 8411, "time": "2025-10-10T20:00:00.000000Z", "steps": 24}],
            "by_contract": [{"symbol": "BTCUSDT", "loss": "171002934.5"}],
        }
    ],
    "histogram": [{"from": "0", "to": "1710029.345", "known": 0, "bound": 20114}],
}
"""Its largest losses."""
