"""The engine's front door: `Engine.apply(command, now)` gives an `Outcome`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import localcontext
from typing import Any, ClassVar

from app.engine import accounts, cascade, invariants, listing, orders, prices
from app.engine.commands import (
    AdjustMargin,
    CancelOrder,
    CancelOrders,
    Command,
    ConfigureContract,
    ContinueCascade,
    ContributeToFund,
    ContributeToTreasury,
    CreateContract,
    CreateFund,
    CreateKey,
    Deposit,
    ImportContracts,
    OpenAccount,
    PlaceOrder,
    Recover,
    ReportClock,
    RevokeKey,
    SetPositionMode,
    Tick,
    UpdateContract,
    UpdateFund,
    Withdraw,
)
from app.engine.events import Done
from app.engine.numbers import EXACT
from app.engine.outcome import Outcome
from app.engine.rejections import Code, Rejected
from app.engine.state import State
from app.engine.step import Step

HANDLERS: dict[type, Callable[[Step, Any], object]] = {
    CreateKey: accounts.create_key,
    RevokeKey: accounts.revoke_key,
    CreateContract: listing.create_contract,
    UpdateContract: listing.update_contract,
    ImportContracts: listing.import_contracts,
    CreateFund: listing.create_fund,
    UpdateFund: listing.update_fund,
    ContributeToFund: listing.contribute_to_fund,
    ContributeToTreasury: listing.contribute_to_treasury,
    OpenAccount: accounts.open_account,
    SetPositionMode: accounts.set_position_mode,
    Deposit: accounts.deposit,
    Withdraw: accounts.withdraw,
    ConfigureContract: accounts.configure_contract,
    AdjustMargin: accounts.adjust_margin,
    PlaceOrder: orders.place,
    CancelOrder: orders.cancel,
    CancelOrders: orders.cancel_all,
    ReportClock: prices.report_clock,
}


class Engine:
    """The state and the one way to change it. Deterministic; knows no clock and no I/O."""

    rules_version: ClassVar = 1
    """Of the rules by which a log gives a state (REC-1); each command in the log names its own.

    Raise it by one, once in a release, with any change after which some log would give another
    state, record, identifier or answer than before, or none: a rule, a rounding, an order of
    doing things, the bounds of a command's work (`cascade`, `ranking`), a field of what
    `invariants.state_hash` looks at. What is only quicker, or refused where nothing is logged, does
    not raise it. `tests/golden` fails where that was forgotten, as far as its log goes. 0 are
    releases before there were versions.
    """

    def __init__(self, state: State) -> None:
        self.state = state

    def apply(self, command: Command, now: datetime) -> Outcome:
        """Apply one command at `now` (never earlier than the time of the one before).

        A refused command changes nothing. Any other exception is a bug: the caller must throw the
        state away (fail-stop). The laws of NUM-4 are asserted on everything the command touched.
        """
        state = self.state
        assert state.time is None or now >= state.time, (now, state.time)
        with localcontext(EXACT):
            step = Step(state, command, now)
            try:
                asset = _handle(step, command)
            except Rejected as refusal:
                return _refused(step, refusal)
            cascade.run(step, asset)
            step.finish()
            invariants.check_step(step)
            return step.outcome


def _refused(step: Step, refusal: Rejected) -> Outcome:
    """A refusal changes nothing (ORD-7)."""
    assert not step.changed, (step.outcome.command, refusal.rejection)
    step.outcome.result = refusal.rejection
    return step.outcome


def _handle(step: Step, command: Command) -> str | None:
    """Do what the command says; returns the settlement asset whose cascade it drives, if any."""
    match command:
        case Tick():
            prices.tick(step, command)
            return cascade.begin_tick(step, command)
        case ContinueCascade(asset):
            if asset not in step.state.cascades:
                raise Rejected(Code.no_cascade, f"{asset} has no cascade under way")
            return asset
        case Recover():
            cascade.recover(step, command)
            step.outcome.result = Done()
        case _:
            step.outcome.result = HANDLERS[type(command)](step, command)
    return None
