"""Clients that ask all the time, on new connections and on kept ones, and notice whatever is not answered.

New connections are begun when they are due, however slow the server is; a kept one asks at fixed times, unless it
still waits for an answer. One thread makes them all. It knows nothing of how a server is started.
"""

import dataclasses
import enum
import errno
import math
import select
import socket
import threading
import time
from collections.abc import Callable, Collection, Sequence
from types import TracebackType
from typing import Final, Self

from loadbench.idle_connections import BODY, Address
from loadbench.schedule import percentile

# How long what is under way at the end may still take.
PATIENCE_S: Final = 15.0
_LONGEST_S: Final = 0.5
_NEVER_CONNECTED: Final = -1


class Kind(enum.Enum):
    """What a request comes on."""

    NEW = "new"
    KEPT = "kept"


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """A request that was answered; times in monotonic seconds."""

    kind: Kind
    begun_at: float
    took_s: float
    path: str


@dataclasses.dataclass(frozen=True, slots=True)
class Loss:
    """A request that was not answered; `port` is the client's, by which its connection is known."""

    kind: Kind
    lost_at: float
    path: str
    port: int
    why: str


class _Client:
    """A client: its connection, if it has one, and the request it waits for, if any."""

    __slots__ = ("begun_at", "due_at", "is_connecting", "kind", "path", "port", "received", "sock")

    def __init__(self, kind: Kind, due_at: float) -> None:
        self.kind = kind
        self.due_at = due_at
        self.sock: socket.socket | None = None
        self.port = _NEVER_CONNECTED
        self.path = ""
        """Of the request that is under way; empty while there is none."""
        self.is_connecting = False
        self.begun_at = 0.0
        self.received = b""


class SteadyLoad:
    """Asks from the beginning of a `with` block to its end.

    Args:
        address: of the server, whose application says how long its answers are.
        kept: how many clients keep their connection.
        new_a_second: how many new connections are begun in a second.
        kept_a_second: how often each of those that keep theirs asks.
        first: the number of the first request, which is its path.
        is_answer: whether a body answers the request for a path; where that is not said, `BODY` answers each.
    """

    def __init__(
        self,
        address: Address,
        kept: int = 8,
        new_a_second: int = 100,
        kept_a_second: int = 10,
        *,
        first: int = 1,
        is_answer: Callable[[str, bytes], bool] = lambda _, body: body == BODY,
    ) -> None:
        self._address = address
        self._is_answer = is_answer
        self._new_pause_s, self._kept_pause_s = 1 / new_a_second, 1 / kept_a_second
        self._kept_count = kept
        self._count = first - 1
        self._is_over = False
        self._open: dict[int, _Client] = {}  # by descriptor
        self._thread = threading.Thread(target=self._run, name="steady load")
        self._progress = threading.Condition()
        self.answers: list[Answer] = []
        self.losses: list[Loss] = []
        self.unsaid: list[tuple[float, int]] = []
        """When the server ended a kept connection without a word before, while nothing was under way; and its port.

        Whoever asks at that very moment loses the request.
        """
        self.late_s: list[tuple[float, float]] = []
        """When new connections were begun, and how long after they were due: the load's own fault."""
        self.fault: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Begin nothing more, wait for what is under way, and end."""
        self._is_over = True
        self._thread.join()
        if self.fault is not None:
            raise self.fault

    def go_on(self, count: int, timeout_s: float = PATIENCE_S) -> None:
        """Return when so many more were answered.

        Raises: AssertionError where that does not come to be.
        """
        wanted = len(self.answers) + count
        with self._progress:
            done = self._progress.wait_for(lambda: len(self.answers) >= wanted or self.fault, timeout_s)
        assert done, f"{len(self.answers)} answers, not {wanted}"

    def settle(self, before: float, timeout_s: float = PATIENCE_S) -> None:
        """Return when all that was begun before then is answered or lost.

        Raises: AssertionError where that does not come to be.
        """

        def is_settled() -> bool:
            under_way = [client for client in tuple(self._open.values()) if client.path and client.begun_at < before]
            return not under_way or self.fault is not None

        with self._progress:
            assert self._progress.wait_for(is_settled, timeout_s), f"not answered in {timeout_s:g} s"

    # -- the thread

    def _run(self) -> None:
        try:
            with select.epoll() as poll:
                self._poll = poll
                self._serve_clients()
        except BaseException as error:
            self.fault = error
            raise
        finally:
            for client in list(self._open.values()):
                self._close(client)

    def _serve_clients(self) -> None:
        begun_at = time.monotonic()
        step_s = self._kept_pause_s / max(1, self._kept_count)
        kept = [_Client(Kind.KEPT, begun_at + number * step_s) for number in range(self._kept_count)]
        new_due_at, until = begun_at, 0.0
        while True:
            now = time.monotonic()
            if not self._is_over:
                new_due_at = self._begin_due(kept, new_due_at, now)
                until = now + PATIENCE_S
            elif not any(client.path for client in self._open.values()):
                return
            elif now >= until:
                for client in [client for client in self._open.values() if client.path]:
                    self._lose(client, f"no answer in {PATIENCE_S:g} s")
                return
            next_at = min(new_due_at, *(client.due_at for client in kept if not client.path), now + _LONGEST_S)
            for fd, events in self._poll.poll(_LONGEST_S if self._is_over else max(0.0, next_at - time.monotonic())):
                if fd in self._open:
                    self._happened(self._open[fd], events)

    def _begin_due(self, kept: Sequence[_Client], new_due_at: float, now: float) -> float:
        """Begin what is due; return when the next new connection is."""
        while new_due_at <= now:
            self.late_s.append((now, now - new_due_at))
            self._begin(_Client(Kind.NEW, new_due_at))
            # What could not be begun for a while is not made up for: that would be another load.
            new_due_at = max(new_due_at + self._new_pause_s, now - 2 * self._new_pause_s)
        for client in kept:
            if not client.path and client.due_at <= now:
                client.due_at = max(client.due_at + self._kept_pause_s, now)
                self._begin(client)
        return new_due_at

    def _begin(self, client: _Client) -> None:
        if client.sock is not None and _is_ended(client.sock):
            self._ended(client, "")  # a moment ago, or this thread has slept: clients look before they ask again
        self._count += 1
        client.path, client.received, client.begun_at = f"/{self._count}", b"", time.monotonic()
        if client.sock is not None:
            self._ask(client)
            return
        client.sock = socket.socket()
        client.sock.setblocking(False)
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.is_connecting = True
        self._open[client.sock.fileno()] = client
        self._poll.register(client.sock, select.EPOLLOUT)
        client.port = _NEVER_CONNECTED
        error = client.sock.connect_ex(self._address)
        if error not in (0, errno.EINPROGRESS):
            self._lose(client, f"connect: {errno.errorcode[error]}")

    def _ask(self, client: _Client) -> None:
        assert client.sock is not None
        connection = "close" if client.kind is Kind.NEW else "keep-alive"
        try:
            client.port = client.sock.getsockname()[1]
            client.sock.send(
                f"GET {client.path} HTTP/1.1\r\nHost: test\r\nConnection: {connection}\r\n\r\n".encode("ascii")
            )
        except OSError as error:
            self._lose(client, f"send: {error!r}")
        else:
            self._poll.modify(client.sock, select.EPOLLIN)

    def _happened(self, client: _Client, events: int) -> None:
        assert client.sock is not None
        if client.is_connecting:
            client.is_connecting = False
            error = client.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error:
                self._lose(client, f"connect: {errno.errorcode[error]}")
            elif events & select.EPOLLOUT:
                self._ask(client)
            return
        try:
            data = client.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError as error:
            self._ended(client, repr(error))
            return
        if not data:
            self._ended(client, "end of file")
            return
        client.received += data
        head, end, body = client.received.partition(b"\r\n\r\n")
        if end and len(body) >= _length(head):
            self._answered(client, head.lower(), body)

    def _answered(self, client: _Client, head: bytes, body: bytes) -> None:
        if not client.path or head[9:12] != b"200" or not self._is_answer(client.path, body):
            self._lose(client, f"answered {head[:100]!r} {body[:100]!r}")
            return
        self.answers.append(Answer(client.kind, client.begun_at, time.monotonic() - client.begun_at, client.path))
        client.path = ""
        if client.kind is Kind.NEW or b"\r\nconnection: close" in head or head.startswith(b"http/1.0"):
            self._close(client)
        with self._progress:
            self._progress.notify_all()

    def _ended(self, client: _Client, why: str) -> None:
        """The server has closed: while nothing is under way that is nobody's loss."""
        if client.path:
            self._lose(client, f"{why} after {client.received[:100]!r}")
        else:
            self.unsaid.append((time.monotonic(), client.port))
            self._close(client)

    def _lose(self, client: _Client, why: str) -> None:
        self.losses.append(Loss(client.kind, time.monotonic(), client.path, client.port, why))
        client.path = ""
        self._close(client)
        with self._progress:
            self._progress.notify_all()

    def _close(self, client: _Client) -> None:
        assert client.sock is not None
        del self._open[client.sock.fileno()]
        client.sock.close()
        client.sock = None
        client.is_connecting = False


def _length(head: bytes) -> float:
    """Return how long the body is; without end where the head does not say."""
    for line in head.lower().split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name == b"content-length":
            return int(value)
    return math.inf


def _is_ended(sock: socket.socket) -> bool:
    """Whether the server has ended a connection on which nothing is under way."""
    try:
        return not sock.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True


@dataclasses.dataclass(frozen=True, slots=True)
class Span:
    """What came of the requests of a span of time.

    Args:
        new_s: how long each on a new connection took, in seconds, ascending.
        kept_s: the same on kept connections.
        lost: what was lost, but for what was killed.
        killed: what was lost on connections of a worker that was killed.
        unsaid: how many kept connections ended without a word, but for those that were killed.
        late_s: how late the load was at worst.
    """

    new_s: list[float]
    kept_s: list[float]
    lost: list[Loss]
    killed: list[Loss]
    unsaid: int
    late_s: float

    @classmethod
    def of(cls, load: SteadyLoad, begin: float, end: float, killed_ports: Collection[int] = ()) -> Self:
        """Return what came of what `load` began from `begin` on and before `end`, monotonic seconds; it has settled.

        What was lost from `begin` on is lost here, whenever it was begun.
        """
        answers = [one for one in load.answers if begin <= one.begun_at < end]
        losses = [one for one in load.losses if one.lost_at >= begin]
        return cls(
            sorted(one.took_s for one in answers if one.kind is Kind.NEW),
            sorted(one.took_s for one in answers if one.kind is Kind.KEPT),
            [one for one in losses if one.port not in killed_ports],
            [one for one in losses if one.port in killed_ports],
            sum(at >= begin and port not in killed_ports for at, port in load.unsaid),
            max((late for at, late in load.late_s if begin <= at < end), default=0.0),
        )

    def new_ms(self) -> list[float]:
        """Return p50, p99 and maximum of new connections, in milliseconds; nothing where there were none."""
        if not self.new_s:
            return []
        return [1000 * one for one in (percentile(self.new_s, 0.5), percentile(self.new_s, 0.99), self.new_s[-1])]
