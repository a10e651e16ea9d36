"""Commands that nobody sends, and the ticks that wait for them.

    due at a time      `Engine.due`: applied with the first moment at which the engine knows of it,
                       before any other command of that moment or later (`Applier.next_time`)
    the clock's        `Clock.report`: how far engine time is from the system's, once a turn
    a cascade's part   at the end of each turn, so that others are served between two; ticks of its
                       asset wait (MRK-2)

All are in the log like any other, so a replay needs no agenda. It needs no store either: a new
leader's `Recover` begins the cascades again, and what is due follows from the state.
"""

from __future__ import annotations

from collections import deque

from app.engine.commands.prices import Price
from app.engine.outcome import Outcome
from app.engine.state import State
from app.runner.submission import Submission, Submitted


class Agenda:
    """What a turn ends with: cascades that go on, part by part, and the ticks that they hold up."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._cascades: dict[str, Submitted | None] = {}
        """By settlement asset, with the tick to answer when it is finished, if one began it."""
        self._held: dict[str, deque[Submitted]] = {}
        """Ticks that wait for a cascade of their asset, in order."""

    def __bool__(self) -> bool:
        return bool(self._cascades or self._held)

    @property
    def cascades(self) -> list[str]:
        """The assets whose cascade goes on."""
        return list(self._cascades)

    @property
    def held(self) -> list[str]:
        """The assets of which ticks wait."""
        return list(self._held)

    def note(self, outcome: Outcome) -> None:
        """A command was applied: remember what it leaves to be gone on with."""
        for asset in outcome.pending:
            self._cascades.setdefault(asset, None)

    def answer_at_end(self, submitted: Submitted, tick: Price) -> None:
        """This tick began a cascade and is answered when it is finished."""
        self._cascades[self._state.markets[tick.symbol].contract.settlement_asset] = submitted

    def end(self, asset: str) -> Submitted | None:
        """A cascade is finished; returns the tick that is answered now."""
        return self._cascades.pop(asset)

    def ticks_of(self, submission: Submission) -> list[tuple[int, str]]:
        """The ticks of a submission whose cascades go on, with the assets."""
        return [
            (submitted[1], asset)
            for asset, submitted in self._cascades.items()
            if submitted and submitted[0] is submission
        ]

    def hold_back(self, submitted: Submitted, tick: Price) -> bool:
        """Whether the tick must wait: for its asset's cascade, or behind others that do (MRK-2)."""
        market = self._state.markets.get(tick.symbol)
        if market is None:
            return False
        asset = market.contract.settlement_asset
        if asset not in self._cascades and asset not in self._held:
            return False
        self._held.setdefault(asset, deque()).append(submitted)
        return True

    def next_tick(self, asset: str) -> Submitted | None:
        """The next tick that waited for the asset's cascade, once that is finished."""
        held = self._held.get(asset)
        if held is None or asset in self._cascades:
            return None
        submitted = held.popleft()
        if not held:
            del self._held[asset]
        return submitted
