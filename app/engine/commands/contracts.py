"""What is listed, and on which terms."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from app.engine.commands import CommandOf
from app.engine.contracts import LEFT_OUT, Contract

if TYPE_CHECKING:  # what commands result in is made of their words, so it stands above them
    from app.engine.results import Done, Imported  # noqa: F401 - ruff looks into no string


@dataclass(frozen=True, slots=True)
class CreateContract(CommandOf["Done"]):
    """List a contract; its insurance fund must exist."""

    contract: Contract


@dataclass(frozen=True, slots=True)
class UpdateContract(CommandOf["Done"]):
    """Change some terms of a contract; `changes` maps `Contract` field names to new values."""

    symbol: str
    changes: Annotated[dict[str, Any], Contract]


@dataclass(frozen=True, slots=True)
class ImportContracts(CommandOf["Imported"]):
    """List or update many contracts at once: all of them or none (CON-5).

    `terms` names what their source says of a contract: of one that is listed already nothing else
    changes, nor what is None. Without names everything does.
    """

    contracts: tuple[Contract, ...]
    terms: tuple[str, ...] = field(default=(), metadata=LEFT_OUT)
