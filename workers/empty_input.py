"""The `wsgi.input` of a request without content."""

from typing import Final


class EmptyInput:
    """A file with nothing in it; it holds no state, so all requests share one."""

    __slots__ = ()

    def read(self, _size: int | None = -1) -> bytes:
        """Return nothing."""
        return b""

    read1 = readline = read

    def readlines(self, _hint: int | None = -1) -> list[bytes]:
        """Return no lines."""
        return []

    def __iter__(self) -> "EmptyInput":
        return self

    def __next__(self) -> bytes:
        raise StopIteration

    def close(self) -> None:
        """Nothing to let go of."""


EMPTY_INPUT: Final = EmptyInput()
