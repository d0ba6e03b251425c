"""WebSockets for WSGI: Flask-Sock, which rests on simple-websocket and the raw socket in the environ."""

import contextlib
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

import simple_websocket
from flask import Flask
from flask_sock import Sock

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

app = Flask(__name__)
app.config["SOCK_SERVER_OPTIONS"] = {"subprotocols": ["chat"], "max_message_size": 2**20}
sock = Sock(app)


@app.get("/hello")
def hello() -> str:
    return "hello"


@sock.route("/ws/echo")
def echo(ws: simple_websocket.Server) -> None:
    """Send back what comes, text as text."""
    try:
        while True:
            ws.send(ws.receive())
    except simple_websocket.ConnectionClosed as closed:
        sys.stderr.write(f"websocket gone code={int(closed.reason)}\n")
        raise


@sock.route("/ws/close")
def close(ws: simple_websocket.Server) -> None:
    """Close as the first message says: a code and a reason."""
    code, _, reason = ws.receive().partition(" ")
    ws.close(int(code), reason)


@sock.route("/ws/return")
def once(ws: simple_websocket.Server) -> None:
    """Answer once, and return."""
    ws.send(ws.receive())


@sock.route("/ws/broken")
def broken(ws: simple_websocket.Server) -> None:
    """Fail with the connection open."""
    ws.receive()
    raise RuntimeError("broken on purpose")


def raw(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    """Speak to the raw socket as a plain WSGI application does: upper-case lines, until an empty one."""
    if environ["PATH_INFO"] != "/raw":
        start_response("404 Not Found", [("Content-Length", "0")])
        return []
    connection = environ["heeler.socket"]
    assert connection is environ["gunicorn.socket"]
    connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: lines\r\n\r\n")
    with contextlib.closing(connection), connection.makefile("rwb") as lines:
        while (line := lines.readline()).strip():
            lines.write(line.upper())
            lines.flush()
    raise StopIteration
