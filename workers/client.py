"""What the code that speaks for an application needs of whoever does the I/O."""

from typing import Any, Protocol


class ClientGoneError(ConnectionError):
    """The client closed its connection, or was too slow to be worth waiting for."""

    status = 0
    """What the logs say was sent, where the application has not begun a response."""


class SwitchedError(ClientGoneError):
    """The application has the client's socket, and speaks another protocol on it: no response may follow."""

    status = 101


class Client(Protocol):
    """A client's connection, as a response sees it."""

    # Any: an environ holds what PEP 3333 and middleware put into it.
    environ: dict[str, Any]
    """Copied into the environ of every request on the connection."""
    peer: tuple[str, int]
    """Address and port, ("", 0) on a Unix socket."""
    trusted: bool
    """Whether the peer is a proxy whose word on the scheme counts."""

    def write(self, data: bytes) -> None:
        """Send `data`, now or soon.

        Raises:
            ClientGoneError: nobody reads it any more.
        """

    def write_file(self, fd: int, offset: int, count: int) -> None:
        """Send a part of a file, which may be closed as soon as this returns.

        Raises:
            ClientGoneError: nobody reads it any more.
        """

    def abort(self) -> None:
        """Cut the connection so that the client cannot take what it has for the whole."""

    def last_word(self, page: bytes) -> bool:
        """Send `page` instead of a response, at once or not at all: the process is about to end.

        Returns:
            Whether it was sent.
        Process: the worker, in a signal handler; whoever runs the request may be in the midst of anything.
        """


def stems_from_leaving(error: BaseException | None) -> bool:
    """Whether `error` came of writing to a client that is gone, and of nothing else."""
    if isinstance(error, BaseExceptionGroup):
        return all(stems_from_leaving(each) for each in error.exceptions)
    while error is not None:
        if isinstance(error, ClientGoneError):
            return True
        error = error.__cause__ or error.__context__
    return False
