"""The losses of a fund as a picture: how often more than so much is lost, and the candidates.

Across goes the loss, upwards the share of simulated periods that lose more, each line a tenth of
the one above it. SVG of our own, in characters a person can read; it needs no script, and its
colours are classes of `chart.css`.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from html import escape
from math import ceil, floor, log10
from typing import NamedTuple

from app.reporting import words
from app.reporting.amounts import MoneyText, level
from app.reporting.html import CHART_STYLE
from app.reporting.words import Stored

WIDTH, LEFT, RIGHT, TOP, DEPTH = 560, 70, 16, 34, 250
ROW = 22
"""Height of a line of the legend."""
STEPS = 5
"""At most so many amounts are named across."""


class Exceedance(NamedTuple):
    """A loss, and the share of periods that lose more."""

    loss: float
    share: float


class Plot:
    """From losses and shares to places."""

    def __init__(self, points: list[Exceedance], most: float) -> None:
        shares = [point.share for point in points if point.share] or [1.0]
        self.most = most or 1.0
        self.low, self.high = floor(log10(min(shares))), ceil(log10(max(shares)))
        if self.low == self.high:
            self.low -= 1

    def x(self, loss: float) -> float:
        """Across; what lies beyond the edge is at the edge."""
        share = min(max(loss / self.most, 0.0), 1.0)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def y(self, share: float) -> float:
        """Downwards; where nothing loses more, at the bottom."""
        height = log10(share) if share else self.low
        depth = (self.high - height) / (self.high - self.low)
        return round(TOP + min(max(depth, 0.0), 1.0) * DEPTH, 1)


def distribution(calibration: Stored, losses: Stored) -> str:
    """The picture, which is whole in itself."""
    say = MoneyText.of(calibration)
    return drawn(calibration, losses, say, f"<style>{CHART_STYLE}</style>\n")


def description(calibration: Stored, say: MoneyText) -> str:
    """What the picture shows, for who does not see it."""
    sample, simulated = calibration["sample"], calibration["simulated"]
    beyond = level(str(1 - Decimal(calibration["parameters"]["confidence"])))
    return (
        f"Across, the loss; upwards, the share of {sample['scenarios']:,} simulated "
        f"{calibration['parameters']['horizon_hours']}-hour periods that lose more, "
        f"each line a tenth of the one above. {beyond} of them lose more than "
        f"{say(simulated['quantile'])}. Vertical lines are the three candidates; shaded is "
        "what the draw band and the history band leave open."
    )


def drawn(calibration: Stored, losses: Stored, say: MoneyText, style: str = "") -> str:
    """The picture for a page that has `chart.css` already, or with a `style`."""
    points, below = known(losses), bounded(losses)
    amounts = words.candidates(calibration, losses)
    lines = {name: float(loss) for name, loss in amounts.items()}
    bands = calibration["simulated"]["history_band"], calibration["simulated"]["draw_band"]
    ends = [float(end) for band in bands for end in band if end is not None]
    most = max([*(point.loss for point in points), *lines.values(), *ends], default=0.0)
    plot = Plot([*points, *below], most * 1.03)
    beyond = 1 - float(calibration["parameters"]["confidence"])
    legend = list(_legend(calibration, amounts, say))
    height = TOP + DEPTH + 58 + ROW * len(legend) + 4
    title = f"Simulated losses of {calibration['fund_id']}, {calibration['calibration_id']}"
    parts = [
        *_bands(plot, bands),
        *_shares(plot),
        *_amounts(plot, say),
        *_level(plot, beyond),
        *(_line(plot, name, loss) for name, loss in lines.items()),
        _curve(plot, below, "bound") if len(below) > 1 else "",
        _curve(plot, points, "curve") if points else _nothing(),
        *legend,
    ]
    picture = "\n".join(part for part in parts if part)
    return (
        f'<svg class="chart" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        'role="img" aria-labelledby="chart-title chart-text">\n'
        f'<title id="chart-title">{escape(title)}</title>\n'
        f'<desc id="chart-text">{escape(description(calibration, say))}</desc>\n'
        f'{style}<rect class="paper" width="{WIDTH}" height="{height}"/>\n{picture}\n</svg>'
    )


def known(losses: Stored) -> list[Exceedance]:
    """The curve of the largest losses, each worked out; what costs nothing is no part of it.

    Shares are those of a linear quantile, so that the simulated loss lies on the curve.
    """
    tail = [float(one["loss"]) for one in losses["tail"]]
    others = max(1, losses["scenarios"] - 1)
    return [Exceedance(loss, before / others) for before, loss in enumerate(tail) if loss > 0]


def bounded(losses: Stored) -> list[Exceedance]:
    """Where the curve lies at most below those: of the others a bound is known, no loss."""
    tail = known(losses)[-1:]
    points, count = list(tail), 0
    for one in reversed(losses["histogram"]):
        count += one["known"] + one["bound"]
        edge = Exceedance(float(one["from"]), count / losses["scenarios"])
        if tail and 0 < edge.loss <= tail[0].loss:
            points.append(edge)
    return points


def _bands(plot: Plot, bands: tuple[list[str | None], list[str | None]]) -> Iterator[str]:
    """What has no lower end begins at nothing, what has no upper one goes on to the edge."""
    for name, (low, high) in zip(("history", "draw"), bands, strict=True):
        if low is not None or high is not None:
            left = plot.x(float(low or 0))
            right = plot.x(plot.most if high is None else float(high))
            yield (
                f'<rect class="{name}" x="{left}" y="{TOP}" '
                f'width="{max(right - left, 1):.1f}" height="{DEPTH}"/>'
            )


def _shares(plot: Plot) -> Iterator[str]:
    yield f'<text x="2" y="{TOP - 16}">Share of periods that lose more</text>'
    for power in range(plot.low, plot.high + 1):
        y = plot.y(10.0**power)
        yield f'<path class="rule" d="M{LEFT} {y}H{WIDTH - RIGHT}"/>'
        share = level(f"1e{power}")
        yield f'<text class="tick end" x="{LEFT - 8}" y="{y + 5:.1f}">{share}</text>'


def _amounts(plot: Plot, say: MoneyText) -> Iterator[str]:
    step, scale, unit = ticks(plot.most)
    base = TOP + DEPTH
    for number in range(int(plot.most / step) + 1):
        x = plot.x(number * step)
        yield f'<path class="rule" d="M{x} {base}v5"/>'
        amount = f"{number * step / scale:,.10g}"
        yield f'<text class="tick middle" x="{x}" y="{base + 21}">{amount}</text>'
    name = f"Loss, {unit}{escape(say.asset)}"
    yield f'<text class="middle" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{base + 43}">{name}</text>'


def ticks(most: float) -> tuple[float, float, str]:
    """The step between named amounts, what they are divided by, and the word for that."""
    rough = most / STEPS
    power = 10.0 ** floor(log10(rough))
    step = next(power * part for part in (1, 2, 5, 10) if power * part >= rough)
    for scale, unit in ((1e9, "thousand million "), (1e6, "million "), (1e3, "thousand ")):
        if most >= 2 * scale:
            return step, scale, unit
    return step, 1.0, ""


def _level(plot: Plot, beyond: float) -> Iterator[str]:
    """Where the simulated loss is read off."""
    y = plot.y(beyond)
    yield f'<path class="level" d="M{LEFT} {y}H{WIDTH - RIGHT}"/>'


def _line(plot: Plot, name: str, loss: float) -> str:
    return f'<path class="{name}" d="M{plot.x(loss)} {TOP}v{DEPTH}"/>'


def _nothing() -> str:
    said = "No simulated period costs the fund anything."
    return f'<text class="middle" x="{WIDTH / 2}" y="{TOP + DEPTH / 2}">{said}</text>'


def _curve(plot: Plot, points: list[Exceedance], name: str) -> str:
    places = " ".join(f"{plot.x(point.loss)},{plot.y(point.share)}" for point in points)
    return f'<polyline class="{name}" points="{places}"/>'


def _legend(calibration: Stored, amounts: dict[str, str], say: MoneyText) -> Iterator[str]:
    simulated = calibration["simulated"]
    y = TOP + DEPTH + 58
    for name, said in (("curve", "Simulated losses"), ("bound", "At most so often, below those")):
        yield _named(y, f'<path class="{name}" d="M{LEFT} {y + 9}h34"/>', said)
        y += ROW
    for name, loss in amounts.items():
        counts = ": the largest, it counts" if name == calibration["binding"] else ""
        said = f"{words.CANDIDATES[name].capitalize()} {say(loss)}{counts}"
        yield _named(y, f'<path class="{name}" d="M{LEFT} {y + 9}h34"/>', said)
        y += ROW
    for name in ("draw", "history"):
        said = f"{name.capitalize()} band {say.band(simulated[f'{name}_band'])}"
        swatch = f'<rect class="{name}" x="{LEFT}" y="{y + 2}" width="34" height="14"/>'
        yield _named(y, swatch, said)
        y += ROW


def _named(y: int, mark: str, said: str) -> str:
    return f'{mark}\n<text x="{LEFT + 44}" y="{y + 14}">{escape(said)}</text>'
