"""`heeler reload --wait` returns when the reload has ended, and says how."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Self

import pytest

from support import processes
from support.client import get
from support.server import Finished, Server, environment, heeler

_FILES = {
    "app.py": """\
import sys

with open("state") as file:
    STATE = file.read().encode()
if STATE == b"held":
    print("import begun", file=sys.stderr, flush=True)
    open("gate").read()

def app(environ, start_response):
    start_response("200 OK", [("Content-Length", str(len(STATE)))])
    return [STATE]
""",
    "heeler.conf.py": "",
    "state": "0",
}
"""Serves what the file `state` holds; while that says `held`, its import does not come to an end."""


def reload(server: Server, *args: str) -> Finished:
    """Run the command to its end."""
    return heeler("reload", "--pid", str(server.pid), *args)


class Waiting:
    """The command, as it waits for the end of a reload that does not come to one by itself.

    Args:
        server: serves `_FILES`.
    """

    def __init__(self, server: Server, *args: str) -> None:
        self._server = server
        self._gate = server.directory / "gate"
        os.mkfifo(self._gate)
        server.write("state", "held")
        command = [sys.executable, "-m", "heeler", "reload", "--wait", "--pid", str(server.pid), *args]
        self._popen = subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, text=True)
        self.pid = self._popen.pid

    def __enter__(self) -> Self:
        self._server.wait_for_log("import begun")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._popen.kill()
        self._popen.communicate()

    def open(self) -> None:
        """Let the import come to its end."""
        self._gate.open("w").close()

    def ends(self) -> tuple[int, str]:
        """Return the exit status, and what it wrote on standard error."""
        stderr = self._popen.communicate(timeout=20)[1]
        return self._popen.returncode, stderr


@pytest.mark.parametrize("args", [("-w", "3"), ("-w", "2", "--dispatch", "request")])
def test_a_reload_that_goes_well_is_waited_for(args: tuple[str, ...]) -> None:
    """When it returns, every worker serves what is new, and no other is left."""
    with Server("app:app", *args, files=_FILES) as server:
        server.wait_for_log("worker ready", int(args[1]))
        before = server.worker_pids()
        server.write("state", "1")
        done = reload(server, "--wait")
        assert done == Finished(0, "reload done generation=2\n", "")
        assert not any(processes.is_alive(pid) for pid in before)
        assert get(server.address).body == b"1"


def _breaks_code(server: Server) -> str:
    server.write("app.py", "1 / 0")
    return "ZeroDivisionError: division by zero"


def _breaks_settings(server: Server) -> str:
    server.write("heeler.conf.py", "workers = 'many'")
    return "workers = 'many' ("


def _takes_what_is_taken(server: Server) -> str:
    server.write("heeler.conf.py", "bind = 'unix:/nowhere/x.sock'")
    return "cannot listen on unix:/nowhere/x.sock: "


@pytest.mark.parametrize("spoil", [_breaks_code, _breaks_settings, _takes_what_is_taken])
def test_why_a_reload_was_rolled_back_is_said(spoil: Callable[[Server], str]) -> None:
    """The status is 5, and the reason is the last line of the traceback, or the error; what served serves on."""
    files = _FILES | {"heeler.conf.py": "bind = '127.0.0.1:0'"}
    with Server("app:app", files=files, bind=(), tracebacks=True) as server:
        before = get(server.address).body
        reason = spoil(server)
        done = reload(server, "--wait", "--timeout", "20")
        assert done.status == 5
        assert done.stderr.startswith(f"heeler: reload failed generation=2: {reason}")
        assert done.stderr.count("\n") == 1
        assert get(server.address).body == before


def test_another_reload_takes_the_place_of_one_that_is_waited_for() -> None:
    """Who waits for the first is told so, and who waits for the second that it is done."""
    with Server("app:app", files=_FILES) as server, Waiting(server) as waiting:
        server.write("state", "1")
        assert reload(server, "--wait").stdout == "reload done generation=3\n"
        status, stderr = waiting.ends()
        assert status == 6
        assert stderr == "heeler: reload superseded generation=2: a newer one has taken its place\n"


def test_one_that_is_refused_is_not_taken_for_the_one_under_way() -> None:
    """Wrong settings: that one goes on, and each waits for its own."""
    with Server("app:app", files=_FILES) as server, Waiting(server) as waiting:
        server.write("heeler.conf.py", "workers = 'many'")
        assert reload(server, "--wait").status == 5
        waiting.open()
        assert waiting.ends() == (0, "")
        assert get(server.address).body == b"held"


@pytest.mark.parametrize("command", ["reload", "status"])
def test_who_waits_is_taken_for_no_server(command: str) -> None:
    """It sees the same scoreboard; a signal would end it."""
    with Server("app:app", files=_FILES) as server, Waiting(server) as waiting:
        done = heeler(command, "--pid", str(waiting.pid))
        assert (done.status, done.stderr) == (1, f"heeler: error: process {waiting.pid} is no Heeler\n")
        waiting.open()
        assert waiting.ends() == (0, "")


def test_waiting_has_an_end() -> None:
    """The status is 7 then; the reload goes on."""
    with Server("app:app", files=_FILES) as server, Waiting(server, "--timeout", "0.5") as waiting:
        assert waiting.ends() == (7, "heeler: the reload has not ended within 0.5 s; it goes on\n")
        waiting.open()
        server.wait_for_log("reload done generation=2")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_server_that_ends_meanwhile_is_noticed(number: signal.Signals) -> None:
    """Whether it was asked to or not."""
    with Server("app:app", files=_FILES, exit_status=None) as server, Waiting(server) as waiting:
        server.signal(number)
        status, stderr = waiting.ends()
        assert (status, stderr) == (8, f"heeler: the server has ended, pid={server.pid}, and the reload with it\n")


def test_a_drain_ends_a_reload_and_the_arbiter_stays() -> None:
    """Who waits is told so as if the server had ended, and who asks after that is refused at once."""
    with Server("app:app", files=_FILES) as server, Waiting(server) as waiting:
        assert heeler("drain", "--pid", str(server.pid)).status == 0
        status, stderr = waiting.ends()
        assert (status, stderr) == (8, f"heeler: the server has ended, pid={server.pid}, and the reload with it\n")
        refused = f"heeler: the server is about to stop, pid={server.pid}, and reloads no more\n"
        assert reload(server, "--wait", "--timeout", "5") == Finished(8, "", refused)
        assert reload(server) == Finished(8, "", refused)


def test_a_reload_may_be_asked_for_and_left_alone() -> None:
    """The server is found by its pid file, or by a child of it."""
    with Server("app:app", "--pidfile", "a.pid", files=_FILES) as server:
        asked = heeler("reload", "--pidfile", str(server.directory / "a.pid"))
        assert asked == Finished(0, f"reload asked for pid={server.pid}\n", "")
        server.wait_for_log("reload done generation=2")
        (worker,) = server.worker_pids()
        assert heeler("reload", "--pid", str(worker), "--wait").stdout == "reload done generation=3\n"


@pytest.mark.parametrize(
    ("args", "status", "said"),
    [
        (("--pid", "999999999"), 1, "there is no process 999999999"),
        (("--pid", "0"), 2, "no process has the id 0"),
        (("--timeout", "5"), 2, "say --wait too"),
        (("--wait", "--timeout", "-1"), 2, "-1 is not a number of seconds >= 0"),
    ],
)
def test_what_cannot_be_asked_is_refused(args: tuple[str, ...], status: int, said: str) -> None:
    """In one line, and nothing is signalled."""
    done = heeler("reload", *args)
    assert (done.status, done.stdout) == (status, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
