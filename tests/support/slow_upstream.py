"""A server that applications call, and that answers when the test says so."""

import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

_ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nslow"


class SlowUpstream:
    """A server of HTTP on a port of its own, as long as a `with` block lasts: it answers `slow`, once it may."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._arrived = threading.Semaphore(0)
        self._released = threading.Event()
        self._threads: list[threading.Thread] = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._released.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        self._listener.close()

    def wait_arrived(self, count: int, timeout_s: float = 20.0) -> None:
        """Wait until `count` more requests have come and wait for their answers."""
        for number in range(count):
            assert self._arrived.acquire(timeout=timeout_s), f"{number} requests came at the same time, not {count}"

    def release(self) -> None:
        """Answer all requests, those that waited and those that come."""
        self._released.set()

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection = self._listener.accept()[0]
            except OSError:
                return
            self._start(self._answer, connection)

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(30)
            seen = b""
            while b"\r\n\r\n" not in seen:
                seen += connection.recv(65536)
            self._arrived.release()
            self._released.wait(30)
            connection.sendall(_ANSWER)
