"""With `dispatch = reuseport` each slot has a socket of its own, and no queue is ever lost."""

import os
import pathlib
import signal
import socket
import time
from collections.abc import Callable

import pytest

from heeler.arbiter.tcp_migration import is_off
from support import held_by_file as held
from support import processes
from support.client import Client, get
from support.load import Load
from support.server import WORKER_CLASSES, Server, heeler

pytestmark = pytest.mark.slow

_QUEUED = 200
_REUSEPORT = ("--dispatch", "reuseport")
_CONFIG = "workers = {workers}\nbind = {bind!r}\ndispatch = 'reuseport'\n"


def _serve(*args: str, files: dict[str, str] | None = None, bind: tuple[str, ...] = ("127.0.0.1:0",)) -> Server:
    return Server("app:app", *_REUSEPORT, *args, files={**held.FILES, **(files or {})}, bind=bind)


def _hold_all(server: Server, count: int) -> list[Client]:
    """Have each of `count` sync workers hold a request; return the clients, some of whom are queued."""
    clients = [held.send(server, "/hold") for _ in range(count * 12)]
    server.wait_for_log("held", count)
    return clients


def _inodes(port: int) -> set[str]:
    """Return the sockets that listen on an IPv4 port of this machine."""
    fields = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {line[9] for line in fields if line[3] == "0A" and int(line[1].rpartition(":")[2], 16) == port}


def _sockets(port: int) -> int:
    """Return how many they are."""
    return len(_inodes(port))


def _held_by(pid: int, port: int) -> int:
    """Return how many of them a process has."""
    links = {f"socket:[{inode}]" for inode in _inodes(port)}
    return sum(what in links for what in processes.open_descriptors(pid).values())


def _wait_until(holds: Callable[[], bool]) -> None:
    """Look until it holds: nobody says when a worker has obeyed the arbiter."""
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline


def _serving_pids(server: Server, count: int) -> set[int]:
    """Return who answers `count` connections, one after another."""
    return {int(get(server.address, "/").text) for _ in range(count)}


# -- binding -----------------------------------------------------------------


def test_each_slot_has_a_socket() -> None:
    """Port 0 is chosen once, and all workers get connections."""
    with _serve("-w", "4") as server:
        server.wait_for_log("worker ready", 4)
        assert _sockets(server.address[1]) == 4
        assert _serving_pids(server, 200) == set(server.worker_pids())
        assert len(server.addresses) == 1
        _wait_until(lambda: [_held_by(pid, server.address[1]) for pid in server.worker_pids()] == [1] * 4)


def test_ipv6_and_ipv4_each_have_a_group() -> None:
    """Both addresses are served by all workers."""
    with _serve("-w", "3", bind=("[::1]:0", "127.0.0.1:0")) as server:
        server.wait_for_log("worker ready", 3)
        for address in server.addresses:
            host, _, port = address.rpartition(":")
            pids = {int(get((host.strip("[]"), int(port)), "/").text) for _ in range(150)}
            assert pids == set(server.worker_pids())


def test_a_port_in_use_is_refused() -> None:
    """Another server of the same user does not join by mistake; its holder is named."""
    with _serve("-w", "2") as server:
        for args in (_REUSEPORT, ()):
            done = heeler("hello:app", *args, "-b", f"127.0.0.1:{server.address[1]}")
            assert done.status == 69
            assert "in use by heeler: " in done.stderr


def test_two_servers_share_a_port_where_both_say_so() -> None:
    """`reuse_port` is Gunicorn's, and means what it means there."""
    with _serve("-w", "2", "--reuse-port") as server:
        bind = (f"127.0.0.1:{server.address[1]}",)
        with _serve("-w", "2", "--reuse-port", bind=bind) as other:
            other.wait_for_log("worker ready", 2)
            assert _sockets(server.address[1]) == 4
            pids = _serving_pids(server, 200)
            assert pids & set(server.worker_pids())
            assert pids & set(other.worker_pids())
            assert ("queues not migrated sysctl=net.ipv4.tcp_migrate_req value=0" in other.log()) is is_off()
        assert _serving_pids(server, 50) <= set(server.worker_pids())


def test_unix_sockets_stay_shared() -> None:
    """They cannot be in a group: one line says so, and all workers accept from them."""
    name = f"@heeler-reuseport-{os.getpid()}"
    with _serve("-w", "2", bind=("127.0.0.1:0", f"unix:{name}")) as server:
        server.wait_for_log(f"sockets shared dispatch=reuseport addresses=unix:{name}\n")
        server.wait_for_log("worker ready", 2)
        served, until = set[int](), time.monotonic() + 10
        while len(served) < 2 and time.monotonic() < until:  # which of them the kernel wakes is its own affair
            served.add(int(get(name, "/").text))
        assert served == set(server.worker_pids())
        assert "WARNING" not in server.log()


def test_inherited_sockets_alone_are_worth_a_warning() -> None:
    """The dispatch does nothing then; the server serves as with `kernel`."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        fd = sock.fileno()
        args = (*_REUSEPORT, "-w", "2")
        with Server("app:app", *args, bind=(f"fd://{fd}",), pass_fds=(fd,), files=held.FILES) as server:
            server.wait_for_log("sockets shared dispatch=reuseport")
            assert "WARNING" in server.log()
            assert get(server.address, "/").status == 200


# -- queues outlive workers --------------------------------------------------


@pytest.mark.parametrize("how", ["TTOU", "HUP"])
def test_what_is_queued_is_answered_when_slots_go_away(how: str) -> None:
    """200 connections wait on the sockets of four busy workers, three of whom leave for good: all are answered."""
    config = _CONFIG.format(workers=4, bind="127.0.0.1:0")
    with _serve(files={"heeler.conf.py": config}) as server:
        server.wait_for_log("worker ready", 4)
        clients = _hold_all(server, 4)
        clients += [held.send(server, "/") for _ in range(_QUEUED)]
        if how == "TTOU":
            for left in (3, 2, 1):
                server.signal(signal.SIGTTOU)
                server.wait_for_log(f"workers changed workers={left}")
        else:
            server.write("heeler.conf.py", config.replace("workers = 4", "workers = 1"))
            server.signal(signal.SIGHUP)
            server.wait_for_log("workers changed workers=1")
        held.open_gate(server)
        pids = {held.answer(client) for client in clients}
        assert len(pids) >= 1
        server.wait_for_log("worker exited", 3)
        # Connections still come to the sockets of all four slots.
        assert _serving_pids(server, 100) == set(server.worker_pids())
        (pid,) = server.worker_pids()
        assert _held_by(pid, server.address[1]) == 4  # the kernel deals to all of them, and it has answered


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_what_is_queued_is_answered_when_a_worker_goes(number: signal.Signals) -> None:
    """Nothing is lost but what a worker was running that did not get to end it."""
    with _serve("-w", "4") as server:
        server.wait_for_log("worker ready", 4)
        clients = _hold_all(server, 4)
        clients += [held.send(server, "/") for _ in range(_QUEUED)]
        before = server.worker_pids()
        for pid in before[:2]:
            processes.kill(pid, number)
        if number is not signal.SIGTERM:
            server.wait_for_log("worker died", 2)
        held.open_gate(server)
        lost = 0
        for client in clients:
            try:
                held.answer(client)
            except (EOFError, OSError):
                lost += 1
        assert lost == (0 if number is signal.SIGTERM else 2)
        server.wait_for_log("worker ready", 6)


def test_what_is_queued_is_answered_by_a_stop() -> None:
    """TERM to the server: each socket's queue is served to its end, by the only worker that is left too."""
    with _serve("-w", "3") as server:
        server.wait_for_log("worker ready", 3)
        server.signal(signal.SIGTTOU)
        server.wait_for_log("worker exited")
        clients = _hold_all(server, 2)
        clients += [held.send(server, "/") for _ in range(_QUEUED)]
        server.signal(signal.SIGTERM)
        server.wait_for_log("stopping")
        held.open_gate(server)
        for client in clients:
            held.answer(client)
        assert server.wait() == 0


def test_what_is_queued_is_answered_when_the_arbiter_is_killed() -> None:
    """The orphans serve what waits on the sockets of their own, and on those that were lent to them."""
    with _serve("-w", "3") as server:
        server.wait_for_log("worker ready", 3)
        server.signal(signal.SIGTTOU)
        server.wait_for_log("worker exited")
        clients = _hold_all(server, 2)
        clients += [held.send(server, "/") for _ in range(_QUEUED)]
        server.signal(signal.SIGKILL)
        server.wait()
        held.open_gate(server)
        for client in clients:
            held.answer(client)


# -- vacant slots ------------------------------------------------------------

_DELICATE = {"app.py": "import os\nif os.path.exists('broken'):\n    raise RuntimeError\n" + held.FILES["app.py"]}


def test_nobody_waits_for_a_worker_that_does_not_boot() -> None:
    """A worker dies, and the code on disk is broken by now: those whom the kernel deals to its slot are answered."""
    with Server("app:app", *_REUSEPORT, "-w", "4", files=_DELICATE, tracebacks=True) as server:
        server.wait_for_log("worker ready", 4)
        server.write("broken", "")
        gone, *left = server.worker_pids()
        processes.kill(gone, signal.SIGKILL)
        server.wait_for_log("worker boot failed")
        assert {int(get(server.address, "/").text) for _ in range(200)} == set(left)
        server.signal(signal.SIGTTIN)
        server.wait_for_log("workers changed workers=5")
        assert {int(get(server.address, "/").text) for _ in range(200)} == set(left)
        (server.directory / "broken").unlink()
        server.wait_for_log("worker ready", 6)
        assert _serving_pids(server, 300) == set(server.worker_pids())
        _wait_until(lambda: [_held_by(pid, server.address[1]) for pid in server.worker_pids()] == [1] * 5)


_FORKING = """
import os, time

def app(environ, start_response):
    if environ["PATH_INFO"] == "/fork" and os.fork() == 0:
        while not os.path.exists("gate"):
            time.sleep(0.01)
        os._exit(0)
    start_response("200 OK", [])
    return [str(os.getpid()).encode()]
"""


@pytest.mark.parametrize("worker_class", [None, "sync", "thread"])
def test_what_the_application_forks_keeps_no_borrowed_socket(worker_class: str | None) -> None:
    """A worker serves a socket of a slot that is gone, and forks: the server stops, and so the port is free."""
    args = ("-k", worker_class) if worker_class else ()
    with _serve("-w", "2", *args, files={"app.py": _FORKING}) as server:
        server.wait_for_log("worker ready", 2)
        server.signal(signal.SIGTTOU)
        server.wait_for_log("worker exited")
        assert get(server.address, "/fork").status == 200
        assert server.stop() == 0
        assert _sockets(server.address[1]) == 0
        held.open_gate(server)


def test_sockets_follow_the_number_of_workers() -> None:
    """TTIN binds one more where there has not been one; TTOU keeps it, and the next TTIN uses it again."""
    with _serve("-w", "1") as server:
        port = server.address[1]
        ready = 1
        for count, sockets in ((2, 2), (3, 3), (2, 3), (1, 3), (2, 3), (3, 3), (4, 4)):
            before = len(server.worker_pids())
            if count > before:
                server.signal(signal.SIGTTIN)
                ready += 1
                server.wait_for_log("worker ready", ready)
            else:
                exited = server.log().count("worker exited")
                server.signal(signal.SIGTTOU)
                server.wait_for_log("worker exited", exited + 1)
            assert _sockets(port) == sockets
            assert _serving_pids(server, 60 * count) == set(server.worker_pids())
            assert len(server.worker_pids()) == count


def test_borrowed_sockets_leave_no_descriptors() -> None:
    """A worker that has borrowed and given back as often as you like holds what it held before."""
    with _serve("-w", "1") as server:
        (first,) = server.worker_pids()
        server.signal(signal.SIGTTIN)
        server.wait_for_log("worker ready", 2)
        before: dict[int, int] = {}
        for turn in range(3, 9):
            (other,) = set(server.worker_pids()) - {first}
            processes.kill(other, signal.SIGKILL)
            server.wait_for_log("worker ready", turn, timeout_s=30)
            assert get(server.address, "/").status == 200
            _wait_until(lambda: _held_by(first, server.address[1]) == 1)
            _wait_until(lambda: held.workers(server)[first]["connections"] == 0)
            if turn == 3:
                before = {pid: len(processes.open_descriptors(pid)) for pid in (first, server.pid)}
        assert {pid: len(processes.open_descriptors(pid)) for pid in (first, server.pid)} == before


# -- reload ------------------------------------------------------------------


def test_reload_binds_another_address() -> None:
    """The new address has a socket for each slot; the old one is gone once the reload is done."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with _serve(files={"heeler.conf.py": _CONFIG.format(workers=2, bind="127.0.0.1:0")}, bind=()) as server:
        server.wait_for_log("worker ready", 2)
        old = server.address[1]
        server.write("heeler.conf.py", _CONFIG.format(workers=3, bind=f"127.0.0.1:{port}"))
        server.signal(signal.SIGHUP)
        server.wait_for_log("reload done")
        assert (_sockets(port), _sockets(old)) == (3, 0)
        pids = {int(get(("127.0.0.1", port), "/").text) for _ in range(150)}
        assert pids == set(server.worker_pids())


def test_reload_that_fails_gives_the_new_address_back() -> None:
    """The old one is served on, by all its sockets."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    files = {**_DELICATE, "heeler.conf.py": _CONFIG.format(workers=2, bind="127.0.0.1:0")}
    with Server("app:app", files=files, bind=(), tracebacks=True) as server:
        server.wait_for_log("worker ready", 2)
        server.write("broken", "")
        server.write("heeler.conf.py", _CONFIG.format(workers=3, bind=f"127.0.0.1:{port}"))
        server.signal(signal.SIGHUP)
        server.wait_for_log("reload failed")
        assert _sockets(server.address[1]) == 2
        server.wait_for_log("worker exited")
        assert _sockets(port) == 0
        assert _serving_pids(server, 100) == set(server.worker_pids())


# -- under load --------------------------------------------------------------


@pytest.mark.parametrize("worker_class", WORKER_CLASSES)
def test_reload_and_recycling_under_load_lose_nothing(worker_class: str) -> None:
    """HUP, and workers that retire after 50 requests: every request is answered."""
    with _serve("-w", "3", "-k", worker_class, "--max-requests", "50") as server:
        server.wait_for_log("worker ready", 3)
        with Load(server, keeping=4) as load:
            for generation in (2, 3):
                server.signal(signal.SIGHUP)
                server.wait_for_log(f"reload done generation={generation}", timeout_s=30)
            server.wait_for_log("worker retires", 3, timeout_s=30)
        assert load.lost == []


@pytest.mark.parametrize("worker_class", WORKER_CLASSES)
def test_more_and_fewer_workers_under_load_lose_nothing(worker_class: str) -> None:
    """TTIN, TTOU, and TERM to a worker that the arbiter knows nothing of."""
    with _serve("-w", "2", "-k", worker_class) as server:
        server.wait_for_log("worker ready", 2)
        with Load(server, keeping=4) as load:
            for turn in range(1, 4):
                server.signal(signal.SIGTTIN)
                server.wait_for_log("worker ready", 1 + 2 * turn)
                server.signal(signal.SIGTTOU)
                server.wait_for_log("worker exited", turn)
                processes.kill(server.worker_pids()[-1], signal.SIGTERM)
                server.wait_for_log("worker ready", 2 + 2 * turn)
                load.go_on(50)
        assert load.lost == []


def test_killed_workers_under_load_lose_what_they_run() -> None:
    """KILL to one of three, five times: of 100 new connections a second one each is lost at most."""
    with _serve("-w", "3") as server:
        server.wait_for_log("worker ready", 3)
        with Load(server, keeping=0) as load:
            for turn in range(1, 6):
                processes.kill(server.worker_pids()[0], signal.SIGKILL)
                server.wait_for_log("worker ready", 3 + turn, timeout_s=30)
        assert len(load.lost) <= 5, load.lost
