"""One client of the worker class `resp`: its commands are read, run and answered, and nobody ever waits for it."""

import math
import selectors
import socket
import time
from typing import TYPE_CHECKING, Final

from heeler_resp.commands import run
from heeler_resp.protocol import ProtocolError, encode_error, take_command

if TYPE_CHECKING:
    from heeler_resp.worker import RespWorker

FOLLOWS_S: Final = 0.05
"""How long a connection that is to be closed stays open for a command right behind the one that was answered."""

ENOUGH_BYTES: Final = 65536
"""While so much waits for a client, no more of its commands are run."""


class Client:
    """A connection.

    Args:
        worker: whose application, settings and counts are used; it calls what its selector holds.
        sock: the client's socket, non-blocking.
    """

    def __init__(self, worker: "RespWorker", sock: socket.socket) -> None:
        self._worker = worker
        self._sock = sock
        self._received = bytearray()
        self._unsent = bytearray()
        self._is_ending = False
        self.deadline = math.inf
        """When it is closed, unless something comes of it before."""
        drain = worker.draining
        self._wait_for(selectors.EVENT_READ, drain.linger_s if drain else worker.config.header_timeout)

    @property
    def is_idle(self) -> bool:
        """Whether it owes nothing, and nothing is owed to it."""
        return not self._received and not self._unsent

    def hurry(self) -> None:
        """The worker drains: wait only for a command that is on its way already."""
        drain = self._worker.draining
        if drain is not None and self.is_idle:
            self.deadline = min(self.deadline, time.monotonic() + drain.linger_s)

    def expire(self) -> None:
        """Its deadline has passed."""
        if not self.is_idle:
            self._worker.row.set("timeouts", self._worker.row.get("timeouts") + 1)
        self.close()

    def close(self) -> None:
        """Let go of it."""
        worker = self._worker
        worker.selector.unregister(self._sock)
        self._sock.close()
        worker.clients.discard(self)
        worker.closed()
        if worker.accepting and worker.room() == 1:
            worker.resume_accept()

    # -- what it says, and gets

    def on_ready(self) -> None:
        """It has said something, or takes something again."""
        try:
            if self._unsent or self._read():
                self._answer()
            else:
                self.close()
        except OSError:  # it is gone
            self.close()

    def _read(self) -> bool:
        """Take what has come; False at the end, when what is not a whole command never will be."""
        data = self._sock.recv(ENOUGH_BYTES)
        self._worker.tally.bytes_in += len(data)
        self._received += data
        return bool(data)

    def _answer(self) -> None:
        """Run commands and send their replies, while there are any and they are taken; then wait."""
        config = self._worker.config
        self._run_commands()
        while self._unsent:
            try:
                sent = self._sock.send(self._unsent)
            except BlockingIOError:
                self._wait_for(selectors.EVENT_WRITE, config.write_timeout)
                return
            del self._unsent[:sent]
            self._run_commands()
        if self._is_ending:
            self.close()
        elif self._received:
            self._wait_for(selectors.EVENT_READ, config.body_timeout)
        else:
            self._wait_for(selectors.EVENT_READ, config.keepalive if self._worker.keep_alive else FOLLOWS_S)

    def _run_commands(self) -> None:
        try:
            while not self._is_ending and len(self._unsent) < ENOUGH_BYTES:
                words = take_command(self._received)
                if words is None:
                    return
                if words:
                    self._unsent += run(self._worker, words)
                    self._is_ending = words[0].upper() == b"QUIT"
        except ProtocolError as error:
            self._worker.row.set("refused", self._worker.row.get("refused") + 1)
            self._unsent += encode_error(f"Protocol error: {error}")
            self._is_ending = True

    def _wait_for(self, events: int, timeout_s: float) -> None:
        """Wait for it, for so long at most; 0 = for ever."""
        self.deadline = time.monotonic() + (timeout_s or math.inf)
        selector = self._worker.selector
        if self._sock not in selector.get_map():
            selector.register(self._sock, events, self.on_ready)
        elif selector.get_key(self._sock).events != events:
            selector.modify(self._sock, events, self.on_ready)
