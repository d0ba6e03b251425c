"""The load of the loss counter notices what is not answered, and nothing else."""

import contextlib
import socketserver
import threading
import time
from collections import Counter
from collections.abc import Iterator

from typing_extensions import override

from loadbench.idle_connections import BODY, Address
from loadbench.steady_load import Kind, Span, SteadyLoad

ENOUGH = 120


class Forgetful(socketserver.ThreadingTCPServer):
    """Loses each seventh request of a kind, in one of three ways; ends each fifth connection after an answer.

    Half of these ends are not announced, but come at once, long before the client asks again.
    """

    daemon_threads = True
    request_queue_size = 100

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.forgotten: set[str] = set()
        self._counts: Counter[bool] = Counter()
        self._lock = threading.Lock()

    def count(self, is_kept: bool) -> int:
        """Return how many of this kind there were, this one included."""
        with self._lock:
            self._counts[is_kept] += 1
            return self._counts[is_kept]


class _Handler(socketserver.StreamRequestHandler):
    server: Forgetful

    @override
    def handle(self) -> None:
        while line := self.rfile.readline():
            fields = []
            while (field := self.rfile.readline()) not in (b"\r\n", b""):
                fields.append(field)
            number = self.server.count(b"Connection: keep-alive\r\n" in fields)
            if not number % 7:
                self.server.forgotten.add(line.split()[1].decode())
                self.wfile.write((b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 503 No\r\n\r\n" + BODY)[number % 3])
                return
            is_last, is_said = not number % 5, number % 2
            said = b"Connection: close\r\n" if is_last and is_said else b""
            head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n" % len(BODY)
            self.wfile.write(head + said + b"\r\n" + BODY)
            if is_last:
                return


@contextlib.contextmanager
def forgetful() -> Iterator[Forgetful]:
    """Run a server that forgets."""
    with Forgetful() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def address_of(server: Forgetful) -> Address:
    """Return where it listens."""
    host, port = server.socket.getsockname()
    return str(host), int(port)


def test_what_is_forgotten_is_found() -> None:
    """Each request without a whole and good answer is a loss; a connection that ends between two requests is none."""
    with forgetful() as server:
        with SteadyLoad(address_of(server), kept=4) as load:
            load.go_on(ENOUGH)
        forgotten = server.forgotten
    assert {loss.path for loss in load.losses} == forgotten != set()
    assert {loss.kind for loss in load.losses} == set(Kind)
    assert len(load.answers) >= ENOUGH
    assert load.unsaid


def test_nobody_there_is_a_loss() -> None:
    """A connection that is refused was a request all the same."""
    with forgetful() as server:
        address = address_of(server)
    with SteadyLoad(address, kept=1) as load, load._progress:
        assert load._progress.wait_for(lambda: load.losses, 10.0)
    assert load.losses and not load.answers
    assert "ECONNREFUSED" in load.losses[0].why


def test_spans_tell_when() -> None:
    """A span has what was begun in it, and what was lost since it began, by whose fault."""
    with forgetful() as server:
        with SteadyLoad(address_of(server), kept=4) as load:
            load.go_on(ENOUGH // 2)
            middle = time.monotonic()
            load.go_on(ENOUGH // 2)
        later = [loss for loss in load.losses if loss.lost_at >= middle]
        span = Span.of(load, middle, time.monotonic(), {loss.port for loss in later[1:]} - {later[0].port})
    assert span.lost == [loss for loss in later if loss.port == later[0].port]
    assert span.lost + span.killed == sorted(later, key=lambda loss: loss.port != later[0].port)
    assert 0 < len(span.new_s) < len([one for one in load.answers if one.kind is Kind.NEW])
    assert span.new_ms() == sorted(span.new_ms())
    assert span.unsaid == sum(at >= middle for at, _ in load.unsaid)
