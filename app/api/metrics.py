"""Prometheus text: what the edge and the runner count, and the state of this moment."""

from __future__ import annotations

import resource
import sys
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from app.engine.state import State
from app.runner.runner import Metrics

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"

OTHER = "other"
"""The label for what a client may name as it likes: series are never of its making."""

Labels = dict[str, str]
Sample = tuple[str, Labels, float]
Family = tuple[str, str, str, Iterable[Sample]]
"""Name, type, meaning and samples of a metric. Floats, as everywhere in Prometheus."""


class HttpMetrics:
    """Requests by route, method and status, and how long they took by route (seconds)."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str, int]] = Counter()
        self.ended: Counter[str] = Counter()
        self._buckets: defaultdict[str, list[int]] = defaultdict(lambda: [0] * (len(BUCKETS) + 1))
        self._seconds: defaultdict[str, float] = defaultdict(float)

    def count(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count an answered request; `route` is a template, not a path."""
        self.requests[route, method, status] += 1
        self._buckets[route][bisect_left(BUCKETS, seconds)] += 1
        self._seconds[route] += seconds

    def durations(self) -> Iterator[Sample]:
        """The histogram's samples."""
        for route, buckets in self._buckets.items():
            total = 0
            for limit, count in zip((*map(str, BUCKETS), "+Inf"), buckets, strict=True):
                total += count
                yield "_bucket", {"route": route, "le": limit}, total
            yield "_sum", {"route": route}, self._seconds[route]
            yield "_count", {"route": route}, total


def render(http: HttpMetrics, runner: Metrics, state: State | None) -> str:
    """Everything as Prometheus text; `state` is the leader's memory, to watch it by.

    What counts as said is in the database: the funds' balances are at /v1/insurance-funds.
    """
    families = [*_counted(http, runner), *(_engine(state) if state else ())]
    return "".join(
        line
        for name, kind, meaning, samples in families
        for line in _family(f"backstop_{name}", kind, meaning, samples)
    )


def _engine(state: State) -> Iterator[Family]:
    """What the leader's engine holds: how many of everything, and the funds' money."""
    counters = state.counters
    for name in ("order", "trade", "liquidation", "adl_event", "alert"):
        total = float(getattr(counters, name))
        yield f"{name}s_total", "counter", "Since the beginning.", [("", {}, total)]
    for name, size in (
        ("accounts", len(state.accounts)),
        ("open_orders", len(state.orders)),
        ("incidents_open", len(state.incidents)),
        ("open_positions", sum(len(market.positions) for market in state.markets.values())),
    ):
        yield name, "gauge", "How many there are.", [("", {}, float(size))]
    balances: defaultdict[tuple[str, str], float] = defaultdict(float)
    for fund in state.funds.values():
        for wallet in fund.wallets:
            balances[fund.fund_id, wallet.asset] += float(wallet.balance)
    yield (
        "fund_balance",
        "gauge",
        "Money of an insurance fund.",
        [
            ("", {"fund": fund, "asset": asset}, balance)
            for (fund, asset), balance in balances.items()
        ],
    )
    yield (
        "fund_required_minimum",
        "gauge",
        "What an insurance fund should have.",
        [
            ("", {"fund": fund.fund_id, "asset": asset}, float(minimum))
            for fund in state.funds.values()
            for asset, minimum in fund.required_minimum.items()
        ],
    )
    yield (
        "calibration_overdue",
        "gauge",
        "1 where what an insurance fund should have is to be reviewed.",
        [
            ("", {"fund": fund.fund_id, "asset": asset}, float(fund.is_overdue(asset, state.time)))
            for fund in state.funds.values()
            for asset in fund.calibrations
        ],
    )


def _counted(http: HttpMetrics, runner: Metrics) -> Iterator[Family]:
    requests = (
        ("", {"route": route, "method": method, "status": str(status)}, float(count))
        for (route, method, status), count in http.requests.items()
    )
    commands = (("", {"kind": kind}, float(n)) for kind, n in runner.commands.items())
    rejected = (("", {"code": code}, float(n)) for code, n in runner.rejected.items())
    yield "http_requests_total", "counter", "Answered requests.", requests
    yield "http_request_seconds", "histogram", "Time to answer.", http.durations()
    ended = (("", {"reason": reason}, float(n)) for reason, n in http.ended.items())
    yield "connections_ended_total", "counter", "Connections ended by a limit.", ended
    yield "commands_total", "counter", "Commands applied.", commands
    yield "rejections_total", "counter", "Commands refused by a rule.", rejected
    standby = runner.standby
    differs = standby.state == "differs"
    plain: tuple[tuple[str, str, str, float], ...] = (
        ("replayed_total", "counter", "Answers given again.", runner.replayed),
        ("busy_total", "counter", "Submissions refused: queue full.", runner.busy),
        ("batches_total", "counter", "Commits.", runner.batches),
        ("batch_commands_total", "counter", "Commands in all commits.", runner.batch_commands),
        ("apply_seconds_total", "counter", "Time in the engine.", runner.apply_seconds),
        ("flush_seconds_total", "counter", "Time in commits.", runner.flush_seconds),
        ("terms_failed_total", "counter", "Leaderships ended by a fault.", runner.terms_failed),
        ("leader", "gauge", "1 where writes are taken.", float(runner.leading)),
        ("epoch", "gauge", "Epoch of the last leadership.", runner.epoch),
        ("queue_length", "gauge", "Submissions waiting.", runner.queue_length),
        ("cascades_pending", "gauge", "Cascades under way.", runner.cascades_pending),
        ("standby_warm", "gauge", "1 where a takeover needs no load.", standby.state == "warm"),
        ("standby_differs", "gauge", "1: it will not lead, see the log.", differs),
        ("standby_lag_commands", "gauge", "Committed, not applied here.", standby.lag_commands),
        ("standby_lag_seconds", "gauge", "Since it was level.", standby.lag_seconds),
        ("standby_loads_total", "counter", "Loads to follow from.", standby.loads),
        ("resident_memory_bytes", "gauge", "Memory of this process.", resident_bytes()),
    )
    for name, kind, meaning, value in plain:
        yield name, kind, meaning, [("", {}, float(value))]


def resident_bytes() -> float:
    """The memory of this process now; where the system does not say, the most it ever was."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else 1024.0 * peak
    return float(pages * resource.getpagesize())


def _family(name: str, kind: str, meaning: str, samples: Iterable[Sample]) -> Iterator[str]:
    yield f"# HELP {name} {meaning}\n# TYPE {name} {kind}\n"
    for suffix, labels, value in samples:
        text = ",".join(f'{key}="{_escaped(label)}"' for key, label in labels.items())
        yield f"{name}{suffix}{{{text}}} {value}\n" if text else f"{name}{suffix} {value}\n"


def _escaped(label: str) -> str:
    return label.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
