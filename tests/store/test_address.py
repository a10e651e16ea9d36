"""Addresses of a server: which are taken, and that no part of a password is ever shown."""

from __future__ import annotations

import pytest

from app.settings import Settings, SettingsError, read_settings
from app.store.address import AddressError, check_address, shown

SECRET = "hunter"
"""A part of each password below, so that any leak of it shows."""


@pytest.mark.parametrize(
    ("address", "where"),
    [
        ("postgresql://u:hunter@h:1/d", "h:1/d"),
        ("postgres://u:hunter@h/d?sslmode=require&sslrootcert=/a/b.pem", "h:5432/d"),
        ("postgresql+asyncpg://u:hunter@h/d", "h:5432/d"),
        ("postgresql://u:hunter%40%2F%3F%23%3A@h/d", "h:5432/d"),
        ("postgresql://u:+asyncpg:hunter@[::1]:7/d", "[::1]:7/d"),
        ("postgresql://u:hunter@[::1]/d", "[::1]:5432/d"),
        ("postgresql://a:1,b:2/d?target_session_attrs=read-write", "a:1,b:2/d"),
        ("postgresql://h/d?user=u&password=hunter", "h:5432/d"),
        ("postgresql:///d?host=/run/postgresql&port=6&password=hunter", "/run/postgresql:6/d"),
        ("postgresql://?host=h&dbname=d&password=hunter", "h:5432/d"),
        ("postgresql://%2Frun%2Fpostgresql/d", "%2Frun%2Fpostgresql:5432/d"),
    ],
)
def test_what_is_shown_of_an_address(address: str, where: str) -> None:
    assert shown(address) == where
    assert check_address(address) == address.replace("postgresql+asyncpg:", "postgresql:")
    settings = read_settings(
        {"DATABASE_URL": address, "BACKSTOP_ADMIN_KEY": f"{SECRET}-{SECRET}-{SECRET}"}
    )
    assert SECRET not in repr(settings)


@pytest.mark.parametrize(
    "address",
    [
        "host=h user=u password=hunter dbname=d",
        "hunter",
        "mysql://u:hunter@h/d",
        "postgresql:/u:hunter@h/d",
        "postgresql://u:hunter/2@h/d",
        "postgresql://u:hunter#2@h/d",
        "postgresql://u:hunter?2@h/d",
        "postgresql://u:1/hunter@h/d",
        "postgresql://u:1?a=hunter@h/d",
        "postgresql://u:1#hunter@h/d",
        "postgresql://u:hunter@2@h/d",
        "postgresql://u:hunter[2@h/d",
        "postgresql://u:hunter@h:port/d",
        "postgresql://u:hunter@h/d?hunter",
        "postgresql://u@h/d?password=hunter#2",
        "postgresql://u@h/d?password=hunter 2",
        "postgresql://u:hunter 2@h/d",
        "postgresql://u:hunter\n@h/d",
    ],
)
def test_an_address_that_could_be_misread_is_refused_without_showing_it(address: str) -> None:
    for refuse in (check_address, shown):
        with pytest.raises(AddressError) as refusal:
            refuse(address)
        assert SECRET not in str(refusal.value)
        assert refusal.value.__cause__ is None
        assert refusal.value.__suppress_context__ or refusal.value.__context__ is None
    with pytest.raises(SettingsError, match=r"^DATABASE_URL must be postgresql://user") as error:
        read_settings({"DATABASE_URL": address})
    assert SECRET not in str(error.value)


def test_no_address_is_no_error() -> None:
    assert read_settings({"DATABASE_URL": ""}) == Settings()
