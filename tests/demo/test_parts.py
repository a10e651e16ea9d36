"""The made-up crash, the chart, and what the demo draws from a fund's history."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import get_args

from app.demo.chart import ASCII, can_draw_blocks, chart
from app.demo.market import COINS, crash, write_crash
from app.demo.story import TOLD, Watch
from app.engine.events import StepKind
from app.replay.inputs import Window
from app.replay.steps import ReplayStep, survey


def test_the_same_seed_gives_the_same_crash(tmp_path: Path) -> None:
    texts = []
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        (tmp_path / folder).mkdir()
        paths = write_crash(tmp_path / folder, seed, 20)
        texts.append([path.read_text("utf-8") for path in paths])
        found = survey(paths, Window())
        assert found.candles == 20 * len(COINS)
        assert found.end - found.start == 20 * 60_000
    assert texts[0] == texts[1] != texts[2]


def test_the_crash_has_its_phases() -> None:
    """Quiet, a slide, a drop with gaps, a rebound that does not make up for it."""
    for seed in range(20):
        candles = list(crash(random.Random(seed), COINS[0], 100))
        quiet, slide, drop, last = (candles[n].close for n in (24, 54, 69, 99))
        assert abs(quiet / 60000 - 1) < Decimal("0.02")
        assert Decimal("0.90") < slide / quiet < Decimal("0.96")
        assert drop / slide < Decimal("0.85")
        assert drop < last < slide
        gaps = [before.close - after.open for before, after in pairwise(candles)]
        assert max(gaps[54:69]) > Decimal("0.01") * slide
        assert not any(gaps[:54])


def test_a_chart_goes_from_the_least_to_the_largest() -> None:
    values = [Decimal(value) for value in (1, 3, 5, 8)]
    assert chart(values, ("a", "b"), (4, 1)) == ["1.00 ▁▃▅█", "     a  b"]
    assert chart(values, ("a", "b"), (2, 2), ASCII) == [
        "8.00  |",
        "3.00 .|",
        "     ab",
    ]


def test_a_chart_of_one_value() -> None:
    assert chart([Decimal(7)] * 3, ("a", "b"), (9, 2)) == ["     ", "7.00 ▁▁▁", "     a b"]


def test_blocks_are_drawn_where_they_can_be() -> None:
    assert can_draw_blocks("utf-8")
    assert not can_draw_blocks("ascii")
    assert not can_draw_blocks("latin-1")
    assert not can_draw_blocks("no such encoding")
    assert not can_draw_blocks(None)


def test_balances_follow_the_history() -> None:
    """A row belongs to the step that was answered next; wallets are summed (FND-6)."""
    watch = Watch("BTCUSDT")
    for minute in range(4):
        watch.see(ReplayStep(minute * 60_000, marks={"BTCUSDT": Decimal(minute + 1)}))
    watch.see(ReplayStep(300_000, marks={"ETHUSDT": Decimal(1)}))
    began = datetime(2026, 1, 1, tzinfo=UTC)
    watch.done = [began + timedelta(seconds=second) for second in range(4)]
    rows = [
        {"asset": asset, "wallet": wallet, "balance_after": balance,
         "time": (began + timedelta(seconds=second)).isoformat()}
        for second, asset, wallet, balance in (
            (-9, "USDT", "main", "10"), (0.5, "USDT", "main", "4"), (0.6, "USDC", "main", "99"),
            (2.5, "USDT", "reserve", "3"), (99, "USDT", "main", "0"),
        )
    ]  # fmt: skip
    assert watch.balances(rows, "USDT") == [10, 4, 4, 7]
    assert watch.ends() == ("00:00", "00:03")


def test_every_kind_of_step_can_be_told() -> None:
    """LIQ-9: a story with holes would be none."""
    assert set(TOLD) == set(get_args(StepKind))
