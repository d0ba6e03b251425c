"""An application that answers when the test says so."""

import os
import threading
from typing import Final

from support.client import Client, Response
from support.server import Server

FILES: Final = {
    "app.py": """\
import os, sys

def app(environ, start_response):
    if environ["PATH_INFO"] == "/wait":
        print("request begun", file=sys.stderr, flush=True)
        with open("gate") as gate:
            gate.read()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
"""
}
"""Answers with the worker's pid; on /wait it does so once the gate is opened."""


class Waiting:
    """A request that is in flight, until the gate is opened.

    Args:
        server: serves `FILES`.
    """

    def __init__(self, server: Server) -> None:
        self._gate = server.directory / "gate"
        if not self._gate.exists():
            os.mkfifo(self._gate)
        seen = server.log().count("request begun")
        self._client = Client(server.address)
        self._client.send(b"GET /wait?secret HTTP/1.1\r\nHost: test\r\n\r\n")
        server.wait_for_log("request begun", seen + 1)

    def open(self) -> Response:
        """Let it be answered, and return the response."""
        # In a thread: the other end may be gone, and then nobody ever opens the pipe for reading.
        threading.Thread(target=lambda: self._gate.open("w").close(), daemon=True).start()
        with self._client:
            return self._client.read_response()

    def close(self) -> None:
        """Give it up."""
        self._client.close()
