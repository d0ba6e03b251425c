"""The threads of a worker that serve, and which of them are stuck."""

import math
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

from heeler.workers.http.request import Request
from heeler.workers.interruption import Interruption
from heeler.workers.overruns import OBEY_S

if TYPE_CHECKING:
    from heeler.workers.threaded_connection import ThreadedConnection


class Hand:
    """A thread that leads, runs a request, or rests.

    Args:
        number: which of them, from 0.
    """

    __slots__ = (
        "_alarm",
        "_state_file",
        "began_ns",
        "connection",
        "interruption",
        "number",
        "progress_ns",
        "request",
        "seen",
    )

    def __init__(self, number: int) -> None:
        self.number = number
        self.interruption: Interruption
        self.connection: ThreadedConnection | None = None
        """Whose request it runs."""
        self.request: Request
        """Which one, or the last one."""
        self.began_ns = 0
        """When it began to."""
        self.progress_ns = 0
        """When the application was seen to come on, last."""
        self.seen = 0
        """How often it had written then."""
        self._alarm = threading.Lock()
        self._alarm.acquire()
        self._state_file = ""

    def adopt_thread(self) -> None:
        """The calling thread is this hand from now on."""
        self.interruption = Interruption()
        self._state_file = f"/proc/self/task/{threading.get_native_id()}/stat"

    def is_waiting(self) -> bool:
        """Whether its thread waits for something, rather than computes or would like to."""
        try:
            with open(self._state_file, "rb") as file:
                return file.read().rpartition(b") ")[2][:1] != b"R"
        except OSError:
            return True

    def begin(self, connection: "ThreadedConnection", request: Request, now_ns: int) -> None:
        """It runs `request` from now on."""
        self.connection = connection
        self.request = request
        self.began_ns = self.progress_ns = now_ns
        self.seen = connection.writes = 0
        connection.hand = self

    def wake(self) -> None:
        """End its rest, or keep it from the next one."""
        self._alarm.release()

    def rest(self) -> None:
        """Wait for `wake`."""
        self._alarm.acquire()


def last_progress_ns(hands: Iterable[Hand], now_ns: int) -> int:
    """Return when one of them came on last, all of them being at work.

    Who waits for a client, or talks to it over its socket, is not stuck.
    """
    latest_ns = 0
    for hand in hands:
        connection = hand.connection
        if connection is None:
            continue  # it leads
        if connection.is_awaited:
            return now_ns
        if connection.writes != hand.seen:
            hand.seen = connection.writes
            hand.progress_ns = now_ns
        latest_ns = max(latest_ns, hand.progress_ns)
    return latest_ns


def heartbeat_ns(hands: Iterable[Hand], now_ns: int, request_timeout: float) -> int:
    """Return the heartbeat of a worker whose hands are all at work.

    It is that of the one that came on last, so that the arbiter replaces a worker in which all are
    stuck. Where requests have a deadline, they are stuck once they do not obey it.
    """
    latest_ns = last_progress_ns(hands, now_ns)
    if request_timeout < math.inf and now_ns - latest_ns < (request_timeout + OBEY_S) * 1e9:
        return now_ns
    return latest_ns
