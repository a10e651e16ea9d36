"""Every command and result survives JSON exactly."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine.commands import Command
from app.engine.commands.contracts import UpdateContract
from app.engine.commands.funds import CreateFund, UpdateFund
from app.engine.commands.orders import PlaceOrder
from app.engine.commands.prices import Tick
from app.engine.contracts import Contract
from app.engine.engine import Engine
from app.engine.policies import FundPolicy
from app.engine.rejections import Rejection
from app.engine.results import Done, Fill, OrderReceipt
from app.engine.state import State
from app.store import codec

DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, places=12)
TIME = datetime(2026, 1, 1, tzinfo=UTC)
TIMES = st.datetimes(
    min_value=datetime(2000, 1, 1),  # noqa: DTZ001 - the strategy adds the zone
    timezones=st.just(UTC),
)


def changes(kind: type) -> st.SearchStrategy[dict[str, Any]]:
    """Some fields of a class with values of their types."""
    hints = get_type_hints(kind)
    return st.fixed_dictionaries({}, optional={name: st.from_type(hints[name]) for name in hints})


st.register_type_strategy(Decimal, DECIMALS)
st.register_type_strategy(datetime, TIMES)
CHANGES: dict[type, dict[str, st.SearchStrategy[Any]]] = {
    UpdateContract: {"changes": changes(Contract)},
    UpdateFund: {"policy": st.none() | changes(FundPolicy)},
}


def everything(kind: type) -> st.SearchStrategy[Any]:
    """Instances with every field drawn, those with defaults as well."""
    drawn = {name: st.from_type(hint) for name, hint in get_type_hints(kind).items()}
    return st.builds(kind, **{**drawn, **CHANGES.get(kind, {})})


@pytest.mark.parametrize("kind", codec.COMMANDS.values())
@given(data=st.data())
def test_a_command_survives(kind: type[Command], data: st.DataObject) -> None:
    """Decoding gives an equal command of the same class, decimals with the same digits."""
    command = data.draw(everything(kind))
    name, body = codec.encode_command(command)
    decoded = codec.decode_command(name, body)
    assert type(decoded) is kind
    assert decoded == command
    assert codec.encode_command(decoded) == (name, body)


@given(st.lists(st.one_of(*map(everything, codec.RESULTS.values()))))
def test_results_survive(results: list[object]) -> None:
    """Decoding gives equal results of the same classes in the same order."""
    decoded = codec.decode_results(codec.encode_results(results), codec.RESULTS_FORMAT)
    assert decoded == results
    assert list(map(type, decoded)) == list(map(type, results))


def test_numbers_are_plain_strings() -> None:
    """NUM-1: no exponent, no float, no digit lost, trailing zeros kept."""
    order = PlaceOrder("alice", "BTCUSDT", "buy", "limit", Decimal("1E+3"), Decimal("60000.10"))
    body = json.loads(codec.encode_command(order)[1])
    assert (body["quantity"], body["price"]) == ("1000", "60000.10")


def test_times_are_utc() -> None:
    """RFC 3339 with six decimals and Z, whatever zone the source used."""
    there = timezone(timedelta(hours=2))
    time = datetime(2024, 8, 8, 14, 0, tzinfo=there)
    name, body = codec.encode_command(Tick("BTCUSDT", Decimal(1), source_time=time))
    assert json.loads(body)["source_time"] == "2024-08-08T12:00:00.000000Z"
    decoded = codec.decode_command(name, body)
    assert isinstance(decoded, Tick)
    assert decoded.source_time == time


def test_what_an_older_log_lacks_has_its_default() -> None:
    """A field that was added later, with a default, need not be in the log."""
    decoded = codec.decode_command("CreateFund", '{"fund_id":"f","name":"F"}')
    assert decoded == CreateFund("f", "F")


WHOLE_POLICY = (
    '{"fund_id":"f","name":null,"policy":{"max_net_notional_ratio":"2.50",'
    '"share_below_minimum":"1","share_above_minimum":"0.5"},"required_minimum":null}'
)
"""A row of a log from when `UpdateFund` replaced the policy."""


def test_a_whole_policy_of_an_older_log_changes_every_field() -> None:
    """It is read as the changes that it was, and would be written alike."""
    decoded = codec.decode_command("UpdateFund", WHOLE_POLICY)
    assert isinstance(decoded, UpdateFund)
    assert decoded.policy is not None
    assert list(decoded.policy) == list(FundPolicy.__slots__)[:3]
    assert codec.encode_command(decoded) == ("UpdateFund", WHOLE_POLICY)
    engine = Engine(State())
    engine.apply(CreateFund("f", "F", FundPolicy(share_above_minimum=Decimal(1))), TIME)
    assert engine.apply(decoded, TIME).accepted
    fund = engine.state.funds["f"]
    assert fund.name == "F"
    assert fund.policy == FundPolicy(Decimal("2.50"), Decimal(1), Decimal("0.5"))


def test_results_name_their_class() -> None:
    """The stored form, which must stay readable."""
    results = [Done("7"), Rejection("no_mark", "no mark yet", {"symbol": "X"})]
    assert codec.encode_results(results) == (
        '[{"Done":{"identifier":"7"}},'
        '{"Rejection":{"code":"no_mark","detail":"no mark yet","context":{"symbol":"X"}}}]'
    )


def test_nested_records_come_back_as_themselves() -> None:
    """Tuples of dataclasses stay tuples of dataclasses."""
    receipt = OrderReceipt(
        1, None, "alice", "BTCUSDT", "buy", "both", "limit", "gtc", False,
        Decimal(5), Decimal(1), "filled", Decimal(1), Decimal(0), Decimal(5),
        (Fill(1, Decimal(5), Decimal(1), Decimal("0.001")),), None,
        datetime(2024, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    (decoded,) = codec.decode_results(codec.encode_results([receipt]), codec.RESULTS_FORMAT)
    assert decoded == receipt
    assert isinstance(decoded, OrderReceipt)
    assert isinstance(decoded.fills[0], Fill)


def test_an_unknown_type_is_an_error() -> None:
    """Nothing is written that could not be read again."""
    with pytest.raises(TypeError, match="no JSON form"):
        codec.to_json(float, 1.5)
