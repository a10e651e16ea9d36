"""Cancel-all-after: a trader that falls silent leaves no open orders behind (ORD-14)."""

from __future__ import annotations

from datetime import timedelta

from app.engine.commands import Due
from app.engine.commands.orders import CancelAllAfter, CancelAllDue
from app.engine.handling import handles
from app.engine.rejections import Code, Rejected
from app.engine.results import Canceled, Countdown
from app.engine.state import State
from app.engine.step import Step
from app.engine.trading import resting
from app.engine.trading.assessment import account_of

LONGEST = 86_400
"""Seconds: a day. Who wants to be heard of less often needs no such switch."""


@handles(CancelAllAfter, Code.unknown_account, Code.countdown_out_of_range, moves=frozenset())
def cancel_all_after(step: Step, command: CancelAllAfter) -> Countdown:
    """Begin an account's countdown anew, in place of one that runs; 0 seconds: end it."""
    account = account_of(step.state, command.account_id)
    seconds = command.seconds
    if not 0 <= seconds <= LONGEST:
        raise Rejected(
            Code.countdown_out_of_range,
            f"a countdown takes from 0 to {LONGEST:,} seconds",
            seconds=seconds,
            longest=LONGEST,
        )
    cancel_at = step.now + timedelta(seconds=seconds) if seconds else None
    step.set_countdown(account, cancel_at)
    return Countdown(cancel_at)


def due(state: State) -> Due | None:
    """The countdown that runs out first; of two at once the first account's."""
    if not state.countdowns:
        return None
    cancel_at, account_id = state.countdowns[0]
    return Due(cancel_at, CancelAllDue(account_id))


@handles(CancelAllDue, moves=frozenset())
def cancel_all_due(step: Step, command: CancelAllDue) -> Canceled:
    """Cancel all that an account has open, as it might itself; its countdown is over."""
    account = step.state.accounts[command.account_id]
    assert account.cancel_at is not None, account.account_id
    assert account.cancel_at <= step.now, account.account_id
    step.set_countdown(account, None)
    orders = resting.open_orders(step.state, account)
    resting.cancel_orders(step, orders, "cancel_all_after")
    return Canceled(tuple(order.order_id for order in orders))
