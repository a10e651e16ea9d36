"""`backstop verify-history`: an export alone, whole and tampered with (HIS-4)."""

from __future__ import annotations

import csv
import hashlib
import io
import re
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.verify.history import BrokenHistory, read_pin, verify_history
from tests.conftest import reachable_directory
from tests.service import PATIENCE_SECONDS, ROOT, Service
from tests.test_readme import blocks

COLUMNS = (
    "sequence,time,fund,wallet,asset,kind,amount,balance_after,symbol,liquidation_id,"
    "previous_hash,hash\n"
)


def written(*changes: tuple[str, str, str, str], forged: int | None = None) -> list[bytes]:
    """The lines of an export: (fund, wallet, kind, amount) in turn; `forged` is a false balance."""
    heads: dict[str, tuple[int, str]] = {}
    balances: dict[tuple[str, str], Decimal] = {}
    lines = [COLUMNS.encode()]
    for number, (fund, wallet, kind, amount) in enumerate(changes):
        sequence, previous = heads.get(fund, (0, "0" * 64))
        balance = balances.get((fund, wallet), Decimal(0)) + Decimal(amount)
        balances[fund, wallet] = balance = balance + (number == forged)
        time = f"2026-01-01T00:00:{number // 2:02}.000000Z"
        sequence += 1
        own = f"{wallet},USDT,{kind},{amount},{balance},{'BTCUSDT' * (number % 2)},"
        hashed = "|".join([previous, fund, str(sequence), time, *own.split(",")])
        digest = hashlib.sha256(hashed.encode()).hexdigest()
        lines.append(f"{sequence},{time},{fund},{own},{previous},{digest}\n".encode())
        heads[fund] = sequence, digest
    return lines


CHANGES = (
    ("usdt-major", "main", "seed_capital", "100"),
    ("usdc", "main", "seed_capital", "7"),
    ("usdt-major", "reserve", "top_up", "0.5"),
    ("usdt-major", "main", "bankruptcy_loss", "-99.25"),
    ("usdc", "main", "takeover_gain", "3.00000001"),
    ("usdt-major", "main", "bankruptcy_loss", "-0.75"),
)
LINES = written(*CHANGES)
FILE = b"".join(LINES)


def broken(file: bytes, *pins: str) -> str | None:
    """What the command finds."""
    try:
        verify_history(io.BytesIO(file), [read_pin(pin) for pin in pins])
    except BrokenHistory as error:
        return str(error)
    return None


def page_objects(file: bytes) -> bool:
    """Whether the lines that ARCHITECTURE.md prints find something."""
    (printed,) = blocks("ARCHITECTURE.md", "python")
    before = sys.stdin
    sys.stdin = SimpleNamespace(buffer=io.BytesIO(file))
    try:
        exec(compile(printed, "ARCHITECTURE.md", "exec"), {})
    except (AssertionError, ValueError, ArithmeticError):
        return True
    finally:
        sys.stdin = before
    return False


def test_a_whole_file_holds_and_tells_its_heads() -> None:
    heads = verify_history(io.BytesIO(FILE))
    assert not page_objects(FILE)
    assert {fund: (head.sequence, head.time) for fund, head in heads.items()} == {
        "usdt-major": (4, "2026-01-01T00:00:02.000000Z"),
        "usdc": (2, "2026-01-01T00:00:02.000000Z"),
    }
    assert heads["usdt-major"].balances == {
        ("main", "USDT"): Decimal(0), ("reserve", "USDT"): Decimal("0.5"),
    }  # fmt: skip
    assert heads["usdc"].hash == LINES[5].decode().strip().rpartition(",")[2]
    assert verify_history(io.BytesIO(LINES[0])) == {}


@given(place=st.integers(0, len(FILE) - 1), byte=st.integers(0, 255))
@example(place=len(FILE) - 1, byte=ord("\r"))
@example(place=FILE.index(b",main"), byte=ord("|"))
def test_any_changed_byte_is_found(place: int, byte: int) -> None:
    changed = bytearray(FILE)
    changed[place] = byte
    assert bool(broken(bytes(changed))) == page_objects(bytes(changed)) == (FILE[place] != byte)


def line_of(place: int) -> str:
    """How the command names the line in which a byte of the file is."""
    return f"line {1 + FILE[:place].count(10)}"


def test_each_byte_changed_removed_or_inserted_is_found_in_its_row() -> None:
    """HIS-4: every bit of it flipped, any sort of byte in its place, before it, or none."""
    for place, was in enumerate(FILE):
        before, after = FILE[:place], FILE[place + 1 :]
        sorts = {was ^ (1 << bit) for bit in range(8)} | set(b'0,\n\r|" ')
        files = [before + after, *(before + bytes([byte]) + after for byte in sorts - {was})]
        files += [before + bytes([byte]) + FILE[place:] for byte in sorts - {was}]
        for file in files:
            found = broken(file)
            assert found is not None, (place, file)
            assert re.match(f"{line_of(place)}\\b", found), (place, found)


def test_each_row_removed_repeated_or_moved_is_found_and_named() -> None:
    """HIS-4: the row named is the first that does not follow. No file shows a fund's removed end;
    rows of two funds in one moment are in no order."""
    numbers = range(1, len(LINES))
    for place in numbers:
        fund = LINES[place].split(b",")[2]
        follower = next((n for n in numbers if n > place and fund in LINES[n]), None)
        gone = broken(b"".join(LINES[:place] + LINES[place + 1 :]))
        assert (gone is None) == (follower is None)
        named = f"line {follower}, fund {fund.decode()!r}"
        assert gone is None or gone.startswith(named), gone
        for elsewhere in numbers:
            again = [*LINES[: elsewhere + 1], LINES[place], *LINES[elsewhere + 1 :]]
            first = elsewhere + 2 if elsewhere >= place else None
            found = broken(b"".join(again))
            assert found is not None
            assert first is None or found.startswith(f"line {first}, "), found
        for other in range(place + 1, len(LINES)):
            moved = list(LINES)
            moved[place], moved[other] = moved[other], moved[place]
            if (place, other) not in {(1, 2), (5, 6)}:
                assert broken(b"".join(moved)), (place, other)
    for end in range(len(LINES[0]), len(FILE)):
        whole = FILE[end - 1 : end] == b"\n"
        found = broken(FILE[:end])
        assert (found is None) == whole
        assert whole or str(found).startswith(line_of(end - 1)), found


def follows(file: bytes) -> bool:
    """What the page says in words, written again from these alone: whether a file is a history."""
    ends: dict[str, tuple[int, str]] = {}
    held: dict[tuple[str, str, str], Decimal] = {}
    time = ""
    text = io.TextIOWrapper(io.BytesIO(file), encoding="utf-8", newline="\n")
    for row in csv.DictReader(text, quoting=csv.QUOTE_NONE, strict=True):
        sequence, previous = ends.get(row["fund"], (0, "0" * 64))
        names = (
            "previous_hash fund sequence time wallet asset kind amount balance_after symbol"
            " liquidation_id"
        )
        digest = hashlib.sha256("|".join(row[name] for name in names.split()).encode()).hexdigest()
        place = (row["fund"], row["wallet"], row["asset"])
        held[place] = held.get(place, Decimal(0)) + Decimal(row["amount"])
        if (
            row["sequence"] != str(sequence + 1)
            or (row["previous_hash"], row["hash"]) != (previous, digest)
            or Decimal(row["balance_after"]) != held[place]
            or row["time"] < time
        ):
            return False
        ends[row["fund"]], time = (sequence + 1, digest), row["time"]
    return True


def test_written_again_from_the_page_alone_it_finds_the_same() -> None:
    """HIS-4: an outsider's few lines, with another reader of CSV."""
    assert follows(FILE)
    for number in range(1, len(LINES)):
        for old, new in ((b"USDT", b"USDC"), (b"2026", b"2025"), (b"main", b"spare")):
            file = b"".join(
                [*LINES[:number], LINES[number].replace(old, new), *LINES[number + 1 :]]
            )
            assert follows(file) == (file == FILE) == (broken(file) is None)
        assert follows(b"".join(LINES[:number] + LINES[number + 1 :])) == (number in {5, 6})
    assert not follows(b"".join(written(*CHANGES, forged=3)))


@given(st.data())
def test_any_removed_inserted_or_moved_row_is_found(data: st.DataObject) -> None:
    """But for the end: what is left of a fund without its last rows is whole."""
    lines = list(LINES)
    place = data.draw(st.integers(1, len(lines) - 1))
    act = data.draw(st.sampled_from(["remove", "repeat", "move", "cut"]))
    if act == "cut":
        cut = data.draw(st.integers(len(LINES[0]), len(FILE) - 1))
        is_end = FILE[cut - 1 : cut] == b"\n"
        assert bool(broken(FILE[:cut])) == page_objects(FILE[:cut]) == (not is_end)
        return
    line = lines.pop(place)
    if act == "repeat":
        lines[place:place] = [line, line]
    if act == "move":
        elsewhere = data.draw(st.integers(1, len(lines)).filter(lambda new: new != place))
        lines.insert(elsewhere, line)
        if {place, elsewhere} in ({1, 2}, {5, 6}):
            return  # two funds in one moment: in no order
    is_last = act == "remove" and place in {5, 6}  # the last of its fund
    file = b"".join(lines)
    assert bool(broken(file)) == page_objects(file) == (not is_last)


def test_only_a_pinned_head_shows_a_removed_end() -> None:
    shorter = b"".join(LINES[:-1])
    assert broken(shorter) is None
    pins = ["4:" + LINES[6].decode().strip()[-64:], "2:" + LINES[5].decode().strip()[-64:]]
    earlier = "1:" + LINES[1].decode().strip()[-64:]
    assert broken(FILE, *pins, earlier, "0:" + "0" * 64) is None
    assert (
        broken(shorter, *pins)
        == f"no row is the pinned head {pins[0]}; the file is too short for it"
    )


def test_only_a_pinned_head_shows_a_chain_that_was_written_anew() -> None:
    anew = b"".join(written(("usdt-major", "main", "seed_capital", "101"), *CHANGES[1:]))
    assert broken(anew) is None
    pin = "1:" + LINES[1].decode().strip()[-64:]
    found = broken(anew, pin)
    assert found is not None
    assert found.startswith(f"no row is the pinned head {pin}; line 2, fund 'usdt-major', has ")


def changed(line: int, old: bytes, new: bytes) -> bytes:
    """The file with something else in one line (from 1)."""
    lines = list(LINES)
    assert old in lines[line - 1]
    lines[line - 1] = lines[line - 1].replace(old, new, 1)
    return b"".join(lines)


@pytest.mark.parametrize(
    ("file", "found"),
    [
        (b"", "line 1: not the columns of an export"),
        (b'{"items": []}', "line 1: not the columns of an export"),
        (changed(5, b"-99.25", b"-99.20"), "line 5, fund 'usdt-major', sequence 3: hash is "),
        (b"".join(LINES[:3] + LINES[4:]),
         "line 4, fund 'usdt-major', sequence 3: the sequence should be 2"),
        (LINES[0] + LINES[4], "line 2, fund 'usdt-major', sequence 3: the sequence should be 1"),
        (changed(2, b"0" * 64, b"1" * 64),
         "line 2, fund 'usdt-major', sequence 1: previous_hash is 1111"),
        (LINES[0] + LINES[1] + LINES[4][:-1], "line 3: cut, or too long: it does not end"),
        (LINES[0] + b"1," * 3000, "line 2: 501 fields, should be 12"),
        (LINES[0] + b"\xff" + LINES[1], "line 2: not UTF-8"),
        (b"".join(written(*CHANGES, forged=3)),
         "line 5, fund 'usdt-major', sequence 3: balance_after is 1.75, 100 and the amount make"),
        (LINES[0] + LINES[2] + LINES[1] + LINES[3], None),  # of one moment
    ],
)  # fmt: skip
def test_it_names_the_first_row_that_does_not_hold(file: bytes, found: str | None) -> None:
    what = broken(file)
    if found is None:
        assert what is None
    else:
        assert what is not None
        assert what.startswith(found)
        assert page_objects(file)


def test_a_number_is_in_plain_notation_and_time_goes_on() -> None:
    """Of a chain that hashes: whoever wrote it was not us."""
    for amount in ("1e2", "NaN", "+1", "1_0", " 1", ".5"):
        found = broken(b"".join(written(("usdc", "main", "top_up", amount))))
        assert found is not None
        assert "no number in plain notation" in found
    later = written(*CHANGES[:1] * 3)[3].replace(b"usdt-major", b"usdc")
    assert broken(LINES[0] + later) is not None
    two = written(CHANGES[0], CHANGES[0], CHANGES[1])
    assert broken(two[0] + two[3] + two[1] + two[2]) == (
        "line 3, fund 'usdt-major', sequence 1: time is 2026-01-01T00:00:00.000000Z,"
        " the line before has 2026-01-01T00:00:01.000000Z"
    )


# The command, on what a service exports


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """A running service with the histories of two funds."""
    with reachable_directory() as directory:
        service = Service(directory / "data")
        try:
            for fund, wallet, asset, amount in (
                ("usdt-major", "main", "USDT", "1000.50"), ("usdc", "main", "USDC", "5"),
                ("usdt-major", "reserve", "USDT", "0.00000001"),
                ("usdt-major", "main", "USDT", "20"),
            ):  # fmt: skip
                body = {"wallet": wallet, "asset": asset, "amount": amount, "kind": "seed_capital"}
                path = f"/v1/insurance-funds/{fund}/contributions"
                assert service.request("POST", path, json=body).is_success
            yield service
        finally:
            service.close()


def command(*arguments: str, given: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    """The command, in an environment that names no database."""
    return subprocess.run(
        [sys.executable, "-m", "app.cli", "verify-history", *arguments],
        cwd=ROOT, env={}, input=given, capture_output=True, timeout=PATIENCE_SECONDS, check=False,
    )  # fmt: skip


def exported(service: Service, query: str = "") -> bytes:
    return httpx.get(f"{service.address}/v1/insurance-fund-history?format=csv{query}").content


def test_an_export_holds_and_ends_at_the_heads_that_the_service_tells(
    service: Service, tmp_path: Path
) -> None:
    file = tmp_path / "history.csv"
    file.write_bytes(exported(service))
    assert not page_objects(file.read_bytes())
    head = httpx.get(f"{service.address}/v1/insurance-funds/usdt-major/history-head").json()
    pin = f"{head['sequence']}:{head['hash']}"
    result = command(str(file), "--head", pin)
    assert result.returncode == 0, result
    lines = result.stdout.decode().splitlines()
    assert lines[0] == "Every row holds: 4 of 2 chain(s)."
    assert lines[-4] == f"usdt-major  {head['time']}  {pin}"
    assert (
        lines[-3:-1]
        == [f"    {one['wallet']}  {one['balance']} {one['asset']}" for one in head["balances"]]
        == ["    main  1020.5 USDT", "    reserve  0.00000001 USDT"]
    )
    assert lines[-1] == "1 pinned head(s): in the file."
    one_fund = command("-", given=exported(service, "&fund=usdc"))
    assert one_fund.returncode == 0
    assert b"Every row holds: 1 of 1 chain(s)." in one_fund.stdout
    assert b"only a pinned head can tell" in one_fund.stdout


def test_exit_codes(service: Service, tmp_path: Path) -> None:
    export = exported(service)
    tampered = command("-", given=export.replace(b"1000.5,", b"1000.6,", 1))
    assert tampered.returncode == 1
    assert tampered.stdout.startswith(b"BROKEN: line 2, fund 'usdt-major', sequence 1: hash is ")
    filtered = command("-", given=exported(service, "&kind=top_up") + export.splitlines(True)[-1])
    assert filtered.returncode == 1
    pinned = command("-", "--head", "9:" + "a" * 64, given=export)
    assert pinned.returncode == 1
    assert b"the file is too short" in pinned.stdout
    unreadable = command(str(tmp_path / "nothing.csv"))
    assert (unreadable.returncode, unreadable.stdout) == (2, b"")
    assert b"cannot be read: No such file" in unreadable.stderr
    assert command(str(tmp_path)).returncode == 2
    wrong = command("-", "--head", "9:abc", given=export)
    assert wrong.returncode == 2
    assert b"SEQUENCE:HASH" in wrong.stderr


def test_it_shares_no_code_with_the_writer() -> None:
    """Nor needs anything installed."""
    file = str(ROOT / "app" / "verify" / "history.py")
    run = f"import runpy, sys; runpy.run_path({file!r}); print('app' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c", run], capture_output=True, text=True, check=True
    )
    assert result.stdout == "False\n"
