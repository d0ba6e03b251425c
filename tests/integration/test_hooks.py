"""The hooks of the config module are called at their moments, with Gunicorn's arguments."""

import os
import pathlib
import signal

import pytest

from support.client import get
from support.server import WORKER_CLASSES, Server, heeler

pytestmark = pytest.mark.slow

# Each hook appends a line by one write, so that lines of several processes stay whole.
CONF = """\
import os

def note(*words):
    with open("hooks.txt", "a") as file:
        file.write(" ".join(map(str, words)) + "\\n")

def on_starting(server):
    note("on_starting", server.pid == os.getpid())

def when_ready(server):
    note("when_ready", server.num_workers)

def on_reload(server):
    note("on_reload", server.cfg.workers)

def nworkers_changed(server, new, old):
    note("nworkers_changed", new, old)

def pre_fork(server, worker):
    note("pre_fork", server.pid == os.getpid())

def post_fork(server, worker):
    note("post_fork", server.pid != os.getpid(), worker.pid == os.getpid())

def post_worker_init(worker):
    note("post_worker_init", worker.slot, worker.alive)

def pre_request(worker, req):
    note("pre_request", req.method, req.path, req.query)

def post_request(worker, req, environ, resp):
    note("post_request", req.path, environ["PATH_INFO"], resp.status)

def worker_int(worker):
    note("worker_int")

def worker_exit(server, worker):
    note("worker_exit", worker.pid == os.getpid())

def child_exit(server, worker):
    note("child_exit", worker.pid != os.getpid())

def on_exit(server):
    note("on_exit")
"""

BROKEN = """\
def post_fork(server, worker):
    raise ValueError("post_fork is broken")

def pre_request(worker, req):
    raise ValueError("pre_request is broken")

def post_request(worker, req):
    raise SystemExit("post_request is broken")

def on_exit(server):
    raise ValueError("on_exit is broken")
"""

APP = """\
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""


def notes(server: Server) -> list[str]:
    """What the hooks have written."""
    return (pathlib.Path(server.directory) / "hooks.txt").read_text().splitlines()


@pytest.mark.parametrize("worker_class", WORKER_CLASSES)
def test_hooks_of_a_life(worker_class: str) -> None:
    """From start to exit, one worker, one request, each hook once and in order."""
    files = {"heeler.conf.py": CONF, "app.py": APP}
    with Server("app", "-k", worker_class, files=files) as server:
        assert get(server.address, "/a%20b?c=d").status == 200
        server.stop()
        assert notes(server) == [
            "on_starting True",
            "nworkers_changed 1 None",
            "pre_fork True",
            "post_fork True True",
            "post_worker_init 1 True",
            "when_ready 1",
            "pre_request GET /a%20b c=d",
            "post_request /a%20b /a b 200 OK",
            "worker_exit True",
            "child_exit True",
            "on_exit",
        ]


def test_hooks_of_a_reload_and_of_scaling() -> None:
    """TTIN tells both numbers; a reload is told before its workers are forked."""
    with Server("app", files={"heeler.conf.py": CONF, "app.py": APP}) as server:
        server.signal(signal.SIGTTIN)
        server.wait_for_log("worker ready", count=2)
        assert "nworkers_changed 2 1" in notes(server)
        before = len(notes(server))
        server.signal(signal.SIGHUP)
        server.wait_for_log("reload done")
        told = notes(server)[before:]
        assert told[0] == "on_reload 1"
        assert told.count("pre_fork True") >= 1


def test_worker_that_is_interrupted() -> None:
    """INT to a worker: `worker_int`, then the end; the arbiter replaces it."""
    with Server("app", files={"heeler.conf.py": CONF, "app.py": APP}) as server:
        (pid,) = server.worker_pids()
        os.kill(pid, signal.SIGINT)
        server.wait_for_log("worker ready", count=2)
        told = notes(server)
        assert told.index("worker_int") < told.index("worker_exit True")


EXITING = """\
import sys

def child_exit(server, worker):
    sys.exit(5)

def on_reload(server):
    raise KeyboardInterrupt

def worker_exit(server, worker):
    sys.exit(5)
"""


def test_hook_that_exits_does_not_end_a_server_that_serves() -> None:
    """SystemExit in a hook is one more thing that it raises; status 0 at the end."""
    with Server("app", files={"heeler.conf.py": EXITING, "app.py": APP}, tracebacks=True) as server:
        server.signal(signal.SIGHUP)
        server.wait_for_log("reload done")
        assert get(server.address).status == 200
        server.stop()
        for name in ("child_exit", "on_reload", "worker_exit"):
            assert f"hook={name}" in server.log()
        assert "failed slot" not in server.log()


@pytest.mark.parametrize(
    ("hook", "status"),
    [("on_starting(server)", 5), ("post_fork(server, worker)", 3), ("post_worker_init(worker)", 3)],
)
def test_hook_that_exits_refuses_the_start(hook: str, status: int, tmp_path: pathlib.Path) -> None:
    """Before anything is served, SystemExit in a hook is how the operator refuses to begin."""
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "heeler.conf.py").write_text(f"import sys\ndef {hook}:\n    sys.exit(5)\n")
    assert heeler("app", "--bind", "127.0.0.1:0", cwd=tmp_path).status == status


def test_broken_hooks_break_no_request() -> None:
    """What a hook raises is logged with its name; `pre_request` alone decides about its request."""
    with Server("app", files={"heeler.conf.py": BROKEN, "app.py": APP}, tracebacks=True) as server:
        assert get(server.address).status == 500
        assert get(server.address).status == 500
        server.stop()
        log = server.log()
        for name in ("post_fork", "post_request", "on_exit"):
            assert f"{name} is broken" in log
            assert f"hook={name}" in log
        assert "pre_request is broken" in log
