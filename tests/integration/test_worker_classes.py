"""Worker classes are chosen by name, and wrong pairs of application and class are refused with the right command."""

import pathlib
import signal

import pytest

from support.client import get
from support.server import Server, heeler

pytestmark = pytest.mark.slow

WSGI = "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'served']\n"
ASGI = """
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"served"})
"""
ONLY_ASGI = """
from heeler.workers.base import Worker

class Only(Worker):
    interfaces = frozenset({"asgi"})
    def run(self): pass
    def handle(self, connection): pass
"""
HIDDEN = "import types\nmade = types.SimpleNamespace()\nexec({source!r}, made.__dict__)\napp = made.app\n"
"""An application whose kind cannot be told from its source."""

NOBODY = "192.0.2.1:1"
"""An address that cannot be bound here: whoever tries ends with status 69."""


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    """A project with an application of each kind, plain and hidden."""
    for name, source in (("shop", WSGI), ("ashop", ASGI)):
        (tmp_path / f"{name}.py").write_text(source)
        (tmp_path / f"hidden_{name}.py").write_text(HIDDEN.format(source=source))
    return tmp_path


@pytest.mark.parametrize("worker_class", ["sync", "thread", "gevent", "eventlet"])
def test_asgi_where_only_wsgi_is_served(folder: pathlib.Path, worker_class: str) -> None:
    """Refused before anything is bound: one line with the right command, and the status of an application that fails.

    What cannot be told from the source is refused by the worker, in the same words.
    """
    for name, address in (("ashop", NOBODY), ("hidden_ashop", "127.0.0.1:0")):
        done = heeler(f"{name}:app", "-k", worker_class, "--bind", address, cwd=folder)
        assert done.status == 4
        assert done.stderr == (
            f"heeler: error: application '{name}:app': is an ASGI application, and worker class '{worker_class}'"
            f" serves WSGI; say `heeler -k asyncio {name}:app`\n"
        )


def test_wsgi_where_only_asgi_is_served(folder: pathlib.Path) -> None:
    """A third party's class may be so; then a class of ours is named that serves it."""
    (folder / "only.py").write_text(ONLY_ASGI)
    for name, address in (("shop", NOBODY), ("hidden_shop", "127.0.0.1:0")):
        done = heeler(f"{name}:app", "-k", "only:Only", "--bind", address, cwd=folder)
        assert done.status == 4
        assert done.stderr.startswith(f"heeler: error: application '{name}:app': is a WSGI application, and ")
        assert done.stderr.endswith(f" serves ASGI; say `heeler -k sync {name}:app`\n")


def test_check_config_finds_a_wrong_pair(folder: pathlib.Path) -> None:
    """Also one that only the application itself tells."""
    for name in ("ashop", "hidden_ashop"):
        done = heeler(f"{name}:app", "-k", "sync", "--check-config", cwd=folder)
        assert (done.status, done.stdout) == (4, "")
        assert done.stderr.endswith(f"say `heeler -k asyncio {name}:app`\n")


@pytest.mark.parametrize(
    ("application", "argv", "served_by"),
    [
        ("shop:app", [], "sync"),
        ("hidden_shop:app", [], "sync"),
        ("shop:app", ["--threads", "3"], "thread"),
        ("ashop:app", [], "asyncio"),
        ("hidden_ashop:app", [], "asyncio"),
        ("ashop:app", ["--threads", "3"], "asyncio"),
    ],
)
def test_class_follows_the_application(folder: pathlib.Path, application: str, argv: list[str], served_by: str) -> None:
    """Where none is named; the log has the name of the one that was chosen."""
    with Server(application, *argv, cwd=folder) as server:
        server.wait_for_log(f" worker_class={served_by} pid=")
        assert get(server.address).text == "served"


def test_application_is_imported_once(folder: pathlib.Path) -> None:
    """The choice costs no second import, and the arbiter imports nothing of it."""
    (folder / "counted.py").write_text(f"import os\nos.write(2, b'imported by %d\\n' % os.getpid())\n{ASGI}")
    with Server("counted:app", cwd=folder) as server:
        assert get(server.address).text == "served"
        server.wait_for_log("imported by")
        (worker,) = server.worker_pids()
        assert [line for line in server.log().splitlines() if "imported by" in line] == [f"imported by {worker}"]


def test_reload_chooses_again(folder: pathlib.Path) -> None:
    """An application that has become ASGI is served as such by the new workers."""
    (folder / "turns.py").write_text(WSGI)
    with Server("turns:app", cwd=folder) as server:
        assert get(server.address).text == "served"
        (folder / "turns.py").write_text(ASGI.replace("served", "served anew"))
        server.signal(signal.SIGHUP)
        server.wait_for_log("reload done")
        assert get(server.address).text == "served anew"


def test_threads_make_thread_of_sync(folder: pathlib.Path) -> None:
    """As Gunicorn has it; one line of the log says so."""
    with Server("shop:app", "-k", "sync", "--threads", "2", cwd=folder) as server:
        assert get(server.address).text == "served"
        server.wait_for_log("worker class chosen worker_class=thread asked=sync threads=2")


@pytest.mark.parametrize(
    ("missing", "argv", "message"),
    [
        ("gevent", ["-k", "gevent"], "'gevent' (from heeler): needs gevent, which is not installed"),
        ("eventlet", ["-k", "eventlet"], "'eventlet' (from heeler): needs eventlet, which is not installed"),
        ("uvloop", ["-k", "asyncio", "--loop", "uvloop"], "loop = 'uvloop' (command line): uvloop is not installed"),
        ("uvloop", ["--loop", "uvloop"], "loop = 'uvloop' (command line): uvloop is not installed"),
    ],
)
def test_missing_extra_is_one_line(folder: pathlib.Path, missing: str, argv: list[str], message: str) -> None:
    """With the command that installs it, before anything is bound."""
    (folder / "sitecustomize.py").write_text(f"import sys\nsys.modules['{missing}'] = None\n")
    env = {"PYTHONPATH": str(folder)}
    done = heeler("shop:app", *argv, "--bind", NOBODY, cwd=folder, env=env)
    assert (done.status, done.stderr) == (78, f"heeler: error: {message}: pip install 'heeler[{missing}]'\n")
