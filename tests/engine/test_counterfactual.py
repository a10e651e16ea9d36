"""What policies would have done, where an event kept little (ADL-1)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal, localcontext
from typing import get_args

import pytest

from app.engine.events import QueueEntry
from app.engine.figures.counterfactual import Bankrupt, PolicyOutcome, choose
from app.engine.markets import Market
from app.engine.marks import Mark
from app.engine.numbers import EXACT
from app.engine.policies import AdlPolicy
from app.engine.scopes import wallet_key
from app.engine.traders import Wallet
from tests.engine.world import START, contract

TERMS = replace(contract("TEST", "F"), lot_size=Decimal(1))
RICH = QueueEntry("rich", "both", "0", "6", "18", "1000", "1018", "2.91", "1015.09")
POOR = QueueEntry("poor", "both", "0", "4", "-2", "3.94", "1.94", "1.94", "0")
ALONE = QueueEntry("alone", "both", "0", "5")


def would(policy: AdlPolicy, *places: QueueEntry, most: int | None = 100) -> PolicyOutcome:
    """A long of 8, bankrupt at 97.5, mark 97."""
    key = wallet_key("clearing", "TEST", "USDT")
    clearing = Wallet(key=key, kind="clearing", owner="TEST", asset="USDT", name="")
    market = Market(TERMS, clearing, mark=Mark("TEST", Decimal(97), START))
    with localcontext(EXACT):
        return choose(Bankrupt(market, Decimal(8), Decimal(780)), places, policy, most)


def parts(found: PolicyOutcome) -> list[tuple[str, int, str]]:
    """Whom it closes, how much, and why."""
    return [(one.account_id, int(one.quantity), one.reason) for one in found.chosen]


@pytest.mark.parametrize("policy", get_args(AdlPolicy))
def test_adl_1_nobody_was_kept(policy: AdlPolicy) -> None:
    assert would(policy) == ((), Decimal(8), Decimal(0))


@pytest.mark.parametrize("policy", get_args(AdlPolicy))
def test_adl_1_who_was_left_alone_comes_last_and_at_mark(policy: AdlPolicy) -> None:
    """REC-2: nothing is known of what it could bear."""
    assert parts(would(policy, RICH, ALONE)) == [
        ("rich", 6, "bankruptcy_price"), ("alone", 2, "mark_price"),
    ]  # fmt: skip


def test_adl_2_who_bears_nothing_is_closed_at_mark_and_more_than_there_is_is_left() -> None:
    """poor's lot would cost 0.5 and free 0.485."""
    found = would("current", RICH, replace_quantity(POOR, "1"))
    assert parts(found) == [("rich", 6, "bankruptcy_price"), ("poor", 1, "mark_price")]
    assert found.left == 1
    assert found.overshoot == Decimal("14.5")  # 18 - 7 x 0.5


def replace_quantity(place: QueueEntry, quantity: str) -> QueueEntry:
    """A smaller place."""
    return place._replace(quantity=quantity)


def test_fnd_12_an_owners_accounts_are_closed_one_by_one() -> None:
    """Without shares by size, the largest first."""
    twin = RICH._replace(account_id="twin", quantity="5")
    assert parts(would("pro_rata", twin, RICH, most=None)) == [
        ("rich", 6, "bankruptcy_price"), ("twin", 2, "bankruptcy_price"),
    ]  # fmt: skip
    assert parts(would("pro_rata", twin, RICH)) == [
        ("rich", 5, "bankruptcy_price"), ("twin", 3, "bankruptcy_price"),
    ]  # fmt: skip
