"""How much of a request is taken before it is refused."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes, each without the line's own CRLF; 0 means no limit but the head's.

    Args:
        request_line: the request line; more is answered with 414.
        fields: how many field lines a head or a trailer section may have; more is 431.
        field_size: one field line; more is 431.
        head: the whole head, and so what a connection may buffer before its
            request is whole; raised to the other limits where they are larger.
        body: the whole content, decoded; more is 413.
        chunk_extensions: all chunk extensions of one body together.
        trailers: the whole trailer section.
    """

    request_line: int = 4094
    fields: int = 100
    field_size: int = 8190
    head: int = 65536
    body: int = 0
    chunk_extensions: int = 16384
    trailers: int = 8190

    @property
    def head_total(self) -> int:
        """The bytes of a head that may be buffered."""
        return max(self.head, self.request_line + self.field_size + 6)

    @property
    def longest_quick_line(self) -> int:
        """The longest request line that is read without looking at the limits one by one."""
        return self.request_line or 4094
