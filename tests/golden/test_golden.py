"""What a release has stored, the next one understands, or says that it does not (REC-1)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from app.engine.bounds import Bounds
from app.engine.engine import Engine
from app.engine.figures import ranking
from app.engine.numbers import ZERO, Quotient
from app.engine.results import OrderReceipt
from app.store import codec
from tests.golden.golden import FOLDER, Golden, path_of, read, replay, told

LOGS = sorted(FOLDER.glob("rules-*.jsonl.gz"))
FORGOTTEN = (
    "The golden log gives something else than when it was written: the rules have changed. Raise"
    " Engine.rules_version (it says when that must be), then write the new version's log with"
    " `python -m tests.golden.golden`. (Was this version never released? Then delete its log, and"
    " write it anew.) If nothing was meant to change, something broke."
)

ADDED_SINCE = {
    "AcceptCalibration", "DeclareOwner", "DeployExcess", "MoveInFund", "Offload", "Rebalance",
    "RejectCalibration", "RemindOfReview", "ReportBacktest", "ReportDrift",
}  # fmt: skip
"""Commands that came after the newest version's log was written; the next version's has them."""


def check(golden: Golden) -> None:
    """The rules of now give what the log's gave, command after command."""
    try:
        found = told(*replay(golden))
    except Exception as error:
        raise AssertionError(FORGOTTEN) from error
    for before, now in zip(golden.entries, found.entries, strict=True):
        assert now == before, FORGOTTEN
    assert found == golden, FORGOTTEN


def test_the_same_log_gives_the_same() -> None:
    """A rule that changes raises the version."""
    path = path_of(Engine.rules_version)
    assert path in LOGS, f"there is no {path.name}: `python -m tests.golden.golden` writes it"
    check(read(path))


def test_the_log_has_every_kind_of_command_and_of_record() -> None:
    golden = read(LOGS[-1])
    assert {entry.kind for entry in golden.entries} == set(codec.COMMANDS) - ADDED_SINCE
    outcomes, _ = replay(golden)
    kinds = {type(record).__name__ for outcome in outcomes for record in outcome.records}
    assert kinds == {
        "AdlEvent", "Alert", "ClearanceFee", "ContractSettled", "FundEntry", "FundingPayment",
        "FundingSettled", "IncidentRelease", "Liquidation", "PositionSettled", "Trade", "Transfer",
        "TreasuryEntry",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("where", "name", "value"),
    [
        (Engine, "bounds", Bounds(finds=99)),
        (Engine, "bounds", Bounds(liquidations=21)),
        (Engine, "bounds", Bounds(large=5)),
        (Engine, "bounds", Bounds(kept=timedelta(seconds=11))),
        (ranking, "place", lambda *_: (ZERO, Quotient(ZERO))),
    ],
)
def test_a_rule_that_changes_without_a_new_version_is_found(
    monkeypatch: pytest.MonkeyPatch, where: object, name: str, value: object
) -> None:
    monkeypatch.setattr(where, name, value)
    with pytest.raises(AssertionError, match=r"Raise Engine\.rules_version"):
        check(read(path_of(Engine.rules_version)))


@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.name.partition(".")[0])
def test_the_answers_of_every_release_are_read(path: Path) -> None:
    """A client may repeat its first order for ever; of another format it is told so (ORD-1)."""
    golden = read(path)
    receipts = 0
    for entry in golden.entries:
        try:
            (result,) = codec.decode_results(entry.results, golden.results_format)
        except codec.Unreadable:
            assert golden.results_format != codec.RESULTS_FORMAT
            continue
        receipts += isinstance(result, OrderReceipt)
        if golden.rules_version == Engine.rules_version:
            assert codec.encode_results([result]) == entry.results
    assert receipts or golden.results_format != codec.RESULTS_FORMAT
