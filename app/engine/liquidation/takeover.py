"""The fund takes a bankrupt position over (FND-1, FND-2).

It takes it at its bankruptcy value, at which the position has used up all the equity that it was
allotted (LIQ-3). So the equity that remains is exactly what the scope's other positions were
allotted. An isolated position has none beside it: its wallet ends at zero, unless it owed more than
the position lost; such a debt is paid when nothing of the scope is open any more (FND-4, see
`deficits`). The difference between bankruptcy value and mark is the fund's, gain or loss.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from app.engine.events import Liquidation
from app.engine.liquidation.work import Work
from app.engine.markets import Market
from app.engine.numbers import ONE, UNIT, ZERO, floor_to, ratio, share
from app.engine.state import Fund
from app.engine.trading import breakers, funds, offloading


class _Offer(NamedTuple):
    """A bankrupt position as the fund sees it; `quantity` and `value` signed.

    `held` and `cost` are of the inventory that the fund has in the contract, `notional` of all that
    it has in the asset. Of what it has it may pay `payable`, and lose `losable` until its breaker
    stops takeovers (None: all); it has `stopped` them, or not.
    """

    market: Market
    fund: Fund
    quantity: Decimal
    value: Decimal
    balance: Decimal
    notional: Decimal
    held: Decimal
    cost: Decimal
    payable: Decimal | None
    losable: Decimal | None
    stopped: bool

    @property
    def mark(self) -> Decimal:
        assert self.market.mark is not None
        return self.market.mark.price

    @property
    def room(self) -> Decimal:
        """What the fund may lose."""
        room = breakers.least(self.balance, self.payable, self.losable)
        assert room is not None
        return room

    def gain(self, quantity: Decimal) -> Decimal:
        """What taking `quantity` (signed) over adds to the fund's balance, settled to mark."""
        worth = self.market.worth(self.held + quantity)
        return worth - self.cost - share(self.value, quantity, self.quantity)

    def accepts(self, quantity: Decimal) -> bool:
        """FND-2: solvent after the loss, and net notional within the cap or smaller than before;
        the loss within what breaker and payout limits leave (FND-3, FND-12)."""
        gain = self.gain(quantity)
        after = self.balance + gain
        if self.stopped or -gain > self.room:
            return False
        before, grown = self.market.worth(self.held), self.market.worth(self.held + quantity)
        notional = self.notional - abs(before) + abs(grown)
        return funds.carries(self.fund, after, notional) or notional < self.notional

    def is_cut_off(self, quantity: Decimal) -> bool:
        """Whether of the rest a further lot would take the fund beyond its breaker's stop."""
        lot = self.market.contract.lot_size.copy_sign(self.quantity)
        return (
            self.losable is not None
            and quantity != self.quantity
            and -self.gain(quantity + lot) > self.losable
        )


def takes_all(work: Work) -> bool:
    """Whether the fund takes the whole position, before anybody, at its bankruptcy value now."""
    offer = _offer(work)
    return offer.accepts(offer.quantity) and not offer.fund.policy.counterparty_first


def _offer(work: Work) -> _Offer:
    step, market, contract = work.step, work.market, work.market.contract
    asset = contract.settlement_asset
    fund = funds.fund_of(step.state, contract)
    funds.settle_inventory(step, fund, asset)
    breakers.judge(step, fund, asset)
    inventory = fund.inventory.get(contract.symbol)
    return _Offer(
        market,
        fund,
        quantity=work.position.quantity,
        value=work.bankruptcy_value(),
        balance=funds.balance(fund, asset),
        notional=funds.net_notional(step.state, fund, asset),
        held=inventory.quantity if inventory else ZERO,
        cost=inventory.cost if inventory else ZERO,
        payable=breakers.payable(step.state, fund, asset, step.now),
        losable=breakers.losable(fund, asset, step.now),
        stopped=breakers.is_stopped(fund, asset, step.now),
    )


def take_over(work: Work) -> None:
    """Move into the fund's inventory as much of the now bankrupt position as it accepts."""
    work.go_bankrupt()
    record = work.record()
    offer = _offer(work)
    quantity = _acceptable(offer)
    if quantity:
        _take(work, offer, quantity, record)
    if offer.is_cut_off(quantity):
        breakers.stop(work.step, offer.fund, work.scope.asset)


def _take(work: Work, offer: _Offer, quantity: Decimal, record: Liquidation) -> None:
    others = work.health().equity - work.allot()
    taken = share(offer.value, quantity, offer.quantity)
    work.close(quantity, taken, record)
    assert work.position.quantity or work.health().equity == others, (record, others)
    gain = _receive(work, offer, quantity, record)
    record.taken_over_quantity += abs(quantity)
    record.fund_amount += gain
    work.tell(
        record,
        "takeover",
        quantity=abs(quantity),
        price=work.market.contract.price_of(taken, quantity),
        mark_price=offer.mark,
        amount=gain,
    )


def _receive(work: Work, offer: _Offer, quantity: Decimal, record: Liquidation) -> Decimal:
    """The fund's side, settled to mark at once; returns its gain, which may be a loss (FND-1)."""
    step, market, fund = work.step, work.market, offer.fund
    symbol, liquidation_id = market.contract.symbol, record.liquidation_id
    gain, held = offer.gain(quantity), offer.held + quantity
    step.set_inventory(fund, symbol, held, market.worth(held))
    offloading.took_over(step, fund, market, offer.held)
    if gain < 0:
        breakers.count(step, fund, market.contract.settlement_asset, -gain)
        funds.pay(
            step,
            fund,
            market.clearing,
            -gain,
            "bankruptcy_loss",
            symbol=symbol,
            liquidation_id=liquidation_id,
        )
    else:
        step.transfer(
            "takeover_gain",
            market.clearing,
            funds.first_wallet(step, fund, market.contract.settlement_asset),
            gain,
            symbol=symbol,
            liquidation_id=liquidation_id,
        )
    return gain


def _acceptable(offer: _Offer) -> Decimal:
    """The largest signed lot-rounded part that the fund accepts (FND-2).

    Balance and cap are linear in the quantity on either side of the point where inventory nets
    out, so the bounds are closed forms; a few lots around them settle the rounding of values.
    """
    if offer.accepts(offer.quantity):
        return offer.quantity
    if offer.balance == 0 and offer.held == 0:
        return ZERO  # nothing to pay with, and nothing that would net out
    lot = offer.market.contract.lot_size
    sign = 1 if offer.quantity > 0 else -1
    for bound in sorted(_bounds(offer), reverse=True):
        start = floor_to(min(bound, abs(offer.quantity)), lot)
        for lots in (2, 1, 0, -1, -2):
            size = start + lots * lot
            if 0 < size <= abs(offer.quantity) and offer.accepts(sign * size):
                return sign * size
    return ZERO


def _bounds(offer: _Offer) -> list[Decimal]:
    """Upper ends, in units, of the sets that FND-2's conditions allow."""
    per_unit = abs(offer.market.contract.unrounded_value(ONE, offer.mark))
    sign = 1 if offer.quantity > 0 else -1
    gain = ratio(offer.gain(offer.quantity), abs(offer.quantity))
    same_way = sign * offer.held
    other = offer.notional - abs(offer.market.worth(offer.held))
    cap = offer.fund.policy.max_net_notional_ratio
    solvent = abs(offer.quantity)
    if gain < 0:
        solvent = ratio(offer.room, -gain)
    bounds = []
    slope = per_unit - cap * gain
    if slope > 0:
        room = cap * offer.balance - other - same_way * per_unit - UNIT
        bounds.append(min(solvent, ratio(room, slope)))
    if same_way < 0:
        bounds.append(min(solvent, -2 * same_way))  # as large as before, the other way round
        bounds.append(min(solvent, -same_way))  # none left
    return [bound for bound in bounds if bound > 0]
