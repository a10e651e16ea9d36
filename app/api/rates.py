"""How many requests a key or an address may send in a time (429), counted before any work is done.

`limits` judges; the counts are kept here, because its own memory starts a thread every hundredth of
a second to walk all keys. Ours begins anew with each window and never grows beyond `MOST_COUNTED`.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from math import ceil
from time import monotonic, time

from limits import RateLimitItem
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter

from app.api.faults import Fault
from app.api.problems import Problem

MOST_COUNTED = 100_000
"""How many keys or addresses are told apart in a window; all further ones are counted as one."""
LONGEST_ADDRESS = 45
ITEMS_PER_REQUEST = 100
"""A page of more items counts as several requests."""

_page_size = re.compile(rb"(?:^|&)(?:limit|depth)=([0-9]{1,4})(?:&|$)").search


class _Counts(Storage):
    """Counts of one window at a time, all with the same beginning."""

    STORAGE_SCHEME = None
    base_exceptions = ()

    def __init__(self) -> None:
        super().__init__()
        self._counts: dict[str, int] = {}
        self._until = 0.0

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Count; returns how many there are in the window."""
        now = monotonic()
        if now >= self._until:
            self._counts = {}
            self._until = now + expiry
        counts = self._counts
        if key not in counts and len(counts) >= MOST_COUNTED:
            key = "others"
        counts[key] = count = counts.get(key, 0) + amount
        return count

    def get(self, key: str) -> int:
        """How many there are."""
        return self._counts.get(key, 0)

    def get_expiry(self, key: str) -> float:  # noqa: ARG002 - the same for all
        """When the window ends, by the wall clock."""
        return time() + self._until - monotonic()

    def check(self) -> bool:
        """Memory is always there."""
        return True

    def reset(self) -> int:
        """Forget all."""
        forgotten = len(self._counts)
        self._counts = {}
        return forgotten

    def clear(self, key: str) -> None:
        """Forget one."""
        self._counts.pop(key, None)


class Rate:
    """One limit for many; None for no limit."""

    def __init__(self, item: RateLimitItem | None) -> None:
        self._item = item
        self._limiter = FixedWindowRateLimiter(_Counts())

    def count(self, who: str, cost: int = 1) -> None:
        """Count requests of `who`; raises 429 when there are too many."""
        item = self._item
        if item is None or self._limiter.hit(item, who, cost=cost):
            return
        wait = ceil(self._limiter.get_window_stats(item, who).reset_time - time())
        raise Problem(
            Fault.rate_limited,
            f"at most {item.amount} requests in {item.get_expiry()} s",
            {"limit": str(item.amount), "seconds": str(item.get_expiry())},
            headers={"Retry-After": str(max(1, wait))},
        )


class Rates:
    """The limits of the service: for a trader's key, and for an address without a known key."""

    def __init__(
        self, keys: RateLimitItem | None = None, addresses: RateLimitItem | None = None
    ) -> None:
        self.keys = Rate(keys)
        self.addresses = Rate(addresses)


def cost_of(query: bytes) -> int:
    """How many requests one counts for: a large page is more work."""
    found = _page_size(query) if query else None
    return 1 if found is None else max(1, ceil(int(found[1]) / ITEMS_PER_REQUEST))


def network_of(host: str) -> str:
    """What an address is counted under: an IPv6 customer has a whole /64."""
    host = host[:LONGEST_ADDRESS]
    if ":" not in host:
        return host
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped) if mapped else address.packed[:8].hex()
