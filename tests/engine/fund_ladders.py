"""What commands about funds and the treasury are refused for (see `test_ladders`)."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from app.engine.commands.calibrations import AcceptCalibration, RejectCalibration
from app.engine.commands.funds import (
    ContributeToFund,
    ContributeToTreasury,
    CreateFund,
    DeployExcess,
    MoveInFund,
    Rebalance,
    UpdateFund,
)
from app.engine.policies import FundPolicy
from tests.engine.rungs import (
    AMOUNTS,
    HUNDRED,
    NO_MONEY,
    TINY,
    Ladder,
    Mend,
    do,
    nobody_is_held,
    owe,
)
from tests.engine.world import START

LATE = START - timedelta(days=8)
OPEN: list[tuple[str, Mend]] = [
    ("calibration_decided", {"calibration_id": 2}),
    ("calibration_superseded", {"calibration_id": 4}),
    ("calibration_expired", {"proposed_at": START}),
]

FUND_LADDERS = [
Ladder(CreateFund, {"fund_id": "F", "name": "f", "policy": FundPolicy(Decimal(-1))}, [
    ("fund_exists", {"fund_id": "G"}),
    ("invalid_policy", {"policy": FundPolicy()}),
]),
Ladder(UpdateFund, {
    "fund_id": "-", "policy": {"share_above_minimum": Decimal(2)},
    "required_minimum": {"-": NO_MONEY},
}, [
    ("unknown_fund", {"fund_id": "F"}),
    ("invalid_policy", {"policy": None}),
    ("amount_not_positive", {"required_minimum": {"-": TINY}}),
    ("too_many_decimals", {"required_minimum": {"-": HUNDRED}}),
    ("unknown_asset", {"required_minimum": {"USDT": HUNDRED}}),
]),
Ladder(ContributeToFund, {
    "fund_id": "-", "wallet": "main", "asset": "-", "amount": NO_MONEY, "kind": "top_up",
}, [
    ("unknown_fund", {"fund_id": "F"}), *AMOUNTS, ("unknown_asset", {"asset": "USDT"}),
    ("insufficient_balance", {"kind": "seed_capital"}),
]),
Ladder(MoveInFund, {
    "fund_id": "-", "source": "main", "destination": "main", "asset": "USDT", "amount": NO_MONEY,
}, [
    ("unknown_fund", {"fund_id": "F"}), *AMOUNTS, ("same_wallet", {"destination": "reserve"}),
    ("insufficient_balance", do(ContributeToFund("F", "main", "USDT", HUNDRED, "seed_capital"))),
]),
Ladder(Rebalance, {"asset": "-"}, [
    ("unknown_asset", {"asset": "USDT"}), ("liquidations_under_way", nobody_is_held),
]),
Ladder(DeployExcess, {"fund_id": "-", "asset": "USDT", "amount": NO_MONEY, "wallet": "other"}, [
    ("unknown_fund", {"fund_id": "F"}), *AMOUNTS,
    ("no_required_minimum", do(UpdateFund("F", required_minimum={"USDT": HUNDRED}))),
    ("withdrawals_suspended", owe(0)),
    ("liquidations_under_way", nobody_is_held),
    ("exceeds_excess", do(ContributeToFund("F", "main", "USDT", HUNDRED + 1, "seed_capital"))),
    ("insufficient_balance", {"wallet": None}),
]),
Ladder(AcceptCalibration, {
    "fund_id": "-", "asset": "-", "calibration_id": 1, "required_minimum": NO_MONEY,
    "proposed_at": LATE,
}, [
    ("unknown_fund", {"fund_id": "CALIBRATED"}),
    ("amount_not_positive", {"required_minimum": TINY}),
    ("too_many_decimals", {"required_minimum": HUNDRED}),
    ("unknown_asset", {"asset": "USDT"}),
    *OPEN,
    ("reason_required", {"reason": "the book has shrunk"}),
]),
Ladder(RejectCalibration, {
    "fund_id": "-", "asset": "USDT", "calibration_id": 1, "proposed_at": LATE, "reason": "r",
}, [("unknown_fund", {"fund_id": "CALIBRATED"}), *OPEN]),
Ladder(ContributeToTreasury, {"asset": "-", "amount": NO_MONEY}, [
    *AMOUNTS, ("unknown_asset", {"asset": "USDT"}),
]),
]  # fmt: skip
