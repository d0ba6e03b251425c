"""With --preload: a mold loads the application once, and workers are forked from it."""

import json
import os
import signal

import pytest

from heeler.plugins.conformance.server import StartError
from support import processes, readable
from support.client import Client, get
from support.reexec import Line
from support.server import WORKER_CLASSES, Server, heeler

pytestmark = pytest.mark.slow

END_S = 20.0

APP = """\
import os

with open("loads.txt", "a") as file:
    file.write(f"{os.getpid()} {os.getuid()}\\n")
LOADED_BY = os.getpid()

def app(environ, start_response):
    start_response("200 OK", [])
    return [f"{VERSION} {LOADED_BY} {os.getpid()} {os.getppid()}".encode()]
"""
FIRST = "VERSION = 'first'\n" + APP
SECOND = "VERSION = 'second'\n" + APP


def loads(server: Server) -> list[int]:
    """Who has loaded the application, in that order."""
    return [int(line.split()[0]) for line in (server.directory / "loads.txt").read_text().splitlines()]


def serving(server: Server) -> tuple[str, int, int, int]:
    """Which code answers, who has loaded it, who answers, and whose child that is."""
    version, loaded_by, pid, parent = get(server.address).body.decode().split()
    return version, int(loaded_by), int(pid), int(parent)


@pytest.mark.parametrize(
    ("worker_class", "dispatch"),
    [
        *((name, "kernel") for name in WORKER_CLASSES),
        *(("thread", "reuseport"), ("gevent", "connection"), ("sync", "request"), ("asyncio", "request")),
    ],
)
def test_workers_serve_what_the_mold_has_loaded(worker_class: str, dispatch: str) -> None:
    """In each worker class and dispatch the application is loaded once, by the mold; workers are the arbiter's."""
    options = ("-k", worker_class, "--dispatch", dispatch, "-w", "2", "--preload")
    with Server("app:app", *options, files={"app.py": FIRST}) as server:
        server.wait_for_log("worker ready", 2)
        (mold,) = server.mold_pids()
        version, loaded_by, pid, parent = serving(server)
        assert (version, loaded_by, parent) == ("first", mold, server.pid)
        assert pid in server.worker_pids()
        assert len(server.worker_pids()) == 2
        assert loads(server) == [mold]
        server.signal(signal.SIGTERM)
        server.wait_for_log("stopped")
        assert "mold exited" in server.log()


def test_a_worker_has_nothing_of_the_mold_but_what_it_needs() -> None:
    """The mold holds no listening socket, and no other child's channel; a worker holds what one without a mold does."""
    held = []
    for options in ((), ("--preload",)):
        with Server("app:app", "-w", "2", *options, files={"app.py": FIRST}) as server:
            server.wait_for_log("worker ready", 2)
            held.append([_kinds(pid) for pid in sorted(server.worker_pids())])
            for mold in server.mold_pids():
                assert _kinds(mold).count("socket") == 1
    plain, molded = held
    assert molded[0] == molded[1]
    # One that the arbiter has forked has copies of nothing else, either.
    assert molded == plain


def _kinds(pid: int) -> list[str]:
    """What a process holds, without the numbers that make each unique."""
    return sorted(link.partition(":[")[0] for link in processes.open_descriptors(pid).values())


def test_a_reload_makes_a_new_mold() -> None:
    """HUP: the new code is loaded once, by a mold of its own; the old one is gone with its workers."""
    with Server("app:app", "-w", "2", "--preload", files={"app.py": FIRST}) as server:
        server.wait_for_log("worker ready", 2)
        (before,) = server.mold_pids()
        server.write("app.py", SECOND)
        server.signal(signal.SIGHUP)
        server.wait_for_log("reload done generation=2")
        version, loaded_by, _, parent = serving(server)
        assert processes.wait_ended([before], END_S) == []
        assert (version, [loaded_by], parent) == ("second", server.mold_pids(), server.pid)
        assert loads(server) == [before, loaded_by]


@pytest.mark.parametrize("broken", ["def app(:\n", "raise SystemExit(1)\n", "import os\nos._exit(9)\n"])
def test_code_that_does_not_load_leaves_mold_and_workers(broken: str) -> None:
    """HUP with an application that raises or crashes in its import: the old mold still makes the workers."""
    with Server("app:app", "-w", "2", "--preload", files={"app.py": FIRST}, tracebacks=True) as server:
        server.wait_for_log("worker ready", 2)
        (mold,), workers = server.mold_pids(), server.worker_pids()
        server.write("app.py", broken)
        server.signal(signal.SIGHUP)
        server.wait_for_log("reload failed generation=2")
        assert set(workers) <= set(server.worker_pids())
        processes.kill(workers[0])
        server.wait_for_log("worker ready", 3)
        assert serving(server)[:2] == ("first", mold)


def test_a_hang_in_the_import_ends_at_boot_timeout() -> None:
    """The mold of a reload that hangs is killed with its stacks in the log, and the old code serves on."""
    options = ("-w", "1", "--preload", "--boot-timeout", "1")
    with Server("app:app", *options, files={"app.py": FIRST}) as server:
        (mold,) = server.mold_pids()
        server.write("app.py", "import threading\nthreading.Event().wait()\n")
        server.signal(signal.SIGHUP)
        server.wait_for_log("mold boot timeout slot=1 generation=2")
        server.wait_for_log("reload failed generation=2")
        server.wait_for_log("mold exited slot=1 generation=2")
        assert 'File "' in server.log()
        assert server.mold_pids() == [mold]
        assert serving(server)[0] == "first"


def test_a_first_start_that_fails_shows_the_traceback() -> None:
    """The application's own words and nothing else, with the status that a worker's failure has."""
    with pytest.raises(StartError) as failed:
        Server("app:app", "-w", "2", "--preload", files={"app.py": "1 / 0\n"}, exit_status=3).__enter__()
    assert "ZeroDivisionError" in str(failed.value)


@pytest.mark.parametrize("worker_class", ["sync", "gevent"])
def test_a_mold_that_is_killed_is_replaced(worker_class: str) -> None:
    """Its workers serve on, and those that die later come from the next one."""
    with Server("app:app", "-w", "2", "-k", worker_class, "--preload", files={"app.py": FIRST}) as server:
        server.wait_for_log("worker ready", 2)
        (mold,), workers = server.mold_pids(), server.worker_pids()
        processes.kill(mold)
        server.wait_for_log("mold ready", 1)
        assert server.worker_pids() == workers
        (successor,) = server.mold_pids()
        for pid in workers:
            processes.kill(pid)
        server.wait_for_log("worker ready", 4)
        assert serving(server)[1] == successor


def test_a_worker_that_retires_is_replaced_from_the_mold() -> None:
    """max_requests: the application is not loaded again."""
    with Server("app:app", "-w", "1", "--preload", "--max-requests", "2", files={"app.py": FIRST}) as server:
        pids = {serving(server)[2] for _ in range(2)}
        server.wait_for_log("worker ready", 2)
        server.wait_for_log("worker exited")
        assert serving(server)[2] not in pids
        assert loads(server) == server.mold_pids()


def test_more_workers_come_from_the_mold_and_fewer_leave_it() -> None:
    """TTIN and TTOU."""
    with Server("app:app", "-w", "1", "--preload", files={"app.py": FIRST}) as server:
        server.signal(signal.SIGTTIN)
        server.wait_for_log("worker ready", 2)
        server.signal(signal.SIGTTOU)
        server.wait_for_log("worker exited")
        assert loads(server) == server.mold_pids()


@pytest.mark.parametrize(
    ("number", "is_stuck"),
    [(signal.SIGINT, False), (signal.SIGQUIT, False), (signal.SIGTERM, True), (signal.SIGINT, True)],
)
def test_every_stop_ends_the_mold(number: signal.Signals, is_stuck: bool) -> None:
    """TERM, INT and QUIT, also where the mold does not move."""
    with Server("app:app", "-w", "1", "--preload", files={"app.py": FIRST}) as server:
        (mold,) = server.mold_pids()
        if is_stuck:
            os.kill(mold, signal.SIGSTOP)
        server.signal(number)
        server.wait_for_log("stopped")
        assert not processes.is_alive(mold)


def test_orders_to_a_mold_that_does_not_move_are_withdrawn() -> None:
    """A worker that was ordered and never forked is given up at its deadline, and with it the mold."""
    options = ("-w", "1", "--preload", "--boot-timeout", "1")
    with Server("app:app", *options, files={"app.py": FIRST}) as server:
        (mold,), (worker,) = server.mold_pids(), server.worker_pids()
        os.kill(mold, signal.SIGSTOP)
        processes.kill(worker)
        server.wait_for_log("worker boot timeout")
        server.wait_for_log("worker killed")
        os.kill(mold, signal.SIGCONT)  # it has been sent ABRT
        server.wait_for_log("mold died")
        server.wait_for_log("worker ready", 2)
        assert serving(server)[0] == "first"
        assert len(server.worker_pids()) == 1


def test_nobody_outlives_the_arbiter() -> None:
    """KILL of the arbiter: mold and workers end by themselves."""
    with Server("app:app", "-w", "2", "--preload", files={"app.py": FIRST}, exit_status=-9) as server:
        server.wait_for_log("worker ready", 2)
        family = server.mold_pids() + server.worker_pids()
        server.signal(signal.SIGKILL)
        assert processes.wait_ended(family, END_S) == []


def test_a_re_exec_makes_a_mold_of_its_own() -> None:
    """USR2: the new arbiter's workers come from its own mold, and the old one's are all gone."""
    files = {"app.py": FIRST, "heeler.conf.py": "workers = 1\npreload_app = True\n"}
    with Server("app:app", files=files) as server, Line(server) as line:
        (before,) = server.mold_pids()
        server.write("app.py", SECOND)
        line.replace()
        assert processes.wait_ended([before], END_S) == []
        version, loaded_by, _, parent = serving(server)
        assert version == "second"
        assert loaded_by in processes.children_of(parent)
        assert parent != server.pid


HOOKS = """\
import os, sys

def note(*words):
    with open("hooks.txt", "a") as file:
        file.write(" ".join(map(str, words)) + "\\n")

def pre_fork(server, worker):
        note("pre_fork", os.getpid(), "app" in sys.modules, worker.slot, worker.pid)

def post_fork(server, worker):
    note("post_fork", os.getpid(), server.pid, worker.ppid)

def post_worker_init(worker):
    note("post_worker_init", os.getpid(), worker.application.target)

def child_exit(server, worker):
    note("child_exit", os.getpid(), worker.pid)
"""


def test_hooks_are_called_where_they_are_of_use() -> None:
    """pre_fork in the mold, which has the application; post_fork in the worker; child_exit in the arbiter."""
    files = {"app.py": FIRST, "heeler.conf.py": HOOKS}
    with Server("app:app", "-w", "1", "--preload", files=files) as server:
        (mold,), (worker,), arbiter = server.mold_pids(), server.worker_pids(), server.pid
        server.signal(signal.SIGTERM)
        server.wait_for_log("stopped")
        assert (server.directory / "hooks.txt").read_text().splitlines() == [
            f"pre_fork {mold} True 1 0",
            f"post_fork {worker} {arbiter} {arbiter}",
            f"post_worker_init {worker} app:app",
            f"child_exit {arbiter} {worker}",
        ]


THREADS = """\
import threading

for name in ("poller", "sender"):
    threading.Thread(target=threading.Event().wait, name=name, daemon=True).start()
"""


def test_threads_that_workers_do_not_get_are_named() -> None:
    """A thread that the import has started is told of once, by name; workers serve without it."""
    with Server("app:app", "-w", "2", "--preload", files={"app.py": THREADS + FIRST}) as server:
        server.wait_for_log("worker ready", 2)
        server.signal(signal.SIGTTIN)
        server.wait_for_log("worker ready", 3)
        assert 'threads stay in the mold threads="poller, sender" unnamed=0' in server.log()
        assert server.log().count("threads stay in the mold") == 1
        assert serving(server)[0] == "first"


PATCHED = """\
import socket
LOADED = socket.socket.__module__.partition(".")[0]

def app(environ, start_response):
    start_response("200 OK", [])
    return [LOADED.encode()]
"""


@pytest.mark.parametrize("worker_class", ["gevent", "eventlet"])
def test_the_application_is_loaded_patched(worker_class: str) -> None:
    """A class that patches the standard library does so in the mold, before the application is imported."""
    with Server("app:app", "-k", worker_class, "--preload", files={"app.py": PATCHED}) as server:
        assert get(server.address).body.decode() == worker_class


GREENLETS = """\
import gevent
TICKS = []

def tick():
    while True:
        TICKS.append(1)
        gevent.sleep(0.01)

gevent.spawn(tick)
gevent.sleep(0)

def app(environ, start_response):
    seen = len(TICKS)
    while len(TICKS) < seen + 3:
        gevent.sleep(0.01)
    start_response("200 OK", [])
    return [b"ticks"]
"""


def test_greenlets_of_the_import_run_in_each_worker() -> None:
    """A hub that the import has begun to use is renewed after the fork, and its greenlets go on."""
    with Server("app:app", "-k", "gevent", "-w", "2", "--preload", files={"app.py": GREENLETS}) as server:
        server.wait_for_log("worker ready", 2)
        assert [get(server.address).body for _ in range(4)] == [b"ticks"] * 4
        assert "threads stay" not in server.log()


POSSESSIONS = """\
import atexit, os, tempfile

KEPT = tempfile.TemporaryDirectory()
atexit.register(lambda: print("bye", os.getpid(), flush=True))

def app(environ, start_response):
    start_response("200 OK", [])
    return [str(os.path.isdir(KEPT.name)).encode(), b" ", KEPT.name.encode()]
"""


def test_what_the_import_has_made_lasts_as_long_as_the_mold() -> None:
    """A temporary directory is not removed by the first worker that ends; exit handlers run in each process."""
    with Server("app:app", "-w", "1", "--preload", files={"app.py": POSSESSIONS}) as server:
        (mold,), (worker,) = server.mold_pids(), server.worker_pids()
        os.kill(worker, signal.SIGTERM)
        server.wait_for_log("worker died")
        server.wait_for_log("worker ready", 2)
        there, _, name = get(server.address).body.decode().partition(" ")
        assert there == "True"
        server.signal(signal.SIGTERM)
        server.wait_for_log("stopped")
        assert not os.path.exists(name)
        assert f"bye {worker}\n" in server.stdout()
        assert f"bye {mold}\n" in server.stdout()


def test_status_shows_the_mold() -> None:
    """With its own line, by its role."""
    with Server("app:app", "-w", "1", "--preload", files={"app.py": FIRST}) as server:
        (mold,) = server.mold_pids()
        found = json.loads(heeler("status", "--pid", str(server.pid), "--json").stdout)
        (shown,) = [child for child in found["children"] if child["role"] == "mold"]
        assert (shown["pid"], shown["state"], shown["generation"]) == (mold, "ready", 1)
        assert heeler("status", "--pid", str(server.pid)).stdout.count("\nmold ") == 1


def test_the_mold_opens_its_logs_again() -> None:
    """USR1: workers that are forked later write the new files."""
    files = {"app.py": FIRST}
    with Server("app:app", "-w", "1", "--preload", "--access-logfile", "access.log", files=files) as server:
        path = server.directory / "access.log"
        path.rename(server.directory / "access.log.1")
        server.signal(signal.SIGUSR1)
        server.wait_for_log("logs reopened")
        (worker,) = server.worker_pids()
        processes.kill(worker)
        server.wait_for_log("worker ready", 2)
        serving(server)
        server.signal(signal.SIGTERM)
        server.wait_for_log("stopped")
        assert path.read_text().count("GET /") == 1


def test_the_application_is_loaded_as_the_user_of_the_workers() -> None:
    """Root's rights are given up before any code of the application runs; who is not root keeps its own."""
    other = os.geteuid() == 0
    options = ("-w", "1", "--preload", *(("--user", "65534") if other else ()))
    server = Server("app:app", *options, files={"app.py": FIRST}, python=readable.python())
    server.directory.chmod(0o777)
    with server:
        assert serving(server)[0] == "first"
        (line,) = (server.directory / "loads.txt").read_text().splitlines()
        assert int(line.split()[1]) == (65534 if other else os.getuid())


WARMING = """\
import os, tempfile

WARM = []
KEPT = tempfile.TemporaryDirectory()

def app(environ, start_response):
    if environ["PATH_INFO"] == "/warm":
        WARM.append(os.getpid())
    start_response("200 OK", [])
    return [" ".join(map(str, [os.path.isdir(KEPT.name), *WARM])).encode()]
"""


@pytest.mark.parametrize("worker_class", ["sync", "auto"])
def test_a_warm_worker_becomes_the_next_mold(worker_class: str) -> None:
    """After so many requests: all workers have then what it has made, and it was replaced first."""
    options = ("-k", worker_class, "-w", "2", "--preload", "--refork-after", "3,2,0")
    with Server("app:app", *options, files={"app.py": WARMING}) as server:
        server.wait_for_log("worker ready", 2)
        (mold,) = server.mold_pids()
        first = _warm_up(server, 3)
        server.wait_for_log("worker ready", 5)  # one for the warm one, two from the new mold
        server.wait_for_log("worker exited", 3)
        assert processes.wait_ended([mold], END_S) == []
        (second_mold,) = server.mold_pids()
        assert get(server.address, "/").body.split() == [b"True", *[str(first).encode()] * 3]
        held = _kinds(second_mold)
        _warm_up(server, 2)
        server.wait_for_log("worker ready", 8)
        server.wait_for_log("worker exited", 6)
        assert processes.wait_ended([second_mold], END_S) == []
        (third_mold,) = server.mold_pids()
        assert _kinds(third_mold) == held, "each mold leaves its descriptors to the next"
        assert held.count("socket") == 1
        assert server.log().count("worker retires") == 6
        server.signal(signal.SIGTERM)
        server.wait_for_log("stopped")


def _warm_up(server: Server, requests: int) -> int:
    """Have one worker serve that many requests, over one connection; return its process id."""
    with Client(server.address) as client:
        for _ in range(requests):
            pid = client.request("GET", "/warm").body.split()[-1]
    return int(pid)


def test_a_worker_with_threads_becomes_no_mold() -> None:
    """What its threads hold, no other process would ever let go of: it ends, and the mold that there is stays."""
    app = WARMING.replace(
        "WARM.append(os.getpid())", "threading.Thread(target=threading.Event().wait, daemon=True).start()"
    )
    options = ("-w", "1", "--preload", "--refork-after", "1")
    with Server("app:app", *options, files={"app.py": "import threading\n" + app}) as server:
        (mold,) = server.mold_pids()
        get(server.address, "/warm")
        server.wait_for_log("refork refused threads=")
        server.wait_for_log("refork failed")
        server.wait_for_log("worker exited")
        assert server.mold_pids() == [mold]
        assert get(server.address, "/").status == 200


@pytest.mark.parametrize("worker_class", ["thread", "gevent", "eventlet", "asyncio"])
def test_a_class_that_cannot_refork_says_so(worker_class: str) -> None:
    """Before anything is bound."""
    done = heeler("hello:app", "-k", worker_class, "--preload", "--refork-after", "10")
    assert done.status == 78
    assert f"a worker of the class '{worker_class}' cannot become a mold" in done.stderr
