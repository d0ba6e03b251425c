"""A client's socket as an application gets it.

Import it in a worker only, once the worker class has patched the standard library: the class
is then one of a green socket.
"""

import contextlib
import socket
import time
from collections.abc import Callable
from typing import Any

from typing_extensions import override


class LentSocket(socket.socket):
    """Notes whether the application has sent anything over it.

    What the system sends when it is closed: the end of the stream at once, whoever has copies.

    Args:
        sock: whose copy it is.
        on_end: called once it is closed after it was used: whatever the application does then, the client is gone.

    Resource handling: the copy is the application's to close, and closed after its request.
    """

    def __init__(self, sock: socket.socket, on_end: Callable[[], None]) -> None:
        super().__init__(sock.family, sock.type, sock.proto, fileno=sock.dup().detach())
        self._on_end = on_end
        self.is_used = False
        """Whether the application has spoken for itself: no response may follow."""
        self.setblocking(True)

    # Any: as the socket of the standard library, or the green one, has them.

    @override
    def send(self, *args: Any, **options: Any) -> int:
        self.is_used = True
        return super().send(*args, **options)

    @override
    def sendall(self, *args: Any, **options: Any) -> None:
        self.is_used = True
        super().sendall(*args, **options)

    @override
    def sendto(self, *args: Any, **options: Any) -> int:
        self.is_used = True
        return super().sendto(*args, **options)

    @override
    def sendmsg(self, *args: Any, **options: Any) -> int:
        self.is_used = True
        return super().sendmsg(*args, **options)

    @override
    def sendfile(self, *args: Any, **options: Any) -> int:
        self.is_used = True
        return super().sendfile(*args, **options)

    def end(self) -> None:
        """Close it: its request is over."""
        if self.is_used and not hasattr(socket.socket, "_real_close"):
            # A socket of eventlet: closing it wakes nobody who waits for it, so the hub must see the end before.
            with contextlib.suppress(OSError):
                self.shutdown(socket.SHUT_RDWR)
            time.sleep(0.001)
        self.close()

    def _real_close(self, *args: Any, **options: Any) -> None:
        if self.is_used:
            with contextlib.suppress(OSError):
                self.shutdown(socket.SHUT_RDWR)
        super()._real_close(*args, **options)  # type: ignore[misc]
        if self.is_used:
            self._on_end()
