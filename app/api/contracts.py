"""Contracts and their books."""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Decimal, localcontext
from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.api.access import Admin
from app.api.changing import Changing, Posting
from app.api.faults import Fault
from app.api.paging import Paged
from app.api.problems import Problem, Statuses, from_validation, malformed, unknown
from app.api.routing import BY_POST, IN_PATH, changing, problems, router
from app.api.schemas.base import SYMBOL_PATTERN, ActBody, Page
from app.api.schemas.contracts import (
    BookView,
    BracketBody,
    ContractBody,
    ContractPatch,
    ContractView,
    ImportBody,
    ImportView,
    SkippedView,
)
from app.api.services import Reading, ServicesDep
from app.api.strict import Whole, unique
from app.catalogue.exchange import SAID, NotTheFormat, parse_exchange
from app.engine.commands import Side
from app.engine.commands.contracts import CreateContract, ImportContracts, UpdateContract
from app.engine.contracts import (
    DEFAULT_MID_WINDOW,
    DEFAULT_RESTORE_RATIO,
    Bracket,
    Contract,
    IndexSource,
    build_brackets,
)
from app.engine.numbers import EXACT
from app.engine.rejections import Code
from app.engine.trading import matching
from app.store.loader import load_book
from app.store.queries import Row
from app.store.queries import contracts as queries
from app.store.reads import raw

contracts = router("contracts")

NAMED = problems(Code.unknown_contract, statuses=IN_PATH)
IN_BODY: Statuses = {Code.unknown_fund: 422}
"""Where the body names the fund."""
CHANGED: Statuses = {**IN_PATH, **IN_BODY}
EXCHANGE = ImportBody.model_fields.keys() - ActBody.model_fields
"""What an import must name, and an act need not."""
DEFAULTS = {
    "liquidation_restore_ratio": DEFAULT_RESTORE_RATIO,
    "mid_window_seconds": DEFAULT_MID_WINDOW,
}
"""Of terms that a body may leave to us by null."""


async def known_symbol(
    symbol: Annotated[str, Path(pattern=SYMBOL_PATTERN, examples=["BTCUSDT"])], reading: Reading
) -> str:
    """The symbol of a contract that there is; raises 404."""
    if not await queries.contract_exists(reading, symbol):
        raise unknown("symbol")
    return symbol


SymbolPath = Annotated[str, Path(pattern=SYMBOL_PATTERN, examples=["BTCUSDT"])]
SymbolQuery = Annotated[str | None, Query(pattern=SYMBOL_PATTERN)]
KnownSymbol = Annotated[str, Depends(known_symbol)]
"""The `symbol` of the path, which is a contract's."""


def contract_view(row: Row) -> ContractView:
    """A contract from its row."""
    return ContractView.of(row)


@contracts.get("/contracts", responses=problems(), summary="List contracts")
async def list_contracts(reading: Reading, paging: Paged) -> Page[ContractView]:
    """All contracts, by symbol."""
    rows = await queries.list_contracts(reading, paging.fetch, paging.after_name())
    return paging.page(rows, contract_view, "symbol")


@contracts.get("/contracts/{symbol}", responses=NAMED, summary="One contract")
async def get_contract(reading: Reading, symbol: SymbolPath) -> ContractView:
    """The terms of a contract."""
    row = await queries.get_contract(reading, symbol)
    if row is None:
        raise unknown("symbol")
    return contract_view(row)


@contracts.post(
    "/contracts",
    status_code=201,
    responses=changing(CreateContract, *BY_POST, statuses=IN_BODY),
    summary="List a new contract",
)
async def create_contract(
    _: Admin, changes: Posting, reading: Reading, body: ContractBody
) -> ContractView:
    """List a contract. Its insurance fund must exist."""
    contract = Contract(**_terms(body, type(body).model_fields))
    await changes.apply(CreateContract(contract), IN_BODY, reference=body.reference)
    return await _stored(reading, body.symbol)


@contracts.patch(
    "/contracts/{symbol}",
    responses=changing(UpdateContract, Fault.malformed_body, statuses=CHANGED),
    summary="Change a contract's terms",
)
async def update_contract(
    _: Admin, changes: Changing, reading: Reading, symbol: SymbolPath, body: ContractPatch
) -> ContractView:
    """Change the given terms. What identifies a contract never changes; tick and lot size change
    only while nothing is open in it."""
    command = UpdateContract(symbol, _terms(body, body.model_fields_set))
    await changes.apply(command, CHANGED, reference=body.reference)
    return await _stored(reading, symbol)


@contracts.post(
    "/contracts/import",
    responses=changing(ImportContracts, *BY_POST),
    summary="Import the exchange's own contracts",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/ImportBody"}}
            },
        }
    },
)
async def import_contracts(
    _: Admin, changes: Posting, request: Request, services: ServicesDep
) -> ImportView:
    """List or change many contracts from `exchangeInfo` and `leverageBracket`: all, or none.

    Unknown fields are ignored; a symbol in only one of the two is skipped with a reason, as is a
    contract whose delivery time has passed. Of a listed contract only what the two say changes:
    status, fees, fund, staleness, funding and the like stay.
    """
    body = _exchange_body(await request.body())
    try:
        found = parse_exchange(
            body["exchange_info"], body["leverage_brackets"], services.runner.now()
        )
    except NotTheFormat as error:
        raise Problem(Fault.malformed_body, str(error), error.where) from None
    command = ImportContracts(found.contracts, SAID)
    result, _replayed = await changes.apply(command, reference=body["reference"])
    return ImportView(
        created=result.created,
        updated=result.updated,
        skipped=[SkippedView(symbol=one.symbol, reason=one.reason) for one in found.skipped],
    )


@contracts.get("/contracts/{symbol}/book", responses=NAMED, summary="A contract's book")
async def get_book(
    services: ServicesDep,
    reading: Reading,
    symbol: KnownSymbol,
    depth: Annotated[Whole, Query(ge=1, le=1000, description="Levels per side.")] = 50,
) -> BookView:
    """The best price levels of both sides, best first: what can be had (ORD-11).

    That is what one order can meet, at most 1,000 resting orders per side, without those that would
    be cancelled instead of filled and what could not be reduced any more.
    """
    bounds: dict[Side, Decimal | None] = {"buy": None, "sell": None}
    state = await load_book(await raw(reading), symbol, bounds, services.runner.limits)
    market = state.markets[symbol]
    with localcontext(EXACT):
        return BookView(
            symbol=symbol,
            bids=[list(level) for level in matching.depth(state, market, "buy", depth)],
            asks=[list(level) for level in matching.depth(state, market, "sell", depth)],
        )


def _terms(body: ContractBody | ContractPatch, names: Iterable[str]) -> dict[str, Any]:
    """The named terms as `Contract` has them; raises `Rejected`."""
    terms = {name: getattr(body, name) for name in names if name != "reference"}
    if "brackets" in terms:
        terms["brackets"] = brackets_of(terms["brackets"])
    if "index_sources" in terms:
        terms["index_sources"] = tuple(
            IndexSource(source.name, source.weight) for source in terms["index_sources"]
        )
    for name, default in DEFAULTS.items():
        if terms.get(name, default) is None:
            terms[name] = default
    return terms


def brackets_of(rows: list[BracketBody]) -> tuple[Bracket, ...]:
    """A bracket table, its cum computed or checked (CON-4); raises `Rejected`."""
    with localcontext(EXACT):
        return build_brackets(
            [
                (
                    row.notional_floor,
                    row.notional_cap,
                    row.max_leverage,
                    row.maintenance_margin_rate,
                    row.cum,
                )
                for row in rows
            ]
        )


async def _stored(reading: AsyncConnection, symbol: str) -> ContractView:
    """The contract as it was committed."""
    row = await queries.get_contract(reading, symbol)
    assert row is not None, symbol
    return contract_view(row)


def _exchange_body(raw: bytes) -> dict[str, Any]:
    """The import's body: strict JSON whose numbers stay exact."""
    try:
        body = json.loads(
            raw.decode(),
            parse_float=Decimal,
            parse_int=int,
            parse_constant=_no_constant,
            object_pairs_hook=unique,
        )
    except (ValueError, RecursionError) as error:
        raise malformed(f"the body is not JSON: {str(error)[:200]}") from None
    if not isinstance(body, dict) or body.keys() - ActBody.model_fields != EXCHANGE:
        raise malformed(f"the body is an object of {' and '.join(sorted(EXCHANGE))}")
    try:
        ActBody(reference=body.setdefault("reference", None))
    except ValidationError as error:
        raise from_validation(error) from None
    return body


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
