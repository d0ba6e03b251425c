"""python-socketio as an ASGI application, with the events of `socketio_site`."""

import sys
from typing import Any

import socketio

server = socketio.AsyncServer(async_mode="asgi", cors_allowed_origins="*", ping_interval=2)
app = socketio.ASGIApp(server)


@server.event
async def connect(sid: str, environ: Any, auth: Any) -> None:
    """Let in all but those who say they are strangers."""
    if auth == {"name": "stranger"}:
        raise socketio.exceptions.ConnectionRefusedError("not you")


@server.event
async def echo(sid: str, data: Any) -> None:
    """Send it back as an event."""
    await server.emit("echoed", data, to=sid)


@server.event
async def ask(sid: str, number: int) -> int:
    """Answer with the acknowledgement."""
    return number + 1


@server.event
async def enter(sid: str, room: str) -> str:
    """Enter a room."""
    await server.enter_room(sid, room)
    return room


@server.event
async def tell(sid: str, room: str, text: str) -> None:
    """Tell all in a room."""
    await server.emit("told", text, to=room)


@server.event
async def count(sid: str, limit: int) -> None:
    """Count in a background task, which outlives the handler."""

    async def work() -> None:
        for number in range(limit):
            await server.sleep(0.001)
            await server.emit("counted", number, to=sid)

    server.start_background_task(work)


@server.event
async def leave(sid: str) -> None:
    """End the client's connection."""
    await server.disconnect(sid)


@server.event
async def disconnect(sid: str, reason: str) -> None:
    """Say who left."""
    sys.stderr.write("client left\n")


@server.on("leave", namespace="/other")
async def leave_other(sid: str) -> None:
    """End the client's connection."""
    await server.disconnect(sid, namespace="/other")


@server.on("echo", namespace="/other")
async def other(sid: str, data: Any) -> None:
    """Send it back, marked."""
    await server.emit("echoed", ["other", data], to=sid, namespace="/other")
