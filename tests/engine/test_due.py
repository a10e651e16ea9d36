"""What is due at an engine time: an engine with several sources of it."""

from __future__ import annotations

from datetime import timedelta

from app.engine.commands import Due
from app.engine.commands.funds import CreateFund
from app.engine.engine import Engine, Source
from app.engine.policies import FundPolicy
from app.engine.state import State
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
