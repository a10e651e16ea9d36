"""What came out of a replay, gathered from the service and printed as one readable page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import get_args

from app.engine.contracts import Contract
from app.engine.events import LiquidationOutcome
from app.engine.numbers import plain
from app.replay import books
from app.replay.books import Amounts, Books, History
from app.replay.client import Json, Service
from app.replay.tally import Tally


@dataclass(frozen=True, slots=True)
class Before:
    """How the service stood before: balances, and the newest record of each list."""

    books: Books
    newest: dict[str, Json | None]
    sequences: dict[str, int]
    offloads: dict[str, Json | None]


async def look_before(service: Service, symbols: list[str]) -> Before:
    """Where the lists end now; what is newer later came of the replay."""
    state = await books.read_books(service)
    lists = {
        "liquidations": "/v1/liquidations",
        "fees": "/v1/clearance-fees",
        "adl": "/v1/adl-events",
        **{symbol: f"/v1/trades?symbol={symbol}" for symbol in symbols},
    }
    newest = {name: await _newest(service, path) for name, path in lists.items()}
    sequences = {fund: 0 for fund, _ in state.funds}
    for fund in sequences:
        item = await _newest(service, f"/v1/insurance-fund-history?fund={fund}")
        sequences[fund] = item["sequence"] if item else 0
    offloads = {fund: await _newest(service, _offload_steps(fund)) for fund in sequences}
    return Before(state, newest, sequences, offloads)


async def write_report(service: Service, before: Before, tally: Tally, symbols: list[str]) -> Json:
    """The report on what is newer than `before`, as JSON; trades of `symbols` only."""
    contracts = await books.read_contracts(service)
    assets = {symbol: contract.settlement_asset for symbol, contract in contracts.items()}
    after = await books.read_books(service)
    funds = sorted({fund for fund, _ in after.funds})
    histories = {fund: await books.read_history(service, fund) for fund in funds}
    liquidations = await _since(service, "/v1/liquidations", before.newest["liquidations"])
    fees = [item async for item in service.pages("/v1/clearance-fees")]
    new_fees = _until(fees, before.newest["fees"])
    adl = await _since(service, "/v1/adl-events", before.newest["adl"])
    offloads = [
        step
        for fund in funds
        for step in await _since(service, _offload_steps(fund), before.offloads.get(fund))
    ]
    laws = [
        books.check_histories(after, histories.values()),
        books.check_money(before.books.total(), after.total(), tally.paid_in()),
        books.check_quantities(after),
        books.check_maintenance(after),
        books.check_fees(fees, histories),
    ]
    return {
        "ticks": {"accepted": tally.ticks, "refused": dict(tally.ticks_refused)},
        "orders": {"sent": tally.orders, "refused": dict(tally.orders_refused.most_common())},
        "settings_refused": dict(tally.settings_refused),
        "deposits": {"count": tally.deposits, "amounts": _texts(tally.deposited)},
        "trades": await _trades(service, before, {s: assets[s] for s in symbols}),
        "liquidations": _liquidations(liquidations),
        "clearance_fees": _fees(new_fees),
        "takeovers": takeovers(liquidations, contracts),
        "offloads": _offloads(offloads, contracts),
        "adl": _adl(adl, assets),
        "funds": _funds(before, after, histories, tally),
        "inventory": _texts({s: q for s, q in after.inventory.items() if q}),
        "laws": [{"law": law.name, "holds": law.holds, "detail": law.detail} for law in laws],
    }


async def _newest(service: Service, path: str) -> Json | None:
    path, _, query = path.partition("?")
    parameters = dict([query.split("=")]) if query else {}
    items = (await service.get(path, limit=1, **parameters))["items"]
    return items[0] if items else None


async def _since(service: Service, path: str, last: Json | None, **query: str) -> list[Json]:
    """The items newer than `last`, newest first."""
    items = []
    async for item in service.pages(path, **query):
        if item == last:
            break
        items.append(item)
    return items


def _until(items: list[Json], last: Json | None) -> list[Json]:
    return items[: items.index(last)] if last in items else items


async def _trades(service: Service, before: Before, assets: Mapping[str, str]) -> Json:
    count, value = 0, books.zeros()
    for symbol, asset in assets.items():
        async for item in service.pages("/v1/trades", symbol=symbol):
            if item == before.newest[symbol]:
                break
            count += 1
            value[asset] += Decimal(item["value"])
    return {"count": count, "value": _texts(value)}


def _liquidations(items: list[Json]) -> Json:
    by_outcome = Counter(item["outcome"] for item in items)
    return {
        "count": len(items),
        "accounts": len({item["account_id"] for item in items if "account_id" in item}),
        "by_outcome": {outcome: by_outcome[outcome] for outcome in get_args(LiquidationOutcome)},
        "by_side": dict(Counter(item["side"] for item in items)),
        "by_symbol": dict(Counter(item["symbol"] for item in items).most_common()),
    }


def _fees(items: list[Json]) -> Json:
    return {
        "count": len(items),
        "capped": sum(item["capped"] for item in items),
        "fee": _sum(items, "fee"),
        "to_fund": _sum(items, "to_fund"),
        "to_revenue": _sum(items, "to_revenue"),
    }


def takeovers(items: list[Json], contracts: Mapping[str, Contract]) -> Json:
    """Takeovers at mark value; `fund_amount` is what they gave the funds (negative: cost)."""
    taken = [item for item in items if Decimal(item["taken_over_quantity"])]
    value, result = books.zeros(), books.zeros()
    for item in taken:
        contract = contracts[item["symbol"]]
        quantity, mark = Decimal(item["taken_over_quantity"]), Decimal(item["mark_price"])
        value[contract.settlement_asset] += abs(contract.value(quantity, mark))
        result[contract.settlement_asset] += Decimal(item["fund_amount"])
    return {"count": len(taken), "value": _texts(value), "fund_amount": _texts(result)}


def _offload_steps(fund: str) -> str:
    return f"/v1/insurance-funds/{fund}/offload-steps"


def _offloads(steps: list[Json], contracts: Mapping[str, Contract]) -> Json:
    """Steps in which funds sold what they had taken over: value at mark, and profit beyond it."""
    done = [step for step in steps if step["reason"] is None]
    value, profit = books.zeros(), books.zeros()
    for step in done:
        contract = contracts[step["symbol"]]
        sold, mark = Decimal(step["filled_quantity"]), Decimal(step["mark_price"])
        value[contract.settlement_asset] += abs(contract.value(sold, mark))
        profit[contract.settlement_asset] += Decimal(step["profit"])
    reasons = Counter(step["reason"] for step in steps if step["reason"] is not None)
    return {
        "steps": len(done),
        "value": _texts(value),
        "profit": _texts(profit),
        "not_done": dict(reasons.most_common()),
    }


def _adl(items: list[Json], assets: Mapping[str, str]) -> Json:
    named = [{**item, "asset": assets[item["symbol"]]} for item in items]
    return {
        "events": len(items),
        "notional_closed": _sum(named, "notional_closed"),
        "deficit": _sum(named, "deficit"),
        "overshoot": _sum(named, "overshoot"),
        "by_symbol": dict(Counter(item["symbol"] for item in items).most_common()),
    }


def _funds(
    before: Before, after: Books, histories: Mapping[str, History], tally: Tally
) -> list[Json]:
    rows = []
    for (fund, asset), balance in sorted(after.funds.items()):
        sums = histories[fund].sums(before.sequences.get(fund, 0))
        if not sums and not balance:
            continue
        rows.append(
            {
                "fund": fund,
                "asset": asset,
                "before": plain(before.books.funds.get((fund, asset), Decimal(0))),
                "contributed": plain(tally.contributed.get((fund, asset), Decimal(0))),
                "after": plain(balance),
                "by_kind": {kind: plain(v) for (a, kind), v in sorted(sums.items()) if a == asset},
            }
        )
    return rows


def _sum(items: list[Json], name: str) -> dict[str, str]:
    total = books.zeros()
    for item in items:
        total[item["asset"]] += Decimal(item[name])
    return _texts(total)


def _texts(amounts: Mapping[str, Decimal] | Amounts) -> dict[str, str]:
    return {name: plain(amount) for name, amount in sorted(amounts.items())}


def render(report: Json) -> str:
    """The report as a page of text."""
    run = report["run"]
    lines = [
        "",
        f"Replay of {', '.join(run['symbols'])}",
        f"{run['start']} to {run['end']}, {run['traders']:,} traders, seed {run['seed']}",
        f"{run['seconds']} s",
        "",
        _line("ticks", _count(report["ticks"]["accepted"]), _refusals(report["ticks"]["refused"])),
        _line("orders", _count(report["orders"]["sent"]), _refusals(report["orders"]["refused"])),
        _line("trades", _count(report["trades"]["count"]), _money(report["trades"]["value"])),
        _line(
            "deposits", _count(report["deposits"]["count"]), _money(report["deposits"]["amounts"])
        ),
        "",
        *_liquidation_lines(report),
        "",
        *_fund_lines(report["funds"]),
        "",
        *(_law_line(law) for law in report["laws"]),
    ]
    return "\n".join(lines) + "\n"


def _liquidation_lines(report: Json) -> list[str]:
    liquidations, fees = report["liquidations"], report["clearance_fees"]
    takeovers, adl = report["takeovers"], report["adl"]
    outcomes = [f"{count:,} {name}" for name, count in liquidations["by_outcome"].items() if count]
    sides = [f"{count:,} {side}" for side, count in liquidations["by_side"].items()]
    return [
        _line("liquidations", _count(liquidations["count"]), ", ".join(sides)),
        *(_line("", "", outcome) for outcome in outcomes),
        _line("clearance fees", _count(fees["count"]), _money(fees["fee"])),
        _line(
            "", "", f"{_money(fees['to_fund'])} to funds, {_money(fees['to_revenue'])} to revenue"
        ),
        _line("takeovers", _count(takeovers["count"]), f"{_money(takeovers['value'])} at mark"),
        _line("", "", f"funds' result {_money(takeovers['fund_amount'])}"),
        *_offload_lines(report["offloads"]),
        _line("ADL events", _count(adl["events"]), f"{_money(adl['notional_closed'])} closed"),
        _line("", "", f"deficit {_money(adl['deficit'])}, overshoot {_money(adl['overshoot'])}"),
    ]


def _offload_lines(offloads: Json) -> list[str]:
    if not (offloads["steps"] or offloads["not_done"]):
        return []
    sold = f"{_money(offloads['value'])} at mark, {_money(offloads['profit'])} beyond it"
    missed = "".join(f", {count:,} {why}" for why, count in offloads["not_done"].items())
    return [_line("offload steps", _count(offloads["steps"]), sold + missed)]


def _fund_lines(funds: list[Json]) -> list[str]:
    lines = [f"{'insurance fund':<16}{'before':>20}{'contributed':>16}{'after':>20}"]
    for row in funds:
        if not row["by_kind"] and row["before"] == row["after"]:
            continue
        before, paid, after = (_short(row[name]) for name in ("before", "contributed", "after"))
        lines.append(f"{row['fund']:<16}{before:>20}{paid:>16}{after:>20} {row['asset']}")
        lines += [f"  {kind:<30}{_short(amount):>20}" for kind, amount in row["by_kind"].items()]
    return lines


def _law_line(law: Json) -> str:
    detail = f" ({law['detail']})" if law["detail"] else ""
    return f"{'holds ' if law['holds'] else 'BROKEN'}  {law['law']}{detail}"


def _line(name: str, count: str, more: str) -> str:
    return f"{name:<16}{count:>12}  {more}".rstrip()


def _count(number: int) -> str:
    return f"{number:,}"


def _refusals(refused: Mapping[str, int]) -> str:
    parts = ", ".join(f"{count:,} {code}" for code, count in refused.items())
    return f"refused: {parts}" if parts else ""


def _money(amounts: Mapping[str, str]) -> str:
    return ", ".join(f"{_short(amount)} {asset}" for asset, amount in amounts.items()) or "0"


def _short(amount: str) -> str:
    """For reading; the JSON report has every digit."""
    return f"{Decimal(amount).quantize(Decimal('0.01'), ROUND_HALF_EVEN):,}"
