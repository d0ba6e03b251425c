"""`heeler.run(app, **settings)`: a program becomes the arbiter, and is itself again afterwards."""

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from support.client import Client, get
from support.server import WORKER_CLASSES, environment

pytestmark = pytest.mark.slow

END_S = 45.0

HEAD = """
import atexit, json, os, signal, subprocess, sys, threading, time
import heeler

def wsgi(environ, start_response):
    start_response("200 OK", [("Content-Length", "5")])
    return [b"hello"]

async def asgi(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})

def made(word):
    def application(environ, start_response):
        start_response("200 OK", [("Content-Length", "5")])
        return [word]
    return application

class Site:
    def __call__(self, environ, start_response):
        return wsgi(environ, start_response)

def say(**values):
    print(json.dumps(values), flush=True)

def serve(app, **settings):
    ready = lambda server: say(at=[(where.address.host, where.address.port) for where in server.LISTENERS])
    return int(heeler.run(app, **{"bind": "127.0.0.1:0", "when_ready": ready, **settings}))
"""


class Program:
    """A program under way; what it says with `say` is read line by line."""

    def __init__(self, popen: subprocess.Popen[str]) -> None:
        self.popen = popen
        self.stderr = ""

    def hear(self) -> dict[str, object]:
        """Return the next line it says."""
        assert self.popen.stdout is not None
        line = self.popen.stdout.readline()
        if not line:
            _, self.stderr = self.popen.communicate(timeout=END_S)
            raise AssertionError(f"it has ended with {self.popen.returncode}:\n{self.stderr}")
        heard: dict[str, object] = json.loads(line)
        return heard

    def hear_address(self) -> tuple[str, int]:
        """Return where it listens, once it says so."""
        heard = self.hear()["at"]
        assert isinstance(heard, list)
        return heard[0][0], heard[0][1]

    def end(self, number: signal.Signals | None = signal.SIGTERM) -> list[dict[str, object]]:
        """Send it a signal; return what it says until it has ended, which must be with status 0."""
        if number is not None:
            self.popen.send_signal(number)
        stdout, self.stderr = self.popen.communicate(timeout=END_S)
        assert self.popen.returncode == 0, self.stderr
        return [json.loads(line) for line in stdout.splitlines()]


@contextlib.contextmanager
def program(folder: pathlib.Path, code: str, **env: str) -> Iterator[Program]:
    """Run `HEAD` and `code` as a program; nothing of it is left in the end."""
    (folder / "program.py").write_text(HEAD + code)
    with subprocess.Popen(
        [sys.executable, "program.py"],
        cwd=folder,
        env=environment(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as popen:
        watchdog = threading.Timer(END_S, os.killpg, (popen.pid, signal.SIGKILL))  # whoever hears then hears the end
        watchdog.start()
        try:
            yield Program(popen)
            with pytest.raises(ProcessLookupError):
                os.killpg(popen.pid, 0)
        finally:
            watchdog.cancel()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(popen.pid, signal.SIGKILL)


def said(folder: pathlib.Path, code: str, **env: str) -> list[dict[str, object]]:
    """Return what a program says that ends by itself."""
    with program(folder, code, **env) as running:
        return running.end(None)


@pytest.mark.parametrize("application", ["wsgi", "asgi", "made(b'hello')", "Site()", "'shop:app'"])
def test_applications_of_all_kinds_are_served(tmp_path: pathlib.Path, application: str) -> None:
    """A function, a coroutine function, a closure, an object and a name; TERM stops with status 0."""
    (tmp_path / "shop.py").write_text("from program import wsgi as app\n")
    code = f"\nif __name__ == '__main__':\n    say(status=serve({application}, workers=2))"
    with program(tmp_path, code) as running:
        assert get(running.hear_address(), "/").text == "hello"
        assert running.end() == [{"status": 0}]
    assert "stopped" in running.stderr


@pytest.mark.parametrize("worker_class", WORKER_CLASSES)
def test_every_worker_class_serves_an_object(tmp_path: pathlib.Path, worker_class: str) -> None:
    """Also those that patch the standard library: the program has imported much of it before."""
    with program(tmp_path, f"say(status=serve(made(b'hello'), worker_class={worker_class!r}))") as running:
        assert get(running.hear_address(), "/").text == "hello"
        assert running.end() == [{"status": 0}]


def test_the_process_is_given_back(tmp_path: pathlib.Path) -> None:
    """After the server has stopped, the program's process is what it was, and can serve again."""
    (tmp_path / "elsewhere").mkdir()
    code = """
import gc, logging, resource
import setproctitle

OUT = os.dup(1)  # while it serves, stdout leads to the log

def say(**values):
    os.write(OUT, (json.dumps(values) + "\\n").encode())

handler = logging.NullHandler()
logging.getLogger("heeler").addHandler(handler)
signal.signal(signal.SIGTERM, lambda *_: None)
signal.signal(signal.SIGUSR2, lambda *_: None)
reader, writer = os.pipe()
os.set_blocking(writer, False)
signal.set_wakeup_fd(writer)

def umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask

def state():
    wakeup = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(wakeup)
    return {
        "signals": {int(n): repr(signal.getsignal(n)) for n in signal.valid_signals()}, "wakeup": wakeup,
        "fds": {fd: os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")
                if os.path.exists(f"/proc/self/fd/{fd}") or fd in "012"},
        "cwd": os.getcwd(), "path": list(sys.path), "environ": dict(os.environ), "umask": umask(),
        "limits": resource.getrlimit(resource.RLIMIT_NOFILE), "title": setproctitle.getproctitle(),
        "loggers": {name: (repr(one.handlers), one.level, one.propagate) for name, one in
                    [(name, logging.getLogger(name)) for name in ("heeler", "heeler.error", None)]},
        "frozen": gc.get_freeze_count() > 1000,  # Python 3.12 begins with 375 of its own
        "threads": threading.active_count(),
    }

state()
before = state()
for _ in range(2):
    serve(wsgi, chdir="elsewhere", umask="077", raw_env=["COLOUR=red"], worker_connections=3000,
          errorlog=os.path.abspath("error.log"), capture_output=True)
    after = state()
    say(changed={name: [before[name], after[name]] for name in before if before[name] != after[name]})
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    say(children=0)
"""
    with program(tmp_path, code) as running:
        get(running.hear_address(), "/")
        running.popen.send_signal(signal.SIGTERM)
        assert running.hear() == {"changed": {}}
        get(running.hear_address(), "/")
        assert running.end() == [{"changed": {}}, {"children": 0}]
    assert (tmp_path / "error.log").read_text().count("stopped") == 2


def test_interrupt_stops_at_once(tmp_path: pathlib.Path) -> None:
    """Ctrl-C ends the server, not the program; what was in flight is cut, and the status says so."""
    code = """
def slow(environ, start_response):
    say(running=True)
    time.sleep(60)
say(status=serve(slow, graceful_timeout=60))
say(after=True)
"""
    with program(tmp_path, code) as running, Client(running.hear_address()) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert running.hear() == {"running": True}
        assert running.end(signal.SIGINT) == [{"status": 75}, {"after": True}]
    with program(tmp_path, "say(status=serve(wsgi))") as running:
        running.hear_address()
        assert running.end(signal.SIGINT) == [{"status": 0}]


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        ("heeler.run(wsgi, workers='many')", "ConfigError", "workers = 'many' (heeler.run()): not an integer >= 1"),
        ("heeler.run(wsgi, wrokers=2)", "ConfigError", "wrokers (heeler.run()): no such setting; did you mean workers"),
        ("heeler.run(wsgi, WORKERS=2)", "ConfigError", "WORKERS (heeler.run()): no such setting"),
        ("heeler.run(wsgi, config='x.py')", "ConfigError", "a program reads no config file"),
        ("heeler.run(wsgi, daemon=True)", "ConfigError", "start it in the background instead"),
        ("heeler.run(wsgi, loop='uvloop', worker_class='sync')", "ConfigError", "loop (heeler.run()): no such setting"),
        ("heeler.run(wsgi, worker_class='synk')", "PluginNotFound", "sync"),
        ("heeler.run(asgi, worker_class='sync')", "AppLoadError", "say `worker_class='asyncio'`"),
        ("heeler.run(made)", "AppLoadError", "neither (environ, start_response)"),
        ("heeler.run(5)", "AppLoadError", "is an int, which cannot be called"),
        ("heeler.run('')", "UsageError", "no application is given to heeler.run()"),
        ("heeler.run(wsgi, bind='192.0.2.1:1')", "BindError", "this machine has no such address"),
    ],
)
def test_wrong_settings_are_raised(tmp_path: pathlib.Path, call: str, error: str, text: str) -> None:
    """Each as an error of Heeler's, before anything is bound; the program goes on as it was."""
    code = f"""
before = os.listdir("/proc/self/fd"), signal.getsignal(signal.SIGTERM), list(sys.path)
try:
    {call}
except heeler.HeelerError as error:
    same = before == (os.listdir("/proc/self/fd"), signal.getsignal(signal.SIGTERM), sys.path)
    say(kind=type(error).__name__, text=str(error), same=same)
"""
    (answer,) = said(tmp_path, code)
    assert answer["kind"] == error
    assert text in str(answer["text"])
    assert answer["same"] is True


def test_port_in_use(tmp_path: pathlib.Path) -> None:
    """A `BindError`, whose attributes say which and why."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code = f"""
try:
    heeler.run(wsgi, bind="127.0.0.1:{port}")
except heeler.BindError as error:
    say(address=error.address, errno=error.errno, status=int(error.exit_status))
"""
        assert said(tmp_path, code) == [{"address": f"127.0.0.1:{port}", "errno": 98, "status": 69}]


def test_boot_failure_is_a_status(tmp_path: pathlib.Path) -> None:
    """The application's traceback stands on stderr, as after the command, and the status is its own."""
    (tmp_path / "broken.py").write_text("raise ValueError('no such shop')\n")
    with program(tmp_path, "say(status=serve('broken:app'))") as running:
        assert running.end(None) == [{"status": 3}]
        assert running.stderr.endswith("ValueError: no such shop\n")
        assert "heeler" not in running.stderr


def test_other_threads_are_refused(tmp_path: pathlib.Path) -> None:
    """Signals are the main thread's business; the error says so."""
    code = """
def elsewhere():
    try:
        heeler.run(wsgi)
    except RuntimeError as error:
        say(error=str(error))
thread = threading.Thread(target=elsewhere)
thread.start()
thread.join()
"""
    (answer,) = said(tmp_path, code)
    assert "only the main thread can" in str(answer["error"])


def test_the_program_alone_decides(tmp_path: pathlib.Path) -> None:
    """No HEELER_* variable, config file or command line is read; a platform's variables are, below the settings."""
    (tmp_path / "heeler.conf.py").write_text("raise SystemExit('read')\n")
    code = """
sys.argv += ["--workers", "many"]
def ready(server):
    say(workers=server.num_workers, source=server.cfg.source("workers"))
    os.kill(os.getpid(), signal.SIGTERM)
serve(wsgi, when_ready=ready)
serve(wsgi, when_ready=ready, workers=1)
"""
    assert said(tmp_path, code, HEELER_WORKERS="4", HEELER_CMD_ARGS="--nonsense", WEB_CONCURRENCY="2") == [
        {"workers": 2, "source": "environment WEB_CONCURRENCY"},
        {"workers": 1, "source": "heeler.run()"},
    ]


def test_what_the_program_does_at_its_exit_is_its_own(tmp_path: pathlib.Path) -> None:
    """Workers neither run its exit handlers, nor print what it had in its buffers, nor wait for its children."""
    code = """
import tempfile
child = subprocess.Popen([sys.executable, "-c", "import sys; sys.exit(7)"])
folder = tempfile.TemporaryDirectory()
atexit.register(say, exit=True)
sys.stdout.write(json.dumps({"buffered": True}) + "\\n")
def ready(server):
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    os.kill(os.getpid(), signal.SIGTERM)
def pid(environ, start_response):
    return []
status = serve(wsgi, workers=3, when_ready=ready)
say(status=status, child=child.wait(), kept=os.path.isdir(folder.name))
"""
    assert said(tmp_path, code) == [
        {"buffered": True},
        {"status": 0, "child": 7, "kept": True},
        {"exit": True},
    ]


def test_reload_of_an_object_says_what_it_cannot_do(tmp_path: pathlib.Path) -> None:
    """HUP replaces the workers, which run the same code; a line of the log says so."""
    code = "say(status=serve(wsgi, child_exit=lambda server, worker: say(gone=worker.age)))"
    with program(tmp_path, code) as running:
        address = running.hear_address()
        running.popen.send_signal(signal.SIGHUP)
        assert running.hear() == {"gone": 1}
        assert get(address, "/").text == "hello"
        assert running.end() == [{"gone": 2}, {"status": 0}]
    lines = [line for line in running.stderr.splitlines() if "reloaded" in line or "reload done" in line]
    assert len(lines) == 2, running.stderr
    assert lines[0].endswith("application not reloaded application=__main__.wsgi")
    assert lines[1].endswith("reload done generation=2")
