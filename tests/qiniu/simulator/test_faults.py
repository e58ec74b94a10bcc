"""Faults by plan: what is refused, lost, cut, late; and that a seed repeats them."""

from __future__ import annotations

import http.client
import time

import pytest

from cloudstore.testing.qiniu import FaultPlan, ServerFault

from .client import Client, entry
from .conftest import MakeClient

BROKEN = (ConnectionError, http.client.HTTPException)


def made(make: MakeClient, *faults: ServerFault, seed: int = 0) -> Client:
    plan = FaultPlan(seed)
    client = make(faults=plan)
    client.simulator.create_bucket("bucket")
    assert client.put("bucket", "a").status == 200
    plan.add(*faults)
    return client


@pytest.mark.parametrize("status", [500, 502, 503, 504, 573, 579, 599, 631])
def test_a_status(make: MakeClient, status: int) -> None:
    client = made(make, ServerFault(status=status, times=1))
    answer = client.manage(f"/delete/{entry('bucket', 'a')}")
    assert answer.status == status
    assert answer.error
    assert answer.headers["X-Reqid"]
    assert client.stat("bucket", "a").status == 200


def test_a_reset_does_nothing(make: MakeClient) -> None:
    client = made(make, ServerFault(reset=True, times=1))
    with pytest.raises(ConnectionError):
        client.manage(f"/delete/{entry('bucket', 'a')}")
    assert client.stat("bucket", "a").status == 200


def test_a_lost_answer_is_of_something_done(make: MakeClient) -> None:
    client = made(make, ServerFault(lose_answer=True, times=1))
    with pytest.raises(ConnectionError):
        client.manage(f"/delete/{entry('bucket', 'a')}")
    assert client.stat("bucket", "a").status == 612


@pytest.mark.parametrize("cut", [1, 40, 300])
def test_an_answer_that_is_cut(make: MakeClient, cut: int) -> None:
    client = made(make, ServerFault(cut_after=cut, times=1))
    with pytest.raises(BROKEN):
        client.get("bucket", "a")
    assert client.get("bucket", "a").body == b"data"


def test_an_answer_that_is_late_and_slow(make: MakeClient) -> None:
    client = made(make, ServerFault(delay=0.2, times=1))
    start = time.monotonic()
    assert client.get("bucket", "a").status == 200
    assert time.monotonic() - start >= 0.2
    client.simulator.faults.add(ServerFault(rate=5000, times=1))
    start = time.monotonic()
    assert client.get("bucket", "a").body == b"data"
    assert time.monotonic() - start >= 0.05


def test_faults_are_meant_for_requests(make: MakeClient) -> None:
    fault = ServerFault(status=503, method="POST", path="/delete/", times=2)
    client = made(make, fault)
    assert client.stat("bucket", "a").status == 200
    assert client.manage("/buckets").status == 200
    found = [client.manage(f"/delete/{entry('bucket', 'a')}").status for _ in range(3)]
    assert found == [503, 503, 200]
    assert client.simulator.faults.hits == 2


@pytest.mark.parametrize("host", ["management", "upload", "download"])
def test_faults_are_meant_for_a_host(make: MakeClient, host: str) -> None:
    client = made(make, ServerFault(status=503, host=host, path="/"))
    client.simulator.counts.clear()
    found = {
        "management": client.stat("bucket", "a").status,
        "upload": client.put("bucket", "a").status,
        "download": client.get("bucket", "a").status,
    }
    assert found == {"management": 200, "upload": 200, "download": 200} | {host: 503}
    assert dict(client.simulator.counts) == {
        "management GET /stat": 1,
        "upload POST /": 1,
        "download GET": 1,
    }


def test_faults_come_in_their_order(make: MakeClient) -> None:
    client = made(make, ServerFault(status=502, times=1), ServerFault(status=503, times=1))
    assert [client.stat("bucket", "a").status for _ in range(3)] == [502, 503, 200]
    client.simulator.faults.add(ServerFault(status=500))
    assert [client.stat("bucket", "a").status for _ in range(2)] == [500, 500]
    client.simulator.faults.clear()
    assert client.stat("bucket", "a").status == 200


def test_a_seed_repeats_chance(make: MakeClient) -> None:
    def met(seed: int) -> list[int]:
        client = made(make, ServerFault(status=503, probability=0.5), seed=seed)
        return [client.stat("bucket", "a").status for _ in range(30)]

    assert met(1) == met(1) != met(2)
    assert set(met(1)) == {200, 503}


def test_closing_does_not_wait_for_a_late_answer(make: MakeClient) -> None:
    client = made(make, ServerFault(delay=60.0, times=1))
    connection = http.client.HTTPConnection(client.simulator.domain("bucket"), timeout=20)
    connection.request("GET", "/a")
    while not client.simulator.faults.hits:
        time.sleep(0.001)
    start = time.monotonic()
    client.simulator.close()
    assert time.monotonic() - start < 30
    connection.close()
