"""What the access log is told of a finished request."""

from collections.abc import Iterable
from typing import Any, Final, Protocol

DONE: Final = "done"
"""The outcome of a request that was answered, or whose client left."""
TIMEOUT: Final = "timeout"
"""That of one that took longer than `request_timeout`, or was running in a worker that `timeout` has ended."""
SEEN_TO: Final = "seen to"
"""No outcome: the entry has been written, before the application was done."""
LOST: Final = "lost"
"""That of one that was running in a worker that has died, or was cut."""


class AccessFields(Protocol):
    """What the access log reads of a request's header fields; `heeler.workers.http.fields.Fields` has it."""

    environ: dict[str, str]
    """The fields by their keys in the WSGI environment."""


class AccessRequest(Protocol):
    """What the access log reads of a request; `heeler.workers.http.request.Request` has it."""

    queue_ns: int
    """How long it waited before a worker took it up."""

    @property
    def method(self) -> str:
        """The method as sent."""
        ...

    @property
    def target(self) -> str:
        """The request target as sent."""
        ...

    @property
    def path(self) -> str:
        """The target's path, still percent-encoded."""
        ...

    @property
    def query(self) -> str:
        """What follows the target's first `?`."""
        ...

    @property
    def minor(self) -> int:
        """1 for HTTP/1.1, 0 for HTTP/1.0."""
        ...

    @property
    def fields(self) -> AccessFields:
        """The header fields."""
        ...


class AccessEntry:
    """A finished request, as the access log sees it.

    Args:
        request: the request.
        status: the response's status code.
        reason: the response's reason phrase.
        headers: the response's headers.
        sent: bytes of body sent.
        duration_ns: from the request's first byte to the end of the response.
        peer: the client's address, "" for a Unix socket.
        environ: the WSGI environment, None for ASGI.
        outcome: `DONE`, `TIMEOUT` or `LOST`.
    """

    __slots__ = ("request", "status", "reason", "headers", "sent", "duration_ns", "peer", "environ", "outcome")

    def __init__(
        self,
        request: AccessRequest,
        status: int,
        reason: str,
        headers: Iterable[tuple[str, str]],
        sent: int,
        duration_ns: int,
        peer: str,
        environ: dict[str, Any] | None = None,  # Any: an application puts what it likes into its environ
        outcome: str = DONE,
    ) -> None:
        self.request = request
        self.status = status
        self.reason = reason
        self.headers = headers
        self.sent = sent
        self.duration_ns = duration_ns
        self.peer = peer
        self.environ = environ
        self.outcome = outcome
