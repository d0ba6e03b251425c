"""TERM, INT and QUIT: how a server ends."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from heeler.arbiter.policy import QUIT_GRACE_S
from support import processes
from support.client import Client, get
from support.gate import FILES, Waiting
from support.server import WORKER_CLASSES, Server

_HANGS = "import threading\nprint('hanging', flush=True)\nthreading.Event().wait()\n"


def test_term_lets_what_is_in_flight_finish() -> None:
    """TERM: the request that runs is answered, and the exit status is 0."""
    with Server("app:app", "-w", "2", files=FILES) as server:
        waiting = Waiting(server)
        server.signal(signal.SIGTERM)
        server.wait_for_log("stopping how=graceful")
        assert waiting.open().status == 200
        assert server.wait() == 0


def test_what_waits_in_the_backlog_is_served_before_the_end() -> None:
    """TERM while the only worker is busy: a connection that nobody has accepted yet is answered as well."""
    with Server("app:app", "-w", "1", files=FILES) as server:
        waiting = Waiting(server)
        with Client(server.address) as queued:
            queued.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
            server.signal(signal.SIGTERM)
            server.wait_for_log("stopping how=graceful")
            assert waiting.open().status == 200
            assert queued.read_response().status == 200
        assert server.wait() == 0


def test_a_drain_that_takes_too_long_is_cut() -> None:
    """TERM, and a request that outlasts `graceful_timeout`: it is named in the log, and the status is 75."""
    with Server("app:app", "--graceful-timeout", "1", files=FILES) as server:
        waiting = Waiting(server)
        assert server.stop() == 75
        waiting.close()
        assert 'request="GET /wait"' in server.log()


def test_a_second_term_cuts_at_once() -> None:
    """TERM twice: nobody waits for what is in flight any more, not even a worker that is in the midst of it."""
    with Server("app:app", "--graceful-timeout", "60", files=FILES) as server:
        waiting = Waiting(server)
        server.signal(signal.SIGTERM)
        server.wait_for_log("stopping how=graceful")
        # Not a wait for anything in the server: the same TERM within a quarter of a second is one wish.
        processes.wait_ended([server.pid], 0.3)
        server.signal(signal.SIGTERM)
        asked_at = time.monotonic()
        assert server.wait() == 75
        assert time.monotonic() - asked_at < QUIT_GRACE_S / 2
        waiting.close()
        assert "worker killed" not in server.log()
        assert server.log().count("request lost") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_int_and_quit_end_a_drain(number: signal.Signals) -> None:
    """INT or QUIT during a drain: it is over at once, though the worker is too busy to read what it is told."""
    with Server("app:app", "--graceful-timeout", "60", files=FILES) as server:
        waiting = Waiting(server)
        server.signal(signal.SIGTERM)
        server.wait_for_log("stopping how=graceful")
        asked_at = time.monotonic()
        server.signal(number)
        assert server.wait() == 75
        assert time.monotonic() - asked_at < QUIT_GRACE_S / 2
        waiting.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_an_idle_server_ends_at_once_with_success(number: signal.Signals) -> None:
    """INT and QUIT with nothing in flight: gone within a moment, status 0."""
    with Server("app:app", "-w", "3", files=FILES) as server:
        get(server.address)
        asked_at = time.monotonic()
        server.signal(number)
        assert server.wait() == 0
        assert time.monotonic() - asked_at < 2.0


def test_ctrl_c_on_a_terminal_is_quiet_and_prompt() -> None:
    """INT to the whole process group, as a terminal sends it: a clean end, no traceback, no worker forked anew."""
    with Server("app:app", "-w", "3", files=FILES) as server:
        server.wait_for_log("worker ready", 3)
        os.killpg(server.pid, signal.SIGINT)
        assert server.wait() == 0
        assert server.log().count("worker ready") == 3


@pytest.mark.parametrize(
    ("files", "status"),
    [
        ({"app.py": "", "heeler.conf.py": _HANGS}, -signal.SIGINT),
        ({"app.py": _HANGS}, 0),
    ],
    ids=["settings", "application"],
)
def test_ctrl_c_during_the_start_is_quiet(files: dict[str, str], status: int, tmp_path: pathlib.Path) -> None:
    """INT to the whole group while settings are read, or while the application is imported: no traceback."""
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    command = [sys.executable, "-m", "heeler", "app:app", "-b", "127.0.0.1:0", "--pid", "x.pid"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=tmp_path, stdout=pipe, stderr=pipe, start_new_session=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"hanging\n"
        os.killpg(process.pid, signal.SIGINT)
        _, told = process.communicate(timeout=20)
    assert process.returncode == status
    assert b"Traceback" not in told
    assert not (tmp_path / "x.pid").exists()


def test_ctrl_c_counts_what_it_cuts_once() -> None:
    """INT to the whole group reaches a busy worker twice, by the terminal and by the arbiter: it ends once."""
    config = """\
def worker_int(worker): worker.log.info("HOOK worker_int")
def child_exit(server, worker): server.log.info("HOOK child_exit")
"""
    with Server("app:app", "-w", "2", files={**FILES, "heeler.conf.py": config}) as server:
        server.wait_for_log("worker ready", 2)
        waiting = Waiting(server)
        asked_at = time.monotonic()
        os.killpg(server.pid, signal.SIGINT)
        assert server.wait() == 75
        assert time.monotonic() - asked_at < QUIT_GRACE_S / 2
        waiting.close()
        assert server.log().count("request lost") == 1
        assert server.log().count("HOOK worker_int") == 2
        assert "stopped cut=1 requests=1 " in server.log()


def test_term_is_obeyed_while_workers_boot() -> None:
    """TERM in the midst of a reload whose new worker hangs in its import: the end comes at once."""
    with Server("app:app", files=FILES, tracebacks=True) as server:
        server.write(
            "app.py", "import sys, threading\nprint('hanging', file=sys.stderr, flush=True)\nthreading.Event().wait()\n"
        )
        server.signal(signal.SIGHUP)
        server.wait_for_log("hanging")
        asked_at = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - asked_at < 4.0


def test_a_worker_in_its_boot_does_not_outstay_those_who_serve() -> None:
    """TERM in the midst of an import: it ends by itself; until then it would hold the address, and serve nobody."""
    with Server("app:app", files=FILES, tracebacks=True) as server:
        # Turns of Python code: a signal that comes just before a lock is waited for would be seen after the wait.
        server.write(
            "app.py",
            "import sys, threading\nprint('booting', file=sys.stderr, flush=True)\n"
            "while not threading.Event().wait(0.01):\n    pass\n",
        )
        server.signal(signal.SIGHUP)
        server.wait_for_log("booting")
        assert server.stop() == 0
        assert "worker killed" not in server.log()


@pytest.mark.parametrize("worker_class", WORKER_CLASSES)
def test_an_import_that_waits_for_the_system_ends_at_once(worker_class: str) -> None:
    """TERM to a worker whose import waits in a system call, and so in no Python code: it ends by itself."""
    waits = "import os, sys\nprint(f'booting={os.getpid()}.', file=sys.stderr, flush=True)\nopen('gate').read()\n"
    with Server("app:app", "-k", worker_class, files=FILES, tracebacks=True) as server:
        os.mkfifo(server.directory / "gate")
        server.write("app.py", waits)
        server.signal(signal.SIGTTIN)
        server.wait_for_log(".\n")
        pid = int(server.log().partition("booting=")[2].partition(".")[0])
        os.kill(pid, signal.SIGTERM)
        assert processes.wait_ended([pid], 10.0) == []
        server.wait_for_log(f'worker died in its boot slot=2 generation=1 pid={pid} how="exit 0"')


def test_a_worker_that_somebody_stops_is_replaced() -> None:
    """TERM to a worker: it drains, and another takes its slot."""
    with Server("app:app", files=FILES) as server:
        (before,) = server.worker_pids()
        processes.kill(before, signal.SIGTERM)
        server.wait_for_log("worker ready", 2)
        assert get(server.address).status == 200
        assert before not in server.worker_pids()


def test_a_worker_that_somebody_interrupts_counts_what_it_cuts_once() -> None:
    """INT to a busy worker: one request is lost, and counted once."""
    with Server("app:app", files=FILES) as server:
        waiting = Waiting(server)
        processes.kill(server.worker_pids()[0], signal.SIGINT)
        server.wait_for_log("worker died")
        waiting.close()
        assert server.log().count("request lost") == 1
        assert "cut=1\n" in server.log()


def test_a_recycled_worker_is_replaced_before_it_goes() -> None:
    """With `max_requests` a worker asks to be replaced, serves until its successor is ready, and is gone."""
    with Server("app:app", "--max-requests", "5", files=FILES) as server:
        before: set[bytes] = set()
        for generation in range(1, 4):
            seen = {get(server.address).body for _ in range(5)}
            assert len(seen) == 1 and not seen & before
            before |= seen
            server.wait_for_log("worker retires", generation)
            server.wait_for_log("worker ready", generation + 1)
            log = server.log()
            assert log.count("worker exited") < generation or log.rindex("worker ready") < log.rindex("worker exited")
            # From here on only the successor is there, with all its requests before it.
            server.wait_for_log("worker exited", generation)
