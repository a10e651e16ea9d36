"""The configuration: the one place that reads the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from pathlib import Path

from limits import RateLimitItem, parse, parse_many

from app.engine.commands.leaders import Limits
from app.store.address import AddressError, check_address

KEY_RATE = parse("5000/10 seconds")
"""What a trader's key may send. Keys of scope admin and feed are not limited."""
ADDRESS_RATE = parse("1000/10 seconds")
"""What an address may send without a key, or with one that is not known."""


LIMITS = Limits()
"""What one command may come to, if nothing else is said (ORD-10)."""
MOST_ORDERS = 100_000
"""What a limit on orders may be set to: so many take one command seconds."""


class SettingsError(ValueError):
    """A setting that makes no sense; the message names it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What an operator can choose. Without `database_url` PostgreSQL is embedded in `data_dir`."""

    database_url: str | None = field(default=None, repr=False)
    data_dir: Path = Path(".backstop")
    host: str = "127.0.0.1"
    port: int = 8000
    admin_key: str | None = field(default=None, repr=False)
    trusted_proxies: tuple[str, ...] = ()
    key_rate: RateLimitItem | None = KEY_RATE
    address_rate: RateLimitItem | None = ADDRESS_RATE
    limits: Limits = LIMITS
    dask_scheduler: str | None = None
    daily_review: bool = True

    @property
    def address(self) -> str:
        """Where the service is found: `http://127.0.0.1:8000`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of DATABASE_URL and the BACKSTOP_ variables; empty means absent."""
    given = {name: value for name, value in environment.items() if value}
    admin_key = given.get("BACKSTOP_ADMIN_KEY")
    if admin_key is not None and (len(admin_key) < 16 or not admin_key.isascii()):
        raise SettingsError("BACKSTOP_ADMIN_KEY must be at least 16 ASCII characters")
    return Settings(
        database_url=_database_url(given.get("DATABASE_URL")),
        data_dir=Path(given.get("BACKSTOP_DATA_DIR", ".backstop")),
        host=given.get("BACKSTOP_HOST", "127.0.0.1"),
        port=parse_port(given.get("BACKSTOP_PORT", "8000")),
        admin_key=admin_key,
        dask_scheduler=given.get("BACKSTOP_DASK_SCHEDULER"),
        daily_review=parse_switch("BACKSTOP_DAILY_REVIEW", given),
        trusted_proxies=parse_proxies(given.get("BACKSTOP_TRUSTED_PROXIES", "")),
        key_rate=parse_rate("BACKSTOP_KEY_RATE", given, KEY_RATE),
        address_rate=parse_rate("BACKSTOP_ADDRESS_RATE", given, ADDRESS_RATE),
        limits=Limits(
            parse_count("BACKSTOP_MATCHED_ORDERS", given, LIMITS.matched_orders),
            parse_count("BACKSTOP_OPEN_ORDERS", given, LIMITS.open_orders),
            parse_count(
                "BACKSTOP_OPEN_ORDERS_PER_CONTRACT", given, LIMITS.open_orders_per_contract
            ),
            parse_count(
                "BACKSTOP_UNTRIGGERED_PER_CONTRACT", given, LIMITS.untriggered_per_contract
            ),
        ),
    )


def _database_url(text: str | None) -> str | None:
    try:
        return text and check_address(text)
    except AddressError as error:
        raise SettingsError(f"DATABASE_URL {error}") from None


def parse_port(text: str) -> int:
    """A TCP port; 0 lets the system choose one."""
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise SettingsError(f"BACKSTOP_PORT must be a number from 0 to 65535, not {text!r}")
    return int(text)


def parse_rate(name: str, given: Mapping[str, str], default: RateLimitItem) -> RateLimitItem | None:
    """Requests in a time, as in `1000/10 seconds`; None for `off`."""
    text = given.get(name)
    if text is None or text == "off":
        return default if text is None else None
    try:
        (item,) = parse_many(text)
    except ValueError:
        item = None
    if item is None or item.amount < 1 or not 1 <= item.get_expiry() <= 3600:
        raise SettingsError(
            f'{name} must be "off" or requests in up to an hour ("1000/10 seconds"), not {text!r}'
        )
    return item


def parse_switch(name: str, given: Mapping[str, str]) -> bool:
    """Whether it is `on`, as it is by default."""
    text = given.get(name, "on")
    if text not in {"on", "off"}:
        raise SettingsError(f'{name} must be "on" or "off", not {text!r}')
    return text == "on"


def parse_count(name: str, given: Mapping[str, str], default: int) -> int:
    """A number of orders (ORD-10)."""
    text = given.get(name, str(default))
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MOST_ORDERS):
        raise SettingsError(f"{name} must be a number from 1 to {MOST_ORDERS}, not {text!r}")
    return int(text)


def parse_proxies(text: str) -> tuple[str, ...]:
    """Addresses and networks whose X-Forwarded-For is believed, separated by commas."""
    proxies = tuple(part.strip() for part in text.split(",") if part.strip())
    for proxy in proxies:
        try:
            ip_network(proxy)
        except ValueError as error:
            raise SettingsError(f"BACKSTOP_TRUSTED_PROXIES: {error}") from None
    return proxies
