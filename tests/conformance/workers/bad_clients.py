"""Worker classes that suffer from their clients."""

import os
import select
import socket
import threading

from typing_extensions import override

from heeler.workers.base import Boot
from heeler.workers.http_connection import HttpConnection
from heeler.workers.sources import Connection
from heeler.workers.sync import SyncWorker

_END_OF_HEAD = b"\r\n\r\n"


class WaitsForEachHead(SyncWorker):
    """Does nothing else until a client has sent the head of its request."""

    @override
    def handle(self, connection: Connection) -> None:
        never = threading.Event()
        for _ in range(300):
            if not select.select([connection.sock], [], [], 30)[0]:
                break
            if _END_OF_HEAD in connection.sock.recv(65536, socket.MSG_PEEK):
                break
            never.wait(0.1)
        super().handle(connection)


class _Blocks(HttpConnection):
    @override
    def write(self, data: bytes) -> None:
        self.sock.setblocking(True)
        self.sock.sendall(data)
        self.sock.setblocking(False)


class WaitsForEachReader(SyncWorker):
    """Does nothing else until a client has read its response."""

    connection_class = _Blocks


class KeepsContentInMemory(SyncWorker):
    """Holds a request's content in memory, whatever its size."""

    def __init__(self, boot: Boot) -> None:
        super().__init__(boot)
        self.body_memory = 1 << 40  # type: ignore[misc]  # it is not to be changed


class RefusesUnixSockets(SyncWorker):
    """Serves those who come over the network only."""

    @override
    def handle(self, connection: Connection) -> None:
        if connection.sock.family == socket.AF_UNIX:
            connection.sock.close()
            return
        super().handle(connection)


class LeaksDescriptors(SyncWorker):
    """Keeps a descriptor of each client that it had."""

    @override
    def handle(self, connection: Connection) -> None:
        os.dup(2)
        super().handle(connection)


class LeaksThreads(SyncWorker):
    """Keeps a thread for each client that it had."""

    @override
    def handle(self, connection: Connection) -> None:
        threading.Thread(target=threading.Event().wait, daemon=True).start()
        super().handle(connection)


class LeavesZombies(SyncWorker):
    """Starts a process for each client, and never asks after it."""

    @override
    def handle(self, connection: Connection) -> None:
        if os.fork() == 0:
            os._exit(0)
        super().handle(connection)
