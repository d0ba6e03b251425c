"""Heeler as process 1, and behind a shell that is process 1: in a namespace of its own, as in a container."""

import os
import pathlib
import signal
import subprocess
import sys

import pytest

from support import namespace, processes
from support.client import Client, get
from support.gate import FILES, Waiting
from support.server import WORKER_CLASSES, Finished, Server, environment, heeler

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not namespace.is_possible(), reason="no namespace of process ids may be made here"),
]

_SCALES = {**FILES, "heeler.conf.py": "workers_min, workers_max = 1, 4\n"}
_UNDER_ANOTHER_VERSION = """\
import os, struct, subprocess, sys

fd = os.memfd_create("heeler-scoreboard")
os.write(fd, struct.pack("QQ", int.from_bytes(b"HEELER", "little"), 1).ljust(8192, b"\\0"))
sys.exit(subprocess.call(sys.argv[1:], close_fds=False))
"""
"""Stands for an arbiter of another version, whose place the server is about to take."""
_ORPHANS = {
    "app.py": """\
import os, signal, sys, threading

def leave_an_orphan(end):
    reader, writer = os.pipe()
    if os.fork() == 0:
        if os.fork() == 0:
            os.close(writer)
            os.read(reader, 1)  # until its parent is gone, and the worker lets go
            end()
        os._exit(0)
    os.wait()
    os.close(writer)

def app(environ, start_response):
    for end in (lambda: os._exit(3), lambda: os._exit(78), lambda: os.kill(os.getpid(), signal.SIGKILL)):
        leave_an_orphan(end)
    start_response("200 OK", [])
    return [str(os.getpid()).encode()]
"""
}
_HANGS = "import threading\nprint('hanging', flush=True)\nthreading.Event().wait()\n"
_HEELER = (sys.executable, "-m", "heeler")


@pytest.mark.parametrize("worker_class", WORKER_CLASSES)
def test_term_is_obeyed_as_process_1(worker_class: str) -> None:
    """What is in flight is answered, and the container ends with 0; no worker takes itself for an orphan."""
    with Server("app:app", "-k", worker_class, files=FILES, python=namespace.python()) as server:
        arbiter = namespace.process_one(server)
        waiting = Waiting(server)
        os.kill(arbiter, signal.SIGTERM)
        server.wait_for_log("stopping how=graceful")
        assert waiting.open().status == 200
        assert server.wait() == 0
        assert "pid=1\n" in server.log()


def test_strangers_are_reaped_and_nothing_else_follows() -> None:
    """Orphans of the application, whatever they end with, leave no zombie, and are not taken for workers."""
    with Server("app:app", files=_ORPHANS, python=namespace.python()) as server:
        arbiter = namespace.process_one(server)
        (worker,) = processes.children_of(arbiter)
        with Client(server.address) as client:
            for _ in range(5):
                assert client.request("GET", "/").status == 200
        strangers = [one.pid for one in processes.all_processes() if one.parent == arbiter and one.pid != worker]
        assert processes.wait_ended(strangers, 10.0) == []
        # Whoever has ended is reaped in the turn of the loop that comes, so that another turn later none is a zombie.
        for turn in (1, 2):
            os.kill(arbiter, signal.SIGUSR1)
            server.wait_for_log("logs reopened", turn)
        assert [one for one in processes.all_processes() if one.parent == arbiter and one.pid != worker] == []
        assert processes.is_alive(worker)
        os.kill(arbiter, signal.SIGTERM)
        assert server.wait() == 0
        assert "worker died" not in server.log()
        assert server.log().count("worker exited") == 1


def test_probes_find_the_server_by_themselves() -> None:
    """As `docker exec` runs them; the hook ends before the server does, which is there until TERM."""
    with Server("app:app", files=FILES, python=namespace.python()) as server:
        done = namespace.inside(server, *_HEELER, "healthcheck")
        assert (done.returncode, done.stdout) == (0, "ready\n"), done.stderr
        done = namespace.inside(server, *_HEELER, "drain")
        assert (done.returncode, done.stdout) == (0, "drained\n"), done.stderr
        assert namespace.inside(server, *_HEELER, "healthcheck").returncode == 1
        assert namespace.inside(server, *_HEELER, "healthcheck", "--live").returncode == 0
        os.kill(namespace.process_one(server), signal.SIGTERM)
        assert server.wait() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_process_1_can_be_stopped_before_it_is_a_server(tmp_path: pathlib.Path, number: signal.Signals) -> None:
    """While settings are read: the kernel would keep the signal from a process 1 that has no handler for it."""
    (tmp_path / "heeler.conf.py").write_text(_HANGS)
    command = [*namespace.python(), "-m", "heeler", "app:app", "-b", "127.0.0.1:0"]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE)
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"hanging\n"
        (arbiter,) = processes.children_of(process.pid)
        os.kill(arbiter, number)
        assert process.wait(20) == 128 + number


def test_the_server_is_scaled_from_without() -> None:
    """By its number there; the one that it has for itself is another process's, which must not hear of it."""
    with Server("app:app", files=_SCALES, python=namespace.python()) as server:
        done = heeler("scale", "2", "--wait", "--pid", str(namespace.process_one(server)))
        assert done == Finished(0, "", "")
        os.kill(namespace.process_one(server), signal.SIGTERM)
        assert server.wait() == 0


def test_one_arbiter_that_is_ready_is_enough() -> None:
    """In a re-exec from a version with another scoreboard, which nobody here can read, the new one counts."""
    script = '"$1" -c \'' + _UNDER_ANOTHER_VERSION + '\' "$@"; exit $?'
    with Server("app:app", files=FILES, python=namespace.python(script)) as server:
        done = namespace.inside(server, sys.executable, "-m", "heeler", "healthcheck")
        assert (done.returncode, done.stdout, done.stderr) == (0, "ready\n", "")
        (parent,) = processes.children_of(namespace.process_one(server))
        (arbiter,) = processes.children_of(parent)
        os.kill(arbiter, signal.SIGTERM)
        assert server.wait() == 0


# -- a shell in front


def _arbiter_behind(server: Server) -> int:
    (pid,) = processes.children_of(namespace.process_one(server))
    return pid


@pytest.mark.parametrize(
    ("script", "warns"),
    [
        ('"$@"; exit $?', True),
        ('trap "kill -TERM \\$!" TERM; "$@" & wait $!; wait $!; exit $?', False),
    ],
)
def test_a_shell_that_keeps_signals_is_named(script: str, warns: bool) -> None:
    """One line, once, with what is to be written instead; a shell with a trap for TERM is left in peace."""
    with Server("app:app", files=FILES, python=namespace.python(script)) as server:
        assert get(server.address).status == 200
        arbiter = _arbiter_behind(server)
        os.kill(arbiter, signal.SIGHUP)
        server.wait_for_log("reload done")
        os.kill(arbiter if warns else namespace.process_one(server), signal.SIGTERM)
        assert server.wait() == 0
        lines = [line for line in server.log().splitlines() if "signals not passed on" in line]
        assert len(lines) == warns
        assert not warns or ('by="sh -c' in lines[0] and 'instead="exec heeler ..."' in lines[0])


def test_a_shell_that_has_given_way_is_none() -> None:
    """`exec`: Heeler is process 1."""
    with Server("app:app", files=FILES, python=namespace.python('exec "$@"')) as server:
        os.kill(namespace.process_one(server), signal.SIGTERM)
        assert server.wait() == 0
        assert "signals not passed on" not in server.log()
