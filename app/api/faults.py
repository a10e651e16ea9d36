"""What can be wrong with a request before any rule is asked: the codes of the API's own.

Those of rules are in `app.engine.rejections`; together they are all that is ever answered.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, unique

from app.engine.rejections import Code, Refusal


@unique
class Fault(Enum):
    """A member's name is the stable code."""

    malformed_request = Refusal(400, None, "this is not HTTP/1.1")
    ambiguous_header = Refusal(400, None, "a header that decides is given twice, differently")
    malformed_query = Refusal(400, None, "a parameter or Idempotency-Key is not of its form")
    malformed_body = Refusal(400, None, "the body does not parse, or a field is not of its form")
    unauthorized = Refusal(401, None, "no API key, or an unknown one")
    forbidden = Refusal(403, None, "the key's scope does not allow this")
    not_found = Refusal(404, None, "there is no such path")
    unknown_order = Refusal(404, None, "there is no such order, or not for this key")
    unknown_liquidation = Refusal(404, None, "there is no such liquidation")
    unknown_adl_event = Refusal(404, None, "there is no such ADL event")
    unknown_admin_act = Refusal(404, None, "there is no such admin act")
    unknown_scenario = Refusal(404, "CAL-9", "there is no such stress scenario")
    unknown_job = Refusal(404, None, "there is no such job")
    unknown_calibration = Refusal(404, None, "there is no such calibration, or not yet")
    unknown_funding = Refusal(422, "FPY-1", "the contract had no funding at that time")
    method_not_allowed = Refusal(405, None, "the path does not take this method")
    request_timeout = Refusal(408, "REC-5", "the request took too long to be sent")
    idempotency_key_conflict = Refusal(409, "ORD-1", "the Idempotency-Key is another request's")
    job_running = Refusal(409, "CAL-11", "the asset has a run that is not at its end")
    job_finished = Refusal(409, None, "the job is at its end")
    body_too_large = Refusal(413, "REC-5", "the body is larger than 8 MiB")
    url_too_long = Refusal(414, "REC-5", "the URL is longer than 8 KiB")
    query_too_wide = Refusal(422, "REC-5", "the read takes too long; `context` says what to narrow")
    contract_size_not_positive = Refusal(422, "CON-1", "a contract size must be positive")
    brackets_or_rate = Refusal(422, "CON-4", "either brackets or a maintenance margin rate")
    symbol_or_terms = Refusal(422, "CON-1", "either a symbol or the terms of a contract")
    side_or_legs = Refusal(422, "ORD-3", "either side, quantity, entry_price or long and short")
    wallet_or_leverage = Refusal(422, "ORD-3", "either a wallet balance or a leverage")
    isolated_alone = Refusal(422, "ORD-3", "nothing else stands behind an isolated leg")
    invalid_scenario = Refusal(422, "CAL-9", "`context` says what of a stress scenario cannot be")
    empty_shocks = Refusal(422, "CAL-15", "either shocks, a path of them or a scenario")
    too_many_steps = Refusal(422, "CAL-15", "a path of shocks has at most 48 steps")
    shocked_twice = Refusal(422, "CAL-15", "a step shocks the same contract twice")
    invalid_parameters = Refusal(422, "CAL-8", "`context` says which of a run's parameters")
    nothing_to_import = Refusal(422, "CAL-7", "no line of a file can be imported")
    rate_limited = Refusal(429, "REC-5", "too many requests of this key or address")
    headers_too_large = Refusal(431, "REC-5", "the headers are larger than 32 KiB together")
    internal_error = Refusal(500, None, "an unexpected error; it was logged")
    busy = Refusal(503, "REC-5", "there is too much to do just now")
    not_leader = Refusal(503, None, "this instance does not take writes at the moment")
    unavailable = Refusal(503, None, "the database does not answer")


AnyCode = Code | Fault


def all_codes() -> Iterator[AnyCode]:
    """Every code: the rules', then the API's own."""
    yield from Code
    yield from Fault


def table() -> str:
    """All codes as a table in Markdown, as the documentation shows it."""
    rows = (
        f"| `{code.name}` | {code.value.status} | {code.value.rule or ''} | {code.value.meaning} |"
        for code in all_codes()
    )
    return "\n".join(["| code | status | rule | meaning |", "|---|---|---|---|", *rows])
