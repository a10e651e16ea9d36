"""The picture of a fund's losses is well-formed, says what it shows, and shows what is stored."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import pytest

from app.reporting.distribution import Exceedance, Plot, bounded, distribution, known, ticks
from tests.reporting.pages import drawn
from tests.reporting.samples import stored


def shapes(root: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    """The shapes of a class, but for that of the legend, which is the last."""
    found = [one for one in root.iter() if one.get("class") == name]
    return found if name == "level" else found[:-1]


def along(root: ElementTree.Element, name: str) -> float:
    """Where a vertical line stands."""
    (line,) = shapes(root, name)
    match = re.fullmatch(r"M([0-9.]+) .*", line.get("d") or "")
    assert match
    return float(match[1])


def texts(root: ElementTree.Element) -> list[str]:
    """What is written in it."""
    return [one.text or "" for one in root.iter() if one.tag.endswith("}text")]


def test_it_is_whole_in_itself() -> None:
    root = drawn(distribution(*stored()))
    assert any(one.tag.endswith("}style") for one in root)


def test_candidates_stand_where_their_losses_are() -> None:
    root = drawn(distribution(*stored()))
    owners, stressed, simulated = (
        along(root, name) for name in ("cover_n", "stressed", "simulated")
    )
    assert owners < stressed < simulated
    assert (stressed - owners) / (simulated - stressed) == pytest.approx(23_000 / 9_211.5, 0.01)


def test_the_curve_meets_the_simulated_loss_at_its_level() -> None:
    """Of 2,001 periods 0.1 % lose more than the third largest loss."""
    calibration, losses = stored()
    losses["scenarios"] = 2001
    root = drawn(distribution(calibration, losses))
    (line,) = shapes(root, "curve")
    places = [tuple(map(float, one.split(","))) for one in (line.get("points") or "").split()]
    across, down = zip(*places, strict=True)
    assert list(across) == sorted(across, reverse=True)
    assert list(down) == sorted(down, reverse=True)
    (level,) = shapes(root, "level")
    assert places[2][0] == along(root, "simulated")
    assert f" {places[2][1]}H" in (level.get("d") or "")


def test_the_curve_goes_on_with_bounds_below_the_tail() -> None:
    _, losses = stored()
    tail = [Exceedance(90210.75, 0), Exceedance(61000.0, 1 / 9999), Exceedance(40211.5, 2 / 9999)]
    assert known(losses) == tail
    assert bounded(losses) == [tail[-1], Exceedance(22552.6875, 0.01)]


def test_bands_are_shaded_between_their_ends() -> None:
    calibration, losses = stored()
    root = drawn(distribution(calibration, losses))
    (draw,), (history,) = shapes(root, "draw"), shapes(root, "history")
    assert float(history.get("x") or 0) < float(draw.get("x") or 0)
    assert float(history.get("width") or 0) > float(draw.get("width") or 0)


@pytest.mark.parametrize(
    ("band", "said"),
    [
        (["38000", None], "Draw band 38,000.00 and more"),
        ([None, "43100"], "Draw band up to 43,100.00"),
        ([None, None], "Draw band none"),
    ],
)
def test_a_band_may_lack_an_end(band: list[str | None], said: str) -> None:
    calibration, losses = stored()
    calibration["simulated"]["draw_band"] = band
    assert said in texts(drawn(distribution(calibration, losses)))


def without_losses() -> tuple[dict[str, Any], dict[str, Any]]:
    """A fund behind contracts in which nobody can go bankrupt."""
    calibration, losses = stored()
    for name in ("tail", "histogram"):
        losses[name] = []
    calibration["simulated"].update(
        quantile="0", draw_band=["0", "0"], history_band=["0", "0"], evt=None
    )
    calibration["stressed"]["loss"] = calibration["cover_n"]["loss"] = "0"
    calibration["required_minimum"] = "0"
    return calibration, losses


def test_without_losses_it_says_so() -> None:
    root = drawn(distribution(*without_losses()))
    assert "No simulated period costs the fund anything." in texts(root)
    assert shapes(root, "curve") == []


def test_losses_of_nothing_are_no_part_of_the_curve() -> None:
    _, losses = stored()
    losses["tail"][-1]["loss"] = "0"
    losses["histogram"] = [{"from": "0", "to": "1", "known": 3, "bound": 9997}]
    assert bounded(losses) == [Exceedance(61000.0, 1 / 9999)]
    assert known(losses) == [Exceedance(90210.75, 0), Exceedance(61000.0, 1 / 9999)]


def test_a_name_is_escaped() -> None:
    calibration, losses = stored()
    calibration["fund_id"] = '"><script>alert(1)</script>'
    calibration["asset"] = "<b>&"
    root = drawn(distribution(calibration, losses))
    assert '"><script>alert(1)</script>' in (root[0].text or "")


@pytest.mark.parametrize(
    ("most", "step", "scale", "unit"),
    [
        (0.75, 0.2, 1.0, ""),
        (93_000.0, 20_000.0, 1e3, "thousand "),
        (1_900_000.0, 500_000.0, 1e3, "thousand "),
        (300_000_000.0, 100_000_000.0, 1e6, "million "),
        (5e9, 1e9, 1e9, "thousand million "),
    ],
)
def test_amounts_are_named_at_round_places(
    most: float, step: float, scale: float, unit: str
) -> None:
    found, *rest = ticks(most)
    assert found == pytest.approx(step)
    assert rest == [scale, unit]


def test_shares_go_by_tenths() -> None:
    plot = Plot([Exceedance(10.0, 0.0001), Exceedance(1.0, 0.5)], 10.0)
    assert (plot.low, plot.high) == (-4, 0)
    tops = [plot.y(share) for share in (1.0, 0.1, 0.01)]
    assert tops[1] - tops[0] == pytest.approx(tops[2] - tops[1], abs=0.11)
