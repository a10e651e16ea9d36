"""Scenarios as text: one line per command or expectation, run against a `World`.

A file holds scenarios that begin with `== title (RULE-1, RULE-2)`. After every command the naive
model compares everything and checks all laws. `#` begins a comment. Commands, with defaults in
brackets; a trailing `-> ...` says what must come of it, without it the command must be accepted:

    fund F [ratio=1 below=1 above=0.5]            contribute F main USDT 3000 [seed_capital]
    contract TEST fund=F [field=value ...]        change TEST field=value   (terms of a contract)
    contract COIN inverse [field=value ...]       (settles in BTC, a contract is 10 USD)
    account alice                                 grant USDT 100       (to the treasury)
    owner ann alice bob                           (whose they are, or none: nobody's)
    deposit|withdraw alice USDT 1000              minimum F USDT 1000   (or none)
    move F main reserve USDT 50                   rebalance USDT        deploy F USDT 100 [main]
    accept F USDT 7 1000 [age=5 reason=calm]      reject F USDT 7 reason=wrong   (calibrations)
    drift F USDT 8 1500                           (what a daily run has proposed)
    red F USDT 7 4 of 365                         (days that were worse than the quantile in force)
    configure alice TEST 20 isolated              margin alice TEST 25
    rate TEST 0.0001                              due         (begin what is due, leave it pending)
    hold part                                     bounds payers=1   (smaller parts)
    correct alice TEST 5                          (a funding that was wrong, by the treasury)
    tick TEST 100 [sequence=1 age=5 reset index=99 rate=0.0001]         later 30   (seconds)
    feed TEST 100 index=99 for=3600               (that tick once a minute)
    contract DATED delivery=3600 [fee=0.001]      at 3600               (seconds from the beginning)
    sample DATED 101 [times=12 every=1]           settle DATED 100      (an admin's price)
    order alice TEST buy 10 @ 100 [gtc|ioc|fok|gtx] [reduce_only] [expire_maker] [id=a1]
    ladder alice TEST buy 1 @ 99 times=200        (the same order many times)
    limits matched_orders=10                      (a new leader that keeps other limits)
    order alice TEST sell 10 market               trade alice bob TEST 10 @ 100   (alice buys)
    cancel a1                                     cancel-all alice [TEST]
    amend a1 [quantity=2 price=99]                (an open order)
    group oco|bracket g alice TEST / order sell 1 @ 110 / wait sell 1 stop 95   (g1, g2, ...)
    trail alice TEST sell 10|all 0.01 [from 105] [last] [reduce_only] [id=s1]
    wait alice TEST sell 10|all stop|take_profit 95 [@ 94] [last] [reduce_only] [id=s1]
    countdown alice 30                            (cancel all in so many seconds; 0: never)
    index TEST a 100 [age=5]                      (what a source of an index says)
    hold tick ...                                 continue   (leave the cascade pending; finish it)
    restart                                       (a new leader, without what is derived)
    set-aside alice USDT|TEST [times=2]           (a new leader, after that scope has failed)
    halt USDT [times=2]                           (after a cascade has, and no scope was to blame)
    release 1                                     (the incident; they are numbered)
    large 2 step=1                                (ADL queues of more are made in steps)

`-> rejected code [key=value ...]`, `-> filled`, `-> partially_filled 3 [average=99]`,
`-> untriggered`, `-> at_risk 2`, `-> pending USDT`. Expectations: the methods `expect_...`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import get_args

from app.engine import commands
from app.engine.rejections import Rejection
from app.engine.results import GroupReceipt, OrderReceipt, Ticked, TriggeredReceipt
from app.engine.traders import Position
from tests.engine.terms import pairs
from tests.engine.verbs import Verbs
from tests.engine.world import World

HEADING = re.compile(r"== (?P<title>.+) \((?P<rules>[A-Z0-9, -]+)\)$")


@dataclass(frozen=True)
class Text:
    """A scenario as written: where, what it is about, its lines with their numbers."""

    source: str
    title: str
    rules: tuple[str, ...]
    lines: tuple[tuple[int, str], ...]


def read(path: Path) -> list[Text]:
    """The scenarios of a file."""
    texts: list[Text] = []
    for number, raw in enumerate(path.read_text("utf-8").splitlines(), start=1):
        line = raw.split("#")[0].strip()
        heading = HEADING.match(line)
        if heading:
            rules = tuple(rule.strip() for rule in heading["rules"].split(","))
            texts.append(Text(path.stem, heading["title"], rules, ()))
        elif line:
            texts[-1] = replace(texts[-1], lines=(*texts[-1].lines, (number, line)))
    return texts


class Scenario(Verbs):
    """Runs the lines of one text; a failure names the line."""

    def __init__(self) -> None:
        super().__init__(World())

    def run(self, text: Text) -> None:
        """All lines in order."""
        for number, line in text.lines:
            try:
                self.line(line)
            except AssertionError as error:
                error.add_note(f"{text.source}.txt:{number}: {line}")
                raise

    def line(self, line: str) -> None:
        """One command with what must come of it, or one expectation."""
        command, _, expected = (part.strip() for part in line.partition("->"))
        word, *arguments = command.split()
        expectation = getattr(self, f"expect_{word.replace('-', '_')}", None)
        if expectation is not None:
            expectation(*arguments)
            return
        hold = word == "hold"
        if hold:
            word, *arguments = arguments
        built = getattr(self, f"do_{word.replace('-', '_')}")(*arguments)
        for item in built or ():
            result = self.world.apply(item).result if hold else self.world.run(item)
            self._meets(result, expected)

    def _meets(self, result: object, expected: str) -> None:
        if not expected:
            assert not isinstance(result, Rejection), f"refused: {result}"
            if isinstance(result, GroupReceipt):
                count = len(result.waiting) + (result.first is not None)
                for place in range(count):
                    self.names[f"{self.group}{place + 1}"] = result.group_id + place
            if isinstance(result, OrderReceipt | TriggeredReceipt):
                self.names[result.client_order_id or str(result.order_id)] = result.order_id
            return
        wanted, *details = expected.split()
        if wanted == "rejected":
            assert isinstance(result, Rejection), f"accepted: {result}"
            assert result.code == details[0], f"refused with {result}"
            for name, number in pairs(details[1:]).items():
                assert Decimal(result.context[name]) == Decimal(number), result.context
        elif wanted == "pending":
            assert self.world.pending == {details[0]}, f"pending is {self.world.pending}"
        elif wanted == "at_risk":
            assert isinstance(result, Ticked), result
            assert result.accounts_at_risk == int(details[0]), result
        elif wanted == "untriggered":
            assert isinstance(result, TriggeredReceipt), f"not waiting: {result}"
            assert result.status == wanted, result
            self.names[result.client_order_id or str(result.order_id)] = result.order_id
        else:
            self._receipt(result, wanted, details)

    def _receipt(self, result: object, wanted: str, details: list[str]) -> None:
        assert wanted in get_args(commands.OrderStatus), f"what is {wanted}?"
        assert isinstance(result, OrderReceipt), result
        self.names[result.client_order_id or str(result.order_id)] = result.order_id
        assert result.status == wanted, result
        filled = result.quantity if wanted == "filled" else Decimal(0)
        filled = sum((Decimal(d) for d in details if "=" not in d), Decimal(0)) or filled
        assert result.filled_quantity == filled, f"{result.filled_quantity} filled, {result}"
        options = pairs(details)
        if "average" in options:
            assert result.average_price == Decimal(options["average"]), result
        if "fee" in options:
            fee = sum(fill.fee for fill in result.fills)
            assert fee == Decimal(options["fee"]), result
        if "reason" in options:
            assert result.reason == options["reason"], result


__all__ = ["Position", "Scenario", "Text", "read"]
