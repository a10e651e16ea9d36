"""Liquidations as stories, clearance fees, ADL; and what the public sees of them."""

from __future__ import annotations

from decimal import Decimal

from tests.api.conftest import Api, crash


async def test_taken_over_and_deleveraged(api: Api) -> None:
    """A fund of 1,000 takes what FND-2 lets it (0.021), the counterparties the rest."""
    await crash(api)
    tick = await api.mark("BTCUSDT", "47000")
    assert tick["accounts_at_risk"] == 1
    (record,) = (await api("GET /v1/liquidations", key=None))["items"]
    assert {name: value for name, value in record.items() if name != "time"} == {
        "liquidation_id": "1", "event_id": "1", "symbol": "BTCUSDT", "fund": "usdt-major",
        "side": "long", "position_side": "both", "margin_mode": "isolated", "quantity": "1",
        "bankruptcy_price": "47500", "mark_price": "47000", "netted_quantity": "0",
        "filled_quantity": "0", "clearance_fee": "0", "clearance_fee_to_fund": "0",
        "taken_over_quantity": "0.021",
        "deleveraged_quantity": "0.979", "fund_amount": "-10.5", "treasury_amount": "0",
        "outcome": "mixed",
    }  # fmt: skip
    story = await api("GET /v1/liquidations/1", key=None)
    assert {**story, "steps": None} == {**record, "steps": None}
    assert [step["kind"] for step in story["steps"]] == [
        "trigger", "order", "takeover", "deleveraging", "end"
    ]  # fmt: skip
    assert story["steps"][-1]["detail"] == {"outcome": "mixed", "final_wallet": "0"}
    assert [step["number"] for step in story["steps"]] == [1, 2, 3, 4, 5]
    (position,) = (await api("GET /v1/accounts/carol/positions", key="carol"))["items"]
    assert position["quantity"] == "-0.021"


async def test_filters(api: Api) -> None:
    await crash(api)
    await api.mark("BTCUSDT", "47000")
    for query, found in {
        "symbol=BTCUSDT": 1, "symbol=ETHUSDT": 0, "fund=usdt-major": 1, "fund=usdc": 0,
        "outcome=mixed": 1, "outcome=closed": 0, "fund=usdt-major&outcome=mixed": 1,
    }.items():  # fmt: skip
        assert len((await api(f"GET /v1/liquidations?{query}"))["items"]) == found, query


async def test_the_feed(api: Api) -> None:
    """Who follows the numbers, oldest first, gets each liquidation once and sees none missing."""
    await crash(api)
    terms = {"leverage": 20, "margin_mode": "isolated"}
    await api("PUT /v1/accounts/bob/contracts/ETHUSDT", terms, key="bob")
    await api.mark("ETHUSDT", "3000")
    await api.order("carol", "sell", "1", "3000", symbol="ETHUSDT")
    await api.order("bob", "buy", "1", "3000", symbol="ETHUSDT")

    async def page(query: str = "", key: str | None = None) -> list[str]:
        answer = await api(f"GET /v1/liquidations?{query}", key=key)
        return [item["liquidation_id"] for item in answer["items"]]

    assert await page("after=0") == []
    await api.mark("BTCUSDT", "47000")
    assert await page("after=0") == ["1"]
    await api.mark("ETHUSDT", "2800")
    everything = (await page())[::-1]
    assert everything == [str(number) for number in range(1, len(everything) + 1)]
    assert len(everything) > 1
    assert await page("after=0") == everything
    assert await page("after=1") == everything[1:]
    assert await page(f"after={len(everything)}") == []
    assert await page("after=0&symbol=ETHUSDT") == await page("symbol=ETHUSDT") == everything[1:]
    assert await page("after=0&account_id=bob", key="bob") == everything[1:]
    first = await api("GET /v1/liquidations?after=0&limit=1", key=None)
    cursor = first["next_cursor"]
    assert await page(f"after=0&limit=1&cursor={cursor}") == everything[1:2]
    for wrong in ("-1", "x", "1.0", str(2**63)):
        refused = await api.refused(f"GET /v1/liquidations?after={wrong}", key=None)
        assert refused == (400, "malformed_query"), wrong


async def test_the_public_sees_no_accounts(api: Api) -> None:
    """Public answers name no account; a trader's key shows its own, an admin's all."""
    await crash(api)
    await api.mark("BTCUSDT", "47000")
    for path in (
        "/v1/liquidations", "/v1/liquidations/1", "/v1/clearance-fees", "/v1/adl-events",
        "/v1/adl-events/1", "/v1/contracts/BTCUSDT/adl-queue", "/v1/trades?symbol=BTCUSDT",
        "/v1/contracts/BTCUSDT/adl-risk", "/v1/adl-events/1/counterfactual",
        "/v1/insurance-funds", "/v1/insurance-fund-history", "/v1/contracts/BTCUSDT/book",
        "/v1/insurance-fund-history?format=csv",
    ):  # fmt: skip
        for key in (None, "feed"):
            text = (await api.send(f"GET {path}", key=key)).text
            assert "account" not in text, path
            assert not any(name in text for name in ("alice", "bob", "carol")), path
        text = (await api.send(f"GET {path}", key="bob")).text
        assert not any(name in text for name in ("alice", "carol")), path
    (mine,) = (await api("GET /v1/liquidations", key="alice"))["items"]
    assert mine["account_id"] == "alice"
    assert (await api("GET /v1/liquidations/1"))["account_id"] == "alice"
    own = await api("GET /v1/liquidations?account_id=alice", key="alice")
    assert own["items"] == [mine]
    assert (await api("GET /v1/liquidations?account_id=bob", key="bob"))["items"] == []
    refused = await api.refused("GET /v1/liquidations?account_id=alice", key=None)
    assert refused == (401, "unauthorized")


async def test_clearance_fees(api: Api) -> None:
    """LIQ-5, LIQ-6: 1.25 % of 48,000 would be 600; of its margin of 2,500 the position, sold at
    48,000, has 500 left. Half of that to the fund."""
    await crash(api, cushion="2")
    await api.mark("BTCUSDT", "47690")
    (record,) = (await api("GET /v1/liquidations"))["items"]
    assert Decimal(record["filled_quantity"]) > 0
    (fee,) = (await api("GET /v1/clearance-fees", key=None))["items"]
    assert fee["liquidation_id"] == record["liquidation_id"]
    assert (fee["value"], fee["rate"], fee["fee"]) == ("48000", "0.0125", "500")
    assert (fee["to_fund"], fee["to_revenue"], fee["capped"]) == ("250", "250", True)
    assert (record["clearance_fee"], record["clearance_fee_to_fund"]) == ("500", "250")
    for query, found in {
        "symbol=BTCUSDT": 1, "symbol=ETHUSDT": 0, "fund=usdt-major": 1, "fund=usdc": 0
    }.items():  # fmt: skip
        assert len((await api(f"GET /v1/clearance-fees?{query}"))["items"]) == found
    liquidation_trades = (await api("GET /v1/trades?symbol=BTCUSDT"))["items"]
    assert liquidation_trades[0]["liquidation"] is True
    taken = (await api("GET /v1/trades?account_id=alice", key="alice"))["items"]
    assert (taken[0]["order_id"], taken[0]["fee"]) == (None, "0")


async def test_a_clearance_fee_in_full(api: Api) -> None:
    """LIQ-5, LIQ-6: sold at 49,000 the position has 1,500 left: 1.25 % are 612.5, half and half."""
    await crash(api, cushion="0")
    await api.order("carol", "buy", "1", "49000")
    await api.mark("BTCUSDT", "47690")
    (fee,) = (await api("GET /v1/clearance-fees", key=None))["items"]
    assert (fee["value"], fee["rate"], fee["fee"]) == ("49000", "0.0125", "612.5")
    assert (fee["to_fund"], fee["to_revenue"], fee["capped"]) == ("306.25", "306.25", False)
