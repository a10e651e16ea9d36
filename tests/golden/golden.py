"""A golden log: commands as a release has stored them, and what became of them (REC-1).

`python -m tests.golden.golden` writes the one of this release's rules, once for each
`Engine.rules_version`: with the release, what it holds is what that version means for ever. Only
before, while a version is being made, it may be deleted and written anew. It lives a violent
market, with a crowd that falls at once, a leader that is cut off in a cascade, and every kind of
command. Those of earlier versions stay: their answers must still be read, or be known for what
cannot be.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from app.engine.commands import Command
from app.engine.commands.accounts import (
    AdjustMargin,
    ConfigureContract,
    Deposit,
    SetPositionMode,
    Withdraw,
)
from app.engine.commands.contracts import CreateContract, ImportContracts
from app.engine.commands.delivery import SettleContract
from app.engine.commands.funding import CorrectFunding
from app.engine.commands.funds import ContributeToTreasury
from app.engine.commands.keys import CreateKey, NewKey, RevokeKey
from app.engine.commands.leaders import (
    ContinueCascade,
    Incident,
    Limits,
    Recover,
    ReleaseIncident,
)
from app.engine.commands.orders import AmendOrder, CancelOrder, PlaceOrder
from app.engine.commands.prices import ReportClock, Tick
from app.engine.engine import Engine
from app.engine.handlers import prices
from app.engine.invariants import check_all, state_hash
from app.engine.liquidation import counterparty
from app.engine.outcome import Outcome
from app.engine.state import State
from app.store import codec
from app.store.rows import collect
from app.store.tables import metadata
from app.verify.difference import text
from tests.engine.world import contract, open_account
from tests.verify.market import Market, opening

SINCE: dict[str, dict[str, Any]] = {}
"""Columns that came after the newest version's log was written, with their migrations' defaults;
the next version's has them."""

FOLDER = Path(__file__).parent
START = datetime(2026, 1, 1, tzinfo=UTC)
CROWD = 110
"""More than a step looks at, and many times what it liquidates."""


def bounds() -> dict[str, str]:
    """The bounds that are rules; not all of them are met by so short a log."""
    bounds = Engine.bounds
    found = {
        "FINDS_PER_STEP": bounds.finds,
        "LIQUIDATIONS_PER_STEP": bounds.liquidations,
        "LARGE": bounds.large,
        "RANKS_PER_STEP": bounds.ranks,
        "KEPT": bounds.kept,
        "MOST_CLOSED": bounds.closed,
        "QUEUE_KEPT": counterparty.QUEUE_KEPT,
        "FUTURE": prices.FUTURE,
    }
    return {name: str(value) for name, value in found.items()}


@dataclass(frozen=True, slots=True)
class Entry:
    """A command as it is stored, and its result (null: the cascade went on)."""

    time: str
    kind: str
    body: str
    results: str


@dataclass(frozen=True, slots=True)
class Golden:
    """A log and all that is remembered of what it gave."""

    rules_version: int
    results_format: int
    bounds: dict[str, str]
    state_hash: str
    records_hash: str
    entries: Sequence[Entry]


def path_of(version: int) -> Path:
    """Where the log of a version is."""
    return FOLDER / f"rules-{version}.jsonl.gz"


def read(path: Path) -> Golden:
    """A log that was written."""
    head, *entries = map(json.loads, gzip.decompress(path.read_bytes()).splitlines())
    return Golden(**head, entries=[Entry(*entry) for entry in entries])


def write(path: Path, golden: Golden) -> None:
    """A line of what became of the log, then a line for each command."""
    head = asdict(golden)
    rows = [list(entry.values()) for entry in head.pop("entries")]
    lines = "".join(json.dumps(line) + "\n" for line in [head, *rows])
    path.write_bytes(gzip.compress(lines.encode(), mtime=0))


def told(outcomes: Iterable[Outcome], state: State) -> Golden:
    """What is remembered of commands that gave this state."""
    entries, records = [], hashlib.sha256()
    for outcome in outcomes:
        results = codec.encode_results([outcome.result])
        entries.append(
            Entry(outcome.time.isoformat(), *codec.encode_command(outcome.command), results)
        )
        for table, rows in collect([outcome], (), state.counters).appends.items():
            for row in rows:
                records.update(f"{table}|{'|'.join(_texts(table, row))}\n".encode())
    return Golden(
        Engine.rules_version, codec.RESULTS_FORMAT, bounds(), state_hash(state),
        records.hexdigest(), entries,
    )  # fmt: skip


def _texts(table: str, row: Sequence[Any]) -> Iterator[str]:
    """A row's words, without those of columns that are newer than the log and say nothing new."""
    since = SINCE.get(table, {})
    for name, value in zip(metadata.tables[table].columns.keys(), row, strict=True):
        if name not in since or value != since[name]:
            yield text(value)


def replay(golden: Golden) -> tuple[list[Outcome], State]:
    """The same commands with the rules of now; raises whatever they make of them."""
    engine = Engine(State())
    outcomes = [
        engine.apply(
            codec.decode_command(entry.kind, entry.body), datetime.fromisoformat(entry.time)
        )
        for entry in golden.entries
    ]
    return outcomes, engine.state


class Life:
    """An engine and what was accepted; commands come a tenth of a second apart."""

    def __init__(self) -> None:
        self.engine = Engine(State())
        self.outcomes: list[Outcome] = []
        self._time = START

    def do(self, commands: Iterable[Command], *, steps: int = 1000) -> None:
        """Commands, each with its cascade, of at most so many steps."""
        for command in commands:
            while (due := self.engine.due()) and due.time <= self._time:
                self._run(due.command, steps)
            self._run(command, steps)

    def pass_time(self, time: timedelta) -> None:
        """Nothing is commanded meanwhile."""
        self._time += time

    def _run(self, command: Command, steps: int) -> None:
        pending = self._apply(command)
        while pending and steps:
            steps -= 1
            pending = self._apply(ContinueCascade(pending[0]))

    def _apply(self, command: Command) -> tuple[str, ...]:
        self._time += timedelta(milliseconds=100)
        outcome = self.engine.apply(command, self._time)
        if outcome.accepted:
            self.outcomes.append(outcome)
        return outcome.pending


def crowd() -> Iterator[Command]:
    """Traders with the same position, for whom the book and the fund are too small."""
    symbol = "AUSDT"
    yield Tick(symbol, Decimal(100))
    yield open_account("whale")
    yield Deposit("whale", "USDT", Decimal(1_000_000))
    yield PlaceOrder("whale", symbol, "sell", "limit", Decimal(CROWD), Decimal(100))
    for number in range(CROWD):
        name = f"crowd-{number:03}"
        yield open_account(name)
        yield Deposit(name, "USDT", Decimal(5) + Decimal(number) / 100)
        yield ConfigureContract(name, symbol, 50, "isolated" if number % 2 else "cross")
        yield PlaceOrder(name, symbol, "buy", "limit", Decimal(1), Decimal(100))
    yield AdjustMargin("crowd-001", symbol, "both", Decimal("0.5"))
    yield PlaceOrder("whale", symbol, "buy", "limit", Decimal(30), Decimal("98.5"))
    yield PlaceOrder("whale", symbol, "buy", "limit", Decimal(30), Decimal("96.7"))


def expiry() -> Iterator[Command]:
    """What comes with time: a funding and what corrects it, a delivery without enough samples."""
    yield CreateContract(
        replace(contract("EUSDT", "rich"), kind="delivery", delivery_at=START + timedelta(hours=1))
    )
    yield Tick("EUSDT", Decimal(100), Decimal(100))
    yield Deposit("whale", "USDT", Decimal(1000))
    yield PlaceOrder("whale", "EUSDT", "sell", "limit", Decimal(2), Decimal(100))
    yield PlaceOrder("late", "EUSDT", "buy", "limit", Decimal(1), Decimal(100))


def acts() -> Iterator[Command]:
    """What admins do at last."""
    yield SettleContract("EUSDT", Decimal("100.5"), "no samples")
    yield CorrectFunding("AUSDT", START + timedelta(hours=1), "late", Decimal(1), "a wrong rate")
    yield CreateKey(NewKey("key-desk", "desk", "feed", hashlib.sha256(b"desk").hexdigest(), None))
    yield RevokeKey("key-desk")
    yield ReleaseIncident(1, "mended")


def live() -> Golden:
    """A log with every kind of command, and what became of it."""
    life, market = Life(), Market(seed=7)
    life.do([Recover(Limits(matched_orders=5)), *opening(), *crowd()])
    life.do([Tick("AUSDT", Decimal(96))], steps=3)
    life.do([Recover()])
    imported = ImportContracts((replace(contract("BUSDT", "rich"), lot_size=Decimal("0.01")),))
    life.do([
        ReportClock("jump", Decimal("75.5")), imported, CreateContract(contract("DUSDT", "rich")),
        Withdraw("whale", "USDT", Decimal(1)), ContributeToTreasury("USDT", Decimal(10)),
        open_account("late"), SetPositionMode("late", "one_way"), Tick("AUSDT", Decimal(100)),
    ])  # fmt: skip
    for _ in range(8):
        life.do(market.batch())
        life.do(market.crash())
        resting = sorted(life.engine.state.orders)[:1]
        life.do(CancelOrder(order_id) for order_id in resting)
    life.do([Deposit("late", "USDT", Decimal(100)), *expiry()])
    orders = life.engine.state.orders.values()
    (rests,) = (order.order_id for order in orders if order.symbol == "EUSDT")
    life.do([AmendOrder(rests, quantity=Decimal(3))])
    life.pass_time(timedelta(hours=1))
    blamed = Incident(1, "Deposit", digest="ab" * 32)
    life.do([Recover(incidents=(blamed,)), *acts()])
    check_all(life.engine.state)
    return told(life.outcomes, life.engine.state)


def main() -> None:
    """Write this version's log; one that is there is not replaced."""
    path = path_of(Engine.rules_version)
    if path.exists():
        raise SystemExit(f"{path.name} is there: it says what version {Engine.rules_version} means")
    write(path, live())


if __name__ == "__main__":
    main()
