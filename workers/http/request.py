"""A request as it came over the wire, and the event that ends its content."""

import enum
from typing import Final

from heeler.workers.http.fields import Fields
from heeler.workers.http.request_line import RequestLine


class End(enum.Enum):
    """The type of `END`."""

    END = "end"


END: Final = End.END
"""The event after the last byte of a request's content."""


class Request:
    """One request's head; its content follows as `bytes` events and `END`.

    Made once per request and read often, so what is common to many requests (the
    request line, the header fields and what they mean) lies in objects that requests share.

    Args:
        line: the request line. Shared: never change it.
        fields: the header fields. Shared: never change them.
        keep_alive: whether the client would send another request.
        complete: whether there is no content: neither bytes nor `END` follow.
    """

    __slots__ = ("complete", "fields", "keep_alive", "line", "queue_ns")

    def __init__(self, line: RequestLine, fields: Fields, keep_alive: bool, complete: bool) -> None:
        self.line = line
        self.fields = fields
        self.keep_alive = keep_alive
        self.complete = complete
        self.queue_ns = 0
        """How long it waited before a worker took it up, as far as that is known."""

    @property
    def method(self) -> str:
        """The method as sent."""
        return self.line.method

    @property
    def target(self) -> str:
        """The request target as sent."""
        return self.line.target

    @property
    def path(self) -> str:
        """The target's path, still percent-encoded; `*` for `OPTIONS *`."""
        return self.line.path

    @property
    def query(self) -> str:
        """What follows the target's first `?`, or the empty text."""
        return self.line.query

    @property
    def minor(self) -> int:
        """1 for HTTP/1.1, 0 for HTTP/1.0."""
        return self.line.minor

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """The fields in the order sent, names in lower case. Shared: never change it."""
        return self.fields.pairs

    @property
    def host(self) -> str | None:
        """The host and port asked for (RFC 9112, section 3.2); None if not said."""
        return self.fields.environ.get("HTTP_HOST")

    @property
    def content_length(self) -> int | None:
        """The length of the content as declared; None if not declared or chunked."""
        return self.fields.content_length

    @property
    def chunked(self) -> bool:
        """Whether the content comes in chunks."""
        return self.fields.chunked

    @property
    def expects_continue(self) -> bool:
        """Whether the client waits for `100 Continue` before it sends its content."""
        return self.fields.expects_continue and self.minor == 1 and not self.complete

    @property
    def upgrade(self) -> bool:
        """Whether the client offers to go on in another protocol (RFC 9110, section 7.8)."""
        return self.fields.upgrade and self.minor == 1
