"""A request as it came over the wire, and the event that ends its content."""

import enum
from typing import Final

from heeler.workers.http.fields import Fields


class End(enum.Enum):
    """The type of `END`."""

    END = "end"


END: Final = End.END
"""The event after the last byte of a request's content."""


class Request:
    """One request's head; its content follows as `bytes` events and `END`.

    Made once per request and read often, so what is common to many requests (the
    header fields and what they mean) lies in `fields`, which requests share.

    Args:
        method: as sent.
        target: the request target as sent.
        path: the target's path, still percent-encoded; `*` for `OPTIONS *`.
        query: what follows the first `?`, or the empty text.
        minor: 1 for HTTP/1.1, 0 for HTTP/1.0.
        fields: the header fields. Shared: never change them.
        keep_alive: whether the client would send another request.
        complete: whether there is no content: neither bytes nor `END` follow.
    """

    __slots__ = ("complete", "fields", "keep_alive", "method", "minor", "path", "query", "target")

    def __init__(
        self,
        method: str,
        target: str,
        path: str,
        query: str,
        minor: int,
        fields: Fields,
        keep_alive: bool,
        complete: bool,
    ) -> None:
        self.method = method
        self.target = target
        self.path = path
        self.query = query
        self.minor = minor
        self.fields = fields
        self.keep_alive = keep_alive
        self.complete = complete

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
