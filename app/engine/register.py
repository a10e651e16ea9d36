"""A step's part in what is listed and registered: contracts, marks, funds and what they hold,
accounts, keys."""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import islice
from operator import attrgetter, gt

from app.engine.commands import PositionMode
from app.engine.commands.keys import NewKey
from app.engine.commands.leaders import Incident, Limits
from app.engine.contracts import Contract
from app.engine.events import IncidentRelease, IndexSample
from app.engine.figures import margin
from app.engine.ledger import Ledger
from app.engine.markets import Delivery, Funding, Market
from app.engine.marks import Mark, MidSample, SourcePrice
from app.engine.memory import Measure
from app.engine.numbers import ZERO
from app.engine.outcome import IndexPrice, OwnerResult, Volume, VolumeKind
from app.engine.policies import FundPolicy
from app.engine.state import ApiKey, Fund, Inventory, Payout, Verdict
from app.engine.traders import Account, ContractSettings, HeldProfit, Position


class Register(Ledger):
    """What one command lists, registers and sets. A `Step` is made, never a mere register."""

    __slots__ = ()

    # What is listed and registered

    def list_contract(self, contract: Contract) -> None:
        """List a contract, with its clearing account."""
        clearing = self.wallet("clearing", contract.symbol, contract.settlement_asset)
        self.state.markets[contract.symbol] = market = Market(contract, clearing)
        self._touch(market)

    def set_contract(self, market: Market, contract: Contract) -> None:
        """Give a contract new terms."""
        market.contract = contract
        self.state.deliveries = None
        self._touch(market)

    def set_mark(self, market: Market, mark: Mark) -> None:
        """Give a contract a mark that it was not given before: its candles grow (MRK-5)."""
        self.outcome.marks += (mark,)
        self.renew_mark(market, mark)

    def renew_mark(self, market: Market, mark: Mark) -> None:
        """Give a contract its mark as another object, by which remembered figures are void."""
        market.mark = mark
        self.outcome.touched[mark] = None

    def tell_index_price(self, symbol: str, price: Decimal) -> None:
        """Say that a contract's index price is known anew: its candles grow (MRK-5)."""
        self.outcome.index_prices += (IndexPrice(symbol, self.now, price),)

    def tell_volume(
        self, kind: VolumeKind, contract: Contract, quantity: Decimal, price: Decimal
    ) -> None:
        """Say how much of a position, signed, was liquidated, taken over or closed by ADL (HIS-3).

        `price` is the mark; of nothing nothing is said.
        """
        if not quantity:
            return
        volume = Volume(
            kind=kind,
            fund_id=contract.insurance_fund,
            asset=contract.settlement_asset,
            side="long" if quantity > 0 else "short",
            value=abs(contract.value(quantity, price)),
        )
        self.outcome.volumes += (volume,)

    def tell_owner(self, result: OwnerResult) -> None:
        """Say what an owner won, lost or was paid for (FND-12)."""
        self.outcome.owned += (result,)

    def set_index_price(self, mark: Mark, price: Decimal) -> None:
        """The index price is another one, the mark the same: what is remembered of it holds."""
        mark.index_price = price
        self.outcome.touched[mark] = None

    def set_source_price(self, market: Market, price: SourcePrice) -> None:
        """Keep the newest price of a source of a contract's index, which is silent later (MRK-3):
        when the last of the prices that are kept is too old, as a start works it out."""
        market.sources[price.source] = price
        self.outcome.touched[price] = None
        silent_at = max(one.stale_at for one in market.sources.values())
        if silent_at != market.silent_at:
            self.end_silence(market)
            market.silent_at = silent_at
            insort(self.state.silences, (silent_at, price.symbol))

    def end_silence(self, market: Market) -> None:
        """An index has fallen silent, or speaks again."""
        silences, symbol = self.state.silences, market.contract.symbol
        if market.silent_at is not None:
            del silences[bisect_left(silences, (market.silent_at, symbol))]
        market.silent_at = None

    def add_mid(self, market: Market, sample: MidSample) -> None:
        """Keep a sample of the book's middle, in the place of an older one (MRK-3)."""
        market.mids.pop(sample.place, None)
        market.mids[sample.place] = sample
        self.outcome.touched[sample] = None

    def set_agreed_price(self, market: Market, price: Decimal) -> None:
        """Two orders have traded: a record says so, no row."""
        market.agreed_price = price

    def set_funding(self, market: Market, funding: Funding) -> None:
        """Give a contract's funding its times, its rate, or how far it has come (FPY-1)."""
        market.funding = funding
        self.state.schedule = None
        self._touch(funding)

    def set_funding_rate(self, funding: Funding, rate: Decimal) -> None:
        """Give a contract the rate of its next funding (FPY-1)."""
        funding.rate = rate
        self._touch(funding)

    def sample_premium(
        self, funding: Funding, premium: Decimal, total: Decimal, seconds: Decimal
    ) -> None:
        """A contract's premium is known anew; those before it come to that (FPY-1)."""
        funding.premium, funding.sampled_at = premium, self.now
        funding.premium_total, funding.premium_seconds = total, seconds
        self._touch(funding)

    def advance_funding(self, funding: Funding, position: Position, amount: Decimal) -> None:
        """A position's funding is settled: it received `amount` from revenue (FPY-1)."""
        funding.paid_account, funding.paid_side = position.account_id, position.side
        funding.residue -= amount
        self._touch(funding)

    def set_delivery(self, market: Market, delivery: Delivery) -> None:
        """Give a delivery contract's settlement its phase and price (DLV-1)."""
        market.delivery = delivery
        self.state.deliveries = None
        self._touch(delivery)

    def add_sample(self, delivery: Delivery, price: Decimal) -> None:
        """An index price counts for a settlement price (DLV-1)."""
        delivery.samples += 1
        delivery.total += price
        delivery.sampled_at = self.now
        self._touch(delivery)
        self.outcome.records.append(
            IndexSample(self.outcome.sequence, delivery.symbol, time=self.now, price=price)
        )

    def settle_contract(self, market: Market, delivery: Delivery) -> None:
        """A delivery contract is over: nothing of it is open (DLV-1)."""
        self.set_delivery(market, replace(delivery, phase="settled"))
        self.set_contract(market, replace(market.contract, status="settled"))

    def deliver(self, market: Market, quantity: Decimal, cost: Decimal) -> None:
        """The exchange takes a signed quantity that is closed, at that signed value (DLV-1)."""
        delivery = market.delivery
        assert delivery is not None, market.contract.symbol
        market.quantity_total += quantity
        market.cost_total += cost
        delivery.quantity += quantity
        delivery.cost += cost
        self._touch(delivery)

    def add_fund(self, fund_id: str, name: str, policy: FundPolicy) -> None:
        """Open an insurance fund."""
        self.state.funds[fund_id] = fund = Fund(fund_id, name, policy, self.now)
        self._touch(fund)

    def set_fund(self, fund: Fund, name: str, policy: FundPolicy) -> None:
        """Give a fund its name and policy; what is remembered for that begins and ends with it."""
        if policy.max_payout_per_day is None:
            self._forget(fund, "paid")
        if policy.drawdown_breaker is None:
            self._forget(fund, "result", "balance")
        elif fund.policy.drawdown_breaker is None:
            for wallet in fund.wallets:
                self.memory(fund, wallet.asset).seen = fund.balance(wallet.asset)
        if policy.warn_at != fund.policy.warn_at:
            for memory in fund.memory.values():
                self.warned(memory, ZERO, ZERO)
        fund.name = name
        fund.policy = policy
        self.state.reminders = None
        if fund.inventory or fund.memory:
            self.watch_soon(fund)
        self._touch(fund)

    def _forget(self, fund: Fund, *measures: Measure) -> None:
        for memory in fund.memory.values():
            for minute in memory.forget(*measures):
                self._touch(minute)
            self._touch(memory)

    def set_minimum(self, fund: Fund, asset: str, minimum: Decimal | None) -> None:
        """Give a fund the minimum that it must hold in an asset, or none (FND-7)."""
        if minimum is None:
            fund.required_minimum.pop(asset, None)
        else:
            fund.required_minimum[asset] = minimum
        self.state.reminders = None
        self._touch(fund)

    def decide(self, verdict: Verdict) -> None:
        """A calibration is accepted or rejected (CAL-12)."""
        self.state.verdicts[verdict.calibration_id] = verdict
        if verdict.accepted:
            self.state.funds[verdict.fund_id].calibrations[verdict.asset] = verdict
        self.state.reminders = None
        self._touch(verdict)

    def remind(self, verdict: Verdict) -> None:
        """The operators are reminded that a review is overdue (CAL-12)."""
        verdict.reminded_at = self.now
        self.state.reminders = None
        self._touch(verdict)

    def redden(self, verdict: Verdict) -> None:
        """The live backtest of an accepted calibration is red from now on (CAL-14)."""
        verdict.red_at = self.now
        self.state.reminders = None
        self._touch(verdict)

    def set_inventory(self, fund: Fund, symbol: str, quantity: Decimal, cost: Decimal) -> None:
        """Give a fund's inventory in a contract its new signed quantity and cost."""
        market = self.state.markets[symbol]
        inventory = fund.inventory.get(symbol)
        if inventory is None:
            inventory = fund.inventory[symbol] = Inventory(fund.fund_id, symbol)
        market.quantity_total += quantity - inventory.quantity
        market.cost_total += cost - inventory.cost
        market.open_interest += max(ZERO, quantity) - max(ZERO, inventory.quantity)
        inventory.quantity = quantity
        inventory.cost = cost
        self._touch(inventory)
        self.watch_soon(fund)
        if quantity == 0:
            assert cost == 0, inventory
            del fund.inventory[symbol]
            self.state.offloads = None

    def set_offload(
        self, inventory: Inventory, at: datetime | None, entry_price: Decimal | None
    ) -> None:
        """Say when the next of an inventory is offloaded, and at which mark it came (FND-5)."""
        if at != inventory.offload_at:
            self.state.offloads = None
        inventory.offload_at = at
        inventory.entry_price = entry_price
        self._touch(inventory)

    def add_account(self, account_id: str, position_mode: PositionMode) -> None:
        """Open an account."""
        self.state.accounts[account_id] = account = Account(account_id, position_mode, self.now)
        self._touch(account)

    def set_owner(self, account: Account, owner_id: str | None) -> None:
        """Say whose an account is (FND-12)."""
        owners = self.state.owners
        if account.owner_id is not None:
            del owners[account.owner_id][account.account_id]
            if not owners[account.owner_id]:
                del owners[account.owner_id]
        account.owner_id = owner_id
        if owner_id is not None:
            owners.setdefault(owner_id, {})[account.account_id] = None
        self._touch(account)

    def add_profit(self, part: HeldProfit, profit: Decimal) -> None:
        """Add a profit, or a loss, to a part of what an account has won; without any it goes."""
        parts = self.state.profits.setdefault(part.account_id, {}).setdefault(part.symbol, [])
        if not part.amount:
            insort(parts, part, key=attrgetter("since"))
        part.newest = self.now
        part.amount += profit
        self._touch(part)
        if not part.amount:
            self.forget_profit(part)

    def forget_profit(self, part: HeldProfit) -> None:
        """A part of what an account has won is older than it is held."""
        own = self.state.profits[part.account_id]
        own[part.symbol].remove(part)
        if not own[part.symbol]:
            del own[part.symbol]
        if not own:
            del self.state.profits[part.account_id]
        part.amount = ZERO
        self._touch(part)

    def note_payout(self, symbol: str) -> None:
        """A contract's fund pays for a bankruptcy there."""
        payout = self.state.payouts.setdefault(symbol, Payout(symbol, self.now))
        payout.time = self.now
        self._touch(payout)

    def set_position_mode(self, account: Account, position_mode: PositionMode) -> None:
        """Give an account its position mode."""
        account.position_mode = position_mode
        self._touch(account)

    def set_countdown(self, account: Account, cancel_at: datetime | None) -> None:
        """Set when an account's open orders are cancelled; None: not by itself (ORD-14)."""
        countdowns = self.state.countdowns
        if account.cancel_at is not None:
            del countdowns[bisect_left(countdowns, (account.cancel_at, account.account_id))]
        account.cancel_at = cancel_at
        if cancel_at is not None:
            insort(countdowns, (cancel_at, account.account_id))
        self._touch(account)

    def set_settings(self, account: Account, settings: ContractSettings) -> None:
        """Give an account its leverage and margin mode in a contract (ORD-3)."""
        account.settings[settings.symbol] = settings
        self._touch(settings)

    def add_key(self, key: NewKey) -> None:
        """Register an API key."""
        registered = ApiKey(key, self.now)
        self.state.keys[key.digest] = self.state.key_ids[key.key_id] = registered
        self._touch(registered)

    def revoke_key(self, registered: ApiKey) -> None:
        """Revoke an API key."""
        registered.revoked_at = self.now
        self._touch(registered)

    # Leaders and their clocks

    def begin_term(self, limits: Limits, incidents: tuple[Incident, ...]) -> None:
        """A new leader's limits (ORD-10); it has not told yet how far the system's clock is.

        What its incidents were blamed on is left alone (REC-2).

        Contracts are sorted, and the positions of each: their order must not depend on how the
        state was loaded.
        """
        self.state.limits = limits
        self.state.ahead = timedelta()
        margin.leave_alone(self.state, incidents)
        self.state.markets = dict(sorted(self.state.markets.items()))
        for market in self.state.markets.values():
            legs = list(market.positions)
            if any(map(gt, legs, islice(legs, 1, None))):  # a takeover waits: as a rule they are
                market.positions = {leg: market.positions[leg] for leg in sorted(legs)}

    def release(self, incident: Incident, reason: str) -> None:
        """An incident is released: nothing that it was blamed on is left alone any more (REC-2)."""
        incidents = self.state.incidents.values()
        margin.leave_alone(self.state, [one for one in incidents if one is not incident])
        self.outcome.records.append(
            IncidentRelease(self.outcome.sequence, self.now, incident.incident_id, reason)
        )

    def set_ahead(self, ahead: timedelta) -> None:
        """Remember by how much engine time is ahead of the system's clock (MRK-6)."""
        self.state.ahead = ahead
