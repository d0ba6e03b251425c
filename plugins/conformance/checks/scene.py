"""What checks of several themes set up: a request in flight, a worker to be replaced."""

import contextlib
import os
import signal
import time
from typing import Final, Self

from heeler.plugins.conformance import processes
from heeler.plugins.conformance.client import Client, Response, build_request
from heeler.plugins.conformance.looks import status, wait_until
from heeler.plugins.conformance.maker import Maker
from heeler.plugins.conformance.server import Server
from heeler.plugins.conformance.verdict import Failed, expect, promise

PROMPT_S: Final = 4.0
"""What should happen at once has this long, on a busy machine too."""

HARMLESS: Final = (
    signal.SIGUSR1,
    signal.SIGHUP,
    signal.SIGUSR2,
    signal.SIGWINCH,
    signal.SIGTTIN,
    signal.SIGTTOU,
)
"""What a worker may get and must not mind; the last but one of them are the arbiter's."""


class InFlight:
    """A request that the application is at work on, until it is let go.

    Args:
        maker: whose patience counts.
        server: serves the site of the kit.
        name: tells it from others.
    """

    def __init__(self, maker: Maker, server: Server, name: str = "gate") -> None:
        self._server = server
        self._name = name
        self._patience_s = maker.patience_s
        self.client: Client

    def __enter__(self) -> Self:
        self.client = Client(self._server.address, self._patience_s)
        try:
            with promise("a request reaches the application"):
                self.client.send(build_request("GET", f"/wait/{self._name}"))
                self._server.wait_for_log(f"request begun {self._name}\n", timeout_s=self._patience_s)
        except BaseException:
            self.client.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def let_go(self, kept: str = "a request that was in flight is answered") -> Response:
        """Have it answered; `kept` says what is promised of it."""
        self._server.write(f"open-{self._name}", "")
        with promise(kept):
            response = self.client.read_response()
            expect(response.status == 200, f"broken: {kept}: it got status {response.status}")
            return response

    def expect_cut(self, kept: str) -> None:
        """Its connection ends without an answer."""
        try:
            found = self.client.read_to_end()
        except TimeoutError:
            found = b"(nothing, and no end)"
        expect(not found or b" 500 " in found, f"broken: {kept}: the client got {found[:80]!r}")


def end_of(server: Server, kept: str, within_s: float, wanted: int = 0) -> None:
    """The server ends, within that time and with that status."""
    with promise(kept):
        found = server.wait(within_s)
    expect(found == wanted, f"broken: {kept}: it ended with status {found}, not {wanted}\n{server.log()}")


def connect(stack: contextlib.ExitStack, maker: Maker, server: Server, count: int) -> list[Client]:
    """Return that many clients, which `stack` closes."""
    return [stack.enter_context(Client(server.address, maker.patience_s)) for _ in range(count)]


def stop(maker: Maker, server: Server) -> None:
    """Send TERM, and wait until no worker goes on as if it had not heard of it."""
    server.signal(signal.SIGTERM)
    deadline = time.monotonic() + maker.patience_s
    while _is_serving(server):
        expect(time.monotonic() < deadline, "broken: the worker drains after TERM: it still shows itself as ready")


def _is_serving(server: Server) -> bool:
    try:
        return any(child["state"] == "ready" for child in status(server)["children"])
    except Failed:  # it is gone already
        return False


def settle(maker: Maker, server: Server) -> None:
    """Wait until what was answered counts as answered, and is logged: that comes a moment later."""
    wait_until(server, lambda child: not child["in_flight"], maker.patience_s)


def only_worker(server: Server) -> int:
    """Return the process id of the only worker."""
    pids = server.worker_pids()
    expect(len(pids) == 1, f"{len(pids)} workers run, not 1")
    return pids[0]


def same_worker(server: Server, pid: int, kept: str) -> None:
    """The only worker is still `pid`."""
    expect(server.worker_pids() == [pid], f"broken: {kept}: worker {pid} is gone")


def wait_replaced(maker: Maker, server: Server, pids: list[int], kept: str, ready: int) -> None:
    """All of `pids` are gone, and as many workers as there were have become ready since."""
    with promise(kept):
        left = processes.wait_ended(pids, maker.patience_s)
        expect(not left, f"broken: {kept}: {len(left)} of {len(pids)} workers still run")
        server.wait_for_log("worker ready", ready, timeout_s=maker.patience_s)
    maker.ask(server, f"{kept}: the new worker serves")


def send_each(pid: int, numbers: tuple[signal.Signals, ...]) -> None:
    """Send a process each of these signals."""
    for number in numbers:
        os.kill(pid, number)
