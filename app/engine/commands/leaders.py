"""What a leader says for itself: how it begins, goes on and what it leaves alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.engine.commands import CommandOf, PositionSide
from app.engine.contracts import LEFT_OUT

if TYPE_CHECKING:  # what commands result in is made of their words, so it stands above them
    from app.engine.results import Done, Ticked  # noqa: F401 - ruff looks into no string


@dataclass(frozen=True, slots=True)
class ContinueCascade(CommandOf["Ticked | Done"]):
    """The next bounded step of the cascade of a settlement asset (LIQ-10), sent by the runner."""

    asset: str


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds the work of one command (ORD-10).

    `matched_orders`: resting orders that an incoming order meets. `open_orders` of an account, in
    all and `open_orders_per_contract`; `untriggered_per_contract`: its untriggered ones (TRG-1).
    """

    matched_orders: int = 1000
    open_orders: int = 1000
    open_orders_per_contract: int = 200
    untriggered_per_contract: int = field(default=10, metadata=LEFT_OUT)


@dataclass(frozen=True, slots=True)
class Incident:
    """What an exception in the engine was blamed on: left alone until it is released (REC-2).

    With a `digest` that is a command of the kind `command`; with an `account_id` a margin scope,
    cross where it has no `symbol`; else the cascades of an `asset`. (`command` is what was being
    applied, whatever was to blame.) `times` it has failed so far; `announced`: an earlier leader
    has raised the alert.
    """

    incident_id: int
    command: str
    digest: str | None = None
    asset: str | None = None
    account_id: str | None = None
    symbol: str | None = None
    position_side: PositionSide | None = None
    times: int = 1
    announced: bool = False


@dataclass(frozen=True, slots=True)
class Recover(CommandOf["Done"]):
    """A new leader's first command: forget cascades under way and look at every scope afresh.

    It says which limits the leader keeps and which incidents are open, so that a replay keeps the
    same.
    """

    limits: Limits = Limits()
    incidents: tuple[Incident, ...] = field(default=(), metadata=LEFT_OUT)


@dataclass(frozen=True, slots=True)
class ReleaseIncident(CommandOf["Done"]):
    """Let what an incident left alone be tried once more (REC-2)."""

    incident_id: int
    reason: str
