"""Plain WSGI applications that are offered a client's socket, and what they do with it."""

import sys
from collections.abc import Iterable
from typing import Any

SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"


def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Answer by path."""
    path = environ["PATH_INFO"]
    if path == "/plain":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [str("heeler.socket" in environ).encode()]
    if path == "/pieces":
        return pieces(start_response)
    if path == "/fails":
        raise RuntimeError("before anything was sent")
    sock = environ["heeler.socket"]
    sock.sendall(SWITCH)
    if path == "/fails-later":
        raise RuntimeError("after something was sent")
    sys.stderr.write("switched\n")
    while data := sock.recv(65536):
        if data == b"end":
            break
        if data == b"close":
            sock.close()
            break
        sock.send(data)
    sys.stderr.write("echo ends\n")
    if path == "/stop":
        raise StopIteration
    if path == "/late":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"nobody sees this"]
    return iter(()) if path == "/iterator" else []


def pieces(start_response: Any) -> Iterable[bytes]:
    """Answer in pieces."""
    start_response("200 OK", [])
    yield b"x" * 1_000_000
    yield b"y"
