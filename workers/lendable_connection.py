"""A connection whose socket an application may have for itself, for WebSocket over WSGI.

Decides when the socket is the reactor's and when the application's. While the application has
it, nobody reads from it here or waits on it. The application may answer through
`start_response` all the same, as long as it has sent nothing over the socket: then the reactor
has it back.
"""

import contextlib
import socket
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from heeler.workers.body import RequestBody
from heeler.workers.client import ClientGoneError, SwitchedError
from heeler.workers.client_writer import nothing
from heeler.workers.http.request import Request
from heeler.workers.http_connection import HttpConnection
from heeler.workers.sources import Connection
from heeler.workers.wsgi import Application, Gateway
from heeler.workers.wsgi_response import PlainFileWrapper

if TYPE_CHECKING:
    from heeler.workers.lent_socket import LentSocket
    from heeler.workers.reactor import ReactorWorker

NAMES = ("heeler.socket", "gunicorn.socket")
"""Where in the environ the socket is; Flask-Sock, simple-websocket and Flask-SocketIO look for the second."""


class LendableConnection(HttpConnection):
    """A connection that can be lent.

    Args:
        worker: whose connection it is.
        connection: the accepted socket.
        environ: what every request on it says of client and server.
    """

    __slots__ = ("lent",)

    def __init__(self, worker: "ReactorWorker", connection: Connection, environ: dict[str, object]) -> None:
        super().__init__(worker, connection, environ)
        self.lent: LentSocket | None = None
        """The socket while the application has it."""

    @property
    def is_switched(self) -> bool:
        """Whether the application speaks another protocol on it."""
        return self.lent is not None and self.lent.is_used

    def lend(self) -> "LentSocket":
        """Give the application a socket of the client's; its request is running."""
        from heeler.workers.lent_socket import LentSocket

        self.calm = False
        self.handler = nothing
        self.worker.let_go(self)
        self.lent = LentSocket(self.sock, self.close)
        return self.lent

    def take_back(self) -> None:
        """The application answers as others do."""
        self.lent = None
        if not self.closed:
            self.sock.setblocking(False)
            self.worker.take_back(self)
            self.hold()

    @override
    def close(self) -> None:
        if self.lent is not None and not self.closed:
            # Else the application would wait on with its copy.
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)
        super().close()


class Loan:
    """A connection that is lent, as the gateway sees it: it is taken back once a response is written.

    Args:
        connection: whose.
        sock: what the application got.
    """

    __slots__ = ("_connection", "_sock", "environ", "peer", "trusted")

    def __init__(self, connection: LendableConnection, sock: "LentSocket") -> None:
        self._connection = connection
        self._sock = sock
        self.environ = connection.environ | dict.fromkeys(NAMES, sock)
        self.peer = connection.peer
        self.trusted = connection.trusted

    def write(self, data: bytes) -> None:
        """As of a connection.

        Raises:
            SwitchedError: a response is too late.
        """
        self.end()
        self._connection.write(data)

    def write_file(self, fd: int, offset: int, count: int) -> None:
        """As of a connection.

        Raises:
            SwitchedError: a response is too late.
        """
        self.end()
        self._connection.write_file(fd, offset, count)

    def abort(self) -> None:
        """As of a connection."""
        self._connection.abort()

    def last_word(self, page: bytes) -> bool:
        """As of a connection; False where the application speaks for itself."""
        return not self._sock.is_used and self._connection.last_word(page)

    def end(self) -> None:
        """Have the socket back.

        Raises:
            SwitchedError: it is too late.
        """
        if self._sock.is_used:
            raise SwitchedError("the application speaks for itself")
        if self._connection.lent is not None:
            self._connection.take_back()


def serve_lent(
    gateway: Gateway, connection: LendableConnection, request: Request, body: RequestBody | None, started_ns: int
) -> bool:
    """Run one request whose application may take the client's socket; the result is as of `gateway.serve`.

    Args:
        gateway: of an application that went through `lending`.
        connection: it is running.
        request: offers another protocol.
        body: its content.
        started_ns: as of `gateway.serve`.
    """
    try:
        sock = connection.lend()
    except ClientGoneError:
        return False
    loan = Loan(connection, sock)
    try:
        keep_alive = gateway.serve(loan, request, body, started_ns)
        loan.end()
    except SwitchedError:
        return False
    finally:
        sock.end()
        connection.lent = None
    return keep_alive


# Any: WSGI.
def lending(application: Application) -> Application:
    """Return `application` as `serve_lent` wants it: once it has spoken for itself, nothing more comes of it.

    Frameworks end such a request in their own ways: StopIteration, an empty body, a response
    that nobody is to see.
    """

    def lent(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        sock: LentSocket = environ[NAMES[0]]
        try:
            iterable = application(environ, start_response)
        except StopIteration as end:
            if sock.is_used:
                raise SwitchedError("the application has spoken for itself") from end
            raise
        if not sock.is_used and isinstance(iterable, list | tuple | PlainFileWrapper):
            return iterable
        return _Lent(iterable, sock)

    return lent


class _Lent:
    """What the application returned, up to where it speaks for itself."""

    def __init__(self, iterable: Iterable[bytes], sock: "LentSocket") -> None:
        self._iterable = iterable
        self._sock = sock

    def __iter__(self) -> Iterator[bytes]:
        for data in self._iterable:
            if not self._sock.is_used:
                yield data
        if self._sock.is_used:
            raise SwitchedError("the application has spoken for itself")

    def close(self) -> None:
        """Close it, where it can be closed."""
        close = getattr(self._iterable, "close", None)
        if close is not None:
            close()
