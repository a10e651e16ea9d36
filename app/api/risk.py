"""A contract's ADL risk: what its fund could still take over against what may soon need it (ADL-3).

The measure is as simple as it is pessimistic. A scope is *near* liquidation when its equity is less
than twice its maintenance margin: a loss of one more margin puts it at risk. The positions of one
side are taken as if they all went bankrupt at once, at mark, and the book filled none of them; what
they are worth is held against what the fund could still carry (FND-2). A fund that stands behind
several contracts has that room once, and each of them is shown it.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from app.api.ranking import Direction, Near
from app.api.schemas.adl import AdlRisk, AdlRiskView, NearView
from app.engine.contracts import Contract
from app.engine.numbers import ZERO, divide_half_even, round_down
from app.engine.state import Fund, State
from app.engine.trading import funds


def risk_of(near: Decimal, carries: Decimal) -> AdlRisk:
    """`near` is what the worse side has near liquidation, `carries` what the fund could take."""
    if near > carries:
        return "high"
    return "medium" if carries <= 0 or 2 * near > carries else "low"


def risk_view(
    state: State, fund: Fund, contract: Contract, near: Mapping[Direction, Near]
) -> AdlRiskView:
    """The risk of a contract with its numbers. Inside the exact context."""
    asset = contract.settlement_asset
    at_mark = funds.balance_at_mark(state, fund, asset)
    notional = funds.net_notional(state, fund, asset)
    cap = round_down(max(ZERO, fund.policy.max_net_notional_ratio * at_mark))
    carries = max(ZERO, cap - notional)
    worse = max(side.notional for side in near.values())
    distance, reason = funds.distance(state, fund, asset)
    return AdlRiskView(
        symbol=contract.symbol,
        risk=risk_of(worse, carries),
        fund=fund.fund_id,
        asset=asset,
        adl_policy=fund.policy.adl_policy,
        balance=funds.balance(fund, asset),
        balance_at_mark=at_mark,
        net_notional=notional,
        max_net_notional=cap,
        cap_use=divide_half_even(notional, cap) if cap else None,
        carries=carries,
        distance=distance,
        reason=reason,
        near_long=_near(near["long"]),
        near_short=_near(near["short"]),
    )


def _near(side: Near) -> NearView:
    return NearView(positions=side.count, notional=side.notional)
