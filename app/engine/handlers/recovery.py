"""A new leader begins; what incidents were blamed on is left alone until its release (REC-2).

An exception in the engine ends its leader's term. What it was blamed on, the next leaders name in
their `Recover` and leave alone: a command is not applied again; a scope is set aside; where neither
is to blame, an asset's cascades handle one scope at a time, and there are none if that failed too.
So each fault leaves one thing more alone, and everything else goes on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from operator import attrgetter

from app.engine.cascades import cascade, closings, payments, placing
from app.engine.commands.leaders import Incident, Recover, ReleaseIncident
from app.engine.figures import margin, ranking, triggers
from app.engine.handlers import warnings
from app.engine.handling import handles
from app.engine.liquidation import sinking, waterfall
from app.engine.rejections import Code, Rejected
from app.engine.results import Done
from app.engine.scopes import Scope, blamed_scope, cross_scope
from app.engine.state import State
from app.engine.step import Step
from app.engine.trading import funds


@handles(Recover)
def recover(step: Step, command: Recover) -> Done:
    """A new leader looks at every scope afresh; what was under way begins again as one round.

    Every asset gets a cascade, so that a large book is gone through in bounded parts, with other
    requests served between them; sorted, for how the state was loaded must not matter.
    """
    state = step.state
    step.begin_term(command.limits, command.incidents)
    step.begin_treasury_history()
    cascade.forget_all(state)
    step.pending_before = frozenset()
    ranking.forget_all(state)
    for market in state.markets.values():
        triggers.forget(market)
        if market.contract.status == "reduce_only":
            cascade.sweep(state, market)
    payments.fund_again(state)
    sinking.sink_again(state, step.now)
    closings.deliver_again(state)
    scopes = every_scope(state)
    for asset in sorted(scopes, key=lambda asset: scopes[asset][0], reverse=True):
        cascade.look_at(state, scopes[asset])
    placing.begin_again(step)
    for fund in sorted(state.funds.values(), key=attrgetter("fund_id")):
        if fund.policy.automatic_top_up:
            funds.await_top_ups(step, fund)
    warnings.begin(step)
    _leave_alone(step, command.incidents)
    return Done()


def every_scope(state: State) -> dict[str, list[Scope]]:
    """All scopes there are by settlement asset, sorted, the last first.

    A takeover waits for this: nothing is hashed but names, and what is in order within each
    contract since `begin_term` is put together by names first.
    """
    crosses: dict[str, dict[str, Scope]] = defaultdict(dict)
    isolated: dict[str, list[Scope]] = defaultdict(list)
    for _, market in sorted(state.markets.items()):
        asset = market.contract.settlement_asset
        alone, own = isolated[asset], crosses[asset]
        for position in market.positions.values():
            if (scope := position.scope).isolated:
                alone.append(scope)
            else:
                own[scope.account_id] = scope
    for order in state.orders.values():  # isolated orders are held back in the cross wallet
        asset = state.markets[order.symbol].contract.settlement_asset
        crosses[asset][order.account_id] = cross_scope(order.account_id, asset)
    found = {}
    for asset, own in crosses.items():
        alone = isolated[asset]
        alone.sort(key=_account_id)  # quick, and leaves next to nothing to the next
        alone.sort()
        alone.reverse()
        if scopes := [*alone, *map(own.__getitem__, sorted(own, reverse=True))]:
            found[asset] = scopes
    return found


_account_id = attrgetter("account_id")


def _leave_alone(step: Step, incidents: Sequence[Incident]) -> None:
    """What is set aside has no triggers and no orders; each incident raises one alert (REC-2)."""
    state = step.state
    for incident in incidents:
        if not incident.announced:
            _announce(step, incident)
    for market in state.markets.values():
        if market.contract.settlement_asset in state.stalled:
            triggers.disarm(market.positions.values())
    for scope, times in state.aside.items():
        step.blamed = scope
        triggers.disarm([position for _, position in margin.scope_positions(state, scope)])
        if times == 1:  # else it was this that failed: they stay, and fill no more
            waterfall.cancel_scope_orders(step, scope)


def _announce(step: Step, incident: Incident) -> None:
    scope = blamed_scope(incident)
    blamed = "command" if incident.digest else "cascade"
    step.alert(
        "incident",
        None,
        incident.asset,
        incident_id=incident.incident_id,
        command=incident.command,
        blamed=scope.wallet_key if scope else blamed,
    )


@handles(ReleaseIncident, Code.unknown_incident)
def release(step: Step, command: ReleaseIncident) -> Done:
    """Release an open incident; the next part of a cascade looks at what it was blamed on."""
    state = step.state
    incident = state.incidents.get(command.incident_id)
    if incident is None:
        raise Rejected(Code.unknown_incident, "there is no such open incident")
    step.release(incident, command.reason)
    payments.fund_again(state)
    sinking.sink_again(state, step.now)
    placing.begin_again(step)
    closings.deliver_again(state)
    scope = blamed_scope(incident)
    if scope is not None:
        step.blamed = scope
        # What orders it still has were passed over, and others may rest across them.
        waterfall.cancel_scope_orders(step, scope)
        cascade.look_at(state, [scope])
    elif incident.asset is not None:
        cascade.look_at(state, every_scope(state).get(incident.asset, []))
    return Done(str(incident.incident_id))
