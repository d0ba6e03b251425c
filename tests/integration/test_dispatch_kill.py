"""Workers that are killed or stopped, while a listener hands out connections or requests."""

import signal
import time

import pytest

from support import processes
from support.client import Client, get
from support.held import FILES, WAIT_S, Crowd, Gate, Load, freeze, is_silent, statuses
from support.server import WORKER_CLASSES, Server

MODES = ("connection", "request")
pytestmark = pytest.mark.slow


def serving(mode: str, worker_class: str, *args: str, workers: int = 2, exit_status: int | None = 0) -> Server:
    """Return a server of `FILES` whose workers can each run one request, where their class can be told so."""
    given = ("--dispatch", mode, "-k", worker_class, "-w", str(workers), *args)
    return Server("app:app", *given, files=FILES, exit_status=exit_status)


def wait_for_all(server: Server, workers: int = 2) -> list[int]:
    """Wait until all serve, by their own word; return their process ids."""
    server.wait_for_log("worker ready", workers)
    assert get(server.address).status == 200
    return server.worker_pids()


def serves_again(server: Server, pid: int, within_s: float) -> bool:
    """Whether worker `pid` answers one of the requests that are made one after another for so long."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        if get(server.address).text == str(pid):
            return True
    return False


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("worker_class", WORKER_CLASSES)
def test_what_a_dead_worker_had_not_received_is_answered_by_others(mode: str, worker_class: str) -> None:
    """Both workers are stopped, requests stand in their channels, one worker is killed: all are answered."""
    with serving(mode, worker_class, exit_status=None) as server, Crowd(server) as crowd:
        stopped, killed = wait_for_all(server)
        assert get(server.address).status == 200
        for pid in (stopped, killed):
            freeze(pid)
        clients = crowd.ask(count=6)
        assert is_silent(clients)
        processes.kill(killed)
        processes.kill(stopped, signal.SIGCONT)
        assert set(statuses(clients)) == {200}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("worker_class", ["sync", "thread"])
def test_a_killed_worker_loses_what_it_was_running_and_no_more(mode: str, worker_class: str) -> None:
    """Its client sees the end at once; those who waited for it are answered."""
    with serving(mode, worker_class, workers=1) as server, Gate(server) as gate, Crowd(server) as crowd:
        wait_for_all(server, 1)
        (running,) = crowd.ask("/held")
        pid = gate.next().pid
        waiting = crowd.ask(count=20)
        freeze(pid)
        assert is_silent((running, *waiting))
        processes.kill(pid)
        assert running.is_closed()
        assert statuses(waiting) == [200] * 20
        server.wait_for_log("request lost", 1)
        assert server.log().count("request lost") == 1


@pytest.mark.parametrize("worker_class", ["sync", "thread"])
def test_kills_under_load_lose_what_ran(worker_class: str) -> None:
    """Each kill loses one request at most, of a class that runs one at a time."""
    with serving("request", worker_class, workers=3) as server:
        wait_for_all(server, 3)
        kills = 6
        with Load(server, 12) as load:
            for number in range(kills):
                victim = server.worker_pids()[number % 2]
                if number % 2:
                    freeze(victim)
                    load.go_on(50)
                processes.kill(victim)
                load.go_on(50)
                server.wait_for_log("worker ready", 3 + number + 1)
                load.go_on(50)
        assert len(load.lost) <= kills
        assert load.reconnects == 0


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("worker_class", WORKER_CLASSES)
def test_a_stopped_worker_gets_nothing_until_it_moves_again(mode: str, worker_class: str) -> None:
    """The other one answers all meanwhile, what stood in its channel included; after SIGCONT it serves again soon."""
    with serving(mode, worker_class) as server:
        stopped, other = wait_for_all(server)
        assert serves_again(server, stopped, 5)
        freeze(stopped)
        begun_at = time.monotonic()
        assert {get(server.address).text for _ in range(30)} == {str(other)}
        took_s = time.monotonic() - begun_at
        processes.kill(stopped, signal.SIGCONT)
        continued_at = time.monotonic()
        assert serves_again(server, stopped, 5)
        print(f"30 answers in {took_s:.3f} s; served again {time.monotonic() - continued_at:.3f} s after SIGCONT")
        assert took_s < 5


def test_a_worker_taken_for_idle_holds_nobody_up() -> None:
    """A client that was slow has its request run at last: who is handed to that worker is answered by another."""
    with serving("request", "sync") as server, Gate(server) as gate:
        wait_for_all(server)
        with Client(server.address, WAIT_S) as slow:
            slow.send(b"POST /held HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na")
            # Not before the listener was told that it is slow.
            assert get(server.address).status == get(server.address).status == 200
            slow.send(b"b")
            held = gate.next()
            begun_at = time.monotonic()
            assert str(held.pid) not in {get(server.address).text for _ in range(20)}
            print(f"20 answers in {time.monotonic() - begun_at:.3f} s")
            held.open()
            assert slow.read_response().status == 200
            assert serves_again(server, held.pid, 5)
