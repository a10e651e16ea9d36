"""Everything that can be asked of the engine: one frozen dataclass per command, of its result.

A command carries no time: `Engine.apply(command, now)` gets it from the runner. Accepted commands
are kept in the command log, in order; replaying them gives the same state.
"""

from __future__ import annotations

from datetime import datetime
from typing import Generic, Literal, NamedTuple, TypeVar

PositionMode = Literal["one_way", "hedge"]
PositionSide = Literal["both", "long", "short"]
MarginMode = Literal["cross", "isolated"]
Side = Literal["buy", "sell"]
OrderType = Literal["limit", "market"]
TimeInForce = Literal["gtc", "ioc", "fok", "gtx"]
OrderStatus = Literal["new", "partially_filled", "filled", "canceled", "expired"]
TriggeredType = Literal[
    "stop_market", "take_profit_market", "stop", "take_profit", "trailing_stop"
]  # fmt: skip
GroupKind = Literal["oco", "bracket"]
TriggerBy = Literal["mark", "last"]
TriggeredStatus = Literal["untriggered", "triggered", "canceled", "expired"]
SelfTradePrevention = Literal["expire_taker", "expire_maker", "expire_both"]
KeyScope = Literal["admin", "feed", "trader"]
ClockCause = Literal["start", "jump", "drift"]
ContributionKind = Literal["seed_capital", "adjustment", "top_up"]


R_co = TypeVar("R_co", covariant=True)


class CommandOf(Generic[R_co]):
    """A command whose result is an `R`, where it is not refused."""

    __slots__ = ()


Command = CommandOf[object]
"""Any command."""


class Due(NamedTuple):
    """A command that nobody sends, and the engine time from which on it is due."""

    time: datetime
    command: Command
