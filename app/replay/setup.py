"""Before the first step: contracts looked up, accounts opened, paid in and set, funds endowed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from app.engine.commands import MarginMode
from app.engine.contracts import Contract
from app.engine.numbers import plain
from app.replay.client import Service, ServiceError
from app.replay.inputs import InputError
from app.replay.tally import Tally
from app.replay.terms import read_contract


@dataclass(frozen=True, slots=True)
class Setting:
    """An account's leverage and margin mode in a contract."""

    symbol: str
    leverage: int
    margin_mode: MarginMode


@dataclass(frozen=True, slots=True)
class Opening:
    """An account to open: capital by settlement asset, and settings."""

    account_id: str
    capital: Mapping[str, Decimal]
    settings: Sequence[Setting]


async def find_contracts(service: Service, symbols: Iterable[str]) -> dict[str, Contract]:
    """The contracts of the inputs; raises `InputError` if the service does not trade one."""
    listed = {item["symbol"]: item async for item in service.pages("/v1/contracts")}
    wanted = sorted(symbols)
    missing = [
        symbol for symbol in wanted if symbol not in listed or listed[symbol]["status"] != "trading"
    ]
    if missing:
        raise InputError(
            f"the service does not trade {', '.join(missing)}; choose others with --symbols"
        )
    return {symbol: read_contract(listed[symbol]) for symbol in wanted}


async def endow_funds(
    service: Service, capital: Iterable[tuple[Contract, Decimal]], tally: Tally
) -> None:
    """Pay seed capital into the fund behind each contract, once per fund and asset (FND-9)."""
    amounts = {(c.insurance_fund, c.settlement_asset): amount for c, amount in capital}
    for (fund, asset), amount in amounts.items():
        if amount == 0:
            continue
        await service.post(
            f"/v1/insurance-funds/{fund}/contributions",
            {
                "wallet": "main",
                "asset": asset,
                "amount": plain(amount),
                "kind": "seed_capital",
                "reference": "replay",
            },
        )
        tally.contributed[fund, asset] += amount


async def have_funds_offload(
    service: Service, contracts: Iterable[Contract], interval_seconds: int | None
) -> None:
    """Have the funds behind the contracts sell what they take over, by the default policy but in
    steps of another interval (FND-5); or, with None, have them hold it."""
    policy = {"offload": interval_seconds and {"interval_seconds": interval_seconds}}
    for fund in sorted({contract.insurance_fund for contract in contracts}):
        await service.patch(f"/v1/insurance-funds/{fund}", {"policy": policy})


async def open_accounts(service: Service, openings: Sequence[Opening], tally: Tally) -> None:
    """Open all accounts, a few at a time."""
    await asyncio.gather(*(open_account(service, opening, tally) for opening in openings))


async def open_account(service: Service, opening: Opening, tally: Tally) -> None:
    """Open an account, or take over the one of an earlier replay: paid up to its capital again."""
    account = opening.account_id
    held: dict[str, Decimal] = {}
    try:
        await service.post("/v1/accounts", {"account_id": account, "position_mode": "one_way"})
    except ServiceError as error:
        if error.status != 409:
            raise
        await service.delete("/v1/orders", account_id=account)
        answer = await service.get(f"/v1/accounts/{account}")
        held = {row["asset"]: Decimal(row["wallet_balance"]) for row in answer["wallets"]}
    for asset, capital in opening.capital.items():
        await deposit(service, account, asset, capital - held.get(asset, Decimal(0)), tally)
    for setting in opening.settings:
        await _apply(service, account, setting, tally)


async def deposit(
    service: Service, account_id: str, asset: str, amount: Decimal, tally: Tally
) -> None:
    """Pay into an account; nothing if the amount is not positive."""
    if amount <= 0:
        return
    body = {"asset": asset, "amount": plain(amount), "reference": "replay"}
    await service.post(f"/v1/accounts/{account_id}/deposits", body)
    tally.deposits += 1
    tally.deposited[asset] += amount


async def _apply(service: Service, account_id: str, setting: Setting, tally: Tally) -> None:
    """A setting may be refused where an earlier replay left a position."""
    path = f"/v1/accounts/{account_id}/contracts/{setting.symbol}"
    try:
        await service.put(path, {"leverage": setting.leverage, "margin_mode": setting.margin_mode})
    except ServiceError as error:
        if error.status != 422:
            raise
        tally.settings_refused[error.code] += 1
