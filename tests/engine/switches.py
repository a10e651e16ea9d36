"""What a change of margin mode moves and whom it would put at risk, in fractions (ORD-3, LIQ-1).

Written from RULES.md alone; the engine's own answer comes from `backing`.
"""

from __future__ import annotations

from fractions import Fraction

from app.engine.commands.accounts import ConfigureContract
from app.engine.rejections import Rejection
from app.engine.state import State
from app.engine.traders import Account
from tests.engine.arithmetic import (
    UNITS,
    Leg,
    cross_scope,
    is_isolated,
    leverage_of,
    maintenance,
)

SLACK = Fraction(20, UNITS)
"""What a position takes along is rounded; so close to the line both answers are right."""
ZERO = Fraction(0)


class Switch:
    """A change of the margin mode of an account's legs in a contract, foretold."""

    def __init__(self, state: State, account: Account, command: ConfigureContract) -> None:
        self.command = command
        found = [p for p in account.positions.values() if p.symbol == command.symbol]
        self.legs = [Leg(state, position) for position in found]
        self.before = [_balance(leg) for leg in self.legs]
        self.moved = [-balance for balance in self.before]
        self.slack = ZERO
        if self.legs and command.margin_mode == "isolated":
            self._part(state, account)

    def _part(self, state: State, account: Account) -> None:
        contract = self.legs[0].contract
        now = Fraction(leverage_of(account, contract))
        wanted = Fraction(self.command.leverage or now)
        scope = cross_scope(state, account, contract.settlement_asset)
        held_back = sum((leg.order_margin for leg in self.legs), ZERO) * now / wanted
        equity = scope.equity - sum((leg.profit for leg in self.legs), ZERO) - held_back
        own = [maintenance(contract, abs(leg.mark_value)) for leg in self.legs]
        self.slack = equity - (scope.maintenance - sum(own, ZERO))
        room = min(max(ZERO, scope.wallet), self.slack)
        for i, leg in enumerate(self.legs):
            taken = max(ZERO, min(abs(leg.mark_value) / wanted - leg.profit, room))
            room -= taken
            self.moved[i] = taken
            self.slack = min(self.slack, taken + leg.profit - own[i])

    def judge(self, result: object) -> None:
        """Refused where somebody would be at risk; else exactly so much was moved."""
        if isinstance(result, Rejection):
            refused = result.code == "would_be_at_risk"
            assert not refused or self.slack <= SLACK, f"{self.command}: {result}"
            return
        assert self.slack >= -SLACK, f"{self.command} was accepted, {float(self.slack)} left"
        for leg, before, moved in zip(self.legs, self.before, self.moved, strict=True):
            if leg.position.orders or leg.position.quantity:
                assert abs(_balance(leg) - before - moved) <= SLACK, self.command
            assert leg.position.isolated == (self.command.margin_mode == "isolated")


def _balance(leg: Leg) -> Fraction:
    wallet = leg.position.wallet
    return Fraction(wallet.balance) if wallet else ZERO


def foretell_switch(state: State, command: ConfigureContract) -> Switch | None:
    """None where no margin mode changes, or somebody is found at risk meanwhile."""
    account = state.accounts.get(command.account_id)
    if account is None or command.symbol not in state.markets or state.cascades or state.held:
        return None
    mode = "isolated" if is_isolated(account, command.symbol) else "cross"
    if command.margin_mode in (None, mode):
        return None
    return Switch(state, account, command)
