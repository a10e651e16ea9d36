"""The configuration: the one place that reads the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path


class SettingsError(ValueError):
    """A setting that makes no sense; the message names it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What an operator can choose. Without `database_url` PostgreSQL is embedded in `data_dir`."""

    database_url: str | None = None
    data_dir: Path = Path(".backstop")
    host: str = "127.0.0.1"
    port: int = 8000
    admin_key: str | None = None

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
        database_url=given.get("DATABASE_URL"),
        data_dir=Path(given.get("BACKSTOP_DATA_DIR", ".backstop")),
        host=given.get("BACKSTOP_HOST", "127.0.0.1"),
        port=parse_port(given.get("BACKSTOP_PORT", "8000")),
        admin_key=admin_key,
    )


def parse_port(text: str) -> int:
    """A TCP port; 0 lets the system choose one."""
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise SettingsError(f"BACKSTOP_PORT must be a number from 0 to 65535, not {text!r}")
    return int(text)
