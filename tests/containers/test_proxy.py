"""The proxy's own configuration before two instances, all as plain processes.

Collected where HAProxy is installed, see `conftest.py`.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep
from urllib.parse import urlsplit

import httpx
import pytest

from tests.conftest import new_database
from tests.service import ROOT, Service, until

ADMIN_KEY = "the-admin-key-of-this-test"


class Pair:
    """Two instances on one database that was empty before, and the proxy in front of them."""

    def __init__(self, directory: Path, database: str) -> None:
        self.directory, self.database = directory, database
        with ThreadPoolExecutor() as pool:
            starting = [pool.submit(self._start, port="0") for _ in range(2)]
        self.instances = [start.result() for start in starting if not start.exception()]
        try:
            assert len(self.instances) == 2, starting
            self._start_proxy()
        except BaseException:
            self._end_instances()
            raise

    def _start_proxy(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            where = [urlsplit(instance.address).netloc for instance in self.instances]
            self.proxy = subprocess.Popen(
                ["haproxy", "-db", "-f", "deploy/haproxy.cfg"],
                cwd=ROOT,
                env={
                    **os.environ,
                    "PROXY_ADDRESS": f"fd@{listener.fileno()}",
                    "BACKSTOP_1": where[0],
                    "BACKSTOP_2": where[1],
                },
                pass_fds=[listener.fileno()],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            port = listener.getsockname()[1]
        headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=10)

    def _start(self, port: str) -> Service:
        environment = {"DATABASE_URL": self.database, "BACKSTOP_ADMIN_KEY": ADMIN_KEY}
        return Service(self.directory, BACKSTOP_PORT=port, **environment)

    def restart(self, ended: Service) -> None:
        """A new instance in the place of one that ended."""
        port = urlsplit(ended.address).port
        self.instances[self.instances.index(ended)] = self._start(str(port))
        ended.close()

    def leader(self) -> Service:
        """The instance that leads."""
        (leader,) = (one for one in self.instances if one.request("GET", "/leaderz").is_success)
        return leader

    def other(self, instance: Service) -> Service:
        """The one beside it."""
        (other,) = (one for one in self.instances if one is not instance)
        return other

    def contribute(self, key: str) -> httpx.Response:
        """Pay 1 USDT into the treasury, once for each key."""
        body, headers = {"asset": "USDT", "amount": "1"}, {"Idempotency-Key": key}
        return self.client.post("/v1/treasury/contributions", json=body, headers=headers)

    def treasury(self) -> str:
        """What a read finds there, whoever answers it."""
        answer = self.client.get("/v1/treasury")
        assert answer.is_success, answer.text
        return str({row["asset"]: row["treasury"] for row in answer.json()["items"]}["USDT"])

    def contribute_until_taken(self, key: str) -> None:
        """Send a contribution again until it is taken, as every client should."""
        for _ in range(300):
            answer = self.contribute(key)
            if answer.is_success:
                return
            # 502: the leader got the request and ended before it answered.
            assert answer.status_code in (502, 503), answer.text
            if answer.status_code == 503:
                assert answer.json()["code"] == "not_leader"
                assert answer.headers["retry-after"] == "1"
            self.treasury()  # reads go on
            sleep(0.05)
        raise AssertionError("no instance took over")

    def close(self) -> None:
        """End everything."""
        self.client.close()
        self.proxy.terminate()
        self.proxy.wait()
        self._end_instances()

    def _end_instances(self) -> None:
        for instance in self.instances:
            instance.close()


@pytest.fixture
def pair(server: str, tmp_path: Path) -> Iterator[Pair]:
    """Two instances and a proxy that takes writes."""
    with new_database(server) as database:
        pair = Pair(tmp_path, database)
        try:
            until(lambda: pair.client.get("/leaderz").is_success)
            yield pair
        finally:
            pair.close()


def reads_answered(instance: Service) -> int:
    """How many reads of the treasury an instance has answered."""
    text = instance.request("GET", "/metrics").text
    labels = 'route="/v1/treasury",method="GET",status="200"'
    return sum(map(int, re.findall(rf"http_requests_total{{{labels}}} (\d+)", text)))


def test_writes_go_to_the_leader_and_reads_to_both(pair: Pair) -> None:
    assert pair.other(pair.leader()).contribute("1").status_code == 503
    for number in range(1, 11):
        assert pair.contribute(f"key-{number}").is_success
        assert pair.treasury() == str(number), "a read sees what was acknowledged"
    assert pair.contribute("key-1").is_success
    assert pair.treasury() == "10"
    assert [reads_answered(instance) for instance in pair.instances] == pytest.approx([5.5] * 2, 2)


def test_writes_go_on_after_the_leader_was_killed(pair: Pair) -> None:
    taken = 0
    for _ in range(2):  # there and back
        killed = pair.leader()
        assert pair.contribute(f"before-{taken}").is_success
        killed.end(signal.SIGKILL)
        pair.contribute_until_taken(f"after-{taken}")
        taken += 2
        assert pair.treasury() == str(taken)
        assert pair.other(killed).request("GET", "/leaderz").is_success
        pair.restart(killed)


def test_without_any_instance_the_proxy_says_so(pair: Pair) -> None:
    for instance in pair.instances:
        instance.end(signal.SIGTERM)

    def code(answer: httpx.Response) -> str:
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
        return str(answer.json()["code"])

    until(lambda: code(pair.contribute("nobody")) == "not_leader")
    until(lambda: code(pair.client.get("/v1/treasury")) == "unavailable")
