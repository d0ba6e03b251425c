"""What the system does to a server: no more processes, everybody stopped for a while."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from support import processes
from support.client import get
from support.gate import FILES
from support.server import Server

_UID = 54322
"""No other test runs as this user: the system counts processes by user."""
_AS_USER = ("setpriv", "--reuid", str(_UID), "--regid", str(_UID), "--clear-groups")
# The one capability lets it read an interpreter that lies in somebody's home.
_READING = ("--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search", "--")
_BOOTS_SLOWLY = """\
import os, sys

if os.path.exists("gate"):
    print("booting", file=sys.stderr, flush=True)
    os.read(os.open("gate", os.O_RDONLY), 1)

def app(environ, start_response):
    start_response("200 OK", [])
    return [b"ok"]
"""


def test_a_fork_that_the_system_refuses_is_tried_again() -> None:
    """EAGAIN from fork(2) is logged, leaves no descriptor behind, and the worker comes a moment later."""
    launcher = (
        "import errno, os, runpy, sys\n"
        "fork, refusals = os.fork, [1, 2]\n"
        "def refuse():\n"
        "    if refusals.pop():\n"
        "        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))\n"
        "    return fork()\n"
        "os.fork = refuse\n"
        "refusals.insert(0, 0)\n"
        "sys.argv[:] = ['heeler', *sys.argv[3:]]\n"
        "runpy.run_module('heeler', run_name='__main__')\n"
    )
    with Server("hello:app", python=(sys.executable, "-c", launcher)) as server:
        assert server.log().count("fork failed slot=1") == 2
        assert get(server.address).status == 200
        sockets = [link for link in processes.open_descriptors(server.pid).values() if link.startswith("socket:")]
        assert len(sockets) == 2, "one to listen, one to talk to the worker"


def test_no_more_processes_for_this_user() -> None:
    """RLIMIT_NPROC: those who could be forked serve on, and the others come once there is room for them."""
    python = ("prlimit", "--nproc=3", *_AS_USER, *_READING, sys.executable)
    with _one_process() as other, Server("hello:app", "-w", "2", python=python) as server:
        server.wait_for_log("fork failed slot=2")
        assert 'reason="Resource temporarily unavailable"' in server.log()
        assert get(server.address).status == 200
        other.kill()
        other.wait()  # a zombie counts too
        server.wait_for_log("worker ready slot=2")
        assert len(server.worker_pids()) == 2
        assert server.log().count("fork failed") <= 6, "there are pauses in between"


@contextlib.contextmanager
def _one_process() -> Iterator[subprocess.Popen[bytes]]:
    """A process of the same user that has nothing to do."""
    with subprocess.Popen((*_AS_USER, "cat"), stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


@pytest.mark.slow
@pytest.mark.parametrize("everybody", [False, True], ids=["arbiter alone", "everybody"])
def test_nobody_is_blamed_for_the_time_that_the_arbiter_was_stopped(everybody: bool) -> None:
    """STOP for longer than `timeout` and `boot_timeout`, then CONT: workers serve on, and a boot goes on."""
    args = ("-w", "2", "--timeout", "1", "--boot-timeout", "1")
    with Server("app:app", *args, files={"app.py": _BOOTS_SLOWLY}) as server:
        server.wait_for_log("worker ready", 2)
        before = server.worker_pids()
        gate = _open_pipe(server)
        server.signal(signal.SIGTTIN)
        server.wait_for_log("booting")
        stopped = [server.pid, *(server.worker_pids() if everybody else ())]
        for pid in stopped:
            processes.kill(pid, signal.SIGSTOP)
        # Not a wait for anything in the server: this is how long it is stopped.
        assert processes.wait_ended([server.pid], 3.0) == [server.pid]
        for pid in reversed(stopped):
            processes.kill(pid, signal.SIGCONT)
        os.write(gate, b"x")
        server.wait_for_log("worker ready slot=3")
        assert get(server.address).body == b"ok"
        assert set(before) <= set(server.worker_pids())
        assert "timeout" not in server.log()
        os.close(gate)


def test_nobody_is_blamed_for_the_time_of_a_slow_hook() -> None:
    """`child_exit` keeps the arbiter for longer than `boot_timeout`: a boot under way goes on."""
    conf = "import time\ndef child_exit(server, worker):\n    time.sleep(2)\n"
    args = ("-w", "2", "--boot-timeout", "1", "-c", "slow_hook.conf.py")
    with Server("app:app", *args, files={"app.py": _BOOTS_SLOWLY, "slow_hook.conf.py": conf}) as server:
        server.wait_for_log("worker ready", 2)
        gate = _open_pipe(server)
        server.signal(signal.SIGTTIN)
        server.wait_for_log("booting")
        processes.kill(server.worker_pids()[0], signal.SIGKILL)
        server.wait_for_log("worker died")
        os.write(gate, b"xx")  # for the third, and for the one in the killed one's place
        server.wait_for_log("worker ready", 4)
        assert "timeout" not in server.log()
        os.close(gate)


def test_a_stopped_worker_is_replaced() -> None:
    """STOP of one worker alone is silence like any other."""
    with Server("app:app", "-w", "1", "--timeout", "1", files=FILES, tracebacks=True) as server:
        (before,) = server.worker_pids()
        processes.kill(before, signal.SIGSTOP)
        server.wait_for_log("worker timeout")
        server.wait_for_log("worker ready", 2)
        server.wait_for_log("worker killed")
        assert get(server.address).status == 200


def _open_pipe(server: Server) -> int:
    """Make what `_BOOTS_SLOWLY` waits for; whoever comes late finds what was written."""
    path = server.directory / "gate"
    os.mkfifo(path)
    return os.open(path, os.O_RDWR)
