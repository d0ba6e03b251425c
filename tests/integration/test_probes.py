"""`heeler healthcheck` and `heeler drain`: what containers ask a running server."""

import concurrent.futures
import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from heeler.arbiter.running_server import open_board
from support import processes
from support.client import get
from support.gate import FILES, Waiting
from support.server import WORKER_CLASSES, Finished, Server, environment, heeler

pytestmark = pytest.mark.slow

_BOOTS_ONCE = """\
import os, sys

try:
    os.close(os.open("first", os.O_CREAT | os.O_EXCL))
except FileExistsError:
    print("boot begun", file=sys.stderr, flush=True)
    with open("gate") as gate:
        gate.read()

def app(environ, start_response):
    start_response("200 OK", [])
    return [b"hello"]
"""
"""The first worker boots at once, the next once the gate is opened."""
_HANGS = "import threading\nprint('hanging', flush=True)\nthreading.Event().wait()\n"


@pytest.fixture(name="aside")
def _aside() -> Iterator[concurrent.futures.ThreadPoolExecutor]:
    """For a command that waits while the test goes on."""
    with concurrent.futures.ThreadPoolExecutor() as executor:
        yield executor


def check(server: Server, *args: str) -> Finished:
    """Ask a server."""
    return heeler("healthcheck", "--pid", str(server.pid), *args)


# -- healthcheck


@pytest.mark.parametrize("dispatch", ["kernel", "request"])
def test_a_server_is_ready_until_it_is_to_stop(dispatch: str) -> None:
    """And alive still while it serves on in the delay; nobody is to send more, and nobody is to restart it."""
    with Server("app:app", "--dispatch", dispatch, "--drain-delay", "60", files=FILES) as server:
        assert check(server) == Finished(0, "ready\n", "")
        assert check(server, "--workers", "2") == Finished(1, "", "not ready: 1 of 1 workers are ready\n")
        server.signal(signal.SIGTERM)
        server.wait_for_log("drain delayed")
        assert check(server) == Finished(1, "", "not ready: it is about to stop\n")
        assert check(server, "--live") == Finished(0, "alive\n", "")
        server.signal(signal.SIGINT)
        server.wait()
    assert check(server) == Finished(1, "", f"heeler: error: there is no process {server.pid}\n")


def test_a_server_without_workers_is_not_ready() -> None:
    """Its only worker is gone, and the next one boots; the arbiter sees to that, and is alive."""
    with Server("app:app", files={"app.py": _BOOTS_ONCE}) as server:
        os.mkfifo(server.directory / "gate")
        os.kill(server.worker_pids()[0], signal.SIGKILL)
        server.wait_for_log("boot begun")
        assert check(server) == Finished(1, "", "not ready: 0 of 1 workers are ready\n")
        assert check(server, "--live").status == 0
        (server.directory / "gate").open("w").close()
        server.wait_for_log("worker ready", 2)
        assert check(server).status == 0


def test_a_server_that_boots_is_alive_and_not_ready(tmp_path: pathlib.Path) -> None:
    """Before its first worker is ready nobody is to send a request; and nobody is to start it again."""
    (tmp_path / "app.py").write_text(_HANGS)
    command = [sys.executable, "-m", "heeler", "app:app", "-b", "127.0.0.1:0"]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE)
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"hanging\n"
        done = heeler("healthcheck", "--pid", str(process.pid))
        assert done == Finished(1, "", "not ready: 0 of 1 workers are ready\n")
        assert heeler("healthcheck", "--live", "--pid", str(process.pid)).status == 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_a_probe_does_not_import_the_application(tmp_path: pathlib.Path) -> None:
    """Nor what serves it: it is run every few seconds."""
    code = """\
import sys
from heeler.arbiter.cli import main
main(["healthcheck", "--pid", sys.argv[1]])
print(sorted({"app", "asyncio", "httptools", "logging", "heeler.workers.base"} & set(sys.modules)))
"""
    with Server("app:app", files=FILES) as server:
        command = [sys.executable, "-c", code, str(server.pid)]
        done = subprocess.run(command, cwd=server.directory, env=environment(), capture_output=True, check=True)
    assert done.stdout.splitlines() == [b"ready", b"[]"]


def test_the_arbiter_says_when_it_means_to_wake() -> None:
    """So that a probe sees an arbiter that does not."""
    with Server("app:app", "--timeout", "60", files=FILES) as server:
        board = open_board(server.pid)
        try:
            assert board.get("wake_at") > board.get("started_at")
        finally:
            board.close()


# -- drain


@pytest.mark.parametrize("worker_class", WORKER_CLASSES)
def test_drain_waits_for_what_is_in_flight(worker_class: str, aside: concurrent.futures.ThreadPoolExecutor) -> None:
    """It ends once all is answered; the arbiter stays, alive and not ready, and ends at TERM."""
    with Server("app:app", "-k", worker_class, "--drain-delay", "0.1", files=FILES) as server:
        waiting = Waiting(server)
        drain = aside.submit(heeler, "drain", "--pid", str(server.pid))
        server.wait_for_log("stopping how=graceful")
        assert not drain.done()
        assert waiting.open().status == 200
        assert drain.result() == Finished(0, "drained\n", "")
        assert server.worker_pids() == []
        with pytest.raises(ConnectionRefusedError):
            get(server.address)
        assert check(server) == Finished(1, "", "not ready: it has drained\n")
        assert check(server, "--live").status == 0
        assert heeler("drain", "--pid", str(server.pid)) == Finished(0, "drained\n", "")
        assert server.stop() == 0


def test_drain_tells_what_it_had_to_cut() -> None:
    """A request that outlasts `graceful_timeout`; the server's own exit status says so, too."""
    with Server("app:app", "--graceful-timeout", "0.5", files=FILES) as server:
        waiting = Waiting(server)
        assert heeler("drain", "--pid", str(server.worker_pids()[0])) == Finished(75, "drained, 1 cut\n", "")
        waiting.close()
        assert server.stop() == 75
        assert "stopped cut=1 requests=1 websockets=0 connections=0 tasks=0" in server.log()


def test_drain_that_waits_no_longer_leaves_the_rest_to_term() -> None:
    """TERM, which comes then, is the first one: it cuts nothing."""
    with Server("app:app", files=FILES) as server:
        waiting = Waiting(server)
        done = heeler("drain", "--timeout", "0.5", "--pid", str(server.pid))
        told = "heeler: not drained yet: requests in flight: 1, connections: 1\n"
        assert done == Finished(124, "", told)
        server.signal(signal.SIGTERM)
        server.signal(signal.SIGUSR1)
        server.wait_for_log("logs reopened")
        assert waiting.open().status == 200
        assert server.wait() == 0


def test_drain_of_an_arbiter_that_is_killed(aside: concurrent.futures.ThreadPoolExecutor) -> None:
    """Nobody knows what was cut: one line, and a status that is not 0."""
    with Server("app:app", "--drain-delay", "60", files=FILES, exit_status=None) as server:
        drain = aside.submit(heeler, "drain", "--pid", str(server.pid))
        server.wait_for_log("drain delayed")
        server.signal(signal.SIGKILL)
        assert drain.result() == Finished(1, "", "heeler: error: the arbiter is gone, and had not drained\n")
        processes.wait_ended([server.pid], 10.0)
