"""Operating a server with a listener: what is refused, what privileges it has, how it grows, shrinks and moves."""

import os
import pathlib
import signal
import socket
import time

import pytest

from support import processes, readable
from support.client import get
from support.held import FILES, WAIT_S, Crowd, Gate, Load, statuses
from support.server import Server, heeler

MODES = ("connection", "request")

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (
            "least-bussy",
            "balancer = 'least-bussy' (command line): no balancer of that name; did you mean least-busy?",
        ),
        ("nonsense", "balancer = 'nonsense' (command line): no balancer of that name"),
        ("no_such_module:choose", "no_such_module"),
        ("os:no_such_name", "no_such_name"),
        ("os:name", "balancer = 'os:name' (command line)"),
        ("os:getpid", "cannot be called with three arguments"),
    ],
)
@pytest.mark.parametrize("command", ["serve", "config"])
def test_a_balancer_that_is_none_is_refused_before_anything_is_bound(command: str, value: str, says: str) -> None:
    """One line, with where it came from; status 78."""
    words = ["config"] if command == "config" else ["hello:app", "-b", "127.0.0.1:0"]
    done = heeler(*words, "--dispatch", "request", "--balancer", value)
    assert done.status == 78
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "serving" not in done.stderr


def test_a_balancer_is_named_where_it_was_set() -> None:
    """In the config module, in the environment; a function will do, one that does not fit will not."""
    done = heeler("config", env={"HEELER_BALANCER": "nonsense"})
    assert done.status == 78
    assert "balancer = 'nonsense' (environment HEELER_BALANCER)" in done.stderr
    conf = "def choose(slots, turn, key):\n    return slots[-1]\n\nbalancer = choose\ndispatch = 'request'\n"
    with Server("app:app", "-w", "2", files=FILES | {"heeler.conf.py": conf}) as server:
        server.wait_for_log("worker ready", 2)
        last = str(server.worker_pids()[-1])
        until = time.monotonic() + WAIT_S
        while get(server.address).text != last:  # the listener hears of it a moment later
            assert time.monotonic() < until
        assert {get(server.address).text for _ in range(10)} == {last}


def test_a_mode_that_is_none_is_refused() -> None:
    """With those that are."""
    done = heeler("config", "--dispatch", "nonsense")
    assert done.status == 78
    assert len(done.stderr.splitlines()) == 1
    for name in ("nonsense", "kernel", "reuseport", "connection", "request"):
        assert name in done.stderr


@pytest.mark.parametrize("mode", MODES)
def test_the_listener_gives_up_root(mode: str) -> None:
    """As the workers do; and it serves, and is replaced, all the same."""
    if os.geteuid() != 0:
        return  # `test_workers_give_up_root` shows what is said then
    args = ("--user", "nobody", "--group", "65534", "--dispatch", mode)
    server = Server("app:app", *args, files=FILES, python=readable.python())
    server.directory.chmod(0o755)
    with server:
        for number in range(2):
            assert get(server.address).status == 200
            (pid,) = server.listener_pids()
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
            fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
            assert set(fields["Uid"].split()) == set(fields["Gid"].split()) == {"65534"}
            if number == 0:
                processes.kill(pid)
                server.wait_for_log("listener died")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("worker_class", ["sync", "asyncio"])
def test_workers_that_are_added_get_work_and_those_taken_away_lose_none(mode: str, worker_class: str) -> None:
    """TTIN and TTOU under load."""
    args = ("-w", "1", "-k", worker_class, "--dispatch", mode)
    with Server("app:app", *args, files=FILES) as server, Load(server, 6, keeps=False) as load:
        for count in (2, 3):
            server.signal(signal.SIGTTIN)
            server.wait_for_log("worker ready", count)
            load.go_on(20)
        served, until = set[str](), time.monotonic() + WAIT_S
        while len(served) < 3 and time.monotonic() < until:  # the listener hears of the third in its own time
            served.add(get(server.address).text)
        assert len(served) == 3
        for count in (1, 2):
            server.signal(signal.SIGTTOU)
            server.wait_for_log("worker exited", count)
            load.go_on(20)
        assert load.lost == []


@pytest.mark.parametrize("mode", MODES)
def test_a_class_that_is_deprecated_says_so_once(mode: str) -> None:
    """By its first worker, though that is not the first child."""
    with Server("app:app", "-k", "eventlet", "-w", "2", "--dispatch", mode, files=FILES) as server:
        server.wait_for_log("worker ready", 2)
        assert server.log().count("worker class deprecated") == 1


@pytest.mark.parametrize("mode", MODES)
def test_a_reload_that_moves_the_address(mode: str) -> None:
    """The listener serves the new one, and what waited at the old one is answered; then that is closed."""
    conf = "bind = {!r}\nworkers = 1\ndispatch = {!r}\n"
    files = FILES | {"heeler.conf.py": conf.format(["unix:one.sock", "unix:both.sock"], mode)}
    with Server("app:app", bind=(), files=files) as server:
        one, two, both = (str(server.directory / f"{name}.sock") for name in ("one", "two", "both"))
        assert get(one).status == get(both).status == 200
        (listener,) = server.listener_pids()
        server.write("heeler.conf.py", conf.format(["unix:two.sock", "unix:both.sock"], mode))
        server.signal(signal.SIGHUP)
        server.wait_for_log("reload done generation=2")
        assert get(two).status == get(both).status == 200
        with socket.socket(socket.AF_UNIX) as late, pytest.raises(OSError):
            late.connect(one)
        assert server.listener_pids() == [listener]


def test_a_listener_without_descriptors_goes_on_once_it_has_some() -> None:
    """It pauses, and turns no faster for that; who came meanwhile is served in the end."""
    with Server("app:app", "--dispatch", "request", "-w", "1", files=FILES) as server, Crowd(server) as crowd:
        assert get(server.address).status == 200
        (pid,) = server.listener_pids()
        with Gate(server) as gate:
            (running,) = crowd.ask("/held")
            held = gate.next()
            used = len(processes.open_descriptors(pid))
            limit = resource_limit(pid, used)
            held.open()
            assert running.read_response().status == 200
            clients = crowd.ask(count=used)
            server.wait_for_log("accept paused")
            resource_limit(pid, limit)
            assert statuses(clients) == [200] * used


def resource_limit(pid: int, files: int) -> int:
    """Limit the descriptors that a process may have; return what it could have before."""
    import resource

    before, most = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (files, most))
    return before
