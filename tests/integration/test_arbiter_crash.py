"""Workers and arbiters that die, and applications that do not boot."""

import pathlib
import re
import signal
import time

import pytest

from support import processes, readable
from support.client import get
from support.gate import FILES, Waiting
from support.server import Server, StartError, heeler

_SEGFAULTS = {"app.py": "import ctypes\nctypes.string_at(0)\n"}


_SLOW_S = 0.3
_SLOW_BOOT = f"""\
import time

time.sleep({_SLOW_S})

def app(environ, start_response):
    start_response("200 OK", [])
    return [b"ok"]
"""


@pytest.mark.alone
@pytest.mark.parametrize("boot_s", [0.0, _SLOW_S])
def test_a_killed_worker_is_replaced_at_once(boot_s: float) -> None:
    """`kill -9` of a worker: a new one is ready in under half a second and the boot of the application."""
    with Server("app:app", "-w", "1", files={"app.py": _SLOW_BOOT if boot_s else FILES["app.py"]}) as server:
        (before,) = server.worker_pids()
        killed_at = time.monotonic()
        processes.kill(before)
        server.wait_for_log("worker ready", 2)
        took_s = time.monotonic() - killed_at
        print(f"ready again after {took_s * 1000:.0f} ms, of which {boot_s * 1000:.0f} are the application's")
        assert took_s < 0.5 + boot_s
        assert 'how="signal SIGKILL"' in server.log()
        assert get(server.address).status == 200
        assert before not in server.worker_pids()


def test_what_a_killed_worker_was_serving_is_logged_by_name() -> None:
    """Error log and access log say which request was lost with a worker, without its query, and how long it ran."""
    form = '%(h)s "%(r)s" %(s)s %(b)s %(L)s'
    with Server("app:app", "-w", "1", "--access-logfile", "-", "--access-logformat", form, files=FILES) as server:
        waiting = Waiting(server)
        processes.kill(server.worker_pids()[0])
        server.wait_for_log("request lost")
        waiting.close()
        server.wait_for_log("worker died")
        assert re.search(r'request lost slot=1 pid=\d+ request="GET /wait" seconds=', server.log())
        server.wait_for_stdout("GET /wait")
        assert re.search(r'^- "GET /wait HTTP/1.1" 0 0 \d\.\d{6}$', server.stdout(), re.MULTILINE)
        assert "secret" not in server.log() + server.stdout()


def test_no_child_outlives_a_killed_arbiter() -> None:
    """`kill -9` of the arbiter: its children have noticed and are gone in under a second."""
    with Server("hello:app", "-w", "3", exit_status=None) as server:
        workers = server.worker_pids()
        assert len(workers) == 3
        server.signal(signal.SIGKILL)
        assert processes.wait_ended(workers, 1.0) == []
        server.wait()


def test_a_request_in_flight_outlives_a_killed_arbiter() -> None:
    """Workers whose arbiter is gone finish what they are in."""
    with Server("app:app", "-w", "1", files=FILES, exit_status=None) as server:
        waiting, workers = Waiting(server), server.worker_pids()
        server.signal(signal.SIGKILL)
        assert processes.wait_ended([server.pid], 5.0) == []
        assert waiting.open().status == 200
        assert processes.wait_ended(workers, 1.0) == []
        assert f"arbiter gone slot=1 pid={workers[0]}" in server.log()


_STUCK = """\
import sys

def app(environ, start_response):
    if environ["PATH_INFO"] == "/wait":
        print("request begun", file=sys.stderr, flush=True)
        while True:
            try:
                for _ in iter(int, 1):
                    pass
            except BaseException:
                pass
    start_response("200 OK", [])
    return [b"ok"]
"""


@pytest.mark.parametrize("user", [(), ("--user", "nobody")], ids=["same user", "other user"])
@pytest.mark.parametrize("app", [_STUCK, FILES["app.py"]], ids=["busy", "waiting"])
def test_a_stuck_worker_does_not_outlive_a_killed_arbiter(app: str, user: tuple[str, ...]) -> None:
    """`kill -9` of the arbiter: a worker whose application never returns has written its stacks and is gone in time."""
    args = ("-w", "2", "--graceful-timeout", "1", *user)
    files = {"app.py": app}
    server = Server("app:app", *args, files=files, exit_status=None, tracebacks=True, python=readable.python())
    server.directory.chmod(0o755)
    with server:
        waiting, workers = Waiting(server), server.worker_pids()
        killed_at = time.monotonic()
        server.signal(signal.SIGKILL)
        assert processes.wait_ended(workers, 5.0) == []
        assert 1.5 < time.monotonic() - killed_at < 4.0
        server.wait()
        waiting.close()
        assert "app.py" in server.log()


def test_a_worker_stuck_in_its_boot_does_not_outlive_a_killed_arbiter() -> None:
    """`kill -9` of the arbiter during an import that hangs: nothing has begun, so the worker is gone at once."""
    with Server("app:app", files=FILES, exit_status=None) as server:
        server.write("app.py", "import sys, threading\nprint('hanging', file=sys.stderr)\nthreading.Event().wait()\n")
        server.signal(signal.SIGHUP)
        server.wait_for_log("hanging")
        workers = server.worker_pids()
        assert len(workers) == 2
        server.signal(signal.SIGKILL)
        assert processes.wait_ended(workers, 1.0) == []
        server.wait()


def test_a_worker_that_is_silent_is_aborted_then_replaced() -> None:
    """No heartbeat for `timeout`: the log names the request, the stacks are written, a new worker serves."""
    with Server("app:app", "-w", "1", "--timeout", "1", files=FILES, tracebacks=True) as server:
        waiting = Waiting(server)
        server.wait_for_log("worker timeout")
        server.wait_for_log("worker ready", 2)
        waiting.close()
        assert 'request="GET /wait"' in server.log()
        server.wait_for_log("app.py")
        server.wait_for_log("worker exited")


@pytest.mark.slow
def test_a_hang_in_import_ends_at_the_boot_deadline(tmp_path: pathlib.Path) -> None:
    """A first start that hangs ends with status 3 and says which limit ended it."""
    (tmp_path / "hangs.py").write_text("import threading\nthreading.Event().wait()\n")
    started_at = time.monotonic()
    done = heeler("hangs:app", "-w", "3", "-b", "127.0.0.1:0", "--boot-timeout", "1", cwd=tmp_path)
    assert done.status == 3
    assert "boot_timeout = 1 s" in done.stderr
    assert done.stderr.count("hangs.py") == 1, "one worker writes its stacks"
    assert 1.0 <= time.monotonic() - started_at < 8.0


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "4"])
def test_a_segfault_in_import_is_retried_with_growing_pauses(workers: str) -> None:
    """An import that kills the interpreter is booted at most ten times in the first six seconds, and again later."""
    with (
        pytest.raises(StartError) as failed,
        Server("app:app", "-w", workers, files=_SEGFAULTS, start_timeout_s=6.0, tracebacks=True),
    ):
        raise RuntimeError("it cannot have become ready")
    told = str(failed.value)
    assert told.startswith("not ready after 6.0 s"), "it goes on trying"
    boots = told.count("worker died in its boot")
    print(f"{boots} boots in 6 s")
    assert 3 <= boots <= 10, told
    assert boots == told.count('how="signal SIGSEGV"')


def test_a_failing_import_shows_its_own_traceback_once(tmp_path: pathlib.Path) -> None:
    """Four workers fail alike: the application's traceback stands there once, and nothing of Heeler's."""
    (tmp_path / "broken.py").write_text("def deeper():\n    1 / 0\n\ndeeper()\n")
    done = heeler("broken:app", "-w", "4", "-b", "127.0.0.1:0", cwd=tmp_path)
    assert done.status == 3
    assert done.stderr.count("ZeroDivisionError") == 1
    assert done.stderr.startswith("Traceback")
    assert "/heeler/" not in done.stderr


def test_an_application_that_is_not_there_is_one_line() -> None:
    """A wrong name ends the start with status 4 and one line."""
    done = heeler("hello:nothing", "-w", "4", "-b", "127.0.0.1:0")
    assert done.status == 4
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("heeler: error: application 'hello:nothing'")
