"""What takes too long is told: all stacks, the request, its line in the access log, the counts, the hook."""

import contextlib
import json
import os
import pathlib
import signal

import pytest

from support.client import Client, ResponseError, build_request, get
from support.server import SERVED, WSGI_SLOTS, Server, heeler

pytestmark = pytest.mark.slow

ACCESS = ("--access-logfile", "/dev/stderr", "--access-logformat", "access %(m)s %(U)s %(s)s %(outcome)s")
HOOK = "from overrun_cases import on_request_timeout\n"
_NO_THREAD = """\
import _thread, time

def refuse(*_):
    raise RuntimeError("can't start new thread")

def app(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        _thread.start_new_thread = refuse
        for _ in range(100):
            time.sleep(0.1)
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""
"""As where a limit on processes, or on memory, is reached."""
IDS = ["-".join(served) for served in SERVED]


def serve(worker_class: str, interface: str, *args: str) -> Server:
    """Return a server that logs what it answers where it logs everything else, and waits for nobody at its end."""
    args = (*ACCESS, "--graceful-timeout", "0.5", *args)
    return Server(f"overrun_cases:{interface}", "-k", worker_class, *args, tracebacks=True, exit_status=None)


def overruns(server: Server) -> int:
    """Return how many requests have taken too long, in workers that serve and that are gone."""
    found = json.loads(heeler("status", "--json", "--pid", str(server.pid)).stdout)
    return int(found["gone"]["overruns"] + sum(child["overruns"] for child in found["children"]))


def ask(server: Server, target: str) -> Client:
    """Send a request, and return without an answer."""
    client = Client(server.address)
    client.send(build_request("GET", target, {"X-Secret": "hidden"}))
    return client


@pytest.mark.parametrize(("worker_class", "interface"), SERVED, ids=IDS)
def test_overrun(worker_class: str, interface: str, tmp_path: pathlib.Path) -> None:
    """Stacks first, then the request by name; 504 or a cut; the hook delays nobody, and may fail; all is counted."""
    (tmp_path / "heeler.conf.py").write_text(HOOK)
    args = ("--request-timeout", "0.3", "-c", str(tmp_path / "heeler.conf.py"))
    with serve(worker_class, interface, *args) as server:
        with ask(server, "/slow?secret=hidden") as client:
            assert client.read_response().status == 504
        server.wait_for_log("access GET /slow 504 timeout")
        server.wait_for_log("hook has the stacks")
        with ask(server, "/begun") as client, pytest.raises((ResponseError, ConnectionError, EOFError)):
            client.read_response()
        server.wait_for_log("access GET /begun 200 timeout")
        with ask(server, "/owns_up") as client:
            assert client.read_response().body == b"done"
        server.wait_for_log("access GET /owns_up 200 timeout")
        assert get(server.address, "/").status == 200
        server.wait_for_log("access GET / 200 done")
        server.wait_for_log("hook failed hook=on_request_timeout")
        server.wait_for_log("hook 1 GET /owns_up")
        log = server.log()
        assert "hidden" not in log
        overran, stack, failed, access = (
            log.index(said)
            for said in (
                "request overran method=GET path=/slow seconds=",
                "in wait\n" if interface == "wsgi" else "in sleep\n",
                "request timed out method=GET path=/slow",
                "access GET /slow",
            )
        )
        assert overran < stack < failed < access
        assert log.count("request overran") == 3
        assert "Current thread" in log
        assert overruns(server) == 3


@pytest.mark.parametrize(("worker_class", "interface"), SERVED, ids=IDS)
def test_stuck_worker(worker_class: str, interface: str) -> None:
    """After `timeout` all stacks are written, what it ran is answered 504 and has its line, and another serves."""
    slots = WSGI_SLOTS.get(worker_class, 1) if interface == "wsgi" else 1
    targets = ["/stuck"] * slots
    if (slots == 1 and worker_class not in WSGI_SLOTS) or interface == "asgi":
        targets = ["/slow", "/stuck"]  # the first of them waits as it should, and is lost all the same
    with serve(worker_class, interface, "--timeout", "1") as server:
        clients = []
        for number, target in enumerate(targets, 1):
            clients.append(ask(server, target))
            server.wait_for_log("application began", number)
        for client in clients:
            assert client.read_response().status == 504
            client.close()
        for target in targets:
            server.wait_for_log(f"access GET {target} 504 timeout", targets.count(target))
        server.wait_for_log("worker ready", 2)
        assert get(server.address, "/").status == 200
        log = server.log()
        assert log.index("worker timeout") < log.index("worker stuck") < log.index("request timed out method=GET")
        assert "in stuck\n" in log
        assert ("in wait\n" if interface == "wsgi" else "in sleep\n") in log or "/slow" not in targets
        assert "request lost" not in log
        assert overruns(server) == len(targets)


def test_worker_that_cannot_speak_any_more() -> None:
    """Where Python is stuck as a whole, C code writes the stacks, and the arbiter the line of the access log."""
    with serve("sync", "wsgi", "--timeout", "1") as server, ask(server, "/spin") as client:
        server.wait_for_log("access GET /spin 0 timeout")
        assert client.read_to_end() == b""
        server.wait_for_log("request lost slot=1")
        assert "in spin\n" in server.log()
        server.wait_for_log("worker ready", 2)


def test_abort_by_others() -> None:
    """ABRT ends a worker whose heart beats without more ado: what it runs is cut, and lost."""
    with serve("sync", "wsgi") as server, ask(server, "/slow") as client:
        server.wait_for_log("application began")
        os.kill(server.worker_pids()[0], signal.SIGABRT)
        assert client.read_to_end() == b""
        server.wait_for_log("access GET /slow 0 lost")


def test_application_that_takes_no_hint() -> None:
    """It is answered for some seconds later: 504, its stack and its line are in the log. (Others have more classes.)"""
    with contextlib.ExitStack() as stack:
        served = (("sync", "wsgi"), ("asyncio", "wsgi"), ("asyncio", "asgi"))  # all at once: each takes its time
        servers = [stack.enter_context(serve(*one, "--request-timeout", "0.3")) for one in served]
        clients = [stack.enter_context(ask(server, "/stubborn")) for server in servers]
        for server, client in zip(servers, clients, strict=True):
            assert client.read_response().status == 504
            server.wait_for_log("request stuck method=GET path=/stubborn seconds=")
            server.wait_for_log("access GET /stubborn 504 timeout")
            log = server.log()
            assert "in stubborn" in log[log.index("request stuck") :]
            assert log.index("swallowed") < log.index("request stuck")


def test_who_overruns_twice_is_counted_once() -> None:
    """`timeout` ends the worker while the request that has overrun `request_timeout` takes no hint."""
    with serve("sync", "wsgi", "--request-timeout", "0.3", "--timeout", "1") as server:
        with ask(server, "/stubborn") as client:
            assert client.read_response().status == 504
        server.wait_for_log("worker exited")
        assert "request timed out method=GET" in server.log()
        assert overruns(server) == 1


@pytest.mark.parametrize("worker_class", ["sync", "thread", "asyncio"])
def test_a_hook_that_gets_no_thread_is_left_out(worker_class: str) -> None:
    """The request ends all the same, and the worker does not: what has hung itself in threads may need both."""
    files = {"app.py": _NO_THREAD, "heeler.conf.py": "def on_request_timeout(worker, request):\n    pass\n"}
    args = ("-k", worker_class, "--threads", "2" if worker_class == "thread" else "1", "--request-timeout", "0.3")
    with Server("app:app", *args, *ACCESS, tracebacks=True, files=files) as server:
        (worker,) = server.worker_pids()
        assert get(server.address, "/slow").status == 504
        assert get(server.address, "/").status == 200
        assert server.worker_pids() == [worker]
        server.wait_for_log("access GET / 200 done")
        log = server.log()
        assert 'hook left out hook=on_request_timeout slot=1 reason="can\'t start new thread"' in log
        assert log.count("request overran") == 1
        assert log.count("access GET /slow 504 timeout") == 1
