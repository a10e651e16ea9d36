"""What is due at an engine time: an engine with several sources of it."""

from __future__ import annotations

from datetime import timedelta

from app.engine.commands import Due
from app.engine.commands.funds import CreateFund
from app.engine.engine import Engine, Source
from app.engine.policies import FundPolicy
from app.engine.state import State
from tests.engine.scenario import Scenario
from tests.engine.world import START


def opens(fund_id: str, minutes: int) -> Source:
    """A fund that is due to be opened, until it is."""

    def source(state: State) -> Due | None:
        if fund_id in state.funds:
            return None
        due = START + timedelta(minutes=minutes)
        return Due(due, CreateFund(fund_id, fund_id, FundPolicy()))

    return source


def test_the_first_of_all_sources_is_due() -> None:
    """Of two at once the earlier source's: in every replay the same."""
    engine = Engine(State(), sources=[opens("B", 2), opens("A", 1), opens("C", 2)])
    order: list[tuple[str, timedelta]] = []
    while due := engine.due():
        assert isinstance(due.command, CreateFund)
        order.append((due.command.fund_id, due.time - START))
        engine.apply(due.command, due.time)
    minute = timedelta(minutes=1)
    assert order == [("A", minute), ("B", 2 * minute), ("C", 2 * minute)]


def test_where_there_are_no_sources_nothing_is_due() -> None:
    assert Engine(State(), sources=[]).due() is None


def test_funds_are_warned_of_in_an_order_that_no_load_changes() -> None:
    """Loaded they are in order of their names, whoever came first (ADL-3)."""
    scenario = Scenario()
    for line in (
        "fund G ratio=10",
        "fund F ratio=10",
        "contract ONE fund=G",
        "contract TWO fund=F",
        "account alice bob",
        "deposit alice USDT 100",
        "deposit bob USDT 1000",
        "contribute G main USDT 60",
        "contribute F main USDT 60",
        "configure alice ONE 20 isolated",
        "configure alice TWO 20 isolated",
        "tick ONE 100",
        "tick TWO 100",
        "trade alice bob ONE 10 @ 100",
        "trade alice bob TWO 10 @ 100",
        "tick ONE 94",
        "tick TWO 94",
        "later 2",
        "due",
    ):
        scenario.line(line)
    warned = [alert.fund_id for alert in scenario.world.alerts if alert.kind == "adl_warning"]
    assert warned == ["F", "G"]
