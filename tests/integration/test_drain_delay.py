"""Between the wish to stop and the drain: `drain_delay`."""

import os
import signal

import pytest

from support import processes
from support.client import get
from support.gate import FILES, Waiting
from support.server import WORKER_CLASSES, Server
from support.service_manager import ServiceManager

pytestmark = pytest.mark.slow
_LONG = ("--drain-delay", "60")
_FIFTH_HANGS = """\
import itertools, os

for number in itertools.count(1):
    try:
        os.close(os.open(f"boot{number}", os.O_CREAT | os.O_EXCL))
        break
    except FileExistsError:
        pass
if number == 5:
    open("gate").read()

def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""
"""With two workers, a re-exec boots the third for its check, and then one worker that serves and one that does not."""


@pytest.fixture(params=WORKER_CLASSES)
def worker_class(request: pytest.FixtureRequest) -> str:
    """Each built-in worker class."""
    return str(request.param)


def shorten(server: Server) -> None:
    """End the delay that a first TERM has begun."""
    # Not a wait for anything in the server: the same TERM within a quarter of a second is one wish.
    processes.wait_ended([server.pid], 0.3)
    server.signal(signal.SIGTERM)
    server.wait_for_log("stopping how=graceful")


def test_the_server_serves_on_in_the_delay(worker_class: str) -> None:
    """After TERM new connections are answered as before, by the same worker; QUIT ends that."""
    with Server("app:app", "-k", worker_class, *_LONG, files=FILES) as server:
        (worker,) = server.worker_pids()
        server.signal(signal.SIGTERM)
        server.wait_for_log("drain delayed seconds=60")
        for _ in range(3):
            assert get(server.address).text == str(worker)
        assert "stopping" not in server.log()
        server.signal(signal.SIGQUIT)
        assert server.wait() == 0


def test_a_worker_that_dies_in_the_delay_is_replaced() -> None:
    """For as long as others send requests, somebody answers them."""
    with Server("app:app", *_LONG, files=FILES) as server:
        (worker,) = server.worker_pids()
        server.signal(signal.SIGTERM)
        server.wait_for_log("drain delayed")
        os.kill(worker, signal.SIGKILL)
        assert processes.wait_ended([worker], 10.0) == []
        assert get(server.address).text != str(worker)
        shorten(server)
        assert server.wait() == 0


def test_one_that_was_to_take_over_drains_at_once() -> None:
    """A stop in a re-exec: the old arbiter serves on in its delay, and has not to kill the new one in its own."""
    args = ("-w", "2", *_LONG, "--graceful-timeout", "1")
    with Server("app:app", *args, files={"app.py": _FIFTH_HANGS}) as server:
        os.mkfifo(server.directory / "gate")
        server.wait_for_log("worker ready", 2)
        server.signal(signal.SIGUSR2)
        server.wait_for_log("worker ready", 3)
        server.signal(signal.SIGTERM)
        server.wait_for_log("re-exec over how=")
        assert 're-exec over how="exit 0"' in server.log()
        assert get(server.address).text == "ok"
        server.signal(signal.SIGQUIT)
        assert server.wait() == 0


def test_the_drain_follows_by_itself() -> None:
    """A request that came before TERM, and takes longer than the delay, is answered in the drain."""
    with Server("app:app", "--drain-delay", "0.2", files=FILES) as server:
        waiting = Waiting(server)
        server.signal(signal.SIGTERM)
        server.wait_for_log("stopping how=graceful")
        assert waiting.open().status == 200
        assert server.wait() == 0


def test_a_second_term_cuts_nothing() -> None:
    """It ends the delay, and no request."""
    with Server("app:app", "-w", "2", *_LONG, files=FILES) as server:
        server.wait_for_log("worker ready", 2)
        waiting = Waiting(server)
        server.signal(signal.SIGTERM)
        server.wait_for_log("drain delayed")
        shorten(server)
        assert waiting.open().status == 200
        assert server.wait() == 0


def test_reload_and_reexec_are_refused_in_the_delay() -> None:
    """A server that is about to stop begins nothing new."""
    with Server("app:app", *_LONG, files=FILES) as server:
        server.signal(signal.SIGTERM)
        server.wait_for_log("drain delayed")
        server.signal(signal.SIGHUP)
        server.signal(signal.SIGUSR2)
        server.wait_for_log('re-exec refused reason="the server stops"')
        server.signal(signal.SIGINT)
        assert server.wait() == 0
        assert "reload" not in server.log()


def test_systemd_hears_of_the_stop_at_once() -> None:
    """And that it takes time: else it would kill the service in the delay."""
    with ServiceManager() as systemd, Server("hello:app", *_LONG, env=systemd.env) as server:
        systemd.wait_for("READY=1")
        server.signal(signal.SIGTERM)
        systemd.wait_for("STOPPING=1", "STATUS=to drain in 60 s, 1 worker", "EXTEND_TIMEOUT_USEC=6000000")
        systemd.wait_for("EXTEND_TIMEOUT_USEC=6000000")
        server.signal(signal.SIGINT)
        systemd.wait_for("STATUS=stopping, 1 worker left")
