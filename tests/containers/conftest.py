"""Which tests there are, and what they ask the service about."""

import shutil

import pytest

from app.api.application import create_app
from app.runner.runner import Runner
from app.store import database

# What the proxy does with requests is tested where there is one; that its configuration agrees
# with the rest, everywhere.
collect_ignore = [] if shutil.which("haproxy") else ["test_proxy.py"]


@pytest.fixture(scope="module")
def routes() -> set[str]:
    """The paths of the OpenAPI document."""
    nowhere = "postgresql://nobody@localhost/nothing"
    app = create_app(Runner(nowhere), database.create_engine(nowhere), open_metrics=True)
    return set(app.openapi()["paths"])
