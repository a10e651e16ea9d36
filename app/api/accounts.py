"""Accounts: opening, money, settings, positions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from decimal import localcontext
from typing import Annotated, Any

from fastapi import Path, Query
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from app.api.access import Admin, AnyKey, OwnAccount
from app.api.changing import Changing, Posting
from app.api.contracts import SymbolPath
from app.api.faults import Fault
from app.api.paging import Paged
from app.api.problems import unknown
from app.api.ranking import Queues
from app.api.routing import BY_POST, IN_PATH, changing, keyed, router
from app.api.schemas.accounts import (
    AccountBody,
    AccountDetailView,
    AccountPatch,
    AccountView,
    CountdownBody,
    CountdownView,
    LedgerEntryView,
    MarginBody,
    MovedView,
    NewAccountView,
    PositionView,
    SettingsBody,
    SettingsView,
    TransferBody,
    WalletView,
)
from app.api.schemas.base import ACCOUNT_PATTERN, ASSET_PATTERN, Page
from app.api.services import Reading, ServicesDep
from app.engine.commands.accounts import (
    AdjustMargin,
    ConfigureContract,
    DeclareOwner,
    Deposit,
    OpenAccount,
    SetPositionMode,
    Withdraw,
)
from app.engine.commands.orders import CancelAllAfter
from app.engine.events import LedgerKind
from app.engine.figures import margin
from app.engine.numbers import EXACT
from app.engine.rejections import Code
from app.engine.results import Moved
from app.engine.state import State
from app.engine.traders import Account
from app.runner.keys import make_key
from app.store.loader import load_account
from app.store.queries import accounts as queries
from app.store.reads import raw

accounts = router("accounts")

AccountPath = Annotated[str, Path(pattern=ACCOUNT_PATTERN, examples=["alice"])]
OWN = keyed(Code.unknown_account)


@accounts.post(
    "/accounts",
    status_code=201,
    responses=changing(OpenAccount, *BY_POST),
    summary="Open an account",
)
async def open_account(
    _: Admin, changes: Posting, reading: Reading, body: AccountBody
) -> NewAccountView:
    """Open a trader's account together with its key, which is shown only here."""
    key, secret = make_key(f"trader {body.account_id}", "trader", body.account_id)
    command = OpenAccount(body.account_id, body.position_mode, key, body.owner_id)
    _done, replayed = await changes.apply(command, reference=body.reference)
    stored = await _stored(reading, body.account_id)
    return NewAccountView(**stored.model_dump(), api_key=None if replayed else secret)


@accounts.get("/accounts", responses=keyed(), summary="List accounts")
async def list_accounts(_: Admin, reading: Reading, paging: Paged) -> Page[AccountView]:
    """All accounts, by identifier."""
    rows = await queries.list_accounts(reading, paging.fetch, paging.after_name())
    return paging.page(rows, AccountView.of, "account_id")


@accounts.get(
    "/accounts/{account_id}",
    responses=OWN,
    summary="One account",
    response_model_exclude_unset=True,
)
async def get_account(
    account_id: OwnAccount, identity: AnyKey, reading: Reading
) -> AccountDetailView:
    """An account and its cross wallets, one per asset it holds or has positions in."""
    state, account = await loaded(reading, account_id)
    assets = set(account.wallets) | {
        state.markets[symbol].contract.settlement_asset for symbol, _ in account.positions
    }
    with localcontext(EXACT):
        wallets = [margin.cross_summary(state, account, asset) for asset in sorted(assets)]
    shown = {"owner_id": account.owner_id} if identity.is_admin else {}
    return AccountDetailView(
        account_id=account.account_id,
        position_mode=account.position_mode,
        created_at=account.created_at,
        cancel_at=account.cancel_at,
        wallets=[WalletView(**asdict(wallet)) for wallet in wallets],
        **shown,
    )


@accounts.patch(
    "/accounts/{account_id}",
    responses=changing(SetPositionMode, Fault.malformed_body, Code.too_many_accounts),
    summary="Change an account's position mode or owner",
    response_model_exclude_unset=True,
)
async def update_account(
    account_id: OwnAccount,
    identity: AnyKey,
    changes: Changing,
    reading: Reading,
    body: AccountPatch,
) -> AccountView:
    """Change the position mode, while nothing is open: as leverage, its trader does that too; or,
    with an admin's key, whose account it is (FND-12).
    """
    if "owner_id" in body.model_fields_set:
        identity.check_scope("admin")
        command = DeclareOwner(account_id, body.owner_id)
        await changes.apply(command, reference=body.reference)
    else:
        mode = SetPositionMode(account_id, body.position_mode)
        await changes.apply(mode, reference=body.reference)
    stored = await _stored(reading, account_id)
    if identity.is_admin:
        return stored
    return AccountView(**stored.model_dump(exclude={"owner_id"}))


@accounts.get(
    "/accounts/{account_id}/ledger",
    responses=keyed(Code.unknown_account, Fault.query_too_wide),
    response_model=Page[LedgerEntryView],
    summary="An account's ledger",
)
async def list_ledger(
    account_id: OwnAccount,
    services: ServicesDep,
    paging: Paged,
    asset: Annotated[str | None, Query(pattern=ASSET_PATTERN)] = None,
    kind: Annotated[LedgerKind | None, Query()] = None,
) -> Response:
    """Every movement of the account's wallets with its reason, newest first."""
    before = paging.decode(int, int)
    async with services.reading(heavy=paging.large, narrow="limit", keyed=True) as reading:
        if await queries.get_account(reading, account_id) is None:
            raise unknown("account_id")
        rows = await queries.list_ledger(
            reading,
            account_id,
            paging.fetch,
            LedgerEntryView.names(),
            asset=asset,
            kind=kind,
            before=before,
        )
    return paging.texts(rows, "transfer_id", "receiving")


@accounts.post(
    "/accounts/{account_id}/deposits",
    status_code=201,
    responses=changing(Deposit, *BY_POST),
    summary="Deposit",
)
async def deposit(
    _: Admin, changes: Posting, account_id: AccountPath, body: TransferBody
) -> MovedView:
    """Money from outside into the account's cross wallet."""
    command = Deposit(account_id, body.asset, body.amount, body.reference)
    return moved_view((await changes.apply(command, reference=body.reference))[0])


@accounts.post(
    "/accounts/{account_id}/withdrawals",
    status_code=201,
    responses=changing(Withdraw, *BY_POST),
    summary="Withdraw",
)
async def withdraw(account_id: OwnAccount, changes: Posting, body: TransferBody) -> MovedView:
    """Money out of the account's cross wallet: at most what is available (ORD-6)."""
    command = Withdraw(account_id, body.asset, body.amount, body.reference)
    return moved_view((await changes.apply(command, reference=body.reference))[0])


@accounts.post(
    "/accounts/{account_id}/cancel-all-after",
    responses=changing(CancelAllAfter, *BY_POST),
    summary="Cancel all orders after a time",
)
async def cancel_all_after(
    account_id: OwnAccount, changes: Posting, body: CountdownBody
) -> CountdownView:
    """Cancel all of the account's open orders in so many seconds, unless this is asked again by
    then: each call begins the time anew, 0 switches it off.

    For whoever may fall silent. It runs in engine time and survives restarts and takeovers. With an
    Idempotency-Key that was used before, nothing begins anew: the answer is the first one's.
    """
    countdown, _ = await changes.apply(CancelAllAfter(account_id, body.seconds))
    return CountdownView(cancel_at=countdown.cancel_at)


@accounts.put(
    "/accounts/{account_id}/contracts/{symbol}",
    responses=changing(ConfigureContract, Fault.malformed_body, statuses=IN_PATH),
    summary="Set leverage and margin mode",
)
async def configure_contract(
    account_id: OwnAccount,
    changes: Changing,
    reading: Reading,
    symbol: SymbolPath,
    body: SettingsBody,
) -> SettingsView:
    """Leverage and margin mode of the account in a contract (ORD-3), positions and orders open or
    not. A change of leverage moves no money; a lower one needs its margin to be there.

    A position that becomes isolated takes its initial margin, and its open loss, along from the
    cross wallet; one that becomes cross brings its own wallet. What would put either at risk is
    refused: `would_be_at_risk`, whose `context` says whose (`margin_mode`), `equity` and
    `maintenance_margin`.
    """
    command = ConfigureContract(account_id, symbol, body.leverage, body.margin_mode)
    await changes.apply(command, IN_PATH)
    row = await queries.get_settings(reading, account_id, symbol)
    assert row is not None, (account_id, symbol)
    return SettingsView(symbol=symbol, leverage=row["leverage"], margin_mode=row["margin_mode"])


@accounts.post(
    "/accounts/{account_id}/contracts/{symbol}/margin",
    status_code=201,
    responses=changing(AdjustMargin, *BY_POST, statuses=IN_PATH),
    summary="Move isolated margin",
)
async def adjust_margin(
    account_id: OwnAccount, changes: Posting, symbol: SymbolPath, body: MarginBody
) -> MovedView:
    """Move money between the cross wallet and an isolated position; negative takes back.

    `balance` is the isolated wallet's.
    """
    command = AdjustMargin(account_id, symbol, body.position_side, body.amount)
    return moved_view((await changes.apply(command, IN_PATH))[0])


@accounts.get(
    "/accounts/{account_id}/positions", responses=OWN, summary="An account's open positions"
)
async def list_positions(
    account_id: OwnAccount, services: ServicesDep, paging: Paged
) -> Page[PositionView]:
    """The open positions, by symbol."""
    after = paging.decode(str, str) or ("", "")
    async with services.database.connect() as reading:
        state, account = await loaded(reading, account_id)
    keys = sorted(
        key for key, position in account.positions.items() if position.quantity and key > after
    )
    rows = [{"symbol": symbol, "side": side} for symbol, side in keys[: paging.fetch]]
    views = {
        (row["symbol"], row["side"]): _position_view(
            state, account, row, await services.rankings.of(row["symbol"])
        )
        for row in rows[: paging.limit]
    }
    return paging.page(rows, lambda row: views[row["symbol"], row["side"]], "symbol", "side")


async def _stored(reading: AsyncConnection, account_id: str) -> AccountView:
    """The account as it was committed."""
    row = await queries.get_account(reading, account_id)
    assert row is not None, account_id
    return AccountView.of(row)


async def loaded(reading: AsyncConnection, account_id: str, *symbols: str) -> tuple[State, Account]:
    """The account's part of the state as of one moment, and `symbols`; raises 404."""
    state = await load_account(await raw(reading), account_id, symbols)
    account = state.accounts.get(account_id)
    if account is None:
        raise unknown("account_id")
    return state, account


def _position_view(
    state: State, account: Account, key: Mapping[str, Any], queues: Queues
) -> PositionView:
    place = queues.by_leg.get((account.account_id, key["side"]))
    with localcontext(EXACT):
        found = margin.position_summary(
            state, account, account.positions[key["symbol"], key["side"]]
        )
    return PositionView(
        symbol=key["symbol"],
        position_side=key["side"],
        quantity=found.position.quantity,
        entry_price=found.entry_price,
        mark_price=found.mark_price,
        notional=found.notional,
        unrealized_profit=found.unrealized_profit,
        margin_mode=found.margin_mode,
        isolated_wallet=found.isolated_wallet,
        leverage=found.leverage,
        initial_margin=found.initial_margin,
        maintenance_margin=found.maintenance_margin,
        liquidation_price=found.liquidation_price,
        bankruptcy_price=found.bankruptcy_price,
        adl_quantile=place.quantile if place else 0,
    )


def moved_view(moved: Moved) -> MovedView:
    """A result of the engine that moved money."""
    return MovedView(
        transfer_id=str(moved.transfer_id),
        time=moved.time,
        asset=moved.asset,
        amount=moved.amount,
        balance=moved.balance,
    )
