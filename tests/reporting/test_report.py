"""A calibration's report says all that is stored, escaped, as Markdown and as a page."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from typing import Any

import pytest

from app.api.schemas.calibrations import CalibrationLossesView, CalibrationView
from app.reporting import html, words
from app.reporting.calibration import report
from app.reporting.html import html as page_of
from app.reporting.markdown import markdown
from tests.reporting.pages import Reader
from tests.reporting.samples import HERE, at, leaves, put, stored

NOT_SAID = {
    ("losses", "tail", "scenario"),
    ("losses", "tail", "blocks", "row"),
    ("losses", "tail", "by_contract", "loss"),
}
"""What only who computes with it needs: it is in the JSON and, but for the row, in the CSV."""
OTHERS = {
    "status": "accepted",
    "binding": "stressed",
    "use": "upper",
    "interval": "1d",
    "confidence": "0.99",
    "decided_by": "somebody",
    "decided_at": "2026-12-01T00:00:00Z",
    "reason": "somehow",
    "review_due_at": "2026-12-01T00:00:00Z",
}
"""Another value of what cannot have any."""
HOSTILE = (
    '</style><script>alert("1")</script><img src=x onerror=alert(1)>`|*_[a](javascript:b)&amp;'
)


def both(calibration: dict[str, Any], losses: dict[str, Any]) -> tuple[str, str]:
    """The Markdown and the page."""
    document = report(calibration, losses)
    return markdown(document), page_of(document)


def named(path: tuple[str | int, ...]) -> tuple[str, ...]:
    """A place without the numbers in it."""
    return tuple(step for step in path if isinstance(step, str))


def everything() -> dict[str, Any]:
    """All that is stored."""
    calibration, losses = stored()
    return {"calibration": calibration, "losses": losses}


def changed(value: Any) -> Any:
    """Another value of the same kind, so different that no rounding hides it."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1234
    if value is None:
        return 123
    try:
        return str(3 * float(value) + 7)
    except ValueError:
        return "2019-02-03T04:05:00Z" if value.endswith("Z") and "T" in value else value + "x"


def told() -> list[tuple[str | int, ...]]:
    """Where there is something to tell: not what is of other scenarios or ranks only.

    Of the bins the curve shows those below the tail, see `test_distribution`.
    """
    return [
        path
        for path in leaves(everything())
        if "histogram" not in path
        and not (at(everything(), path) is None and path[-1] in {"symbol", "by_contract"})
    ]


@pytest.mark.parametrize("path", told(), ids=lambda path: ".".join(map(str, path)))
def test_whatever_is_stored_is_said(path: tuple[str | int, ...]) -> None:
    """Any other value makes another report, but for what is left out on purpose."""
    before, after = everything(), everything()
    put(after, path, OTHERS.get(named(path)[-1]) or changed(at(after, path)))
    same = both(**before) == both(**after)
    assert same == (named(path) in NOT_SAID), path


@pytest.mark.parametrize(
    "path",
    [path for path in told() if named(path)[-1] in {
        "fund_id", "asset", "symbol", "scenario", "worst", "reason", "decided_by",
        "statement", "proxy", "book", "prices", "stress", "code_version", "numpy_version",
        "method_version",
    } and isinstance(at(everything(), path), str | None) and named(path)[:2] != ("losses", "tail")],
    ids=lambda path: ".".join(map(str, path)),
)  # fmt: skip
def test_nothing_in_it_is_markup(path: tuple[str | int, ...]) -> None:
    stored_ = everything()
    put(stored_, path, HOSTILE)
    text, page = both(**stored_)
    reader = Reader(page)
    assert "onerror=alert" in reader.text
    assert "<script" not in page
    assert "<" not in text.replace(r"\<", "")
    assert "](javascript" not in text.replace(r"\]", "")


def test_a_hostile_name_is_read_as_it_is_written() -> None:
    calibration, losses = stored()
    calibration["fund_id"] = HOSTILE
    assert HOSTILE in Reader(both(calibration, losses)[1]).text


def test_the_page_is_whole_and_fetches_nothing() -> None:
    page = both(*stored())[1]
    reader = Reader(page)
    assert page.startswith('<!doctype html>\n<html lang="en">')
    assert len(reader.identifiers) == len(set(reader.identifiers))
    assert "url(" not in page
    assert "@import" not in page
    assert reader.tags.count("h1") == 1
    assert reader.tags.count("table") == reader.tags.count("caption")


def test_its_policy_allows_its_style_and_nothing_else() -> None:
    """The browser compares what stands between the tags, byte by byte."""
    (style,) = Reader(both(*stored())[1]).styles
    digest = b64encode(sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in html.POLICY
    assert html.POLICY.startswith("default-src 'none'; ")
    assert "unsafe" not in html.POLICY
    assert "script-src" not in html.POLICY


def test_the_sample_is_of_the_form_that_is_answered() -> None:
    """So what comes to be answered, comes to be said here."""
    calibration, losses = stored()
    answered = {name: calibration[name] for name in CalibrationView.model_fields}
    CalibrationView.model_validate(answered)
    CalibrationLossesView.model_validate(losses)


def test_the_page_and_the_markdown_say_the_same() -> None:
    text, page = both(*stored())
    said = Reader(page).text
    for told in ("40,300.00 USDT", "30,500.00 USDT", "+11.94 %", "one in 1,031", "not the probab"):
        assert told in text.replace("\\", "")
        assert told in said


def test_the_text_of_one_calibration() -> None:
    """As it was when somebody last read all of it."""
    assert both(*stored())[0] == (HERE / "calibration.md").read_text("utf-8")


def nothing(calibration: dict[str, Any], losses: dict[str, Any]) -> None:
    """All that may be missing is."""
    simulated, stressed = calibration["simulated"], calibration["stressed"]
    calibration.update(required_minimum="0", in_force=None, sensitivity=[], warnings=[])
    simulated.update(quantile="0", evt=None, draw_band=[None, None], history_band=[None, None])
    stressed.update(worst=None, loss="0", scenarios=[], disabled=[])
    calibration["cover_n"].update(scenario=None, loss="0", largest_share=None)
    calibration["sample"].update(proxied=[], seed=None)
    calibration["reverse_stress"].update(multiple_of_worst=None, uniform_hour=None)
    for name in ("at_in_force", "probability_at_balance", "at_minimum", "cap_binds"):
        calibration["adl"][name] = calibration["adl"]["sampled"][name] = None
    for contract in calibration["contracts"]:
        contract.update({"q0.1%": None, "q99.9%": None, "rows": 0})
    losses.update(tail=[], histogram=[])


def test_what_is_missing_is_said_to_be() -> None:
    calibration, losses = stored()
    nothing(calibration, losses)
    text, page = both(calibration, losses)
    said = Reader(page).text
    assert "None" not in text
    assert "None" not in page
    for told in (
        "the fund had no required minimum",
        "nothing is required",
        "there are no scenarios",
        "Not even ten times the worst scenario",
        "Every contract has prices of its own",
        "No simulated period costs the fund anything.",
    ):
        assert told in said, told


def test_a_band_without_an_upper_end() -> None:
    calibration, losses = stored()
    calibration["simulated"]["draw_band"] = ["38000", None]
    calibration["in_force"] = {
        "calibration_id": None, "required_minimum": "0", "change": None
    }  # fmt: skip
    calibration["parameters"].update(use="upper", buffer="0.1")
    said = Reader(both(calibration, losses)[1]).text
    assert "Draw band 38,000.00 and more" in said
    assert "set by hand" in said
    assert "raised by a buffer of 10 %" in said


def test_the_upper_end_is_the_candidate_that_was_used() -> None:
    calibration, losses = stored()
    calibration["parameters"]["use"] = "upper"
    text, _ = both(calibration, losses)
    (row,) = (line for line in text.splitlines() if line.startswith("| **Simulated loss**"))
    assert "43,100.25" in row


@pytest.mark.parametrize("status", words.STATUSES)
def test_every_status_has_words(status: str) -> None:
    calibration, losses = stored()
    calibration["status"] = status
    assert words.STATUSES[status] in Reader(both(calibration, losses)[1]).text


def test_a_warning_without_words_is_shown_as_its_code() -> None:
    calibration, losses = stored()
    calibration["warnings"] = ["moon_too_full"]
    assert "> **Moon too full.**" in both(calibration, losses)[0]
