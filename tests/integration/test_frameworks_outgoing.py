"""Applications that wait for another server: the other requests go on meanwhile."""

import concurrent.futures
from collections.abc import Iterator

import httpx
import pytest

from support.server import Server
from support.slow_upstream import SlowUpstream

WAIT_S = 30
AT_ONCE = {"thread": 3, "asyncio": 3, "gevent": 20, "eventlet": 20}
"""How many requests wait at the same time: fewer than there are threads, many where there are greenlets."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=AT_ONCE)
def worker_class(request: pytest.FixtureRequest) -> str:
    """Each class that runs several requests of WSGI at once."""
    return str(request.param)


@pytest.fixture(scope="module")
def server(worker_class: str) -> Iterator[Server]:
    """One worker."""
    with Server("outgoing:app", "-k", worker_class, "-w", "1", "--threads", "4") as server:
        yield server


@pytest.mark.parametrize("way", ["requests", "urllib", "socket"])
def test_request_that_waits_for_another_server_holds_up_no_other(server: Server, worker_class: str, way: str) -> None:
    """Many wait at the same time, a page is served meanwhile, and all are answered in the end."""
    count = AT_ONCE[worker_class]
    with SlowUpstream() as upstream, concurrent.futures.ThreadPoolExecutor(count) as pool:
        url = f"{server.url}/{way}"
        waiting = [pool.submit(httpx.get, url, params={"url": upstream.url}, timeout=WAIT_S) for _ in range(count)]
        upstream.wait_arrived(count)
        for _ in range(3):
            assert httpx.get(f"{server.url}/hello", timeout=WAIT_S).text == "hello"
        assert not any(one.done() for one in waiting)
        upstream.release()
        assert [one.result(WAIT_S).text for one in waiting] == ["slow"] * count
