"""The answer to a request for which no worker has had room in time: 503, without a look at it.

The rest of what the client sends is read and thrown away for a while, so that closing does not reset
the connection before the client has read the answer.
"""

import contextlib
import math
import select
import socket
import time
from collections.abc import Callable
from typing import Final

from heeler.arbiter.listener.client import Client
from heeler.workers.clock import http_date
from heeler.workers.http.error_page import error_page

LINGER_S: Final = 2.0
"""How long a refused client may go on sending."""
_BYTES: Final = 65536


class Refusal:
    """Refuses clients, and sees them off.

    Args:
        poller: where they are watched meanwhile.
        retry_after_s: what they are told.
        on_gone: called when one of them is gone.
    """

    def __init__(self, poller: select.epoll, retry_after_s: int, on_gone: Callable[[], object]) -> None:
        self._poller: Final = poller
        self._retry_after: Final = b"Retry-After: %d\r\n" % retry_after_s
        self._on_gone: Final = on_gone
        self._leaving: Final[dict[int, tuple[Client, float]]] = {}

    def refuse(self, client: Client) -> None:
        """Answer 503; the client is ours until it is gone."""
        page = error_page(503, http_date()[0], more=self._retry_after)
        with socket.socket(fileno=client.fd) as sock:
            with contextlib.suppress(OSError):
                sock.send(page, socket.MSG_DONTWAIT)
                sock.shutdown(socket.SHUT_WR)
            sock.detach()
        mask = select.EPOLLIN | select.EPOLLRDHUP
        if client.is_watched:
            self._poller.modify(client.fd, mask)
        else:
            client.is_watched = True
            self._poller.register(client.fd, mask)
        self._leaving[client.fd] = client, time.monotonic() + LINGER_S

    def on_readable(self, fd: int) -> bool:
        """Throw away what comes; return whether `fd` is one of those who were refused."""
        leaving = self._leaving.get(fd)
        if leaving is None:
            return False
        with socket.socket(fileno=fd) as sock:
            try:
                # Not to wait, whatever an application has made of the socket that it had.
                if sock.recv(_BYTES, socket.MSG_DONTWAIT):
                    return True
            except BlockingIOError:
                return True
            except OSError:
                pass
            finally:
                sock.detach()
        self._end(leaving[0])
        return True

    def wake_at(self) -> float:
        """Return when `sweep` must be called next."""
        return next((until for _, until in self._leaving.values()), math.inf)

    def sweep(self) -> None:
        """Close those who have had their time."""
        now = time.monotonic()
        for client in [client for client, until in self._leaving.values() if until <= now]:
            self._end(client)

    def __len__(self) -> int:
        return len(self._leaving)

    def _end(self, client: Client) -> None:
        del self._leaving[client.fd]
        self._poller.unregister(client.fd)
        client.close()
        self._on_gone()
