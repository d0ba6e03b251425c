"""`max_requests`: workers come and go under load, and no request is lost or run twice."""

import signal
import threading
from typing import Final

from typing_extensions import override

from heeler.plugins.conformance.client import Client
from heeler.plugins.conformance.maker import Maker
from heeler.plugins.conformance.server import Server
from heeler.plugins.conformance.verdict import expect

CLIENTS: Final = 4
RETIRED: Final = 3
"""So many workers must have been replaced under the load."""
MOST: Final = 5000
"""After so many requests of a client no worker will ask to be replaced any more."""


def check_max_requests_lose_nothing(maker: Maker) -> None:
    """Under load, with workers that are replaced all the time, each request is answered and runs once."""
    args = ("-w", "2", "--max-requests", "25", "--max-requests-jitter", "15")
    with maker.serve(*args) as server:
        clients = [_Asking(maker, server, first * MOST) for first in range(CLIENTS)]
        for client in clients:
            client.start()
        for client in clients:
            client.join(maker.patience_s * 6)
        faults = [fault for client in clients for fault in client.faults]
        sent = sorted(number for client in clients for number in client.sent)
        expect(not faults, f"{len(faults)} of {len(sent)} requests were lost: {faults[:1]}")
        server.signal(signal.SIGTERM)
        server.wait(maker.patience_s)
        ran = sorted(int(line) for line in (server.directory / "ran").read_text().split())
        expect(ran == sent, f"{len(ran)} requests were run, {len(set(ran))} different ones, for {len(sent)} sent")
        retired = server.log().count("worker retires")
        expect(retired >= RETIRED, f"only {retired} workers asked to be replaced: `max_requests` is not counted")


class _Asking(threading.Thread):
    """A client that sends one request after the other, over connections that last as long as the server keeps them.

    Args:
        maker: whose patience counts, and whether many requests are wanted.
        server: whom it asks.
        first: the number of its first request; each has one of its own.
    """

    def __init__(self, maker: Maker, server: Server, first: int) -> None:
        super().__init__(daemon=True)
        self.sent: list[int] = []
        self.faults: list[str] = []
        self._maker = maker
        self._server = server
        self._first = first
        self._least = 50 if maker.quick else 1000
        self._client: Client | None = None

    @override
    def run(self) -> None:
        """Ask until enough workers were replaced."""
        for number in range(self._first, self._first + MOST):
            self._ask(number)
            if self.faults or (len(self.sent) >= self._least and self._is_enough()):
                break
        self._let_go()

    def _is_enough(self) -> bool:
        return self._server.log().count("worker retires") >= RETIRED

    def _ask(self, number: int) -> None:
        self.sent.append(number)
        try:
            if self._client is None:
                self._client = Client(self._server.address, self._maker.patience_s)
            response = self._client.request("POST", f"/note/{number}", body=b"x" * (number % 7))
        except (OSError, EOFError, AssertionError) as error:
            self.faults.append(f"request {number}: {type(error).__name__}: {error}")
            self._let_go()
            return
        if response.status != 200 or response.body != str(number).encode():
            self.faults.append(f"request {number}: {response}")
        if response.header("Connection") == "close":
            self._let_go()

    def _let_go(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None
