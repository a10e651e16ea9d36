"""Refusals as values (ORD-7): a stable code, a sentence, and the numbers that decided it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, unique
from typing import NamedTuple, Self


class Refusal(NamedTuple):
    """What is published of a code: the HTTP status it is usually answered with, the rule behind it
    (None: it follows from what there is), and what it means."""

    status: int
    rule: str | None
    meaning: str


@unique
class Code(Enum):
    """Every reason for which a command is refused; a member's name is the stable code.

    Those of an order come first, in the order in which they are asked. In which order another
    command asks, its handler says (`handling.handles`).
    """

    unknown_account = Refusal(404, None, "there is no such account")
    unknown_contract = Refusal(422, None, "there is no such contract")
    position_side_required = Refusal(422, "ORD-3", "in hedge mode it is long or short")
    position_side_mismatch = Refusal(422, "ORD-3", "the account's position mode has no such side")
    quantity_not_positive = Refusal(422, "ORD-1", "a quantity must be positive")
    quantity_off_lot = Refusal(422, "CON-1", "a quantity must be a multiple of the lot size")
    price_not_allowed = Refusal(422, "ORD-1", "a market order has no price")
    time_in_force_not_allowed = Refusal(422, "ORD-1", "a market order is ioc or fok")
    price_required = Refusal(422, "ORD-1", "a limit order needs a price")
    price_not_positive = Refusal(422, "ORD-1", "a price must be positive")
    price_off_tick = Refusal(422, "CON-1", "a price must be a multiple of the tick size")
    contract_not_trading = Refusal(422, "CON-1", "the contract's status does not allow this")
    no_mark = Refusal(422, "ORD-5", "the contract has no mark price yet")
    settlement_held = Refusal(422, "DLV-1", "the contract waits for its settlement price")
    settlement_under_way = Refusal(422, "DLV-1", "the contract is being settled")
    funding_under_way = Refusal(422, "FPY-1", "the contract's funding is just being settled")
    stale_mark = Refusal(422, "MRK-4", "the mark price is too old for what can increase risk")
    price_out_of_band = Refusal(422, "FND-12", "the price is too far from mark")
    account_in_liquidation = Refusal(422, "LIQ-10", "the account waits for liquidation")
    too_many_open_orders = Refusal(422, "ORD-10", "the account has as many orders as it may")
    reduce_only_rejected = Refusal(422, "ORD-1", "there is not that much position left to reduce")
    below_min_notional = Refusal(422, "ORD-12", "what opens is worth less than the minimum")
    position_too_large = Refusal(422, "CON-4", "the notional is beyond the last bracket")
    leverage_too_high = Refusal(422, "ORD-3", "the notional's bracket does not allow the leverage")
    insufficient_margin = Refusal(422, "ORD-5", "it needs more than is available")
    would_trade_immediately = Refusal(422, "ORD-1", "a post-only order may not trade on arrival")
    open_interest_cap = Refusal(422, "FND-12", "it would open more than the contract may have open")
    close_position_not_allowed = Refusal(422, "TRG-1", "only a market order closes a position")
    quantity_not_allowed = Refusal(422, "TRG-1", "what closes a position takes no quantity")
    quantity_required = Refusal(422, "TRG-1", "without close_position it needs a quantity")
    callback_rate_not_allowed = Refusal(422, "TRG-1", "only a trailing stop has a callback rate")
    callback_rate_required = Refusal(422, "TRG-1", "a trailing stop needs a callback rate")
    callback_rate_out_of_range = Refusal(422, "TRG-1", "a callback rate is from 0.1 % to 10 %")
    invalid_group = Refusal(422, "TRG-2", "the orders are no group of that kind")
    trigger_price_required = Refusal(422, "TRG-1", "it needs a price to wait for")
    trigger_price_not_allowed = Refusal(422, "TRG-1", "the order waits for no price, or no more")
    would_trigger_immediately = Refusal(422, "TRG-1", "its trigger price is there already")
    client_order_id_conflict = Refusal(409, "ORD-1", "the client order id is another order's")
    answer_expired = Refusal(409, "REC-1", "it was done before; the answer cannot be read any more")
    order_not_open = Refusal(422, "ORD-1", "there is no such open order")
    quantity_filled = Refusal(422, "ORD-15", "that much of the order is filled already")
    countdown_out_of_range = Refusal(422, "ORD-14", "a countdown takes from 0 to 86,400 seconds")

    future_tick = Refusal(422, "MRK-6", "the price's source time is over a minute ahead")
    stale_tick = Refusal(422, "MRK-1", "the price is too old, or not newer than the last")
    tick_out_of_band = Refusal(422, "MRK-1", "the mark would jump further than the contract allows")
    mark_is_derived = Refusal(422, "MRK-3", "the contract's mark is derived from its index")
    index_has_sources = Refusal(422, "MRK-3", "the contract's index price comes from its sources")
    unknown_index_source = Refusal(422, "MRK-3", "the contract's index has no such source")
    incident = Refusal(500, "REC-2", "applying this has failed; it is left alone until its release")
    unknown_incident = Refusal(404, "REC-2", "there is no such open incident")
    no_cascade = Refusal(422, "LIQ-10", "the asset has no cascade under way")

    no_funding = Refusal(422, "FPY-1", "the contract has no funding interval")
    funding_rate_is_derived = Refusal(
        422, "FPY-1", "the contract derives its rate from its premium"
    )
    funding_rate_out_of_range = Refusal(422, "FPY-1", "the rate is beyond the contract's limits")

    settlement_not_held = Refusal(422, "DLV-1", "the contract doesn't wait for a settlement price")

    account_exists = Refusal(409, None, "there is such an account already")
    too_many_accounts = Refusal(422, "FND-12", "the owner has as many accounts as one may")
    position_mode_fixed = Refusal(422, "ORD-3", "positions or orders are open in the other mode")
    would_be_at_risk = Refusal(422, "ORD-3", "it would put what is cross or isolated then at risk")
    leverage_too_low = Refusal(422, "ORD-3", "leverage is at least 1")
    no_isolated_position = Refusal(422, "ORD-3", "there is no such isolated position")
    amount_not_positive = Refusal(422, "NUM-2", "an amount must be positive, or not zero")
    too_many_decimals = Refusal(422, "NUM-2", "an amount has at most eight decimals")
    unknown_asset = Refusal(422, None, "no contract settles in the asset")
    withdrawals_suspended = Refusal(422, "ORD-8", "the treasury owes the asset")
    insufficient_balance = Refusal(422, "ORD-6", "the amount exceeds what is available")
    profit_held = Refusal(422, "FND-12", "profit is held where the contract's fund has just paid")

    invalid_key = Refusal(422, None, "a trader key, and no other, is bound to an account")
    key_exists = Refusal(409, None, "the key is registered already")
    unknown_key = Refusal(404, None, "there is no such key")

    contract_exists = Refusal(409, None, "there is such a contract already")
    invalid_contract = Refusal(422, "CON-1", "a term of the contract is out of its range")
    invalid_brackets = Refusal(422, "CON-4", "a row of the bracket table does not follow the rule")
    unknown_fund = Refusal(404, None, "there is no such insurance fund")
    field_not_changeable = Refusal(422, "CON-1", "what identifies a contract never changes")
    contract_in_use = Refusal(422, "CON-1", "what is open in it does not allow the change")
    fund_exists = Refusal(409, None, "there is such an insurance fund already")
    same_wallet = Refusal(422, "FND-6", "money moves between two different wallets")
    no_required_minimum = Refusal(422, "FND-8", "without a required minimum nothing is excess")
    liquidations_under_way = Refusal(422, "FND-8", "the asset's liquidations may need the money")
    exceeds_excess = Refusal(422, "FND-8", "the fund cannot spare that much")
    invalid_policy = Refusal(422, "FND-2", "a number of the policy is out of range or unknown")

    calibration_decided = Refusal(409, "CAL-12", "the calibration was accepted or rejected before")
    calibration_superseded = Refusal(409, "CAL-12", "a newer calibration is accepted")
    calibration_expired = Refusal(409, "CAL-12", "it was proposed more than 7 days ago")
    reason_required = Refusal(422, "CAL-12", "a lower minimum, or a scenario less, needs a reason")


@dataclass(frozen=True, slots=True)
class Rejection:
    """A command that a rule refused; nothing was changed.

    `code` is the name of a `Code` (in an answer of an earlier release, of one of its codes);
    `context` holds plain decimal strings or identifiers.
    """

    code: str
    detail: str
    context: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, code: Code, detail: str, **context: object) -> Self:
        """A refusal with what decided it; `detail` says of this one what its code says of all."""
        return cls(code.name, detail, {key: str(value) for key, value in context.items()})


class Rejected(Exception):
    """Unwinds a handler that has changed nothing yet; `Engine.apply` turns it into its value.

    So do other callers of the checks that raise it, with what they were about to command.
    """

    def __init__(self, code: Code, detail: str, **context: object) -> None:
        super().__init__(code.name)
        self.rejection = Rejection.of(code, detail, **context)
