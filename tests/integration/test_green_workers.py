"""The worker classes gevent and eventlet: what waits lets others go on, and what goes wrong is told."""

import json
import pathlib
import select
import socket
import struct
import sys
from typing import Any

import pytest

from support.client import Client, get
from support.held import wait_for_in_flight
from support.server import Server, heeler

GREEN = ("gevent", "eventlet")
WAYS = (
    "sleep",
    "recv",
    "select",
    "selectors",
    "event",
    "queue",
    "lock",
    "thread",
    "subprocess",
    "requests",
    "psycopg2",
)
LOOPS = {"gevent": ("GEVENT_LOOP", ("libuv",)), "eventlet": ("EVENTLET_HUB", ("poll", "selects", "asyncio"))}
HIDDEN = """\
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name in ("gevent", "eventlet") else found(name, *rest)
"""

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("worker_class", GREEN)]


def serve(worker_class: str, *args: str, **options: Any) -> Server:  # Any: as of Server
    """Return a server of the application that waits."""
    return Server("green_cases:app", "-k", worker_class, *args, **options)


def begin(server: Server, what: str) -> Client:
    """Send a request that waits, and return once it does."""
    start = server.log_size()
    client = Client(server.address)
    client.send(f"GET /{what} HTTP/1.1\r\nHost: test\r\n\r\n".encode())
    server.wait_for_log("waits\n", start=start)
    return client


def status_of(server: Server) -> dict[str, Any]:
    """Return what the scoreboard says of the only worker."""
    (child,) = json.loads(heeler("status", "--json", "--pid", str(server.pid)).stdout)["children"]
    return dict(child)


@pytest.mark.parametrize("way", WAYS)
def test_others_are_served_while_one_waits(worker_class: str, way: str) -> None:
    """However the application waits: for time, sockets, threads, processes, other servers, a database."""
    with serve(worker_class) as server, begin(server, way) as client:
        for _ in range(3):
            assert get(server.address, "/ping").body == b"pong"
        assert get(server.address, "/open_gate").body == b"open"
        assert client.read_response().body == b"has waited"


def test_requests_behind_one_that_waits(worker_class: str) -> None:
    """They are run in turn: one request of a connection at a time, in order."""
    with serve(worker_class) as server, begin(server, "event") as client:
        client.send(b"GET /ping HTTP/1.1\r\nHost: test\r\n\r\n" * 3)
        assert status_of(server)["in_flight"] == 1
        get(server.address, "/open_gate")
        assert [client.read_response().body for _ in range(4)] == [b"has waited", b"pong", b"pong", b"pong"]


def test_no_more_requests_than_worker_connections(worker_class: str, tmp_path: pathlib.Path) -> None:
    """Clients that leave do not make room for more greenlets; what waits for one is served when there is one."""
    gate = tmp_path / "gate"
    with serve(worker_class, "--worker-connections", "2", env={"GATE": str(gate)}) as server:
        for _ in range(2):
            client = begin(server, "sleep")
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
        with Client(server.address) as client:
            client.send(b"GET /ping HTTP/1.1\r\nHost: test\r\n\r\n")
            assert select.select([client.sock], [], [], 0.5)[0] == []
            status = status_of(server)
            assert (status["in_flight"], status["connections"], status["capacity"]) == (2, 1, 2)
            gate.touch()
            assert client.read_response().body == b"pong"


def test_context_is_new_for_each_request(worker_class: str) -> None:
    """What the import has set is there; what a request sets is gone with it."""
    with serve(worker_class) as server, Client(server.address) as client:
        assert [client.request("GET", "/context").body for _ in range(3)] == [b"imported"] * 3


def test_each_request_has_a_thread_of_its_own_name(worker_class: str) -> None:
    """As `threading` sees it: not the main thread."""
    with serve(worker_class) as server:
        assert b"Main" not in get(server.address, "/name").body


def test_failure_of_a_greenlet_is_logged(worker_class: str) -> None:
    """With its traceback, in the error log; SystemExit ends the greenlet alone."""
    with serve(worker_class, tracebacks=True) as server:
        assert get(server.address, "/spawn_failing").body == b"spawned"
        server.wait_for_log("greenlet failed")
        server.wait_for_log("ZeroDivisionError: ")
        assert get(server.address, "/ping").body == b"pong"
        assert server.log().count("Traceback") == 1


def test_what_comes_too_late_for_a_request_meets_no_other(worker_class: str) -> None:
    """A timeout that an application forgot is raised in a greenlet at rest, which ends; that is logged."""
    with serve(worker_class) as server, Client(server.address) as client:
        for _ in range(3):
            seen = server.log().count("late exception")
            assert client.request("GET", "/late").body == b"soon"
            server.wait_for_log("late exception", seen + 1)
            assert client.request("GET", "/ping").body == b"pong"


def test_client_that_reads_slowly_holds_up_its_request_alone(worker_class: str) -> None:
    """The application is asked for no more of a large response than a bounded share; others are served."""
    with serve(worker_class) as server, Client(server.address) as slow:
        slow.send(b"GET /large HTTP/1.1\r\nHost: test\r\n\r\n")
        slow.sock.recv(1)
        assert get(server.address, "/ping").body == b"pong"
        wait_for_in_flight(server, 1)
        slow.close()
        server.wait_for_log("given ")
        given = int(server.log().rpartition("given ")[2].split()[0])
        assert given < 512


def test_application_that_takes_no_hint(worker_class: str) -> None:
    """Where it swallows RequestTimeout its client is answered some seconds later, and its stack is logged."""
    access = ("--access-logfile", "/dev/stderr", "--access-logformat", "access %(U)s %(s)s %(outcome)s")
    with serve(worker_class, "--request-timeout", "1", *access) as server:
        with Client(server.address) as client:
            assert client.request("GET", "/stubborn").status == 504
        server.wait_for_log("swallowed RequestTimeout")
        server.wait_for_log("request stuck method=GET path=/stubborn")
        assert "in stubborn" in server.log()
        server.wait_for_log("access /stubborn 504 timeout")
        get(server.address, "/open_gate")
    assert server.log().count("access /stubborn") == 1, "its line was written when it was answered"


def test_child_that_waits(worker_class: str) -> None:
    """A process that the application forks neither takes over nor disturbs what its worker does."""
    with serve(worker_class) as server, Client(server.address) as client:
        for _ in range(3):
            assert client.request("GET", "/child").body == b"1"
            assert get(server.address, "/ping").body == b"pong"


def test_arbiter_stays_free_of_it(worker_class: str) -> None:
    """Neither the library nor greenlet is in the arbiter's memory; both are in the worker's."""
    with serve(worker_class) as server:
        (worker,) = server.worker_pids()
        assert "greenlet" in pathlib.Path(f"/proc/{worker}/maps").read_text()
        assert "greenlet" not in pathlib.Path(f"/proc/{server.pid}/maps").read_text()


def test_missing_library_is_named_with_its_command(worker_class: str, tmp_path: pathlib.Path) -> None:
    """One line, before anything is bound, and the status of a wrong setting."""
    (tmp_path / "sitecustomize.py").write_text(HIDDEN)
    done = heeler("green_cases:app", "-k", worker_class, env={"PYTHONPATH": str(tmp_path)})
    assert done.status != 0
    (line,) = done.stderr.splitlines()
    assert f"pip install 'heeler[{worker_class}]'" in line


def test_deprecation_is_told_once(worker_class: str) -> None:
    """By one line of ours for eventlet, however many workers; its own warnings are silenced."""
    with serve(worker_class, "-w", "3", env={"PYTHONWARNINGS": "default"}) as server:
        server.wait_for_log("worker ready", 3)
        assert server.log().count("worker class deprecated") == (worker_class == "eventlet")
        assert "EventletDeprecationWarning" not in server.log()


def test_every_loop_of_the_library(worker_class: str) -> None:
    """Those that are not the default turn the reactor as well, and stop."""
    variable, loops = LOOPS[worker_class]
    for loop in loops:
        # There the library forgets a task that CPython never knew of, in what /child forks: KeyError, which is ignored.
        noisy = loop == "asyncio" and sys.version_info[:2] == (3, 12)
        env = {variable: loop}
        with serve(worker_class, env=env, tracebacks=noisy) as server, begin(server, "event") as client:
            assert get(server.address, "/ping").body == b"pong"
            get(server.address, "/open_gate")
            assert client.read_response().body == b"has waited"
            assert client.request("GET", "/child").body == b"1"
            assert client.request("GET", "/ping").body == b"pong"
