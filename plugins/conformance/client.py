"""A client that sends any bytes and reads responses strictly; what it cannot read is an error."""

import dataclasses
import re
import socket
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Final, Self

Address = tuple[str, int] | str
"""(host, port), or the path of a Unix socket (`@name` for an abstract one)."""

_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9]) ([\t -~\x80-\xff]*)")
_FIELD_LINE: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t -~\x80-\xff]*?)[ \t]*")


class ResponseError(AssertionError):
    """The server sent what no client should have to read."""


@dataclasses.dataclass(slots=True)
class Response:
    """A response as it came.

    Args:
        interim: the status codes of 1xx responses before it.
    """

    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes = b""
    interim: list[int] = dataclasses.field(default_factory=list)

    def values(self, name: str) -> list[str]:
        """Return the values of all fields called `name`."""
        return [value for field, value in self.headers if field.lower() == name.lower()]

    def header(self, name: str, default: str = "") -> str:
        """Return the value of the one field called `name`."""
        found = self.values(name)
        if len(found) > 1:
            raise ResponseError(f"{name} stands {len(found)} times: {found}")
        return found[0] if found else default

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


class Client:
    """A connection.

    Args:
        address: where to.
        timeout_s: of each wait for the server.
    """

    def __init__(self, address: Address, timeout_s: float = 10.0) -> None:
        if isinstance(address, str):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(timeout_s)
            self.sock.connect("\0" + address[1:] if address.startswith("@") else address)
        else:
            self.sock = socket.create_connection(address, timeout_s)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._pending = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self.sock.close()

    def send(self, data: bytes) -> None:
        """Send all of `data`."""
        self.sock.sendall(data)

    def send_pieces(self, pieces: Iterable[bytes]) -> None:
        """Send each piece with a call of its own."""
        for piece in pieces:
            self.sock.sendall(piece)

    def request(
        self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes = b"", *, host: str = "x"
    ) -> Response:
        """Send a request in one piece and read its response."""
        self.send(build_request(method, target, headers, body, host=host))
        return self.read_response(head=method == "HEAD")

    def read_response(self, *, head: bool = False) -> Response:
        """Read one whole response; `head` = it answers HEAD, so it has no body.

        Raises:
            EOFError: the connection ended before the first byte.
            ResponseError: the response is malformed or cut.
        """
        interim: list[int] = []
        while True:
            response = self._read_head()
            if response.status == 101 or response.status >= 200:
                break
            interim.append(response.status)
        response.interim = interim
        if not head and response.status not in (101, 204, 304):
            response.body = self._read_body(response)
        return response

    def read_bytes(self, count: int) -> bytes:
        """Read exactly `count` bytes."""
        while len(self._pending) < count:
            self._more(f"{count} bytes wanted")
        found, self._pending = self._pending[:count], self._pending[count:]
        return found

    def read_until(self, mark: bytes) -> bytes:
        """Read up to `mark` and return what stands before it."""
        while mark not in self._pending:
            self._more(f"{mark!r} wanted")
        found, _, self._pending = self._pending.partition(mark)
        return found

    def read_to_end(self) -> bytes:
        """Read until the server closes; a reset counts as a close."""
        parts = [self._pending]
        self._pending = b""
        while chunk := self._receive():
            parts.append(chunk)
        return b"".join(parts)

    def pending(self) -> int:
        """Return how many bytes have come that nobody has read."""
        return len(self._pending)

    def peek_more(self) -> None:
        """Wait for more bytes, and keep them for later."""
        self._more("more wanted")

    def is_closed(self) -> bool:
        """Wait for the server to close; False if it sends instead, or the time is over."""
        try:
            return not self._pending and not self._receive()
        except TimeoutError:
            return False

    def _receive(self) -> bytes:
        try:
            return self.sock.recv(1 << 18)
        except ConnectionError:
            return b""

    def _more(self, why: str) -> None:
        chunk = self._receive()
        if not chunk:
            raise ResponseError(f"{why}, but the connection ended after {self._pending[-200:]!r}")
        self._pending += chunk

    def _read_head(self) -> Response:
        if not self._pending:
            self._pending = self._receive()
            if not self._pending:
                raise EOFError("the connection ended without a response")
        status_line, *lines = self.read_until(b"\r\n\r\n").split(b"\r\n")
        found = _STATUS_LINE.fullmatch(status_line)
        if found is None:
            raise ResponseError(f"no status line: {status_line!r}")
        headers = []
        for line in lines:
            field = _FIELD_LINE.fullmatch(line)
            if field is None:
                raise ResponseError(f"no field line: {line!r}")
            headers.append((field[1].decode("latin-1"), field[2].decode("latin-1")))
        return Response(int(found[1]), found[2].decode("latin-1"), headers)

    def _read_body(self, response: Response) -> bytes:
        coding, length = response.header("Transfer-Encoding"), response.header("Content-Length")
        if coding and length:
            raise ResponseError("both Transfer-Encoding and Content-Length")
        if coding:
            if coding.lower() != "chunked":
                raise ResponseError(f"Transfer-Encoding: {coding}")
            return self._read_chunks()
        if length:
            return self.read_bytes(int(length))
        return self.read_to_end()

    def _read_chunks(self) -> bytes:
        parts = []
        while size := int(self.read_until(b"\r\n").partition(b";")[0], 16):
            parts.append(self.read_bytes(size))
            if self.read_bytes(2) != b"\r\n":
                raise ResponseError("no CRLF after a chunk")
        while self.read_until(b"\r\n"):  # trailers
            pass
        return b"".join(parts)


def build_request(
    method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes = b"", *, host: str = "x"
) -> bytes:
    """Return a plain HTTP/1.1 request; Host and, with a body, Content-Length are added unless given."""
    fields = {"Host": host, **(headers or {})}
    given = {name.lower() for name in fields}
    if body and not given & {"content-length", "transfer-encoding"}:
        fields["Content-Length"] = str(len(body))
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def get(address: Address, target: str = "/", headers: Mapping[str, str] | None = None) -> Response:
    """Fetch `target` over a connection of its own."""
    with Client(address) as client:
        return client.request("GET", target, {"Connection": "close", **(headers or {})})


def exchange(address: Address, data: bytes, timeout_s: float = 10.0) -> bytes:
    """Send `data` over a connection of its own and return all bytes up to the server's close."""
    with Client(address, timeout_s) as client:
        client.send(data)
        return client.read_to_end()
