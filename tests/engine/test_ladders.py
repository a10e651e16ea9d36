"""Which refusal wins: each command is climbed rung by rung, as its handler lists them (ORD-7).

A ladder begins with a command (and a market) that has every fault at once. Each rung names the
refusal it gets and mends only what that named; above the last one the command is accepted.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from app.engine.commands.accounts import (
    AdjustMargin,
    ConfigureContract,
    DeclareOwner,
    Deposit,
    OpenAccount,
    SetPositionMode,
    Withdraw,
)
from app.engine.commands.contracts import CreateContract, ImportContracts, UpdateContract
from app.engine.commands.delivery import SettleContract
from app.engine.commands.funding import CorrectFunding, SetFundingRate
from app.engine.commands.funds import UpdateFund
from app.engine.commands.keys import CreateKey, RevokeKey
from app.engine.commands.leaders import ContinueCascade, Incident, Limits, Recover, ReleaseIncident
from app.engine.commands.orders import (
    AmendOrder,
    CancelAllAfter,
    CancelOrder,
    CancelOrders,
    PlaceOrder,
)
from app.engine.commands.prices import IndexTick, Tick
from app.engine.commands.triggered import AmendTriggered, PlaceTriggered
from app.engine.engine import Engine
from app.engine.rejections import Rejection
from tests.engine.delivered import a_delivery_is_held, date
from tests.engine.fund_ladders import FUND_LADDERS
from tests.engine.funded import a_funding_begins, fund
from tests.engine.rungs import (
    AHEAD,
    AMOUNTS,
    ASK,
    GRID,
    HOURLY,
    HUNDRED,
    KNOWN_KEY,
    LOT,
    NEW_KEY,
    NO_FUND,
    NO_MONEY,
    NO_ROWS,
    SIZE,
    TENTH,
    TERMS,
    TINY,
    Ladder,
    begin,
    changed,
    do,
    group_ladder,
    listed,
    mark_of_one_that_is_held,
    mark_that_ages,
    market,
    orders_of_one_who_waits,
    owe,
    waiting_of_one_who_waits,
)
from tests.engine.world import START

LADDERS = [Ladder(PlaceOrder, {
    "account_id": "nobody", "symbol": "NOPE", "side": "buy", "type": "market",
    "quantity": Decimal("-0.0005"), "price": Decimal("-0.005"), "time_in_force": "gtx",
    "reduce_only": True, "position_side": "both",
}, [
    ("unknown_account", {"account_id": "hal"}),
    ("unknown_contract", {"symbol": "TEST"}),
    ("position_side_required", {"account_id": "ann", "position_side": "long"}),
    ("position_side_mismatch", {"position_side": "both"}),
    ("quantity_not_positive", {"quantity": Decimal("0.0005")}),
    ("quantity_off_lot", {"quantity": Decimal("0.001")}),
    ("price_not_allowed", {"price": None}),
    ("time_in_force_not_allowed", {"type": "limit"}),
    ("price_required", {"price": Decimal("-0.005")}),
    ("price_not_positive", {"price": Decimal("200.005")}),
    ("price_off_tick", {"price": Decimal(200)}),
    ("contract_not_trading", do(UpdateContract("TEST", {"status": "trading"}))),
    ("no_mark", mark_that_ages),
    ("settlement_held", date("TEST", "closing")),
    ("settlement_under_way", date("TEST", None)),
    ("funding_under_way", fund(None)),
    ("stale_mark", do(Tick("TEST", HUNDRED))),
    ("price_out_of_band", {"price": HUNDRED}),
    ("account_in_liquidation", do(Deposit("ann", "USDT", Decimal(1000)))),
    ("too_many_open_orders", do(Recover(Limits()), ASK)),
    ("reduce_only_rejected", {"reduce_only": False}),
    ("below_min_notional", {"quantity": Decimal(2_000_000)}),
    ("position_too_large", {"quantity": Decimal(20_000)}),
    ("leverage_too_high", {"quantity": Decimal(9_000)}),
    ("insufficient_margin", {"quantity": Decimal(1)}),
    ("would_trade_immediately", {"time_in_force": "gtc"}),
    ("open_interest_cap", do(UpdateContract("TEST", {"open_interest_cap": None}))),
]),
Ladder(PlaceTriggered, {
    "account_id": "nobody", "symbol": "NOPE", "side": "buy", "type": "stop",
    "quantity": Decimal("-0.0005"), "price": Decimal("-0.005"), "time_in_force": "gtx",
    "position_side": "both", "close_position": True, "callback_rate": Decimal("0.2"),
}, [
    ("unknown_account", {"account_id": "hal"}),
    ("unknown_contract", {"symbol": "TEST"}),
    ("close_position_not_allowed", {"type": "stop_market"}),
    ("quantity_not_allowed", {"quantity": None, "close_position": False}),
    ("quantity_required", {"quantity": Decimal("-0.0005")}),
    ("callback_rate_not_allowed", {"type": "trailing_stop", "callback_rate": None}),
    ("callback_rate_required", {"callback_rate": Decimal("0.2")}),
    ("callback_rate_out_of_range", {"type": "stop_market", "callback_rate": None}),
    ("position_side_required", {"account_id": "ann", "position_side": "long"}),
    ("position_side_mismatch", {"position_side": "both"}),
    ("quantity_not_positive", {"quantity": Decimal("0.0005")}),
    ("quantity_off_lot", {"quantity": Decimal("0.001")}),
    ("price_not_allowed", {"price": None}),
    ("time_in_force_not_allowed", {"type": "stop"}),
    ("price_required", {"price": Decimal("-0.005")}),
    ("price_not_positive", {"price": Decimal("200.005")}),
    ("price_off_tick", {"price": Decimal(200)}),
    ("trigger_price_required", {"trigger_price": HUNDRED}),
    ("contract_not_trading", do(UpdateContract("TEST", {"status": "trading"}))),
    ("no_mark", mark_of_one_that_is_held),
    ("settlement_held", date("TEST", "closing")),
    ("settlement_under_way", date("TEST", None)),
    ("account_in_liquidation", do(Deposit("ann", "USDT", Decimal(1000)))),
    ("too_many_open_orders", do(Recover(Limits()))),
    ("would_trigger_immediately", {"trigger_price": HUNDRED + 1}),
]),
Ladder(AmendOrder, {"order_id": 9, "quantity": Decimal("-0.0005"), "price": Decimal("-0.005")}, [
    ("order_not_open", orders_of_one_who_waits),
    ("quantity_not_positive", {"quantity": Decimal("0.0005")}),
    ("quantity_off_lot", {"quantity": Decimal("0.2")}),
    ("quantity_filled", {"quantity": Decimal(2_000_000)}),
    ("price_not_positive", {"price": Decimal("200.005")}),
    ("price_off_tick", {"price": Decimal(200)}),
    ("contract_not_trading", a_delivery_is_held),
    ("settlement_held", date("TEST", "closing")),
    ("settlement_under_way", a_funding_begins),
    ("funding_under_way", fund(None)),
    ("stale_mark", do(Tick("TEST", HUNDRED))),
    ("price_out_of_band", {"price": HUNDRED, "order_id": 8}),
    ("account_in_liquidation", do(Tick("HELD", HUNDRED))),
    ("too_many_open_orders", do(Recover(Limits()))),
    ("reduce_only_rejected", {"order_id": 9, "quantity": Decimal("0.201")}),
    ("below_min_notional", {"quantity": Decimal(2_000_000)}),
    ("position_too_large", {"quantity": Decimal(20_000)}),
    ("leverage_too_high", {"quantity": Decimal(9_000)}),
    ("insufficient_margin", {"quantity": Decimal(2)}),
    ("would_trade_immediately", {"order_id": 11}),
    ("open_interest_cap", do(UpdateContract("TEST", {"open_interest_cap": None}))),
]),
Ladder(AmendTriggered, {
    "order_id": 6, "quantity": Decimal("-0.0005"), "price": Decimal("-0.005"),
    "trigger_price": HUNDRED, "callback_rate": Decimal("0.2"),
}, [
    ("order_not_open", waiting_of_one_who_waits),
    ("trigger_price_not_allowed", {"order_id": 7}),
    ("quantity_not_allowed", {"order_id": 9}),
    ("callback_rate_not_allowed", {"order_id": 8}),
    ("callback_rate_out_of_range", {"order_id": 9, "callback_rate": None}),
    ("quantity_not_positive", {"quantity": Decimal("0.0005")}),
    ("quantity_off_lot", {"quantity": Decimal("0.2")}),
    ("price_not_allowed", {"order_id": 11}),
    ("price_not_positive", {"price": Decimal("200.005")}),
    ("price_off_tick", {"price": Decimal(200)}),
    ("contract_not_trading", a_delivery_is_held),
    ("settlement_held", date("TEST", "closing")),
    ("settlement_under_way", date("TEST", None)),
    ("account_in_liquidation", do(Tick("HELD", HUNDRED))),
    ("quantity_filled", {"quantity": Decimal("0.201")}),
    ("would_trigger_immediately", {"trigger_price": HUNDRED + 1}),
]),
Ladder(CancelOrder, {"order_id": 99}, [("order_not_open", {"order_id": 5})]),
Ladder(CancelOrders, {"account_id": "nobody", "symbol": "NOPE"}, [
    ("unknown_account", {"account_id": "ann"}),
    ("unknown_contract", {"symbol": "TEST"}),
]),
Ladder(CancelAllAfter, {"account_id": "nobody", "seconds": 86_401}, [
    ("unknown_account", {"account_id": "ann"}),
    ("countdown_out_of_range", {"seconds": 86_400}),
]),
Ladder(Tick, {
    "symbol": "NOPE", "mark_price": Decimal(-1), "index_price": HUNDRED, "source_time": AHEAD,
}, [
    ("unknown_contract", {"symbol": "OLD"}),
    ("contract_not_trading", {"symbol": "LATE"}),
    ("settlement_under_way", {"symbol": "MADE"}),
    ("mark_is_derived", do(UpdateContract("MADE", {"mark_mode": "given"}))),
    ("index_has_sources", {"index_price": None}),
    ("price_not_positive", {"mark_price": Decimal(300)}),
    ("future_tick", {"source_time": START}),
    ("stale_tick", {"source_time": None}),
    ("tick_out_of_band", {"mark_price": HUNDRED, "funding_rate": Decimal("0.03")}),
    ("no_funding", do(UpdateContract("MADE", HOURLY | {"funding_mode": "derived"}))),
    ("funding_rate_is_derived", do(UpdateContract("MADE", {"funding_mode": "given"}))),
    ("funding_rate_out_of_range", {"funding_rate": Decimal("0.02")}),
]),
Ladder(IndexTick, {
    "symbol": "NOPE", "source": "b", "price": Decimal(-1), "source_time": AHEAD,
}, [
    ("unknown_contract", {"symbol": "OLD"}),
    ("contract_not_trading", {"symbol": "LATE"}),
    ("settlement_under_way", {"symbol": "MADE"}),
    ("unknown_index_source", {"source": "a"}),
    ("price_not_positive", {"price": Decimal(300)}),
    ("future_tick", {"source_time": START}),
    ("stale_tick", {"source_time": None}),
    ("tick_out_of_band", {"price": HUNDRED}),
]),
Ladder(SetFundingRate, {"symbol": "NOPE", "rate": Decimal("0.03")}, [
    ("unknown_contract", {"symbol": "TEST"}),
    ("no_funding", do(UpdateContract("TEST", HOURLY | {"funding_mode": "derived"}))),
    ("funding_rate_is_derived", do(UpdateContract("TEST", {"funding_mode": "given"}))),
    ("funding_rate_out_of_range", {"rate": Decimal("0.02")}),
]),
Ladder(CorrectFunding, {
    "symbol": "NOPE", "time": START, "account_id": "nobody", "amount": Decimal(0), "reason": "-",
}, [
    ("unknown_account", {"account_id": "ann"}),
    ("unknown_contract", {"symbol": "HELD"}),
    ("amount_not_positive", {"amount": TINY}),
    ("too_many_decimals", {"amount": Decimal(10_000)}),
    ("account_in_liquidation", do(Deposit("ann", "USDT", Decimal(1000)))),
    ("insufficient_balance", {"amount": Decimal(-1)}),
]),
Ladder(SettleContract, {"symbol": "NOPE", "price": Decimal(0), "reason": "-"}, [
    ("unknown_contract", {"symbol": "LATE"}),
    ("settlement_not_held", date("LATE", "held")),
    ("price_not_positive", {"price": HUNDRED}),
]),
Ladder(ContinueCascade, {"asset": "USDT"}, [("no_cascade", begin)]),
Ladder(ReleaseIncident, {"incident_id": 1, "reason": "mended"}, [
    ("unknown_incident", do(Recover(incidents=(Incident(1, "Deposit", digest="d"),)))),
]),
Ladder(OpenAccount, {
    "account_id": "ann", "position_mode": "hedge", "key": KNOWN_KEY, "owner_id": "many",
}, [
    ("account_exists", {"account_id": "new"}),
    ("key_exists", {"key": NEW_KEY}),
    ("too_many_accounts", {"owner_id": "few"}),
]),
Ladder(DeclareOwner, {"account_id": "nobody", "owner_id": "many"}, [
    ("unknown_account", {"account_id": "ann"}),
    ("too_many_accounts", {"owner_id": "few"}),
]),
Ladder(CreateKey, {"key": KNOWN_KEY}, [
    ("invalid_key", {"key": replace(KNOWN_KEY, scope="trader")}),
    ("unknown_account", {"key": replace(NEW_KEY, key_id="key-ann")}),
    ("key_exists", {"key": NEW_KEY}),
]),
Ladder(RevokeKey, {"key_id": "-"}, [("unknown_key", {"key_id": "key-ann"})]),
Ladder(SetPositionMode, {"account_id": "nobody", "position_mode": "hedge"}, [
    ("unknown_account", {"account_id": "ann"}),
    ("position_mode_fixed", {"account_id": "hal"}),
]),
Ladder(Deposit, {"account_id": "nobody", "asset": "-", "amount": NO_MONEY}, [
    ("unknown_account", {"account_id": "ann"}), *AMOUNTS, ("unknown_asset", {"asset": "USDT"}),
]),
Ladder(Withdraw, {"account_id": "nobody", "asset": "USDT", "amount": NO_MONEY}, [
    ("unknown_account", {"account_id": "ann"}),
    ("amount_not_positive", {"amount": TINY}),
    ("too_many_decimals", {"amount": Decimal(10_000)}),
    ("withdrawals_suspended", owe(1)),
    ("account_in_liquidation", do(Deposit("ann", "USDT", HUNDRED))),
    ("insufficient_balance", {"amount": Decimal(1)}),
    ("profit_held", do(UpdateFund("F", policy={"profit_hold_seconds": None}))),
]),
Ladder(ConfigureContract, {
    "account_id": "nobody", "symbol": "NOPE", "leverage": 0, "margin_mode": "isolated",
}, [
    ("unknown_account", {"account_id": "ann"}),
    ("unknown_contract", {"symbol": "HELD"}),
    ("account_in_liquidation", do(
        Deposit("ann", "USDT", HUNDRED), ConfigureContract("ann", "HELD", 20),
        UpdateContract("HELD", TENTH),
    )),
    ("leverage_too_low", {"leverage": 11}),
    ("leverage_too_high", {"leverage": None}),
    ("would_be_at_risk", {"leverage": 1, "margin_mode": None}),
    ("insufficient_margin", {"leverage": 10}),
]),
Ladder(AdjustMargin, {
    "account_id": "nobody", "symbol": "NOPE", "position_side": "both", "amount": Decimal(0),
}, [
    ("unknown_account", {"account_id": "hal"}),
    ("unknown_contract", {"symbol": "TEST"}),
    ("position_side_required", {"account_id": "eve", "position_side": "long"}),
    ("position_side_mismatch", {"position_side": "both"}),
    ("no_isolated_position", {"symbol": "HELD"}),
    ("amount_not_positive", {"amount": TINY}),
    ("too_many_decimals", {"amount": Decimal(10_000)}),
    ("account_in_liquidation", do(Tick("HELD", HUNDRED))),
    ("insufficient_balance", {"amount": Decimal(-10_000)}),
    ("insufficient_margin", {"amount": Decimal(1)}),
]),
Ladder(CreateContract, {"contract": listed("TEST", LOT, NO_ROWS, NO_FUND)}, [
    ("contract_exists", {"contract": listed("NEW", LOT, NO_ROWS, NO_FUND)}),
    ("invalid_contract", {"contract": listed("NEW", NO_ROWS, NO_FUND)}),
    ("invalid_brackets", {"contract": listed("NEW", NO_FUND)}),
    ("unknown_fund", {"contract": listed("NEW")}),
]),
Ladder(UpdateContract, {
    "symbol": "NOPE", **changed("changes", LOT, NO_ROWS, NO_FUND, SIZE, GRID),
}, [
    ("unknown_contract", {"symbol": "GONE"}),
    ("contract_not_trading", {"symbol": "WAITS"}),
    ("settlement_held", {"symbol": "LATE"}),
    ("settlement_under_way", {"symbol": "HELD"}),
    ("invalid_contract", changed("changes", NO_ROWS, NO_FUND, SIZE, GRID)),
    ("invalid_brackets", changed("changes", NO_FUND, SIZE, GRID)),
    ("unknown_fund", changed("changes", SIZE, GRID)),
    ("field_not_changeable", changed("changes", GRID)),
    ("contract_in_use", changed("changes")),
]),
Ladder(ImportContracts, {"contracts": (listed("GONE"),)}, [
    ("contract_not_trading", {"contracts": (listed("WAITS"),)}),
    ("settlement_held", {"contracts": (listed("LATE"),)}),
    ("settlement_under_way", {
        "contracts": (listed("HELD", LOT, NO_ROWS, NO_FUND, SIZE, GRID),),
    }),
    ("invalid_contract", {
        "contracts": (listed("HELD", NO_ROWS, NO_FUND, SIZE, GRID),),
    }),
    ("invalid_brackets", {"contracts": (listed("HELD", NO_FUND, SIZE, GRID),)}),
    ("unknown_fund", {"contracts": (listed("HELD", SIZE, GRID),)}),
    ("field_not_changeable", {"contracts": (listed("HELD", GRID),)}),
    ("contract_in_use", {"contracts": (TERMS,)}),
]),
]  # fmt: skip


LADDERS += FUND_LADDERS
LADDERS.append(group_ladder(next(one for one in LADDERS if one.kind is PlaceTriggered)))


@pytest.mark.parametrize("ladder", LADDERS, ids=lambda ladder: str(ladder.kind.__name__))
def test_ord_7_the_first_fault_is_named(ladder: Ladder) -> None:
    """ORD-7: in the order that the handler lists, with nothing changed on any rung."""
    world, fields = market(), dict(ladder.fields)
    for code, mend in ladder.rungs:
        told = world.apply(ladder.kind(**fields)).result
        assert isinstance(told, Rejection), (told, code)
        assert told.code == code, told
        if callable(mend):
            mend(world)
        else:
            fields |= mend
    assert world.apply(ladder.kind(**fields)).accepted


def test_every_refusal_of_every_command_has_its_rung() -> None:
    """None is missing, none stands elsewhere than where its handler has it."""
    climbed = {ladder.kind: [code for code, _ in ladder.rungs] for ladder in LADDERS}
    assert climbed == {
        kind: [code.name for code in handler.refusals]
        for kind, handler in Engine.handlers.items()
        if handler.refusals
    }
