"""The balancer `sticky`: the same client comes to the same worker, whatever tells clients apart."""

import contextlib
import itertools
import socket
import time
from typing import Any, Final

import pytest
import requests
import requests.adapters
import socketio
from typing_extensions import override

from support.client import Client, build_request, get
from support.held import FILES, WAIT_S, Crowd, Gate, is_silent
from support.server import Server

WORKERS: Final = 3
STICKY: Final = ("--dispatch", "request", "--balancer", "sticky", "-w", str(WORKERS))

pytestmark = pytest.mark.slow


def serving(*args: str) -> Server:
    """Return a server of `FILES` that keeps clients with their workers."""
    return Server("app:app", *STICKY, *args, files=FILES)


def wait_for_all(server: Server) -> None:
    """Wait until the listener hands requests to all workers: from then on clients have theirs."""
    server.wait_for_log("worker ready", WORKERS)
    seen: set[str] = set()
    until = time.monotonic() + WAIT_S
    for number in itertools.cycle(range(200)):
        assert time.monotonic() < until, f"only {seen} serve"
        request = build_request("GET", f"/?who={number}", {"Cookie": f"who={number}"})
        seen.add(ask_from(server, f"127.0.0.{number + 2}", request))
        if len(seen) == WORKERS:
            return


def ask_from(server: Server, host: str, request: bytes) -> str:
    """Return who answers a client with that address."""
    with Client(server.address, WAIT_S) as client:
        client.close()
        client.sock = socket.create_connection(server.address, WAIT_S, (host, 0))
        client.send(request)
        return client.read_response().text


@pytest.mark.parametrize("worker_class", ["sync", "thread", "gevent", "asyncio"])
@pytest.mark.parametrize("mode", ["connection", "request"])
def test_an_address_has_its_worker(mode: str, worker_class: str) -> None:
    """Each of thirty addresses always comes to the same one, and no worker is left out."""
    with serving("--dispatch", mode, "-k", worker_class) as server:
        wait_for_all(server)
        request = build_request("GET", "/")
        hosts = [f"127.0.0.{number}" for number in range(2, 32)]
        first = {host: ask_from(server, host, request) for host in hosts}
        assert len(set(first.values())) == WORKERS
        for _ in range(2):
            assert {host: ask_from(server, host, request) for host in hosts} == first


@pytest.mark.parametrize(
    ("key", "target", "headers"),
    [
        ("cookie:who", "/", {"X-A": "who=nobody", "Cookie": "a=1; who={}; b=2"}),
        ("query:who", "/?a=1&who={}&b=2", {}),
    ],
)
def test_a_cookie_or_a_parameter_has_its_worker(key: str, target: str, headers: dict[str, str]) -> None:
    """On any connection, also one on which others have asked before."""
    with serving("--sticky-key", key) as server, Crowd(server) as crowd:
        wait_for_all(server)
        names = [f"client-{number}" for number in range(30)]
        seen: dict[str, set[str]] = {name: set() for name in names}
        (kept,) = crowd.connect()
        for _ in range(3):
            for name in names:
                filled = {field: value.format(name) for field, value in headers.items()}
                seen[name].add(kept.request("GET", target.format(name), filled).text)
                seen[name].add(ask_from(server, "127.0.0.1", build_request("GET", target.format(name), filled)))
        assert {len(pids) for pids in seen.values()} == {1}
        assert len(set.union(*seen.values())) == WORKERS


def test_who_waits_for_its_worker_holds_up_nobody() -> None:
    """The worker of one client is busy: its next request waits, those of others are answered."""
    with serving("--sticky-key", "query:who") as server, Gate(server) as gate, Crowd(server) as crowd:
        wait_for_all(server)
        workers = {number: get(server.address, f"/?who={number}").text for number in range(20)}
        (running,) = crowd.ask("/held?who=one")
        held = gate.next()
        (waiting,) = crowd.ask("/?who=one")
        assert is_silent([waiting])
        for number in [number for number, pid in workers.items() if pid != str(held.pid)]:
            assert get(server.address, f"/?who={number}").text == workers[number]
        held.open()
        assert running.read_response().text == waiting.read_response().text == str(held.pid)


class From(requests.adapters.HTTPAdapter):
    """Connections from an address of the client's choice."""

    def __init__(self, host: str) -> None:
        self._host = host
        super().__init__()

    @override
    def init_poolmanager(self, *args: Any, **options: Any) -> None:  # Any: of the library
        super().init_poolmanager(*args, source_address=(self._host, 0), **options)


@contextlib.contextmanager
def dial(server: Server, host: str) -> Any:  # Any: an untyped `SimpleClient`
    """Connect a Socket.IO client that polls, from `host`, and drop it in the end."""
    session = requests.Session()
    session.mount("http://", From(host))
    client = socketio.SimpleClient(reconnection=False, http_session=session)
    client.connect(server.url, transports=["polling"], wait_timeout=WAIT_S)
    try:
        yield client
    finally:
        client.client.eio.disconnect(abort=True)
        session.close()


@pytest.mark.parametrize(("worker_class", "async_mode"), [("thread", "threading"), ("gevent", "gevent")])
def test_socketio_clients_that_poll_come_back_to_who_knows_them(worker_class: str, async_mode: str) -> None:
    """Six clients on three workers; elsewhere their sessions are not known, as the next test shows."""
    args = (*STICKY, "-k", worker_class, "--threads", "16")
    with Server("socketio_site:app", *args, env={"SOCKETIO_MODE": async_mode}) as server:
        server.wait_for_log("worker ready", WORKERS)
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(dial(server, f"127.0.0.{number}")) for number in range(2, 8)]
            for number in range(2):
                for client in clients:
                    client.emit("echo", number)
                for client in clients:
                    assert client.receive(timeout=WAIT_S) == ["echoed", number]
                    assert client.call("ask", 41, timeout=WAIT_S) == 42


def test_sessions_without_sticky_are_not_found() -> None:
    """What `sticky` is for: the same polls spread over workers meet one that does not know them."""
    args = ("--dispatch", "request", "--balancer", "round-robin", "-w", str(WORKERS), "-k", "thread", "--threads", "4")
    with Server("socketio_site:app", *args, env={"SOCKETIO_MODE": "threading"}) as server, Crowd(server) as crowd:
        server.wait_for_log("worker ready", WORKERS)
        (client,) = crowd.connect()
        opened = client.request("GET", "/socket.io/?EIO=4&transport=polling").text
        sid = opened.split('"sid":"')[1].split('"')[0]
        polls = [
            client.request("POST", f"/socket.io/?EIO=4&transport=polling&sid={sid}", body=b"40").status
            for _ in range(WORKERS)
        ]
        assert 400 in polls
