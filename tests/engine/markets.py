"""What the state machine trades: contracts, funds, accounts, and how its steps are drawn."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import get_args

from hypothesis import strategies as st

from app.engine.commands.accounts import (
    AdjustMargin,
    ConfigureContract,
    Deposit,
    SetPositionMode,
    Withdraw,
)
from app.engine.commands.funds import (
    ContributeToFund,
    ContributeToTreasury,
    DeployExcess,
    MoveInFund,
    Rebalance,
    UpdateFund,
)
from app.engine.commands.orders import CancelAllAfter, CancelOrders
from app.engine.contracts import Contract
from app.engine.policies import AdlPolicy
from tests.engine.world import START, brackets, contract, inverse

ACCOUNTS = ("ann", "bob", "cyd", "dan")
WHALE = "whale"
"""Quotes with deep pockets, so that liquidation orders find a book now and then."""
DATED = ("DATED", "DATEC")
"""Those that are delivered when the machine says so."""
FUNDS = ("small", "large", "third", "coin")
STEEP = brackets(
    (("0", "700", 50, "0.01"), ("700", "3000", 20, "0.03"), ("3000", "1000000", 4, "0.2"))
)
WALL = brackets((("0", "400", 20, "0.01"), ("400", "1000000", 1, "1")))
"""Up to a rate of 1: there a fall of the mark takes as much margin away as equity."""
CONTRACTS: tuple[Contract, ...] = (
    contract("PLAIN", "small"),
    replace(
        contract("WALL", "third"), brackets=WALL, mark_staleness_seconds=60,
        clearance_fee_rate=Decimal("0.002"),
    ),
    replace(
        contract("STEEP", "large"), brackets=STEEP, lot_size=Decimal("0.3"),
        tick_size=Decimal("0.07"),
        contract_size=Decimal("0.5"), taker_fee_rate=Decimal("0.0005"),
        maker_fee_rate=Decimal("-0.0002"), clearance_fee_rate=Decimal("0.005"),
        mark_staleness_seconds=60,
    ),
    replace(
        contract("FINE", "small"), lot_size=Decimal("0.007"), tick_size=Decimal("0.0013"),
        contract_size=Decimal("3.33"), taker_fee_rate=Decimal("0.01"), min_notional=Decimal(0),
        maker_fee_rate=Decimal("0.003"), clearance_fee_rate=Decimal(0),
        brackets=brackets((("0", "100000000", 40, "0.02"),)), funding_interval_hours=1,
    ),
    replace(
        contract("OTHER", "large"), settlement_asset="USDC", quote_asset="USDC",
        clearance_fee_rate=Decimal("0.001"), price_band=Decimal("0.2"),
        liquidation_restore_ratio=Decimal(2), funding_interval_hours=4,
    ),
    replace(
        inverse("COIN", "coin"), taker_fee_rate=Decimal("0.0005"),
        maker_fee_rate=Decimal("0.0002"), mark_staleness_seconds=60,
    ),
    replace(
        inverse("COINS", "small"), brackets=STEEP, contract_size=Decimal("3.33"),
        tick_size=Decimal("0.07"), lot_size=Decimal(3), clearance_fee_rate=Decimal("0.005"),
        maker_fee_rate=Decimal("-0.0002"), taker_fee_rate=Decimal("0.0005"),
        funding_interval_hours=1, funding_mode="derived",
    ),
    replace(
        contract("ALT", "coin"), brackets=WALL, settlement_asset="BTC", quote_asset="BTC",
    ),
    replace(
        contract("DATED", "small"), kind="delivery", delivery_at=START + timedelta(days=10_000),
        settlement_fee_rate=Decimal("0.01"), mark_staleness_seconds=60,
    ),
    replace(
        inverse("DATEC", "coin"), kind="delivery", delivery_at=START + timedelta(days=10_000),
        settlement_fee_rate=Decimal("0.0005"), brackets=STEEP, contract_size=Decimal("3.33"),
    ),
)  # fmt: skip
TERMS = {terms.symbol: terms for terms in CONTRACTS}

SCALE = {"PLAIN": 500, "WALL": 500, "STEEP": 2, "FINE": 40, "OTHER": 700, "COIN": 500,
         "COINS": 400, "ALT": 500, "DATED": 500, "DATEC": 1200}  # fmt: skip
"""Lots that make contracts about alike in value."""

traders = st.sampled_from(ACCOUNTS)
everyone = st.sampled_from((*ACCOUNTS, WHALE))
symbols = st.sampled_from(sorted(TERMS))
sides = st.sampled_from(("buy", "sell"))
assets = st.sampled_from(("USDT", "USDT", "USDC", "BTC"))
lots = st.one_of(st.integers(1, 5), st.integers(1, 60))
seldom = st.integers(0, 5).map(lambda number: number == 5)
amounts = st.sampled_from(("0.00000001", "3.33333333", "20", "75.5", "400", "5000"))
funds = st.sampled_from(FUNDS)
offers = st.sampled_from((
    "0.01", "0.5", "0.9", "0.97", "0.99", "0.997", "0.999", "1", "1", "1.001", "1.003", "1.01",
    "1.03", "1.1", "2",
))  # fmt: skip
rates = st.sampled_from(("0.02", "-0.02", "0.0001", "-0.000000003", "0.0213"))
moves = st.sampled_from((
    "0.3", "0.8", "0.95", "0.97", "0.98", "0.985", "0.99", "0.995", "0.998", "1.002", "1.005",
    "1.01", "1.015", "1.02", "1.03", "1.05", "1.2", "3",
))  # fmt: skip

money = st.one_of(
    st.builds(Deposit, traders, assets, amounts.map(Decimal)),
    st.builds(Withdraw, everyone, assets, amounts.map(Decimal)),
    st.builds(ContributeToTreasury, assets, amounts.map(Decimal)),
    st.builds(
        ContributeToFund, funds, st.sampled_from(("main", "reserve")), assets,
        amounts.map(Decimal), st.sampled_from(("seed_capital", "adjustment", "top_up")),
    ),
    st.builds(
        UpdateFund, funds,
        required_minimum=st.dictionaries(assets, st.none() | amounts.map(Decimal), max_size=2),
    ),
    st.builds(
        UpdateFund, funds,
        policy=st.fixed_dictionaries({}, optional={
            "automatic_top_up": st.booleans(),
            "liquidation_surplus": st.sampled_from(("to_fund", "trader")),
            "trading_fee_share": st.sampled_from((Decimal(0), Decimal("0.3333"), Decimal(1))),
            "adl_policy": st.sampled_from(get_args(AdlPolicy)),
        }),
    ),
    st.builds(Rebalance, assets),
    st.builds(
        DeployExcess, funds, assets, amounts.map(Decimal),
        st.sampled_from((None, "main", "reserve")),
    ),
    st.builds(
        MoveInFund, funds, st.sampled_from(("main", "reserve")),
        st.sampled_from(("main", "reserve")), assets, amounts.map(Decimal),
    ),
)  # fmt: skip
legs = st.sampled_from((0, 1))
"""Which leg of hedge mode, where an account has one."""
housekeeping = st.one_of(
    st.builds(
        ConfigureContract, traders, symbols,
        st.sampled_from((None, 1, 3, 10, 25, 40, 50, 100)),
        st.sampled_from((None, "cross", "isolated")),
    ),
    st.builds(
        AdjustMargin, traders, symbols, st.sampled_from(("both", "both", "long", "short")),
        st.builds(lambda amount, sign: sign * Decimal(amount), amounts, st.sampled_from((1, -1))),
    ),
    st.builds(CancelOrders, everyone),
    st.builds(SetPositionMode, traders, st.sampled_from(("one_way", "hedge"))),
    st.builds(CancelAllAfter, everyone, st.sampled_from((0, 1, 60))),
)  # fmt: skip
