"""Applications that fork: what their children do is no business of the worker."""

import json
import socket

import pytest

from support import processes
from support.client import Client, get
from support.server import WORKER_CLASSES, Server, heeler

pytestmark = pytest.mark.slow

APP = """\
import multiprocessing
import os
import signal

CONTEXT = multiprocessing.get_context("fork")

def spin():
    # Python would not see a signal that comes on the way into a wait, and 3.13 sees none between
    # the instructions of a process that a thread has forked. This call looks for them whenever it is made.
    while True:
        signal.pthread_sigmask(signal.SIG_BLOCK, ())

def signalled(name):
    started = CONTEXT.Event()
    child = CONTEXT.Process(target=lambda: (started.set(), spin()))
    child.start()
    started.wait(10)
    os.kill(child.pid, getattr(signal, name))
    child.join(5)
    status = child.exitcode
    child.kill()
    child.join()
    return status

def stays():
    pid = os.fork()
    if not pid:
        signal.pause()
        os._exit(0)
    return pid

def app(environ, start_response):
    name = environ["PATH_INFO"].removeprefix("/")
    start_response("200 OK", [])
    return [str(stays() if name == "stay" else signalled(name)).encode()]
"""

CONF = """\
def worker_exit(server, worker):
    worker.log.info("HOOK worker_exit")

def worker_int(worker):
    worker.log.info("HOOK worker_int")
"""


@pytest.mark.parametrize("worker_class", WORKER_CLASSES)
@pytest.mark.parametrize(("name", "status"), [("SIGTERM", -15), ("SIGQUIT", -3), ("SIGUSR1", -10), ("SIGINT", 1)])
def test_signals_of_an_application_s_child_are_its_own(worker_class: str, name: str, status: int) -> None:
    """`terminate()` of multiprocessing ends it; nothing is counted as cut, and no hook of the worker runs."""
    with Server("app", "-k", worker_class, files={"app.py": APP, "heeler.conf.py": CONF}, tracebacks=True) as server:
        assert get(server.address, f"/{name}").body == str(status).encode()
        (worker,) = json.loads(heeler("status", "--json", "--pid", str(server.pid)).stdout)["children"]
        assert (worker["state"], worker["cut"]) == ("ready", 0)
        assert "HOOK" not in server.log()


@pytest.mark.parametrize("worker_class", WORKER_CLASSES)
def test_a_child_that_outlives_the_server_holds_no_address(worker_class: str) -> None:
    """Nobody takes clients in who will not serve them, and the next server can bind."""
    with Server("app", "-k", worker_class, files={"app.py": APP}) as server:
        pid = int(get(server.address, "/stay").body)
        try:
            server.stop()
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(server.address)
        finally:
            processes.kill(pid)


@pytest.mark.parametrize("worker_class", WORKER_CLASSES)
def test_a_child_holds_no_clients_connection_open(worker_class: str) -> None:
    """A client that waits for the end of its connection sees it, though the child lives on."""
    with Server("app", "-k", worker_class, files={"app.py": APP}) as server, Client(server.address) as client:
        client.send(b"GET /stay HTTP/1.0\r\n\r\n")
        response = client.read_response()
        try:
            assert client.is_closed()
        finally:
            processes.kill(int(response.body))
