"""The code of a new distribution: the worker class, and its tests. `$name` and the like stand for its names."""

from typing import Final

PACKAGE: Final = '''\
"""The worker class `$name` for Heeler."""
'''

WORKER: Final = '''\
"""The worker class `$name`: one request runs at a time, and the log names the slow ones."""

import signal
import time
import types

from heeler.plugins.errors import RequestTimeout
from heeler.plugins.parse import seconds
from heeler.plugins.setting import Setting
from heeler.workers.body import RequestBody
from heeler.workers.http.request import Request
from heeler.workers.http_connection import HttpConnection
from heeler.workers.overrun import is_in_application, run_in
from heeler.workers.reactor import ReactorWorker

SLOW = Setting(
    "${snake}_slow",
    seconds,
    1,
    "How long a request may take before the log names it.",
    "$title worker",
    cli=("--$name-slow",),
    metavar="SECONDS",
)


class ${title}Worker(ReactorWorker):
    """Runs each request in the loop itself."""

    name = "$name"
    settings = (SLOW,)

    def setup(self) -> None:
        """The application is loaded: make what `take` needs."""
        super().setup()
        self.row.set("capacity", 1)  # `heeler status` shows how many requests can run at once
        signal.signal(signal.SIGALRM, self.on_alarm)

    def take(self, connection: HttpConnection, request: Request, body: RequestBody | None) -> None:
        """A whole request has come: run it, or have it wait for its turn."""
        if not self.free:
            connection.postpone(request, body)
            return
        self.free, connection.running = 0, True
        what, started_ns = request.line.what, time.monotonic_ns()
        self.row.enter_only(started_ns, len(what), what)
        if self.config.request_timeout:
            signal.setitimer(signal.ITIMER_REAL, self.request_timeout, 0.02)
        keep_alive = self.gateway.serve(connection, request, body, started_ns)
        signal.setitimer(signal.ITIMER_REAL, 0)
        self.row.leave_only()
        self.free, connection.running = 1, False
        connection.finish(keep_alive)
        took_s = (time.monotonic_ns() - started_ns) / 1e9
        if took_s > self.config.${snake}_slow:
            self.log.warning("slow request seconds=%.3f request=%r", took_s, what.decode("latin-1"))

    def on_alarm(self, number: int, frame: types.FrameType | None) -> None:
        """The request takes too long; it is interrupted once it is in the application's own code."""
        if not self.free and is_in_application(frame):
            signal.setitimer(signal.ITIMER_REAL, 0)
            if (run := run_in(frame)) is not None:
                self.overruns.begin(run.request, run.started_ns, self.overruns.stacks(frame))
            raise RequestTimeout(f"the request took longer than {self.request_timeout:g} s")
'''

CONFORMANCE: Final = '''\
"""The worker class keeps the promises that every worker class of Heeler makes: a test for each."""

from collections.abc import Callable

import pytest


@pytest.mark.heeler_conformance("$name")
def test_promise_is_kept(heeler_conformance: Callable[[], None]) -> None:
    """One check of the kit; `heeler conformance --list` tells what each is about."""
    heeler_conformance()
'''

SETTING: Final = '''\
"""The setting that the worker class brings."""

import json
import subprocess
import sys
import urllib.request

from heeler.plugins.conformance.server import Server

APP = """
def app(environ, start_response):
    start_response("204 No Content", [])
    return []
"""


def test_heeler_knows_the_setting() -> None:
    """It takes it from the command line, and says where it has it from."""
    heeler = [sys.executable, "-m", "heeler"]
    command = [*heeler, "config", "${snake}_slow", "--json", "-k", "$name", "--$name-slow", "3"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    assert json.loads(done.stdout) == {"${snake}_slow": {"value": 3, "source": "command line"}}


def test_slow_request_is_named() -> None:
    """The log names a request that takes longer than the setting says, and here every one does."""
    with Server("app:app", "-k", "$name", "--$name-slow", "0", files={"app.py": APP}) as server:
        host, port = server.address
        with urllib.request.urlopen(f"http://{host}:{port}/shop", timeout=10) as response:
            assert response.status == 204
        server.wait_for_log("slow request")
        assert "GET /shop" in server.log()
'''
