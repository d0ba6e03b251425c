"""Flask-SocketIO; `SOCKETIO_MODE` names its async mode: threading, gevent or eventlet."""

import os
import sys
from typing import Any

from flask import Flask, request
from flask_socketio import ConnectionRefusedError as Refused
from flask_socketio import Namespace, SocketIO, disconnect, emit, join_room

app = Flask(__name__)
socketio = SocketIO(app, async_mode=os.environ["SOCKETIO_MODE"], cors_allowed_origins="*", ping_interval=2)


@app.get("/hello")
def hello() -> str:
    return "hello"


@socketio.on("connect")
def connect(auth: Any) -> None:
    """Let in all but those who say they are strangers."""
    if auth == {"name": "stranger"}:
        raise Refused("not you")


@socketio.on("echo")
def echo(data: Any) -> None:
    """Send it back as an event."""
    emit("echoed", data)


@socketio.on("ask")
def ask(number: int) -> int:
    """Answer with the acknowledgement."""
    return number + 1


@socketio.on("enter")
def enter(room: str) -> str:
    """Enter a room."""
    join_room(room)
    return room


@socketio.on("tell")
def tell(room: str, text: str) -> None:
    """Tell all in a room."""
    emit("told", text, to=room)


@socketio.on("count")
def count(limit: int) -> None:
    """Count in a background task, which outlives the handler."""
    sid = request.sid  # type: ignore[attr-defined]  # Flask-SocketIO adds it

    def work() -> None:
        for number in range(limit):
            socketio.sleep(0.001)
            socketio.emit("counted", number, to=sid)

    socketio.start_background_task(work)


@socketio.on("leave")
def leave() -> None:
    """End the client's connection."""
    disconnect()


@socketio.on("disconnect")
def left(reason: str) -> None:
    """Say who left."""
    sys.stderr.write("client left\n")


class Other(Namespace):
    """Another namespace on the same connection."""

    def on_echo(self, data: Any) -> None:
        """Send it back, marked."""
        emit("echoed", ["other", data])

    def on_leave(self) -> None:
        """End the client's connection."""
        disconnect()


socketio.on_namespace(Other("/other"))
