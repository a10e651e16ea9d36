"""`backstop verify-history`: an exported history, of funds or the treasury, and only that (HIS-4).

It is the page that documents the chain (ARCHITECTURE.md, "The hash chain") once more, and shares no
code with what writes the chain: an error would be in both.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from decimal import Context, Decimal
from pathlib import Path
from typing import BinaryIO

HOLDS, BROKEN, FAILED = 0, 1, 2

COLUMNS = (
    "sequence", "time", "fund", "wallet", "asset", "kind", "amount", "balance_after", "symbol",
    "liquidation_id", "previous_hash", "hash",
)  # fmt: skip
HASHED = (
    "previous_hash", "fund", "sequence", "time", "wallet", "asset", "kind", "amount",
    "balance_after", "symbol", "liquidation_id",
)  # fmt: skip
FIRST_PREVIOUS_HASH = "0" * 64
LONGEST_LINE = 1000
"""In bytes: none of an export is half as long, and what is read stays bounded."""

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_PIN = re.compile(r"([0-9]{1,18}):([0-9a-f]{64})")
_EXACT = Context(prec=2 * LONGEST_LINE)

Pin = tuple[int, str]
"""A head that was noted before: sequence, hash."""
HistoryRow = dict[str, str]


@dataclass(slots=True)
class ChainHead:
    """Where a chain stands: its last row, and what each wallet (wallet, asset) holds."""

    sequence: int = 0
    hash: str = FIRST_PREVIOUS_HASH
    time: str = ""
    balances: dict[tuple[str, str], Decimal] = field(default_factory=dict)


class BrokenHistory(Exception):
    """Where a file is not the history it claims to be, in one line."""


def read_pin(text: str) -> Pin:
    """A pinned head, SEQUENCE:HASH; raises ValueError."""
    pin = _PIN.fullmatch(text)
    if pin is None:
        raise ValueError(f"a head is SEQUENCE:HASH, the hash of 64 digits 0-9a-f, not {text!r}")
    return int(pin[1]), pin[2]


def verify_history(file: BinaryIO, pins: Collection[Pin] = ()) -> dict[str, ChainHead]:
    """The heads by fund; raises `BrokenHistory` at the first row that does not hold.

    Memory is bounded by the wallets that occur. Each of the `pins` must be a row of the file: the
    only thing that shows a removed end, or a chain that was written anew.
    """
    heads: dict[str, ChainHead] = {}
    missing = set(pins) - {(0, FIRST_PREVIOUS_HASH)}  # the head of a fund without a row
    instead: defaultdict[int, str] = defaultdict(str)
    moment = ""
    for line, row in _rows(file):
        head = heads.setdefault(row["fund"], ChainHead())
        if what := _broken(row, head, moment):
            where = f"line {line}, fund {row['fund']!r}, sequence {row['sequence']}"
            raise BrokenHistory(f"{where}: {what}")
        _follow(head, row)
        moment = head.time
        missing.discard((head.sequence, head.hash))
        if any(sequence == head.sequence for sequence, _ in missing):
            instead[head.sequence] += f"; line {line}, fund {row['fund']!r}, has {head.hash}"
    for sequence, digest in sorted(missing):
        others = instead[sequence] or "; the file is too short for it"
        raise BrokenHistory(f"no row is the pinned head {sequence}:{digest}{others}")
    return heads


def _rows(file: BinaryIO) -> Iterator[tuple[int, HistoryRow]]:
    """Rows with the number of their line; the file must be just as it was exported."""
    if file.readline(LONGEST_LINE) != (",".join(COLUMNS) + "\n").encode():
        raise BrokenHistory(f"line 1: not the columns of an export: {','.join(COLUMNS)}")
    number = 1
    while line := file.readline(LONGEST_LINE):
        number += 1
        try:
            values = line.decode().removesuffix("\n").split(",")
        except UnicodeDecodeError:
            raise BrokenHistory(f"line {number}: not UTF-8") from None
        if len(values) != len(COLUMNS):
            raise BrokenHistory(f"line {number}: {len(values)} fields, should be {len(COLUMNS)}")
        if not line.endswith(b"\n"):
            raise BrokenHistory(f"line {number}: cut, or too long: it does not end")
        yield number, dict(zip(COLUMNS, values, strict=True))


def _broken(row: HistoryRow, head: ChainHead, moment: str) -> str | None:
    """What keeps a row from being the one that follows its fund's head."""
    if row["sequence"] != str(head.sequence + 1):
        return f"the sequence should be {head.sequence + 1}"
    if row["previous_hash"] != head.hash:
        return f"previous_hash is {row['previous_hash']}, the row before has {head.hash}"
    digest = hashlib.sha256("|".join(row[name] for name in HASHED).encode()).hexdigest()
    if row["hash"] != digest:
        return f"hash is {row['hash']}, the row's fields give {digest}"
    if row["time"] < moment:
        return f"time is {row['time']}, the line before has {moment}"
    for name in ("amount", "balance_after"):
        if not _NUMBER.fullmatch(row[name]):
            return f"{name} is {row[name]!r}, no number in plain notation"
    before = head.balances.get((row["wallet"], row["asset"]), Decimal(0))
    after = _EXACT.add(before, Decimal(row["amount"]))
    if Decimal(row["balance_after"]) != after:
        return f"balance_after is {row['balance_after']}, {before} and the amount make {after}"
    return None


def _follow(head: ChainHead, row: HistoryRow) -> None:
    head.sequence += 1
    head.hash, head.time = row["hash"], row["time"]
    head.balances[row["wallet"], row["asset"]] = Decimal(row["balance_after"])


def run(path: str, pins: Collection[Pin]) -> int:
    """Check a file (`-`: standard input), print the findings: 0 holds, 1 broken, 2 unreadable."""
    try:
        with nullcontext(sys.stdin.buffer) if path == "-" else Path(path).open("rb") as file:
            heads = verify_history(file, pins)
    except OSError as error:
        sys.stderr.write(f"backstop: {path} cannot be read: {error.strerror}\n")
        return FAILED
    except BrokenHistory as broken:
        sys.stdout.write(f"BROKEN: {broken}\n")
        return BROKEN
    sys.stdout.write(_summary(heads, pins))
    return HOLDS


def _summary(heads: dict[str, ChainHead], pins: Collection[Pin]) -> str:
    """The heads, each as `--head` takes it."""
    rows = sum(head.sequence for head in heads.values())
    lines = [f"Every row holds: {rows:,} of {len(heads):,} chain(s)."]
    for fund, head in sorted(heads.items()):
        lines.append(f"{fund}  {head.time}  {head.sequence}:{head.hash}")
        for (wallet, asset), balance in sorted(head.balances.items()):
            lines.append(f"    {wallet}  {balance:f} {asset}")
    if pins:
        lines.append(f"{len(pins):,} pinned head(s): in the file.")
    else:
        lines.append("Whether rows at the end are missing only a pinned head can tell (--head).")
    return "\n".join(lines) + "\n"
