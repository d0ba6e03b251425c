"""The arbiter that a re-exec has started this one to take the place of: what is said to it, and heard from it.

It also is whom a failed start is reported to: the operator who sent the signal looks at its log.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from heeler.arbiter.inheritance import Inheritance
from heeler.plugins.errors import HeelerError
from heeler.plugins.exit_status import ExitStatus
from heeler.workers.messages import Announced, BootFailed, Complete, Counts, Ready, TakenOver, TakeOver


class Predecessor:
    """The old arbiter.

    Args:
        inheritance: what it has left.

    Resource handling: `close` lets go of the channel to it.
    """

    def __init__(self, inheritance: Inheritance) -> None:
        self.inheritance: Final = inheritance
        self._channel: Final = inheritance.open_channel()

    def be_told(self, serve: Callable[["Predecessor"], int]) -> int:
        """Return the exit status of `serve`; what it raises goes to the old arbiter."""
        try:
            return serve(self)
        except HeelerError as error:
            notes: Sequence[str] = getattr(error, "__notes__", ())
            if self.failed(error.exit_status, "\n".join((*notes, str(error)))):
                return error.exit_status
            raise

    def fileno(self) -> int:
        """Return the descriptor to wait on, -1 when closed."""
        return self._channel.fileno()

    def ready(self, _addresses: Sequence[str], /) -> None:
        """The first worker is ready."""
        if self.fileno() != -1:
            self._channel.send(Ready())

    def complete(self) -> None:
        """All workers are ready: from now on the old arbiter may say that everything is ours."""
        if self.fileno() != -1:
            self._channel.send(Complete())

    def failed(self, status: ExitStatus, text: str, /) -> bool:
        """The start has failed; False if nobody waits to hear of it."""
        return self.fileno() != -1 and self._channel.send(BootFailed(int(status), text))

    def hear(
        self,
        take_over: Callable[[], None],
        announced: Callable[[], None],
        count: Callable[[Mapping[str, Sequence[int]]], None],
    ) -> None:
        """Take in what it says, up to its end; then it is closed here, too.

        Args:
            take_over: called once all is ours: it has said so, or has died. May be called twice.
            announced: called once an init system knows of it: that was told, or nobody can tell it any more.
            count: called with what it has counted.

        Raises:
            HeelerError: by `take_over`.
        """
        try:
            while (message := self._channel.receive()) is not None:
                if isinstance(message, TakeOver):
                    take_over()
                    self._channel.send(TakenOver())
                elif isinstance(message, Announced):
                    announced()
                elif isinstance(message, Counts):
                    count(message.counters)
        except ValueError:
            return  # of a version that says more
        except EOFError:
            self.close()
            announced()
            take_over()

    def close(self) -> None:
        """Say and hear nothing more. Process: a child too, whose copy would hide the end."""
        self._channel.close()
