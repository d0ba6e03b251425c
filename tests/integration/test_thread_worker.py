"""The `thread` worker: requests side by side, whoever is slow, stuck, or gone."""

import json
import os
import pathlib
import random
import select
import signal
import socket
import struct
import threading
import time
from typing import Any

import pytest
from typing_extensions import override

from support import processes
from support.client import Client, build_request, get
from support.held import wait_for_in_flight
from support.server import APPS, Server, heeler

pytestmark = pytest.mark.slow

ARGS = ("thread_cases:app", "-k", "thread", "--threads", "4")


@pytest.fixture
def gate(tmp_path: pathlib.Path) -> pathlib.Path:
    """Where an application waits for `open_gate`."""
    os.mkfifo(tmp_path / "gate")
    return tmp_path / "gate"


def open_gate(gate: pathlib.Path) -> threading.Thread:
    """Let all that wait at the gate go on, and those that come."""
    opener = threading.Thread(target=lambda: gate.open("wb").close(), daemon=True)
    opener.start()
    return opener


def serve(*args: str, cwd: Any = None, **options: Any) -> Server:
    """Return a server of the application, started in `cwd`."""
    return Server(*ARGS, "--pythonpath", str(APPS), *args, cwd=cwd or APPS, **options)


def send(server: Server, target: str) -> Client:
    """Send a request over a connection of its own."""
    client = Client(server.address, 20.0)
    client.send(build_request("GET", target))
    return client


def status_of(server: Server) -> dict[str, Any]:
    """Return what `heeler status` tells of the only worker."""
    (worker,) = json.loads(heeler("status", "--json", "--pid", str(server.pid)).stdout)["children"]
    found: dict[str, Any] = worker
    return found


def cpu_s(pid: int) -> float:
    """Return the processor time that a process has used."""
    with open(f"/proc/{pid}/stat", encoding="latin-1") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_requests_run_side_by_side() -> None:
    """Four that wait for each other are all answered, again and again; the application is told of threads."""
    with serve() as server:
        for _ in range(10):
            clients = [send(server, "/together") for _ in range(4)]
            for client in clients:
                assert client.read_response().status == 200
                client.close()
        assert get(server.address, "/multithread").body == b"True False"


def test_a_slow_request_holds_up_no_other(tmp_path: pathlib.Path, gate: pathlib.Path) -> None:
    """Beside three that wait, quick ones over kept and new connections are answered."""
    with serve(cwd=tmp_path) as server:
        slow = [send(server, "/gate") for _ in range(3)]
        server.wait_for_log("at the gate", 3)
        with Client(server.address) as kept:
            for _ in range(50):
                assert kept.request("GET", "/?a").body == b"a "
                assert get(server.address, "/?b").body == b"b "
        open_gate(gate).join(10)
        for client in slow:
            assert client.read_response().status == 200
            client.close()


def test_first_slow_request_after_many_quick_ones(tmp_path: pathlib.Path, gate: pathlib.Path) -> None:
    """A leader that was used to quick requests loses the lead to one that is slow."""
    with serve(cwd=tmp_path) as server, Client(server.address) as kept:
        for _ in range(20):
            for _ in range(200):
                kept.request("GET", "/?a")
            with send(server, "/gate") as slow:
                for _ in range(5):
                    assert kept.request("GET", "/?b").body == b"b "
                open_gate(gate).join(10)
                assert slow.read_response().status == 200


def test_no_more_connections_than_free_threads(tmp_path: pathlib.Path, gate: pathlib.Path) -> None:
    """Beside parked connections, one is accepted for each thread; the others wait in the backlog, at no cost."""
    with serve(cwd=tmp_path) as server:
        parked = [Client(server.address) for _ in range(30)]
        for client in parked:
            assert client.request("GET", "/?a").status == 200
        busy = [send(server, "/gate") for _ in range(4)]
        server.wait_for_log("at the gate", 4)
        waiting = [send(server, "/?w") for _ in range(10)]
        parked[0].send(build_request("GET", "/?p"))
        (pid,) = server.worker_pids()
        used_s, begun_at = cpu_s(pid), time.monotonic()
        assert not select.select([client.sock for client in waiting], [], [], 1.0)[0]
        assert cpu_s(pid) - used_s < 0.2 * (time.monotonic() - begun_at)
        worker = status_of(server)
        assert (worker["connections"], worker["in_flight"], worker["capacity"]) == (34, 4, 4)
        open_gate(gate).join(10)
        for client in [*busy, *waiting, parked[0]]:
            assert client.read_response().status == 200
        for client in [*busy, *waiting, *parked]:
            client.close()


def test_one_stuck_thread_is_no_reason_to_replace_the_worker() -> None:
    """The heartbeat goes on while a thread is free; a page in flight for longer than `timeout` is answered."""
    with serve("--timeout", "1") as server:
        before = server.worker_pids()
        sleepers = [send(server, "/sleep?s=4") for _ in range(3)]
        for client in sleepers:
            assert client.read_response().status == 200
            client.close()
        assert server.worker_pids() == before


def test_streams_are_not_stuck() -> None:
    """Threads that write now and then are at work for as long as they like."""
    with serve("--timeout", "1") as server:
        before = server.worker_pids()
        clients = [send(server, "/drip?s=4") for _ in range(4)]
        for client in clients:
            assert len(client.read_response().body) > 20
            client.close()
        assert server.worker_pids() == before


def test_worker_whose_threads_are_all_stuck_is_replaced() -> None:
    """After `timeout` its stacks are written, its clients are answered and told of, and another worker serves."""
    with serve("--timeout", "1", exit_status=None, tracebacks=True) as server:
        before = server.worker_pids()
        sleepers = [send(server, "/sleep?s=60") for _ in range(4)]
        server.wait_for_log("worker timeout")
        for client in sleepers:
            assert client.read_response().status == 504
        server.wait_for_log("request timed out method=GET path=/sleep", 4)
        assert "thread_cases.py" in server.log()
        server.wait_for_log("worker ready", 2)
        assert get(server.address, "/?a").status == 200
        assert server.worker_pids() != before
        for client in sleepers:
            client.close()


def test_thread_that_does_not_obey_is_answered_for() -> None:
    """A request that overruns in C code gets its 504 a grace later; its stack is in the log, and others are served."""
    access = ("--access-logfile", "/dev/stderr", "--access-logformat", "access %(U)s %(s)s %(outcome)s")
    with serve("--request-timeout", "1", *access, tracebacks=True, exit_status=None) as server:
        with send(server, "/sleep?s=9") as client:
            assert client.read_response().status == 504
            assert client.is_closed()
        server.wait_for_log("request stuck method=GET path=/sleep seconds=6.")
        server.wait_for_log("access /sleep 504 timeout")
        assert "time.sleep(float(" in server.log()
        assert get(server.address, "/?a").status == 200
        server.wait_for_log("request timed out method=GET path=/sleep")
        for _ in range(20):
            assert get(server.address, "/?a").status == 200
        assert server.log().count("access /sleep") == 1, "its line was written when it was answered"


def test_worker_whose_threads_all_disobey_is_replaced() -> None:
    """Once all are stuck beyond `request_timeout` and its grace, `timeout` does the rest."""
    args = ("--request-timeout", "1", "--timeout", "2")
    with serve(*args, exit_status=None, tracebacks=True) as server:
        sleepers = [send(server, "/sleep?s=60") for _ in range(4)]
        for client in sleepers:
            assert client.read_response().status == 504
            client.close()
        server.wait_for_log("worker timeout")
        server.wait_for_log("worker ready", 2)
        assert get(server.address, "/?a").status == 200


@pytest.mark.parametrize("target", ["/sleep?s=1.5", "/spin?s=1.5"])
def test_term_while_threads_are_at_work(target: str) -> None:
    """What is in flight is answered, and the stop waits for nothing else."""
    with serve() as server:
        clients = [send(server, target) for _ in range(4)]
        server.wait_for_log("asleep" if "sleep" in target else "spinning", 4)
        begun_at = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - begun_at < 9
        for client in clients:
            assert client.read_response().status == 200
            client.close()


def test_stop_with_threads_that_stay() -> None:
    """Threads that are still at work at the deadline cannot hold up the end; they are counted once, and named."""
    with serve("--graceful-timeout", "1", exit_status=75) as server:
        clients = [send(server, "/sleep?s=60") for _ in range(4)]
        server.wait_for_log("asleep", 4)
        begun_at = time.monotonic()
        assert server.stop() == 75
        assert time.monotonic() - begun_at < 5
        assert server.log().count("request lost slot=1") == 4
        for client in clients:
            client.close()


def test_interrupt_while_threads_are_at_work() -> None:
    """INT ends the server at once, whatever threads do in C code."""
    with serve(exit_status=None) as server:
        clients = [send(server, "/sleep?s=60") for _ in range(4)]
        server.wait_for_log("asleep", 4)
        begun_at = time.monotonic()
        server.signal(signal.SIGINT)
        server.wait()
        assert time.monotonic() - begun_at < 3
        for client in clients:
            client.close()


def test_arbiter_that_is_killed_while_threads_are_at_work() -> None:
    """The worker answers what is in flight, and is gone."""
    with serve(exit_status=None) as server:
        clients = [send(server, "/sleep?s=1") for _ in range(4)]
        server.wait_for_log("asleep", 4)
        workers = server.worker_pids()
        server.signal(signal.SIGKILL)
        for client in clients:
            assert client.read_response().status == 200
            client.close()
        assert not processes.wait_ended(workers, 10.0)


def test_response_of_a_client_that_is_gone_reaches_nobody_else(tmp_path: pathlib.Path, gate: pathlib.Path) -> None:
    """While a thread is at work for a client that left, its descriptor's number is nobody's."""
    with serve(cwd=tmp_path) as server:
        for round_ in range(20):
            seen = server.log_size()
            gone = send(server, f"/gate?gone{round_}")
            server.wait_for_log("at the gate", start=seen)
            gone.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            gone.close()
            others = [Client(server.address) for _ in range(10)]
            for number, client in enumerate(others):
                assert client.request("GET", f"/?{number}").body == b"%d " % number
            open_gate(gate).join(10)
            for number, client in enumerate(others):
                assert client.request("GET", f"/?{number}").body == b"%d " % number
                assert not client.pending()
                client.close()
        (pid,) = server.worker_pids()
        assert len(processes.open_descriptors(pid)) < 30


def test_child_that_an_application_forks_and_lets_return() -> None:
    """It ends where its request would be answered; the worker serves on."""
    with serve() as server, Client(server.address) as client:
        for _ in range(5):
            assert client.request("GET", "/fork").status == 200
        assert get(server.address, "/?a").status == 200


def test_more_threads_than_the_scoreboard_can_name(tmp_path: pathlib.Path, gate: pathlib.Path) -> None:
    """All requests are counted, and 24 are named."""
    with serve("--threads", "30", cwd=tmp_path) as server:
        clients = [send(server, "/gate") for _ in range(30)]
        server.wait_for_log("at the gate", 30)
        worker = status_of(server)
        assert (worker["in_flight"], worker["capacity"]) == (30, 30)
        open_gate(gate).join(10)
        for client in clients:
            assert client.read_response().status == 200
            client.close()
        wait_for_in_flight(server, 0)


class Caller(threading.Thread):
    """Sends requests of all kinds over kept connections, and checks that each answer is its own.

    Args:
        server: whom it asks.
        number: of the caller; its requests say so.
        rounds: how many.
    """

    def __init__(self, server: Server, number: int, rounds: int) -> None:
        super().__init__()
        self._server = server
        self._number = number
        self._rounds = rounds
        self._random = random.Random(number)
        self.answered = 0
        self.fault: BaseException | None = None

    @override
    def run(self) -> None:
        try:
            client = Client(self._server.address, 30.0)
            for round_ in range(self._rounds):
                if self._random.random() < 0.1:
                    client.close()
                    client = Client(self._server.address, 30.0)
                self._ask(client, f"{self._number}.{round_}")
            client.close()
        except BaseException as error:
            self.fault = error

    def _ask(self, client: Client, name: str) -> None:
        kind, count = self._random.random(), self._random.choice((1, 1, 1, 3))
        names = [f"{name}.{at}" for at in range(count)]
        path = "/sleep?s=0.003" if kind < 0.1 else "/"
        requests = [
            build_request("POST", path + ("&" if "?" in path else "?") + one, body=one.encode()) for one in names
        ]
        if kind < 0.3:
            data = b"".join(requests)
            cut = self._random.randrange(len(data))
            client.send_pieces([data[:cut], data[cut:]])
        else:
            client.send(b"".join(requests))
        for one in names:
            query, _, body = client.read_response().text.partition(" ")
            assert query.rpartition("&")[2] == one, (one, query)
            assert body == one, (one, body)
            self.answered += 1


def test_every_response_is_that_of_its_request() -> None:
    """Many clients, quick and slow requests, pipelined and in pieces: each gets its own answers; all are counted."""
    with serve("--keep-alive", "30") as server:
        callers = [Caller(server, number, 150) for number in range(24)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join(120)
        assert [caller.fault for caller in callers if caller.fault is not None] == []
        worker = status_of(server)
        assert worker["requests"] == worker["status_2xx"] == sum(caller.answered for caller in callers)
        assert worker["in_flight"] == 0
