"""A fund's money is moved by an admin: among its wallets, between funds, out of the exchange."""

from __future__ import annotations

from tests.api.conftest import Api

REBALANCE = "POST /v1/insurance-funds/rebalances"


async def funded(api: Api) -> None:
    """1,500 of 1,000 in one fund, 100 of 400 in another, and one without a minimum."""
    for fund, amount, minimum in (
        ("usdt-major", "1500", "1000"), ("usdt-75x", "100", "400"), ("usdt-other", "9000", None),
    ):  # fmt: skip
        await api.seed_fund(fund, amount)
        await api(f"PATCH /v1/insurance-funds/{fund}", {"required_minimum": {"USDT": minimum}})


async def test_fnd_8_a_rebalance_is_proposed_and_then_done(api: Api) -> None:
    """FND-8: what is executed is what was proposed, and both funds' histories tell it."""
    await funded(api)
    proposed = await api(REBALANCE, {"asset": "USDT"})
    moves = [{"from_fund": "usdt-major", "to_fund": "usdt-75x", "amount": "300"}]
    assert proposed == {"asset": "USDT", "executed": False, "moves": moves}
    done = await api(REBALANCE, {"asset": "USDT", "execute": True, "reference": "Q4"})
    assert done == {**proposed, "executed": True}
    for fund, kind, balance in (("major", "out", "1200"), ("75x", "in", "400")):
        path = f"GET /v1/insurance-fund-history?fund=usdt-{fund}&kind=rebalance_{kind}"
        (row,) = (await api(path, key=None))["items"]
        assert (row["wallet"], row["balance_after"]) == ("main", balance)
    fund = await api("GET /v1/insurance-funds/usdt-75x", key=None)
    assert fund["balances"][0]["coverage"] == "1"
    again = await api(REBALANCE, {"asset": "USDT", "execute": True})
    assert again == {"asset": "USDT", "executed": True, "moves": []}


async def test_fnd_8_excess_is_deployed(api: Api) -> None:
    await funded(api)
    path = "POST /v1/insurance-funds/usdt-major/deployments"
    moved = await api(path, {"asset": "USDT", "amount": "200", "reference": "x"}, status=201)
    assert (moved["amount"], moved["balance"]) == ("200", "1300")
    more = {"wallet": "main", "asset": "USDT", "amount": "300.00000001"}
    assert await api.refused(path, more) == (422, "exceeds_excess")
    await api(path, {**more, "amount": "300"}, status=201)
    (fund,) = (await api("GET /v1/insurance-funds?symbol=BTCUSDT"))["items"]
    assert fund["balances"][0]["excess"] == "0"
    history = (await api("GET /v1/insurance-fund-history?kind=excess_deployment"))["items"]
    assert [row["amount"] for row in history] == ["-300", "-200"]


async def test_fnd_6_money_moves_between_a_funds_wallets(api: Api) -> None:
    """FND-6: its balance stays, and of an interval what came in by it went out by the same kind."""
    await funded(api)
    path = "POST /v1/insurance-funds/usdt-major/moves"
    body = {"from_wallet": "main", "to_wallet": "reserve", "asset": "USDT", "amount": "400"}
    moved = await api(path, body, status=201)
    assert moved["balance"] == "400"
    fund = await api("GET /v1/insurance-funds/usdt-major", key=None)
    assert fund["wallets"] == [
        {"wallet": "main", "asset": "USDT", "balance": "1100"},
        {"wallet": "reserve", "asset": "USDT", "balance": "400"},
    ]
    assert fund["balances"][0]["balance"] == "1500"
    interval = "GET /v1/insurance-fund-history?fund=usdt-major&asset=USDT&interval=1d"
    (day,) = (await api(interval))["items"]
    assert day["close"] == "1500"
    assert day["by_kind"] == {"seed_capital": "1500", "adjustment": "0"}


async def test_what_is_refused(api: Api) -> None:
    await funded(api)
    fund = "POST /v1/insurance-funds/usdt-major"
    move = {"from_wallet": "main", "to_wallet": "main", "asset": "USDT", "amount": "1"}
    take = {"asset": "USDT", "amount": "1"}
    for call, body, expected in (
        (REBALANCE, {"asset": "XYZ"}, (422, "unknown_asset")),
        (REBALANCE, {"asset": "XYZ", "execute": True}, (422, "unknown_asset")),
        (REBALANCE, {"asset": "USDT", "execute": "yes"}, (400, "malformed_body")),
        (f"{fund}/moves", move, (422, "same_wallet")),
        (f"{fund}/moves", {**move, "from_wallet": "x"}, (422, "insufficient_balance")),
        (f"{fund}/moves", {**move, "amount": "0"}, (422, "amount_not_positive")),
        ("POST /v1/insurance-funds/nope/moves", move, (404, "unknown_fund")),
        ("POST /v1/insurance-funds/nope/deployments", take, (404, "unknown_fund")),
        ("POST /v1/insurance-funds/usdt-other/deployments", take, (422, "no_required_minimum")),
        (f"{fund}/deployments", {**take, "wallet": "x"}, (422, "insufficient_balance")),
    ):  # fmt: skip
        assert await api.refused(call, body) == expected, (call, body)
    await api.open("alice", "10")
    for call in (REBALANCE, f"{fund}/moves", f"{fund}/deployments"):
        assert (await api.refused(call, {}, key="alice"))[0] == 403
